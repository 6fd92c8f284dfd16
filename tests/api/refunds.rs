//! Refunds and cancellations: what is given back of an order takes its part of the reward, once, whatever happens at the same time.

use futures_util::future::join_all;
use goodword::conversions::evaluation::{self, Aside};
use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::client::Answer;

/// An account that rewards ten percent, and an order of 100.00 by A1 that is not evaluated yet.
async fn with_an_order() -> TestApp {
    let app = TestApp::start().await;
    app.bank(&["A1"]).await;
    app.advocate("C1").code("A1").await.expect(201);
    app.rules(json!({ "reward": { "type": "percentage", "value": 10 } })).await;
    app.order("281").code("A1").await.expect(201);
    app
}

async fn refund(app: &TestApp, body: Value) -> Answer {
    app.post("/v1/purchases/281/refunds", body).await
}

/// What is left, what is owed, and what is outstanding.
fn sums(balance: &Value) -> Value {
    json!([balance["left"], balance["reward"]["amount"], balance["reward"]["outstanding"]])
}

async fn ledger(app: &TestApp) -> Vec<Value> {
    let id = app.get("/v1/rewards").await.expect(200)["results"][0]["id"].clone();
    let reward = app.get(&format!("/v1/rewards/{id}")).await.expect(200);
    let entries = reward["entries"].as_array().into_iter().flatten();
    entries.map(|entry| json!([entry["kind"], entry["amount"], entry["cause"], entry["refund_id"]])).collect()
}

#[tokio::test]
async fn a_reward_follows_each_refund_in_proportion_until_nothing_is_left() {
    let app = with_an_order().await;
    app.evaluate().await;
    let steps = [
        (json!({ "id": "R1", "amount": 25 }), json!([75.0, 7.5, 7.5])),
        (json!({ "id": 2, "amount": "33.33", "reason": "Late" }), json!([41.67, 4.17, 4.17])),
        (json!({ "id": "R3", "amount": 0.01 }), json!([41.66, 4.17, 4.17])),
        (json!({ "id": "R4" }), json!([0.0, 0.0, 0.0])),
    ];
    for (body, wanted) in steps {
        let answer = refund(&app, body.clone()).await.expect(201);
        assert_eq!(sums(&answer["purchase"]), wanted, "{body}");
    }
    let wanted = [
        json!(["earned", 10.0, "approval", null]),
        json!(["reversed", -2.5, "refund", "R1"]),
        json!(["reversed", -3.33, "refund", "2"]),
        json!(["reversed", -4.17, "refund", "R4"]),
    ];
    assert_eq!(ledger(&app).await, wanted);
    let listed = app.get("/v1/purchases/281/refunds?limit=3").await.expect(200);
    let ids: Vec<_> = listed["results"].as_array().into_iter().flatten().map(|refund| &refund["id"]).collect();
    assert_eq!((ids, &listed["total_results_count"]), (vec![&json!("R1"), &json!("2"), &json!("R3")], &json!(4)));
    assert_eq!(app.get("/v1/purchases/281").await.expect(200)["conversion"]["status"], "approved");
    app.finish().await;
}

#[tokio::test]
async fn a_refund_counts_once_and_never_more_than_is_left() {
    let app = with_an_order().await;
    app.evaluate().await;
    let first = refund(&app, json!({ "id": "R1", "amount": 40 })).await.expect(201);
    for again in [json!({ "id": "R1" }), json!({ "id": "R1", "amount": "40.00" })] {
        let replay = refund(&app, again).await.expect(200);
        assert_eq!((replay.header("idempotent-replayed"), &replay.text), ("true", &first.text));
    }
    let other =
        refund(&app, json!({ "id": "R1", "amount": 41, "reason": "Other" })).await.refused(409, "refund_conflict");
    assert_eq!(other["error"]["fields"], json!(["amount", "reason"]));
    let large = refund(&app, json!({ "id": "R2", "amount": 60.01 })).await.refused(409, "refund_too_large");
    assert!(large["message"].as_str().is_some_and(|message| message.contains("60.00")), "{}", large.text);
    refund(&app, json!({ "id": "R2", "amount": 60 })).await.expect(201);
    refund(&app, json!({ "id": "R3" })).await.refused(409, "refund_too_large");
    assert_eq!(app.count("select count(*) from refunds").await, 2);
    app.finish().await;
}

#[tokio::test]
async fn a_reward_that_was_paid_is_outstanding_the_other_way_round() {
    let app = with_an_order().await;
    app.evaluate().await;
    let id = app.get("/v1/rewards").await.expect(200)["results"][0]["id"].clone();
    app.post(&format!("/v1/rewards/{id}/pay"), json!({})).await.expect(200);
    let answer = refund(&app, json!({ "id": "R1", "amount": 50 })).await.expect(201);
    assert_eq!(sums(&answer["purchase"]), json!([50.0, 5.0, -5.0]));
    let cancelled = app.post("/v1/purchases/281/cancel", json!({})).await.expect(200);
    assert_eq!(sums(&cancelled.json), json!([0.0, 0.0, -10.0]));
    app.finish().await;
}

#[tokio::test]
async fn what_is_given_back_before_the_evaluation_is_never_earned() {
    let app = with_an_order().await;
    let early = refund(&app, json!({ "id": "R1", "amount": 50 })).await.expect(201);
    assert_eq!(sums(&early["purchase"]), json!([50.0, null, null]));
    app.evaluate().await;
    assert_eq!(ledger(&app).await, [json!(["earned", 5.0, "approval", null])]);

    let ways = [("282", "refunds", "refunded"), ("283", "cancel", "cancelled")];
    for (order, way, finding) in ways {
        let id = app.order(order).code("A1").await.expect(201)["conversion"]["id"].clone();
        let answer = app.post(&format!("/v1/purchases/{order}/{way}"), json!({ "id": "R1" })).await;
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
        app.evaluate().await;
        let history = app.get(&format!("/v1/conversions/{id}/history")).await.expect(200);
        assert_eq!(
            (&history["results"][0]["status"], &history["results"][0]["findings"]),
            (&json!("rejected"), &json!([finding]))
        );
    }
    assert_eq!(app.count("select count(*) from rewards").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn an_order_that_is_called_off_twice_is_called_off_once() {
    let app = with_an_order().await;
    app.evaluate().await;
    let path = "/v1/purchases/281/cancel";
    let first = app.call(reqwest::Method::POST, path).await.expect(200);
    assert_eq!((sums(&first.json), &first["cancelled_at"]), (json!([0.0, 0.0, 0.0]), &json!("2026-08-01T12:00:00Z")));
    app.pass_days(1);
    assert_eq!(app.post(path, json!({})).await.expect(200).text, first.text);
    refund(&app, json!({ "id": "R1", "amount": 1 })).await.refused(409, "refund_too_large");
    // An override after that gives nothing back: nothing is left of the order.
    let id = app.get("/v1/purchases/281").await.expect(200)["conversion"]["id"].clone();
    for what in ["reject", "override"] {
        let ruled = app.post(&format!("/v1/conversions/{id}/{what}"), json!({ "reason": "Because" })).await.expect(200);
        assert_eq!(ruled["reward"]["amount"], 0.0, "{what}");
    }
    assert_eq!(ledger(&app).await.len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn a_refund_that_cannot_be_is_refused_by_its_field() {
    let app = with_an_order().await;
    let rival = app.other_account().await;
    let cases = [
        (json!({}), "id", "missing"),
        (json!({ "id": " " }), "id", "missing"),
        (json!({ "id": "R1", "amount": 0 }), "amount", "out_of_range"),
        (json!({ "id": "R1", "amount": -5 }), "amount", "out_of_range"),
        (json!({ "id": "R1", "amount": "all" }), "amount", "invalid_amount"),
        (json!({ "id": "R1", "amount": 0.005 }), "amount", "too_many_decimals"),
        (json!({ "id": "R1", "reason": "" }), "reason", "missing"),
        (json!({ "id": "x".repeat(65) }), "id", "too_long"),
    ];
    for (body, param, code) in cases {
        let answer = refund(&app, body.clone()).await.refused(400, code);
        assert_eq!(answer["error"]["param"], param, "{body}");
    }
    for path in ["/v1/purchases/nosuch/refunds", "/v1/purchases/281/refunds?source=till"] {
        app.post(path, json!({ "id": "R1" })).await.refused(404, "not_found");
        app.get(path).await.refused(404, "not_found");
    }
    app.post("/v1/purchases/nosuch/cancel", json!({})).await.refused(404, "not_found");
    rival.post("/v1/purchases/281/refunds", json!({ "id": "R1" })).await.refused(404, "not_found");
    rival.post("/v1/purchases/281/cancel", json!({})).await.refused(404, "not_found");
    assert_eq!(app.count("select count(*) from refunds").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn an_order_of_a_till_that_nobody_referred_is_refunded_all_the_same() {
    let app = with_an_order().await;
    app.order("281").with("source", "till").with("order.currency", "JPY").await.expect(201);
    let path = "/v1/purchases/281/refunds?source=till";
    app.post(path, json!({ "id": "R1", "amount": 0.5 })).await.refused(400, "too_many_decimals");
    let answer = app.post(path, json!({ "id": "R1", "amount": 30 })).await.expect(201);
    assert_eq!(sums(&answer["purchase"]), json!([70, null, null]));
    assert!(answer.text.contains(r#""refunded":30,"left":70"#), "in yen: {}", answer.text);
    app.finish().await;
}

#[tokio::test]
async fn refunds_and_the_evaluation_at_once_add_up_whoever_is_first() {
    let app = with_an_order().await;
    for round in 0..10 {
        let order = format!("round {round}");
        app.order(&order).code("A1").await.expect(201);
        let path = format!("/v1/purchases/{}/refunds", order.replace(' ', "%20"));
        let refunds = join_all((0..8).map(|number| {
            let (app, path) = (&app, &path);
            async move { app.post(path, json!({ "id": format!("R{number}"), "amount": 20 })).await.status }
        }));
        let mut aside = Aside::default();
        let (statuses, tick) = tokio::join!(refunds, evaluation::tick(&app.pool, &mut aside, app.clock.now()));
        tick.expect("the database answers");
        let recorded = statuses.iter().filter(|status| **status == 201).count();
        let refused = statuses.iter().filter(|status| **status == 409).count();
        assert_eq!((recorded, refused), (5, 3), "five times twenty are a hundred: {statuses:?}");
        app.evaluate().await;
    }
    // What must hold of the ledgers is looked at when the story ends.
    app.finish().await;
}
