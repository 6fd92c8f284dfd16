//! Trackable links on the wire. Where a link leads comes from its campaign alone, so it cannot be bent.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::store;
use crate::types::codes;
use crate::types::url::with_parameter;
use crate::web::error::{ApiError, Code};
use crate::web::extract::PathTexts;
use crate::web::state::App;

/// What carries the referral code to the shop's page (contract.md 3).
const REF_CODE: &str = "fbuy_ref_code";

/// `GET /{account_alias}/{code}`
pub async fn follow(State(app): State<App>, path: PathTexts) -> Result<impl IntoResponse, ApiError> {
    let mut conn = app.pool.acquire().await?;
    let found = store::find_destination(&mut conn, path.get(0), &codes::fold(path.get(1))).await?;
    let found = found.ok_or_else(|| {
        ApiError::new(Code::NotFound, "this link leads nowhere; ask whoever gave it to you for another")
    })?;
    let location = with_parameter(&found.url, REF_CODE, found.code.as_str());
    Ok((StatusCode::FOUND, [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".to_owned())]))
}
