//! The SQL of conversions' lists: one statement a function. Each is read along the index of what is asked for first;
//! what else is asked for is checked row by row. The one conversion of a purchase is looked up behind a limit: a plan made
//! while the tables were empty would read those of the whole account instead.

use sqlx::PgConnection;

use super::list::Choice;
use crate::db::lists::list_statements;
use crate::types::email::EmailKey;
use crate::types::ids::{AccountId, CustomerId};
use crate::types::page::{Span, Step};
use crate::types::text::OpaqueId;

pub use super::list_rows::find_all;

list_statements! {
    /// Every conversion.
    list_all, count_all(_choice: &Choice)
    with []
    select r#"v.created_at as "at!", v.id as "id!", v.id as "row_id!""#
    from "conversions v
        where v.account_id = $1 and (v.created_at, v.id) > ($2, $3) and v.created_at < $4"
    paged "order by v.created_at, v.id limit $5 offset $6"
}

list_statements! {
    /// Those of one status.
    list_by_status, count_by_status(choice: &Choice)
    with [choice.status]
    select r#"v.created_at as "at!", v.id as "id!", v.id as "row_id!""#
    from "conversions v
        where v.account_id = $1 and v.status = $5 and (v.created_at, v.id) > ($2, $3) and v.created_at < $4"
    paged "order by v.created_at, v.id limit $6 offset $7"
}

list_statements! {
    /// Those of one campaign.
    list_by_campaign, count_by_campaign(choice: &Choice)
    with [choice.campaign_id.map(|id| id.0), choice.status]
    select r#"v.created_at as "at!", v.id as "id!", v.id as "row_id!""#
    from "conversions v
        where v.account_id = $1 and v.campaign_id = $5 and (v.created_at, v.id) > ($2, $3) and v.created_at < $4
            and ($6::text is null or v.status = $6)"
    paged "order by v.created_at, v.id limit $7 offset $8"
}

list_statements! {
    /// Those of one referral code.
    list_by_referral_code, count_by_referral_code(choice: &Choice)
    with [choice.referral_code_id.map(|id| id.0), choice.campaign_id.map(|id| id.0), choice.status]
    select r#"v.created_at as "at!", v.id as "id!", v.id as "row_id!""#
    from "conversions v
        where v.account_id = $1 and v.referral_code_id = $5 and (v.created_at, v.id) > ($2, $3) and v.created_at < $4
            and ($6::bigint is null or v.campaign_id = $6) and ($7::text is null or v.status = $7)"
    paged "order by v.created_at, v.id limit $8 offset $9"
}

list_statements! {
    /// Those of one buyer, in the order of his purchases.
    list_by_email, count_by_email(choice: &Choice)
    with [
        choice.email.as_ref().map(EmailKey::as_str),
        choice.referral_code_id.map(|id| id.0),
        choice.campaign_id.map(|id| id.0),
        choice.status,
    ]
    select r#"p.created_at as "at!", p.id as "id!", v.id as "row_id!""#
    from r#"purchases p
        cross join lateral (
            select v.id from conversions v
            where v.account_id = p.account_id and v.purchase_id = p.id and ($6::bigint is null or v.referral_code_id = $6)
                and ($7::bigint is null or v.campaign_id = $7) and ($8::text is null or v.status = $8)
            limit 1) v
        where p.account_id = $1 and lower(coalesce(p.email, p.customer_email) collate "C") = $5
            and (p.created_at, p.id) > ($2, $3) and p.created_at < $4"#
    paged "order by p.created_at, p.id limit $9 offset $10"
}

list_statements! {
    /// Those of the orders with one id: one at each till at most.
    list_by_order, count_by_order(choice: &Choice)
    with [
        choice.order_id.as_ref().map(OpaqueId::as_str),
        choice.email.as_ref().map(EmailKey::as_str),
        choice.referral_code_id.map(|id| id.0),
        choice.campaign_id.map(|id| id.0),
        choice.status,
    ]
    select r#"p.created_at as "at!", p.id as "id!", v.id as "row_id!""#
    from r#"purchases p
        cross join lateral (
            select v.id from conversions v
            where v.account_id = p.account_id and v.purchase_id = p.id and ($7::bigint is null or v.referral_code_id = $7)
                and ($8::bigint is null or v.campaign_id = $8) and ($9::text is null or v.status = $9)
            limit 1) v
        where p.account_id = $1 and p.order_id = $5 and (p.created_at, p.id) > ($2, $3) and p.created_at < $4
            and ($6::text is null or lower(coalesce(p.email, p.customer_email) collate "C") = $6)"#
    paged "order by p.created_at, p.id limit $10 offset $11"
}

/// Those of one advocate. He has one referral code in each campaign: a page's worth is read of each.
pub async fn list_of_advocate(
    conn: &mut PgConnection,
    account: AccountId,
    choice: &Choice,
    span: &Span,
) -> sqlx::Result<Vec<Step>> {
    sqlx::query_as!(
        Step,
        r#"select v.created_at as "at!", v.id as "id!", v.id as "row_id!"
        from referral_codes r
        cross join lateral (
            select v.created_at, v.id from conversions v
            where v.account_id = r.account_id and v.referral_code_id = r.id and (v.created_at, v.id) > ($2, $3) and v.created_at < $4
                and ($7::text is null or v.status = $7)
            order by v.created_at, v.id
            limit $8::bigint + $9::bigint) v
        where r.account_id = $1 and r.customer_id = $5 and ($6::bigint is null or r.campaign_id = $6)
        order by v.created_at, v.id
        limit $8 offset $9"#,
        account.0,
        span.after.at,
        span.after.id,
        span.until,
        choice.advocate_id.map(|id| id.0),
        choice.campaign_id.map(|id| id.0),
        choice.status,
        span.limit,
        span.offset
    )
    .fetch_all(conn)
    .await
}

/// Counts the same rows.
pub async fn count_of_advocate(
    conn: &mut PgConnection,
    account: AccountId,
    choice: &Choice,
    span: &Span,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!"
        from referral_codes r
        join conversions v on v.account_id = r.account_id and v.referral_code_id = r.id
        where r.account_id = $1 and r.customer_id = $5 and (v.created_at, v.id) > ($2, $3) and v.created_at < $4
            and ($6::bigint is null or r.campaign_id = $6) and ($7::text is null or v.status = $7)"#,
        account.0,
        span.after.at,
        span.after.id,
        span.until,
        choice.advocate_id.map(|id| id.0),
        choice.campaign_id.map(|id| id.0),
        choice.status
    )
    .fetch_one(conn)
    .await
}

/// The latest conversions of an advocate, the newest first.
pub async fn latest_of_advocate(
    conn: &mut PgConnection,
    account: AccountId,
    advocate: CustomerId,
    limit: i64,
) -> sqlx::Result<Vec<Step>> {
    sqlx::query_as!(
        Step,
        r#"select v.created_at as "at!", v.id as "id!", v.id as "row_id!"
        from referral_codes r
        cross join lateral (
            select v.created_at, v.id from conversions v
            where v.account_id = r.account_id and v.referral_code_id = r.id
            order by v.created_at desc, v.id desc
            limit $3) v
        where r.account_id = $1 and r.customer_id = $2
        order by v.created_at desc, v.id desc
        limit $3"#,
        account.0,
        advocate.0,
        limit
    )
    .fetch_all(conn)
    .await
}
