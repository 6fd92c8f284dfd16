//! Shares on the wire (contract.md 1.5), and how pages report them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use super::{Choice, NETWORKS, NewShare, Share, store};
use crate::accounts::Caller;
use crate::customers::{self, CustomerOut};
use crate::db::{self, Fault};
use crate::referral_codes::http::CampaignName;
use crate::tracking::page::Page;
use crate::types::codes::RecordedCode;
use crate::types::email::Email;
use crate::types::ids::ShareId;
use crate::types::text::Name;
use crate::web::error::{ApiError, Code};
use crate::web::extract::{PageBody, Params, PathTexts};
use crate::web::fields::Fields;
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;

const SHARES: List = List { name: "shares", filters: &[] };
const OF_CUSTOMER: List = List { name: "customers/shares", filters: &[] };

/// Shares that are stored at once. Strangers send them: they must not take all connections.
static STORING: Semaphore = Semaphore::const_new(4);

/// `POST /t/{site}/shares`: answered at once, for to store it would take longer than not to, and tell whether the code exists.
pub async fn track(State(app): State<App>, page: Page, body: Result<PageBody, ApiError>) -> Response {
    let read = body.and_then(|body| body.read(|fields| read(fields, &page)));
    page.answer(read.map(|share| {
        let (pool, now) = (app.pool.clone(), app.clock.now());
        let Ok(place) = STORING.try_acquire() else {
            tracing::warn!("a share is not kept: too many come at once");
            return StatusCode::NO_CONTENT;
        };
        tokio::spawn(async move {
            let _place = place;
            let stored: Result<(), Fault> =
                db::transact(&pool, move |conn| Box::pin(async move { Ok(store::insert(conn, &share, now).await?) }))
                    .await;
            if let Err(fault) = stored {
                tracing::warn!(error.cause = %fault, "a share is not kept");
            }
        });
        StatusCode::NO_CONTENT
    }))
}

fn read(fields: &Fields<'_>, page: &Page) -> Option<NewShare> {
    let code = fields.require::<RecordedCode>("referral_code");
    let network = fields.require::<String>("network");
    if network.as_deref().is_some_and(|network| !NETWORKS.contains(&network)) {
        fields.fault("network", "invalid_value", format!("must be one of {}", NETWORKS.join(", ")));
    }
    let message = fields.parse::<Name>("message").filter(|message| !message.is_blank());
    let email = fields.parse::<Email>("email");
    Some(NewShare {
        account_id: page.site.account.id,
        key: code?.key(),
        network: network?,
        message,
        email,
        ip_address: page.visitor.address,
    })
}

/// A share as it is answered. What only social networks know is null.
#[derive(Serialize)]
pub struct ShareOut {
    id: ShareId,
    referral_code: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    detail_uri: String,
    email: Option<Email>,
    name: Option<String>,
    ip_address: String,
    facebook_friends_count: Option<i64>,
    twitter_followers_count: Option<i64>,
    message: MessageOut,
    campaign: CampaignName,
    email_recipients: Vec<Email>,
    sharer: SharerOut,
}

#[derive(Serialize)]
struct MessageOut {
    content: Option<String>,
    network: String,
}

#[derive(Serialize)]
struct SharerOut {
    customer: CustomerOut,
    name: Option<String>,
    email: Option<Email>,
    facebook_friends_count: Option<i64>,
    twitter_followers_count: Option<i64>,
}

impl ShareOut {
    fn new(share: Share, public_url: &str) -> Self {
        let names = [&share.advocate.first_name, &share.advocate.last_name];
        let name = names.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
        let name = Some(name).filter(|name| !name.is_empty());
        let email = share.advocate.email.clone();
        Self {
            detail_uri: format!("{public_url}/v1/shares/{}", share.id),
            id: share.id,
            referral_code: share.referral_code.as_str().to_owned(),
            created_at: share.created_at,
            email: email.clone(),
            name: name.clone(),
            ip_address: share.ip_address,
            facebook_friends_count: None,
            twitter_followers_count: None,
            message: MessageOut { content: share.message, network: share.network },
            campaign: CampaignName { id: share.campaign_id, name: share.campaign_name },
            email_recipients: share.email.into_iter().collect(),
            sharer: SharerOut {
                customer: share.advocate.into(),
                name,
                email,
                facebook_friends_count: None,
                twitter_followers_count: None,
            },
        }
    }
}

/// `GET /v1/shares`
pub async fn list(State(app): State<App>, caller: Caller, params: Params) -> Result<Json<PageOut<ShareOut>>, ApiError> {
    let owned = Owned { account: caller.account.id, zone: &caller.account.zone, within: 0 };
    let walk = params.read(|fields| SHARES.read(fields, owned))?;
    let mut conn = app.pool.acquire().await?;
    let found = super::list(&mut conn, caller.account.id, &Choice::default(), &walk.span()).await?;
    Ok(Json(walk.page(found, |share| ShareOut::new(share, &app.public_url))))
}

/// `GET /v1/customers/{id}/shares`
pub async fn list_of_customer(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
) -> Result<Json<PageOut<ShareOut>>, ApiError> {
    let owned = Owned { account: caller.account.id, zone: &caller.account.zone, within: path.id(0).unwrap_or(0) };
    let walk = params.read(|fields| OF_CUSTOMER.read(fields, owned))?;
    let mut conn = app.pool.acquire().await?;
    let choice = Choice { customer_id: Some(customers::http::find_named(&mut conn, caller.account.id, &path).await?) };
    let found = super::list(&mut conn, caller.account.id, &choice, &walk.span()).await?;
    Ok(Json(walk.page(found, |share| ShareOut::new(share, &app.public_url))))
}

/// `GET /v1/shares/{id}`
pub async fn find(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<Json<ShareOut>, ApiError> {
    let not_found = || ApiError::new(Code::ShareNotFound, "there is no such share; GET /v1/shares lists yours");
    let id = ShareId(path.id(0).ok_or_else(not_found)?);
    let found = store::find_all(&mut *app.pool.acquire().await?, caller.account.id, &[id]).await?;
    found.into_iter().next().map(|share| Json(ShareOut::new(share, &app.public_url))).ok_or_else(not_found)
}
