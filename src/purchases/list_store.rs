//! The SQL of purchases' lists: one statement a function. Each is read along the index of what is asked for first; what
//! else is asked for is checked row by row. Of credited purchases the conversions know the campaign and the code; the one of a purchase
//! is looked up behind a limit, since a plan made while the tables were empty would read those of the whole account.

use sqlx::PgConnection;

use super::OrderKey;
use super::list::Choice;
use crate::db::lists::list_statements;
use crate::types::email::EmailKey;
use crate::types::ids::{AccountId, PurchaseId};
use crate::types::page::Step;
use crate::types::text::OpaqueId;

list_statements! {
    /// Every purchase.
    list_all, count_all(_choice: &Choice)
    with []
    select r#"p.created_at as "at!", p.id as "id!", p.id as "row_id!""#
    from "purchases p
        where p.account_id = $1 and (p.created_at, p.id) > ($2, $3) and p.created_at < $4"
    paged "order by p.created_at, p.id limit $5 offset $6"
}

list_statements! {
    /// Those credited in one campaign, in the order of their conversions.
    list_by_campaign, count_by_campaign(choice: &Choice)
    with [choice.campaign_id.map(|id| id.0)]
    select r#"v.created_at as "at!", v.id as "id!", v.purchase_id as "row_id!""#
    from "conversions v
        where v.account_id = $1 and v.campaign_id = $5 and (v.created_at, v.id) > ($2, $3) and v.created_at < $4"
    paged "order by v.created_at, v.id limit $6 offset $7"
}

list_statements! {
    /// Those credited to one referral code, in the order of their conversions.
    list_by_referral_code, count_by_referral_code(choice: &Choice)
    with [choice.referral_code_id.map(|id| id.0), choice.campaign_id.map(|id| id.0)]
    select r#"v.created_at as "at!", v.id as "id!", v.purchase_id as "row_id!""#
    from "conversions v
        where v.account_id = $1 and v.referral_code_id = $5 and (v.created_at, v.id) > ($2, $3) and v.created_at < $4
            and ($6::bigint is null or v.campaign_id = $6)"
    paged "order by v.created_at, v.id limit $7 offset $8"
}

list_statements! {
    /// Those of one buyer, by the merchant's number for him.
    list_by_external_id, count_by_external_id(choice: &Choice)
    with [
        choice.external_id.as_ref().map(OpaqueId::as_str),
        choice.referral_code_id.map(|id| id.0),
        choice.campaign_id.map(|id| id.0),
    ]
    select r#"p.created_at as "at!", p.id as "id!", p.id as "row_id!""#
    from "purchases p
        left join lateral (
            select v.referral_code_id, v.campaign_id from conversions v
            where v.account_id = p.account_id and v.purchase_id = p.id
            limit 1) v on true
        where p.account_id = $1 and p.customer_external_id = $5 and (p.created_at, p.id) > ($2, $3) and p.created_at < $4
            and ($6::bigint is null or v.referral_code_id = $6) and ($7::bigint is null or v.campaign_id = $7)"
    paged "order by p.created_at, p.id limit $8 offset $9"
}

list_statements! {
    /// Those of one buyer, by his address.
    list_by_email, count_by_email(choice: &Choice)
    with [
        choice.email.as_ref().map(EmailKey::as_str),
        choice.external_id.as_ref().map(OpaqueId::as_str),
        choice.referral_code_id.map(|id| id.0),
        choice.campaign_id.map(|id| id.0),
    ]
    select r#"p.created_at as "at!", p.id as "id!", p.id as "row_id!""#
    from r#"purchases p
        left join lateral (
            select v.referral_code_id, v.campaign_id from conversions v
            where v.account_id = p.account_id and v.purchase_id = p.id
            limit 1) v on true
        where p.account_id = $1 and lower(coalesce(p.email, p.customer_email) collate "C") = $5
            and (p.created_at, p.id) > ($2, $3) and p.created_at < $4
            and ($6::text is null or p.customer_external_id = $6)
            and ($7::bigint is null or v.referral_code_id = $7) and ($8::bigint is null or v.campaign_id = $8)"#
    paged "order by p.created_at, p.id limit $9 offset $10"
}

list_statements! {
    /// Those with one order id: one at each till at most.
    list_by_order, count_by_order(choice: &Choice)
    with [
        choice.order_id.as_ref().map(OpaqueId::as_str),
        choice.email.as_ref().map(EmailKey::as_str),
        choice.external_id.as_ref().map(OpaqueId::as_str),
        choice.referral_code_id.map(|id| id.0),
        choice.campaign_id.map(|id| id.0),
    ]
    select r#"p.created_at as "at!", p.id as "id!", p.id as "row_id!""#
    from r#"purchases p
        left join lateral (
            select v.referral_code_id, v.campaign_id from conversions v
            where v.account_id = p.account_id and v.purchase_id = p.id
            limit 1) v on true
        where p.account_id = $1 and p.order_id = $5 and (p.created_at, p.id) > ($2, $3) and p.created_at < $4
            and ($6::text is null or lower(coalesce(p.email, p.customer_email) collate "C") = $6)
            and ($7::text is null or p.customer_external_id = $7)
            and ($8::bigint is null or v.referral_code_id = $8) and ($9::bigint is null or v.campaign_id = $9)"#
    paged "order by p.created_at, p.id limit $10 offset $11"
}

/// Finds what names the orders of purchases, in any order.
pub async fn find_keys(conn: &mut PgConnection, account: AccountId, ids: &[PurchaseId]) -> sqlx::Result<Vec<OrderKey>> {
    sqlx::query_as!(
        OrderKey,
        r#"select p.account_id as "account_id: AccountId", p.source, p.order_id as "order_id: OpaqueId"
        from unnest($2::bigint[]) as wanted (id)
        join purchases p on p.account_id = $1 and p.id = wanted.id"#,
        account.0,
        ids as &[PurchaseId]
    )
    .fetch_all(conn)
    .await
}

/// The latest purchases with one order id, the newest first.
pub async fn latest_by_order(
    conn: &mut PgConnection,
    account: AccountId,
    order_id: &OpaqueId,
    limit: i64,
) -> sqlx::Result<Vec<Step>> {
    sqlx::query_as!(
        Step,
        r#"select p.created_at as "at!", p.id as "id!", p.id as "row_id!" from purchases p
        where p.account_id = $1 and p.order_id = $2
        order by p.created_at desc, p.id desc
        limit $3"#,
        account.0,
        order_id.as_str(),
        limit
    )
    .fetch_all(conn)
    .await
}

/// The latest purchases of a buyer by his address, the newest first.
pub async fn latest_by_email(
    conn: &mut PgConnection,
    account: AccountId,
    email: &EmailKey,
    limit: i64,
) -> sqlx::Result<Vec<Step>> {
    sqlx::query_as!(
        Step,
        r#"select p.created_at as "at!", p.id as "id!", p.id as "row_id!" from purchases p
        where p.account_id = $1 and lower(coalesce(p.email, p.customer_email) collate "C") = $2
        order by p.created_at desc, p.id desc
        limit $3"#,
        account.0,
        email.as_str(),
        limit
    )
    .fetch_all(conn)
    .await
}

/// The latest purchases of a buyer by the merchant's number for him, the newest first.
pub async fn latest_by_external_id(
    conn: &mut PgConnection,
    account: AccountId,
    external_id: &OpaqueId,
    limit: i64,
) -> sqlx::Result<Vec<Step>> {
    sqlx::query_as!(
        Step,
        r#"select p.created_at as "at!", p.id as "id!", p.id as "row_id!" from purchases p
        where p.account_id = $1 and p.customer_external_id = $2
        order by p.created_at desc, p.id desc
        limit $3"#,
        account.0,
        external_id.as_str(),
        limit
    )
    .fetch_all(conn)
    .await
}
