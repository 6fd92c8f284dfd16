//! Blocking referral codes on the wire: nothing is credited by one that is blocked, nor by the coupon that it holds. Orders that
//! come with them are recorded all the same.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use time::OffsetDateTime;

use super::store;
use crate::accounts::Caller;
use crate::db;
use crate::types::codes::ReferralCode;
use crate::web::error::{ApiError, Code};
use crate::web::extract::PathTexts;
use crate::web::state::App;

/// A referral code, and whether it is blocked.
#[derive(Serialize)]
pub struct BlockedOut {
    referral_code: String,
    blocked: bool,
    #[serde(with = "time::serde::rfc3339::option")]
    blocked_at: Option<OffsetDateTime>,
}

/// `POST /v1/referral_codes/{code}/block`
pub async fn block(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<Json<BlockedOut>, ApiError> {
    set(&app, &caller, &path, true).await
}

/// `POST /v1/referral_codes/{code}/unblock`
pub async fn unblock(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<Json<BlockedOut>, ApiError> {
    set(&app, &caller, &path, false).await
}

async fn set(app: &App, caller: &Caller, path: &PathTexts, is_blocked: bool) -> Result<Json<BlockedOut>, ApiError> {
    let not_found =
        || ApiError::new(Code::ReferralCodeNotFound, "there is no such referral code; coupons have none of their own");
    let code = ReferralCode::try_from(path.get(0)).map_err(|_invalid| not_found())?;
    let (account, now) = (caller.account.id, app.clock.now());
    let blocked: Result<_, ApiError> = db::transact(&app.pool, move |conn| {
        Box::pin(async move { Ok(store::block(conn, account, &code.key(), is_blocked, now).await?) })
    })
    .await;
    let (code, blocked_at) = blocked?.ok_or_else(not_found)?;
    Ok(Json(BlockedOut { referral_code: code.as_str().to_owned(), blocked: blocked_at.is_some(), blocked_at }))
}
