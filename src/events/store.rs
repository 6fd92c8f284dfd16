//! The SQL of the outbox and the feed: one statement a function.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Event, EventId, Kind, Rows};
use crate::types::ids::AccountId;

/// Inserts rows, in their order.
pub async fn insert_all(conn: &mut PgConnection, rows: &Rows, now: OffsetDateTime) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into events (account_id, kind, subjects, created_at)
        select unnest($1::bigint[]), unnest($2::text[]), unnest($3::text[])::bigint[], $4",
        &rows.accounts as &[AccountId],
        &rows.kinds as &[&str],
        &rows.subjects,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds accounts with rows that have no place yet.
pub async fn list_waiting(conn: &mut PgConnection) -> sqlx::Result<Vec<AccountId>> {
    sqlx::query_scalar!(
        r#"with recursive waiting (account_id) as (
            (select e.account_id from events e where e.place is null order by e.account_id limit 1)
            union all
            select (select e.account_id from events e where e.place is null and e.account_id > w.account_id order by e.account_id limit 1)
            from waiting w where w.account_id is not null
        )
        select account_id as "account_id!: AccountId" from waiting where account_id is not null"#
    )
    .fetch_all(conn)
    .await
}

/// Makes sure that an account's feed has its row.
pub async fn insert_feed(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<()> {
    sqlx::query!("insert into event_feeds (account_id, last_place) values ($1, 0) on conflict do nothing", account.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Locks an account's feed and says how far it goes. Nothing when somebody else has it: he places what there is.
pub async fn lock_feed(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "select last_place from event_feeds where account_id = $1 for no key update skip locked",
        account.0
    )
    .fetch_optional(conn)
    .await
}

/// A row that was given its place.
pub struct PlacedRow {
    pub id: i64,
    pub kind: String,
}

/// How much is given places at once: so many rows, until so many events are reached.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub rows: i64,
    pub events: i64,
}

/// Gives places to rows of a locked feed that have none, in the order of their numbers, behind `last_place`, and moves the feed on.
pub async fn place(
    conn: &mut PgConnection,
    account: AccountId,
    last_place: i64,
    limits: Limits,
) -> sqlx::Result<Vec<PlacedRow>> {
    sqlx::query_as!(
        PlacedRow,
        r#"with waiting as (
            select id, cardinality(subjects) as length from events
            where account_id = $1 and place is null
            order by id limit $3
        ), counted as (
            select id, length, sum(length) over (order by id) as upto from waiting
        ), ordered as (
            select id, $2::bigint + 1 + upto - length as place, length from counted where upto - length < $4
        ), placed as (
            update events e set place = o.place from ordered o
            where e.account_id = $1 and e.id = o.id
            returning e.id, e.kind
        ), moved as (
            update event_feeds set last_place = (select max(place + length - 1) from ordered)
            where account_id = $1 and exists (select from ordered)
        )
        select id, kind from placed"#,
        account.0,
        last_place,
        limits.rows,
        limits.events
    )
    .fetch_all(conn)
    .await
}

struct Row {
    id: i64,
    index: i64,
    kind: String,
    subject: i64,
    place: i64,
    created_at: OffsetDateTime,
}

impl Row {
    fn event(self) -> Option<Event> {
        let id = EventId { row: self.id, index: i32::try_from(self.index).ok()? };
        let kind = Kind::stored(&self.kind)?;
        Some(Event { id, kind, subject: self.subject, place: self.place, created_at: self.created_at })
    }
}

/// Which part of a feed is read: behind one place and up to another, of these kinds or of all, so many at most.
pub struct Stretch<'a> {
    pub after: i64,
    pub until: i64,
    pub kinds: Option<&'a [&'a str]>,
    pub limit: i64,
}

/// Finds the events of a stretch, in the order of their places.
pub async fn list(conn: &mut PgConnection, account: AccountId, stretch: &Stretch<'_>) -> sqlx::Result<Vec<Event>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select e.id, one.n as "index!", e.kind, one.subject as "subject!", e.place + one.n - 1 as "place!", e.created_at
        from events e
        cross join lateral unnest(e.subjects) with ordinality as one (subject, n)
        where e.account_id = $1 and e.place is not null
            and e.place >= coalesce((select max(first.place) from events first
                where first.account_id = $1 and first.place is not null and first.place <= $2::bigint + 1), 1)
            and e.place <= $3
            and e.place + one.n - 1 between $2 + 1 and $3
            and ($4::text[] is null or e.kind = any($4))
        order by e.place, one.n
        limit $5"#,
        account.0,
        stretch.after,
        stretch.until,
        stretch.kinds as Option<&[&str]>,
        stretch.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().filter_map(Row::event).collect())
}

/// Finds events by their ids, in any order. Those that are unknown, or have no place yet, are simply missing.
pub async fn find_all(conn: &mut PgConnection, account: AccountId, ids: &[EventId]) -> sqlx::Result<Vec<Event>> {
    let rows: Vec<i64> = ids.iter().map(|id| id.row).collect();
    let indexes: Vec<i64> = ids.iter().map(|id| i64::from(id.index)).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select e.id, wanted.n as "index!", e.kind, e.subjects[wanted.n::int] as "subject!", e.place + wanted.n - 1 as "place!", e.created_at
        from unnest($2::bigint[], $3::bigint[]) as wanted (id, n)
        join events e on e.account_id = $1 and e.id = wanted.id
        where e.place is not null and wanted.n between 1 and cardinality(e.subjects)"#,
        account.0,
        &rows,
        &indexes
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().filter_map(Row::event).collect())
}

/// How far the feed of an account goes.
pub async fn find_last_place(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<i64> {
    let found = sqlx::query_scalar!("select last_place from event_feeds where account_id = $1", account.0)
        .fetch_optional(conn)
        .await?;
    Ok(found.unwrap_or_default())
}
