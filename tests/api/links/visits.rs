//! The visit that a click leaves in the address of the shop's page, as evidence of who referred an order.

use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::client::Answer;

async fn code(app: &TestApp, id: &str) -> String {
    app.advocate(id).await.expect(201)["referral_code"].as_str().expect("a code").to_owned()
}

/// Clicks a link and gives the visit.
async fn click(app: &TestApp, code: &str) -> String {
    let followed = app.anonymous().get(&format!("/acme/{code}")).await.expect(302);
    let location = url::Url::parse(followed.header("location")).expect("an address");
    let visit = location.query_pairs().find(|(name, _)| name == "gw_visit").expect("a visit");
    visit.1.into_owned()
}

fn credited(order: &Answer) -> (&Value, &Value) {
    (&order["attribution"]["advocate"]["account_id"], &order["attribution"]["via"])
}

#[tokio::test]
async fn a_visit_credits_the_advocate_whose_link_was_clicked_after_codes_that_were_meant_for_the_order() {
    let app = TestApp::start().await;
    let bank = app.bank(&["Bob-1"]).await;
    let (ada, visit) = (code(&app, "ADA").await, "");
    let visit = [visit, &click(&app, &ada).await].concat();
    let bob = app.advocate("BOB").out_of(&bank).await.expect(201)["referral_code"].clone();
    let alone = app.order("V1").with("visit", visit.as_str()).await.expect(201);
    assert_eq!(credited(&alone), (&json!("ADA"), &json!("visit")));
    let by_coupon = app.order("V2").with("visit", visit.as_str()).code("bob-1").await.expect(201);
    assert_eq!(credited(&by_coupon), (&json!("BOB"), &json!("coupon_code")));
    assert_eq!(by_coupon["attribution"]["conflicting_codes"], true);
    let by_code = app.order("V3").with("visit", visit.as_str()).with("referral_code", bob).await.expect(201);
    assert_eq!(credited(&by_code), (&json!("BOB"), &json!("referral_code")));
    let unknown = app.order("V4").with("visit", visit.as_str()).code("nobodys").await.expect(201);
    assert_eq!(credited(&unknown), (&json!("ADA"), &json!("visit")));
    // The same order with another visit, or none, is the same order.
    app.order("V1").with("visit", "another").await.expect(200);
    app.order("V1").await.expect(200);

    let why = app.get("/v1/purchases/V2/attribution").await.expect(200);
    assert_eq!(why["precedence"], json!(["referral_code", "coupon_code", "visit"]));
    let candidates: Vec<_> = why["candidates"].as_array().expect("a list").iter().collect();
    assert_eq!((&candidates[1]["kind"], &candidates[1]["verdict"]), (&json!("visit"), &json!("outranked")));
    assert_eq!((&candidates[1]["code"], &candidates[1]["advocate"]["account_id"]), (&json!(ada), &json!("ADA")));
    let body = json!({ "order": { "id": "V9", "amount": 1 }, "visit": visit });
    let foretold = app.post("/v1/purchases?dry_run=true", body).await.expect(200);
    assert_eq!(foretold["attribution"]["via"], "visit");
    app.finish().await;
}

#[tokio::test]
async fn only_visits_that_we_signed_for_the_account_count() {
    let app = TestApp::start().await;
    let rival = app.other_account().await;
    let visit = click(&app, &code(&app, "ADA").await).await;
    for forged in ["", " ", "nonsense", &visit[1..], &format!("{visit}A"), &visit.to_uppercase(), "AQ"] {
        let order = app.order(&format!("F{}", forged.len())).with("visit", forged).await.expect(201);
        let reason = if forged.trim().is_empty() { "no_code" } else { "invalid_visit" };
        assert_eq!(order["reason"], reason, "{forged}");
    }
    assert_eq!(rival.order("R1").with("visit", visit.as_str()).await.expect(201)["reason"], "invalid_visit");
    app.order("F1").with("visit", "x".repeat(256)).await.refused(400, "too_long");
    let why = app.get("/v1/purchases/F8/attribution").await.expect(200);
    assert_eq!(why["candidates"][0]["verdict"], "invalid_visit");
    app.finish().await;
}

#[tokio::test]
async fn a_visit_counts_from_the_click_for_as_long_as_its_campaign_says() {
    let app = TestApp::start().await;
    let ada = code(&app, "ADA").await;
    app.rules(json!({ "attribution_window_days": 30 })).await;
    // The code was handed out long before it was clicked.
    app.pass_days(100);
    let visit = click(&app, &ada).await;
    app.pass_days(30);
    let in_time = app.order("V1").with("visit", visit.as_str()).await.expect(201);
    assert_eq!(in_time["attribution"]["via"], "visit");
    // A code that was clicked lately is as good as one that was handed out lately.
    app.order("V2").with("visit", visit.as_str()).referral_code(&ada).await.expect(201);
    app.order("V3").referral_code(&ada).await.expect(201);
    app.evaluate().await;
    for (order, status) in [("V1", "approved"), ("V2", "approved"), ("V3", "rejected")] {
        let order = app.get(&format!("/v1/purchases/{order}")).await.expect(200);
        assert_eq!(order["conversion"]["status"], status, "{}", order.text);
    }
    app.pass_days(1);
    let late = app.order("V4").with("visit", visit.as_str()).await.expect(201);
    assert_eq!((&late["attribution"], &late["reason"]), (&json!(null), &json!("expired_visit")));
    let before_the_click = app.order("V5").with("visit", visit.as_str()).with("order.date", "2026-09-01T00:00:00Z");
    assert_eq!(before_the_click.await.expect(201)["reason"], "expired_visit");
    app.finish().await;
}

#[tokio::test]
async fn a_visit_is_worth_nothing_once_its_code_is_blocked() {
    let app = TestApp::start().await;
    let ada = code(&app, "ADA").await;
    let visit = click(&app, &ada).await;
    app.post(&format!("/v1/referral_codes/{ada}/block"), json!({})).await.expect(200);
    assert_eq!(app.order("V1").with("visit", visit.as_str()).await.expect(201)["reason"], "blocked_code");
    app.finish().await;
}

#[tokio::test]
async fn what_a_pages_cookie_kept_is_a_visit_and_no_code_and_outlives_the_servers_report() {
    let app = TestApp::start().await;
    let bank = app.bank(&["Bob-1"]).await;
    let ada = code(&app, "ADA").await;
    app.advocate("BOB").out_of(&bank).await.expect(201);
    let visit = click(&app, &ada).await;
    let page = app.page().await;
    let cookie = json!({ "referral_code": ada, "visit": visit });
    page.order("P1", cookie.clone()).await.expect(204);
    let mut with_coupon = cookie.clone();
    with_coupon["order"] = json!({ "coupon_code": "BOB-1" });
    page.order("P2", with_coupon).await.expect(204);
    let (first, second) =
        (app.get("/v1/purchases/P1").await.expect(200), app.get("/v1/purchases/P2").await.expect(200));
    assert_eq!(credited(&first), (&json!("ADA"), &json!("visit")));
    assert_eq!(credited(&second), (&json!("BOB"), &json!("coupon_code")), "what was typed in goes before a cookie");
    app.pass_days(200);
    let confirmed = app.order("P1").await.expect(200);
    assert_eq!(credited(&confirmed), (&json!("ADA"), &json!("visit")), "the order is dated by the page's report");
    let by_coupon = app.order("P1").code("bob-1").await;
    by_coupon.refused(409, "order_conflict");
    app.finish().await;
}
