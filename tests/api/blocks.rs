//! Blocked customers and codes: orders are recorded, nothing is credited.

use serde_json::{Value, json};

use crate::harness::app::TestApp;

/// An account with two advocates: C1 holds A1, C2 holds B1. Gives C1's number and referral code.
async fn two_advocates() -> (TestApp, Value, String) {
    let app = TestApp::start().await;
    app.bank(&["A1", "B1", "FREE"]).await;
    let one = app.advocate("C1").code("A1").await.expect(201);
    app.advocate("C2").code("B1").await.expect(201);
    let code = one["referral_code"].as_str().expect("a code").to_owned();
    (app, one["customer"]["id"].clone(), code)
}

#[tokio::test]
async fn an_order_by_a_blocked_code_is_recorded_and_credited_to_nobody() {
    let (app, _, code) = two_advocates().await;
    let path = |what: &str| format!("/v1/referral_codes/{}/{what}", code.to_uppercase());
    let before = app.order("before").code("A1").await.expect(201);
    let blocked = app.call(reqwest::Method::POST, &path("block")).await.expect(200);
    let wanted = json!({ "referral_code": code, "blocked": true, "blocked_at": "2026-08-01T12:00:00Z" });
    assert_eq!(blocked.json, wanted);
    app.pass_days(1);
    assert_eq!(app.post(&path("block"), json!({})).await.expect(200).json, wanted, "once more does no harm");

    let orders = [
        (app.order("1").code("A1"), json!("blocked_code"), Value::Null),
        (app.order("2").referral_code(&code), json!("blocked_code"), Value::Null),
        (app.order("3").referral_code(&code).code("FREE"), json!("blocked_code"), Value::Null),
        // Evidence that credits nobody is passed over, and the other decides.
        (app.order("4").referral_code(&code).code("B1"), Value::Null, json!("C2")),
        (app.order("5").code("B1"), Value::Null, json!("C2")),
    ];
    for (order, reason, advocate) in orders {
        let answer = order.await.expect(201);
        let found = json!([answer["reason"], answer["attribution"]["advocate"]["account_id"]]);
        assert_eq!(found, json!([reason, advocate]), "{}", answer.text);
        assert_eq!(answer["conversion"].is_null(), advocate.is_null());
    }
    let considered: Value = sqlx::query_scalar("select considered from purchases where order_id = '4'")
        .fetch_one(&app.pool)
        .await
        .expect("the order");
    assert_eq!((&considered[0]["verdict"], &considered[1]["verdict"]), (&json!("blocked_code"), &json!("decided")));

    // What was credited before is not taken away, but is not approved either.
    assert_eq!(app.order("before").code("A1").await.expect(200).text, before.text);
    app.evaluate().await;
    assert_eq!(app.get("/v1/purchases/before").await.expect(200)["conversion"]["status"], "rejected");

    let unblocked = app.post(&path("unblock"), json!({})).await.expect(200);
    assert_eq!((&unblocked["blocked"], &unblocked["blocked_at"]), (&json!(false), &Value::Null));
    assert_eq!(app.order("6").code("A1").await.expect(201)["attribution"]["advocate"]["account_id"], "C1");
    assert_eq!(app.order("1").code("A1").await.expect(200)["reason"], "blocked_code", "that stays decided");
    app.finish().await;
}

#[tokio::test]
async fn nothing_is_credited_to_a_blocked_customer_by_any_code() {
    let (app, id, code) = two_advocates().await;
    app.rules(json!({ "reward": { "type": "fixed", "value": 10 } })).await;
    app.order("before").code("A1").await.expect(201);
    app.evaluate().await;
    app.order("between").code("A1").await.expect(201);
    let blocked = app.post(&format!("/v1/customers/{id}/block"), json!({})).await.expect(200);
    assert_eq!((&blocked["customer"]["account_id"], &blocked["blocked"]), (&json!("C1"), &json!(true)));
    app.post(&format!("/v1/referral_codes/{code}/block"), json!({})).await.expect(200);
    for (number, order) in [app.order("1").code("A1"), app.order("2").referral_code(&code)].into_iter().enumerate() {
        assert_eq!(order.await.expect(201)["reason"], "blocked_customer", "{number}");
    }
    app.evaluate().await;
    let between = app.get("/v1/purchases/between").await.expect(200)["conversion"]["id"].clone();
    let history = app.get(&format!("/v1/conversions/{between}/history")).await.expect(200);
    assert_eq!(history["results"][0]["findings"], json!(["blocked_code", "blocked_customer"]));
    assert_eq!(app.get("/v1/rewards").await.expect(200)["results"][0]["amount"], 10.0, "what he had earned stays");

    app.post(&format!("/v1/referral_codes/{code}/unblock"), json!({})).await.expect(200);
    app.post(&format!("/v1/customers/{id}/unblock"), json!({})).await.expect(200);
    assert_eq!(app.order("3").code("A1").await.expect(201)["reason"], Value::Null);
    app.finish().await;
}

#[tokio::test]
async fn only_the_accounts_own_customers_and_codes_are_blocked() {
    let (app, id, code) = two_advocates().await;
    let rival = app.other_account().await;
    for what in ["block", "unblock"] {
        for (path, refusal) in [
            (format!("/v1/customers/{id}/{what}"), "customer_not_found"),
            (format!("/v1/referral_codes/{code}/{what}"), "referral_code_not_found"),
        ] {
            let foreign = rival.post(&path, json!({})).await.refused(404, refusal);
            let unknown = path.replace(&code, "nosuch").replace(&format!("/{id}/"), "/1/");
            assert_eq!(
                foreign.without_request_id(),
                app.post(&unknown, json!({})).await.refused(404, refusal).without_request_id()
            );
        }
        app.post(&format!("/v1/customers/C1/{what}"), json!({})).await.refused(404, "customer_not_found");
        app.post(&format!("/v1/referral_codes/A1/{what}"), json!({})).await.refused(404, "referral_code_not_found");
    }
    let blocked =
        "select count(*) from customers c, referral_codes r where c.blocked_at is not null or r.blocked_at is not null";
    assert_eq!(app.count(blocked).await, 0);
    app.finish().await;
}
