//! How much one address may ask.

use std::num::NonZeroU32;

use goodword::web::state::{Limits, VisitorLimits};
use serde_json::json;

use crate::harness::app::{TestApp, limits};

fn of(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("more than none")
}

#[tokio::test]
async fn guesses_beyond_the_budget_of_an_address_are_answered_alike_and_looked_up_by_nobody() {
    let visitors = VisitorLimits { calls_per_minute: of(10), ..limits().visitors };
    let app = TestApp::with_limits(Limits { visitors, ..limits() }).await;
    let page = app.page().await;
    let mut answers = Vec::new();
    for n in 0..100 {
        let guess = page.order(&format!("A{n}"), json!({ "order": { "coupon_code": format!("GUESS{n}") } }));
        let answer = guess.await.expect(204);
        answers.push((answer.status, answer.text));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    let stored = app.count("select count(*) from purchases").await;
    assert!((10..20).contains(&stored), "{stored} were looked up");
    // Nobody else pays for it.
    page.at("203.0.113.8").order("B1", json!({})).await.expect(204);
    app.get("/v1/purchases/B1").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn the_widget_says_when_an_address_may_ask_again() {
    let visitors = VisitorLimits { codes_per_hour: of(2), ..limits().visitors };
    let app = TestApp::with_limits(Limits { visitors, ..limits() }).await;
    let page = app.page().await;
    let ask = |page: &crate::harness::pages::Page, name: &str| {
        page.post("referral_codes", &json!({ "customer": { "email": format!("{name}@example.com") } }))
    };
    ask(&page, "a").await.expect(200);
    ask(&page, "b").await.expect(200);
    let refused = ask(&page, "c").await.refused(429, "rate_limited");
    let seconds: u32 = refused.header("retry-after").parse().expect("seconds");
    assert!((1_700..=1_801).contains(&seconds), "{seconds}");
    assert_eq!(app.count("select count(*) from customers").await, 2);
    ask(&page.at("203.0.113.8"), "c").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_stranger_does_not_choose_his_address() {
    let visitors = VisitorLimits { codes_per_hour: of(1), ..VisitorLimits::default() };
    let app = TestApp::with_limits(Limits { visitors, ..Limits::default() }).await;
    let page = app.page().await;
    let ask = |address: &str, name: &str| {
        page.at(address).post("referral_codes", &json!({ "customer": { "email": format!("{name}@example.com") } }))
    };
    ask("203.0.113.1", "a").await.expect(200);
    ask("203.0.113.2", "b").await.refused(429, "rate_limited");
    app.finish().await;
}
