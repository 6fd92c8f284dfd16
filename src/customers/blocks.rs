//! Blocking customers on the wire: nothing is credited to one who is blocked, by any of his codes. Orders that come with them are
//! recorded all the same.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use time::OffsetDateTime;

use super::{CustomerOut, store};
use crate::accounts::Caller;
use crate::db;
use crate::types::ids::CustomerId;
use crate::web::error::{ApiError, Code};
use crate::web::extract::PathTexts;
use crate::web::state::App;

/// A customer, and whether he is blocked.
#[derive(Serialize)]
pub struct BlockedOut {
    customer: CustomerOut,
    blocked: bool,
    #[serde(with = "time::serde::rfc3339::option")]
    blocked_at: Option<OffsetDateTime>,
}

/// `POST /v1/customers/{id}/block`
pub async fn block(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<Json<BlockedOut>, ApiError> {
    set(&app, &caller, &path, true).await
}

/// `POST /v1/customers/{id}/unblock`
pub async fn unblock(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<Json<BlockedOut>, ApiError> {
    set(&app, &caller, &path, false).await
}

async fn set(app: &App, caller: &Caller, path: &PathTexts, is_blocked: bool) -> Result<Json<BlockedOut>, ApiError> {
    let not_found = || {
        ApiError::new(
            Code::CustomerNotFound,
            "there is no customer with this number; it is the id in answers, not your own",
        )
    };
    let id = CustomerId(path.id(0).ok_or_else(not_found)?);
    let (account, now) = (caller.account.id, app.clock.now());
    let blocked: Result<_, ApiError> = db::transact(&app.pool, move |conn| {
        Box::pin(async move { Ok(store::block(conn, account, id, is_blocked, now).await?) })
    })
    .await;
    let (customer, blocked_at) = blocked?.ok_or_else(not_found)?;
    Ok(Json(BlockedOut { customer: customer.into(), blocked: blocked_at.is_some(), blocked_at }))
}
