//! The feed on the wire: for shops that nobody can post to. The same events as webhooks send, letter by letter.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;

use super::{EventTypes, Whole, no_event};
use crate::accounts::Caller;
use crate::db;
use crate::events::store::Stretch;
use crate::events::{self, Event, EventId, Kind};
use crate::types::page::LIMIT_DEFAULT;
use crate::web::error::ApiError;
use crate::web::extract::{Params, PathTexts};
use crate::web::state::App;
use crate::webhooks::payload::{self, Teller};

/// Most events of a page.
const LIMIT_MAX: i64 = 1_000;
/// How many places of the feed are looked at for one page, when only some types are asked for.
const LOOKED_AT_MAX: i64 = 10_000;

/// A part of the feed.
#[derive(Serialize)]
pub struct FeedOut {
    this_page_results_count: usize,
    after: i64,
    /// What to send as `after` next.
    next_after: i64,
    has_more: bool,
    results: Vec<Box<RawValue>>,
}

/// What is asked for.
#[derive(Clone)]
struct Asked {
    after: i64,
    limit: i64,
    types: Option<Vec<&'static str>>,
}

/// `GET /v1/events`
pub async fn list(State(app): State<App>, caller: Caller, params: Params) -> Result<Json<FeedOut>, ApiError> {
    let asked = params.read(|fields| {
        let after = fields.parse::<Whole>("after").map_or(0, |after| after.0);
        let limit = fields.parse::<Whole>("limit").map_or(LIMIT_DEFAULT, |limit| limit.0);
        if !(1..=LIMIT_MAX).contains(&limit) {
            fields.fault("limit", "invalid_parameter", format!("must be a whole number from 1 to {LIMIT_MAX}"));
        }
        Some(Asked { after, limit, types: fields.parse::<EventTypes>("type").map(|types| types.0) })
    })?;
    let pool = app.pool.clone();
    // What is said for the first time is kept, so this may store.
    let page: Result<FeedOut, ApiError> = db::transact(&pool, move |conn| {
        Box::pin(async move {
            let teller = Teller { account: &caller.account, public_url: &app.public_url };
            Ok(read(conn, teller, asked).await?)
        })
    })
    .await;
    page.map(Json)
}

async fn read(conn: &mut PgConnection, teller: Teller<'_>, asked: Asked) -> sqlx::Result<FeedOut> {
    let account = teller.account.id;
    let Asked { after, limit, types } = asked;
    // First where it ends: what is placed from now on is for the next page.
    let last = events::store::find_last_place(conn, account).await?;
    let looked_at = if types.is_some() { LOOKED_AT_MAX } else { limit };
    let until = after.saturating_add(looked_at).min(last);
    let kinds: Option<Vec<&str>> = types.map(|types| {
        let of_type = Kind::ALL.iter().filter(|kind| types.contains(&kind.event_type()));
        of_type.map(|kind| kind.as_str()).collect()
    });
    let stretch = Stretch { after, until, kinds: kinds.as_deref(), limit };
    let found = if after < until { events::store::list(conn, account, &stretch).await? } else { Vec::new() };
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count == limit);
    let next_after = match found.last() {
        Some(last) if is_full => last.place,
        _ => until.max(after),
    };
    let results = told(conn, teller, &found).await?;
    Ok(FeedOut { this_page_results_count: results.len(), after, next_after, has_more: next_after < last, results })
}

async fn told(conn: &mut PgConnection, teller: Teller<'_>, found: &[Event]) -> sqlx::Result<Vec<Box<RawValue>>> {
    let mut bodies = payload::bodies(conn, teller, found).await?;
    Ok(found.iter().filter_map(|event| RawValue::from_string(bodies.remove(&event.id)?).ok()).collect())
}

/// `GET /v1/events/{id}`
pub async fn find(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<Json<Box<RawValue>>, ApiError> {
    let id = EventId::parse(path.get(0)).ok_or_else(no_event)?;
    let pool = app.pool.clone();
    db::transact(&pool, move |conn| {
        Box::pin(async move {
            let found = events::store::find_all(conn, caller.account.id, &[id]).await?;
            let teller = Teller { account: &caller.account, public_url: &app.public_url };
            told(conn, teller, &found).await?.pop().map(Json).ok_or_else(no_event)
        })
    })
    .await
}
