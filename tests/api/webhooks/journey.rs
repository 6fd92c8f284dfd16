//! One story from the bank to the refund, as a merchant's systems see it.

use goodword::webhooks::signature::{Algorithm, Secret};
use serde_json::{Value, json};

use super::{endpoint, now, types};
use crate::harness::app::{CAMPAIGN, TestApp};
use crate::harness::receiver::{Message, Receiver};

#[tokio::test]
async fn from_the_bank_to_the_refund_every_step_is_told_with_the_names_that_join_them() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    let hook = endpoint(&app, &receiver, None).await;
    let secret = hook["secret"].as_str().expect("text");
    app.rules(json!({ "days_to_delay": 14, "reward": { "type": "percentage", "value": 10 } })).await;

    let bank = app.bank(&["A1"]).await;
    let code = app.advocate("C1").email("ada@example.com").out_of(&bank).await.expect(201);
    let order = app.order("281").code("A1").email("friend@example.com").await.expect(201);
    assert_eq!(app.deliver().await, 3);
    app.pass_days(14);
    assert_eq!(app.evaluate().await, 1);
    assert_eq!(app.deliver().await, 2);
    let back = json!({ "id": "R1", "amount": 25 });
    let refund = app.post("/v1/purchases/281/refunds", back).await.expect(201);
    assert_eq!(app.deliver().await, 1);

    let messages = receiver.messages();
    let mut told: Vec<Value> = messages.iter().map(Message::json).collect();
    told.sort_by_key(|event| event["sequence"].as_i64());
    let kinds: Vec<&Value> = told.iter().map(|event| &event["type"]).collect();
    let wanted = [
        "referral_code.created",
        "purchase.recorded",
        "conversion.created",
        "conversion.approved",
        "reward.created",
        "reward.reversed",
    ];
    assert_eq!(kinds, wanted);
    assert_eq!(types(&messages).len(), wanted.len());

    for (place, event) in (1..).zip(&told) {
        assert_eq!((&event["sequence"], &event["test"]), (&json!(place), &json!(false)));
        let data = &event["data"];
        let keys =
            json!([data["referral_code"], data["coupon_code"], data["campaign_id"], data["advocate"]["account_id"]]);
        assert_eq!(keys, json!([code["referral_code"], "A1", CAMPAIGN, "C1"]), "{event}");
        assert_eq!(data["advocate"]["email"], "ada@example.com");
    }
    for event in &told[1..] {
        let data = &event["data"];
        let keys = json!([data["order_id"], data["purchase_id"], data["conversion_id"], data["friend"]["email"]]);
        assert_eq!(keys, json!(["281", order["id"], order["conversion"]["id"], "friend@example.com"]), "{event}");
    }
    let reward = &app.get("/v1/rewards").await.expect(200)["results"][0];
    for event in &told[3..] {
        assert_eq!(event["data"]["reward_id"], reward["id"], "{event}");
    }
    assert_eq!(told[1]["data"]["object"], order.json, "an order as it was answered");
    assert_eq!(told[2]["data"]["object"]["status"], "pending", "as it began");
    assert_eq!(told[3]["data"]["object"]["status"], "approved");
    assert_eq!(told[4]["data"]["object"]["amount"], 10.0, "as it was granted");
    assert_eq!(told[5]["data"]["object"], *reward);
    assert_eq!(told[5]["data"]["object"]["amount"], refund["purchase"]["reward"]["amount"]);
    assert_eq!(told[5]["data"]["entry"]["refund_id"], "R1");
    assert!(told[0]["data"]["object"].get("coupon_pin").is_none(), "no PIN");

    let last = messages.last().expect("a message");
    assert!(last.is_signed_by(secret, now(&app)));
    assert_eq!((last.path.as_str(), last.header("content-type")), ("/hooks", "application/json"));
    let friendbuys = Secret::parse(secret).expect("a secret").sign_as_friendbuy(Algorithm::Sha1, &last.body);
    assert_eq!(last.header("x-friendbuy-signature"), friendbuys);
    app.finish().await;
}

#[tokio::test]
async fn what_is_told_late_is_told_as_it_was() {
    let app = TestApp::with_webhooks().await;
    app.rules(json!({ "reward": { "type": "percentage", "value": 10 } })).await;
    app.bank(&["A1"]).await;
    app.advocate("C1").code("A1").await.expect(201);
    let order = app.order("281").code("A1").await.expect(201);
    app.evaluate().await;
    let reward = app.get("/v1/rewards").await.expect(200)["results"][0].clone();
    let conversion = order["conversion"]["id"].clone();
    app.post("/v1/purchases/281/refunds", json!({ "id": "R1" })).await.expect(201);
    app.post(&format!("/v1/conversions/{conversion}/reject"), json!({ "reason": "Late" })).await.expect(200);
    app.deliver().await;
    let feed = app.get("/v1/events").await.expect(200);
    let object = |kind: &str| {
        let events = feed["results"].as_array().into_iter().flatten();
        events.into_iter().find(|event| event["type"] == kind).expect(kind)["data"]["object"].clone()
    };
    assert_eq!(object("purchase.recorded"), order.json);
    assert_eq!(object("conversion.created")["status"], "pending");
    assert_eq!(object("conversion.approved")["status"], "approved");
    assert_eq!(object("conversion.rejected")["status"], "rejected");
    assert_eq!(object("reward.created")["amount"], reward["amount"]);
    assert_eq!(object("reward.reversed")["status"], "invalid");
    app.finish().await;
}

#[tokio::test]
async fn what_was_rolled_back_or_refused_or_repeated_is_not_told() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, None).await;
    let bank = app.bank(&["A1"]).await;
    app.advocate("C1").out_of(&bank).await.expect(201);
    app.advocate("C2").out_of(&bank).await.refused(409, "bank_exhausted");
    app.advocate("C1").out_of(&bank).await.expect(200);
    app.order("281").code("A1").await.expect(201);
    app.order("281").code("A1").await.expect(200);
    app.order("281").with("order.amount", 101).await.refused(409, "order_conflict");
    app.post("/v1/purchases?dry_run=true", json!({ "order": { "id": "282", "amount": 100 } })).await.expect(200);
    assert_eq!(app.deliver().await, 3);
    app.finish().await;
}

#[tokio::test]
async fn a_bank_that_falls_low_is_told_once_until_it_was_filled_and_fell_again() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, Some(&["coupon_bank.low", "coupon_bank.exhausted"])).await;
    let bank = app.bank(&["A1", "A2", "A3"]).await;
    let path = format!("/v1/coupon_banks/{}", bank.id);
    app.patch(&path, json!({ "low_stock": { "available": 1 } })).await.expect(200);
    let tick = async || {
        let opened =
            goodword::coupon_banks::alerts::tick(&app.pool, app.clock.now()).await.expect("the database answers");
        app.deliver().await;
        opened
    };
    assert_eq!(tick().await, 0);
    app.advocate("C1").out_of(&bank).await.expect(201);
    app.advocate("C2").out_of(&bank).await.expect(201);
    assert_eq!((tick().await, tick().await), (1, 0), "low, once");
    app.advocate("C3").out_of(&bank).await.expect(201);
    assert_eq!((tick().await, tick().await), (1, 0), "exhausted, once");
    app.post(&bank.coupons(), json!(["A4", "A5"])).await.expect(200);
    assert_eq!(tick().await, 0, "above again");
    app.advocate("C4").out_of(&bank).await.expect(201);
    let (one, other) = tokio::join!(
        goodword::coupon_banks::alerts::tick(&app.pool, app.clock.now()),
        goodword::coupon_banks::alerts::tick(&app.pool, app.clock.now())
    );
    assert_eq!(one.expect("ticked") + other.expect("ticked"), 1, "low again, by one of two");
    app.deliver().await;
    let told: Vec<Value> = receiver.messages().iter().map(Message::json).collect();
    let line = |event: &Value| {
        let object = &event["data"]["object"];
        json!([
            event["type"],
            event["data"]["coupon_bank_id"],
            object["id"],
            object["counts"]["available"],
            object["reasons"]
        ])
    };
    let wanted = [
        json!(["coupon_bank.low", bank.id, bank.id, 1, ["available"]]),
        json!(["coupon_bank.exhausted", bank.id, bank.id, 0, ["available", "exhausted"]]),
        json!(["coupon_bank.low", bank.id, bank.id, 1, ["available"]]),
    ];
    assert_eq!(told.iter().map(line).collect::<Vec<_>>(), wanted);
    app.finish().await;
}
