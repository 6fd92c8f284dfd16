//! Tidies the path before routing: real clients send `/v1//referral_codes`, slashes at the end, and no version. Never
//! redirects.

use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// What the version of the API is called in a path.
const VERSION: &str = "v1";

/// Collapses runs of slashes, drops one at the end, and adds the version where the first segment is one of `versioned`.
/// Encoded slashes are text and stay.
pub fn tidy<B>(mut request: axum::http::Request<B>, versioned: &[&str]) -> axum::http::Request<B> {
    if let Some(tidied) = tidied(request.uri(), versioned) {
        *request.uri_mut() = tidied;
    }
    request
}

fn tidied(uri: &Uri, versioned: &[&str]) -> Option<Uri> {
    let path = uri.path();
    let first = path.split('/').find(|segment| !segment.is_empty()).unwrap_or_default();
    let lacks_version = versioned.contains(&first);
    let is_tidy = path.len() <= 1 || !(path.contains("//") || path.ends_with('/'));
    if is_tidy && !lacks_version {
        return None;
    }
    let version = lacks_version.then_some(VERSION).into_iter();
    let segments: Vec<&str> = version.chain(path.split('/').filter(|segment| !segment.is_empty())).collect();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("/{}{query}", segments.join("/")).parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_collapsed_the_version_is_added_and_nothing_else_changes() {
        let table = [
            ("/v1//purchases", "/v1/purchases"),
            ("/v1/purchases/", "/v1/purchases"),
            ("//v1///purchases//?a=//", "/v1/purchases?a=//"),
            ("/", "/"),
            ("//", "/"),
            ("/v1/purchases/a%2F%2Fb", "/v1/purchases/a%2F%2Fb"),
            ("/V1/x/..", "/V1/x/.."),
            ("/purchases", "/v1/purchases"),
            ("//purchases/281/?a=purchases", "/v1/purchases/281?a=purchases"),
            ("/acme/purchases", "/acme/purchases"),
            ("/purchases2", "/purchases2"),
        ];
        for (raw, tidy) in table {
            let uri: Uri = raw.parse().expect(raw);
            assert_eq!(tidied(&uri, &["purchases"]).unwrap_or(uri).to_string(), tidy);
        }
    }
}
