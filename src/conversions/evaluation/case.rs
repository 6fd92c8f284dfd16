//! A conversion with all that is known of it when somebody rules on it: read out of a row, and brought before the rules.

use time::{Duration, OffsetDateTime};

use super::rules::Facts;
use super::store::CaseRow;
use crate::attribution::fraud::{self, Advocate, Check, Shopper};
use crate::attribution::{Buyer, EvidenceKind, Fraud};
use crate::campaigns::rules::{RuleColumns, Rules};
use crate::conversions::Status;
use crate::rewards::amount::Left;
use crate::types::channel::Channel;
use crate::types::ids::{AccountId, CampaignId, ConversionId, CustomerId, ReferralCodeId};
use crate::types::money::{Currency, Money};

/// A conversion before its judge.
#[derive(Clone, Debug)]
pub struct Case {
    pub account_id: AccountId,
    pub conversion_id: ConversionId,
    pub campaign_id: CampaignId,
    pub referral_code_id: ReferralCodeId,
    pub advocate_id: CustomerId,
    pub status: Status,
    pub created_at: OffsetDateTime,
    /// When it was evaluated, if it was.
    pub evaluated_at: Option<OffsetDateTime>,
    pub rules: Rules,
    pub facts: Facts,
    pub checks: Vec<Check>,
}

impl Case {
    /// When it falls due.
    pub fn due_at(&self) -> OffsetDateTime {
        self.created_at + Duration::days(i64::from(self.rules.days_to_delay))
    }

    /// Whether it was evaluated, and waits for a person.
    pub fn is_held(&self) -> bool {
        self.evaluated_at.is_some() && self.status == Status::Pending
    }
}

impl From<CaseRow> for Case {
    fn from(row: CaseRow) -> Self {
        let rules = rules(&row);
        let edits_allowed = rules.similar_email_edits.and_then(|edits| u32::try_from(edits).ok());
        let checks = checks(&row, edits_allowed);
        Self {
            account_id: AccountId(row.account_id),
            conversion_id: row.conversion_id,
            campaign_id: row.campaign_id,
            referral_code_id: row.referral_code_id,
            advocate_id: row.advocate_id,
            status: Status::named(&row.status).unwrap_or(Status::Rejected),
            created_at: row.created_at,
            evaluated_at: row.evaluated_at,
            facts: facts(&row, fraud::signs(&checks)),
            rules,
            checks,
        }
    }
}

fn rules(row: &CaseRow) -> Rules {
    let columns = RuleColumns {
        attribution_window_days: row.attribution_window_days,
        days_to_delay: row.days_to_delay,
        new_customers_only: row.new_customers_only,
        minimum_amount: row.minimum_amount,
        maximum_rewards: row.maximum_rewards,
        self_referral: row.self_referral.clone(),
        unverified_orders: row.unverified_orders.clone(),
        similar_email_edits: row.similar_email_edits,
        reward_type: row.reward_type.clone(),
        reward_unit: row.reward_unit.clone(),
        reward_value: row.reward_value,
        reward_cap: row.reward_cap,
    };
    columns.into()
}

fn checks(row: &CaseRow, edits_allowed: Option<u32>) -> Vec<Check> {
    let buyer = Buyer {
        external_id: row.customer_external_id.clone(),
        emails: row.order_email.iter().chain(&row.customer_email).cloned().collect(),
    };
    let shopper = Shopper { ip_address: row.ip_address.clone(), user_agent: row.user_agent.clone() };
    let advocate = Advocate {
        external_id: row.advocate_external_id.clone(),
        email: row.advocate_email.clone(),
        shopper: Shopper { ip_address: row.code_ip_address.clone(), user_agent: row.code_user_agent.clone() },
    };
    fraud::check(&buyer, &shopper, &advocate, edits_allowed)
}

/// What was seen once stays seen: an advocate's address may have changed since.
fn facts(row: &CaseRow, seen_now: Fraud) -> Facts {
    let total = Money::stored(row.amount, Currency::from(row.purchase_currency.clone()));
    let is_by_coupon = row.attributed_via.as_deref() == Some(EvidenceKind::CouponCode.as_str());
    let handed_out_at = if is_by_coupon { row.coupon_issued_at } else { row.visited_at };
    Facts {
        total,
        left: Left { total: row.amount, refunded: row.refunded, is_cancelled: row.is_cancelled },
        currency: Currency::from(row.account_currency.clone()),
        ordered_at: row.ordered_at,
        handed_out_at: handed_out_at.unwrap_or(row.code_created_at),
        is_unverified: Channel::from(row.channel.clone()).is_unverified(),
        new_customer: row.new_customer,
        bought_before: row.bought_before,
        fraud: Fraud {
            same_email: row.same_email || seen_now.same_email,
            fuzzy_email: row.fuzzy_email || seen_now.fuzzy_email,
            same_customer: row.same_customer || seen_now.same_customer,
            same_shopper: row.same_shopper || seen_now.same_shopper,
        },
        is_code_blocked: row.is_code_blocked,
        is_customer_blocked: row.is_customer_blocked,
        rewards: 0,
    }
}
