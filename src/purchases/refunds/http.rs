//! Refunds and cancellations on the wire.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rust_decimal::Decimal;
use serde::Serialize;
use time::OffsetDateTime;

use super::{Balance, Refund, RefundToRecord, Refunded, store};
use crate::accounts::Caller;
use crate::db;
use crate::purchases::http::{IDEMPOTENT_REPLAYED, not_found, read_key};
use crate::rewards::http::RewardOut;
use crate::types::money::{Currency, InvalidAmount, Money};
use crate::types::unit::parse_above_zero;
use crate::web::error::{ApiError, Code};
use crate::web::extract::{Body, Params, PathTexts};
use crate::web::fields::Fields;
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;
use crate::web::values::{NumberText, Title};

const REFUNDS: List = List { name: "purchases/refunds", filters: &[] };

/// A refund as it is answered.
#[derive(Serialize)]
pub struct RefundOut {
    id: String,
    amount: Money,
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl RefundOut {
    fn new(refund: Refund, currency: Currency) -> Self {
        Self {
            id: refund.id.as_str().to_owned(),
            amount: Money::stored(refund.amount, currency),
            reason: refund.reason,
            created_at: refund.created_at,
        }
    }
}

/// What is left of an order, and what its advocate is owed for it.
#[derive(Serialize)]
pub struct BalanceOut {
    order_id: String,
    source: String,
    total: Money,
    currency: Currency,
    refunded: Money,
    left: Money,
    #[serde(with = "time::serde::rfc3339::option")]
    cancelled_at: Option<OffsetDateTime>,
    reward: Option<RewardOut>,
}

impl From<Balance> for BalanceOut {
    fn from(balance: Balance) -> Self {
        let money = |amount| Money::stored(amount, balance.currency);
        Self {
            order_id: balance.key.order_id.as_str().to_owned(),
            source: balance.key.source,
            total: money(balance.left.total),
            currency: balance.currency,
            refunded: money(balance.left.refunded),
            left: money(balance.left.amount()),
            cancelled_at: balance.cancelled_at,
            reward: balance.reward.map(RewardOut::from),
        }
    }
}

/// A refund, and what it leaves.
#[derive(Serialize)]
struct RefundedOut {
    refund: RefundOut,
    purchase: BalanceOut,
}

/// `POST /v1/purchases/{order_id}/refunds`
pub async fn refund(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
    body: Body,
) -> Result<Response, ApiError> {
    let new = body.read(read)?;
    let key = read_key(caller.account.id, &path, &params)?;
    let now = app.clock.now();
    let refunded: Result<_, ApiError> =
        db::transact(&app.pool, move |conn| Box::pin(async move { Ok(super::refund(conn, &key, &new, now).await?) }))
            .await;
    match refunded? {
        Refunded::New(refund, balance) => Ok((StatusCode::CREATED, shown(refund, *balance)).into_response()),
        Refunded::Replayed(refund, balance) => {
            Ok((StatusCode::OK, [(IDEMPOTENT_REPLAYED, "true")], shown(refund, *balance)).into_response())
        }
        Refunded::Conflict(fields) => {
            let differs = fields.join(" and ");
            let message =
                format!("another refund is recorded under this id; it differs in {differs}; nothing was changed");
            Err(ApiError::new(Code::RefundConflict, message).at("id").with("fields", serde_json::json!(fields)))
        }
        Refunded::TooMuch(left) => {
            let message = format!("only {left} is left of this order; nothing was changed");
            Err(ApiError::new(Code::RefundTooLarge, message).at("amount"))
        }
        Refunded::TooManyDecimals(_) => {
            let message = "amount has more decimals than the order's currency";
            Err(ApiError::new(Code::TooManyDecimals, message).at("amount"))
        }
        Refunded::PurchaseNotFound => Err(not_found()),
    }
}

fn shown(refund: Refund, balance: Balance) -> Json<RefundedOut> {
    Json(RefundedOut { refund: RefundOut::new(refund, balance.currency), purchase: balance.into() })
}

fn read(fields: &Fields<'_>) -> Option<RefundToRecord> {
    let id = fields.require("id");
    let amount = fields.parse::<NumberText>("amount").and_then(|NumberText(text)| amount(fields, &text));
    let reason = fields.parse::<Title>("reason").map(|reason| reason.0);
    Some(RefundToRecord { id: id?, amount, reason })
}

fn amount(fields: &Fields<'_>, text: &str) -> Option<Decimal> {
    let refuse = |fault: InvalidAmount| match fault {
        InvalidAmount::OutOfRange => fields.fault("amount", "out_of_range", "must be more than 0"),
        _ => fields.fault("amount", "invalid_amount", "is not an amount; write digits with a point, such as 12.50"),
    };
    parse_above_zero(text).map_err(refuse).ok()
}

/// `GET /v1/purchases/{order_id}/refunds`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
) -> Result<Json<PageOut<RefundOut>>, ApiError> {
    let key = read_key(caller.account.id, &path, &params)?;
    let mut conn = app.pool.acquire().await?;
    let purchase = store::find_purchase(&mut conn, &key).await?;
    let within = purchase.as_ref().map_or(0, |(id, _)| id.0);
    let owned = Owned { account: key.account_id, zone: &caller.account.zone, within };
    // What is wrong with the parameters is said first, as everywhere.
    let walk = params.read(|fields| REFUNDS.read(fields, owned))?;
    let (purchase, currency) = purchase.ok_or_else(not_found)?;
    let found = super::list(&mut conn, key.account_id, purchase, &walk.span()).await?;
    Ok(Json(walk.page(found, |refund| RefundOut::new(refund, currency))))
}

/// `POST /v1/purchases/{order_id}/cancel`
pub async fn cancel(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
) -> Result<Json<BalanceOut>, ApiError> {
    let key = read_key(caller.account.id, &path, &params)?;
    let now = app.clock.now();
    let cancelled: Result<_, ApiError> =
        db::transact(&app.pool, move |conn| Box::pin(async move { Ok(super::cancel(conn, &key, now).await?) })).await;
    cancelled?.map(|balance| Json(balance.into())).ok_or_else(not_found)
}
