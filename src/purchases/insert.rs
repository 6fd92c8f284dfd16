//! The SQL that stores new purchases: a row, or a few, with their conversions, each in one statement.

use std::collections::HashMap;

use rust_decimal::Decimal;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::store::columns_of;
use super::{OrderKey, Product, PurchaseToRecord};
use crate::attribution::{Attribution, Considered, Decision, Fraud};
use crate::conversions::Status;
use crate::db;
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

/// Most purchases that one statement inserts. It looks for each conversion's purchase among all of them, which for more
/// would cost more than another statement.
pub const FEW: usize = 64;

/// Inserts at most [`FEW`] purchases, which are sorted by key so that two batches cannot wait for each other, with their
/// conversions and their events, and gives the ids of both in the order of `new`; or nothing if one of the orders was recorded
/// before. One statement, all of it or nothing, so that it needs no transaction around it; within one, nothing is the end of it.
///
/// There is no `on conflict` here: where it has nothing to pass over, it is a twentieth of what an order costs.
pub async fn insert(
    conn: &mut PgConnection,
    new: &[NewPurchase<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<Option<Vec<Ids>>> {
    let stored = match new {
        [one] => insert_one(conn, one, now).await.map(|ids| vec![ids]),
        few => insert_few(conn, few, now).await,
    };
    match stored {
        Ok(ids) => Ok(Some(ids)),
        Err(error) if is_known_order(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a statement was refused because an order was recorded before.
pub(super) fn is_known_order(error: &sqlx::Error) -> bool {
    db::constraint(error) == Some("purchases_source_order_id_key")
}

async fn insert_few(conn: &mut PgConnection, new: &[NewPurchase<'_>], now: OffsetDateTime) -> sqlx::Result<Vec<Ids>> {
    let (columns, converted) = (Columns::of(new, now), ConversionColumns::of(new));
    let rows = sqlx::query_file_as!(
        StoredRow,
        "src/purchases/sql/insert_few.sql",
        &columns.accounts as &[AccountId],
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
        &converted.accounts as &[AccountId],
        &converted.sources as &[&str],
        &converted.order_ids as &[&str],
        &converted.campaigns as &[CampaignId],
        &converted.statuses as &[&str],
        &converted.same_email,
        &converted.fuzzy_email,
        &converted.same_customer,
        &converted.same_shopper,
        &columns.user_agents as &[Option<&str>],
        &columns.channels as &[&str],
        &columns.visits as &[Option<OffsetDateTime>]
    )
    .fetch_all(conn)
    .await?;
    ids(new, rows).ok_or(sqlx::Error::RowNotFound)
}

/// A purchase that was stored, or its conversion: then it has no name but the purchase's number.
struct StoredRow {
    account_id: AccountId,
    purchase_id: PurchaseId,
    source: Option<String>,
    order_id: Option<OpaqueId>,
    conversion_id: Option<ConversionId>,
}

/// The ids of what was stored, in the order of `new`.
fn ids(new: &[NewPurchase<'_>], rows: Vec<StoredRow>) -> Option<Vec<Ids>> {
    let (purchases, conversions): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.conversion_id.is_none());
    let mut ids = vec![None; new.len()];
    let mut places = HashMap::with_capacity(conversions.len());
    for StoredRow { account_id, purchase_id, source, order_id, .. } in purchases {
        let key = OrderKey { account_id, source: source?, order_id: order_id? };
        let place = new.binary_search_by(|new| new.row.key.cmp(&key)).ok()?;
        ids[place] = Some(Ids { purchase: purchase_id, conversion: None });
        if new[place].decision.outcome.is_ok() {
            places.insert((account_id, purchase_id), place);
        }
    }
    for row in conversions {
        ids[*places.get(&(row.account_id, row.purchase_id))?].as_mut()?.conversion = row.conversion_id;
    }
    ids.into_iter().collect()
}

/// For a single purchase: without arrays, which take the server longer to open than the row to store.
async fn insert_one(conn: &mut PgConnection, new: &NewPurchase<'_>, now: OffsetDateTime) -> sqlx::Result<Ids> {
    let NewPurchase { row, customer_id, decision } = new;
    let (found, customer) = (decision.outcome.as_ref().ok(), &row.customer);
    let fraud = found.map(|found| found.fraud).unwrap_or_default();
    let stored = sqlx::query!(
        r#"with purchase as (
            insert into purchases (account_id, source, order_id, amount, currency, email, new_customer, ordered_at, customer_id,
                customer_external_id, customer_email, customer_first_name, customer_last_name, products, ip_address, coupon_code,
                referral_code, attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, created_at, user_agent,
                channel, visited_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $30, $31, $32)
            returning account_id, id
        ), conversion as (
            insert into conversions (account_id, purchase_id, campaign_id, referral_code_id, status,
                same_email, fuzzy_email, same_customer, same_shopper, created_at)
            select account_id, id, $24, $19, $25, $26, $27, $28, $29, $23 from purchase where $19::bigint is not null
            returning account_id, id
        ), event as (
            insert into events (account_id, kind, subjects, created_at)
            select account_id, 'purchase.recorded', array[id], $23 from purchase
            union all
            select account_id, 'conversion.created', array[id], $23 from conversion
            union all
            select account_id, 'conversion.refused', array[id], $23 from conversion where $25 = 'rejected'
        )
        select id as "purchase: PurchaseId", (select id from conversion) as "conversion: ConversionId" from purchase"#,
        row.key.account_id as AccountId,
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
        found.map(|found| found.holder.campaign_id) as Option<CampaignId>,
        found.map(|found| Status::initial(found, row.channel).as_str()),
        fraud.same_email,
        fraud.fuzzy_email,
        fraud.same_customer,
        fraud.same_shopper,
        row.user_agent.as_ref().map(UserAgent::as_str),
        row.channel.as_str(),
        found.and_then(|found| found.visited_at)
    )
    .fetch_one(conn)
    .await?;
    Ok(Ids { purchase: stored.purchase, conversion: stored.conversion })
}

/// The columns of new purchases, row by row.
struct Columns<'a> {
    accounts: Vec<AccountId>,
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
    fn of(new: &'a [NewPurchase<'a>], now: OffsetDateTime) -> Self {
        let rows: Vec<&PurchaseToRecord> = new.iter().map(|new| new.row).collect();
        let decisions: Vec<&Decision> = new.iter().map(|new| &new.decision).collect();
        let attributions = || decisions.iter().map(|decision| decision.outcome.as_ref().ok());
        Self {
            accounts: rows.iter().map(|row| row.key.account_id).collect(),
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
struct ConversionColumns<'a> {
    accounts: Vec<AccountId>,
    sources: Vec<&'a str>,
    order_ids: Vec<&'a str>,
    campaigns: Vec<CampaignId>,
    statuses: Vec<&'a str>,
    same_email: Vec<bool>,
    fuzzy_email: Vec<bool>,
    same_customer: Vec<bool>,
    same_shopper: Vec<bool>,
}

impl<'a> ConversionColumns<'a> {
    fn of(new: &'a [NewPurchase<'a>]) -> Self {
        let attributed: Vec<(&PurchaseToRecord, &Attribution)> =
            new.iter().filter_map(|new| Some((new.row, new.decision.outcome.as_ref().ok()?))).collect();
        let keys: Vec<&OrderKey> = attributed.iter().map(|(row, _)| &row.key).collect();
        let (accounts, sources, order_ids) = columns_of(&keys);
        let flags = |flag: fn(&Fraud) -> bool| attributed.iter().map(|(_, found)| flag(&found.fraud)).collect();
        Self {
            accounts,
            sources,
            order_ids,
            campaigns: attributed.iter().map(|(_, found)| found.holder.campaign_id).collect(),
            statuses: attributed.iter().map(|(row, found)| Status::initial(found, row.channel).as_str()).collect(),
            same_email: flags(|fraud| fraud.same_email),
            fuzzy_email: flags(|fraud| fraud.fuzzy_email),
            same_customer: flags(|fraud| fraud.same_customer),
            same_shopper: flags(|fraud| fraud.same_shopper),
        }
    }
}
