//! The SQL of accounts and their keys: one statement a function.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::sites::{Origin, Site, SiteChange, SiteKey, SiteSettings};
use super::{Account, Alias, ApiKey, NewAccount};
use crate::types::ids::AccountId;
use crate::types::url::WebUrl;

/// What the credentials of a request lead to.
pub struct KeyHolder {
    pub secret_sha256: Vec<u8>,
    pub account: Arc<Account>,
}

/// Finds the account behind an access key that is not revoked.
pub async fn find_key_holder(conn: &mut PgConnection, access_key: &str) -> sqlx::Result<Option<KeyHolder>> {
    let row = sqlx::query!(
        r#"select k.secret_sha256, a.id as "id: AccountId", a.name, d.alias as "alias: Alias", a.currency, a.time_zone,
            a.live_account_id as "live_account_id: AccountId", a.created_at
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
            live_account_id: row.live_account_id,
            created_at: row.created_at,
        }),
    }))
}

/// Lists all accounts and sandboxes, or the one with this alias, oldest first.
pub async fn list(conn: &mut PgConnection, alias: Option<&str>) -> sqlx::Result<Vec<Account>> {
    sqlx::query_as!(
        Account,
        r#"select a.id as "id: AccountId", a.name, d.alias as "alias: Alias", a.currency, a.time_zone as zone,
            a.live_account_id as "live_account_id: AccountId", a.created_at
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
        r#"select a.id as "id: AccountId", a.name, d.alias as "alias: Alias", a.currency, a.time_zone as zone,
            a.live_account_id as "live_account_id: AccountId", a.created_at
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

/// Finds the sandbox of a live account.
pub async fn find_sandbox(conn: &mut PgConnection, live: AccountId) -> sqlx::Result<Option<Account>> {
    sqlx::query_as!(
        Account,
        r#"select a.id as "id: AccountId", a.name, d.alias as "alias: Alias", a.currency, a.time_zone as zone,
            a.live_account_id as "live_account_id: AccountId", a.created_at
        from accounts a
        join account_aliases d on d.account_id = a.id
        where a.live_account_id = $1"#,
        live.0
    )
    .fetch_optional(conn)
    .await
}

/// Inserts the sandbox of a live account, and gives its id. Nothing when it has one, be it that a rival has just stored it.
pub async fn insert_sandbox(
    conn: &mut PgConnection,
    live: AccountId,
    now: OffsetDateTime,
) -> sqlx::Result<Option<AccountId>> {
    sqlx::query_scalar!(
        r#"insert into accounts (name, currency, time_zone, created_at, live_account_id)
        select left(name, 248) || ' (test)', currency, time_zone, $2, id from accounts where id = $1
        on conflict on constraint accounts_live_account_id_key do nothing
        returning id as "id: AccountId""#,
        live.0,
        now
    )
    .fetch_optional(conn)
    .await
}

/// Makes a sandbox equal to its live account in all that an account says of itself, but for its alias.
pub async fn update_sandbox(conn: &mut PgConnection, sandbox: AccountId) -> sqlx::Result<()> {
    sqlx::query!(
        "update accounts s
        set name = left(a.name, 248) || ' (test)', currency = a.currency, time_zone = a.time_zone
        from accounts a
        where s.id = $1 and a.id = s.live_account_id",
        sandbox.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Enters an alias in the directory unless it is taken. Gives whether it was free.
pub async fn insert_free_alias(conn: &mut PgConnection, account: AccountId, alias: &Alias) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into account_aliases (alias, account_id) values ($1, $2) on conflict on constraint account_aliases_pkey do nothing",
        alias as &Alias,
        account.0
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
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

/// Lists the keys of an account and of its sandbox, revoked ones too, oldest first.
pub async fn list_keys(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<ApiKey>> {
    sqlx::query_as!(
        ApiKey,
        "select access_key, name, created_at, revoked_at from api_keys
        where account_id = $1 or account_id = (select id from accounts where live_account_id = $1)
        order by created_at, access_key",
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

/// Finds the site behind a key.
pub async fn find_site(conn: &mut PgConnection, site_key: &str) -> sqlx::Result<Option<Site>> {
    let row = sqlx::query!(
        r#"select a.id as "id: AccountId", a.name, d.alias as "alias: Alias", a.currency, a.time_zone, a.created_at,
            a.live_account_id as "live_account_id: AccountId", s.origins as "origins?", s.signing_secret as "signing_secret?"
        from site_keys k
        join accounts a on a.id = k.account_id
        join account_aliases d on d.account_id = a.id
        left join account_sites s on s.account_id = a.id
        where k.site_key = $1"#,
        site_key
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Site {
        account: Arc::new(Account {
            id: row.id,
            name: row.name,
            alias: row.alias,
            currency: row.currency.into(),
            zone: row.time_zone.into(),
            created_at: row.created_at,
            live_account_id: row.live_account_id,
        }),
        origins: row.origins.unwrap_or_default(),
        signing_secret: row.signing_secret.map(SecretString::from),
    }))
}

/// Lists the settings of all accounts' sites, by account.
pub async fn list_sites(conn: &mut PgConnection) -> sqlx::Result<Vec<SiteSettings>> {
    sqlx::query_as!(
        SiteSettings,
        r#"select a.id as "account_id: AccountId", k.site_key as "site_key?: SiteKey", coalesce(s.origins, '{}') as "origins!",
            s.fallback_url as "fallback_url?", s.signing_secret is not null as "is_signing!"
        from accounts a
        left join site_keys k on k.account_id = a.id
        left join account_sites s on s.account_id = a.id
        order by a.id"#
    )
    .fetch_all(conn)
    .await
}

/// Gives an account this site key, in place of the one it had. Taken: `site_keys_pkey`.
pub async fn put_site_key(conn: &mut PgConnection, account: AccountId, site_key: &SiteKey) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into site_keys (site_key, account_id) values ($1, $2)
        on conflict on constraint site_keys_account_id_key do update set site_key = excluded.site_key",
        site_key as &SiteKey,
        account.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Changes what is given of an account's site but for its key.
pub async fn put_site(conn: &mut PgConnection, account: AccountId, change: &SiteChange) -> sqlx::Result<()> {
    let origins: Option<Vec<String>> =
        change.origins.as_ref().map(|all| all.iter().map(Origin::as_str).map(str::to_owned).collect());
    sqlx::query!(
        "insert into account_sites (account_id, origins, fallback_url, signing_secret)
        values ($1, coalesce($2::text[], '{}'), $3, $4)
        on conflict on constraint account_sites_pkey do update
        set origins = coalesce($2, account_sites.origins), fallback_url = coalesce($3, account_sites.fallback_url),
            signing_secret = coalesce($4, account_sites.signing_secret)",
        account.0,
        origins.as_deref(),
        change.fallback_url.as_ref().map(WebUrl::as_str),
        change.signing_secret.as_ref().map(ExposeSecret::expose_secret)
    )
    .execute(conn)
    .await?;
    Ok(())
}
