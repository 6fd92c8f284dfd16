//! The log of deliveries on the wire, and sending events again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use time::OffsetDateTime;

use super::{EventName, Whole, no_endpoint, no_event, read_types};
use crate::accounts::Caller;
use crate::db;
use crate::events::{self, Kind};
use crate::types::date::{Zone, parse_stretch};
use crate::types::ids::{WebhookDeliveryId, WebhookEndpointId};
use crate::types::page::{Dates, Place, Span};
use crate::web::error::{ApiError, Code};
use crate::web::extract::{Body, Params, PathTexts};
use crate::web::fields::{FieldValue, Fields, Invalid, Scalar};
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;
use crate::web::values::{ListedId, OrderDate};
use crate::webhooks::log::{self, Attempt, Delivery, Wanted};
use crate::webhooks::replay::{self, EVENTS_MAX, Replayed};
use crate::webhooks::store;

const DELIVERIES: List = List { name: "webhook_deliveries", filters: &["endpoint_id", "event_id", "state"] };

/// A delivery as it is answered.
#[derive(Serialize)]
pub struct DeliveryOut {
    id: WebhookDeliveryId,
    endpoint_id: WebhookEndpointId,
    event_id: String,
    event_type: &'static str,
    state: String,
    attempts: i32,
    last_status: Option<i32>,
    last_error: Option<String>,
    /// While it waits.
    #[serde(with = "time::serde::rfc3339::option")]
    next_attempt_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    finished_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<Delivery> for DeliveryOut {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            endpoint_id: delivery.endpoint_id,
            event_id: delivery.event.to_string(),
            event_type: Kind::stored(&delivery.kind).map_or("", Kind::event_type),
            next_attempt_at: Some(delivery.due_at).filter(|_| delivery.state == "waiting"),
            state: delivery.state,
            attempts: delivery.attempts,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            finished_at: delivery.finished_at,
            created_at: delivery.created_at,
        }
    }
}

/// A delivery with its attempts.
#[derive(Serialize)]
pub struct DeliveryWithAttempts {
    #[serde(flatten)]
    delivery: DeliveryOut,
    log: Vec<AttemptOut>,
}

#[derive(Serialize)]
struct AttemptOut {
    number: i32,
    status: Option<i32>,
    error: Option<String>,
    duration_ms: i32,
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
}

impl From<Attempt> for AttemptOut {
    fn from(attempt: Attempt) -> Self {
        Self {
            number: attempt.number,
            status: attempt.status,
            error: attempt.error,
            duration_ms: attempt.duration_ms,
            started_at: attempt.started_at,
        }
    }
}

/// What a delivery can be.
struct DeliveryState(&'static str);

impl FieldValue for DeliveryState {
    const BLANK_IS_ABSENT: bool = true;

    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        let text = scalar.text()?;
        let found = log::STATES.into_iter().find(|state| *state == text);
        found
            .map(Self)
            .ok_or_else(|| Invalid::new("invalid_value", format!("must be one of {}", log::STATES.join(", "))))
    }
}

/// `GET /v1/webhook_deliveries`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<PageOut<DeliveryOut>>, ApiError> {
    let account = caller.account.id;
    let (walk, wanted) = params.read(|fields| {
        let walk = DELIVERIES.read(fields, Owned { account, zone: &caller.account.zone, within: 0 });
        let wanted = Wanted {
            id: None,
            endpoint_id: fields.parse::<ListedId>("endpoint_id").map(|id| WebhookEndpointId(id.0)),
            event: fields.parse::<EventName>("event_id").map(|id| id.0),
            state: fields.parse::<DeliveryState>("state").map(|state| state.0),
        };
        Some((walk?, wanted))
    })?;
    let mut conn = app.pool.acquire().await?;
    let found = log::list(&mut conn, account, &wanted, &walk.span()).await?;
    Ok(Json(walk.page(found, DeliveryOut::from)))
}

/// `GET /v1/webhook_deliveries/{id}`
pub async fn find(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
) -> Result<Json<DeliveryWithAttempts>, ApiError> {
    let unknown = || {
        ApiError::new(
            Code::WebhookDeliveryNotFound,
            "there is no such delivery; GET /v1/webhook_deliveries lists yours",
        )
    };
    let id = WebhookDeliveryId(path.id(0).ok_or_else(unknown)?);
    let account = caller.account.id;
    let span = Span {
        after: Place::before(Dates::ALL.from),
        from: Dates::ALL.from,
        until: Dates::ALL.until,
        limit: 1,
        offset: 0,
        counts: false,
    };
    let mut conn = app.pool.acquire().await?;
    let wanted = Wanted { id: Some(id), ..Wanted::default() };
    let found = log::list(&mut conn, account, &wanted, &span).await?.rows.pop();
    let (_, delivery) = found.ok_or_else(unknown)?;
    let attempts = log::list_attempts(&mut conn, account, id).await?;
    let log = attempts.into_iter().map(AttemptOut::from).collect();
    Ok(Json(DeliveryWithAttempts { delivery: delivery.into(), log }))
}

/// What was sent again.
#[derive(Serialize)]
pub struct ReplayOut {
    deliveries: u64,
}

/// `POST /v1/webhook_deliveries/replay`
pub async fn replay(State(app): State<App>, caller: Caller, body: Body) -> Result<impl IntoResponse, ApiError> {
    let wanted = body.read(|fields| read_replay(fields, &caller.account.zone))?;
    let (account, now) = (caller.account.id, app.clock.now());
    let replayed: Result<Replayed, ApiError> = db::transact(&app.pool, move |conn| {
        Box::pin(async move {
            if let Some(event) = wanted.event
                && events::store::find_all(conn, account, &[event]).await?.is_empty()
            {
                return Err(no_event());
            }
            if let Some(endpoint) = wanted.endpoint_id
                && store::list(conn, account, Some(endpoint)).await?.is_empty()
            {
                return Err(no_endpoint());
            }
            Ok(replay::replay(conn, account, &wanted, now).await?)
        })
    })
    .await;
    match replayed? {
        Replayed::Deliveries(deliveries) => Ok((StatusCode::ACCEPTED, Json(ReplayOut { deliveries }))),
        Replayed::TooMany(events) => {
            let message = format!("these are {events} events; send at most {EVENTS_MAX} again at once, part by part");
            Err(ApiError::new(Code::OutOfRange, message))
        }
    }
}

/// Reads which events are sent again. All of them are not what anybody means who says nothing.
fn read_replay(fields: &Fields<'_>, zone: &Zone) -> Option<replay::Wanted> {
    let stretch = |key: &str| {
        let OrderDate(text) = fields.parse(key)?;
        parse_stretch(&text, zone).map_err(|fault| fields.fault(key, "invalid_date", fault.to_string())).ok()
    };
    let (from, to) = (stretch("from_date"), stretch("to_date"));
    let wanted = replay::Wanted {
        event: fields.parse::<EventName>("event_id").map(|id| id.0),
        after: fields.parse::<Whole>("after").map(|place| place.0),
        until: fields.parse::<Whole>("until").map(|place| place.0),
        from: from.map(|from| from.from),
        before: to.map(|to| to.until),
        endpoint_id: fields.parse::<ListedId>("endpoint_id").map(|id| WebhookEndpointId(id.0)),
        event_types: read_types(fields).flatten(),
    };
    if !["event_id", "after", "until", "from_date", "to_date"].iter().any(|key| fields.is_present(key)) {
        let message = "is missing; send event_id for one event, or after and until, or from_date and to_date";
        fields.fault("event_id", "missing", message);
    }
    Some(wanted)
}
