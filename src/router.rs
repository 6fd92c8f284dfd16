//! Every route of the system, grouped by who calls it, and the layers around them, each with its reason.

use axum::Router;
use axum::extract::State;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{any, get, patch, post};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::accounts::http::authenticate;
use crate::db::migrations::count_pending;
use crate::web::error::{ApiError, Code};
use crate::web::state::App;
use crate::web::{docs, frame};
use crate::worker::Running;
use crate::{campaigns, conversions, coupon_banks, customers, purchases, referral_codes, rewards, tracking};

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
        .route("/referral_codes", post(referral_codes::http::issue))
        .route("/referral_codes/batch", post(referral_codes::http::issue_lines))
        .route("/purchases", post(purchases::http::record))
        .route("/purchases/batch", post(purchases::http::record_lines))
        .route("/purchases/{order_id}", get(purchases::http::find))
        .route("/campaigns", get(campaigns::http::list).post(campaigns::http::create))
        .route("/campaigns/{id}", get(campaigns::http::find).merge(patch(campaigns::http::change)))
        .route("/coupon_banks", get(coupon_banks::http::list).post(coupon_banks::http::create))
        .route("/coupon_banks/{id}", get(coupon_banks::http::find))
        .route("/coupon_banks/{id}/coupons", get(coupon_banks::http::list_coupons).post(coupon_banks::http::load))
        .route("/coupon_banks/{id}/coupons/retire", post(coupon_banks::http::retire))
        .route(
            "/purchases/{order_id}/refunds",
            get(purchases::refunds::http::list).post(purchases::refunds::http::refund),
        )
        .route("/purchases/{order_id}/attribution", get(purchases::explain::http::explain))
        .route("/purchases/{order_id}/cancel", post(purchases::refunds::http::cancel))
        .route("/conversions/{id}/approve", post(conversions::review::http::approve))
        .route("/conversions/{id}/reject", post(conversions::review::http::reject))
        .route("/conversions/{id}/override", post(conversions::review::http::override_rejection))
        .route("/conversions/{id}/history", get(conversions::history::http::list))
        .route("/rewards", get(rewards::http::list))
        .route("/rewards/{id}", get(rewards::http::find))
        .route("/rewards/{id}/pay", post(rewards::http::pay))
        .route("/customers/{id}/block", post(customers::blocks::block))
        .route("/customers/{id}/unblock", post(customers::blocks::unblock))
        .route("/referral_codes/{code}/block", post(referral_codes::blocks::block))
        .route("/referral_codes/{code}/unblock", post(referral_codes::blocks::unblock))
        .route("/customers/{id}/rewards", get(rewards::http::list_of_customer))
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
async fn metrics(State(app): State<App>) -> impl IntoResponse {
    metrics::gauge!("goodword_database_connections").set(app.pool.size());
    metrics::gauge!("goodword_database_connections_idle").set(u32::try_from(app.pool.num_idle()).unwrap_or(u32::MAX));
    app.metrics.render()
}
