//! Conversions in lists, and one by one.

use axum::Json;
use axum::extract::State;

use super::show::ConversionOut;
use crate::accounts::Caller;
use crate::conversions::Status;
use crate::conversions::list::{self, Choice, Wanted};
use crate::customers;
use crate::referral_codes::http::{read_campaign, read_codes};
use crate::types::email::Email;
use crate::types::ids::ConversionId;
use crate::web::error::{ApiError, Code};
use crate::web::extract::{Params, PathTexts};
use crate::web::fields::Fields;
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;
use crate::web::values::ListedName;

const CONVERSIONS: List = List {
    name: "conversions",
    filters: &["status", "campaign_id", "referral_code", "coupon_code", "order_id", "email"],
};
const OF_CUSTOMER: List = List { name: "customers/conversions", filters: &["status", "campaign_id"] };

/// `GET /v1/conversions`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<PageOut<ConversionOut>>, ApiError> {
    let account = &*caller.account;
    let owned = Owned { account: account.id, zone: &account.zone, within: 0 };
    let (wanted, walk) = params.read(|fields| {
        let choice = Choice {
            order_id: fields.parse::<ListedName>("order_id").map(|id| id.0),
            email: fields.parse::<Email>("email").map(|email| email.key()),
            campaign_id: read_campaign(fields),
            status: read_status(fields),
            ..Choice::default()
        };
        Some((Wanted { codes: read_codes(fields), choice }, CONVERSIONS.read(fields, owned)?))
    })?;
    let mut conn = app.pool.acquire().await?;
    let found = list::list(&mut conn, account.id, &wanted, &walk.span()).await?;
    Ok(Json(walk.page(found, |conversion| ConversionOut::new(conversion, &app.public_url, account))))
}

/// `GET /v1/customers/{id}/conversions`: those that he referred.
pub async fn list_of_customer(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
) -> Result<Json<PageOut<ConversionOut>>, ApiError> {
    let account = &*caller.account;
    let owned = Owned { account: account.id, zone: &account.zone, within: path.id(0).unwrap_or(0) };
    let (choice, walk) = params.read(|fields| {
        let (campaign_id, status) = (read_campaign(fields), read_status(fields));
        Some((Choice { campaign_id, status, ..Choice::default() }, OF_CUSTOMER.read(fields, owned)?))
    })?;
    let mut conn = app.pool.acquire().await?;
    let advocate_id = Some(customers::http::find_named(&mut conn, account.id, &path).await?);
    let wanted = Wanted { choice: Choice { advocate_id, ..choice }, ..Wanted::default() };
    let found = list::list(&mut conn, account.id, &wanted, &walk.span()).await?;
    Ok(Json(walk.page(found, |conversion| ConversionOut::new(conversion, &app.public_url, account))))
}

/// `GET /v1/conversions/{id}`
pub async fn find(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<Json<ConversionOut>, ApiError> {
    let account = &*caller.account;
    let not_found =
        || ApiError::new(Code::ConversionNotFound, "there is no such conversion; GET /v1/conversions lists yours");
    let id = ConversionId(path.id(0).ok_or_else(not_found)?);
    let mut conn = app.pool.acquire().await?;
    let found = list::find_all(&mut conn, account.id, &[id]).await?.into_iter().next().ok_or_else(not_found)?;
    Ok(Json(ConversionOut::new(found, &app.public_url, account)))
}

fn read_status(fields: &Fields<'_>) -> Option<&'static str> {
    let text = fields.text("status")?;
    let status = Status::named(&text).map(Status::as_str);
    if status.is_none() {
        fields.fault("status", "invalid_parameter", "must be pending, approved or rejected");
    }
    status
}
