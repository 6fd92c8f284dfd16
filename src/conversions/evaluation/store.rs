//! The SQL of evaluating conversions: one statement a function.

use rust_decimal::Decimal;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, ConversionId, CustomerId, PurchaseId, ReferralCodeId};
use crate::types::text::OpaqueId;

/// Claims conversions that are due, campaign by campaign, the oldest first, until the transaction ends. Those that a rival has
/// claimed are passed over: he evaluates them. Campaigns come in a random order, so that the backlog of one, such as that of an
/// import, holds the others back for a moment only. Those that are left aside are passed over too.
pub async fn claim_due(
    conn: &mut PgConnection,
    aside: &[ConversionId],
    limit: i64,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<(AccountId, ConversionId)>> {
    let rows = sqlx::query!(
        r#"select due.account_id as "account_id: AccountId", due.id as "id: ConversionId"
        from (
            -- The condition is true, and lets the key be read instead of the table, which the session's settings make dear.
            select account_id, id, days_to_delay from campaigns where account_id > 0 order by random()
        ) g
        cross join lateral (
            select v.account_id, v.id from conversions v
            where v.account_id = g.account_id and v.campaign_id = g.id and v.evaluated_at is null
                and v.created_at <= $1::timestamptz - make_interval(days => g.days_to_delay)
                and v.id <> all($3::bigint[])
            order by v.created_at
            limit $2
            for no key update of v skip locked
        ) due
        limit $2"#,
        now,
        limit,
        aside as &[ConversionId]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.account_id, row.id)).collect())
}

/// Claims conversions that were due a moment ago, in the order given, until the transaction ends. Those that a rival evaluates or
/// has evaluated are passed over.
pub async fn claim(
    conn: &mut PgConnection,
    due: &[(AccountId, ConversionId)],
) -> sqlx::Result<Vec<(AccountId, ConversionId)>> {
    let (accounts, ids): (Vec<AccountId>, Vec<ConversionId>) = due.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"select v.account_id as "account_id: AccountId", v.id as "id: ConversionId"
        from unnest($1::bigint[], $2::bigint[]) with ordinality as wanted (account_id, id, place)
        join conversions v on v.account_id = wanted.account_id and v.id = wanted.id
        where v.evaluated_at is null
        order by wanted.place
        for no key update of v skip locked"#,
        &accounts as &[AccountId],
        &ids as &[ConversionId]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.account_id, row.id)).collect())
}

/// Locks a conversion until the transaction ends. Whether there is one.
pub async fn lock(conn: &mut PgConnection, account: AccountId, id: ConversionId) -> sqlx::Result<bool> {
    let locked = sqlx::query_scalar!(
        "select id from conversions where account_id = $1 and id = $2 for no key update",
        account.0,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(locked.is_some())
}

/// Locks referral codes in the order of their ids, so that the rewards of one advocate are counted by one at a time.
pub async fn lock_codes(conn: &mut PgConnection, accounts: &[AccountId], ids: &[ReferralCodeId]) -> sqlx::Result<()> {
    sqlx::query_scalar!(
        "select r.id from referral_codes r
        where (r.account_id, r.id) in (select account_id, id from unnest($1::bigint[], $2::bigint[]) as wanted (account_id, id))
        order by r.account_id, r.id
        for no key update of r",
        accounts as &[AccountId],
        ids as &[ReferralCodeId]
    )
    .fetch_all(conn)
    .await?;
    Ok(())
}

/// A conversion with all that its evaluation asks about, as one row.
#[derive(Debug)]
pub struct CaseRow {
    pub account_id: i64,
    pub conversion_id: ConversionId,
    pub status: String,
    pub same_email: bool,
    pub fuzzy_email: bool,
    pub same_customer: bool,
    pub same_shopper: bool,
    pub evaluated_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub purchase_id: PurchaseId,
    pub amount: Decimal,
    pub purchase_currency: String,
    pub order_email: Option<Email>,
    pub customer_email: Option<Email>,
    pub customer_external_id: Option<OpaqueId>,
    pub new_customer: Option<bool>,
    pub ordered_at: OffsetDateTime,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub attributed_via: Option<String>,
    pub visited_at: Option<OffsetDateTime>,
    pub channel: String,
    pub is_cancelled: bool,
    pub refunded: Decimal,
    pub bought_before: Option<bool>,
    pub referral_code_id: ReferralCodeId,
    pub code_created_at: OffsetDateTime,
    pub coupon_issued_at: Option<OffsetDateTime>,
    pub code_ip_address: Option<String>,
    pub code_user_agent: Option<String>,
    pub is_code_blocked: bool,
    pub advocate_id: CustomerId,
    pub advocate_external_id: Option<OpaqueId>,
    pub advocate_email: Option<Email>,
    pub is_customer_blocked: bool,
    pub account_currency: String,
    pub campaign_id: CampaignId,
    pub attribution_window_days: Option<i32>,
    pub days_to_delay: i32,
    pub new_customers_only: bool,
    pub minimum_amount: Option<Decimal>,
    pub maximum_rewards: Option<i32>,
    pub self_referral: String,
    pub unverified_orders: String,
    pub similar_email_edits: Option<i32>,
    pub reward_type: Option<String>,
    pub reward_unit: Option<String>,
    pub reward_value: Option<Decimal>,
    pub reward_cap: Option<Decimal>,
}

/// Loads what the evaluation of conversions asks about, in the order given. Whether a customer bought before is looked up only
/// where a rule asks and the order does not say.
pub async fn find_cases(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    ids: &[ConversionId],
) -> sqlx::Result<Vec<CaseRow>> {
    sqlx::query_as!(
        CaseRow,
        r#"select v.account_id, v.id as "conversion_id: ConversionId", v.status, v.same_email, v.fuzzy_email, v.same_customer, v.same_shopper,
            v.evaluated_at, v.created_at, p.id as "purchase_id: PurchaseId", p.amount, p.currency as purchase_currency,
            p.email as "order_email: Email", p.customer_email as "customer_email: Email",
            p.customer_external_id as "customer_external_id: OpaqueId", p.new_customer, p.ordered_at, p.ip_address, p.user_agent,
            p.attributed_via, p.visited_at, p.channel, p.cancelled_at is not null as "is_cancelled!",
            (select coalesce(sum(f.amount), 0) from refunds f where f.account_id = p.account_id and f.purchase_id = p.id) as "refunded!",
            case when g.new_customers_only and p.new_customer is null and p.customer_external_id is not null then exists (
                select from purchases b
                where b.account_id = p.account_id and b.customer_external_id = p.customer_external_id
                    and (b.ordered_at, b.created_at, b.id) < (p.ordered_at, p.created_at, p.id))
            end as bought_before,
            r.id as "referral_code_id: ReferralCodeId", r.created_at as code_created_at, r.coupon_issued_at,
            r.ip_address as code_ip_address, r.user_agent as code_user_agent, r.blocked_at is not null as "is_code_blocked!",
            u.id as "advocate_id: CustomerId", u.external_id as "advocate_external_id: OpaqueId", u.email as "advocate_email: Email",
            u.blocked_at is not null as "is_customer_blocked!", a.currency as account_currency,
            g.id as "campaign_id: CampaignId", g.attribution_window_days, g.days_to_delay, g.new_customers_only, g.minimum_amount,
            g.maximum_rewards, g.self_referral, g.unverified_orders, g.similar_email_edits, g.reward_type, g.reward_unit, g.reward_value, g.reward_cap
        from unnest($1::bigint[], $2::bigint[]) with ordinality as wanted (account_id, id, place)
        join conversions v on v.account_id = wanted.account_id and v.id = wanted.id
        join purchases p on p.account_id = v.account_id and p.id = v.purchase_id
        join referral_codes r on r.account_id = v.account_id and r.id = v.referral_code_id
        join customers u on u.account_id = r.account_id and u.id = r.customer_id
        join campaigns g on g.account_id = v.account_id and g.id = v.campaign_id
        join accounts a on a.id = v.account_id
        order by wanted.place"#,
        accounts as &[AccountId],
        ids as &[ConversionId]
    )
    .fetch_all(conn)
    .await
}

/// What the checks for fraud saw when a conversion was evaluated, as JSON. Nothing before that.
pub async fn find_checks(
    conn: &mut PgConnection,
    account: AccountId,
    id: ConversionId,
) -> sqlx::Result<Option<Box<RawValue>>> {
    let found = sqlx::query_scalar!(
        r#"select fraud_checks as "checks: Json<Box<RawValue>>" from conversions where account_id = $1 and id = $2"#,
        account.0,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.flatten().map(|checks| checks.0))
}

/// Where a conversion stands after a ruling.
pub struct Standing {
    pub account_id: AccountId,
    pub id: ConversionId,
    pub status: &'static str,
    pub same_email: bool,
    pub fuzzy_email: bool,
    pub same_customer: bool,
    pub same_shopper: bool,
    /// The fraud checks, as JSON.
    pub checks: String,
}

/// Stores where conversions stand. They are not due any more.
pub async fn update_all(conn: &mut PgConnection, standings: &[Standing], now: OffsetDateTime) -> sqlx::Result<()> {
    let accounts: Vec<AccountId> = standings.iter().map(|standing| standing.account_id).collect();
    let ids: Vec<ConversionId> = standings.iter().map(|standing| standing.id).collect();
    let statuses: Vec<&str> = standings.iter().map(|standing| standing.status).collect();
    let flags = |flag: fn(&Standing) -> bool| -> Vec<bool> { standings.iter().map(flag).collect() };
    let checks: Vec<&str> = standings.iter().map(|standing| standing.checks.as_str()).collect();
    sqlx::query!(
        "update conversions v
        set status = ruled.status, same_email = ruled.same_email, fuzzy_email = ruled.fuzzy_email, same_customer = ruled.same_customer,
            same_shopper = ruled.same_shopper, fraud_checks = ruled.checks::jsonb, evaluated_at = coalesce(v.evaluated_at, $9)
        from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bool[], $5::bool[], $6::bool[], $7::bool[], $8::text[])
            as ruled (account_id, id, status, same_email, fuzzy_email, same_customer, same_shopper, checks)
        where v.account_id = ruled.account_id and v.id = ruled.id",
        &accounts as &[AccountId],
        &ids as &[ConversionId],
        &statuses as &[&str],
        &flags(|standing| standing.same_email),
        &flags(|standing| standing.fuzzy_email),
        &flags(|standing| standing.same_customer),
        &flags(|standing| standing.same_shopper),
        &checks as &[&str],
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}
