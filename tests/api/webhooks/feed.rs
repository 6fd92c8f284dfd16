//! The feed: the same events for those who would rather ask, each once, and none passed over that is stored late.

use serde_json::{Value, json};
use sqlx::Connection;

use super::endpoint;
use crate::harness::app::TestApp;
use crate::harness::receiver::Receiver;

/// Reads the feed to its end from a place on, in pages of so many.
async fn walk(app: &TestApp, mut after: i64, limit: i64, types: &str) -> (Vec<Value>, i64) {
    let mut events = Vec::new();
    loop {
        let page = app.get(&format!("/v1/events?after={after}&limit={limit}{types}")).await.expect(200);
        events.extend(page["results"].as_array().expect("a list").iter().cloned());
        after = page["next_after"].as_i64().expect("a place");
        if page["has_more"] == false {
            return (events, after);
        }
    }
}

#[tokio::test]
async fn the_feed_is_what_was_posted_letter_by_letter_and_each_event_comes_once() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, None).await;
    app.bank(&["A1"]).await;
    app.advocate("C1").code("A1").await.expect(201);
    let lines: Vec<Value> =
        (0..100).map(|order| json!({ "order": { "id": order, "amount": "49.90" }, "coupon_code": "A1" })).collect();
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    app.post_text("/v1/purchases/batch", "application/x-ndjson", &body).await.expect(200);
    assert_eq!(app.deliver().await, 201);
    for limit in [1, 7, 1_000] {
        let (events, last) = walk(&app, 0, limit, "").await;
        let places: Vec<Value> = events.iter().map(|event| event["sequence"].clone()).collect();
        assert_eq!(places, (1..=201).map(Value::from).collect::<Vec<_>>());
        assert_eq!(last, 201);
    }
    let page = app.get("/v1/events?limit=1000").await.expect(200);
    for message in receiver.messages() {
        assert!(page.text.contains(&message.body), "{}", message.body);
        assert!(message.body.contains("\"total\":49.90") || message.json()["type"] == "referral_code.created");
        let found = app.get(&format!("/v1/events/{}", message.id())).await.expect(200);
        assert_eq!(found.text, message.body);
    }
    let (some, last) = walk(&app, 0, 30, "&type=conversion.created,conversion.rejected").await;
    assert_eq!((some.len(), last), (100, 201));
    let (none, last) = walk(&app, 0, 30, "&type=reward.created").await;
    assert_eq!((none.len(), last), (0, 201));
    let (rest, _) = walk(&app, 199, 30, "").await;
    assert_eq!(rest.len(), 2);
    assert_eq!(app.get("/v1/events?after=500").await.expect(200)["next_after"], 500);
    app.finish().await;
}

#[tokio::test]
async fn bad_questions_are_refused_and_nobody_reads_what_is_not_his() {
    let app = TestApp::start().await;
    app.order("281").await.expect(201);
    app.deliver().await;
    for (query, param) in [("after=-1", "after"), ("after=x", "after"), ("limit=0", "limit"), ("limit=1001", "limit")] {
        let refused = app.get(&format!("/v1/events?{query}")).await.refused(400, "invalid_parameter");
        assert_eq!(refused["error"]["param"], param);
    }
    app.get("/v1/events?type=purchase").await.refused(400, "invalid_value");
    let id = app.get("/v1/events").await.expect(200)["results"][0]["id"].as_str().expect("an id").to_owned();
    app.get(&format!("/v1/events/{id}")).await.expect(200);
    let rival = app.other_account().await;
    let nothing = rival.get("/v1/events").await.expect(200);
    assert_eq!((&nothing["results"], &nothing["next_after"]), (&json!([]), &json!(0)));
    for unknown in [id.as_str(), "evt_0_1", "x"] {
        rival.get(&format!("/v1/events/{unknown}")).await.refused(404, "event_not_found");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_event_whose_transaction_commits_late_is_not_passed_over() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, None).await;
    // Somebody stores an order, has the number of its event already, and takes his time to commit.
    let mut slow = app.pool.acquire().await.expect("a connection");
    let mut late = slow.begin().await.expect("a transaction");
    let insert = "with purchase as (
            insert into purchases (account_id, source, order_id, amount, currency, ordered_at, products, reason, conflicting_codes, considered, created_at)
            select $1, '', 'late', 1, 'USD', now(), '[]', 'no_code', false, '[]', now() returning account_id, id
        )
        insert into events (account_id, kind, subjects, created_at) select account_id, 'purchase.recorded', array[id], now() from purchase returning id";
    let early_number: i64 =
        sqlx::query_scalar(insert).bind(app.account.0).fetch_one(&mut *late).await.expect("an event");

    app.order("early").await.expect(201);
    app.deliver().await;
    let (before, last) = walk(&app, 0, 100, "").await;
    assert_eq!(before.iter().map(|event| &event["data"]["order_id"]).collect::<Vec<_>>(), ["early"]);
    late.commit().await.expect("committed");
    drop(slow);
    app.deliver().await;
    let (after, _) = walk(&app, last, 100, "").await;
    assert_eq!(after.iter().map(|event| &event["data"]["order_id"]).collect::<Vec<_>>(), ["late"]);
    assert_eq!(after[0]["id"], format!("evt_{early_number}_1"), "its number was the lower one");
    assert!(before[0]["id"].as_str() > after[0]["id"].as_str());
    let mut ids: Vec<String> = receiver.messages().iter().map(|message| message.id().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2);
    app.finish().await;
}
