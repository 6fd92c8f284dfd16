//! The SQL of accounts and their keys: one statement a function.

use std::sync::Arc;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Account, Alias, ApiKey, NewAccount};
use crate::types::ids::AccountId;

/// What the credentials of a request lead to.
pub struct KeyHolder {
    pub secret_sha256: Vec<u8>,
    pub account: Arc<Account>,
}

/// Finds the account behind an access key that is not revoked.
pub async fn find_key_holder(conn: &mut PgConnection, access_key: &str) -> sqlx::Result<Option<KeyHolder>> {
    let row = sqlx::query!(
        r#"select k.secret_sha256, a.id as "id: AccountId", a.name, d.alias as "alias: Alias", a.currency, a.time_zone, a.created_at
        from api_keys k
        join accounts a on a.id = k.account_id
        join account_aliases d on d.account_id = a.id
        where k.access_key = $1 and k.revoked_at is null"#,
        access_key
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| KeyHolder {
        secret_sha256: row.secret_sha256,
        account: Arc::new(Account {
            id: row.id,
            name: row.name,
            alias: row.alias,
            currency: row.currency.into(),
            zone: row.time_zone.into(),
            created_at: row.created_at,
        }),
    }))
}

/// Lists all accounts, or the one with this alias, oldest first.
pub async fn list(conn: &mut PgConnection, alias: Option<&str>) -> sqlx::Result<Vec<Account>> {
    sqlx::query_as!(
        Account,
        r#"select a.id as "id: AccountId", a.name, d.alias as "alias: Alias", a.currency, a.time_zone as zone, a.created_at
        from accounts a
        join account_aliases d on d.account_id = a.id
        where $1::text is null or d.alias = $1
        order by a.id"#,
        alias
    )
    .fetch_all(conn)
    .await
}

/// Finds an account.
pub async fn find(conn: &mut PgConnection, id: AccountId) -> sqlx::Result<Option<Account>> {
    sqlx::query_as!(
        Account,
        r#"select a.id as "id: AccountId", a.name, d.alias as "alias: Alias", a.currency, a.time_zone as zone, a.created_at
        from accounts a
        join account_aliases d on d.account_id = a.id
        where a.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await
}

/// Inserts an account and gives its id.
pub async fn insert(conn: &mut PgConnection, new: &NewAccount, now: OffsetDateTime) -> sqlx::Result<AccountId> {
    sqlx::query_scalar!(
        r#"insert into accounts (name, currency, time_zone, created_at) values ($1, $2, $3, $4) returning id as "id: AccountId""#,
        new.name,
        new.currency.code(),
        new.zone.name(),
        now
    )
    .fetch_one(conn)
    .await
}

/// Enters an alias in the directory. Taken: `account_aliases_pkey`.
pub async fn insert_alias(conn: &mut PgConnection, account: AccountId, alias: &Alias) -> sqlx::Result<()> {
    sqlx::query!("insert into account_aliases (alias, account_id) values ($1, $2)", alias as &Alias, account.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Inserts a key.
pub async fn insert_key(
    conn: &mut PgConnection,
    account: AccountId,
    access_key: &str,
    secret_sha256: &[u8],
    name: &str,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into api_keys (access_key, account_id, secret_sha256, name, created_at) values ($1, $2, $3, $4, $5)",
        access_key,
        account.0,
        secret_sha256,
        name,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists the keys of an account, revoked ones too, oldest first.
pub async fn list_keys(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<ApiKey>> {
    sqlx::query_as!(
        ApiKey,
        "select access_key, name, created_at, revoked_at from api_keys where account_id = $1 order by created_at, access_key",
        account.0
    )
    .fetch_all(conn)
    .await
}

/// Revokes a key from `now` on. Gives whether there was such a key; one revoked before keeps its time.
pub async fn revoke_key(conn: &mut PgConnection, access_key: &str, now: OffsetDateTime) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update api_keys set revoked_at = coalesce(revoked_at, $2) where access_key = $1",
        access_key,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
