//! An order that nobody has recorded, brought before the rules as if it were: for those who ask what would become of it.

use rust_decimal::Decimal;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::store::CaseRow;
use crate::attribution::Fraud;
use crate::conversions::Status;
use crate::types::channel::Channel;
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, ConversionId, CustomerId, PurchaseId, ReferralCodeId};
use crate::types::money::Money;
use crate::types::text::OpaqueId;

/// What such an order says.
#[derive(Clone, Debug)]
pub struct Prospect {
    pub account_id: AccountId,
    pub source: String,
    pub order_id: OpaqueId,
    pub total: Money,
    pub ordered_at: OffsetDateTime,
    pub order_email: Option<Email>,
    pub customer_email: Option<Email>,
    pub customer_external_id: Option<OpaqueId>,
    pub new_customer: Option<bool>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub attributed_via: &'static str,
    pub visited_at: Option<OffsetDateTime>,
    pub channel: Channel,
    pub referral_code_id: ReferralCodeId,
    pub status: Status,
    pub fraud: Fraud,
}

/// Loads what the evaluation of such an order's conversion asks about. Its own record, if there is one, is no earlier order.
pub async fn find_case(
    conn: &mut PgConnection,
    order: &Prospect,
    now: OffsetDateTime,
) -> sqlx::Result<Option<CaseRow>> {
    sqlx::query_as!(
        CaseRow,
        r#"select r.account_id, 0::bigint as "conversion_id!: ConversionId", $3::text as "status!", $4::bool as "same_email!",
            $5::bool as "fuzzy_email!", $6::bool as "same_customer!", false as "same_shopper!", null::timestamptz as evaluated_at,
            $7::timestamptz as "created_at!", 0::bigint as "purchase_id!: PurchaseId", $8::numeric as "amount!",
            $9::text as "purchase_currency!", $10::text as "order_email: Email", $11::text as "customer_email: Email",
            $12::text as "customer_external_id: OpaqueId", $13::bool as new_customer, $14::timestamptz as "ordered_at!",
            $15::text as ip_address, $16::text as user_agent, $17::text as attributed_via, $20::timestamptz as visited_at, $21::text as "channel!", false as "is_cancelled!", 0::numeric as "refunded!",
            case when g.new_customers_only and $13::bool is null and $12::text is not null then exists (
                select from purchases b
                where b.account_id = r.account_id and b.customer_external_id = $12 and b.ordered_at <= $14
                    and (b.source, b.order_id) <> ($18::text, $19::text))
            end as bought_before,
            r.id as "referral_code_id: ReferralCodeId", r.created_at as code_created_at, r.coupon_issued_at,
            r.ip_address as code_ip_address, r.user_agent as code_user_agent, r.blocked_at is not null as "is_code_blocked!",
            u.id as "advocate_id: CustomerId", u.external_id as "advocate_external_id: OpaqueId", u.email as "advocate_email: Email",
            u.blocked_at is not null as "is_customer_blocked!", a.currency as account_currency,
            g.id as "campaign_id: CampaignId", g.attribution_window_days, g.days_to_delay, g.new_customers_only, g.minimum_amount,
            g.maximum_rewards, g.self_referral, g.unverified_orders, g.similar_email_edits, g.reward_type, g.reward_unit, g.reward_value, g.reward_cap
        from referral_codes r
        join customers u on u.account_id = r.account_id and u.id = r.customer_id
        join campaigns g on g.account_id = r.account_id and g.id = r.campaign_id
        join accounts a on a.id = r.account_id
        where r.account_id = $1 and r.id = $2"#,
        order.account_id.0,
        order.referral_code_id.0,
        order.status.as_str(),
        order.fraud.same_email,
        order.fraud.fuzzy_email,
        order.fraud.same_customer,
        now,
        order.total.amount() as Decimal,
        order.total.currency().code(),
        order.order_email.as_ref().map(Email::as_str),
        order.customer_email.as_ref().map(Email::as_str),
        order.customer_external_id.as_ref().map(OpaqueId::as_str),
        order.new_customer,
        order.ordered_at,
        order.ip_address,
        order.user_agent,
        order.attributed_via,
        order.source,
        order.order_id.as_str(),
        order.visited_at,
        order.channel.as_str()
    )
    .fetch_optional(conn)
    .await
}
