//! What advocates send to friends through a widget: shares, and the people they mailed. Goodword has no widget and sends
//! no mail, so these lists are always empty. They are there because clients of the compatible API walk them.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::find_named;
use crate::accounts::Caller;
use crate::types::page::Found;
use crate::web::error::{ApiError, Code};
use crate::web::extract::{Params, PathTexts};
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;

const SHARES: List = List { name: "shares", filters: &[] };
const EMAIL_RECIPIENTS: List = List { name: "email-recipients", filters: &[] };

/// A row that there is none of.
#[derive(Serialize)]
pub enum Never {}

/// `GET /v1/shares`
pub async fn list_shares(caller: Caller, params: Params) -> Result<Json<PageOut<Never>>, ApiError> {
    nothing(SHARES, &caller, &params, 0)
}

/// `GET /v1/shares/{id}`
pub async fn find_share(_caller: Caller) -> ApiError {
    ApiError::new(
        Code::ShareNotFound,
        "there is no such share; advocates share by link and code, which are not counted here",
    )
}

/// `GET /v1/customers/{id}/shares`
pub async fn list_shares_of_customer(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
) -> Result<Json<PageOut<Never>>, ApiError> {
    let page = nothing(SHARES, &caller, &params, path.id(0).unwrap_or(0))?;
    find_named(&mut *app.pool.acquire().await?, caller.account.id, &path).await?;
    Ok(page)
}

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
