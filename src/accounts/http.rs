//! Who is calling: checks the Basic credentials of every `/v1` request before anything else is said about it.

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum_extra::headers::HeaderMapExt;
use axum_extra::headers::authorization::{Authorization, Basic};
use secrecy::SecretString;

use super::cache::KeyCache;
use super::{Caller, keys};
use crate::types::ids::AccountId;
use crate::web::error::{ApiError, Code};
use crate::web::frame::Gate;

/// Lets requests with right credentials through. All others get 401, whatever they asked for.
impl Gate for KeyCache {
    async fn admit(&self, request: &mut Request) -> Result<Option<AccountId>, ApiError> {
        let caller = identify(self, request.headers()).await?;
        let account = caller.account.id;
        request.extensions_mut().insert(caller);
        Ok(Some(account))
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

    /// Gives the caller whom the gate let in.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ApiError::internal("a route without authentication asks for its caller"))
    }
}
