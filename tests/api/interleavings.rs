//! Two who decide on one order at the same moment. One of them is held in the middle of his transaction until the other waits
//! for him, or is done: so each story has one course, and a lock that is missing shows.

use goodword::conversions::evaluation::{self, Aside, Batch};
use goodword::purchases::OrderKey;
use goodword::purchases::refunds::{self, RefundToRecord};
use goodword::rewards;
use goodword::types::ids::RewardId;
use goodword::types::text::OpaqueId;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;

use crate::harness::app::TestApp;
use crate::harness::client::Answer;

/// An account that rewards ten percent, and an order of 100.00 by A1 that is due.
async fn with_an_order() -> TestApp {
    let app = TestApp::start().await;
    app.bank(&["A1"]).await;
    app.advocate("C1").code("A1").await.expect(201);
    app.rules(json!({ "maximum_rewards_per_advocate": 1, "reward": { "type": "percentage", "value": 10 } })).await;
    app.order("281").code("A1").await.expect(201);
    app
}

/// A connection of the story's own, for the one who is held.
async fn connection(app: &TestApp) -> PgConnection {
    PgConnection::connect_with(&app.pool.connect_options()).await.expect("the database answers")
}

fn posted(app: &TestApp, path: &str, body: serde_json::Value) -> JoinHandle<Answer> {
    let call = app.post(path, body);
    tokio::spawn(async move { call.await })
}

/// Returns when the other waits for a lock, or is done. Whether he waits.
async fn waits<T>(app: &TestApp, other: &JoinHandle<T>) -> bool {
    let waiting = "select count(*) from pg_locks l join pg_stat_activity a using (pid)
        where not l.granted and a.datname = current_database()";
    loop {
        if app.count(waiting).await > 0 {
            return true;
        }
        if other.is_finished() {
            return false;
        }
        tokio::task::yield_now().await;
    }
}

/// All that is due.
const DUE: Batch = Batch::Due { but: Vec::new() };

async fn amount_of_reward(app: &TestApp) -> serde_json::Value {
    app.get("/v1/rewards").await.expect(200)["results"][0]["amount"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rewards_of_one_advocate_are_counted_by_one_at_a_time() {
    let app = with_an_order().await;
    let (mut conn, now) = (connection(&app).await, app.clock.now());
    let mut first = conn.begin().await.expect("a transaction");
    assert_eq!(evaluation::evaluate_batch(&mut first, &DUE, now).await.expect("rulings").len(), 1);
    // Meanwhile orders come in, and what is claimed is passed over.
    app.order("282").code("A1").await.expect(201);
    let pool = app.pool.clone();
    let second = tokio::spawn(async move {
        evaluation::tick(&pool, &mut Aside::default(), now).await.expect("the database answers")
    });
    assert!(waits(&app, &second).await, "the second counts when the first is done");
    first.commit().await.expect("committed");
    assert_eq!(second.await.expect("no panic"), 1);
    assert_eq!(app.count("select count(*) from rewards").await, 1, "the maximum is kept");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_evaluates_the_others_neither_evaluate_nor_wait_for() {
    let app = with_an_order().await;
    let (mut conn, now) = (connection(&app).await, app.clock.now());
    let mut first = conn.begin().await.expect("a transaction");
    evaluation::evaluate_batch(&mut first, &DUE, now).await.expect("rulings");
    assert_eq!(app.evaluate().await, 0);
    first.rollback().await.expect("rolled back");
    assert_eq!(app.evaluate().await, 1, "what was not finished is due again");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_and_a_ruling_see_the_reward_of_an_evaluation_under_way() {
    let wishes = [
        ("/v1/purchases/281/refunds", json!({ "id": "R1" })),
        ("/v1/purchases/281/cancel", json!({})),
        ("/v1/conversions/{id}/reject", json!({ "reason": "Fraud" })),
    ];
    for (path, body) in wishes {
        let app = with_an_order().await;
        let id = app.get("/v1/purchases/281").await.expect(200)["conversion"]["id"].to_string();
        let mut conn = connection(&app).await;
        let mut first = conn.begin().await.expect("a transaction");
        evaluation::evaluate_batch(&mut first, &DUE, app.clock.now()).await.expect("rulings");
        let second = posted(&app, &path.replace("{id}", &id), body);
        assert!(waits(&app, &second).await, "{path} waits for the evaluation");
        first.commit().await.expect("committed");
        let answer = second.await.expect("no panic");
        assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text);
        assert_eq!(amount_of_reward(&app).await, 0.0, "{path}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_evaluation_leaves_an_order_whose_refund_is_under_way() {
    let app = with_an_order().await;
    let mut conn = connection(&app).await;
    let mut first = conn.begin().await.expect("a transaction");
    let refund = refund_of(&app, "R1", 50);
    refunds::refund(&mut first, &refund.0, &refund.1, app.clock.now()).await.expect("a refund");
    assert_eq!(app.evaluate().await, 0);
    first.commit().await.expect("committed");
    assert_eq!(app.evaluate().await, 1);
    assert_eq!(amount_of_reward(&app).await, 5.0);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_refunds_at_once_never_give_back_more_than_there_is() {
    let app = with_an_order().await;
    let mut conn = connection(&app).await;
    let mut first = conn.begin().await.expect("a transaction");
    let refund = refund_of(&app, "R1", 60);
    refunds::refund(&mut first, &refund.0, &refund.1, app.clock.now()).await.expect("a refund");
    let second = posted(&app, "/v1/purchases/281/refunds", json!({ "id": "R2", "amount": 60 }));
    assert!(waits(&app, &second).await, "the second waits for the first");
    first.commit().await.expect("committed");
    second.await.expect("no panic").refused(409, "refund_too_large");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payout_and_a_reversal_at_once_add_up() {
    let app = with_an_order().await;
    app.evaluate().await;
    let id = app.get("/v1/rewards").await.expect(200)["results"][0]["id"].as_i64().expect("an id");
    let mut conn = connection(&app).await;
    let mut first = conn.begin().await.expect("a transaction");
    let paid = rewards::pay(&mut first, app.account, RewardId(id), None, app.clock.now()).await.expect("a payout");
    assert!(matches!(paid, rewards::Payout::Paid(_)));
    let second = posted(&app, "/v1/purchases/281/cancel", json!({}));
    let third = posted(&app, &format!("/v1/rewards/{id}/pay"), json!({}));
    assert!(waits(&app, &second).await && waits(&app, &third).await);
    first.commit().await.expect("committed");
    second.await.expect("no panic").expect(200);
    third.await.expect("no panic").expect(200);
    app.post(&format!("/v1/rewards/{id}/pay"), json!({})).await.expect(200);
    let settled = app.get(&format!("/v1/rewards/{id}")).await.expect(200);
    assert_eq!(
        (&settled["amount"], &settled["paid"], &settled["outstanding"]),
        (&json!(0.0), &json!(0.0), &json!(0.0))
    );
    app.finish().await;
}

fn refund_of(app: &TestApp, id: &str, amount: i64) -> (OrderKey, RefundToRecord) {
    let order_id = OpaqueId::try_from("281").expect("an id");
    let key = OrderKey { account_id: app.account, source: String::new(), order_id };
    let id = OpaqueId::try_from(id).expect("an id");
    (key, RefundToRecord { id, amount: Some(amount.into()), reason: None })
}
