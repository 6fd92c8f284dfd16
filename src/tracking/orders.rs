//! Orders that pages report. They take the lane of all orders and are decided like them, but nobody vouches for them unless the
//! shop's server has signed them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::page::Page;
use crate::purchases::http::read;
use crate::purchases::lane::PurchaseLane;
use crate::purchases::{OrderKey, PurchaseToRecord, Recorded};
use crate::telemetry::Counters;
use crate::types::channel::Channel;
use crate::web::error::ApiError;
use crate::web::extract::PageBody;
use crate::web::fields::Fields;
use crate::web::json::Node;
use crate::web::state::App;

static ORDERS: Counters = Counters::new("goodword_page_orders_total", "outcome");

/// `POST /t/{site}/orders`
pub async fn track(
    State(app): State<App>,
    State(lane): State<PurchaseLane>,
    page: Page,
    body: Result<PageBody, ApiError>,
) -> Response {
    let tracked = async {
        let order = body?.read(|fields| read_order(fields, &page, &app))?;
        ORDERS.count(match lane.submit(order).await? {
            Recorded::New(_) => "recorded",
            Recorded::Replayed(_) => "replayed",
            Recorded::Conflict(_) => "passed_over",
        });
        Ok(StatusCode::NO_CONTENT)
    };
    page.answer(tracked.await)
}

/// Reads an order as pages report it. What a page says of its visitor's address, or of a source, does not count.
fn read_order(fields: &Fields<'_>, page: &Page, app: &App) -> Option<PurchaseToRecord> {
    let purchase = read::purchase(fields, &page.site.account, app.clock.now())?;
    let coupon_code = fields.object("order").and_then(|order| order.parse("coupon_code")).or(purchase.coupon_code);
    // The signature says nothing of the currency: it is the account's, or nobody vouches for it.
    let is_signed = is_signed(fields, page) && purchase.total.currency() == page.site.account.currency;
    let channel = if is_signed { Channel::SignedTracker } else { Channel::Tracker };
    Some(PurchaseToRecord {
        key: OrderKey { source: String::new(), ..purchase.key },
        // The code that a cookie kept with a visit says nothing more than the visit, which is signed.
        referral_code: purchase.referral_code.filter(|_| purchase.visit.is_none()),
        coupon_code,
        channel,
        ip_address: Some(page.visitor.address),
        user_agent: page.user_agent.clone(),
        ..purchase
    })
}

/// Whether the shop's server has signed the order: its id, amount and e-mail as they were sent. A wrong signature is counted and
/// makes the order no worse than one without.
fn is_signed(fields: &Fields<'_>, page: &Page) -> bool {
    let Some(signature) = fields.text("signature").filter(|text| !text.trim().is_empty()) else { return false };
    let order = fields.object("order");
    let sent = |key: &str| match order.as_ref().and_then(|order| order.node(key)) {
        Some(Node::Text(text)) => text.as_str(),
        Some(Node::Number(digits)) => digits,
        _ => "",
    };
    let message = format!("{}|{}|{}", sent("id"), sent("amount"), sent("email"));
    // A bar in the id would let the same message mean another order.
    let is_right = !sent("id").contains('|') && page.site.has_signed(&message, signature.trim());
    if !is_right {
        ORDERS.count("wrong_signature");
    }
    is_right
}
