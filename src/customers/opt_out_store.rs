//! The SQL of opt-outs: one statement a function.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::opt_outs::{Choice, NewOptOut, OptOut};
use crate::db::lists::list_statements;
use crate::types::email::{Email, EmailKey};
use crate::types::ids::{AccountId, OptOutId};
use crate::types::text::OpaqueId;

list_statements! {
    /// Every opt-out.
    list_all, count_all(_choice: &Choice)
    with []
    select r#"o.created_at as "at!", o.id as "id!", o.id as "row_id!""#
    from "email_opt_outs o
        where o.account_id = $1 and (o.created_at, o.id) > ($2, $3) and o.created_at < $4"
    paged "order by o.created_at, o.id limit $5 offset $6"
}

list_statements! {
    /// The opt-out of one address.
    list_by_email, count_by_email(choice: &Choice)
    with [choice.email.as_ref().map(EmailKey::as_str)]
    select r#"o.created_at as "at!", o.id as "id!", o.id as "row_id!""#
    from "email_opt_outs o
        where o.account_id = $1 and o.email_key = $5 and (o.created_at, o.id) > ($2, $3) and o.created_at < $4"
    paged "order by o.created_at, o.id limit $6 offset $7"
}

/// Inserts an opt-out. Nothing when the address has one.
pub async fn insert(
    conn: &mut PgConnection,
    account: AccountId,
    new: &NewOptOut,
    now: OffsetDateTime,
) -> sqlx::Result<Option<OptOut>> {
    let key = new.email.key();
    sqlx::query_as!(
        OptOut,
        r#"insert into email_opt_outs (account_id, email, email_key, ip_address, source, created_at)
        values ($1, $2, $3, $4, $5, $6)
        on conflict on constraint email_opt_outs_email_key_key do nothing
        returning id as "id: OptOutId", email as "email: Email", ip_address, source, created_at"#,
        account.0,
        new.email.as_str(),
        key.as_str(),
        new.ip_address.as_deref(),
        new.source.as_ref().map(OpaqueId::as_str),
        now
    )
    .fetch_optional(conn)
    .await
}

/// Finds the opt-out of an address.
pub async fn find(conn: &mut PgConnection, account: AccountId, key: &EmailKey) -> sqlx::Result<Option<OptOut>> {
    sqlx::query_as!(
        OptOut,
        r#"select o.id as "id: OptOutId", o.email as "email: Email", o.ip_address, o.source, o.created_at
        from email_opt_outs o
        where o.account_id = $1 and o.email_key = $2"#,
        account.0,
        key.as_str()
    )
    .fetch_optional(conn)
    .await
}

/// Finds opt-outs by their numbers, in any order.
pub async fn find_all(conn: &mut PgConnection, account: AccountId, ids: &[OptOutId]) -> sqlx::Result<Vec<OptOut>> {
    sqlx::query_as!(
        OptOut,
        r#"select o.id as "id: OptOutId", o.email as "email: Email", o.ip_address, o.source, o.created_at
        from unnest($2::bigint[]) as wanted (id)
        join email_opt_outs o on o.account_id = $1 and o.id = wanted.id"#,
        account.0,
        ids as &[OptOutId]
    )
    .fetch_all(conn)
    .await
}
