//! The script of shops' pages, from bytes inside the program. It is built in `js` and does not change while the program runs.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

const SCRIPT: &[u8] = include_bytes!("../../js/dist/goodword.js");
/// Pages of shops that never change their snippet get a new script within an hour.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// `GET /js/friendbuy.min.js` and `GET /js/goodword.js`
pub async fn serve(headers: HeaderMap) -> Response {
    static ETAG: LazyLock<String> = LazyLock::new(|| format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(SCRIPT)[..16])));
    let tag = ETAG.as_str();
    let is_known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|known| known.trim().trim_start_matches("W/") == tag));
    let kept = [(header::CACHE_CONTROL, CACHE_CONTROL), (header::ETAG, HeaderValue::from_static(tag))];
    if is_known {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    let script = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")),
        // For pages that load it with `crossorigin`, to be told of its errors.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (kept, script, SCRIPT).into_response()
}
