//! Why an order was decided as it was, and what would become of one that nobody has recorded.

use serde_json::{Value, json};

use crate::harness::app::{CAMPAIGN, TestApp};
use crate::harness::client::Answer;
use crate::harness::snapshot::everything;

/// An account whose advocates C1 (ada@example.com) and C2 hold A1 and B1, and which rewards ten percent after 14 days. Gives
/// C1's referral code.
async fn two_advocates() -> (TestApp, String) {
    let app = TestApp::start().await;
    app.bank(&["A1", "B1", "FREE"]).await;
    let one = app.advocate("C1").email("ada@example.com").code("A1").await.expect(201);
    app.advocate("C2").code("B1").await.expect(201);
    app.rules(json!({ "days_to_delay": 14, "reward": { "type": "percentage", "value": 10 } })).await;
    (app, one["referral_code"].as_str().expect("a code").to_owned())
}

async fn explained(app: &TestApp, order: &str) -> Answer {
    app.get(&format!("/v1/purchases/{order}/attribution")).await.expect(200)
}

fn verdicts(explanation: &Answer) -> Value {
    let candidates = explanation["candidates"].as_array().into_iter().flatten();
    let told = candidates.map(|one| json!([one["kind"], one["code"], one["verdict"], one["advocate"]["account_id"]]));
    told.collect()
}

#[tokio::test]
async fn every_code_of_an_order_is_told_of_with_what_became_of_it() {
    let (app, ada) = two_advocates().await;
    let upper = ada.to_uppercase();
    let orders = [
        (
            app.order("1").referral_code(&upper).code("b1 "),
            json!([["referral_code", upper, "decided", "C1"], ["coupon_code", "b1 ", "outranked", "C2"]]),
            Value::Null,
        ),
        (
            app.order("2").referral_code("nosuch").code("B1"),
            json!([["referral_code", "nosuch", "unknown_code", null], ["coupon_code", "B1", "decided", "C2"]]),
            Value::Null,
        ),
        (app.order("3").code("FREE"), json!([["coupon_code", "FREE", "unbound_code", null]]), json!("unbound_code")),
        (app.order("4"), json!([]), json!("no_code")),
    ];
    for (number, (order, candidates, reason)) in (1..).zip(orders) {
        let foretold = app.post("/v1/purchases?dry_run=true", order.body.clone()).await.expect(200);
        let recorded = order.await.expect(201);
        let explanation = explained(&app, &number.to_string()).await;
        assert_eq!((verdicts(&explanation), &explanation["reason"]), (candidates, &reason), "{}", explanation.text);
        assert_eq!(explanation["attribution"], recorded["attribution"]);
        // A dry run told the same before, but for what only a stored order has.
        let mut told = explanation.json.clone();
        told["dry_run"] = json!(true);
        if told["conversion"].is_object() {
            told["conversion"]["id"] = Value::Null;
        }
        assert_eq!(foretold.json, told);
    }
    let first = explained(&app, "1").await;
    assert_eq!(first["precedence"], json!(["referral_code", "coupon_code", "visit"]));
    let one = &first["candidates"][0];
    let told = json!([one["referral_code"], one["coupon_code"], one["campaign"]["id"]]);
    assert_eq!(told, json!([ada, "A1", CAMPAIGN]));
    app.finish().await;
}

#[tokio::test]
async fn a_dry_run_stores_nothing_and_tells_what_the_rules_would_say() {
    let (app, _) = two_advocates().await;
    let rules = json!({
        "new_customers_only": true, "minimum_amount": 50, "maximum_rewards_per_advocate": 1,
        "reward": { "type": "percentage", "value": 10, "cap": 8 },
    });
    app.rules(rules).await;
    app.order("before").with("customer.id", "C7").await.expect(201);
    let before = everything(&app.pool).await;
    let order = || app.order("281").code("A1").with("order.new_customer", true);
    let cases = [
        (order(), "approved", json!([]), json!({ "amount": 8.0, "type": "USD" })),
        (order().with("order.amount", 50), "approved", json!([]), json!({ "amount": 5.0, "type": "USD" })),
        (order().with("order.amount", 49), "rejected", json!(["below_minimum_amount"]), Value::Null),
        (order().with("order.currency", "EUR"), "held", json!(["other_currency"]), Value::Null),
        (order().email("ada@example.com"), "rejected", json!(["self_referral"]), Value::Null),
        (app.order("9").code("A1").with("customer.id", "C7"), "rejected", json!(["not_a_new_customer"]), Value::Null),
        // Its own record is no earlier order.
        (
            app.order("before").code("A1").with("customer.id", "C7"),
            "approved",
            json!([]),
            json!({ "amount": 8.0, "type": "USD" }),
        ),
    ];
    for (order, outcome, findings, reward) in cases {
        let foretold = app.post("/v1/purchases?dry_run=1", order.body.clone()).await.expect(200);
        let evaluation = &foretold["conversion"]["evaluation"];
        assert_eq!(
            evaluation,
            &json!({ "outcome": outcome, "findings": findings, "reward": reward }),
            "{}",
            order.body
        );
        assert_eq!((foretold.header("idempotent-replayed"), &foretold["dry_run"]), ("", &json!(true)));
    }
    // The bracketed form has its fields and the switch in one query.
    let brackets = "/v1/purchases?dry_run=true&order[id]=5&order[amount]=795.00&coupon_code=A1";
    let foretold = app.call(reqwest::Method::POST, brackets).await.expect(200);
    assert_eq!(foretold["attribution"]["advocate"]["account_id"], "C1");
    app.post("/v1/purchases?dry_run=true", json!({ "order": { "id": "1" } })).await.refused(400, "missing");
    app.post("/v1/purchases?dry_run=maybe", order().body).await.refused(400, "invalid_type");
    assert_eq!(everything(&app.pool).await, before, "nothing was stored");

    // With the switch off it is an order like any other, and then the maximum is reached.
    app.post("/v1/purchases?dry_run=false", order().body).await.expect(201);
    app.evaluate().await;
    let foretold =
        app.post("/v1/purchases?dry_run=true", app.order("9").code("A1").with("order.new_customer", true).body);
    assert_eq!(foretold.await.expect(200)["conversion"]["evaluation"]["findings"], json!(["maximum_rewards_reached"]));
    app.finish().await;
}

#[tokio::test]
async fn each_check_for_fraud_tells_what_it_saw_and_keeps_it() {
    let (app, _) = two_advocates().await;
    app.rules(json!({ "self_referral": "review", "similar_email_edits": 1 })).await;
    app.advocate("C1").await.expect(200);
    let order = app.order("281").code("A1").email("Ada@example.com").with("customer.id", "C1");
    order.with("ip_address", "203.0.113.7").await.expect(201);
    let checks = |explanation: &Answer| explanation["conversion"]["fraud_checks"].clone();
    let at_first = explained(&app, "281").await;
    let wanted = json!([
        { "check": "same_email", "seen": true, "buyer": ["Ada@example.com"], "advocate": ["ada@example.com"] },
        {
            "check": "fuzzy_email", "seen": false, "buyer": ["ada@example.com"], "advocate": ["ada@example.com"],
            "edits_allowed": 1, "edits": 0,
        },
        { "check": "same_customer", "seen": true, "buyer": ["C1"], "advocate": ["C1"] },
        { "check": "same_shopper", "seen": false, "buyer": ["203.0.113.7"], "advocate": [] },
    ]);
    assert_eq!(checks(&at_first), wanted);
    app.evaluate().await;
    // What was seen is kept, whatever becomes of the advocate's address.
    app.advocate("C1").email("other@example.com").await.expect(200);
    let later = explained(&app, "281").await;
    assert_eq!(checks(&later), wanted);
    let conversion = &later["conversion"];
    let told = json!([
        conversion["held"],
        conversion["evaluation"],
        conversion["history"][0]["event"],
        conversion["history"][0]["findings"]
    ]);
    assert_eq!(told, json!([true, null, "held", ["self_referral"]]));
    app.finish().await;
}

#[tokio::test]
async fn orders_by_the_line_are_stored_or_refused_and_never_only_asked_about() {
    let app = TestApp::start().await;
    let line = json!({ "order": { "id": "281", "amount": 100 } }).to_string();
    for query in ["dry_run=true", "dry%5Frun=1"] {
        let path = format!("/v1/purchases/batch?{query}");
        app.post_lines(&path, line.clone()).await.refused(400, "invalid_parameter");
        app.post(&format!("/v1/purchases?{query}"), json!({ "order": { "id": "281", "amount": 100 } }))
            .await
            .expect(200);
    }
    assert_eq!(app.count("select count(*) from purchases").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn the_rules_that_were_in_force_are_told_after_they_have_changed() {
    let (app, _) = two_advocates().await;
    app.order("early").code("A1").await.expect(201);
    app.pass_days(1);
    app.rules(json!({ "days_to_delay": 3, "reward": { "type": "fixed", "value": 7 } })).await;
    app.order("late").code("A1").await.expect(201);
    let (early, late) = (explained(&app, "early").await, explained(&app, "late").await);
    let told = |explanation: &Answer| {
        let in_force = &explanation["rules_in_force"];
        json!([in_force["since"], in_force["rules"]["days_to_delay"], in_force["rules"]["reward"]["type"]])
    };
    assert_eq!(told(&early), json!(["2026-08-01T12:00:00Z", 14, "percentage"]));
    assert_eq!(told(&late), json!(["2026-08-02T12:00:00Z", 3, "fixed"]));
    // But conversions are evaluated by the rules of that day.
    assert_eq!(early["conversion"]["due_at"], "2026-08-04T12:00:00Z");
    assert_eq!(early["conversion"]["evaluation"]["reward"], json!({ "amount": 7.0, "type": "USD" }));
    app.pass_days(3);
    app.evaluate().await;
    let history = &explained(&app, "early").await["conversion"]["history"][0];
    assert_eq!(history["rules"]["reward"]["type"], "fixed");

    app.get("/v1/purchases/nosuch/attribution").await.refused(404, "not_found");
    app.other_account().await.get("/v1/purchases/early/attribution").await.refused(404, "not_found");
    app.finish().await;
}
