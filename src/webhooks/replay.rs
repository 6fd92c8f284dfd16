//! Sending events again: one, or all of a stretch of the feed. To each endpoint that wants them, under the ids they always had.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::events::EventId;
use crate::types::ids::{AccountId, WebhookEndpointId};

/// Most events that are sent again by one call.
pub const EVENTS_MAX: i64 = 10_000;

/// Which events are sent again, and to whom: those of which all of this is true.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub event: Option<EventId>,
    /// Behind this place of the feed.
    pub after: Option<i64>,
    /// Up to this place.
    pub until: Option<i64>,
    /// Of this moment or later.
    pub from: Option<OffsetDateTime>,
    /// Before this moment.
    pub before: Option<OffsetDateTime>,
    /// To this endpoint only.
    pub endpoint_id: Option<WebhookEndpointId>,
    /// Of these types only.
    pub event_types: Option<Vec<&'static str>>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// So many deliveries are on their way.
    Deliveries(u64),
    /// So many events are too many for one call.
    TooMany(i64),
}

/// Sends events again, in the caller's transaction.
pub async fn replay(
    conn: &mut PgConnection,
    account: AccountId,
    wanted: &Wanted,
    now: OffsetDateTime,
) -> sqlx::Result<Replayed> {
    let events = count(conn, account, wanted).await?;
    if events > EVENTS_MAX {
        return Ok(Replayed::TooMany(events));
    }
    upsert(conn, account, wanted, now).await.map(Replayed::Deliveries)
}

async fn count(conn: &mut PgConnection, account: AccountId, wanted: &Wanted) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(least(e.place + cardinality(e.subjects) - 1, $3::bigint) - greatest(e.place, $2::bigint + 1) + 1), 0)::bigint as "count!"
        from events e
        where e.account_id = $1 and e.place is not null and ($6::bigint is null or e.id = $6)
            and e.place <= $3 and e.place + cardinality(e.subjects) > $2 + 1
            and e.created_at >= coalesce($4, '-infinity'::timestamptz) and e.created_at < coalesce($5, 'infinity'::timestamptz)
            and ($7::text[] is null or case e.kind when 'conversion.refused' then 'conversion.rejected' else e.kind end = any($7))"#,
        account.0,
        wanted.after.unwrap_or(0),
        wanted.until.unwrap_or(i64::MAX),
        wanted.from,
        wanted.before,
        wanted.event.map(|event| event.row),
        wanted.event_types.as_deref() as Option<&[&str]>
    )
    .fetch_one(conn)
    .await
}

async fn upsert(
    conn: &mut PgConnection,
    account: AccountId,
    wanted: &Wanted,
    now: OffsetDateTime,
) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "insert into webhook_deliveries as d (account_id, endpoint_id, event_row, event_index, state, due_at, created_at)
        select e.account_id, p.id, e.id, one.n, 'waiting', $10, $10
        from events e
        cross join lateral (
            select case e.kind when 'conversion.refused' then 'conversion.rejected' else e.kind end as name
        ) t
        join webhook_endpoints p on p.account_id = e.account_id and p.active and (p.event_types is null or t.name = any(p.event_types))
        cross join lateral generate_series(1, cardinality(e.subjects)) as one (n)
        where e.account_id = $1 and e.place is not null and ($6::bigint is null or e.id = $6) and ($7::int is null or one.n = $7)
            and e.place <= $3 and e.place + one.n - 1 > $2 and e.place + one.n - 1 <= $3
            and e.created_at >= coalesce($4, '-infinity'::timestamptz) and e.created_at < coalesce($5, 'infinity'::timestamptz)
            and ($8::text[] is null or t.name = any($8)) and ($9::bigint is null or p.id = $9)
        order by e.place, one.n
        for share of p
        on conflict on constraint webhook_deliveries_event_key do update set state = 'waiting', due_at = $10, failures = 0, finished_at = null",
        account.0,
        wanted.after.unwrap_or(0),
        wanted.until.unwrap_or(i64::MAX),
        wanted.from,
        wanted.before,
        wanted.event.map(|event| event.row),
        wanted.event.map(|event| event.index),
        wanted.event_types.as_deref() as Option<&[&str]>,
        wanted.endpoint_id.map(|id| id.0),
        now
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
