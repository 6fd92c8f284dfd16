//! Requests that share a transaction: they come and go together, and fail apart.

use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::{join_all, select_all};
use goodword::web::state::{LaneLimits, Limits};
use sqlx::Executor;

use crate::harness::app::TestApp;
use crate::harness::detour::Detour;

/// One writer, so that what comes while it is held shares its next transaction.
fn one_writer(queue_max: usize, batch_max: usize) -> Limits {
    let lanes = LaneLimits { purchase_writers: 1, referral_code_writers: 1, queue_max, batch_max };
    Limits { lanes, ..Limits::default() }
}

#[tokio::test]
async fn orders_that_come_during_a_commit_share_the_next_and_are_answered_each_for_itself() {
    let app = TestApp::start().await;
    let detour = Detour::with_limits(&app, one_writer(1024, 256)).await;
    let bank = app.bank(&["A1"]).await;
    app.advocate("C1").out_of(&bank).await.expect(201);
    let (begun, go_on) = detour.proxy.hold_next_transaction();
    let shop = detour.shop.clone();
    let first = tokio::spawn(async move { shop.order("first").await });
    begun.await.expect("the transaction begins");
    let mut others: Vec<_> = (0..40)
        .map(|number| {
            let order = detour.shop.order(&format!("order {}", number / 2)).with("order.amount", 100 + number / 2);
            if number % 4 < 2 { order.code("a1") } else { order.code("nobody's") }.into_future()
        })
        .collect();
    others.push(detour.shop.order("order 7").with("order.amount", 1).into_future());
    let others = tokio::spawn(join_all(others));
    // A refused request of the same client was answered while the orders wait: they have arrived by then, or they will
    // make a batch of their own. Either way each gets its own answer.
    detour.shop.get("/v1/nothing").await.expect(404);
    go_on.send(()).expect("it waits");
    first.await.expect("no panic").expect(201);
    let answers = others.await.expect("no panic");

    let mut created: Vec<String> = Vec::new();
    for answer in &answers[..40] {
        match answer.status {
            201 => created.push(answer["order_id"].as_str().expect("an id").to_owned()),
            _ => assert_eq!(answer.header("idempotent-replayed"), "true", "{}", answer.text),
        }
        let amount: i64 = answer["order_id"].as_str().expect("an id")[6..].parse().expect("a number");
        assert_eq!(answer["total"], (100 + amount) as f64, "an answer is about its own order: {}", answer.text);
        assert_eq!(answer["attribution"].is_null(), amount % 2 == 1, "{}", answer.text);
    }
    created.sort_unstable();
    created.dedup();
    // The 41st may have been the first to report its order.
    assert!(created.len() >= 19, "{created:?}");
    assert_eq!(app.count("select count(*) from purchases").await, 21);
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn what_the_answer_to_a_new_order_says_is_what_is_read_afterwards() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2"]).await;
    app.advocate("C2").email("bob@example.com").code("A2").await.expect(201);
    let issued = app.advocate("C1").email("ada@example.com").out_of(&bank).await.expect(201);
    let orders = [
        app.order("1"),
        app.order("2").code(" A1 ").email("friend@example.com").with("order.new_customer", true),
        app.order("3").referral_code(issued["referral_code"].as_str().expect("a code")).code("A2"),
        app.order("4").code("A1").email("A.DA@example.com").with("order.amount", "19.9").with("order.currency", "KWD"),
        app.order("5").code("A1").email("ada@example.com").with("order.date", "2026-07-01T10:00:00.123456789+02:00"),
        app.order("6")
            .code("nobody's")
            .with("customer.id", "C2")
            .with("customer.first_name", "Bob  ")
            .with("ip_address", "::ffff:192.0.2.1"),
        app.order("7").with("customer.email", "Bob@Example.com").with(
            "products",
            serde_json::json!([{ "sku": 5, "name": "4111 1111 1111 1111", "price": 1.50, "quantity": 2 }, {}]),
        ),
    ];
    for order in orders {
        let answer = order.await.expect(201);
        let path = format!("/v1/purchases/{}", answer["order_id"].as_str().expect("an id"));
        assert_eq!(app.get(&path).await.expect(200).text, answer.text);
    }
    let again = app.advocate("C1").email("ada@example.com").out_of(&bank).await.expect(200);
    assert_eq!(again.text, issued.text);
    app.finish().await;
}

#[tokio::test]
async fn an_order_that_the_database_refuses_fails_alone() {
    let app = TestApp::start().await;
    let detour = Detour::with_limits(&app, one_writer(1024, 256)).await;
    app.pool
        .execute("alter table purchases add constraint poison_check check (1 / case order_id when 'poison' then 0 else 1 end = 1)")
        .await
        .expect("it is added");
    let ids: Vec<String> =
        (0..15).map(|number| if number == 6 { "poison".to_owned() } else { format!("order {number}") }).collect();
    let (begun, go_on) = detour.proxy.hold_next_transaction();
    let orders: Vec<_> = ids.iter().map(|id| detour.shop.order(id).into_future()).collect();
    let (answers, ()) = tokio::join!(join_all(orders), async {
        begun.await.expect("the transaction begins");
        detour.shop.get("/v1/nothing").await.expect(404);
        go_on.send(()).expect("it waits");
    });
    for (id, answer) in ids.iter().zip(answers) {
        if id == "poison" {
            answer.refused(400, "invalid_value");
        } else {
            answer.expect(201);
        }
    }
    assert_eq!(app.count("select count(*) from purchases").await, 14);
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn a_bank_that_an_outsider_holds_keeps_nobody_from_another_bank() {
    let app = TestApp::start().await;
    let (held, free) = (app.bank(&["A1", "A2", "A3"]).await, app.bank(&["B1", "B2", "B3"]).await);
    let detour = Detour::with_limits(&app, one_writer(1024, 256)).await;
    let mut outsider = app.pool.acquire().await.expect("a connection");
    outsider.execute("begin; set local idle_in_transaction_session_timeout = 0").await.expect("it begins");
    sqlx::query("select from coupon_segments where bank_id = $1 for update")
        .bind(held.id)
        .execute(&mut *outsider)
        .await
        .expect("a lock");

    let (begun, go_on) = detour.proxy.hold_next_transaction();
    let asked = Instant::now();
    let calls = (0..3).flat_map(|number| {
        let advocate = |name: &str| detour.shop.advocate(&format!("{name}{number}"));
        [advocate("held").out_of(&held), advocate("free").out_of(&free), advocate("none")]
    });
    let calls: Vec<_> = calls.map(IntoFuture::into_future).collect();
    let (answers, ()) = tokio::join!(join_all(calls), async {
        begun.await.expect("the transaction begins");
        detour.shop.get("/v1/nothing").await.expect(404);
        go_on.send(()).expect("it waits");
    });
    for (number, answer) in answers.into_iter().enumerate() {
        match number % 3 {
            0 => drop(answer.refused(503, "unavailable")),
            _ => drop(answer.expect(201)),
        }
    }
    // Two tries of two seconds at most for the held ones, and slack for a busy machine.
    assert!(asked.elapsed().as_secs() < 15, "{:?}", asked.elapsed());
    outsider.execute("rollback").await.expect("the lock goes");
    drop(outsider);
    detour.shop.advocate("held0").out_of(&held).await.expect(201);
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn a_full_queue_asks_to_come_again_and_stores_nothing_of_it() {
    let app = TestApp::start().await;
    let detour = Detour::with_limits(&app, one_writer(1, 1)).await;
    // The first one is alone in the lane and spares the writer, the second one keeps him busy.
    let mut held = Vec::new();
    for id in ["alone", "first"] {
        let (begun, go_on) = detour.proxy.hold_next_transaction();
        let shop = detour.shop.clone();
        let order = tokio::spawn(async move { shop.order(id).await });
        begun.await.expect("the transaction begins");
        held.push((go_on, order));
    }
    // One of them finds the one place in the queue, the other none.
    let rivals =
        ["one", "another"].map(|id| detour.shop.order(id).into_future().map(move |answer| (id, answer)).boxed());
    let ((id, refused), _, rest) = select_all(rivals).await;
    let refused = refused.refused(503, "overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    for (go_on, order) in held {
        go_on.send(()).expect("it waits");
        order.await.expect("no panic").expect(201);
    }
    for (_, answer) in join_all(rest).await {
        answer.expect(201);
    }
    assert_eq!(app.count("select count(*) from purchases").await, 3);
    detour.shop.order(id).await.expect(201);
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_stores_and_answers_what_it_took_on() {
    let app = TestApp::start().await;
    let detour = Detour::with_limits(&app, one_writer(1024, 256)).await;
    let (begun, go_on) = detour.proxy.hold_next_transaction();
    let shop = detour.shop.clone();
    let order = tokio::spawn(async move { shop.order("281").await });
    begun.await.expect("the transaction begins");
    let ended = tokio::spawn(detour.end());
    go_on.send(()).expect("it waits");
    order.await.expect("no panic").expect(201);
    ended.await.expect("it ends");
    app.order("281").await.expect(200);
    app.finish().await;
}
