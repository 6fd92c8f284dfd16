//! Rewards: what advocates are owed for approved conversions. A reward's amount is the sum of its ledger, to which entries are
//! only ever added: what was earned, what was taken back, what was paid out. Knows conversions and orders by id only; who
//! decides on them says here what is to be owed.

pub mod amount;
pub mod http;
pub mod list;
mod list_store;
pub mod store;

use rust_decimal::Decimal;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::customers::Customer;
use crate::events::{self, Fact, Kind as FactKind};
use crate::types::ids::{AccountId, CampaignId, ConversionId, CustomerId, ReferralCodeId, RewardId};
use crate::types::money::Money;
use crate::types::text::OpaqueId;
use crate::types::unit::Unit;
use amount::{Left, Owed};

/// A reward that is to be granted.
#[derive(Clone, Debug)]
pub struct NewReward {
    pub account_id: AccountId,
    pub conversion_id: ConversionId,
    pub campaign_id: CampaignId,
    pub referral_code_id: ReferralCodeId,
    pub customer_id: CustomerId,
    /// For the order as it was placed.
    pub whole: Owed,
    /// Of which this is left after refunds.
    pub left: Left,
    pub cause: Cause,
}

/// Why an entry was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Approval,
    Rejection,
    Override,
    Refund,
    Cancellation,
    Payout,
}

impl Cause {
    /// The cause's spelling on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Rejection => "rejection",
            Self::Override => "override",
            Self::Refund => "refund",
            Self::Cancellation => "cancellation",
            Self::Payout => "payout",
        }
    }
}

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Earned,
    Reversed,
    Paid,
}

impl Kind {
    /// The kind's spelling on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Earned => "earned",
            Self::Reversed => "reversed",
            Self::Paid => "paid",
        }
    }
}

/// An entry that is to be made. Its amount is not zero.
#[derive(Clone, Debug)]
pub struct NewEntry {
    pub account_id: AccountId,
    pub reward_id: RewardId,
    pub kind: Kind,
    pub amount: Decimal,
    pub cause: Cause,
    pub refund_id: Option<String>,
}

/// The entry that brings what is owed from `owed` to `target`: nothing when it is there already.
pub fn step(owed: Decimal, target: Decimal) -> Option<(Kind, Decimal)> {
    let difference = target - owed;
    let kind = if difference > Decimal::ZERO { Kind::Earned } else { Kind::Reversed };
    (!difference.is_zero()).then_some((kind, difference))
}

/// Grants rewards for conversions that have none yet.
pub async fn grant(conn: &mut PgConnection, new: &[NewReward], now: OffsetDateTime) -> sqlx::Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let ids = store::insert_all(conn, new, now).await?;
    let entries: Vec<NewEntry> = new
        .iter()
        .filter_map(|new| {
            let (_, reward_id) = *ids.iter().find(|(key, _)| *key == (new.account_id, new.conversion_id))?;
            let (kind, amount) = step(Decimal::ZERO, new.left.part_of(&new.whole))?;
            Some(NewEntry { account_id: new.account_id, reward_id, kind, amount, cause: new.cause, refund_id: None })
        })
        .collect();
    store::insert_entries(conn, &entries, now).await?;
    let kind = FactKind::RewardCreated;
    let facts: Vec<Fact> =
        ids.iter().map(|((account_id, _), id)| Fact { account_id: *account_id, kind, subject: id.0 }).collect();
    events::record(conn, &facts, now).await
}

/// Why what is owed has to follow.
#[derive(Clone, Debug)]
pub struct Change {
    pub cause: Cause,
    pub refund_id: Option<String>,
}

/// Brings the reward of a conversion to what `left` of its order earns, or to nothing. Nothing happens without a reward.
pub async fn follow(
    conn: &mut PgConnection,
    account: AccountId,
    conversion: ConversionId,
    left: Option<Left>,
    change: &Change,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let Some(reward_id) = store::lock_of_conversion(conn, account, conversion).await? else { return Ok(false) };
    let Some(ledger) = store::find_ledger(conn, account, reward_id).await? else { return Ok(false) };
    let target = left.map_or(Decimal::ZERO, |left| left.part_of(&ledger.whole));
    let Some((kind, amount)) = step(ledger.owed, target) else { return Ok(true) };
    let Change { cause, refund_id } = change.clone();
    let entry = NewEntry { account_id: account, reward_id, kind, amount, cause, refund_id };
    let ids = store::insert_entries(conn, &[entry], now).await?;
    let kind = if kind == Kind::Reversed { FactKind::RewardReversed } else { FactKind::RewardRestored };
    let facts: Vec<Fact> = ids.into_iter().map(|subject| Fact { account_id: account, kind, subject }).collect();
    events::record(conn, &facts, now).await?;
    Ok(true)
}

/// What became of a payout.
#[derive(Clone, Debug)]
pub enum Payout {
    Paid(Box<Reward>),
    /// Nothing was marked: another amount was to be paid than this, which is owed now.
    Differs(Decimal),
    NotFound,
}

/// Marks a reward as paid out, to the amount that is owed now; what was paid too much is marked as taken back. When `expected`
/// is another amount nothing happens, unless it is what was paid last and nothing is owed: then it was said before.
pub async fn pay(
    conn: &mut PgConnection,
    account: AccountId,
    id: RewardId,
    expected: Option<Decimal>,
    now: OffsetDateTime,
) -> sqlx::Result<Payout> {
    if !store::lock(conn, account, id).await? {
        return Ok(Payout::NotFound);
    }
    let Some(ledger) = store::find_ledger(conn, account, id).await? else { return Ok(Payout::NotFound) };
    let amount = ledger.owed - ledger.paid;
    let shown = ledger.whole.unit.round(amount);
    if let Some(expected) = expected.filter(|expected| *expected != shown) {
        let last = store::list_entries(conn, account, id).await?.pop();
        let paid =
            last.filter(|last| last.kind == Kind::Paid.as_str()).map(|last| ledger.whole.unit.round(last.amount));
        if !amount.is_zero() || paid != Some(expected) {
            return Ok(Payout::Differs(shown));
        }
    }
    if !amount.is_zero() {
        let (kind, cause) = (Kind::Paid, Cause::Payout);
        let entry = NewEntry { account_id: account, reward_id: id, kind, amount, cause, refund_id: None };
        store::insert_entries(conn, &[entry], now).await?;
    }
    let paid = store::find_all(conn, account, &[id]).await?.pop();
    Ok(paid.map_or(Payout::NotFound, |reward| Payout::Paid(Box::new(reward))))
}

/// The sums of a reward's entries.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub whole: Owed,
    /// Earned less reversed.
    pub owed: Decimal,
    pub paid: Decimal,
}

/// A reward with the sums of its ledger and what it is for.
#[derive(Clone, Debug)]
pub struct Reward {
    pub id: RewardId,
    pub unit: Unit,
    pub earned: Decimal,
    /// Zero or below.
    pub reversed: Decimal,
    pub paid: Decimal,
    pub paid_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub advocate: Customer,
    pub campaign_id: CampaignId,
    pub campaign_name: String,
    pub referral_code: String,
    pub conversion: RewardedConversion,
}

/// The conversion that a reward is for.
#[derive(Clone, Debug)]
pub struct RewardedConversion {
    pub id: ConversionId,
    pub status: String,
    pub same_email: bool,
    pub fuzzy_email: bool,
    pub same_customer: bool,
    pub same_shopper: bool,
    pub evaluated_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub source: String,
    pub order_id: OpaqueId,
    pub total: Money,
    pub ordered_at: OffsetDateTime,
}

/// An entry of a reward's ledger.
#[derive(Clone, Debug)]
pub struct Entry {
    pub kind: String,
    pub amount: Decimal,
    pub cause: String,
    pub refund_id: Option<String>,
    pub created_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_ledger_adds_up_to_the_last_target_whatever_came_before(targets in proptest::collection::vec(0_i64..100_000, 1..20)) {
            let mut owed = Decimal::ZERO;
            for target in &targets {
                if let Some((kind, amount)) = step(owed, Decimal::new(*target, 2)) {
                    prop_assert_eq!(kind == Kind::Earned, amount > Decimal::ZERO);
                    owed += amount;
                }
                prop_assert!(owed >= Decimal::ZERO);
            }
            prop_assert_eq!(Some(owed), targets.last().map(|last| Decimal::new(*last, 2)));
        }
    }
}
