//! The SQL of purchases: one statement a function.

use std::collections::HashMap;

use rust_decimal::Decimal;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{AttributedTo, Conversion, OrderKey, Product, Purchase, PurchaseToRecord};
use crate::attribution::{Considered, Decision};
use crate::customers::Customer;
use crate::types::codes::{CouponCode, RecordedCode, ReferralCode};
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, ConversionId, CustomerId, PurchaseId, ReferralCodeId};
use crate::types::money::{Currency, Money};
use crate::types::text::{Name, OpaqueId, UserAgent};

/// A purchase that is to be stored with its decision.
pub struct NewPurchase<'a> {
    pub row: &'a PurchaseToRecord,
    pub customer_id: Option<CustomerId>,
    pub decision: &'a Decision,
}

/// Inserts purchases, sorted by key so that two batches cannot wait for each other, and gives their ids. Those that a
/// rival stored first are missing from the answer.
pub async fn insert_all(
    conn: &mut PgConnection,
    new: &[NewPurchase<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<HashMap<OrderKey, PurchaseId>> {
    let mut sorted: Vec<&NewPurchase> = new.iter().collect();
    sorted.sort_by_key(|new| &new.row.key);
    let columns = Columns::of(&sorted, now);
    let rows = sqlx::query!(
        r#"insert into purchases (account_id, source, order_id, amount, currency, email, new_customer, ordered_at, customer_id,
            customer_external_id, customer_email, customer_first_name, customer_last_name, products, ip_address, coupon_code,
            referral_code, attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, created_at, user_agent)
        select account_id, source, order_id, amount, currency, email, new_customer, ordered_at, customer_id,
            customer_external_id, customer_email, customer_first_name, customer_last_name, products, ip_address, coupon_code,
            referral_code, attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, $23, user_agent
        from unnest($1::bigint[], $2::text[], $3::text[], $4::numeric[], $5::text[], $6::text[], $7::bool[], $8::timestamptz[], $9::bigint[],
            $10::text[], $11::text[], $12::text[], $13::text[], $14::jsonb[], $15::text[], $16::text[],
            $17::text[], $18::text[], $19::bigint[], $20::text[], $21::bool[], $22::jsonb[], $24::text[])
            as new (account_id, source, order_id, amount, currency, email, new_customer, ordered_at, customer_id,
                customer_external_id, customer_email, customer_first_name, customer_last_name, products, ip_address, coupon_code,
                referral_code, attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, user_agent)
        on conflict on constraint purchases_source_order_id_key do nothing
        returning account_id as "account_id: AccountId", source, order_id as "order_id: OpaqueId", id as "id: PurchaseId""#,
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
        &columns.user_agents as &[Option<&str>]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (OrderKey { account_id: row.account_id, source: row.source, order_id: row.order_id }, row.id))
        .collect())
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
}

impl<'a> Columns<'a> {
    fn of(new: &[&'a NewPurchase<'a>], now: OffsetDateTime) -> Self {
        let rows: Vec<&PurchaseToRecord> = new.iter().map(|new| new.row).collect();
        let decisions: Vec<&Decision> = new.iter().map(|new| new.decision).collect();
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
        }
    }
}

fn columns_of<'a>(keys: &[&'a OrderKey]) -> (Vec<AccountId>, Vec<&'a str>, Vec<&'a str>) {
    let accounts = keys.iter().map(|key| key.account_id).collect();
    let sources = keys.iter().map(|key| key.source.as_str()).collect();
    (accounts, sources, keys.iter().map(|key| key.order_id.as_str()).collect())
}

/// Finds purchases by what names their orders. Unknown keys are simply missing.
pub async fn find_all(conn: &mut PgConnection, keys: &[&OrderKey]) -> sqlx::Result<Vec<Purchase>> {
    let (accounts, sources, order_ids) = columns_of(keys);
    let rows = sqlx::query_as!(
        PurchaseRow,
        r#"select distinct on (p.account_id, p.id) p.account_id, p.id, p.source, p.order_id as "order_id: OpaqueId", p.amount, p.currency,
            p.email as "email: Email", p.new_customer, p.ordered_at, p.customer_id as "customer_id: CustomerId",
            p.customer_external_id as "customer_external_id: OpaqueId", p.customer_email as "customer_email: Email",
            p.customer_first_name, p.customer_last_name, p.products as "products: Json<Vec<Product>>", p.ip_address,
            p.coupon_code as "coupon_code: RecordedCode", p.referral_code as "referral_code: RecordedCode",
            p.attributed_via, p.reason, p.conflicting_codes, p.created_at,
            r.code as "held_referral_code?: ReferralCode", c.code as "held_coupon_code?: CouponCode",
            g.id as "campaign_id?: CampaignId", g.name as "campaign_name?",
            u.id as "advocate_id?: CustomerId", u.external_id as "advocate_external_id?: OpaqueId", u.email as "advocate_email?: Email",
            u.first_name as "advocate_first_name?", u.last_name as "advocate_last_name?",
            v.id as "conversion_id?: ConversionId", v.status as "conversion_status?", v.same_email as "same_email?",
            v.fuzzy_email as "fuzzy_email?", v.same_customer as "same_customer?", v.same_shopper as "same_shopper?",
            v.created_at as "converted_at?"
        from unnest($1::bigint[], $2::text[], $3::text[]) as wanted (account_id, source, order_id)
        join purchases p on p.account_id = wanted.account_id and p.source = wanted.source and p.order_id = wanted.order_id
        left join referral_codes r on r.account_id = p.account_id and r.id = p.attributed_referral_code_id
        left join coupons c on c.account_id = r.account_id and c.segment_id = r.segment_id and c.position = r.position
        left join campaigns g on g.account_id = r.account_id and g.id = r.campaign_id
        left join customers u on u.account_id = r.account_id and u.id = r.customer_id
        left join conversions v on v.account_id = p.account_id and v.purchase_id = p.id"#,
        &accounts as &[AccountId],
        &sources as &[&str],
        &order_ids as &[&str]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Purchase::from).collect())
}

/// A purchase with all that belongs to it, as one row.
struct PurchaseRow {
    account_id: i64,
    id: i64,
    source: String,
    order_id: OpaqueId,
    amount: Decimal,
    currency: String,
    email: Option<Email>,
    new_customer: Option<bool>,
    ordered_at: OffsetDateTime,
    customer_id: Option<CustomerId>,
    customer_external_id: Option<OpaqueId>,
    customer_email: Option<Email>,
    customer_first_name: Option<String>,
    customer_last_name: Option<String>,
    products: Json<Vec<Product>>,
    ip_address: Option<String>,
    coupon_code: Option<RecordedCode>,
    referral_code: Option<RecordedCode>,
    attributed_via: Option<String>,
    reason: Option<String>,
    conflicting_codes: bool,
    created_at: OffsetDateTime,
    held_referral_code: Option<ReferralCode>,
    held_coupon_code: Option<CouponCode>,
    campaign_id: Option<CampaignId>,
    campaign_name: Option<String>,
    advocate_id: Option<CustomerId>,
    advocate_external_id: Option<OpaqueId>,
    advocate_email: Option<Email>,
    advocate_first_name: Option<String>,
    advocate_last_name: Option<String>,
    conversion_id: Option<ConversionId>,
    conversion_status: Option<String>,
    same_email: Option<bool>,
    fuzzy_email: Option<bool>,
    same_customer: Option<bool>,
    same_shopper: Option<bool>,
    converted_at: Option<OffsetDateTime>,
}

impl PurchaseRow {
    fn attribution(&mut self) -> Option<AttributedTo> {
        Some(AttributedTo {
            via: self.attributed_via.take()?,
            referral_code: self.held_referral_code.take()?.as_str().to_owned(),
            coupon_code: self.held_coupon_code.take().map(|code| code.as_str().to_owned()),
            campaign_id: self.campaign_id?,
            campaign_name: self.campaign_name.take()?,
            advocate: Customer {
                account_id: AccountId(self.account_id),
                id: self.advocate_id?,
                external_id: self.advocate_external_id.take(),
                email: self.advocate_email.take(),
                first_name: self.advocate_first_name.take(),
                last_name: self.advocate_last_name.take(),
            },
            conflicting_codes: self.conflicting_codes,
        })
    }

    fn conversion(&mut self) -> Option<Conversion> {
        Some(Conversion {
            id: self.conversion_id?,
            status: self.conversion_status.take()?,
            same_email: self.same_email?,
            fuzzy_email: self.fuzzy_email?,
            same_customer: self.same_customer?,
            same_shopper: self.same_shopper?,
            created_at: self.converted_at?,
        })
    }
}

impl From<PurchaseRow> for Purchase {
    fn from(mut row: PurchaseRow) -> Self {
        Self {
            attribution: row.attribution(),
            conversion: row.conversion(),
            key: OrderKey { account_id: AccountId(row.account_id), source: row.source, order_id: row.order_id },
            id: PurchaseId(row.id),
            total: Money::stored(row.amount, Currency::from(row.currency)),
            email: row.email,
            new_customer: row.new_customer,
            ordered_at: row.ordered_at,
            customer_id: row.customer_id,
            customer_external_id: row.customer_external_id,
            customer_email: row.customer_email,
            customer_first_name: row.customer_first_name,
            customer_last_name: row.customer_last_name,
            products: row.products.0,
            ip_address: row.ip_address,
            coupon_code: row.coupon_code,
            referral_code: row.referral_code,
            reason: row.reason,
            created_at: row.created_at,
        }
    }
}
