//! Tidies the path before routing: real clients send `/v1//referral_codes` and slashes at the end. Never redirects.

use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// Collapses runs of slashes and drops one at the end. Encoded slashes are text and stay.
pub fn tidy<B>(mut request: axum::http::Request<B>) -> axum::http::Request<B> {
    if let Some(tidied) = tidied(request.uri()) {
        *request.uri_mut() = tidied;
    }
    request
}

fn tidied(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let is_tidy = path.len() <= 1 || !(path.contains("//") || path.ends_with('/'));
    if is_tidy {
        return None;
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("/{}{query}", segments.join("/")).parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_collapsed_and_nothing_else() {
        let table = [
            ("/v1//purchases", "/v1/purchases"),
            ("/v1/purchases/", "/v1/purchases"),
            ("//v1///purchases//?a=//", "/v1/purchases?a=//"),
            ("/", "/"),
            ("//", "/"),
            ("/v1/purchases/a%2F%2Fb", "/v1/purchases/a%2F%2Fb"),
            ("/V1/x/..", "/V1/x/.."),
        ];
        for (raw, tidy) in table {
            let uri: Uri = raw.parse().expect(raw);
            assert_eq!(tidied(&uri).unwrap_or(uri).to_string(), tidy);
        }
    }
}
