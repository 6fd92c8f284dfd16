//! The settings of a campaign's links on the wire.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::{CLICKS_MAX, LinkSettings, Put, StoredSettings};
use crate::accounts::Caller;
use crate::campaigns::http::not_found;
use crate::db::{self, Fault};
use crate::types::ids::{CampaignId, CouponBankId};
use crate::types::text::Name;
use crate::web::error::{ApiError, Code};
use crate::web::extract::{Body, PathTexts};
use crate::web::fields::{Fields, WireId};
use crate::web::state::App;
use crate::web::values::Quantity;

/// The settings as they are answered; null where the campaign says nothing.
#[derive(Serialize)]
pub struct LinksOut {
    utm_source: Option<String>,
    utm_medium: Option<String>,
    utm_campaign: Option<String>,
    fallback_url: Option<String>,
    clicks_max: Option<i32>,
    keep: &'static str,
    widget_coupon_bank_id: Option<CouponBankId>,
}

impl From<StoredSettings> for LinksOut {
    fn from(settings: StoredSettings) -> Self {
        Self {
            utm_source: settings.utm_source,
            utm_medium: settings.utm_medium,
            utm_campaign: settings.utm_campaign,
            fallback_url: settings.fallback_url,
            clicks_max: settings.clicks_max,
            keep: if settings.keeps_first_click { "first" } else { "newest" },
            widget_coupon_bank_id: settings.widget_coupon_bank_id,
        }
    }
}

/// `GET /v1/campaigns/{id}/links`
pub async fn find(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<Json<LinksOut>, ApiError> {
    let id = CampaignId(path.id(0).ok_or_else(not_found)?);
    let mut conn = app.pool.acquire().await?;
    let found = super::find(&mut conn, caller.account.id, id).await?;
    found.map(|settings| Json(settings.into())).ok_or_else(not_found)
}

/// `PUT /v1/campaigns/{id}/links`
pub async fn put(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    body: Body,
) -> Result<Json<LinksOut>, ApiError> {
    let settings = body.read(read)?;
    let (account, id) = (caller.account.id, CampaignId(path.id(0).ok_or_else(not_found)?));
    let put: Result<Put, Fault> = db::transact(&app.pool, move |conn| {
        Box::pin(async move { Ok(super::put(conn, account, id, &settings).await?) })
    })
    .await;
    match put? {
        Put::Done(settings) => Ok(Json(settings.into())),
        Put::CampaignNotFound => Err(not_found()),
        Put::CouponBankNotFound => {
            let message = "there is no such coupon bank; GET /v1/coupon_banks lists yours";
            Err(ApiError::new(Code::CouponBankNotFound, message).at("widget_coupon_bank_id"))
        }
    }
}

fn read(fields: &Fields<'_>) -> Option<LinkSettings> {
    let text = |key: &str| fields.parse::<Name>(key).filter(|name| !name.is_blank());
    let bank = fields.reference::<WireId>("widget_coupon_bank_id");
    let clicks_max = fields.parse::<Quantity>("clicks_max").map(|clicks| clicks.0);
    if clicks_max.is_some_and(|clicks| !(1..=CLICKS_MAX).contains(&clicks)) {
        fields.fault("clicks_max", "out_of_range", format!("must be a whole number from 1 to {CLICKS_MAX}"));
    }
    let keep = fields.text("keep").filter(|text| !text.is_empty());
    if keep.as_deref().is_some_and(|keep| keep != "first" && keep != "newest") {
        fields.fault("keep", "invalid_value", "must be first or newest");
    }
    Some(LinkSettings {
        utm_source: text("utm_source"),
        utm_medium: text("utm_medium"),
        utm_campaign: text("utm_campaign"),
        fallback_url: fields.parse("fallback_url"),
        clicks_max: clicks_max.and_then(|clicks| i32::try_from(clicks).ok()),
        keeps_first_click: keep.as_deref() == Some("first"),
        // An id that cannot be ours names nothing.
        widget_coupon_bank_id: bank.map(|bank| CouponBankId(bank.known().unwrap_or(0))),
    })
}
