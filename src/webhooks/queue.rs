//! The SQL of deliveries on their way: one statement a function. A delivery that waits is due at a moment. Whoever takes it moves that
//! moment on, past the time that posting may take; what he does not finish is due again then.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::client::{Attempted, Target};
use super::signature::{Algorithm, Secret};
use crate::events::EventId;
use crate::events::feed::Placed;
use crate::types::ids::{AccountId, WebhookDeliveryId, WebhookEndpointId};

/// Most deliveries that are taken for one endpoint at once.
pub const TAKEN_MAX: i64 = 16;
/// How long what was taken is left to whoever took it: longer than posting all of it may take.
pub const LEASE: Duration = Duration::seconds(60);

/// Makes a delivery of each event in rows that were just placed, for each endpoint that wants its type. Endpoints are locked: who
/// retires one waits, and then drops what was made for it.
pub async fn fan_out(
    conn: &mut PgConnection,
    account: AccountId,
    placed: &[Placed],
    now: OffsetDateTime,
) -> sqlx::Result<u64> {
    let rows: Vec<i64> = placed.iter().map(|placed| placed.row).collect();
    let types: Vec<&str> = placed.iter().map(|placed| placed.kind.event_type()).collect();
    let done = sqlx::query!(
        "insert into webhook_deliveries (account_id, endpoint_id, event_row, event_index, state, due_at, created_at)
        select e.account_id, p.id, e.id, one.n, 'waiting', $4, $4
        from unnest($2::bigint[], $3::text[]) as placed (id, event_type)
        join events e on e.account_id = $1 and e.id = placed.id
        join webhook_endpoints p on p.account_id = e.account_id and p.active and (p.event_types is null or placed.event_type = any(p.event_types))
        cross join lateral generate_series(1, cardinality(e.subjects)) as one (n)
        order by e.place, one.n
        for share of p
        on conflict on constraint webhook_deliveries_event_key do nothing",
        account.0,
        &rows,
        &types as &[&str],
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// A delivery that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    pub account_id: AccountId,
    pub id: WebhookDeliveryId,
    pub endpoint_id: WebhookEndpointId,
    pub event: EventId,
    /// Tells this taking from every other.
    pub attempt: i32,
    /// Until when it is left to whoever took it. Asked for again meanwhile, it is due earlier, and his to end no more.
    pub until: OffsetDateTime,
    /// How often it failed, since somebody asked for it.
    pub failures: i32,
    pub target: Target,
}

/// Takes what is due, at most [`TAKEN_MAX`] deliveries for each of `room` endpoints, without those that are busy. Endpoints come in
/// a random order, and what a rival takes is passed over.
pub async fn take(
    conn: &mut PgConnection,
    busy: &[WebhookEndpointId],
    room: i64,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Taken>> {
    let rows = sqlx::query!(
        r#"with due as (
            select waiting.account_id, waiting.id
            from (
                select e.account_id, e.id from webhook_endpoints e
                where e.account_id > 0 and e.active and e.id <> all($2) and exists (
                    select from webhook_deliveries d
                    where d.account_id = e.account_id and d.endpoint_id = e.id and d.state = 'waiting' and d.due_at <= $1)
                order by random() limit $3
            ) ready
            cross join lateral (
                select d.account_id, d.id from webhook_deliveries d
                where d.account_id = ready.account_id and d.endpoint_id = ready.id and d.state = 'waiting' and d.due_at <= $1
                order by d.due_at, d.id limit $4
                for no key update of d skip locked
            ) waiting
        )
        update webhook_deliveries d set attempts = d.attempts + 1, due_at = $5
        from due join webhook_endpoints e on e.account_id = due.account_id
        where d.account_id = due.account_id and d.id = due.id and e.id = d.endpoint_id
        returning d.account_id as "account_id: AccountId", d.id as "id: WebhookDeliveryId", d.endpoint_id as "endpoint_id: WebhookEndpointId",
            d.event_row, d.event_index, d.attempts, d.due_at, d.failures, e.url, e.secret as "secret: Secret",
            case when e.previous_secret_until > $1 then e.previous_secret end as "previous_secret: Secret", e.friendbuy_signature"#,
        now,
        busy as &[WebhookEndpointId],
        room,
        TAKEN_MAX,
        now + LEASE
    )
    .fetch_all(conn)
    .await?;
    let mut taken: Vec<Taken> = rows
        .into_iter()
        .map(|row| Taken {
            account_id: row.account_id,
            id: row.id,
            endpoint_id: row.endpoint_id,
            event: EventId { row: row.event_row, index: row.event_index },
            attempt: row.attempts,
            until: row.due_at,
            failures: row.failures,
            target: Target {
                url: row.url,
                secrets: [Some(row.secret), row.previous_secret].into_iter().flatten().collect(),
                friendbuy_signature: Algorithm::from(row.friendbuy_signature),
            },
        })
        .collect();
    taken.sort_by_key(|taken| taken.id);
    Ok(taken)
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Delivered,
    /// It is tried again then.
    Again(OffsetDateTime),
    /// No more attempts.
    Failed,
}

impl Next {
    /// The state's spelling in the database.
    pub fn state(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Again(_) => "waiting",
            Self::Failed => "failed",
        }
    }
}

/// Stores an attempt in the log and what becomes of the delivery, unless somebody took it again or asked for it again meanwhile. An
/// endpoint that is gone is switched off, if it still leads where it is gone.
pub async fn finish(
    conn: &mut PgConnection,
    taken: &Taken,
    attempted: &Attempted,
    next: Next,
    started_at: OffsetDateTime,
) -> sqlx::Result<()> {
    let again_at = if let Next::Again(at) = next { Some(at) } else { None };
    sqlx::query!(
        "with attempt as (
            insert into webhook_attempts (account_id, delivery_id, number, started_at, duration_ms, status, error)
            values ($1, $2, $3, $4, $5, $6, $7)
            on conflict on constraint webhook_attempts_pkey do nothing
        ), gone as (
            update webhook_endpoints set active = false, disabled_reason = 'gone' where account_id = $1 and id = $8 and url = $12 and $9
        )
        update webhook_deliveries
        set state = $10, failures = failures + case when $10 = 'delivered' then 0 else 1 end, due_at = coalesce($11, due_at),
            finished_at = case when $10 <> 'waiting' then $4::timestamptz end
        where account_id = $1 and id = $2 and attempts = $3 and state = 'waiting' and webhook_deliveries.due_at = $13",
        taken.account_id.0,
        taken.id.0,
        taken.attempt,
        started_at,
        attempted.duration_ms,
        attempted.status.map(i32::from),
        attempted.error.as_deref(),
        taken.endpoint_id.0,
        attempted.is_gone(),
        next.state(),
        again_at,
        taken.target.url,
        taken.until
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Calls off what waits for an endpoint.
pub async fn cancel_all(
    conn: &mut PgConnection,
    account: AccountId,
    endpoint: WebhookEndpointId,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhook_deliveries set state = 'cancelled', finished_at = $3
        where account_id = $1 and endpoint_id = $2 and state = 'waiting'",
        account.0,
        endpoint.0,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What waits for endpoints that are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Counted up to a hundred thousand.
    pub deliveries: i64,
    /// When the oldest of them was made.
    pub since: Option<OffsetDateTime>,
}

/// Counts what waits.
pub async fn find_backlog(conn: &mut PgConnection) -> sqlx::Result<Backlog> {
    sqlx::query_as!(
        Backlog,
        r#"select count(*) as "deliveries!", min(created_at) as since
        from (
            select d.created_at from webhook_endpoints e
            join webhook_deliveries d on d.account_id = e.account_id and d.endpoint_id = e.id and d.state = 'waiting'
            where e.account_id > 0 and e.active
            limit 100000
        ) waiting"#
    )
    .fetch_one(conn)
    .await
}
