//! Who calls from a browser: the site that its page names, from an origin of that site, within the budget of its address. All others
//! are turned away, and for what is only reported in the words of success: an answer tells a stranger nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::budgets::Budgets;
use crate::accounts::cache::KeyCache;
use crate::accounts::sites::Site;
use crate::telemetry::Counters;
use crate::types::text::UserAgent;
use crate::web::error::{ApiError, Code};
use crate::web::extract::PathTexts;
use crate::web::state::App;
use crate::web::visitor::Visitor;

static CALLS: Counters = Counters::new("goodword_page_calls_total", "outcome");

/// A page that may call.
pub struct Page {
    pub site: Arc<Site>,
    pub visitor: Visitor,
    pub user_agent: Option<UserAgent>,
    origin: HeaderValue,
}

/// Why a page was turned away.
pub enum TurnedAway {
    UnknownSite,
    ForeignOrigin,
    OverBudget(Duration),
    /// Nothing was looked up.
    Failed(ApiError),
}

impl<S: Send + Sync> FromRequestParts<S> for Page
where
    App: FromRef<S>,
    KeyCache: FromRef<S>,
    Budgets: FromRef<S>,
{
    type Rejection = TurnedAway;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, TurnedAway> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        Budgets::from_ref(state).take_call(visitor.address).map_err(TurnedAway::OverBudget)?;
        let path = PathTexts::from_request_parts(parts, state).await?;
        let found = KeyCache::from_ref(state).find_site(path.get(0)).await.map_err(ApiError::from)?;
        let site = found.ok_or(TurnedAway::UnknownSite)?;
        let origin = parts.headers.get(header::ORIGIN).cloned().ok_or(TurnedAway::ForeignOrigin)?;
        if !origin.to_str().is_ok_and(|origin| site.admits(origin)) {
            return Err(TurnedAway::ForeignOrigin);
        }
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|name| name.to_str().ok());
        let user_agent = user_agent.and_then(|name| UserAgent::try_from(name).ok());
        Ok(Self { site, visitor, user_agent, origin })
    }
}

impl From<ApiError> for TurnedAway {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl TurnedAway {
    /// Counts it, and gives what somebody is told who expects an answer.
    pub fn aloud(self) -> Response {
        self.count();
        match self {
            Self::UnknownSite | Self::ForeignOrigin => {
                ApiError::new(Code::NotFound, "no site that may be called from this page has this key").into_response()
            }
            Self::OverBudget(wait) => over_budget(wait),
            Self::Failed(error) => error.into_response(),
        }
    }

    fn count(&self) {
        CALLS.count(match self {
            Self::UnknownSite => "unknown_site",
            Self::ForeignOrigin => "foreign_origin",
            Self::OverBudget(_) => "over_budget",
            Self::Failed(_) => "failed",
        });
    }
}

/// Counts it and says what success says, but that the browser may not hand it to the page. Only a fault of ours is told, so that the
/// page reports again.
impl IntoResponse for TurnedAway {
    fn into_response(self) -> Response {
        self.count();
        match self {
            Self::Failed(error) => error.into_response(),
            _ => (StatusCode::NO_CONTENT, [(header::VARY, ORIGIN)]).into_response(),
        }
    }
}

/// The refusal of who has used up a budget.
pub fn over_budget(wait: Duration) -> Response {
    let seconds = HeaderValue::from(wait.as_secs() + 1);
    let error = ApiError::new(Code::RateLimited, "too many requests from your address; wait, and send it again");
    ([(header::RETRY_AFTER, seconds)], error).into_response()
}

const ORIGIN: HeaderValue = HeaderValue::from_static("Origin");

impl Page {
    /// Counts the call, and lets the page's browser hand the answer to the page.
    pub fn answer(&self, done: Result<impl IntoResponse, ApiError>) -> Response {
        CALLS.count(if done.is_ok() { "taken" } else { "refused" });
        let mut response = done.into_response();
        self.allow(response.headers_mut());
        response
    }

    fn allow(&self, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        headers.append(header::VARY, ORIGIN);
    }
}

/// `OPTIONS /t/{site}/...`: what a browser asks before a call that no form could make.
pub async fn may_call(page: Page) -> Response {
    let allowed: [(HeaderName, HeaderValue); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST")),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type")),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
    ];
    page.answer(Ok((StatusCode::NO_CONTENT, allowed)))
}
