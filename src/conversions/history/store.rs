//! The SQL of what was decided on conversions: one statement a function.

use std::collections::HashMap;

use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{By, Entry, NewEvent};
use crate::campaigns::rules::Rules;
use crate::types::ids::{AccountId, ConversionId};
use crate::types::page::PageRequest;
use crate::types::text::Name;

/// Adds entries, and gives the number of each.
pub async fn insert_all(
    conn: &mut PgConnection,
    new: &[NewEvent<'_>],
    now: OffsetDateTime,
) -> sqlx::Result<HashMap<(AccountId, ConversionId), i64>> {
    let accounts: Vec<AccountId> = new.iter().map(|new| new.account_id).collect();
    let conversions: Vec<ConversionId> = new.iter().map(|new| new.conversion_id).collect();
    let events: Vec<&str> = new.iter().map(|new| new.event.as_str()).collect();
    let before: Vec<&str> = new.iter().map(|new| new.status_before.as_str()).collect();
    let statuses: Vec<&str> = new.iter().map(|new| new.status.as_str()).collect();
    let deciders: Vec<&str> = new.iter().map(|new| if *new.by == By::Rules { "rules" } else { "person" }).collect();
    let said = |part: for<'a> fn(&'a Name, &'a Option<Name>) -> Option<&'a Name>| -> Vec<Option<&str>> {
        new.iter()
            .map(|new| match new.by {
                By::Rules => None,
                By::Person { reason, actor } => part(reason, actor).map(Name::as_str),
            })
            .collect()
    };
    let findings: Vec<Json<&[&str]>> = new.iter().map(|new| Json(new.findings.as_slice())).collect();
    let rules: Vec<Json<&Rules>> = new.iter().map(|new| Json(new.rules)).collect();
    let rows = sqlx::query!(
        r#"insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, reason, actor, findings, rules, created_at)
        select account_id, conversion_id, event, status_before, status, decided_by, reason, actor, findings, rules, $11
        from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::jsonb[], $10::jsonb[])
            as new (account_id, conversion_id, event, status_before, status, decided_by, reason, actor, findings, rules)
        returning account_id as "account_id: AccountId", conversion_id as "conversion_id: ConversionId", id"#,
        &accounts as &[AccountId],
        &conversions as &[ConversionId],
        &events as &[&str],
        &before as &[&str],
        &statuses as &[&str],
        &deciders as &[&str],
        &said(|reason, _| Some(reason)) as &[Option<&str>],
        &said(|_, actor| actor.as_ref()) as &[Option<&str>],
        &findings as &[Json<&[&str]>],
        &rules as &[Json<&Rules>],
        now
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.account_id, row.conversion_id), row.id)).collect())
}

/// The history of a conversion from its first entry to its last, a page of it.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    conversion: ConversionId,
    page: PageRequest,
) -> sqlx::Result<Vec<Entry>> {
    let rows = sqlx::query!(
        r#"select event, status_before, status, decided_by, reason, actor, findings as "findings: Json<Vec<String>>",
            rules as "rules: Json<Box<RawValue>>", created_at
        from conversion_events
        where account_id = $1 and conversion_id = $2
        order by id
        limit $3 offset $4"#,
        account.0,
        conversion.0,
        page.limit,
        page.offset
    )
    .fetch_all(conn)
    .await?;
    let entry = rows.into_iter().map(|row| Entry {
        event: row.event,
        status_before: row.status_before,
        status: row.status,
        decided_by: row.decided_by,
        reason: row.reason,
        actor: row.actor,
        findings: row.findings.0,
        rules: row.rules.map(|rules| rules.0),
        created_at: row.created_at,
    });
    Ok(entry.collect())
}

/// Counts the entries of a conversion's history.
pub async fn count(conn: &mut PgConnection, account: AccountId, conversion: ConversionId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from conversion_events where account_id = $1 and conversion_id = $2"#,
        account.0,
        conversion.0
    )
    .fetch_one(conn)
    .await
}

/// Whether there is such a conversion.
pub async fn has_conversion(
    conn: &mut PgConnection,
    account: AccountId,
    conversion: ConversionId,
) -> sqlx::Result<bool> {
    let found =
        sqlx::query_scalar!("select id from conversions where account_id = $1 and id = $2", account.0, conversion.0)
            .fetch_optional(conn)
            .await?;
    Ok(found.is_some())
}
