//! What events are about, loaded for all events of one account at once and put back to when they happened.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::store::{self, LedgerEntry};
use crate::conversions::history;
use crate::conversions::list::{self as conversions, ListedConversion};
use crate::coupon_banks::alerts::{self, Alert};
use crate::events::{Event, Kind};
use crate::purchases::{Purchase, list_store, store as purchases};
use crate::referral_codes::{Issued, store as referral_codes};
use crate::rewards::{Reward, store as rewards};
use crate::types::ids::{AccountId, ConversionId, PurchaseId, ReferralCodeId, RewardId};

/// What the events of an account are about.
pub struct Loaded {
    purchases: HashMap<i64, Purchase>,
    conversions: HashMap<ConversionId, ListedConversion>,
    first_statuses: HashMap<ConversionId, String>,
    decisions: HashMap<i64, (ConversionId, history::Entry)>,
    entries: HashMap<i64, LedgerEntry>,
    first_earnings: HashMap<RewardId, Decimal>,
    rewards: HashMap<RewardId, Reward>,
    referral_codes: HashMap<i64, Issued>,
    alerts: HashMap<i64, Alert>,
}

fn subjects(events: &[Event], kinds: &[Kind]) -> Vec<i64> {
    events.iter().filter(|event| kinds.contains(&event.kind)).map(|event| event.subject).collect()
}

fn by<K: Eq + Hash, V>(rows: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, V> {
    rows.into_iter().map(|row| (key(&row), row)).collect()
}

impl Loaded {
    /// Loads what events are about, family by family: what no event asks for is not asked.
    pub async fn load(conn: &mut PgConnection, account: AccountId, events: &[Event]) -> sqlx::Result<Self> {
        let purchases = find_purchases(conn, account, &subjects(events, &[Kind::PurchaseRecorded])).await?;
        let decisions = subjects(events, &[Kind::ConversionApproved, Kind::ConversionRejected]);
        let decisions =
            if decisions.is_empty() { Vec::new() } else { store::find_decisions(conn, account, &decisions).await? };
        let entries = subjects(events, &[Kind::RewardReversed, Kind::RewardRestored]);
        let entries =
            if entries.is_empty() { Vec::new() } else { store::find_ledger_entries(conn, account, &entries).await? };
        let granted: Vec<RewardId> = subjects(events, &[Kind::RewardCreated]).into_iter().map(RewardId).collect();
        let reward_ids: Vec<RewardId> =
            granted.iter().copied().chain(entries.iter().map(|entry| entry.reward_id)).collect();
        let rewards =
            if reward_ids.is_empty() { Vec::new() } else { rewards::find_all(conn, account, &reward_ids).await? };
        let begun = subjects(events, &[Kind::ConversionCreated, Kind::ConversionRefused]);
        let converted = purchases.iter().filter_map(|purchase| Some(purchase.conversion.as_ref()?.id));
        let begun: Vec<ConversionId> = begun.into_iter().map(ConversionId).chain(converted).collect();
        // Each once: of a conversion that is found twice only one has its rewards.
        let conversion_ids: BTreeSet<ConversionId> = (begun.iter().copied())
            .chain(decisions.iter().map(|(_, conversion, _)| *conversion))
            .chain(rewards.iter().map(|reward| reward.conversion.id))
            .collect();
        let conversion_ids: Vec<ConversionId> = conversion_ids.into_iter().collect();
        let codes = subjects(events, &[Kind::ReferralCodeCreated]);
        let alerts = subjects(events, &[Kind::CouponBankLow, Kind::CouponBankExhausted]);
        let first_statuses = store::find_first_statuses(conn, account, &begun).await?;
        let first_earnings = store::find_first_earnings(conn, account, &granted).await?;
        Ok(Self {
            conversions: by(conversions::find_all(conn, account, &conversion_ids).await?, |row| row.id),
            referral_codes: by(find_codes(conn, account, &codes).await?, |row| row.id.0),
            alerts: by(alerts::store::find_all(conn, account, &alerts).await?, |row| row.id),
            purchases: by(purchases, |row| row.id.0),
            first_statuses: first_statuses.into_iter().collect(),
            decisions: decisions.into_iter().map(|(id, conversion, entry)| (id, (conversion, entry))).collect(),
            entries: by(entries, |row| row.id),
            first_earnings: first_earnings.into_iter().collect(),
            rewards: by(rewards, |row| row.id),
        })
    }

    /// An order with its conversion as it began.
    pub fn purchase(&self, id: i64) -> Option<Purchase> {
        let mut purchase = self.purchases.get(&id)?.clone();
        if let Some(conversion) = &mut purchase.conversion {
            conversion.status.clone_from(self.first_statuses.get(&conversion.id)?);
        }
        Some(purchase)
    }

    /// A conversion with a status that it had, and without the rewards that it has.
    fn conversion_as(&self, id: ConversionId, status: &str) -> Option<ListedConversion> {
        let conversion = self.conversions.get(&id)?.clone();
        Some(ListedConversion { status: status.to_owned(), rewards: Vec::new(), ..conversion })
    }

    /// A conversion as it began.
    pub fn first_conversion(&self, id: i64) -> Option<ListedConversion> {
        let id = ConversionId(id);
        self.conversion_as(id, self.first_statuses.get(&id)?)
    }

    /// A conversion as a decision left it, that decision, and the reward it may have led to.
    pub fn decided_conversion(&self, id: i64) -> Option<(ListedConversion, history::Entry, Option<RewardId>)> {
        let (conversion_id, entry) = self.decisions.get(&id)?;
        let reward = self.conversions.get(conversion_id)?.rewards.first().map(|reward| reward.id);
        Some((self.conversion_as(*conversion_id, &entry.status)?, entry.clone(), reward))
    }

    /// A reward as it was granted.
    pub fn first_reward(&self, id: i64) -> Option<Reward> {
        let mut reward = self.rewards.get(&RewardId(id))?.clone();
        reward.earned = self.first_earnings.get(&reward.id).copied().unwrap_or_default();
        reward.reversed = Decimal::ZERO;
        reward.paid = Decimal::ZERO;
        reward.paid_at = None;
        "approved".clone_into(&mut reward.conversion.status);
        Some(reward)
    }

    /// A reward as an entry of its ledger left it, and that entry.
    pub fn booked_reward(&self, id: i64) -> Option<(Reward, LedgerEntry)> {
        let entry = self.entries.get(&id)?.clone();
        let mut reward = self.rewards.get(&entry.reward_id)?.clone();
        reward.earned = entry.earned;
        reward.reversed = entry.reversed;
        reward.paid = entry.paid;
        reward.paid_at = entry.paid_at;
        let status = if entry.cause == "rejection" { "rejected" } else { "approved" };
        status.clone_into(&mut reward.conversion.status);
        Some((reward, entry))
    }

    /// The conversion of a reward: for the names of what belongs to it.
    pub fn conversion_of(&self, reward: &Reward) -> Option<&ListedConversion> {
        self.conversions.get(&reward.conversion.id)
    }

    /// A referral code.
    pub fn referral_code(&self, id: i64) -> Option<Issued> {
        self.referral_codes.get(&id).cloned()
    }

    /// An alert of a coupon bank.
    pub fn alert(&self, id: i64) -> Option<&Alert> {
        self.alerts.get(&id)
    }
}

async fn find_purchases(conn: &mut PgConnection, account: AccountId, ids: &[i64]) -> sqlx::Result<Vec<Purchase>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<PurchaseId> = ids.iter().copied().map(PurchaseId).collect();
    let keys = list_store::find_keys(conn, account, &ids).await?;
    purchases::find_all(conn, &keys.iter().collect::<Vec<_>>()).await
}

async fn find_codes(conn: &mut PgConnection, account: AccountId, ids: &[i64]) -> sqlx::Result<Vec<Issued>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<ReferralCodeId> = ids.iter().copied().map(ReferralCodeId).collect();
    referral_codes::find_issued(conn, &vec![account; ids.len()], &ids).await
}
