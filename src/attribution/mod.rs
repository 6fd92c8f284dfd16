//! Attribution: who referred a purchase, and why. Pure: the same evidence gives the same decision, with its reasons.
//!
//! The order of precedence is data, because the two generations of the compatible API reverse it.

pub mod fraud;

use serde::Serialize;
use time::OffsetDateTime;

use crate::types::email::Email;
use crate::types::ids::{CampaignId, ReferralCodeId};
use crate::types::self_referral::SelfReferral;
use crate::types::text::OpaqueId;

/// A kind of evidence that a purchase can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    ReferralCode,
    CouponCode,
    /// A click on a link, which the shop's page kept.
    Visit,
}

impl EvidenceKind {
    /// The kind's spelling on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReferralCode => "referral_code",
            Self::CouponCode => "coupon_code",
            Self::Visit => "visit",
        }
    }
}

/// What decides first, in the legacy API (contract.md 0, fact 3). A code that came with an order was meant for it; a click may be
/// weeks old.
pub const LEGACY_PRECEDENCE: &[EvidenceKind] =
    &[EvidenceKind::ReferralCode, EvidenceKind::CouponCode, EvidenceKind::Visit];

/// An advocate, as a code leads to him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub referral_code_id: ReferralCodeId,
    pub campaign_id: CampaignId,
    pub external_id: Option<OpaqueId>,
    pub email: Option<Email>,
    /// What his campaign says of advocates who buy from themselves.
    pub self_referral: SelfReferral,
}

/// What a presented code turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// No code of the account.
    Unknown,
    /// A coupon of the account that nobody holds yet.
    Unbound,
    /// Nothing that we signed for the account.
    Forged,
    /// A click too long before the order, or after it.
    OutsideWindow(ReferralCodeId),
    /// An advocate's to whom nothing is credited any more.
    Blocked(Block, ReferralCodeId),
    /// An advocate's.
    Names(Holder),
}

/// What keeps an advocate from being credited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// This code of his.
    Code,
    /// He himself.
    Customer,
}

/// A code that came with the purchase, and what it turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub kind: EvidenceKind,
    pub finding: Finding,
    /// Of a visit, when the link was clicked.
    pub clicked_at: Option<OffsetDateTime>,
}

/// What tells who bought.
#[derive(Clone, Debug, Default)]
pub struct Buyer {
    pub external_id: Option<OpaqueId>,
    /// The order's address and the customer's.
    pub emails: Vec<Email>,
}

/// Why nobody referred a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    NoCode,
    UnknownCode,
    UnboundCode,
    BlockedCode,
    BlockedCustomer,
    InvalidVisit,
    ExpiredVisit,
}

impl Reason {
    /// The reason's spelling on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoCode => "no_code",
            Self::UnknownCode => "unknown_code",
            Self::UnboundCode => "unbound_code",
            Self::BlockedCode => "blocked_code",
            Self::BlockedCustomer => "blocked_customer",
            Self::InvalidVisit => "invalid_visit",
            Self::ExpiredVisit => "expired_visit",
        }
    }
}

/// What became of one piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Decided,
    Outranked,
    UnknownCode,
    UnboundCode,
    BlockedCode,
    BlockedCustomer,
    InvalidVisit,
    ExpiredVisit,
}

impl Verdict {
    /// The verdict's spelling on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Outranked => "outranked",
            Self::UnknownCode => "unknown_code",
            Self::UnboundCode => "unbound_code",
            Self::BlockedCode => "blocked_code",
            Self::BlockedCustomer => "blocked_customer",
            Self::InvalidVisit => "invalid_visit",
            Self::ExpiredVisit => "expired_visit",
        }
    }
}

/// One piece of evidence with its verdict: the reasons that are kept with the purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Considered {
    pub kind: EvidenceKind,
    pub verdict: Verdict,
    pub referral_code_id: Option<ReferralCodeId>,
}

/// Signs that the advocate bought through his own code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fraud {
    /// One address, but for case.
    pub same_email: bool,
    /// Another spelling of one mailbox.
    pub fuzzy_email: bool,
    /// One customer id of the merchant's.
    pub same_customer: bool,
    /// One browser at one address. Seen when the conversion is evaluated.
    pub same_shopper: bool,
}

impl Fraud {
    /// Whether any sign was seen.
    pub fn is_seen(self) -> bool {
        self.same_email || self.fuzzy_email || self.same_customer || self.same_shopper
    }
}

/// The advocate to whom a purchase is attributed, by which evidence, and what speaks against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribution {
    pub via: EvidenceKind,
    pub holder: Holder,
    pub fraud: Fraud,
    /// When a link of his was clicked, if the order says so, whatever else decided.
    pub visited_at: Option<OffsetDateTime>,
}

impl Attribution {
    /// Whether its conversion is rejected at once, without being evaluated first.
    pub fn is_rejected(&self) -> bool {
        self.fraud.is_seen() && self.holder.self_referral == SelfReferral::Reject
    }
}

/// The decision for one purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub outcome: Result<Attribution, Reason>,
    /// Two codes named two advocates.
    pub conflicting_codes: bool,
    pub considered: Vec<Considered>,
}

/// Decides who referred a purchase. Evidence that names nobody is passed over, and the next kind decides.
pub fn decide(buyer: &Buyer, evidence: &[Evidence], precedence: &[EvidenceKind]) -> Decision {
    let ranked: Vec<&Evidence> =
        precedence.iter().filter_map(|kind| evidence.iter().find(|evidence| evidence.kind == *kind)).collect();
    let named: Vec<(EvidenceKind, &Holder)> = ranked
        .iter()
        .filter_map(|evidence| match &evidence.finding {
            Finding::Names(holder) => Some((evidence.kind, holder)),
            _ => None,
        })
        .collect();
    let winner = named.first().copied();
    let conflicting_codes = winner
        .is_some_and(|(_, first)| named.iter().any(|(_, other)| other.referral_code_id != first.referral_code_id));
    let considered = ranked.iter().map(|evidence| consider(evidence, winner.map(|(kind, _)| kind))).collect();
    let outcome = match winner {
        Some((via, holder)) => Ok(Attribution {
            via,
            holder: holder.clone(),
            visited_at: ranked.iter().find_map(|evidence| click_of(evidence, holder)),
            fraud: inspect(buyer, holder.external_id.as_ref(), holder.email.as_ref()),
        }),
        None => Err(why_nobody(&ranked)),
    };
    Decision { outcome, conflicting_codes, considered }
}

/// When a link of this advocate's code was clicked, if the evidence tells.
fn click_of(evidence: &Evidence, advocate: &Holder) -> Option<OffsetDateTime> {
    let clicked = match &evidence.finding {
        Finding::Names(holder) => holder.referral_code_id,
        Finding::OutsideWindow(id) => *id,
        _ => return None,
    };
    evidence.clicked_at.filter(|_| clicked == advocate.referral_code_id)
}

fn consider(evidence: &Evidence, winner: Option<EvidenceKind>) -> Considered {
    let (verdict, referral_code_id) = match &evidence.finding {
        Finding::Unknown => (Verdict::UnknownCode, None),
        Finding::Unbound => (Verdict::UnboundCode, None),
        Finding::Forged => (Verdict::InvalidVisit, None),
        Finding::OutsideWindow(id) => (Verdict::ExpiredVisit, Some(*id)),
        Finding::Blocked(Block::Code, id) => (Verdict::BlockedCode, Some(*id)),
        Finding::Blocked(Block::Customer, id) => (Verdict::BlockedCustomer, Some(*id)),
        Finding::Names(holder) if winner == Some(evidence.kind) => (Verdict::Decided, Some(holder.referral_code_id)),
        Finding::Names(holder) => (Verdict::Outranked, Some(holder.referral_code_id)),
    };
    Considered { kind: evidence.kind, verdict, referral_code_id }
}

/// The reason that tells most: who is blocked before what nobody holds, and a code that is ours but nobody's, which may have
/// leaked, before one that is not ours.
fn why_nobody(ranked: &[&Evidence]) -> Reason {
    let blocked = ranked.iter().find_map(|evidence| match evidence.finding {
        Finding::Blocked(Block::Code, _) => Some(Reason::BlockedCode),
        Finding::Blocked(Block::Customer, _) => Some(Reason::BlockedCustomer),
        _ => None,
    });
    let is_any = |is_so: fn(&Finding) -> bool| ranked.iter().any(|evidence| is_so(&evidence.finding));
    match blocked {
        Some(blocked) => blocked,
        None if is_any(|finding| *finding == Finding::Unbound) => Reason::UnboundCode,
        None if is_any(|finding| matches!(finding, Finding::OutsideWindow(_))) => Reason::ExpiredVisit,
        None if is_any(|finding| *finding == Finding::Unknown) => Reason::UnknownCode,
        None if ranked.is_empty() => Reason::NoCode,
        None => Reason::InvalidVisit,
    }
}

/// The signs that are seen at once. [`fraud::check`] looks closer, when the conversion is evaluated.
fn inspect(buyer: &Buyer, external_id: Option<&OpaqueId>, known: Option<&Email>) -> Fraud {
    let same_customer = external_id.is_some() && buyer.external_id.as_ref() == external_id;
    let Some(known) = known else {
        return Fraud { same_customer, ..Fraud::default() };
    };
    let same_email = buyer.emails.iter().any(|email| email.key() == known.key());
    let fuzzy_email = !same_email && buyer.emails.iter().any(|email| email.mailbox() == known.mailbox());
    Fraud { same_email, fuzzy_email, same_customer, same_shopper: false }
}

#[cfg(test)]
mod tests;
