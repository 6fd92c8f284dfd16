//! Purchases in lists.

use axum::Json;
use axum::extract::State;

use super::show::PurchaseOut;
use crate::accounts::Caller;
use crate::purchases::list::{self, Choice, Wanted};
use crate::referral_codes::http::{read_campaign, read_codes};
use crate::types::email::Email;
use crate::web::error::ApiError;
use crate::web::extract::Params;
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;
use crate::web::values::ListedName;

const PURCHASES: List = List {
    name: "purchases",
    filters: &["order_id", "email", "account_id", "referral_code", "coupon_code", "campaign_id"],
};

/// `GET /v1/purchases`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<PageOut<PurchaseOut>>, ApiError> {
    let owned = Owned { account: caller.account.id, zone: &caller.account.zone, within: 0 };
    let (wanted, walk) = params.read(|fields| {
        let choice = Choice {
            order_id: fields.parse::<ListedName>("order_id").map(|id| id.0),
            email: fields.parse::<Email>("email").map(|email| email.key()),
            external_id: fields.parse::<ListedName>("account_id").map(|id| id.0),
            campaign_id: read_campaign(fields),
            ..Choice::default()
        };
        Some((Wanted { codes: read_codes(fields), choice }, PURCHASES.read(fields, owned)?))
    })?;
    let mut conn = app.pool.acquire().await?;
    let found = list::list(&mut conn, caller.account.id, &wanted, &walk.span()).await?;
    Ok(Json(walk.page(found, PurchaseOut::from)))
}
