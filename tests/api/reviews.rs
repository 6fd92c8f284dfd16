//! Rulings by hand: approve, reject, override; with a reason, kept for ever.

use serde_json::{Value, json};
use sqlx::Executor;

use crate::harness::app::TestApp;
use crate::harness::client::Answer;

/// An account with a fixed reward of ten dollars after a delay of 14 days, and an order by A1.
async fn with_an_order() -> (TestApp, Value) {
    let app = TestApp::start().await;
    app.bank(&["A1"]).await;
    app.advocate("C1").email("ada@example.com").code("A1").await.expect(201);
    app.rules(json!({ "days_to_delay": 14, "reward": { "type": "fixed", "value": 10 } })).await;
    let order = app.order("281").code("A1").await.expect(201);
    (app, order["conversion"]["id"].clone())
}

async fn rule(app: &TestApp, id: &Value, what: &str, reason: &str) -> Answer {
    app.post(&format!("/v1/conversions/{id}/{what}"), json!({ "reason": reason, "actor": "ann" })).await
}

fn state(answer: &Answer) -> Value {
    json!([answer["status"], answer["reward"]["amount"]])
}

#[tokio::test]
async fn a_person_approves_before_the_rules_do() {
    let (app, id) = with_an_order().await;
    let approved = rule(&app, &id, "approve", "Known to us").await.expect(200);
    assert_eq!(state(&approved), json!(["approved", 10.0]));
    let again = rule(&app, &id, "approve", "Once more").await.expect(200);
    assert_eq!(again.text, approved.text, "nothing happens twice");
    app.pass_days(14);
    assert_eq!(app.evaluate().await, 0, "what a person has decided is not evaluated");
    let history = app.get(&format!("/v1/conversions/{id}/history")).await.expect(200);
    assert_eq!(history["total_results_count"], 1);
    let entry = &history["results"][0];
    let told = json!([entry["event"], entry["decided_by"], entry["reason"], entry["actor"], entry["created_at"]]);
    assert_eq!(told, json!(["approved", "person", "Known to us", "ann", "2026-08-01T12:00:00Z"]));
    app.finish().await;
}

#[tokio::test]
async fn a_rejection_is_overridden_and_an_approval_taken_back_with_its_reward() {
    let (app, id) = with_an_order().await;
    let steps = [
        ("override", 409, json!("not_rejected")),
        ("reject", 200, json!(["rejected", null])),
        ("reject", 200, json!(["rejected", null])),
        ("approve", 409, json!("not_pending")),
        ("override", 200, json!(["approved", 10.0])),
        ("approve", 200, json!(["approved", 10.0])),
        ("reject", 200, json!(["rejected", 0.0])),
        ("override", 200, json!(["approved", 10.0])),
    ];
    for (what, status, wanted) in steps {
        let answer = rule(&app, &id, what, "Because").await.expect(status);
        let found = if status == 200 { state(&answer) } else { answer["error"]["code"].clone() };
        assert_eq!(found, wanted, "{what}: {}", answer.text);
    }
    let history = app.get(&format!("/v1/conversions/{id}/history")).await.expect(200);
    let events: Vec<_> = history["results"].as_array().into_iter().flatten().map(|entry| &entry["event"]).collect();
    assert_eq!(events, ["rejected", "overridden", "rejected", "overridden"]);
    let reward = &app.get("/v1/rewards").await.expect(200)["results"][0];
    let ledger = app.get(&format!("/v1/rewards/{}", reward["id"])).await.expect(200);
    let entries = ledger["entries"].as_array().into_iter().flatten();
    let entries: Vec<_> = entries.map(|entry| json!([entry["kind"], entry["amount"], entry["cause"]])).collect();
    let wanted = [
        json!(["earned", 10.0, "override"]),
        json!(["reversed", -10.0, "rejection"]),
        json!(["earned", 10.0, "override"]),
    ];
    assert_eq!(entries, wanted);
    let page = app.get(&format!("/v1/conversions/{id}/history?limit=1&offset=3")).await.expect(200);
    assert_eq!((&page["this_page_results_count"], &page["total_results_count"]), (&json!(1), &json!(4)));
    app.finish().await;
}

#[tokio::test]
async fn what_a_buyer_from_himself_made_is_overridden_like_any_rejection() {
    let app = with_an_order().await.0;
    let order = app.order("282").code("A1").email("ada@example.com").await.expect(201);
    assert_eq!(order["conversion"]["status"], "rejected");
    let overridden = rule(&app, &order["conversion"]["id"], "override", "For her mother").await.expect(200);
    assert_eq!(state(&overridden), json!(["approved", 10.0]));
    assert_eq!((&overridden["possible_self_referral"], &overridden["held"]), (&json!(true), &json!(false)));
    app.finish().await;
}

#[tokio::test]
async fn a_ruling_needs_a_reason_and_a_conversion_of_the_accounts_own() {
    let (app, id) = with_an_order().await;
    let rival = app.other_account().await;
    for what in ["approve", "reject", "override"] {
        let path = format!("/v1/conversions/{id}/{what}");
        for (body, param, code) in [
            (json!({}), "reason", "missing"),
            (json!({ "reason": " " }), "reason", "missing"),
            (json!({ "reason": 5 }), "reason", "invalid_type"),
            (json!({ "reason": "x".repeat(256) }), "reason", "too_long"),
            (json!({ "reason": "x", "actor": "" }), "actor", "missing"),
        ] {
            let answer = app.post(&path, body.clone()).await.refused(400, code);
            assert_eq!(answer["error"]["param"], param, "{body}");
        }
        let foreign = rival.post(&path, json!({ "reason": "x" })).await.refused(404, "conversion_not_found");
        let unknown = app.post(&format!("/v1/conversions/1/{what}"), json!({ "reason": "x" })).await;
        assert_eq!(foreign.without_request_id(), unknown.refused(404, "conversion_not_found").without_request_id());
        app.post(&format!("/v1/conversions/x/{what}"), json!({ "reason": "x" }))
            .await
            .refused(404, "conversion_not_found");
    }
    assert_eq!(app.count("select count(*) from conversion_events").await, 0, "nothing was decided");
    app.finish().await;
}

#[tokio::test]
async fn neither_history_nor_ledgers_can_be_changed_or_cut() {
    let (app, id) = with_an_order().await;
    rule(&app, &id, "approve", "Known to us").await.expect(200);
    for statement in [
        "update conversion_events set reason = 'Another'",
        "delete from conversion_events",
        "update reward_entries set amount = 1000",
        "delete from reward_entries",
    ] {
        let fault = app.pool.execute(statement).await.expect_err(statement);
        assert!(fault.to_string().contains("never changed"), "{statement}: {fault}");
    }
    app.finish().await;
}
