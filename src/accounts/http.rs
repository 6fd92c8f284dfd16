//! Who is calling: checks the Basic credentials of every `/v1` request before anything else is said about it.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_extra::headers::HeaderMapExt;
use axum_extra::headers::authorization::{Authorization, Basic};
use secrecy::SecretString;

use super::cache::KeyCache;
use super::{Caller, keys};
use crate::web::error::{ApiError, Code};

/// Lets a request with right credentials through, and says who it is. All others get 401, whatever they asked for.
pub async fn authenticate(State(cache): State<KeyCache>, mut request: Request, next: Next) -> Response {
    match identify(&cache, request.headers()).await {
        Ok(caller) => {
            let account = caller.account.id;
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            // For the log.
            response.extensions_mut().insert(account);
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn identify(cache: &KeyCache, headers: &HeaderMap) -> Result<Caller, ApiError> {
    if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        return Err(ApiError::new(Code::BadHeader, "there are two Authorization headers; send one").at("Authorization"));
    }
    let unauthenticated =
        || ApiError::new(Code::Unauthenticated, "send your access key and secret key by HTTP Basic authentication");
    let basic = headers.typed_get::<Authorization<Basic>>().ok_or_else(unauthenticated)?;
    let presented = SecretString::from(basic.password());
    // Text that cannot be stored cannot be looked up either.
    let holder = if basic.username().contains('\0') { None } else { cache.find(basic.username()).await? };
    let matches = keys::matches(&presented, holder.as_ref().map(|holder| holder.secret_sha256.as_slice()));
    match holder {
        Some(holder) if matches => Ok(Caller { account: holder.account.clone() }),
        _ => Err(unauthenticated()),
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    /// Gives the caller that [`authenticate`] found.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ApiError::internal("a route without authentication asks for its caller"))
    }
}
