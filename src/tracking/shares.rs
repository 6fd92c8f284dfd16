//! Shares that widgets report.

use axum::http::StatusCode;
use axum::response::Response;

use super::page::Page;
use crate::types::codes::RecordedCode;
use crate::web::error::ApiError;
use crate::web::extract::PageBody;

/// `POST /t/{site}/shares`
pub async fn track(page: Page, body: Result<PageBody, ApiError>) -> Response {
    let read = body.and_then(|body| body.read(|fields| fields.require::<RecordedCode>("referral_code")));
    page.answer(read.map(|_code| StatusCode::NO_CONTENT))
}
