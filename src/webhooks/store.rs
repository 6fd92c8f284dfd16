//! The SQL of endpoints: one statement a function. Retired ones are as good as gone.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::signature::{Algorithm, Secret};
use super::{Endpoint, EndpointChange, NewEndpoint};
use crate::types::ids::{AccountId, WebhookEndpointId};
use crate::types::text::Name;
use crate::types::url::WebUrl;

struct Row {
    id: WebhookEndpointId,
    url: String,
    description: Option<String>,
    event_types: Option<Vec<String>>,
    active: bool,
    disabled_reason: Option<String>,
    friendbuy_signature: String,
    secret: Secret,
    previous_secret: Option<Secret>,
    previous_secret_until: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl From<Row> for Endpoint {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            url: row.url,
            description: row.description,
            event_types: row.event_types,
            active: row.active,
            disabled_reason: row.disabled_reason,
            friendbuy_signature: Algorithm::from(row.friendbuy_signature),
            secret: row.secret,
            previous_secret: row.previous_secret,
            previous_secret_until: row.previous_secret_until,
            created_at: row.created_at,
        }
    }
}

/// Counts an account's endpoints. Its row is locked, so that two who add one see each other.
pub async fn count(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"with held as (select id from accounts where id = $1 for no key update)
        select count(*) as "count!" from held join webhook_endpoints e on e.account_id = held.id where e.retired_at is null"#,
        account.0
    )
    .fetch_one(conn)
    .await
}

/// Inserts an endpoint.
pub async fn insert(
    conn: &mut PgConnection,
    account: AccountId,
    new: &NewEndpoint,
    secret: &Secret,
    now: OffsetDateTime,
) -> sqlx::Result<Endpoint> {
    let row = sqlx::query_as!(
        Row,
        r#"insert into webhook_endpoints (account_id, url, description, event_types, active, friendbuy_signature, secret, created_at)
        values ($1, $2, $3, $4, true, $5, $6, $7)
        returning id as "id: WebhookEndpointId", url, description, event_types, active, disabled_reason, friendbuy_signature,
            secret as "secret: Secret", previous_secret as "previous_secret: Secret", previous_secret_until, created_at"#,
        account.0,
        new.url.as_str(),
        new.description.as_ref().map(Name::as_str),
        new.event_types.as_deref() as Option<&[&str]>,
        new.friendbuy_signature.as_str(),
        secret as &Secret,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(row.into())
}

/// Changes what is given. One that is switched on was never gone. Nothing when there is no such endpoint.
pub async fn update(
    conn: &mut PgConnection,
    account: AccountId,
    id: WebhookEndpointId,
    change: &EndpointChange,
) -> sqlx::Result<Option<Endpoint>> {
    let types = change.event_types.as_ref();
    let row = sqlx::query_as!(
        Row,
        r#"update webhook_endpoints
        set url = coalesce($3, url), description = coalesce($4, description), event_types = case when $5 then $6 else event_types end,
            active = coalesce($7, active), disabled_reason = case when $7 is null then disabled_reason end,
            friendbuy_signature = coalesce($8, friendbuy_signature)
        where account_id = $1 and id = $2 and retired_at is null
        returning id as "id: WebhookEndpointId", url, description, event_types, active, disabled_reason, friendbuy_signature,
            secret as "secret: Secret", previous_secret as "previous_secret: Secret", previous_secret_until, created_at"#,
        account.0,
        id.0,
        change.url.as_ref().map(WebUrl::as_str),
        change.description.as_ref().map(Name::as_str),
        types.is_some(),
        types.and_then(|types| types.as_deref()) as Option<&[&str]>,
        change.active,
        change.friendbuy_signature.map(Algorithm::as_str)
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Endpoint::from))
}

/// Replaces an endpoint's secret; the one before counts until then. Nothing when there is no such endpoint.
pub async fn update_secret(
    conn: &mut PgConnection,
    account: AccountId,
    id: WebhookEndpointId,
    secret: &Secret,
    previous_until: OffsetDateTime,
) -> sqlx::Result<Option<Endpoint>> {
    let row = sqlx::query_as!(
        Row,
        r#"update webhook_endpoints set previous_secret = secret, previous_secret_until = $4, secret = $3
        where account_id = $1 and id = $2 and retired_at is null
        returning id as "id: WebhookEndpointId", url, description, event_types, active, disabled_reason, friendbuy_signature,
            secret as "secret: Secret", previous_secret as "previous_secret: Secret", previous_secret_until, created_at"#,
        account.0,
        id.0,
        secret as &Secret,
        previous_until
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Endpoint::from))
}

/// Retires an endpoint. Whether there was one.
pub async fn retire(
    conn: &mut PgConnection,
    account: AccountId,
    id: WebhookEndpointId,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "update webhook_endpoints set retired_at = $3, active = false where account_id = $1 and id = $2 and retired_at is null",
        account.0,
        id.0,
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The endpoints of an account, or the one of this number, in the order of their numbers.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    id: Option<WebhookEndpointId>,
) -> sqlx::Result<Vec<Endpoint>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id: WebhookEndpointId", url, description, event_types, active, disabled_reason, friendbuy_signature,
            secret as "secret: Secret", previous_secret as "previous_secret: Secret", previous_secret_until, created_at
        from webhook_endpoints
        where account_id = $1 and ($2::bigint is null or id = $2) and retired_at is null
        order by id"#,
        account.0,
        id.map(|id| id.0)
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Endpoint::from).collect())
}
