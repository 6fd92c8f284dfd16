//! Campaigns on the wire.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use time::OffsetDateTime;

use super::rules::{self, RewardKind, RewardRule, Rules};
use super::{CampaignChange, NewCampaign, Terms, store};
use crate::accounts::Caller;
use crate::db;
use crate::types::ids::CampaignId;
use crate::types::unit::{Number, Unit};
use crate::web::error::{ApiError, Code};
use crate::web::extract::{Body, Params, PathTexts};
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;
use crate::web::values::{ChosenId, Title};

const CAMPAIGNS: List = List { name: "campaigns", filters: &[] };

/// A campaign as it is answered. `published` and `referral_incentive` are what clients of the compatible API read.
#[derive(Serialize)]
pub struct CampaignOut {
    id: CampaignId,
    name: String,
    destination_url: String,
    archived: bool,
    published: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    referral_incentive: Option<Incentive>,
    rules: Rules,
}

/// The reward as clients of the compatible API read it.
#[derive(Serialize)]
struct Incentive {
    /// The unit, or `percentage`.
    #[serde(rename = "type")]
    kind: String,
    value: Number,
}

impl From<&RewardRule> for Incentive {
    fn from(reward: &RewardRule) -> Self {
        let unit = reward.unit.as_ref().filter(|_| reward.kind == RewardKind::Fixed);
        Self { kind: unit.map_or(reward.kind.as_str(), Unit::as_str).to_owned(), value: reward.value }
    }
}

impl From<Terms> for CampaignOut {
    fn from(Terms { campaign, rules }: Terms) -> Self {
        Self {
            referral_incentive: rules.reward.as_ref().map(Incentive::from),
            rules,
            id: campaign.id,
            name: campaign.name,
            destination_url: campaign.destination_url,
            archived: campaign.archived,
            published: !campaign.archived,
            created_at: campaign.created_at,
        }
    }
}

/// `GET /v1/campaigns`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<PageOut<CampaignOut>>, ApiError> {
    let owned = Owned { account: caller.account.id, zone: &caller.account.zone, within: 0 };
    let walk = params.read(|fields| CAMPAIGNS.read(fields, owned))?;
    let mut conn = app.pool.acquire().await?;
    let found = super::list(&mut conn, caller.account.id, &walk.span()).await?;
    Ok(Json(walk.page(found, CampaignOut::from)))
}

/// `POST /v1/campaigns`
pub async fn create(State(app): State<App>, caller: Caller, body: Body) -> Result<impl IntoResponse, ApiError> {
    let new = body.read(|fields| {
        let id = fields.parse::<ChosenId>("id").map(|id| CampaignId(id.0));
        let name = fields.require::<Title>("name");
        let destination_url = fields.require("destination_url");
        let archived = fields.flag("archived").unwrap_or(false);
        let rules = rules::read(fields, caller.account.currency).unwrap_or_default();
        Some(NewCampaign { id, name: name?.0, destination_url: destination_url?, archived, rules })
    })?;
    let (account, now) = (caller.account.id, app.clock.now());
    let given_id = new.id;
    let created = db::transact(&app.pool, move |conn| Box::pin(super::create(conn, account, new, now))).await?;
    match created {
        Some(terms) => Ok((StatusCode::CREATED, Json(CampaignOut::from(terms)))),
        None => Err(id_taken(given_id)),
    }
}

fn id_taken(id: Option<CampaignId>) -> ApiError {
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    ApiError::new(Code::IdTaken, format!("there is a campaign {id} already; leave the id out to get a free one"))
        .at("id")
}

/// `GET /v1/campaigns/{id}`
pub async fn find(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<Json<CampaignOut>, ApiError> {
    let id = CampaignId(path.id(0).ok_or_else(not_found)?);
    let mut conn = app.pool.acquire().await?;
    let found = store::find(&mut conn, caller.account.id, id).await?;
    found.map(|terms| Json(terms.into())).ok_or_else(not_found)
}

/// `PATCH /v1/campaigns/{id}`
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    body: Body,
) -> Result<Json<CampaignOut>, ApiError> {
    let change = body.read(|fields| {
        Some(CampaignChange {
            name: fields.parse::<Title>("name").map(|title| title.0),
            destination_url: fields.parse("destination_url"),
            archived: fields.flag("archived"),
            rules: rules::read(fields, caller.account.currency),
        })
    })?;
    let id = CampaignId(path.id(0).ok_or_else(not_found)?);
    let (account, now) = (caller.account.id, app.clock.now());
    let changed = db::transact(&app.pool, move |conn| {
        Box::pin(async move { super::change(conn, account, id, &change, now).await })
    });
    changed.await?.map(|terms| Json(terms.into())).ok_or_else(not_found)
}

/// The answer where no campaign has the id.
pub fn not_found() -> ApiError {
    ApiError::new(Code::CampaignNotFound, "there is no such campaign; GET /v1/campaigns lists yours")
}
