//! Where a request comes from: the peer of its connection, or what a proxy that is trusted says of it. A stranger's headers never
//! count, so nobody chooses his address.

use std::net::IpAddr;
use std::sync::Once;
use std::task::{Context, Poll};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Request};
use ipnet::IpNet;
use tower::Service;

use super::error::ApiError;
use super::state::App;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// Leaves the peer with each request of a connection that its handlers may ask about. Merchants' calls are the many, and
    /// nobody asks there.
    pub fn sign<S>(self, inner: S) -> Signed<S> {
        Signed { inner, peer: self }
    }
}

/// A service whose requests come from one peer.
#[derive(Clone, Debug)]
pub struct Signed<S> {
    inner: S,
    peer: Peer,
}

impl<S, B> Service<Request<B>> for Signed<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        if !request.uri().path().starts_with("/v1/") {
            request.extensions_mut().insert(self.peer);
        }
        self.inner.call(request)
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    pub address: IpAddr,
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor
where
    App: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<Peer>().copied();
        let peer = peer.ok_or_else(|| ApiError::internal("a request without a peer"))?;
        let app = App::from_ref(state);
        Ok(Self { address: address(peer.0, &parts.headers, &app.limits.visitors.trusted_proxies) })
    }
}

/// The last address on the way here that no trusted proxy has.
fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let peer = peer.to_canonical();
    if !is_trusted(peer) {
        if headers.contains_key(FORWARDED_FOR) {
            warn_once(peer);
        }
        return peer;
    }
    let way: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let mut nearest = peer;
    for said in way.into_iter().rev() {
        // What cannot be read was written by nobody we trust.
        let Ok(address) = said.parse::<IpAddr>().map(|address| address.to_canonical()) else { break };
        nearest = address;
        if !is_trusted(address) {
            break;
        }
    }
    nearest
}

/// Behind a proxy that is not named as one, all visitors look like one and share one budget.
fn warn_once(peer: IpAddr) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            peer = %peer,
            "requests come with X-Forwarded-For, but their sender is not among --trusted-proxies: all it forwards counts as one visitor"
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_say_where_a_request_comes_from() {
        let table: [(&str, &[&str], &str); 9] = [
            ("203.0.113.7", &[], "203.0.113.7"),
            ("203.0.113.7", &["198.51.100.1"], "203.0.113.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["6.6.6.6, nonsense, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ];
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        for (peer, values, wanted) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(FORWARDED_FOR, value.parse().expect("a header"));
            }
            let found = address(peer.parse().expect("an address"), &headers, &trusted);
            assert_eq!(found.to_string(), wanted, "{peer} {values:?}");
        }
    }
}
