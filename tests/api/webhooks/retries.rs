//! Deliveries that do not go well: tried again, logged, given up, sent again; and endpoints that keep nobody else waiting.

use std::time::Duration;

use goodword::events::feed;
use goodword::webhooks::queue;
use serde_json::{Value, json};
use sqlx::Connection;

use super::{endpoint, types};
use crate::harness::app::TestApp;
use crate::harness::receiver::{Message, Receiver, Reply};

async fn deliveries(app: &TestApp, query: &str) -> Vec<Value> {
    let listed = app.get(&format!("/v1/webhook_deliveries{query}")).await.expect(200);
    listed["results"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn what_fails_is_tried_again_under_the_same_id_in_the_same_words_until_it_is_taken() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, None).await;
    receiver.will([Reply::Status(500), Reply::Status(404), Reply::Status(204)]);
    app.order("281").await.expect(201);
    assert_eq!(app.deliver().await, 1);
    assert_eq!(app.deliver().await, 0, "not before it is time");
    app.clock.advance(time::Duration::seconds(6));
    assert_eq!(app.deliver().await, 1);
    let waiting = deliveries(&app, "?state=waiting").await;
    assert_eq!(json!([waiting[0]["attempts"], waiting[0]["last_status"]]), json!([2, 404]));
    app.clock.advance(time::Duration::seconds(34));
    assert_eq!(app.deliver().await, 1);
    app.pass_days(4);
    assert_eq!(app.deliver().await, 0);

    let messages = receiver.messages();
    let said: Vec<(&str, &str)> = messages.iter().map(|message| (message.id(), message.body.as_str())).collect();
    assert_eq!(said, [said[0]; 3]);
    assert_eq!(messages[0].json()["id"], messages[0].id());
    let listed = deliveries(&app, &format!("?event_id={}", messages[0].id())).await;
    let delivery = app.get(&format!("/v1/webhook_deliveries/{}", listed[0]["id"])).await.expect(200);
    assert_eq!((&delivery["state"], &delivery["next_attempt_at"]), (&json!("delivered"), &Value::Null));
    let log = delivery["log"].as_array().expect("a log");
    let statuses: Vec<Value> = log.iter().map(|attempt| json!([attempt["number"], attempt["status"]])).collect();
    assert_eq!(statuses, [json!([1, 500]), json!([2, 404]), json!([3, 204])]);
    app.finish().await;
}

#[tokio::test]
async fn after_three_days_it_is_given_up_and_can_be_sent_again() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    let hook = endpoint(&app, &receiver, None).await;
    receiver.will(std::iter::repeat_n(Reply::Status(500), 14));
    app.order("281").await.expect(201);
    let began = app.clock.now();
    let mut tried = app.deliver().await;
    while deliveries(&app, "?state=waiting").await.len() == 1 {
        app.clock.advance(time::Duration::minutes(10));
        tried += app.deliver().await;
    }
    assert_eq!(tried, 14);
    let hours = (app.clock.now() - began).whole_hours();
    assert!((64..=82).contains(&hours), "{hours} hours");
    let failed = deliveries(&app, "?state=failed").await;
    assert_eq!(json!([failed[0]["attempts"], failed[0]["last_status"]]), json!([14, 500]));

    let again = json!({ "event_id": failed[0]["event_id"], "endpoint_id": hook["id"] });
    let replayed = app.post("/v1/webhook_deliveries/replay", again).await.expect(202);
    assert_eq!((&replayed["deliveries"], app.deliver().await), (&json!(1), 1));
    assert_eq!(deliveries(&app, "?state=delivered").await[0]["attempts"], 15);
    let messages = receiver.messages();
    assert_eq!((messages.len(), messages[0].id()), (15, messages[14].id()));
    app.finish().await;
}

#[tokio::test]
async fn one_who_is_gone_is_switched_off_and_what_waited_goes_on_when_he_is_back() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    let hook = endpoint(&app, &receiver, None).await;
    let path = format!("/v1/webhook_endpoints/{}", hook["id"]);
    receiver.will([Reply::Status(500), Reply::Status(410)]);
    app.order("281").await.expect(201);
    app.deliver().await;
    app.order("282").await.expect(201);
    app.deliver().await;
    let shown = app.get(&path).await.expect(200);
    assert_eq!((&shown["active"], &shown["disabled_reason"]), (&json!(false), &json!("gone")));
    app.order("283").await.expect(201);
    app.pass_days(1);
    assert_eq!(app.deliver().await, 0, "nobody is there");
    let back = app.patch(&path, json!({ "active": true })).await.expect(200);
    assert_eq!(back["disabled_reason"], Value::Null);
    assert_eq!(app.deliver().await, 1, "the one that waited");
    let states: Vec<Value> = deliveries(&app, "").await.iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["delivered", "failed"]);
    app.finish().await;
}

#[tokio::test]
async fn what_waits_for_a_deleted_endpoint_is_called_off() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    let hook = endpoint(&app, &receiver, None).await;
    receiver.will([Reply::Status(500)]);
    app.order("281").await.expect(201);
    app.deliver().await;
    app.call(reqwest::Method::DELETE, &format!("/v1/webhook_endpoints/{}", hook["id"])).await.expect(204);
    app.pass_days(1);
    assert_eq!(app.deliver().await, 0);
    assert_eq!(deliveries(&app, "").await[0]["state"], "cancelled");
    app.finish().await;
}

#[tokio::test]
async fn an_answer_leads_nowhere_else_and_of_a_large_one_little_is_read() {
    let app = TestApp::with_webhooks().await;
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    endpoint(&app, &receiver, None).await;
    receiver.will([Reply::Redirect(elsewhere.url()), Reply::Large(3 << 20)]);
    app.order("281").await.expect(201);
    app.deliver().await;
    assert_eq!(deliveries(&app, "").await[0]["last_status"], 302);
    app.clock.advance(time::Duration::seconds(6));
    app.deliver().await;
    assert_eq!(deliveries(&app, "").await[0]["state"], "delivered");
    assert_eq!((receiver.messages().len(), elsewhere.messages().len()), (2, 0));
    app.finish().await;
}

#[tokio::test]
async fn nothing_is_posted_to_private_addresses_unless_the_operator_lets_it() {
    let app = TestApp::start().await;
    let receiver = Receiver::start().await;
    let created = app.post("/v1/webhook_endpoints", json!({ "url": "https://shop.example.com/" })).await.expect(201);
    // As if it had been allowed once, or the name led elsewhere then.
    for url in [receiver.url(), format!("https://localhost:{}/", receiver.address.port())] {
        sqlx::query("update webhook_endpoints set url = $1").bind(&url).execute(&app.pool).await.expect("stored");
        let ping = app.post(&format!("/v1/webhook_endpoints/{}/ping", created["id"]), json!({})).await.expect(200);
        assert_eq!((&ping["delivered"], &ping["status"]), (&json!(false), &Value::Null), "{}", ping.text);
        assert!(ping["error"].as_str().is_some_and(|error| error.starts_with("the address ")), "{}", ping.text);
    }
    assert_eq!(receiver.messages().len(), 0);
    app.finish().await;
}

#[tokio::test]
async fn an_endpoint_that_hangs_keeps_nobody_else_waiting() {
    let app = TestApp::with_webhooks().await;
    let (good, bad) = (Receiver::start().await, Receiver::start().await);
    endpoint(&app, &bad, None).await;
    endpoint(&app, &good, None).await;
    bad.hang();
    for order in 0..8 {
        app.order(&format!("O{order}")).await.expect(201);
    }
    {
        let delivering = app.deliver();
        tokio::pin!(delivering);
        tokio::select! {
            _ = &mut delivering => panic!("the one who hangs is waited for"),
            ((), ()) = async { tokio::join!(good.wait_for(8), bad.wait_for(4)) } => {}
        }
        assert_eq!(bad.messages().len(), 4, "so many at once, and no more");
        bad.let_go();
        delivering.await;
    }
    assert_eq!(bad.messages().len(), 8);
    app.finish().await;
}

#[tokio::test]
async fn what_was_taken_by_one_who_died_is_taken_again_after_a_while_and_by_nobody_before() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver, None).await;
    app.order("281").await.expect(201);
    let dying = app.dispatcher();
    dying.place().await.expect("placed");
    let taken = dying.take(&[]).await.expect("taken");
    assert_eq!(taken.iter().map(Vec::len).sum::<usize>(), 1);
    app.clock.advance(time::Duration::seconds(59));
    assert_eq!(app.deliver().await, 0);
    app.clock.advance(time::Duration::seconds(2));
    assert_eq!(app.deliver().await, 1);
    // He was only slow: what he has to say comes too late to change anything.
    receiver.will([Reply::Status(500)]);
    for batch in taken {
        dying.deliver(batch).await.expect("delivered");
    }
    assert_eq!(deliveries(&app, "").await[0]["state"], "delivered");
    let messages = receiver.messages();
    assert_eq!((messages.len(), messages[0].id()), (2, messages[1].id()));
    app.finish().await;
}

#[tokio::test]
async fn a_part_of_the_feed_is_sent_again_also_to_an_endpoint_that_is_new() {
    let app = TestApp::with_webhooks().await;
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    endpoint(&app, &first, None).await;
    for order in 0..5 {
        app.order(&format!("O{order}")).await.expect(201);
        app.pass_days(1);
    }
    assert_eq!(app.deliver().await, 5);
    let late = endpoint(&app, &second, Some(&["purchase.recorded"])).await;
    assert_eq!(app.deliver().await, 0);
    let replay = async |body: Value| {
        let answer = app.post("/v1/webhook_deliveries/replay", body).await.expect(202);
        (answer["deliveries"].as_i64(), app.deliver().await)
    };
    assert_eq!(replay(json!({ "after": 1, "until": 3, "endpoint_id": late["id"] })).await, (Some(2), 2));
    let orders = |messages: &[Message]| {
        let mut orders: Vec<String> = messages
            .iter()
            .map(|message| message.json()["data"]["order_id"].as_str().expect("an id").to_owned())
            .collect();
        orders.sort();
        orders
    };
    assert_eq!(orders(&second.messages()), ["O1", "O2"]);
    assert_eq!(replay(json!({ "from_date": "2026-08-02", "to_date": "2026-08-03" })).await, (Some(4), 4));
    assert_eq!((first.messages().len(), second.messages().len()), (7, 4));
    assert_eq!(replay(json!({ "after": 0, "event_types": ["reward.created"] })).await, (Some(0), 0));
    app.post("/v1/webhook_deliveries/replay", json!({})).await.refused(400, "missing");
    app.post("/v1/webhook_deliveries/replay", json!({ "event_id": "evt_1" })).await.refused(400, "invalid_id");
    let unknown = json!({ "event_id": "evt_77_1" });
    app.post("/v1/webhook_deliveries/replay", unknown).await.refused(404, "event_not_found");
    let nobody = json!({ "after": 0, "endpoint_id": 77 });
    app.post("/v1/webhook_deliveries/replay", nobody).await.refused(404, "webhook_endpoint_not_found");
    assert_eq!(types(&second.messages()), ["purchase.recorded"; 4]);
    app.finish().await;
}

#[tokio::test]
async fn what_is_made_for_an_endpoint_while_it_is_deleted_is_called_off() {
    let app = TestApp::with_webhooks().await;
    let receiver = Receiver::start().await;
    let path = format!("/v1/webhook_endpoints/{}", endpoint(&app, &receiver, None).await["id"]);
    app.order("281").await.expect(201);
    let mut slow = app.pool.acquire().await.expect("a connection");
    let mut placing = slow.begin().await.expect("a transaction");
    let placed = feed::place(&mut placing, app.account).await.expect("it is placed");
    assert_eq!(queue::fan_out(&mut placing, app.account, &placed, app.clock.now()).await.expect("it is made"), 1);
    let mut deleting = tokio::spawn(app.call(reqwest::Method::DELETE, &path).into_future());
    let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while app.count(waits).await == 0 {
        let waited = tokio::time::timeout(Duration::from_millis(20), &mut deleting).await;
        assert!(waited.is_err(), "it does not wait for who makes deliveries");
    }
    placing.commit().await.expect("committed");
    drop(slow);
    deleting.await.expect("no panic").expect(204);
    assert_eq!(app.count("select count(*) from webhook_deliveries where state = 'waiting'").await, 0);
    app.finish().await;
}
