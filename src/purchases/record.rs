//! Recording purchases: each order once, attributed on the evidence that came with it.
//!
//! Everything is a batch. What the rows' codes lead to is loaded, decided, and inserted. Orders that were recorded before are read:
//! the unique key refuses a batch with one of them. What was stored now is not read back: the answer is made of what
//! was stored.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::code_book::CodeBook;
use super::insert::{self, Ids, NewPurchase};
use super::plain::{Found, PlainOrder};
use super::{AttributedTo, Conversion, OrderKey, Purchase, PurchaseToRecord, Recorded, confirm, facts, store};
use crate::attribution::{self, Attribution, Buyer, Decision};
use crate::conversions::Status;
use crate::customers;
use crate::db::{Abort, Alone};
use crate::types::channel::Channel;
use crate::types::ids::{AccountId, ConversionId, CustomerId};
use crate::types::streak::Streaks;
use crate::types::text::Name;

/// Rows of a batch, and how many batches in a row brought nothing but new orders.
pub struct Orders<'r> {
    pub rows: &'r [PurchaseToRecord],
    pub news: &'r mut Streaks,
}

/// Records purchases: what their codes lead to is read, and one statement stores them with their
/// conversions. Answers in the order of the rows. As long as all orders were new, nobody looks whether they were recorded before:
/// the unique key refuses all of them when one was, and then they are looked for. Aborts when a rival records one of them after that.
pub async fn record_batch(
    alone: &mut Alone,
    orders: &mut Orders<'_>,
    now: OffsetDateTime,
) -> Result<Vec<Recorded>, Abort> {
    let mut batch = Batch::of(orders.rows);
    let accounts: HashSet<AccountId> = orders.rows.iter().map(|row| row.key.account_id).collect();
    let is_bold = orders.news.are_long(&accounts);
    if !is_bold {
        batch.set_known_aside(alone.reading()).await?;
    }
    let plain = if is_bold { batch.plain() } else { None };
    let (mut new, mut stored) = match plain {
        Some(plain) => batch.store_plain(alone, &plain, now).await?,
        None => {
            let new = batch.decide(alone.reading(), now).await?;
            let stored = store(alone, &new, now).await?;
            (new, stored)
        }
    };
    if stored.is_some() {
        orders.news.went_on(&accounts, batch.known.is_empty());
    } else {
        // One was recorded before after all, or a moment ago by a rival.
        if is_bold {
            orders.news.broke(&accounts);
        } else {
            orders.news.went_on(&accounts, false);
        }
        batch.set_known_aside(alone.reading()).await?;
        new.retain(|new| !batch.known.contains_key(&new.row.key));
        stored = store(alone, &new, now).await?;
    }
    let mut answers = batch.answer(&new, &stored.ok_or(Abort::LostRace)?, now)?;
    for index in better_reports(&answers, orders.rows) {
        answers[index] = confirm::confirm(alone.storing(), &orders.rows[index], now).await?;
        alone.answered(true);
    }
    Ok(answers)
}

/// Stores new purchases, all of them or none: then one was recorded before.
async fn store(alone: &mut Alone, new: &[NewPurchase<'_>], now: OffsetDateTime) -> sqlx::Result<Option<Vec<Ids>>> {
    if new.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let have_conversions: Vec<bool> = new.iter().map(|new| new.decision.outcome.is_ok()).collect();
    let ids = Ids::draw(alone, &have_conversions).await?;
    let is_stored = insert::insert(alone.storing(), new, &ids, now).await?;
    alone.answered(is_stored);
    Ok(is_stored.then_some(ids))
}

/// Which reports take the place of what is known of their orders, in the order of their keys: two batches that lock the same
/// orders cannot wait for each other.
fn better_reports(answers: &[Recorded], rows: &[PurchaseToRecord]) -> Vec<usize> {
    let mut better: Vec<usize> = (0..rows.len()).filter(|index| answers[*index].gives_way_to(&rows[*index])).collect();
    better.sort_by_key(|index| &rows[*index].key);
    better
}

/// Reports of orders, and what is known of those that were recorded before.
struct Batch<'a> {
    rows: &'a [PurchaseToRecord],
    /// Of several reports of one order the first, in the order of their keys. The others are repeats of it.
    firsts: Vec<&'a PurchaseToRecord>,
    known: HashMap<OrderKey, Purchase>,
    evidence: CodeBook,
}

impl<'a> Batch<'a> {
    fn of(rows: &'a [PurchaseToRecord]) -> Self {
        let mut firsts: Vec<&PurchaseToRecord> = rows.iter().collect();
        // A stable sort: of one order's reports the first stays first.
        firsts.sort_by_key(|row| &row.key);
        firsts.dedup_by_key(|row| &row.key);
        Self { rows, firsts, known: HashMap::new(), evidence: CodeBook::default() }
    }

    /// Finds the orders that were recorded before. They are no longer among the first reports.
    async fn set_known_aside(&mut self, conn: &mut PgConnection) -> sqlx::Result<()> {
        let keys: Vec<&OrderKey> = self.firsts.iter().map(|row| &row.key).collect();
        let found = store::find_all(conn, &keys).await?;
        self.known.extend(found.into_iter().map(|purchase| (purchase.key.clone(), purchase)));
        self.firsts.retain(|row| !self.known.contains_key(&row.key));
        Ok(())
    }

    /// Decides who referred each new order, on what its codes lead to.
    async fn decide(&mut self, conn: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<Vec<NewPurchase<'a>>> {
        self.evidence = CodeBook::load(conn, &self.firsts).await?;
        let friends = recognise(conn, &self.firsts).await?;
        Ok(self.rule(friends, now))
    }

    /// Decides who referred each new order, on the evidence that was found.
    fn rule(&self, friends: Vec<Option<CustomerId>>, now: OffsetDateTime) -> Vec<NewPurchase<'a>> {
        let new = self.firsts.iter().zip(friends).map(|(row, customer_id)| {
            let decision = decide_on(&self.evidence, row, now);
            NewPurchase { row, customer_id, decision }
        });
        new.collect()
    }

    /// The order of the batch, if there is but one and it may be plain.
    fn plain(&self) -> Option<PlainOrder<'a>> {
        let [row] = self.firsts.as_slice() else { return None };
        PlainOrder::of(row, &buyer(row))
    }

    /// Stores an order if it is plain, and else as any other on what was found. What is stored is nothing if it was recorded before.
    async fn store_plain(
        &mut self,
        alone: &mut Alone,
        plain: &PlainOrder<'a>,
        now: OffsetDateTime,
    ) -> sqlx::Result<(Vec<NewPurchase<'a>>, Option<Vec<Ids>>)> {
        let ids = Ids::draw(alone, &[true]).await?.pop().ok_or(sqlx::Error::RowNotFound)?;
        let found = plain.store(alone.storing(), ids, now).await?;
        alone.answered(found.as_ref().is_some_and(|found| found.is_stored));
        let Some(Found { coupon, is_stored }) = found else { return Ok((Vec::new(), None)) };
        if let Some(coupon) = coupon {
            self.evidence.learn(coupon);
        }
        let new = self.rule(vec![None], now);
        if let Some(odd) = new.iter().find(|new| is_stored && !plain.is_as(&new.decision)) {
            tracing::error!(account.id = odd.row.key.account_id.0, "an order was stored as a plain one, and is none");
        }
        let stored = if is_stored { Some(vec![ids]) } else { store(alone, &new, now).await? };
        Ok((new, stored))
    }

    /// Answers each row: with what was stored of it now, or with how it compares to what was stored before.
    fn answer(&self, new: &[NewPurchase<'_>], stored: &[Ids], now: OffsetDateTime) -> Result<Vec<Recorded>, Abort> {
        let mut purchases: Vec<Option<Purchase>> =
            new.iter().zip(stored).map(|(new, ids)| Some(stored_purchase(new, &self.evidence, *ids, now))).collect();
        let mut is_answered = vec![false; purchases.len()];
        let has_repeats = self.rows.len() > new.len();
        let answers = self.rows.iter().map(|row| {
            let Ok(place) = new.binary_search_by(|new| new.row.key.cmp(&row.key)) else {
                return Ok(repeated(self.known.get(&row.key).cloned().ok_or(Abort::LostRace)?, row));
            };
            let purchase = if has_repeats { purchases[place].clone() } else { purchases[place].take() };
            let purchase = purchase.ok_or(Abort::LostRace)?;
            let is_new = !std::mem::replace(&mut is_answered[place], true);
            Ok(if is_new { Recorded::New(Box::new(purchase)) } else { repeated(purchase, row) })
        });
        answers.collect()
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

fn decide_on(evidence: &CodeBook, row: &PurchaseToRecord, now: OffsetDateTime) -> Decision {
    attribution::decide(&buyer(row), &evidence.about(row, now), attribution::LEGACY_PRECEDENCE)
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
    let decision = decide_on(&evidence, row, now);
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
    let decision = decide_on(&evidence, row, now);
    let found = decision.outcome.as_ref().ok();
    let to = found.and_then(|found| evidence.attributed_to(row, found.via, decision.conflicting_codes));
    Ok((decision, to))
}
