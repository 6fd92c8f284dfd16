//! What follows from a campaign's rules for one conversion. Pure: the same facts under the same rules give the same ruling, with
//! every reason for it.

use time::{Duration, OffsetDateTime};

use crate::attribution::Fraud;
use crate::campaigns::rules::{Rules, UnverifiedOrders};
use crate::rewards::amount::{self, Left, Owed};
use crate::types::money::{Currency, Money};
use crate::types::self_referral::SelfReferral;

/// What is known of a conversion when it is evaluated.
#[derive(Clone, Debug)]
pub struct Facts {
    pub total: Money,
    pub left: Left,
    /// The account's currency, in which its rules name amounts.
    pub currency: Currency,
    pub ordered_at: OffsetDateTime,
    /// When the code that decided was handed to the advocate, or his link clicked.
    pub handed_out_at: OffsetDateTime,
    /// What the order says of the buyer.
    pub new_customer: Option<bool>,
    /// Whether an earlier order names the same customer; nothing when the order names none.
    pub bought_before: Option<bool>,
    pub fraud: Fraud,
    /// Whether only a page in a browser said that there is such an order.
    pub is_unverified: bool,
    pub is_code_blocked: bool,
    pub is_customer_blocked: bool,
    /// How many rewards the advocate has in the campaign.
    pub rewards: i64,
}

/// What was found against a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    SelfReferral,
    BlockedCode,
    BlockedCustomer,
    Cancelled,
    Refunded,
    OutsideAttributionWindow,
    NotANewCustomer,
    NewCustomerUnknown,
    BelowMinimumAmount,
    MaximumRewardsReached,
    OtherCurrency,
    UnverifiedOrder,
}

impl Finding {
    /// The finding's spelling on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelfReferral => "self_referral",
            Self::BlockedCode => "blocked_code",
            Self::BlockedCustomer => "blocked_customer",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
            Self::OutsideAttributionWindow => "outside_attribution_window",
            Self::NotANewCustomer => "not_a_new_customer",
            Self::NewCustomerUnknown => "new_customer_unknown",
            Self::BelowMinimumAmount => "below_minimum_amount",
            Self::MaximumRewardsReached => "maximum_rewards_reached",
            Self::OtherCurrency => "other_currency",
            Self::UnverifiedOrder => "unverified_order",
        }
    }
}

/// What becomes of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// With what it gives, if its campaign rewards.
    Approved(Option<Owed>),
    Rejected(Vec<Finding>),
    /// It waits for a person.
    Held(Vec<Finding>),
}

/// Judges a conversion. What rejects goes before what is only doubtful.
pub fn judge(facts: &Facts, rules: &Rules) -> Ruling {
    // What nobody vouches for is no ground for anything, not even for a rejection.
    if facts.is_unverified && rules.unverified_orders == UnverifiedOrders::Hold {
        return Ruling::Held(vec![Finding::UnverifiedOrder]);
    }
    let against = rejections(facts, rules);
    if !against.is_empty() {
        return Ruling::Rejected(against);
    }
    let is_review = rules.self_referral == SelfReferral::Review && facts.fraud.is_seen();
    // Nobody converts: what is in another currency can be compared with nothing here.
    let is_incomparable = rules.minimum_amount.is_some() && facts.total.currency() != facts.currency;
    let owed = rules.reward.as_ref().map_or(Ok(None), |reward| amount::whole(reward, facts.total));
    let doubts: Vec<Finding> =
        [(is_review, Finding::SelfReferral), (is_incomparable || owed.is_err(), Finding::OtherCurrency)]
            .into_iter()
            .filter_map(|(is_found, finding)| is_found.then_some(finding))
            .collect();
    if doubts.is_empty() { Ruling::Approved(owed.unwrap_or_default()) } else { Ruling::Held(doubts) }
}

fn rejections(facts: &Facts, rules: &Rules) -> Vec<Finding> {
    let is_new = facts.new_customer.or(facts.bought_before.map(|before| !before));
    let window = rules.attribution_window_days.map(|days| Duration::days(i64::from(days)));
    let is_comparable = facts.total.currency() == facts.currency;
    let below = |minimum| is_comparable && facts.left.amount() < minimum;
    [
        (facts.fraud.is_seen() && rules.self_referral == SelfReferral::Reject, Finding::SelfReferral),
        (facts.is_code_blocked, Finding::BlockedCode),
        (facts.is_customer_blocked, Finding::BlockedCustomer),
        (facts.left.is_cancelled, Finding::Cancelled),
        (!facts.left.is_cancelled && facts.left.is_nothing(), Finding::Refunded),
        (
            window.is_some_and(|window| facts.ordered_at - facts.handed_out_at > window),
            Finding::OutsideAttributionWindow,
        ),
        (rules.new_customers_only && is_new == Some(false), Finding::NotANewCustomer),
        (rules.new_customers_only && is_new.is_none(), Finding::NewCustomerUnknown),
        (rules.minimum_amount.is_some_and(|minimum| below(minimum.0)), Finding::BelowMinimumAmount),
        (
            rules.maximum_rewards_per_advocate.is_some_and(|maximum| facts.rewards >= i64::from(maximum)),
            Finding::MaximumRewardsReached,
        ),
    ]
    .into_iter()
    .filter_map(|(is_found, finding)| is_found.then_some(finding))
    .collect()
}

#[cfg(test)]
mod tests;
