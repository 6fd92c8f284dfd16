//! What a page says of an order gives way to what the shop's server or a till says, and never the reverse. Until then nobody is
//! rewarded for it, unless the campaign says so or the shop's server signed it.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::app::{CAMPAIGN, TestApp};
use crate::harness::pages::{Page, SIGNING_SECRET};

const TEN_PERCENT: &str = r#"{"reward": {"type": "percentage", "value": 10}}"#;

fn rules(more: &str) -> Value {
    let mut rules: Value = serde_json::from_str(TEN_PERCENT).expect("JSON");
    let more: Value = serde_json::from_str(more).expect("JSON");
    rules.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    rules
}

/// An advocate's referral code.
async fn code(app: &TestApp, id: &str) -> String {
    app.advocate(id).await.expect(201)["referral_code"].as_str().expect("a code").to_owned()
}

async fn conversion(app: &TestApp, order: &str) -> Value {
    let order = app.get(&format!("/v1/purchases/{order}")).await.expect(200);
    app.get(&format!("/v1/conversions/{}", order["conversion"]["id"])).await.expect(200).json
}

async fn events(app: &TestApp, conversion: &Value) -> Vec<String> {
    let history = app.get(&format!("/v1/conversions/{}/history", conversion["id"])).await.expect(200);
    let events = history["results"].as_array().expect("a list");
    events.iter().map(|event| event["event"].as_str().expect("an event").to_owned()).collect()
}

async fn rewards(app: &TestApp) -> Value {
    let rewards = app.get("/v1/rewards").await.expect(200);
    rewards["results"].as_array().expect("a list").iter().map(|reward| reward["amount"].clone()).collect()
}

#[tokio::test]
async fn a_forged_order_earns_nothing_and_one_that_the_server_confirms_earns_by_what_the_server_says() {
    let app = TestApp::start().await;
    app.rules(rules("{}")).await;
    let (page, code) = (app.page().await, code(&app, "C1").await);
    page.order("A1", json!({ "order": { "amount": "999.00", "email": "friend@example.com" }, "referral_code": code }))
        .await
        .expect(204);
    page.order("FORGED", json!({ "order": { "amount": "99999999.00" }, "referral_code": code })).await.expect(204);
    assert_eq!(app.evaluate().await, 2);
    for order in ["A1", "FORGED"] {
        assert_eq!(conversion(&app, order).await["status"], "pending");
        assert_eq!(events(&app, &conversion(&app, order).await).await, ["held"]);
    }
    assert_eq!(rewards(&app).await, json!([]));

    let confirmed = app.order("A1").email("FRIEND@example.com").with("order.amount", "50.00").await.expect(200);
    assert_eq!(confirmed["total"], 50.0);
    assert_eq!(confirmed["channel"], "server");
    assert_eq!(confirmed["verified"], true);
    assert_eq!(confirmed["referral_code"], code, "what the page knew and the server does not say stays");
    assert_eq!(confirmed["ip_address"], "203.0.113.7");
    assert_eq!(app.evaluate().await, 1);
    assert_eq!(conversion(&app, "A1").await["status"], "approved");
    assert_eq!(events(&app, &conversion(&app, "A1").await).await, ["held", "confirmed", "approved"]);
    assert_eq!(rewards(&app).await, json!([5.0]));
    assert_eq!(conversion(&app, "FORGED").await["status"], "pending");
    let kept = app.count("select (facts ->> 'amount')::numeric::bigint from purchase_replacements").await;
    assert_eq!(kept, 999, "what the page said is kept");

    let again = app.order("A1").email("friend@example.com").with("order.amount", "50.00").await.expect(200);
    assert_eq!(again["conversion"]["id"], confirmed["conversion"]["id"]);
    app.order("A1").with("order.amount", "51.00").await.refused(409, "order_conflict");
    assert_eq!(app.count("select count(*) from conversions").await, 2);
    app.finish().await;
}

#[tokio::test]
async fn a_page_changes_nothing_of_what_a_better_channel_said() {
    let app = TestApp::start().await;
    let (page, code) = (app.page().await, code(&app, "C1").await);
    let till = json!({ "order": { "id": "T1", "amount": 20 }, "channel": "till" });
    assert_eq!(app.post("/v1/purchases", till).await.expect(201)["channel"], "till");
    app.order("S1").await.expect(201);
    for order in ["T1", "S1"] {
        let before = app.get(&format!("/v1/purchases/{order}")).await.expect(200);
        page.order(order, json!({ "order": { "amount": "1.00" }, "referral_code": code })).await.expect(204);
        assert_eq!(app.get(&format!("/v1/purchases/{order}")).await.expect(200).json, before.json);
    }
    let of_a_till = app.order("1").with("source", "store-12").await.expect(201);
    assert_eq!(of_a_till["channel"], "till");
    app.order("2").with("channel", "tracker").await.refused(400, "invalid_value");
    app.finish().await;
}

#[tokio::test]
async fn the_order_of_reports_does_not_matter_for_what_the_order_is() {
    let reports: [fn(&TestApp, &Page) -> futures_util::future::BoxFuture<'static, ()>; 3] = [
        |_, page| Box::pin(report(page.order("A1", json!({ "order": { "amount": "7.00" } })), &[204])),
        |app, _| {
            Box::pin(report(app.order("A1").with("order.amount", "50.00").with("channel", "till").call(), &[200, 201]))
        },
        |app, _| Box::pin(report(app.order("A1").with("order.amount", "50.00").call(), &[200, 201])),
    ];
    for turn in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let app = TestApp::start().await;
        let page = app.page().await;
        for index in turn {
            reports[index](&app, &page).await;
        }
        let order = app.get("/v1/purchases/A1").await.expect(200);
        assert_eq!(order["total"], 50.0, "{turn:?}");
        assert_eq!(order["verified"], true);
        assert_eq!(app.count("select count(*) from purchases").await, 1);
        app.finish().await;
    }
}

async fn report(call: crate::harness::client::Call, statuses: &[u16]) {
    let answer = call.await;
    assert!(statuses.contains(&answer.status), "{}", answer.text);
}

#[tokio::test]
async fn who_guesses_the_number_of_somebody_elses_order_is_not_paid_for_it() {
    let app = TestApp::start().await;
    app.rules(rules("{}")).await;
    let bank = app.bank(&["Ada-1"]).await;
    let page = app.page().await;
    let thief = code(&app, "THIEF").await;
    app.advocate("ADA").out_of(&bank).await.expect(201);
    for order in ["A1", "A2"] {
        let forged = json!({ "order": { "email": "thief@example.com" }, "referral_code": thief });
        page.order(order, forged).await.expect(204);
    }
    app.evaluate().await;
    // Ada referred the one, and nobody the other.
    let confirmed = app.order("A1").email("friend@example.com").code("ada-1").await.expect(200);
    assert_eq!(confirmed["attribution"]["advocate"]["account_id"], "ADA");
    assert_eq!(confirmed["referral_code"], json!(null));
    let confirmed = app.order("A2").email("friend@example.com").await.expect(200);
    assert_eq!(confirmed["conversion"]["status"], "rejected");
    app.evaluate().await;
    let first = conversion(&app, "A1").await;
    assert_eq!((&first["status"], events(&app, &first).await.len()), (&json!("approved"), 3));
    assert_eq!(events(&app, &conversion(&app, "A2").await).await, ["held", "rejected"]);
    assert_eq!(rewards(&app).await, json!([10.0]));
    app.finish().await;
}

#[tokio::test]
async fn a_server_that_knows_the_coupon_adds_the_conversion_that_the_page_could_not() {
    let app = TestApp::start().await;
    app.rules(rules("{}")).await;
    let bank = app.bank(&["Ada-1"]).await;
    app.advocate("ADA").out_of(&bank).await.expect(201);
    let page = app.page().await;
    page.order("A1", json!({})).await.expect(204);
    assert_eq!(app.get("/v1/purchases/A1").await["reason"], "no_code");
    let confirmed = app.order("A1").code("ADA-1").await.expect(200);
    assert_eq!(confirmed["attribution"]["via"], "coupon_code");
    assert_eq!(app.evaluate().await, 1);
    assert_eq!(rewards(&app).await, json!([10.0]));
    app.finish().await;
}

#[tokio::test]
async fn a_page_and_a_server_that_report_at_once_make_one_order_with_one_conversion() {
    let app = TestApp::start().await;
    let (page, code) = (app.page().await, code(&app, "C1").await);
    for round in 0..10 {
        let id = format!("R{round}");
        let reports = (0..4).map(|n| {
            let (page, id, code) = (page.at(&format!("203.0.113.{n}")), id.clone(), code.clone());
            let server = app.order(&id);
            async move {
                if n % 2 == 0 {
                    page.order(&id, json!({ "referral_code": code, "order": { "amount": "1.00" } })).await.expect(204);
                } else {
                    assert!(matches!(server.await.status, 200 | 201));
                }
            }
        });
        futures_util::future::join_all(reports).await;
        let order = app.get(&format!("/v1/purchases/{id}")).await.expect(200);
        assert_eq!((&order["total"], &order["channel"]), (&json!(100.0), &json!("server")));
    }
    assert_eq!(app.count("select count(*) from purchases").await, 10);
    app.finish().await;
}

#[tokio::test]
async fn an_order_that_the_shops_server_signed_counts_and_one_with_another_signature_does_not() {
    let app = TestApp::start().await;
    app.rules(rules("{}")).await;
    let (page, code) = (app.page().await, code(&app, "C1").await);
    let sign = |message: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(SIGNING_SECRET.as_bytes()).expect("a key");
        mac.update(message.as_bytes());
        mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string takes all");
            hex
        })
    };
    let order = |id: &str, signature: &str| {
        let beside =
            json!({ "order": { "email": "Friend@example.com" }, "referral_code": code, "signature": signature });
        page.order(id, beside)
    };
    order("S1", &sign("S1|100.00|Friend@example.com")).await.expect(204);
    order("S2", &sign("S2|100.00|Friend@example.com").to_uppercase()).await.expect(204);
    for (id, signature) in [
        ("F1", sign("S1|100.00|Friend@example.com")),
        ("F2", sign("F2|100|Friend@example.com")),
        ("F3", sign("F3|100.00|friend@example.com")),
        ("F4", "00".repeat(32)),
        ("F5", "nonsense".to_owned()),
        ("F6", sign("F6|100.00|Friend@example.com")[..32].to_owned()),
    ] {
        order(id, &signature).await.expect(204);
        assert_eq!(app.get(&format!("/v1/purchases/{id}")).await["verified"], false, "{id}");
    }
    // What the signature does not say, and what could be said in two ways.
    for (id, currency) in [("F7", "EUR"), ("F8|1", "USD")] {
        let order = json!({ "email": "Friend@example.com", "currency": currency });
        let signature = sign(&format!("{id}|100.00|Friend@example.com"));
        page.order(id, json!({ "order": order, "referral_code": code, "signature": signature })).await.expect(204);
        assert_eq!(app.get(&format!("/v1/purchases/{}", id.replace('|', "%7C"))).await["verified"], false, "{id}");
    }
    app.evaluate().await;
    for id in ["S1", "S2"] {
        let signed = app.get(&format!("/v1/purchases/{id}")).await.expect(200);
        assert_eq!((&signed["channel"], &signed["verified"]), (&json!("tracker"), &json!(true)));
        assert_eq!(signed["conversion"]["status"], "approved");
    }
    assert_eq!(rewards(&app).await, json!([10.0, 10.0]));
    app.finish().await;
}

#[tokio::test]
async fn a_campaign_may_accept_what_pages_say_and_a_person_may_rule_on_it() {
    let app = TestApp::start().await;
    app.rules(rules(r#"{"unverified_orders": "accept"}"#)).await;
    let (page, code) = (app.page().await, code(&app, "C1").await);
    page.order("A1", json!({ "referral_code": code })).await.expect(204);
    app.evaluate().await;
    assert_eq!(conversion(&app, "A1").await["status"], "approved");
    let confirmed = app.order("A1").with("order.amount", 60).await.expect(200);
    assert_eq!(confirmed["conversion"]["status"], "approved", "what was approved stays");

    app.rules(rules("{}")).await;
    page.order("A2", json!({ "referral_code": code })).await.expect(204);
    app.evaluate().await;
    let held = conversion(&app, "A2").await;
    app.post(&format!("/v1/conversions/{}/approve", held["id"]), json!({ "reason": "I saw the parcel" }))
        .await
        .expect(200);
    assert_eq!(rewards(&app).await, json!([10.0, 10.0]));
    let why = app.get("/v1/purchases/A2/attribution").await.expect(200);
    assert_eq!(why["rules_in_force"]["rules"]["unverified_orders"], "hold");
    let campaign = app.get(&format!("/v1/campaigns/{CAMPAIGN}")).await.expect(200);
    assert_eq!(campaign["rules"]["unverified_orders"], "hold");
    app.finish().await;
}
