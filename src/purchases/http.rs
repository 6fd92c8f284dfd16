//! Purchases on the wire, in the compatible spelling (contract.md 1.2).

mod batch;
mod list;
pub mod read;
pub mod show;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};

pub use self::batch::record_lines;
pub use self::list::list;
pub use self::show::PurchaseOut;
use super::explain::http::DryRun;
use super::lane::PurchaseLane;
use super::{OrderKey, Recorded, explain, store};
use crate::accounts::Caller;
use crate::telemetry::Counters;
use crate::types::ids::AccountId;
use crate::types::text::OpaqueId;
use crate::web::error::{ApiError, Code};
use crate::web::extract::{Body, Params, PathTexts};
use crate::web::state::App;

/// Says that an answer is a repeat of an earlier one.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// `POST /v1/purchases`
pub async fn record(
    State(app): State<App>,
    State(lane): State<PurchaseLane>,
    caller: Caller,
    DryRun(is_dry_run): DryRun,
    body: Body,
) -> Result<Response, ApiError> {
    let purchase = body.read(|fields| read::purchase(fields, &caller.account, app.clock.now()))?;
    if is_dry_run {
        // Boxed: every request's future would be as large as this rare one, and is copied on its way.
        return Ok(Box::pin(explain::http::foretell(&app, &purchase)).await?.into_response());
    }
    let (status, purchase) = answer(lane.submit(purchase).await?)?;
    let replayed = (status == StatusCode::OK).then_some([(IDEMPOTENT_REPLAYED, "true")]);
    Ok((status, replayed, Json(purchase)).into_response())
}

/// What a report is answered with, alone or among others. Counts it.
pub fn answer(recorded: Recorded) -> Result<(StatusCode, PurchaseOut), ApiError> {
    count(&recorded);
    match recorded {
        Recorded::New(purchase) => Ok((StatusCode::CREATED, PurchaseOut::from(*purchase))),
        Recorded::Replayed(purchase) => Ok((StatusCode::OK, PurchaseOut::from(*purchase))),
        Recorded::Conflict(fields) => Err(ApiError::new(
            Code::OrderConflict,
            format!(
                "another order is recorded under this id; it differs in {}; nothing was changed",
                fields.join(", ")
            ),
        )
        .at("order.id")
        .with("fields", serde_json::json!(fields))),
    }
}

static PURCHASES: Counters = Counters::new("goodword_purchases_total", "outcome");
static ATTRIBUTIONS: Counters = Counters::new("goodword_attributions_total", "decided_by");

fn count(recorded: &Recorded) {
    let outcome = match recorded {
        Recorded::New(purchase) => {
            let decided = purchase.attribution.as_ref().map(|attribution| attribution.via.as_str());
            ATTRIBUTIONS.count(decided.or(purchase.reason.as_deref()).unwrap_or_default());
            "recorded"
        }
        Recorded::Replayed(_) => "replayed",
        Recorded::Conflict(_) => "conflict",
    };
    PURCHASES.count(outcome);
}

/// `GET /v1/purchases/{order_id}`
pub async fn find(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
) -> Result<Json<PurchaseOut>, ApiError> {
    let key = read_key(caller.account.id, &path, &params)?;
    let mut conn = app.pool.acquire().await?;
    let found = store::find_all(&mut conn, &[&key]).await?;
    found.into_iter().next().map(|purchase| Json(purchase.into())).ok_or_else(not_found)
}

/// Which order a path and a query name.
pub fn read_key(account_id: AccountId, path: &PathTexts, params: &Params) -> Result<OrderKey, ApiError> {
    let source = params.read(|fields| Some(fields.parse::<OpaqueId>("source")))?;
    let order_id = OpaqueId::try_from(path.get(0)).map_err(|_invalid| not_found())?;
    let source = source.map(|source| source.as_str().to_owned()).unwrap_or_default();
    Ok(OrderKey { account_id, source, order_id })
}

/// The answer where no order has the id.
pub fn not_found() -> ApiError {
    ApiError::new(Code::NotFound, "no order with this id was recorded from this source")
}
