//! Trackable links on the wire. Where a link leads comes from its campaign alone, so it cannot be bent.

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::clicks::{self, Click, ClickLane};
use super::links::{Keys, Link, Links};
use super::target::{Page, Target};
use crate::types::codes;
use crate::types::text::UserAgent;
use crate::types::visit::Visit;
use crate::web::error::{ApiError, Code};
use crate::web::extract::PathTexts;
use crate::web::state::App;
use crate::web::visitor::Visitor;

/// What is asked of a link, and by whom.
struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    visitor: Visitor,
}

/// `GET /{account_alias}/{code}`
pub async fn follow(
    State(app): State<App>,
    State((links, lane)): State<(Links, ClickLane)>,
    path: PathTexts,
    visitor: Visitor,
    (method, uri, headers): (Method, Uri, HeaderMap),
) -> Result<Response, ApiError> {
    let now = app.clock.now();
    let asked = Asked { method, uri, headers, visitor };
    match links.find(path.get(0), codes::fold(path.get(1)), visitor.address, now).await? {
        Link::Known(target) => match &*target {
            Target::Page(page) => Ok(redirect(lead_on(page, &asked, links.keys(), &lane, now))),
            Target::Spent { why, fallback_url } => in_vain(why, fallback_url.clone()),
        },
        Link::Unknown(fallback_url) => in_vain("unknown", fallback_url),
    }
}

/// Has the click kept, and gives the address that it leads to.
fn lead_on(page: &Page, asked: &Asked, keys: Option<&Keys>, lane: &ClickLane, now: time::OffsetDateTime) -> String {
    let Some(keys) = keys else { return page.address(None, asked.uri.query()) };
    let agent = asked.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    lane.push(Click {
        account_id: page.account_id,
        referral_code_id: page.referral_code_id,
        campaign_id: page.campaign_id,
        clicked_at: now,
        is_bot: clicks::is_bot(&asked.method, &asked.headers),
        user_agent: agent.and_then(|agent| UserAgent::try_from(agent).ok()),
        address_digest: clicks::digest(asked.visitor.address, &keys.addresses),
    });
    let visit = Visit {
        account_id: page.account_id,
        referral_code_id: page.referral_code_id,
        clicked_at: now,
        window_days: page.window_days,
    };
    page.address(Some(&visit.sign(&keys.visits)), asked.uri.query())
}

/// A code that is spent or nobody's.
fn in_vain(why: &'static str, fallback_url: Option<String>) -> Result<Response, ApiError> {
    clicks::count_in_vain(why);
    fallback_url
        .map(redirect)
        .ok_or_else(|| ApiError::new(Code::NotFound, "this link leads nowhere; ask whoever gave it to you for another"))
}

fn redirect(location: String) -> Response {
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".to_owned())];
    (StatusCode::FOUND, headers).into_response()
}
