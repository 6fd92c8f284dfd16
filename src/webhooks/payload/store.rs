//! The SQL of what events say: one statement a function.

use rust_decimal::Decimal;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use crate::conversions::history;
use crate::events::EventId;
use crate::types::ids::{AccountId, ConversionId, RewardId};

/// Finds what was sent before of events. Those that nobody was sent yet are missing.
pub async fn find_bodies(
    conn: &mut PgConnection,
    account: AccountId,
    ids: &[EventId],
) -> sqlx::Result<Vec<(EventId, String)>> {
    let rows: Vec<i64> = ids.iter().map(|id| id.row).collect();
    let indexes: Vec<i32> = ids.iter().map(|id| id.index).collect();
    let rows = sqlx::query!(
        "select b.event_row, b.event_index, b.body
        from unnest($2::bigint[], $3::int[]) as wanted (event_row, event_index)
        join event_bodies b on b.account_id = $1 and b.event_row = wanted.event_row and b.event_index = wanted.event_index",
        account.0,
        &rows,
        &indexes
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (EventId { row: row.event_row, index: row.event_index }, row.body)).collect())
}

/// Keeps what is sent of events from now on. What a rival kept first stays.
pub async fn insert_bodies(
    conn: &mut PgConnection,
    account: AccountId,
    bodies: &[(EventId, String)],
) -> sqlx::Result<()> {
    let rows: Vec<i64> = bodies.iter().map(|(id, _)| id.row).collect();
    let indexes: Vec<i32> = bodies.iter().map(|(id, _)| id.index).collect();
    let texts: Vec<&str> = bodies.iter().map(|(_, body)| body.as_str()).collect();
    sqlx::query!(
        "insert into event_bodies (account_id, event_row, event_index, body)
        select $1, event_row, event_index, body from unnest($2::bigint[], $3::int[], $4::text[]) as new (event_row, event_index, body)
        order by event_row, event_index
        on conflict on constraint event_bodies_pkey do nothing",
        account.0,
        &rows,
        &indexes,
        &texts as &[&str]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds what conversions were when their orders came.
pub async fn find_first_statuses(
    conn: &mut PgConnection,
    account: AccountId,
    ids: &[ConversionId],
) -> sqlx::Result<Vec<(ConversionId, String)>> {
    let rows = sqlx::query!(
        r#"select v.id as "id: ConversionId", coalesce(first.status, v.status) as "status!"
        from unnest($2::bigint[]) as wanted (id)
        join conversions v on v.account_id = $1 and v.id = wanted.id
        left join lateral (
            select e.status_before as status from conversion_events e
            where e.account_id = v.account_id and e.conversion_id = v.id
            order by e.id limit 1
        ) first on true"#,
        account.0,
        ids as &[ConversionId]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.status)).collect())
}

/// Finds entries of conversions' histories by their numbers.
pub async fn find_decisions(
    conn: &mut PgConnection,
    account: AccountId,
    ids: &[i64],
) -> sqlx::Result<Vec<(i64, ConversionId, history::Entry)>> {
    let rows = sqlx::query!(
        r#"select e.id, e.conversion_id as "conversion_id: ConversionId", e.event, e.status_before, e.status, e.decided_by, e.reason, e.actor,
            e.findings as "findings: Json<Vec<String>>", e.rules as "rules: Json<Box<RawValue>>", e.created_at
        from unnest($2::bigint[]) as wanted (id)
        join conversion_events e on e.account_id = $1 and e.id = wanted.id"#,
        account.0,
        ids
    )
    .fetch_all(conn)
    .await?;
    let decision = rows.into_iter().map(|row| {
        let entry = history::Entry {
            event: row.event,
            status_before: row.status_before,
            status: row.status,
            decided_by: row.decided_by,
            reason: row.reason,
            actor: row.actor,
            findings: row.findings.0,
            rules: row.rules.map(|rules| rules.0),
            created_at: row.created_at,
        };
        (row.id, row.conversion_id, entry)
    });
    Ok(decision.collect())
}

/// An entry of a reward's ledger, and the sums with it.
#[derive(Clone, Debug)]
pub struct LedgerEntry {
    pub id: i64,
    pub reward_id: RewardId,
    pub kind: String,
    pub amount: Decimal,
    pub cause: String,
    pub refund_id: Option<String>,
    pub created_at: OffsetDateTime,
    pub earned: Decimal,
    pub reversed: Decimal,
    pub paid: Decimal,
    pub paid_at: Option<OffsetDateTime>,
}

/// Finds entries of ledgers by their numbers, with the sums as they were then.
pub async fn find_ledger_entries(
    conn: &mut PgConnection,
    account: AccountId,
    ids: &[i64],
) -> sqlx::Result<Vec<LedgerEntry>> {
    sqlx::query_as!(
        LedgerEntry,
        r#"select e.id, e.reward_id as "reward_id: RewardId", e.kind, e.amount, e.cause, e.refund_id, e.created_at,
            sums.earned as "earned!", sums.reversed as "reversed!", sums.paid as "paid!", sums.paid_at
        from unnest($2::bigint[]) as wanted (id)
        join reward_entries e on e.account_id = $1 and e.id = wanted.id
        cross join lateral (
            select coalesce(sum(b.amount) filter (where b.kind = 'earned'), 0) as earned,
                coalesce(sum(b.amount) filter (where b.kind = 'reversed'), 0) as reversed,
                coalesce(sum(b.amount) filter (where b.kind = 'paid'), 0) as paid,
                max(b.created_at) filter (where b.kind = 'paid') as paid_at
            from reward_entries b
            where b.account_id = e.account_id and b.reward_id = e.reward_id and b.id <= e.id
        ) sums"#,
        account.0,
        ids
    )
    .fetch_all(conn)
    .await
}

/// Finds what rewards earned when they were granted. One of which nothing was left even then is missing.
pub async fn find_first_earnings(
    conn: &mut PgConnection,
    account: AccountId,
    ids: &[RewardId],
) -> sqlx::Result<Vec<(RewardId, Decimal)>> {
    let rows = sqlx::query!(
        r#"select first.reward_id as "reward_id!: RewardId", first.amount as "amount!"
        from unnest($2::bigint[]) as wanted (id)
        cross join lateral (
            select e.reward_id, e.amount from reward_entries e
            where e.account_id = $1 and e.reward_id = wanted.id
            order by e.id limit 1
        ) first"#,
        account.0,
        ids as &[RewardId]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.reward_id, row.amount)).collect())
}
