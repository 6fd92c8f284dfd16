//! Whom advocates mailed through us. Goodword sends no mail, so this list is always empty. It is there because clients of the
//! compatible API walk it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::find_named;
use crate::accounts::Caller;
use crate::types::page::Found;
use crate::web::error::ApiError;
use crate::web::extract::{Params, PathTexts};
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;

const EMAIL_RECIPIENTS: List = List { name: "email-recipients", filters: &[] };

/// A row that there is none of.
#[derive(Serialize)]
pub enum Never {}

/// `GET /v1/customers/{id}/email-recipients`
pub async fn list_email_recipients(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
) -> Result<Json<PageOut<Never>>, ApiError> {
    let page = nothing(EMAIL_RECIPIENTS, &caller, &params, path.id(0).unwrap_or(0))?;
    find_named(&mut *app.pool.acquire().await?, caller.account.id, &path).await?;
    Ok(page)
}

fn nothing(list: List, caller: &Caller, params: &Params, within: i64) -> Result<Json<PageOut<Never>>, ApiError> {
    let owned = Owned { account: caller.account.id, zone: &caller.account.zone, within };
    let walk = params.read(|fields| list.read(fields, owned))?;
    Ok(Json(walk.page(Found::nothing(&walk.span()), |never| never)))
}
