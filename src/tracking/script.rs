//! The scripts of shops' pages, from bytes inside the program. They are built in `js` and do not change while the program runs.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// A script, and the tag by which a browser knows whether it has it.
struct Script {
    bytes: &'static [u8],
    tag: LazyLock<String>,
}

static TRACKER: Script =
    Script { bytes: include_bytes!("../../js/dist/goodword.js"), tag: LazyLock::new(|| TRACKER.digest()) };
static WIDGET: Script =
    Script { bytes: include_bytes!("../../js/dist/widget.js"), tag: LazyLock::new(|| WIDGET.digest()) };
/// Pages of shops that never change their snippet get a new script within an hour.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// `GET /js/friendbuy.min.js` and `GET /js/goodword.js`
pub async fn serve(headers: HeaderMap) -> Response {
    TRACKER.answer(&headers)
}

/// `GET /js/widget.js`, which the other asks for where a page has a place for it.
pub async fn serve_widget(headers: HeaderMap) -> Response {
    WIDGET.answer(&headers)
}

impl Script {
    fn digest(&self) -> String {
        format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(self.bytes)[..16]))
    }

    fn answer(&'static self, headers: &HeaderMap) -> Response {
        let tag = self.tag.as_str();
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
        (kept, script, self.bytes).into_response()
    }
}
