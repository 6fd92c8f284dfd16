//! The log of deliveries: what was posted where, how often, and what was answered.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::events::EventId;
use crate::types::ids::{AccountId, WebhookDeliveryId, WebhookEndpointId};
use crate::types::page::{Found, Place, Span};

/// What a delivery can be, as it is spelt.
pub const STATES: [&str; 4] = ["waiting", "delivered", "failed", "cancelled"];

/// Which deliveries are wanted: those of which all of this is true.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub id: Option<WebhookDeliveryId>,
    pub endpoint_id: Option<WebhookEndpointId>,
    pub event: Option<EventId>,
    pub state: Option<&'static str>,
}

/// A delivery with what came of its last attempt.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: WebhookDeliveryId,
    pub endpoint_id: WebhookEndpointId,
    pub event: EventId,
    /// As it is stored of the event.
    pub kind: String,
    pub state: String,
    pub attempts: i32,
    pub due_at: OffsetDateTime,
    pub finished_at: Option<OffsetDateTime>,
    pub last_status: Option<i32>,
    pub last_error: Option<String>,
    pub created_at: OffsetDateTime,
}

/// One attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub number: i32,
    pub started_at: OffsetDateTime,
    pub duration_ms: i32,
    pub status: Option<i32>,
    pub error: Option<String>,
}

/// Reads a part of the list.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    wanted: &Wanted,
    span: &Span,
) -> sqlx::Result<Found<Delivery>> {
    let total = if span.counts { Some(count(conn, account, wanted, span).await?) } else { None };
    let rows = if span.is_past(total) { Vec::new() } else { find(conn, account, wanted, span).await? };
    Ok(Found { total, rows: rows.into_iter().map(|row| (Place { at: row.created_at, id: row.id.0 }, row)).collect() })
}

async fn find(
    conn: &mut PgConnection,
    account: AccountId,
    wanted: &Wanted,
    span: &Span,
) -> sqlx::Result<Vec<Delivery>> {
    let rows = sqlx::query!(
        r#"select d.id as "id: WebhookDeliveryId", d.endpoint_id as "endpoint_id: WebhookEndpointId", d.event_row, d.event_index, e.kind,
            d.state, d.attempts, d.due_at, d.finished_at, d.created_at, last.status as "last_status?", last.error as "last_error?"
        from webhook_deliveries d
        join events e on e.account_id = d.account_id and e.id = d.event_row
        left join lateral (
            select a.status, a.error from webhook_attempts a
            where a.account_id = d.account_id and a.delivery_id = d.id
            order by a.number desc limit 1
        ) last on true
        where d.account_id = $1 and (d.created_at, d.id) > ($2, $3) and d.created_at >= $4 and d.created_at < $5
            and ($6::bigint is null or d.id = $6) and ($7::bigint is null or d.endpoint_id = $7)
            and ($8::bigint is null or d.event_row = $8) and ($9::int is null or d.event_index = $9) and ($10::text is null or d.state = $10)
        order by d.created_at, d.id
        limit $11 offset $12"#,
        account.0,
        span.after.at,
        span.after.id,
        span.from,
        span.until,
        wanted.id.map(|id| id.0),
        wanted.endpoint_id.map(|id| id.0),
        wanted.event.map(|event| event.row),
        wanted.event.map(|event| event.index),
        wanted.state,
        span.limit,
        span.offset
    )
    .fetch_all(conn)
    .await?;
    let delivery = rows.into_iter().map(|row| Delivery {
        id: row.id,
        endpoint_id: row.endpoint_id,
        event: EventId { row: row.event_row, index: row.event_index },
        kind: row.kind,
        state: row.state,
        attempts: row.attempts,
        due_at: row.due_at,
        finished_at: row.finished_at,
        last_status: row.last_status,
        last_error: row.last_error,
        created_at: row.created_at,
    });
    Ok(delivery.collect())
}

async fn count(conn: &mut PgConnection, account: AccountId, wanted: &Wanted, span: &Span) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from webhook_deliveries d
        where d.account_id = $1 and d.created_at >= $2 and d.created_at < $3
            and ($4::bigint is null or d.endpoint_id = $4) and ($5::bigint is null or d.event_row = $5)
            and ($6::int is null or d.event_index = $6) and ($7::text is null or d.state = $7)"#,
        account.0,
        span.from,
        span.until,
        wanted.endpoint_id.map(|id| id.0),
        wanted.event.map(|event| event.row),
        wanted.event.map(|event| event.index),
        wanted.state
    )
    .fetch_one(conn)
    .await
}

/// The attempts of a delivery, in their order.
pub async fn list_attempts(
    conn: &mut PgConnection,
    account: AccountId,
    delivery: WebhookDeliveryId,
) -> sqlx::Result<Vec<Attempt>> {
    sqlx::query_as!(
        Attempt,
        "select number, started_at, duration_ms, status, error from webhook_attempts
        where account_id = $1 and delivery_id = $2
        order by number",
        account.0,
        delivery.0
    )
    .fetch_all(conn)
    .await
}
