//! The SQL that stores new purchases, one row or many, with their conversions: one statement each. What they are called is known before.

use rust_decimal::Decimal;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{Product, PurchaseToRecord};
use crate::attribution::{Attribution, Considered, Decision, Fraud};
use crate::conversions::Status;
use crate::db::{self, Alone};
use crate::events::{self, Fact, Kind};
use crate::types::codes::RecordedCode;
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, ConversionId, CustomerId, PurchaseId, ReferralCodeId};
use crate::types::text::{Name, OpaqueId, UserAgent};

/// A purchase that is to be stored with its decision.
pub struct NewPurchase<'a> {
    pub row: &'a PurchaseToRecord,
    pub customer_id: Option<CustomerId>,
    pub decision: Decision,
}

/// What a purchase and its conversion, if it has one, are called.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    pub purchase: PurchaseId,
    pub conversion: Option<ConversionId>,
}

impl Ids {
    /// Draws the numbers of purchases, of each of which is said whether it has a conversion.
    pub async fn draw(alone: &mut Alone, have_conversions: &[bool]) -> sqlx::Result<Vec<Self>> {
        let conversions = have_conversions.iter().filter(|has| **has).count();
        let wanted = [("purchases_id_seq", have_conversions.len()), ("conversions_id_seq", conversions)];
        Self::give(alone.numbers(wanted).await?, have_conversions).ok_or(sqlx::Error::RowNotFound)
    }

    /// Gives them out, in their order. None, when there are too few.
    fn give([purchases, conversions]: [Vec<i64>; 2], have_conversions: &[bool]) -> Option<Vec<Self>> {
        let (mut purchases, mut conversions) = (purchases.into_iter(), conversions.into_iter());
        let named = have_conversions.iter().map(|has_conversion| {
            let purchase = PurchaseId(purchases.next()?);
            let conversion = if *has_conversion { Some(ConversionId(conversions.next()?)) } else { None };
            Some(Self { purchase, conversion })
        });
        named.collect()
    }
}

/// Most purchases that a lane has stored by one statement. More would not make it faster.
pub const ROWS_MAX: usize = 512;

/// Inserts purchases, which are sorted by key so that two batches cannot wait for each other, with their
/// conversions and their events, under the names given to them; or nothing, and says so, if one of the orders was recorded before. One
/// statement, all of it or nothing, so that it needs no transaction around it.
///
/// There is no `on conflict` here: where it has nothing to pass over, it is a twentieth of what an order costs.
pub async fn insert(
    conn: &mut PgConnection,
    new: &[NewPurchase<'_>],
    ids: &[Ids],
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let stored = match (new, ids) {
        ([one], [ids]) => insert_one(conn, one, *ids, now).await,
        _ => insert_many(conn, new, ids, now).await,
    };
    match stored {
        Ok(()) => Ok(true),
        Err(error) if is_known_order(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a statement was refused because an order was recorded before.
pub(super) fn is_known_order(error: &sqlx::Error) -> bool {
    db::constraint(error) == Some("purchases_source_order_id_key")
}

async fn insert_many(
    conn: &mut PgConnection,
    new: &[NewPurchase<'_>],
    ids: &[Ids],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let (columns, converted) = (Columns::of(new, ids, now), ConversionColumns::of(new, ids));
    let events = events::Rows::of(new.iter().zip(ids).flat_map(|(new, ids)| facts(new, *ids)));
    sqlx::query_file!(
        "src/purchases/sql/insert_many.sql",
        &columns.accounts as &[AccountId],
        &columns.ids as &[PurchaseId],
        &columns.sources as &[&str],
        &columns.order_ids as &[&str],
        &columns.amounts,
        &columns.currencies as &[&str],
        &columns.emails as &[Option<&str>],
        &columns.new_customers as &[Option<bool>],
        &columns.dates,
        &columns.customer_ids as &[Option<CustomerId>],
        &columns.customer_external_ids as &[Option<&str>],
        &columns.customer_emails as &[Option<&str>],
        &columns.customer_first_names as &[Option<&str>],
        &columns.customer_last_names as &[Option<&str>],
        &columns.products as &[Json<&[Product]>],
        &columns.ip_addresses as &[Option<String>],
        &columns.coupon_codes as &[Option<&str>],
        &columns.referral_codes as &[Option<&str>],
        &columns.via as &[Option<&str>],
        &columns.attributed as &[Option<ReferralCodeId>],
        &columns.reasons as &[Option<&str>],
        &columns.conflicting,
        &columns.considered as &[Json<&[Considered]>],
        now,
        &columns.user_agents as &[Option<&str>],
        &columns.channels as &[&str],
        &columns.visits as &[Option<OffsetDateTime>],
        &converted.accounts as &[AccountId],
        &converted.ids as &[ConversionId],
        &converted.purchases as &[PurchaseId],
        &converted.campaigns as &[CampaignId],
        &converted.referral_codes as &[ReferralCodeId],
        &converted.statuses as &[&str],
        &converted.same_email,
        &converted.fuzzy_email,
        &converted.same_customer,
        &converted.same_shopper,
        &events.accounts as &[AccountId],
        &events.kinds as &[&str],
        &events.subjects
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What the outbox says of a new purchase, as `insert_one.sql` does too.
fn facts(new: &NewPurchase<'_>, ids: Ids) -> impl Iterator<Item = Fact> {
    let account_id = new.row.key.account_id;
    let conversion = ids.conversion.map(|id| id.0);
    let is_refused = new.decision.outcome.as_ref().is_ok_and(|found| status(new, found) == Status::Rejected);
    let facts = [
        (Kind::PurchaseRecorded, Some(ids.purchase.0)),
        (Kind::ConversionCreated, conversion),
        (Kind::ConversionRefused, conversion.filter(|_| is_refused)),
    ];
    facts.into_iter().filter_map(move |(kind, subject)| Some(Fact { account_id, kind, subject: subject? }))
}

fn status(new: &NewPurchase<'_>, found: &Attribution) -> Status {
    Status::initial(found, new.row.channel)
}

async fn insert_one(conn: &mut PgConnection, new: &NewPurchase<'_>, ids: Ids, now: OffsetDateTime) -> sqlx::Result<()> {
    let NewPurchase { row, customer_id, decision } = new;
    let (found, customer) = (decision.outcome.as_ref().ok(), &row.customer);
    let fraud = found.map(|found| found.fraud).unwrap_or_default();
    sqlx::query_file!(
        "src/purchases/sql/insert_one.sql",
        row.key.account_id as AccountId,
        ids.purchase as PurchaseId,
        &row.key.source,
        row.key.order_id.as_str(),
        row.total.amount(),
        row.total.currency().code(),
        row.email.as_ref().map(Email::as_str),
        row.new_customer,
        row.date.unwrap_or(now),
        *customer_id as Option<CustomerId>,
        customer.external_id.as_ref().map(OpaqueId::as_str),
        customer.email.as_ref().map(Email::as_str),
        customer.first_name.as_ref().map(Name::as_str),
        customer.last_name.as_ref().map(Name::as_str),
        Json(row.products.as_deref().unwrap_or_default()) as Json<&[Product]>,
        row.ip_address.map(|ip| ip.to_string()),
        row.coupon_code.as_ref().map(RecordedCode::as_str),
        row.referral_code.as_ref().map(RecordedCode::as_str),
        found.map(|found| found.via.as_str()),
        found.map(|found| found.holder.referral_code_id) as Option<ReferralCodeId>,
        decision.outcome.as_ref().err().map(|reason| reason.as_str()),
        decision.conflicting_codes,
        Json(decision.considered.as_slice()) as Json<&[Considered]>,
        now,
        row.user_agent.as_ref().map(UserAgent::as_str),
        row.channel.as_str(),
        found.map(|found| found.holder.campaign_id) as Option<CampaignId>,
        found.map(|found| status(new, found).as_str()),
        fraud.same_email,
        fraud.fuzzy_email,
        fraud.same_customer,
        fraud.same_shopper,
        ids.conversion as Option<ConversionId>,
        found.and_then(|found| found.visited_at)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The columns of new purchases, row by row.
struct Columns<'a> {
    accounts: Vec<AccountId>,
    ids: Vec<PurchaseId>,
    sources: Vec<&'a str>,
    order_ids: Vec<&'a str>,
    amounts: Vec<Decimal>,
    currencies: Vec<&'a str>,
    emails: Vec<Option<&'a str>>,
    new_customers: Vec<Option<bool>>,
    dates: Vec<OffsetDateTime>,
    customer_ids: Vec<Option<CustomerId>>,
    customer_external_ids: Vec<Option<&'a str>>,
    customer_emails: Vec<Option<&'a str>>,
    customer_first_names: Vec<Option<&'a str>>,
    customer_last_names: Vec<Option<&'a str>>,
    products: Vec<Json<&'a [Product]>>,
    ip_addresses: Vec<Option<String>>,
    coupon_codes: Vec<Option<&'a str>>,
    referral_codes: Vec<Option<&'a str>>,
    via: Vec<Option<&'a str>>,
    attributed: Vec<Option<ReferralCodeId>>,
    reasons: Vec<Option<&'a str>>,
    conflicting: Vec<bool>,
    considered: Vec<Json<&'a [Considered]>>,
    user_agents: Vec<Option<&'a str>>,
    channels: Vec<&'a str>,
    visits: Vec<Option<OffsetDateTime>>,
}

impl<'a> Columns<'a> {
    fn of(new: &'a [NewPurchase<'a>], ids: &[Ids], now: OffsetDateTime) -> Self {
        let rows: Vec<&PurchaseToRecord> = new.iter().map(|new| new.row).collect();
        let decisions: Vec<&Decision> = new.iter().map(|new| &new.decision).collect();
        let attributions = || decisions.iter().map(|decision| decision.outcome.as_ref().ok());
        Self {
            accounts: rows.iter().map(|row| row.key.account_id).collect(),
            ids: ids.iter().map(|ids| ids.purchase).collect(),
            sources: rows.iter().map(|row| row.key.source.as_str()).collect(),
            order_ids: rows.iter().map(|row| row.key.order_id.as_str()).collect(),
            amounts: rows.iter().map(|row| row.total.amount()).collect(),
            currencies: rows.iter().map(|row| row.total.currency().code()).collect(),
            emails: rows.iter().map(|row| row.email.as_ref().map(Email::as_str)).collect(),
            new_customers: rows.iter().map(|row| row.new_customer).collect(),
            dates: rows.iter().map(|row| row.date.unwrap_or(now)).collect(),
            customer_ids: new.iter().map(|new| new.customer_id).collect(),
            customer_external_ids: rows
                .iter()
                .map(|row| row.customer.external_id.as_ref().map(OpaqueId::as_str))
                .collect(),
            customer_emails: rows.iter().map(|row| row.customer.email.as_ref().map(Email::as_str)).collect(),
            customer_first_names: rows.iter().map(|row| row.customer.first_name.as_ref().map(Name::as_str)).collect(),
            customer_last_names: rows.iter().map(|row| row.customer.last_name.as_ref().map(Name::as_str)).collect(),
            products: rows.iter().map(|row| Json(row.products.as_deref().unwrap_or_default())).collect(),
            ip_addresses: rows.iter().map(|row| row.ip_address.map(|ip| ip.to_string())).collect(),
            coupon_codes: rows.iter().map(|row| row.coupon_code.as_ref().map(RecordedCode::as_str)).collect(),
            referral_codes: rows.iter().map(|row| row.referral_code.as_ref().map(RecordedCode::as_str)).collect(),
            via: attributions().map(|found| found.map(|found| found.via.as_str())).collect(),
            attributed: attributions().map(|found| found.map(|found| found.holder.referral_code_id)).collect(),
            reasons: decisions
                .iter()
                .map(|decision| decision.outcome.as_ref().err().map(|reason| reason.as_str()))
                .collect(),
            conflicting: decisions.iter().map(|decision| decision.conflicting_codes).collect(),
            considered: decisions.iter().map(|decision| Json(decision.considered.as_slice())).collect(),
            user_agents: rows.iter().map(|row| row.user_agent.as_ref().map(UserAgent::as_str)).collect(),
            channels: rows.iter().map(|row| row.channel.as_str()).collect(),
            visits: attributions().map(|found| found.and_then(|found| found.visited_at)).collect(),
        }
    }
}

/// The columns of the conversions that follow from new purchases.
struct ConversionColumns {
    accounts: Vec<AccountId>,
    ids: Vec<ConversionId>,
    purchases: Vec<PurchaseId>,
    campaigns: Vec<CampaignId>,
    referral_codes: Vec<ReferralCodeId>,
    statuses: Vec<&'static str>,
    same_email: Vec<bool>,
    fuzzy_email: Vec<bool>,
    same_customer: Vec<bool>,
    same_shopper: Vec<bool>,
}

impl ConversionColumns {
    fn of(new: &[NewPurchase<'_>], ids: &[Ids]) -> Self {
        let conversions: Vec<_> = new
            .iter()
            .zip(ids)
            .filter_map(|(new, ids)| Some((new, ids.purchase, ids.conversion?, new.decision.outcome.as_ref().ok()?)))
            .collect();
        let flags = |flag: fn(&Fraud) -> bool| conversions.iter().map(|(.., found)| flag(&found.fraud)).collect();
        Self {
            accounts: conversions.iter().map(|(new, ..)| new.row.key.account_id).collect(),
            ids: conversions.iter().map(|(_, _, id, _)| *id).collect(),
            purchases: conversions.iter().map(|(_, purchase, ..)| *purchase).collect(),
            campaigns: conversions.iter().map(|(.., found)| found.holder.campaign_id).collect(),
            referral_codes: conversions.iter().map(|(.., found)| found.holder.referral_code_id).collect(),
            statuses: conversions.iter().map(|(new, .., found)| status(new, found).as_str()).collect(),
            same_email: flags(|fraud| fraud.same_email),
            fuzzy_email: flags(|fraud| fraud.fuzzy_email),
            same_customer: flags(|fraud| fraud.same_customer),
            same_shopper: flags(|fraud| fraud.same_shopper),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_to_purchases_in_their_order_and_to_those_conversions_that_there_are() {
        let give = |conversions: &[i64]| Ids::give([vec![1, 2, 3], conversions.to_vec()], &[false, true, true]);
        let given = give(&[8, 9]).expect("enough");
        let given: Vec<_> = given.iter().map(|ids| (ids.purchase.0, ids.conversion.map(|id| id.0))).collect();
        assert_eq!(given, [(1, None), (2, Some(8)), (3, Some(9))]);
        assert!(give(&[8]).is_none());
    }
}
