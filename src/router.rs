//! Every route of the system, grouped by who calls it, and the layers around them, each with its reason.

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{any, get, patch, post};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::coupon_banks::watch::Watch;
use crate::db::migrations::count_pending;
use crate::tracking::page;
use crate::web::error::{ApiError, Code};
use crate::web::frame::{Frame, Gate, Open};
use crate::web::state::App;
use crate::web::{docs, frame};
use crate::worker::Running;
use crate::{
    campaigns, conversions, coupon_banks, customers, lookup, purchases, referral_codes, rewards, tracking, webhooks,
};

/// The first segments of the merchants' routes. Clients of the compatible API may leave the version out.
pub const VERSIONED: [&str; 13] = [
    "campaigns",
    "conversions",
    "coupon_banks",
    "customers",
    "events",
    "lookup",
    "opt_outs",
    "purchases",
    "referral_codes",
    "rewards",
    "shares",
    "webhook_deliveries",
    "webhook_endpoints",
];

/// The whole service.
pub fn router(running: &Running) -> Router {
    let app = &running.app;
    Router::new()
        .merge(inside(Frame::new(running.keys.clone()).with_places(app), merchants()))
        .merge(inside(Frame::new(Open).with_places(app), links().merge(pages())))
        .merge(inside(Frame::new(Open), public()))
        .merge(inside(Frame::new(Open), Router::new().fallback(frame::no_route)))
        .with_state(running.clone())
}

/// Routes inside a frame: every answer gets an id, a line in the log and, if refused, its body; and only those may ask
/// whom its gate admits.
fn inside<G: Gate>(frame: Frame<G>, routes: Router<Running>) -> Router<Running> {
    routes.method_not_allowed_fallback(frame::no_method).layer(
        ServiceBuilder::new()
            .layer(frame)
            // Inside the frame, so that a panic is answered like any other refusal.
            .layer(CatchPanicLayer::custom(frame::panicked)),
    )
}

/// Called by shops, tills and their engineers, with an account's credentials.
fn merchants() -> Router<Running> {
    Router::new()
        .route("/v1/referral_codes", get(referral_codes::http::list).post(referral_codes::http::issue))
        .route("/v1/referral_codes/batch", post(referral_codes::http::issue_lines))
        .route("/v1/referral_codes/{code}", get(referral_codes::http::find))
        .route("/v1/referral_codes/{code}/qr.svg", get(referral_codes::qr::svg))
        .route("/v1/referral_codes/{code}/qr.png", get(referral_codes::qr::png))
        .route("/v1/purchases", get(purchases::http::list).post(purchases::http::record))
        .route("/v1/purchases/batch", post(purchases::http::record_lines))
        .route("/v1/purchases/{order_id}", get(purchases::http::find))
        .route("/v1/conversions", get(conversions::http::list))
        .route("/v1/conversions/{id}", get(conversions::http::find))
        .route("/v1/customers", get(customers::http::list))
        .route("/v1/customers/{id}", get(customers::http::find))
        .route("/v1/customers/{id}/conversions", get(conversions::http::list_of_customer))
        .route("/v1/customers/{id}/email-recipients", get(customers::http::list_email_recipients))
        .route("/v1/customers/{id}/referral_codes", get(referral_codes::http::list_of_customer))
        .route("/v1/customers/{id}/shares", get(tracking::shares::http::list_of_customer))
        .route("/v1/shares", get(tracking::shares::http::list))
        .route("/v1/shares/{id}", get(tracking::shares::http::find))
        .route("/v1/lookup", get(lookup::http::look_up))
        .route("/v1/opt_outs/emails", get(customers::http::list_opt_outs).post(customers::http::create_opt_out))
        .route("/v1/campaigns", get(campaigns::http::list).post(campaigns::http::create))
        .route("/v1/campaigns/{id}", get(campaigns::http::find).merge(patch(campaigns::http::change)))
        .route("/v1/campaigns/{id}/links", get(campaigns::links::http::find).put(campaigns::links::http::put))
        .route("/v1/coupon_banks", get(coupon_banks::http::list).post(coupon_banks::http::create))
        .route("/v1/coupon_banks/{id}", get(coupon_banks::http::find).merge(patch(coupon_banks::http::change)))
        .route("/v1/coupon_banks/{id}/coupons", get(coupon_banks::http::list_coupons).post(coupon_banks::http::load))
        .route("/v1/coupon_banks/{id}/coupons/retire", post(coupon_banks::http::retire))
        .route(
            "/v1/purchases/{order_id}/refunds",
            get(purchases::refunds::http::list).post(purchases::refunds::http::refund),
        )
        .route("/v1/purchases/{order_id}/attribution", get(purchases::explain::http::explain))
        .route("/v1/purchases/{order_id}/cancel", post(purchases::refunds::http::cancel))
        .route("/v1/conversions/{id}/approve", post(conversions::review::http::approve))
        .route("/v1/conversions/{id}/reject", post(conversions::review::http::reject))
        .route("/v1/conversions/{id}/override", post(conversions::review::http::override_rejection))
        .route("/v1/conversions/{id}/history", get(conversions::history::http::list))
        .route("/v1/rewards", get(rewards::http::list))
        .route("/v1/rewards/{id}", get(rewards::http::find))
        .route("/v1/rewards/{id}/pay", post(rewards::http::pay))
        .route("/v1/customers/{id}/block", post(customers::blocks::block))
        .route("/v1/customers/{id}/unblock", post(customers::blocks::unblock))
        .route("/v1/referral_codes/{code}/block", post(referral_codes::blocks::block))
        .route("/v1/referral_codes/{code}/unblock", post(referral_codes::blocks::unblock))
        .route("/v1/customers/{id}/rewards", get(rewards::http::list_of_customer))
        .route("/v1/events", get(webhooks::http::list_events))
        .route("/v1/events/{id}", get(webhooks::http::find_event))
        .route("/v1/webhook_endpoints", get(webhooks::http::list).post(webhooks::http::create))
        .route(
            "/v1/webhook_endpoints/{id}",
            get(webhooks::http::find).patch(webhooks::http::change).delete(webhooks::http::retire),
        )
        .route("/v1/webhook_endpoints/{id}/rotate_secret", post(webhooks::http::rotate_secret))
        .route("/v1/webhook_endpoints/{id}/ping", post(webhooks::http::ping))
        .route("/v1/webhook_deliveries", get(webhooks::http::list_deliveries))
        .route("/v1/webhook_deliveries/{id}", get(webhooks::http::find_delivery))
        .route("/v1/webhook_deliveries/replay", post(webhooks::http::replay))
        // What is unknown here would be taken for a link without this.
        .route("/v1/{*unknown}", any(frame::no_route))
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

/// Called by shops' pages in browsers.
fn pages() -> Router<Running> {
    Router::new()
        .route("/t/{site}/orders", post(tracking::orders::track).options(page::may_call))
        .route("/t/{site}/customers", post(tracking::customers::track).options(page::may_call))
        .route("/t/{site}/referral_codes", post(tracking::widget::issue).options(page::may_call))
        .route("/t/{site}/shares", post(tracking::shares::http::track).options(page::may_call))
        .route("/js/friendbuy.min.js", get(tracking::script::serve))
        .route("/js/goodword.js", get(tracking::script::serve))
        .route("/js/widget.js", get(tracking::script::serve_widget))
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
