//! Webhooks: what happened to an account, posted to where its merchant wants it, at least once and under one id, and the same
//! events for those who would rather ask. Reads what other features stored; none of them knows that it is here.

pub mod addresses;
pub mod client;
pub mod dispatch;
pub mod http;
pub mod log;
pub mod payload;
pub mod queue;
pub mod replay;
pub mod schedule;
pub mod signature;
pub mod store;

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use self::signature::{Algorithm, Secret};
use crate::types::ids::{AccountId, WebhookEndpointId};
use crate::types::text::Name;
use crate::types::url::WebUrl;

/// Most endpoints of one account.
pub const ENDPOINTS_MAX: i64 = 20;
/// Longest time for which two secrets of an endpoint count, in hours.
pub const OVERLAP_HOURS_MAX: i64 = 168;
/// The same when nothing is said.
pub const OVERLAP_HOURS: i64 = 24;

/// Where an account wants its events posted.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub id: WebhookEndpointId,
    pub url: String,
    pub description: Option<String>,
    /// All, when nothing is chosen.
    pub event_types: Option<Vec<String>>,
    pub active: bool,
    /// Why it was switched off, if not by its owner.
    pub disabled_reason: Option<String>,
    pub friendbuy_signature: Algorithm,
    pub secret: Secret,
    /// Counts until a moment, for whoever has not changed to the new one.
    pub previous_secret: Option<Secret>,
    pub previous_secret_until: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}

/// An endpoint that is to be created.
#[derive(Clone, Debug)]
pub struct NewEndpoint {
    pub url: WebUrl,
    pub description: Option<Name>,
    pub event_types: Option<Vec<&'static str>>,
    pub friendbuy_signature: Algorithm,
}

/// What is to change of an endpoint.
#[derive(Clone, Debug, Default)]
pub struct EndpointChange {
    pub url: Option<WebUrl>,
    pub description: Option<Name>,
    /// The inner nothing is all.
    pub event_types: Option<Option<Vec<&'static str>>>,
    pub active: Option<bool>,
    pub friendbuy_signature: Option<Algorithm>,
}

/// Creates an endpoint with a secret of its own. Nothing when the account has as many as it may.
pub async fn create(
    conn: &mut PgConnection,
    account: AccountId,
    new: &NewEndpoint,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Endpoint>> {
    if store::count(conn, account).await? >= ENDPOINTS_MAX {
        return Ok(None);
    }
    store::insert(conn, account, new, &Secret::generate(), now).await.map(Some)
}

/// Gives an endpoint another secret; the one it had counts for so many hours more. Nothing when there is no such endpoint.
pub async fn rotate_secret(
    conn: &mut PgConnection,
    account: AccountId,
    id: WebhookEndpointId,
    overlap_hours: i64,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Endpoint>> {
    store::update_secret(conn, account, id, &Secret::generate(), now + Duration::hours(overlap_hours)).await
}

/// Takes an endpoint out of use for good. What waited for it is called off. Whether there was one.
pub async fn retire(
    conn: &mut PgConnection,
    account: AccountId,
    id: WebhookEndpointId,
    now: OffsetDateTime,
) -> sqlx::Result<bool> {
    if !store::retire(conn, account, id, now).await? {
        return Ok(false);
    }
    queue::cancel_all(conn, account, id, now).await?;
    Ok(true)
}
