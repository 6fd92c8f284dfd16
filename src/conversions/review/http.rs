//! Rulings by hand on the wire.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::{Reviewed, Wish, review};
use crate::accounts::Caller;
use crate::attribution::Fraud;
use crate::conversions::evaluation::Case;
use crate::conversions::history::By;
use crate::db;
use crate::rewards;
use crate::rewards::http::RewardOut;
use crate::types::ids::ConversionId;
use crate::web::error::{ApiError, Code};
use crate::web::extract::{Body, PathTexts};
use crate::web::fields::Fields;
use crate::web::state::App;
use crate::web::values::Title;

/// A conversion after a ruling.
#[derive(Serialize)]
pub struct ReviewedOut {
    id: ConversionId,
    status: &'static str,
    /// It was evaluated, and waits for a person.
    held: bool,
    possible_self_referral: bool,
    fraud: Fraud,
    reward: Option<RewardOut>,
}

/// `POST /v1/conversions/{id}/approve`
pub async fn approve(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    body: Body,
) -> Result<Json<ReviewedOut>, ApiError> {
    rule(app, caller, &path, &body, Wish::Approve).await
}

/// `POST /v1/conversions/{id}/reject`
pub async fn reject(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    body: Body,
) -> Result<Json<ReviewedOut>, ApiError> {
    rule(app, caller, &path, &body, Wish::Reject).await
}

/// `POST /v1/conversions/{id}/override`
pub async fn override_rejection(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    body: Body,
) -> Result<Json<ReviewedOut>, ApiError> {
    rule(app, caller, &path, &body, Wish::Override).await
}

async fn rule(
    app: App,
    caller: Caller,
    path: &PathTexts,
    body: &Body,
    wish: Wish,
) -> Result<Json<ReviewedOut>, ApiError> {
    let by = body.read(read_person)?;
    let id = ConversionId(path.id(0).ok_or_else(not_found)?);
    let (account, now) = (caller.account.id, app.clock.now());
    // All that is answered is read before the commit: what fails after it would be said not to be stored.
    let reviewed: Result<_, ApiError> = db::transact(&app.pool, move |conn| {
        Box::pin(async move {
            let reviewed = review(conn, account, id, wish, by, now).await?;
            let granted = rewards::store::find_of_conversions(conn, account, &[id]).await?;
            Ok((reviewed, rewards::store::find_all(conn, account, &granted).await?.pop()))
        })
    })
    .await;
    let (reviewed, reward) = reviewed?;
    let case = match reviewed {
        Reviewed::Done(case) => case,
        Reviewed::NotFound => return Err(not_found()),
        Reviewed::NotPending => {
            let message = "this conversion was rejected; POST /v1/conversions/{id}/override approves it all the same";
            return Err(ApiError::new(Code::NotPending, message));
        }
        Reviewed::NotRejected => {
            let message = "this conversion was not rejected; POST /v1/conversions/{id}/approve approves it";
            return Err(ApiError::new(Code::NotRejected, message));
        }
    };
    Ok(Json(ReviewedOut::new(&case, reward.map(RewardOut::from))))
}

impl ReviewedOut {
    fn new(case: &Case, reward: Option<RewardOut>) -> Self {
        let fraud = case.facts.fraud;
        Self {
            id: case.conversion_id,
            status: case.status.as_str(),
            held: case.is_held(),
            possible_self_referral: fraud.is_seen(),
            fraud,
            reward,
        }
    }
}

fn read_person(fields: &Fields<'_>) -> Option<By> {
    let reason = fields.require::<Title>("reason");
    let actor = fields.parse::<Title>("actor");
    Some(By::Person { reason: reason?.0, actor: actor.map(|actor| actor.0) })
}

/// The answer where no conversion has the id.
pub fn not_found() -> ApiError {
    ApiError::new(Code::ConversionNotFound, "there is no such conversion; an order's answer names its own")
}
