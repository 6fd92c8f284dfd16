//! Every route of the system, grouped by who calls it, and the layers around them, each with its reason.

use axum::Router;
use axum::extract::State;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{any, get, patch, post};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::accounts::http::authenticate;
use crate::coupon_banks::watch::Watch;
use crate::db::migrations::count_pending;
use crate::web::error::{ApiError, Code};
use crate::web::state::App;
use crate::web::{docs, frame};
use crate::worker::Running;
use crate::{campaigns, conversions, coupon_banks, customers, lookup, purchases, referral_codes, tracking};

/// The whole service.
pub fn router(running: &Running) -> Router {
    // Clients of the compatible API may leave the version out: one rule, the same routes twice.
    // What is unknown below /v1 would be taken for a link without the catch-all.
    Router::new()
        .nest("/v1", guarded(running, merchants().route("/{*unknown}", any(frame::no_route))))
        .merge(guarded(running, merchants()))
        .merge(links().layer(from_fn_with_state(running.app.clone(), frame::admit)))
        .merge(public())
        .fallback(frame::no_route)
        .method_not_allowed_fallback(frame::no_method)
        .layer(
            ServiceBuilder::new()
                // Outermost: every answer gets an id, a line in the log and, if refused, its body.
                .layer(from_fn(frame::frame))
                // Inside the frame, so that a panic is answered like any other refusal.
                .layer(CatchPanicLayer::custom(frame::panicked)),
        )
        .with_state(running.clone())
}

/// Called by shops, tills and their engineers, with an account's credentials.
fn merchants() -> Router<Running> {
    Router::new()
        .route("/referral_codes", get(referral_codes::http::list).post(referral_codes::http::issue))
        .route("/referral_codes/batch", post(referral_codes::http::issue_lines))
        .route("/referral_codes/{code}", get(referral_codes::http::find))
        .route("/purchases", get(purchases::http::list).post(purchases::http::record))
        .route("/purchases/batch", post(purchases::http::record_lines))
        .route("/purchases/{order_id}", get(purchases::http::find))
        .route("/conversions", get(conversions::http::list))
        .route("/conversions/{id}", get(conversions::http::find))
        .route("/customers", get(customers::http::list))
        .route("/customers/{id}", get(customers::http::find))
        .route("/customers/{id}/conversions", get(conversions::http::list_of_customer))
        .route("/customers/{id}/email-recipients", get(customers::http::list_email_recipients))
        .route("/customers/{id}/referral_codes", get(referral_codes::http::list_of_customer))
        .route("/customers/{id}/shares", get(customers::http::list_shares_of_customer))
        .route("/shares", get(customers::http::list_shares))
        .route("/shares/{id}", get(customers::http::find_share))
        .route("/lookup", get(lookup::http::look_up))
        .route("/opt_outs/emails", get(customers::http::list_opt_outs).post(customers::http::create_opt_out))
        .route("/campaigns", get(campaigns::http::list).post(campaigns::http::create))
        .route("/campaigns/{id}", get(campaigns::http::find).merge(patch(campaigns::http::change)))
        .route("/coupon_banks", get(coupon_banks::http::list).post(coupon_banks::http::create))
        .route("/coupon_banks/{id}", get(coupon_banks::http::find).merge(patch(coupon_banks::http::change)))
        .route("/coupon_banks/{id}/coupons", get(coupon_banks::http::list_coupons).post(coupon_banks::http::load))
        .route("/coupon_banks/{id}/coupons/retire", post(coupon_banks::http::retire))
}

/// Routes that only an account's credentials open. Checked before the route's own checks: who may not ask is told
/// nothing, not even what exists.
fn guarded(running: &Running, routes: Router<Running>) -> Router<Running> {
    routes
        .method_not_allowed_fallback(frame::no_method)
        .layer(from_fn_with_state(running.keys.clone(), authenticate))
        .layer(from_fn_with_state(running.app.clone(), frame::admit))
}

/// Called by anybody: probes, and readers of the contract. Never turned away under load.
fn public() -> Router<Running> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/openapi.yaml", get(docs::contract))
        .route("/docs", get(docs::page))
        .route("/docs/scalar.js", get(docs::script))
        .route("/docs/init.js", get(docs::init))
}

/// Called by friends.
fn links() -> Router<Running> {
    Router::new().route("/{account_alias}/{code}", get(tracking::http::follow))
}

/// The process runs.
async fn healthz() -> impl IntoResponse {
    axum::Json(serde_json::json!({ "status": "ok" }))
}

/// The process can serve: the database answers and has the tables that this program needs.
async fn readyz(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let mut conn = app.pool.acquire().await?;
    if count_pending(&mut conn, &crate::MIGRATOR).await? > 0 {
        return Err(ApiError::new(Code::Unavailable, "the database lacks migrations; run: goodword migrate"));
    }
    Ok(healthz().await)
}

/// What Prometheus collects.
async fn metrics(State(app): State<App>, State(low_banks): State<Watch>) -> impl IntoResponse {
    low_banks.refresh(app.clock.now()).await;
    metrics::gauge!("goodword_database_connections").set(app.pool.size());
    metrics::gauge!("goodword_database_connections_idle").set(u32::try_from(app.pool.num_idle()).unwrap_or(u32::MAX));
    app.metrics.render()
}
