//! The SQL of referral codes' lists: one statement a function. Each is read along the index of what is asked for first.

use sqlx::PgConnection;

use super::list::Choice;
use crate::db::lists::list_statements;
use crate::types::ids::AccountId;
use crate::types::page::{Span, Step};

list_statements! {
    /// Every referral code.
    list_all, count_all(_choice: &Choice)
    with []
    select r#"r.created_at as "at!", r.id as "id!", r.id as "row_id!""#
    from "referral_codes r
        where r.account_id = $1 and (r.created_at, r.id) > ($2, $3) and r.created_at < $4"
    paged "order by r.created_at, r.id limit $5 offset $6"
}

list_statements! {
    /// One referral code.
    list_by_id, count_by_id(choice: &Choice)
    with [choice.id.map(|id| id.0), choice.customer_id.map(|id| id.0), choice.campaign_id.map(|id| id.0)]
    select r#"r.created_at as "at!", r.id as "id!", r.id as "row_id!""#
    from "referral_codes r
        where r.account_id = $1 and r.id = $5 and (r.created_at, r.id) > ($2, $3) and r.created_at < $4
            and ($6::bigint is null or r.customer_id = $6) and ($7::bigint is null or r.campaign_id = $7)"
    paged "order by r.created_at, r.id limit $8 offset $9"
}

list_statements! {
    /// Those of one advocate: he has one in each campaign, so they are few.
    list_by_customer, count_by_customer(choice: &Choice)
    with [choice.customer_id.map(|id| id.0), choice.campaign_id.map(|id| id.0)]
    select r#"r.created_at as "at!", r.id as "id!", r.id as "row_id!""#
    from "referral_codes r
        where r.account_id = $1 and r.customer_id = $5 and (r.created_at, r.id) > ($2, $3) and r.created_at < $4
            and ($6::bigint is null or r.campaign_id = $6)"
    paged "order by r.created_at, r.id limit $7 offset $8"
}

/// Those of one campaign, in the order of their advocates: the index that makes them unique has that order. Another one
/// would tempt statements that look for one advocate's code to read the campaign's. The dates are put so that no index
/// is read by them, which would have to be sorted.
pub async fn list_by_campaign(
    conn: &mut PgConnection,
    account: AccountId,
    choice: &Choice,
    span: &Span,
) -> sqlx::Result<Vec<Step>> {
    sqlx::query_as!(
        Step,
        r#"select r.created_at as "at!", r.customer_id as "id!", r.id as "row_id!" from referral_codes r
        where r.account_id = $1 and r.campaign_id = $5 and r.customer_id > $3
            and (r.created_at >= $2 and r.created_at < $4) is true
        order by r.customer_id
        limit $6 offset $7"#,
        account.0,
        span.from,
        span.after.id,
        span.until,
        choice.campaign_id.map(|id| id.0),
        span.limit,
        span.offset
    )
    .fetch_all(conn)
    .await
}

/// Counts the same rows.
pub async fn count_by_campaign(
    conn: &mut PgConnection,
    account: AccountId,
    choice: &Choice,
    span: &Span,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from referral_codes r
        where r.account_id = $1 and r.campaign_id = $4 and r.created_at >= $2 and r.created_at < $3"#,
        account.0,
        span.from,
        span.until,
        choice.campaign_id.map(|id| id.0)
    )
    .fetch_one(conn)
    .await
}
