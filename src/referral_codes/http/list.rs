//! Referral codes in lists, and one by one. Never with PINs.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sqlx::PgConnection;

use super::ReferralCodeOut;
use crate::accounts::Caller;
use crate::customers;
use crate::referral_codes::list::{self, Codes, Wanted};
use crate::referral_codes::{Issued, store};
use crate::types::codes::{CodeKey, RecordedCode, fold};
use crate::types::ids::{AccountId, CampaignId};
use crate::web::error::{ApiError, Code};
use crate::web::extract::{Params, PathTexts};
use crate::web::fields::Fields;
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;
use crate::web::values::{ListedId, ListedName};

const REFERRAL_CODES: List = List {
    name: "referral_codes",
    filters: &["campaign_id", "referral_code", "coupon_code", "customer_id", "account_id", "email"],
};
const OF_CUSTOMER: List = List { name: "customers/referral_codes", filters: &["campaign_id"] };

/// `GET /v1/referral_codes`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<PageOut<ReferralCodeOut>>, ApiError> {
    let account = &*caller.account;
    let owned = Owned { account: account.id, zone: &account.zone, within: 0 };
    let (wanted, walk) = params.read(|fields| {
        let wanted = Wanted {
            codes: read_codes(fields),
            customer_id: fields.parse::<ListedId>("customer_id").map(|id| id.0.into()),
            external_id: fields.parse::<ListedName>("account_id").map(|id| id.0),
            email: fields.parse("email"),
            campaign_id: read_campaign(fields),
        };
        Some((wanted, REFERRAL_CODES.read(fields, owned)?))
    })?;
    let mut conn = app.pool.acquire().await?;
    let found = list::list(&mut conn, account.id, &wanted, &walk.span()).await?;
    Ok(Json(walk.page(found, |issued| ReferralCodeOut::listed(issued, &app.public_url, account))))
}

/// `GET /v1/customers/{id}/referral_codes`
pub async fn list_of_customer(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
) -> Result<Json<PageOut<ReferralCodeOut>>, ApiError> {
    let account = &*caller.account;
    let owned = Owned { account: account.id, zone: &account.zone, within: path.id(0).unwrap_or(0) };
    let (campaign_id, walk) = params.read(|fields| {
        let campaign_id = read_campaign(fields);
        Some((campaign_id, OF_CUSTOMER.read(fields, owned)?))
    })?;
    let mut conn = app.pool.acquire().await?;
    let customer_id = Some(customers::http::find_named(&mut conn, account.id, &path).await?);
    let wanted = Wanted { customer_id, campaign_id, ..Wanted::default() };
    let found = list::list(&mut conn, account.id, &wanted, &walk.span()).await?;
    Ok(Json(walk.page(found, |issued| ReferralCodeOut::listed(issued, &app.public_url, account))))
}

/// `GET /v1/referral_codes/{code}`
pub async fn find(State(app): State<App>, caller: Caller, path: PathTexts) -> Result<Json<FoundOut>, ApiError> {
    let account = &*caller.account;
    let mut conn = app.pool.acquire().await?;
    let found = find_named(&mut conn, account.id, &path).await?;
    let (clicks, bot_clicks) = store::count_clicks(&mut conn, account.id, found.id).await?;
    Ok(Json(FoundOut { code: ReferralCodeOut::listed(found, &app.public_url, account), clicks, bot_clicks }))
}

/// One referral code as it is answered, with how often its link was clicked.
#[derive(Serialize)]
pub struct FoundOut {
    #[serde(flatten)]
    code: ReferralCodeOut,
    clicks: i64,
    bot_clicks: i64,
}

/// Finds the referral code that a path names.
pub async fn find_named(conn: &mut PgConnection, account: AccountId, path: &PathTexts) -> Result<Issued, ApiError> {
    let not_found = || {
        ApiError::new(Code::ReferralCodeNotFound, "nobody has this referral code; a coupon code is found by /v1/lookup")
    };
    let codes = Codes { referral_code: Some(fold(path.get(0))), coupon_code: None };
    let Ok(Some(id)) = list::resolve(conn, account, &codes).await? else { return Err(not_found()) };
    list::find_all(conn, account, &[id]).await?.into_iter().next().ok_or_else(not_found)
}

/// Reads `campaign_id`.
pub fn read_campaign(fields: &Fields<'_>) -> Option<CampaignId> {
    fields.parse::<ListedId>("campaign_id").map(|id| CampaignId(id.0))
}

/// Reads `referral_code` and `coupon_code`, in any case.
pub fn read_codes(fields: &Fields<'_>) -> Codes {
    let key = |name: &str| -> Option<CodeKey> {
        let key = fields.parse::<RecordedCode>(name)?.key();
        if key.is_none() {
            fields.fault(name, "invalid_code", "must not be blank; leave it out to see all");
        }
        key
    };
    Codes { referral_code: key("referral_code"), coupon_code: key("coupon_code") }
}
