//! Opt-outs on the wire (contract.md 1.6).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use std::net::IpAddr;
use time::OffsetDateTime;

use crate::accounts::Caller;
use crate::customers::opt_outs::{self, Choice, NewOptOut, OptOut};
use crate::db;
use crate::types::email::Email;
use crate::types::ids::OptOutId;
use crate::web::error::ApiError;
use crate::web::extract::{Body, Params};
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;

const OPT_OUTS: List = List { name: "opt_outs/emails", filters: &["email"] };

/// An opt-out as it is answered.
#[derive(Serialize)]
pub struct OptOutOut {
    id: OptOutId,
    email: Email,
    ip_address: Option<String>,
    source: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<OptOut> for OptOutOut {
    fn from(opt_out: OptOut) -> Self {
        let OptOut { id, email, ip_address, source, created_at } = opt_out;
        Self { id, email, ip_address, source, created_at }
    }
}

/// `GET /v1/opt_outs/emails`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<PageOut<OptOutOut>>, ApiError> {
    let owned = Owned { account: caller.account.id, zone: &caller.account.zone, within: 0 };
    let (choice, walk) = params.read(|fields| {
        let choice = Choice { email: fields.parse::<Email>("email").map(|email| email.key()) };
        Some((choice, OPT_OUTS.read(fields, owned)?))
    })?;
    let mut conn = app.pool.acquire().await?;
    let found = opt_outs::list(&mut conn, caller.account.id, &choice, &walk.span()).await?;
    Ok(Json(walk.page(found, OptOutOut::from)))
}

/// `POST /v1/opt_outs/emails`
pub async fn create(State(app): State<App>, caller: Caller, body: Body) -> Result<impl IntoResponse, ApiError> {
    let new = body.read(|fields| {
        let ip_address = fields.parse::<IpAddr>("ip_address").map(|ip| ip.to_string());
        let source = fields.parse("source");
        Some(NewOptOut { email: fields.require("email")?, ip_address, source })
    })?;
    let (account, now) = (caller.account.id, app.clock.now());
    let (is_new, opt_out) =
        db::transact(&app.pool, move |conn| Box::pin(async move { opt_outs::create(conn, account, &new, now).await }))
            .await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(OptOutOut::from(opt_out))))
}
