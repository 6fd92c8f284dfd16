//! The SQL of purchases that are stored: one statement a function. Storing them is `insert`'s.

use rust_decimal::Decimal;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{AttributedTo, Conversion, OrderKey, Product, Purchase};
use crate::customers::Customer;
use crate::types::channel::Channel;
use crate::types::codes::{CouponCode, RecordedCode, ReferralCode};
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, ConversionId, CustomerId, PurchaseId};
use crate::types::money::{Currency, Money};
use crate::types::text::OpaqueId;

/// The columns of keys, row by row.
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
            p.channel, p.attributed_via, p.reason, p.conflicting_codes, p.created_at,
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
    channel: String,
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
            channel: Channel::from(row.channel),
            reason: row.reason,
            created_at: row.created_at,
        }
    }
}
