//! Endpoints on the wire. A secret is shown when it is made and never again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use time::OffsetDateTime;
use url::Url;

use super::{no_endpoint, read_types};
use crate::accounts::Caller;
use crate::db;
use crate::types::ids::WebhookEndpointId;
use crate::types::text::Name;
use crate::types::url::WebUrl;
use crate::web::error::{ApiError, Code, Detail};
use crate::web::extract::{Body, PathTexts};
use crate::web::lists::PageOut;
use crate::web::state::App;
use crate::webhooks::client::{Client, Target};
use crate::webhooks::payload::{self, Teller};
use crate::webhooks::signature::Algorithm;
use crate::webhooks::{
    self, ENDPOINTS_MAX, Endpoint, EndpointChange, NewEndpoint, OVERLAP_HOURS, OVERLAP_HOURS_MAX, store,
};

/// An endpoint as it is answered.
#[derive(Serialize)]
pub struct EndpointOut {
    id: WebhookEndpointId,
    url: String,
    description: Option<String>,
    event_types: Option<Vec<String>>,
    active: bool,
    disabled_reason: Option<String>,
    friendbuy_signature: Algorithm,
    /// Only where it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    previous_secret_expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl EndpointOut {
    /// Shows an endpoint without its secret.
    pub fn new(endpoint: Endpoint, now: OffsetDateTime) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
            event_types: endpoint.event_types,
            active: endpoint.active,
            disabled_reason: endpoint.disabled_reason,
            friendbuy_signature: endpoint.friendbuy_signature,
            secret: None,
            previous_secret_expires_at: endpoint.previous_secret_until.filter(|until| *until > now),
            created_at: endpoint.created_at,
        }
    }

    /// Shows an endpoint with the secret that was just made.
    pub fn with_secret(endpoint: Endpoint, now: OffsetDateTime) -> Self {
        let secret = Some(endpoint.secret.reveal().to_owned());
        Self { secret, ..Self::new(endpoint, now) }
    }
}

/// Refuses an address to which nothing would be posted.
fn check_url(client: &Client, url: Option<&WebUrl>) -> Result<(), ApiError> {
    let Some(parsed) = url.and_then(|url| Url::parse(url.as_str()).ok()) else { return Ok(()) };
    client.check(&parsed).map_err(|why| {
        let message = format!("url {why}; use a public https address, or ask whoever runs this server");
        ApiError::invalid(vec![Detail { code: "invalid_url", param: Some("url".to_owned()), message }])
    })
}

/// `GET /v1/webhook_endpoints`
pub async fn list(State(app): State<App>, caller: Caller) -> Result<Json<PageOut<EndpointOut>>, ApiError> {
    let mut conn = app.pool.acquire().await?;
    let rows = store::list(&mut conn, caller.account.id, None).await?;
    let now = app.clock.now();
    Ok(Json(PageOut::whole(rows.into_iter().map(|row| EndpointOut::new(row, now)).collect())))
}

/// `POST /v1/webhook_endpoints`
pub async fn create(
    State(app): State<App>,
    State(client): State<Client>,
    caller: Caller,
    body: Body,
) -> Result<impl IntoResponse, ApiError> {
    let new = body.read(|fields| {
        let (url, description) = (fields.require::<WebUrl>("url"), fields.parse::<Name>("description"));
        let (types, signature) = (read_types(fields), fields.parse::<Algorithm>("friendbuy_signature"));
        Some(NewEndpoint {
            url: url?,
            description,
            event_types: types.flatten(),
            friendbuy_signature: signature.unwrap_or_default(),
        })
    })?;
    check_url(&client, Some(&new.url))?;
    let (account, now) = (caller.account.id, app.clock.now());
    let created = db::transact(&app.pool, move |conn| {
        Box::pin(async move { Ok::<_, db::Fault>(webhooks::create(conn, account, &new, now).await?) })
    });
    let endpoint = created.await?.ok_or_else(|| {
        let message = format!("an account has at most {ENDPOINTS_MAX} endpoints; delete one that is not needed");
        ApiError::new(Code::TooManyWebhookEndpoints, message)
    })?;
    Ok((StatusCode::CREATED, Json(EndpointOut::with_secret(endpoint, now))))
}

/// `GET /v1/webhook_endpoints/{id}`
pub async fn find(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<Json<EndpointOut>, ApiError> {
    let endpoint = load(&app, &caller, &path).await?;
    Ok(Json(EndpointOut::new(endpoint, app.clock.now())))
}

async fn load(app: &App, caller: &Caller, path: &PathTexts) -> Result<Endpoint, ApiError> {
    let id = WebhookEndpointId(path.id(0).ok_or_else(no_endpoint)?);
    let mut conn = app.pool.acquire().await?;
    store::list(&mut conn, caller.account.id, Some(id)).await?.pop().ok_or_else(no_endpoint)
}

/// `PATCH /v1/webhook_endpoints/{id}`
pub async fn change(
    State(app): State<App>,
    State(client): State<Client>,
    caller: Caller,
    path: PathTexts,
    body: Body,
) -> Result<Json<EndpointOut>, ApiError> {
    let change = body.read(|fields| {
        Some(EndpointChange {
            url: fields.parse("url"),
            description: fields.parse("description"),
            event_types: read_types(fields),
            active: fields.flag("active"),
            friendbuy_signature: fields.parse("friendbuy_signature"),
        })
    })?;
    check_url(&client, change.url.as_ref())?;
    let id = WebhookEndpointId(path.id(0).ok_or_else(no_endpoint)?);
    let account = caller.account.id;
    let changed = db::transact(&app.pool, move |conn| {
        Box::pin(async move { Ok::<_, db::Fault>(store::update(conn, account, id, &change).await?) })
    });
    let endpoint = changed.await?.ok_or_else(no_endpoint)?;
    Ok(Json(EndpointOut::new(endpoint, app.clock.now())))
}

/// `DELETE /v1/webhook_endpoints/{id}`
pub async fn retire(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<StatusCode, ApiError> {
    let id = WebhookEndpointId(path.id(0).ok_or_else(no_endpoint)?);
    let (account, now) = (caller.account.id, app.clock.now());
    let retired = db::transact(&app.pool, move |conn| {
        Box::pin(async move { Ok::<_, db::Fault>(webhooks::retire(conn, account, id, now).await?) })
    });
    if retired.await? { Ok(StatusCode::NO_CONTENT) } else { Err(no_endpoint()) }
}

/// `POST /v1/webhook_endpoints/{id}/rotate_secret`
pub async fn rotate_secret(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    body: Body,
) -> Result<Json<EndpointOut>, ApiError> {
    let hours = body.read(|fields| {
        let hours = fields.parse::<super::Whole>("overlap_hours").map_or(OVERLAP_HOURS, |hours| hours.0);
        if hours > OVERLAP_HOURS_MAX {
            fields.fault("overlap_hours", "out_of_range", format!("must be at most {OVERLAP_HOURS_MAX}"));
        }
        Some(hours)
    })?;
    let id = WebhookEndpointId(path.id(0).ok_or_else(no_endpoint)?);
    let (account, now) = (caller.account.id, app.clock.now());
    let rotated = db::transact(&app.pool, move |conn| {
        Box::pin(async move { Ok::<_, db::Fault>(webhooks::rotate_secret(conn, account, id, hours, now).await?) })
    });
    let endpoint = rotated.await?.ok_or_else(no_endpoint)?;
    Ok(Json(EndpointOut::with_secret(endpoint, now)))
}

/// What came of a ping.
#[derive(Serialize)]
pub struct PingOut {
    delivered: bool,
    status: Option<u16>,
    error: Option<String>,
    duration_ms: i32,
}

/// `POST /v1/webhook_endpoints/{id}/ping`
pub async fn ping(
    State(app): State<App>,
    State(client): State<Client>,
    caller: Caller,
    path: PathTexts,
) -> Result<Json<PingOut>, ApiError> {
    let endpoint = load(&app, &caller, &path).await?;
    let now = app.clock.now();
    let previous = endpoint.previous_secret.filter(|_| endpoint.previous_secret_until.is_some_and(|until| until > now));
    let target = Target {
        url: endpoint.url,
        secrets: std::iter::once(endpoint.secret).chain(previous).collect(),
        friendbuy_signature: endpoint.friendbuy_signature,
    };
    let id = format!("ping_{}", uuid::Uuid::now_v7().simple());
    let body = payload::ping(Teller { account: &caller.account, public_url: &app.public_url }, &id, now);
    let attempted = client.post(&target, &id, &body, now).await;
    Ok(Json(PingOut {
        delivered: attempted.is_delivered(),
        status: attempted.status,
        error: attempted.error,
        duration_ms: attempted.duration_ms,
    }))
}
