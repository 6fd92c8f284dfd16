//! Webhooks: what happened, posted to where the merchant wants it, at least once and under one id.

mod commands;
mod feed;
mod journey;
mod kills;
mod retries;

use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::client::{Answer, Shop};
use crate::harness::receiver::{Message, Receiver, Reply};

/// An endpoint at a receiver, for these types of event or for all.
async fn endpoint(shop: &Shop, receiver: &Receiver, types: Option<&[&str]>) -> Answer {
    let body = json!({ "url": receiver.url(), "event_types": types });
    shop.post("/v1/webhook_endpoints", body).await.expect(201)
}

fn types(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.json()["type"].as_str().expect("a type").to_owned()).collect()
}

fn now(app: &TestApp) -> i64 {
    app.clock.now().unix_timestamp()
}

#[tokio::test]
async fn an_endpoint_is_created_shown_changed_and_deleted_and_its_secret_is_shown_once() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    let body = json!({ "url": receiver.url(), "description": "Till", "event_types": ["reward.created"], "friendbuy_signature": "sha256" });
    let created = app.post("/v1/webhook_endpoints", body).await.expect(201);
    let path = format!("/v1/webhook_endpoints/{}", created["id"]);
    let shown = app.get(&path).await.expect(200);
    let mut wanted = created.json.clone();
    wanted.as_object_mut().expect("an object").remove("secret").expect("a secret");
    assert_eq!(shown.json, wanted);
    assert_eq!(app.get("/v1/webhook_endpoints").await.expect(200)["results"], json!([wanted]));

    let change = json!({ "event_types": null, "active": false, "friendbuy_signature": "sha1" });
    let changed = app.patch(&path, change).await.expect(200);
    assert_eq!(
        json!([changed["event_types"], changed["active"], changed["friendbuy_signature"], changed["description"]]),
        json!([null, false, "sha1", "Till"])
    );
    let rival = app.other_account().await;
    for asked in [path.as_str(), "/v1/webhook_endpoints/77", "/v1/webhook_endpoints/x"] {
        rival.get(asked).await.refused(404, "webhook_endpoint_not_found");
        rival.patch(asked, json!({ "active": true })).await.refused(404, "webhook_endpoint_not_found");
        rival.post(&format!("{asked}/rotate_secret"), json!({})).await.refused(404, "webhook_endpoint_not_found");
        rival.post(&format!("{asked}/ping"), json!({})).await.refused(404, "webhook_endpoint_not_found");
        rival.call(reqwest::Method::DELETE, asked).await.refused(404, "webhook_endpoint_not_found");
    }
    app.call(reqwest::Method::DELETE, &path).await.expect(204);
    app.call(reqwest::Method::DELETE, &path).await.refused(404, "webhook_endpoint_not_found");
    app.get(&path).await.refused(404, "webhook_endpoint_not_found");
    app.finish().await;
}

#[tokio::test]
async fn bad_endpoints_are_refused_with_every_fault() {
    let app = TestApp::start().await;
    let cases = [
        (json!({}), "missing", "url"),
        (json!({ "url": "shop" }), "invalid_url", "url"),
        (json!({ "url": "http://shop.example.com/hooks" }), "invalid_url", "url"),
        (json!({ "url": "https://127.0.0.1/hooks" }), "invalid_url", "url"),
        (json!({ "url": "https://[::ffff:10.0.0.1]/hooks" }), "invalid_url", "url"),
        (json!({ "url": "https://169.254.169.254/latest" }), "invalid_url", "url"),
        (json!({ "url": "https://2130706433/" }), "invalid_url", "url"),
        (json!({ "url": "https://u:p@shop.example.com/" }), "invalid_url", "url"),
        (json!({ "url": "https://a.example.com", "event_types": ["x"] }), "invalid_value", "event_types[0]"),
        (json!({ "url": "https://a.example.com", "event_types": [] }), "too_many_items", "event_types"),
        (
            json!({ "url": "https://a.example.com", "friendbuy_signature": "md5" }),
            "invalid_value",
            "friendbuy_signature",
        ),
    ];
    for (body, code, param) in cases {
        let refused = app.post("/v1/webhook_endpoints", body.clone()).await.refused(400, code);
        assert_eq!(refused["error"]["param"], param, "{body}");
    }
    for number in 0..20 {
        let body = json!({ "url": format!("https://shop.example.com/{number}") });
        app.post("/v1/webhook_endpoints", body).await.expect(201);
    }
    let one_more = json!({ "url": "https://shop.example.com/20" });
    app.post("/v1/webhook_endpoints", one_more).await.refused(409, "too_many_webhook_endpoints");
    app.finish().await;
}

#[tokio::test]
async fn each_endpoint_is_sent_the_types_that_it_wants_and_nothing_of_others() {
    let app = TestApp::with_webhooks().await;
    let (all, some, theirs) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    endpoint(&app, &all, None).await;
    endpoint(&app, &some, Some(&["conversion.created", "conversion.rejected"])).await;
    endpoint(&app.other_account().await, &theirs, None).await;
    app.bank(&["A1"]).await;
    app.advocate("C1").code("A1").await.expect(201);
    app.order("281").code("A1").await.expect(201);
    // He buys through his own code.
    app.order("282").code("A1").with("customer.id", "C1").await.expect(201);
    assert_eq!(app.deliver().await, 9);
    let wanted = [
        "conversion.created",
        "conversion.created",
        "conversion.rejected",
        "purchase.recorded",
        "purchase.recorded",
        "referral_code.created",
    ];
    let mut found = types(&all.messages());
    found.sort();
    assert_eq!(found, wanted);
    let mut found = types(&some.messages());
    found.sort();
    assert_eq!(found, wanted[..3]);
    assert_eq!(theirs.messages().len(), 0);
    assert_eq!(app.deliver().await, 0, "once is enough");
    app.finish().await;
}

#[tokio::test]
async fn a_rejection_at_once_is_told_once_and_an_override_tells_that_the_reward_is_there_again() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    endpoint(
        &app,
        &receiver,
        Some(&["conversion.approved", "conversion.rejected", "reward.created", "reward.reversed", "reward.restored"]),
    )
    .await;
    app.bank(&["A1"]).await;
    app.advocate("C1").code("A1").await.expect(201);
    app.rules(json!({ "reward": { "type": "fixed", "unit": "USD", "value": 10 } })).await;
    let own = app.order("281").code("A1").with("customer.id", "C1").await.expect(201);
    let good = app.order("282").code("A1").await.expect(201);
    app.evaluate().await;
    let ruled = |order: &Answer, ruling: &str| {
        app.post(&format!("/v1/conversions/{}/{ruling}", order["conversion"]["id"]), json!({ "reason": "So be it" }))
    };
    ruled(&good, "reject").await.expect(200);
    ruled(&good, "override").await.expect(200);
    ruled(&good, "override").await.expect(200);
    app.deliver().await;
    let told: Vec<Value> = receiver.messages().iter().map(Message::json).collect();
    let about = |order: &Answer| -> Vec<Value> {
        let mut told: Vec<&Value> =
            told.iter().filter(|event| event["data"]["conversion_id"] == order["conversion"]["id"]).collect();
        told.sort_by_key(|event| event["sequence"].as_i64());
        let line = |event: &&Value| {
            let object = &event["data"]["object"];
            json!([
                event["type"],
                object["status"],
                object["amount"],
                event["data"]["decision"]["event"],
                event["data"]["entry"]["amount"]
            ])
        };
        told.iter().map(line).collect()
    };
    assert_eq!(about(&own), [json!(["conversion.rejected", "rejected", null, null, null])]);
    let wanted = [
        json!(["conversion.approved", "approved", null, "approved", null]),
        json!(["reward.created", "valid", 10.0, null, null]),
        json!(["reward.reversed", "invalid", 0.0, null, -10.0]),
        json!(["conversion.rejected", "rejected", null, "rejected", null]),
        json!(["reward.restored", "valid", 10.0, null, 10.0]),
        json!(["conversion.approved", "approved", null, "overridden", null]),
    ];
    assert_eq!(about(&good), wanted);
    app.finish().await;
}

#[tokio::test]
async fn while_secrets_overlap_both_sign_and_afterwards_the_new_one_alone() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    let first = endpoint(&app, &receiver, None).await;
    let path = format!("/v1/webhook_endpoints/{}/rotate_secret", first["id"]);
    app.post(&path, json!({ "overlap_hours": 169 })).await.refused(400, "out_of_range");
    let second = app.post(&path, json!({ "overlap_hours": 2 })).await.expect(200);
    assert_eq!(second["previous_secret_expires_at"], "2026-08-01T14:00:00Z");
    let (old, new) = (first["secret"].as_str().expect("text"), second["secret"].as_str().expect("text"));
    assert_ne!(old, new);
    app.order("281").await.expect(201);
    app.deliver().await;
    app.clock.advance(time::Duration::hours(3));
    app.order("282").await.expect(201);
    app.deliver().await;
    let messages = receiver.messages();
    let signed = |message: &Message, at: i64| (message.is_signed_by(old, at), message.is_signed_by(new, at));
    assert_eq!(signed(&messages[0], now(&app) - 3 * 3_600), (true, true));
    assert_eq!(signed(&messages[1], now(&app)), (false, true));
    let shown = app.get(&format!("/v1/webhook_endpoints/{}", first["id"])).await.expect(200);
    assert_eq!(shown["previous_secret_expires_at"], Value::Null);
    app.finish().await;
}

#[tokio::test]
async fn a_ping_says_what_the_endpoint_answered_and_is_no_event() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    let created = endpoint(&app, &receiver, None).await;
    let path = format!("/v1/webhook_endpoints/{}/ping", created["id"]);
    receiver.will([Reply::Status(200), Reply::Status(503)]);
    let good = app.post(&path, json!({})).await.expect(200);
    let bad = app.post(&path, json!({})).await.expect(200);
    assert_eq!((&good["delivered"], &good["status"]), (&json!(true), &json!(200)));
    assert_eq!((&bad["delivered"], &bad["status"]), (&json!(false), &json!(503)));
    let message = &receiver.messages()[0];
    assert_eq!(message.json()["type"], "webhook.ping");
    assert!(message.is_signed_by(created["secret"].as_str().expect("text"), now(&app)));
    assert_eq!(app.get("/v1/events").await.expect(200)["next_after"], 0);
    app.finish().await;
}
