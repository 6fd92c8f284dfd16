//! The contract and its interactive page, served from inside the binary: no other host is asked for anything.

use std::sync::LazyLock;

use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use bytes::Bytes;

use super::error::{ApiError, Code};

/// Nothing but our own files; Scalar sets styles from its script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";
const PAGE: &str = include_str!("docs/page.html");
const INIT: &str = include_str!("docs/init.js");

/// The contract as it is written.
pub async fn contract() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/yaml; charset=utf-8")], crate::OPENAPI)
}

/// The page on which the contract can be read and tried.
pub async fn page() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (CSP, CONTENT_SECURITY_POLICY)], PAGE)
}

const CSP: HeaderName = header::CONTENT_SECURITY_POLICY;

/// The few lines that start the page.
pub async fn init() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], INIT)
}

/// Scalar's script. Kept once: each look-up in the crate would copy its megabytes.
pub async fn script() -> Result<impl IntoResponse, ApiError> {
    static SCRIPT: LazyLock<Option<Bytes>> =
        LazyLock::new(|| scalar_api_reference::get_asset("scalar.js").map(Bytes::from));
    let script =
        SCRIPT.clone().ok_or_else(|| ApiError::new(Code::NotFound, "this build has no script for the page"))?;
    Ok((
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=86400")],
        script,
    ))
}
