//! Recording purchases: each order once, attributed on the evidence that came with it.
//!
//! Everything is a batch. What the rows' codes lead to is loaded, decided, and inserted; the unique key passes over orders
//! that were recorded before, and only those are read. What was stored now is not read back: the answer is made of what
//! was stored.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::insert::{self, Ids, NewPurchase, Stored};
use super::visits::Visits;
use super::{AttributedTo, Conversion, OrderKey, Purchase, PurchaseToRecord, Recorded, confirm, facts, store};
use crate::attribution::{self, Attribution, Block, Buyer, Decision, Evidence, EvidenceKind, Finding, Holder};
use crate::conversions::Status;
use crate::customers;
use crate::db::{Abort, Alone};
use crate::referral_codes::holders::{self, CodeHolder};
use crate::types::channel::Channel;
use crate::types::codes::{CodeKey, RecordedCode};
use crate::types::ids::{AccountId, ConversionId, CustomerId};
use crate::types::text::Name;

/// Most rows that are recorded without a transaction around them.
pub const FEW: usize = insert::FEW;

/// Records at most [`FEW`] purchases: what their codes lead to is read, and one statement stores them with their
/// conversions. Answers in the order of `rows`. Aborts when an order is neither stored by us nor found.
pub async fn record_few(
    alone: &mut Alone,
    rows: &[PurchaseToRecord],
    now: OffsetDateTime,
) -> Result<Vec<Recorded>, Abort> {
    let batch = Batch::decide(alone.reading(), rows, now).await?;
    let ids = match batch.new.as_slice() {
        [one] => {
            let stored = insert::insert_one(alone.storing(), one, now).await?;
            stored.map(|ids| (one.row.key.clone(), ids)).into_iter().collect()
        }
        few => insert::insert_few(alone.storing(), few, now).await?,
    };
    alone.answered(!ids.is_empty());
    let mut answers = batch.answer(alone.reading(), ids, now).await?;
    for index in better_reports(&answers, rows) {
        answers[index] = confirm::confirm(alone.storing(), &rows[index], now).await?;
        alone.answered(true);
    }
    Ok(answers)
}

/// Records any number of purchases, all rows in one transaction of the caller's. Otherwise as [`record_few`].
pub async fn record_batch(
    conn: &mut PgConnection,
    rows: &[PurchaseToRecord],
    now: OffsetDateTime,
) -> Result<Vec<Recorded>, Abort> {
    let batch = Batch::decide(conn, rows, now).await?;
    let mut ids = HashMap::with_capacity(batch.new.len());
    for few in batch.new.chunks(FEW) {
        ids.extend(insert::insert_few(conn, few, now).await?);
    }
    let mut answers = batch.answer(conn, ids, now).await?;
    for index in better_reports(&answers, rows) {
        answers[index] = confirm::confirm(conn, &rows[index], now).await?;
    }
    Ok(answers)
}

/// Which reports take the place of what is known of their orders, in the order of their keys: two batches that lock the same
/// orders cannot wait for each other.
fn better_reports(answers: &[Recorded], rows: &[PurchaseToRecord]) -> Vec<usize> {
    let mut better: Vec<usize> = (0..rows.len()).filter(|index| answers[*index].gives_way_to(&rows[*index])).collect();
    better.sort_by_key(|index| &rows[*index].key);
    better
}

/// Reports of orders, and what is to be stored of them.
struct Batch<'a> {
    rows: &'a [PurchaseToRecord],
    /// Of several reports of one order the first, in the order of their keys. The others are repeats of it.
    new: Vec<NewPurchase<'a>>,
    evidence: CodeBook,
}

impl<'a> Batch<'a> {
    /// Decides who referred each order, on what its codes lead to.
    async fn decide(conn: &mut PgConnection, rows: &'a [PurchaseToRecord], now: OffsetDateTime) -> sqlx::Result<Self> {
        let mut firsts: Vec<&PurchaseToRecord> = rows.iter().collect();
        // A stable sort: of one order's reports the first stays first.
        firsts.sort_by_key(|row| &row.key);
        firsts.dedup_by_key(|row| &row.key);
        let evidence = CodeBook::load(conn, &firsts).await?;
        let friends = recognise(conn, &firsts).await?;
        let new = firsts.into_iter().zip(friends).map(|(row, customer_id)| {
            let decision = attribution::decide(&buyer(row), &evidence.about(row, now), attribution::LEGACY_PRECEDENCE);
            NewPurchase { row, customer_id, decision }
        });
        Ok(Self { rows, new: new.collect(), evidence })
    }

    /// Answers each row: with what was stored of it now, or with how it compares to what was stored before.
    async fn answer(
        self,
        conn: &mut PgConnection,
        mut ids: Stored,
        now: OffsetDateTime,
    ) -> Result<Vec<Recorded>, Abort> {
        let mut purchases: HashMap<&OrderKey, Purchase> = HashMap::with_capacity(self.new.len());
        let mut known: HashMap<&OrderKey, &OrderKey> = HashMap::new();
        for new in &self.new {
            let key = &new.row.key;
            match ids.get(key) {
                Some(ids) => drop(purchases.insert(key, stored_purchase(new, &self.evidence, *ids, now))),
                None => drop(known.insert(key, key)),
            }
        }
        if !known.is_empty() {
            let keys: Vec<&OrderKey> = known.keys().copied().collect();
            for purchase in store::find_all(conn, &keys).await? {
                if let Some(key) = known.get(&purchase.key) {
                    purchases.insert(key, purchase);
                }
            }
        }
        let is_each_there_once = self.rows.len() == self.new.len();
        self.rows
            .iter()
            .map(|row| {
                let key = &row.key;
                let purchase = if is_each_there_once { purchases.remove(key) } else { purchases.get(key).cloned() };
                let purchase = purchase.ok_or(Abort::LostRace)?;
                Ok(if ids.remove(key).is_some() { Recorded::New(Box::new(purchase)) } else { repeated(purchase, row) })
            })
            .collect()
    }
}

/// What the report of an order that was recorded before is answered with. A better one is not compared: it takes the place of what
/// is known, when all others are answered.
pub(super) fn repeated(known: Purchase, row: &PurchaseToRecord) -> Recorded {
    if confirm::is_better(row, &known) {
        return Recorded::Replayed(Box::new(known));
    }
    let fields = facts::differences(&known, row);
    if fields.is_empty() { Recorded::Replayed(Box::new(known)) } else { Recorded::Conflict(fields) }
}

impl Recorded {
    /// Whether what is known of the order only a page said, and this report of it is better.
    fn gives_way_to(&self, row: &PurchaseToRecord) -> bool {
        matches!(self, Self::Replayed(known) if confirm::is_better(row, known))
    }
}

fn conversion(id: ConversionId, attribution: &Attribution, channel: Channel, now: OffsetDateTime) -> Conversion {
    let fraud = attribution.fraud;
    Conversion {
        id,
        status: Status::initial(attribution, channel).as_str().to_owned(),
        same_email: fraud.same_email,
        fuzzy_email: fraud.fuzzy_email,
        same_customer: fraud.same_customer,
        same_shopper: fraud.same_shopper,
        created_at: now,
    }
}

/// The purchase as [`store::find_all`] would read it.
fn stored_purchase(new: &NewPurchase<'_>, evidence: &CodeBook, ids: Ids, now: OffsetDateTime) -> Purchase {
    let found = new.decision.outcome.as_ref().ok();
    let attribution =
        found.and_then(|found| evidence.attributed_to(new.row, found.via, new.decision.conflicting_codes));
    let row = new.row;
    let conversion = found.zip(ids.conversion).map(|(found, id)| conversion(id, found, row.channel, now));
    let text = |name: &Option<Name>| name.as_ref().map(|name| name.as_str().to_owned());
    Purchase {
        key: row.key.clone(),
        id: ids.purchase,
        total: row.total,
        email: row.email.clone(),
        new_customer: row.new_customer,
        ordered_at: row.date.unwrap_or(now),
        customer_id: new.customer_id,
        customer_external_id: row.customer.external_id.clone(),
        customer_email: row.customer.email.clone(),
        customer_first_name: text(&row.customer.first_name),
        customer_last_name: text(&row.customer.last_name),
        products: row.products.clone().unwrap_or_default(),
        ip_address: row.ip_address.map(|ip| ip.to_string()),
        coupon_code: row.coupon_code.clone(),
        referral_code: row.referral_code.clone(),
        channel: row.channel,
        attribution,
        reason: new.decision.outcome.as_ref().err().map(|reason| reason.as_str().to_owned()),
        conversion,
        created_at: now,
    }
}

fn buyer(row: &PurchaseToRecord) -> Buyer {
    Buyer {
        external_id: row.customer.external_id.clone(),
        emails: row.email.iter().chain(&row.customer.email).cloned().collect(),
    }
}

/// The customers who bought, where they are known. Of most buyers an order says only an address.
async fn recognise(conn: &mut PgConnection, rows: &[&PurchaseToRecord]) -> sqlx::Result<Vec<Option<CustomerId>>> {
    let is_named = |row: &PurchaseToRecord| row.customer.external_id.is_some() || row.customer.email.is_some();
    let people: Vec<_> =
        rows.iter().filter(|row| is_named(row)).map(|row| (row.key.account_id, &row.customer)).collect();
    let mut recognised = customers::recognise(conn, &people).await?.into_iter();
    Ok(rows.iter().map(|row| if is_named(row) { recognised.next().flatten() } else { None }).collect())
}

/// Decides who referred an order, and who bought it, if he is a customer we know.
pub(super) async fn rule(
    conn: &mut PgConnection,
    row: &PurchaseToRecord,
    now: OffsetDateTime,
) -> sqlx::Result<(Decision, Option<CustomerId>)> {
    let evidence = CodeBook::load(conn, &[row]).await?;
    let decision = attribution::decide(&buyer(row), &evidence.about(row, now), attribution::LEGACY_PRECEDENCE);
    let friends = recognise(conn, &[row]).await?;
    Ok((decision, friends.into_iter().next().flatten()))
}

/// Decides who referred an order, and stores nothing. Gives the advocate too.
pub async fn decide(
    conn: &mut PgConnection,
    row: &PurchaseToRecord,
    now: OffsetDateTime,
) -> sqlx::Result<(Decision, Option<AttributedTo>)> {
    let evidence = CodeBook::load(conn, &[row]).await?;
    let decision = attribution::decide(&buyer(row), &evidence.about(row, now), attribution::LEGACY_PRECEDENCE);
    let found = decision.outcome.as_ref().ok();
    let to = found.and_then(|found| evidence.attributed_to(row, found.via, decision.conflicting_codes));
    Ok((decision, to))
}

/// What the codes in a batch lead to.
struct CodeBook {
    referral_codes: HashMap<(AccountId, CodeKey), CodeHolder>,
    /// Nobody holds the coupons that are free.
    coupons: HashMap<(AccountId, CodeKey), Option<CodeHolder>>,
    visits: Visits,
}

impl CodeBook {
    async fn load(conn: &mut PgConnection, rows: &[&PurchaseToRecord]) -> sqlx::Result<Self> {
        let presented = |code: fn(&PurchaseToRecord) -> Option<&RecordedCode>| -> (Vec<AccountId>, Vec<CodeKey>) {
            rows.iter().filter_map(|row| Some((row.key.account_id, code(row)?.key()?))).unzip()
        };
        let visits = Visits::load(conn, rows).await?;
        let (mut accounts, mut keys) = presented(|row| row.referral_code.as_ref());
        for (account, key) in visits.codes() {
            accounts.push(account);
            keys.push(key);
        }
        let referral_codes =
            if keys.is_empty() { Vec::new() } else { holders::find_holders(conn, &accounts, &keys).await? };
        let (accounts, keys) = presented(|row| row.coupon_code.as_ref());
        let coupons =
            if keys.is_empty() { Vec::new() } else { holders::find_coupon_holders(conn, &accounts, &keys).await? };
        Ok(Self {
            referral_codes: referral_codes.into_iter().collect(),
            coupons: coupons.into_iter().collect(),
            visits,
        })
    }

    fn find(&self, row: &PurchaseToRecord, kind: EvidenceKind) -> Option<Option<&CodeHolder>> {
        let code = match kind {
            EvidenceKind::ReferralCode => &row.referral_code,
            EvidenceKind::CouponCode => &row.coupon_code,
            EvidenceKind::Visit => {
                let (visit, key) = self.visits.find(row)?;
                return self.referral_codes.get(&(visit.account_id, key.clone())).map(Some);
            }
        };
        let key = (row.key.account_id, code.as_ref()?.key()?);
        if kind == EvidenceKind::CouponCode {
            self.coupons.get(&key).map(Option::as_ref)
        } else {
            self.referral_codes.get(&key).map(Some)
        }
    }

    /// The evidence that one purchase carries. A blank code is none.
    fn about(&self, row: &PurchaseToRecord, now: OffsetDateTime) -> Vec<Evidence> {
        let visit = self.visits.evidence(row, self.find(row, EvidenceKind::Visit).flatten(), now);
        let codes = [(EvidenceKind::ReferralCode, &row.referral_code), (EvidenceKind::CouponCode, &row.coupon_code)];
        codes
            .into_iter()
            .filter(|(_, code)| code.as_ref().and_then(RecordedCode::key).is_some())
            .map(|(kind, _)| {
                let finding = match self.find(row, kind) {
                    Some(Some(holder)) => holder.into(),
                    Some(None) => Finding::Unbound,
                    None => Finding::Unknown,
                };
                Evidence { kind, finding, clicked_at: None }
            })
            .chain(visit)
            .collect()
    }

    /// The advocate to whom the evidence of this kind led.
    fn attributed_to(
        &self,
        row: &PurchaseToRecord,
        via: EvidenceKind,
        conflicting_codes: bool,
    ) -> Option<AttributedTo> {
        let holder = self.find(row, via)??;
        Some(AttributedTo {
            via: via.as_str().to_owned(),
            referral_code: holder.referral_code.clone(),
            coupon_code: holder.coupon_code.clone(),
            campaign_id: holder.campaign_id,
            campaign_name: holder.campaign_name.clone(),
            advocate: holder.advocate.clone(),
            conflicting_codes,
        })
    }
}

impl From<&CodeHolder> for Finding {
    fn from(holder: &CodeHolder) -> Self {
        if holder.is_customer_blocked {
            return Self::Blocked(Block::Customer, holder.referral_code_id);
        }
        if holder.is_code_blocked {
            return Self::Blocked(Block::Code, holder.referral_code_id);
        }
        Self::Names(Holder {
            referral_code_id: holder.referral_code_id,
            campaign_id: holder.campaign_id,
            external_id: holder.advocate.external_id.clone(),
            email: holder.advocate.email.clone(),
            self_referral: holder.self_referral,
        })
    }
}
