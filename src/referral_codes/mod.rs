//! Referral codes: each names one advocate in one campaign, and holds his coupon if he has one.
//!
//! [`issue`] is the one way to a referral code and to a coupon, [`few`] its short cut for what most calls are.

pub mod blocks;
mod desk;
pub mod few;
pub mod holders;
pub mod http;
mod insert;
pub mod issue;
pub mod lane;
pub mod list;
pub mod list_store;
mod named;
pub mod qr;
pub mod store;
pub mod visits;

use std::net::IpAddr;

use time::OffsetDateTime;

use crate::customers::{Customer, Person};
use crate::types::codes::{CouponCode, ReferralCode};
use crate::types::ids::{AccountId, CampaignId, CouponBankId, ReferralCodeId};
use crate::types::text::UserAgent;

/// What coupon is asked for with a referral code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// None; a coupon the advocate has is his all the same.
    Nothing,
    /// Any free one of a bank.
    FromBank(CouponBankId),
    /// This very code.
    Named(CouponCode),
}

/// A referral code that is asked for.
#[derive(Clone, Debug)]
pub struct ReferralCodeToIssue {
    pub account_id: AccountId,
    pub campaign_id: CampaignId,
    pub advocate: Person,
    pub wish: Wish,
    /// The code itself, for an advocate who has it from elsewhere. Without it one is made.
    pub code: Option<ReferralCode>,
    /// From where he asks, if that is said. Kept with a new code, to tell him from those who buy through it.
    pub ip_address: Option<IpAddr>,
    pub user_agent: Option<UserAgent>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A new referral code.
    Created(Box<Issued>),
    /// The one the advocate has, perhaps with a coupon added just now.
    Existing(Box<Issued>),
    /// Nothing was stored.
    Refused(Refusal),
}

/// Why no referral code, or no coupon, was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    CampaignNotFound,
    CouponBankNotFound,
    CouponNotFound,
    IdentityConflict,
    AdvocateHasCoupon,
    CampaignInactive,
    CouponTaken,
    CouponRetired,
    BankExhausted,
    /// The code that was to be kept names somebody else, or is a coupon.
    ReferralCodeTaken,
    /// The advocate has another code in this campaign than the one that was to be kept.
    AdvocateHasReferralCode,
}

/// A referral code as it is answered.
#[derive(Clone, Debug)]
pub struct Issued {
    pub account_id: AccountId,
    pub id: ReferralCodeId,
    pub code: ReferralCode,
    pub campaign_id: CampaignId,
    pub campaign_name: String,
    pub destination_url: String,
    pub advocate: Customer,
    pub coupon: Option<HeldCoupon>,
    pub created_at: OffsetDateTime,
}

/// The coupon of a referral code, as uploaded.
#[derive(Clone, Debug)]
pub struct HeldCoupon {
    pub code: CouponCode,
    pub pin: Option<String>,
    pub bank_id: CouponBankId,
    pub bank_name: String,
}
