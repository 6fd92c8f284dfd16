//! The history of a conversion on the wire.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::{Entry, store};
use crate::accounts::Caller;
use crate::conversions::review::http::not_found;
use crate::types::ids::ConversionId;
use crate::web::error::ApiError;
use crate::web::extract::{Params, PathTexts};
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;

const HISTORY: List = List { name: "conversions/history", filters: &[] };

/// An entry as it is answered.
#[derive(Serialize)]
pub struct EntryOut {
    event: String,
    status_before: String,
    status: String,
    decided_by: String,
    reason: Option<String>,
    actor: Option<String>,
    findings: Vec<String>,
    rules: Option<Box<RawValue>>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<Entry> for EntryOut {
    fn from(entry: Entry) -> Self {
        Self {
            event: entry.event,
            status_before: entry.status_before,
            status: entry.status,
            decided_by: entry.decided_by,
            reason: entry.reason,
            actor: entry.actor,
            findings: entry.findings,
            rules: entry.rules,
            created_at: entry.created_at,
        }
    }
}

/// `GET /v1/conversions/{id}/history`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
) -> Result<Json<PageOut<EntryOut>>, ApiError> {
    let account = &*caller.account;
    let owned = Owned { account: account.id, zone: &account.zone, within: path.id(0).unwrap_or(0) };
    let walk = params.read(|fields| HISTORY.read(fields, owned))?;
    let id = ConversionId(path.id(0).ok_or_else(not_found)?);
    let mut conn = app.pool.acquire().await?;
    let found = super::list(&mut conn, account.id, id, &walk.span()).await?;
    if found.rows.is_empty() && !store::has_conversion(&mut conn, account.id, id).await? {
        return Err(not_found());
    }
    Ok(Json(walk.page(found, EntryOut::from)))
}
