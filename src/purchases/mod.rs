//! Purchases: orders as the merchant reports them, each counted once, with who referred it.
//!
//! [`record`] is the one way in. An order is never refused because of its codes.

pub mod bulk;
mod code_book;
mod confirm;
pub mod explain;
pub mod facts;
pub mod http;
pub mod insert;
pub mod lane;
pub mod list;
pub mod list_store;
mod plain;
pub mod record;
pub mod refunds;
mod replace;
pub mod store;
mod visits;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::customers::{Customer, Person};
use crate::types::channel::Channel;
use crate::types::codes::RecordedCode;
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, ConversionId, CustomerId, PurchaseId};
use crate::types::money::{Money, Price};
use crate::types::text::{Name, OpaqueId, UserAgent};
use crate::types::visit::VisitToken;

/// What names an order, for ever. The empty source is the web shop's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderKey {
    pub account_id: AccountId,
    pub source: String,
    pub order_id: OpaqueId,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub sku: Option<Name>,
    pub name: Option<Name>,
    pub price: Option<Price>,
    pub quantity: Option<i64>,
}

/// An order that is to be recorded. What the request left out is absent.
#[derive(Clone, Debug)]
pub struct PurchaseToRecord {
    pub key: OrderKey,
    pub total: Money,
    /// Whether the request named the currency; else it is the account's.
    pub currency_given: bool,
    pub email: Option<Email>,
    pub new_customer: Option<bool>,
    pub date: Option<OffsetDateTime>,
    pub customer: Person,
    pub products: Option<Vec<Product>>,
    pub ip_address: Option<IpAddr>,
    /// Not a fact of the order: a repeat may bring another.
    pub user_agent: Option<UserAgent>,
    pub coupon_code: Option<RecordedCode>,
    pub referral_code: Option<RecordedCode>,
    /// Not a fact of the order either.
    pub visit: Option<VisitToken>,
    pub channel: Channel,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum Recorded {
    /// Stored now.
    New(Box<Purchase>),
    /// The same order was stored before: as it stands now.
    Replayed(Box<Purchase>),
    /// Another order was stored under this id before. The fields that differ, as the request spells them.
    Conflict(Vec<&'static str>),
}

/// A purchase as stored, with its attribution and conversion.
#[derive(Clone, Debug)]
pub struct Purchase {
    pub key: OrderKey,
    pub id: PurchaseId,
    pub total: Money,
    pub email: Option<Email>,
    pub new_customer: Option<bool>,
    pub ordered_at: OffsetDateTime,
    /// Our number for the friend, if he is a customer we know.
    pub customer_id: Option<CustomerId>,
    pub customer_external_id: Option<OpaqueId>,
    pub customer_email: Option<Email>,
    pub customer_first_name: Option<String>,
    pub customer_last_name: Option<String>,
    pub products: Vec<Product>,
    pub ip_address: Option<String>,
    pub coupon_code: Option<RecordedCode>,
    pub referral_code: Option<RecordedCode>,
    /// Through which the report came that is in force.
    pub channel: Channel,
    pub attribution: Option<AttributedTo>,
    pub reason: Option<String>,
    pub conversion: Option<Conversion>,
    pub created_at: OffsetDateTime,
}

/// Who referred a purchase.
#[derive(Clone, Debug)]
pub struct AttributedTo {
    pub via: String,
    pub referral_code: String,
    pub coupon_code: Option<String>,
    pub campaign_id: CampaignId,
    pub campaign_name: String,
    pub advocate: Customer,
    pub conflicting_codes: bool,
}

/// The conversion that a purchase led to.
#[derive(Clone, Debug)]
pub struct Conversion {
    pub id: ConversionId,
    pub status: String,
    pub same_email: bool,
    pub fuzzy_email: bool,
    pub same_customer: bool,
    pub same_shopper: bool,
    pub created_at: OffsetDateTime,
}
