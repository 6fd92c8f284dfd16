//! The SQL of what was decided on conversions: one statement a function.

use std::collections::HashMap;

use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{By, Entry, NewEvent};
use crate::campaigns::rules::Rules;
use crate::db::lists::list_statements;
use crate::types::ids::{AccountId, ConversionId};
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

list_statements! {
    /// The history of a conversion, from its first entry to its last.
    list, count(conversion: ConversionId)
    with [conversion.0]
    select r#"e.created_at as "at!", e.id as "id!", e.id as "row_id!""#
    from "conversion_events e
        where e.account_id = $1 and e.conversion_id = $5 and (e.created_at, e.id) > ($2, $3) and e.created_at < $4"
    paged "order by e.created_at, e.id limit $6 offset $7"
}

/// Finds entries of a conversion's history by their numbers, each with its number, in any order.
pub async fn find_all(
    conn: &mut PgConnection,
    account: AccountId,
    conversion: ConversionId,
    ids: &[i64],
) -> sqlx::Result<Vec<(i64, Entry)>> {
    let rows = sqlx::query!(
        r#"select e.id, e.event, e.status_before, e.status, e.decided_by, e.reason, e.actor, e.findings as "findings: Json<Vec<String>>",
            e.rules as "rules: Json<Box<RawValue>>", e.created_at
        from unnest($3::bigint[]) as wanted (id)
        join conversion_events e on e.account_id = $1 and e.conversion_id = $2 and e.id = wanted.id"#,
        account.0,
        conversion.0,
        ids
    )
    .fetch_all(conn)
    .await?;
    let entry = rows.into_iter().map(|row| {
        let entry = Entry {
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
        (row.id, entry)
    });
    Ok(entry.collect())
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
