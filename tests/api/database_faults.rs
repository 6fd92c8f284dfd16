//! The database goes away, comes back, dies at a commit, throws everybody out: answers stay honest (reliability.md, 3).

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join_all;
use goodword::db::{Applied, Session};
use serde_json::json;
use sqlx::Executor;
use tokio::sync::Notify;

use crate::harness::app::TestApp;
use crate::harness::client::Answer;
use crate::harness::detour::Detour;
use crate::harness::lines::Conversation;
use crate::harness::proxy::{APPLICATION, Cut};

/// No client waits longer for a database that is away: 2 s for a connection, and slack for a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

async fn is_stored(app: &TestApp, order_id: &str) -> bool {
    let count: i64 = sqlx::query_scalar("select count(*) from purchases where order_id = $1")
        .bind(order_id)
        .fetch_one(&app.pool)
        .await
        .expect("a count");
    assert!(count <= 1, "order {order_id} is stored {count} times");
    count == 1
}

/// Ends the sessions behind the proxy, and gives their number.
async fn end_all_sessions(app: &TestApp) -> i64 {
    sqlx::query_scalar(
        "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and application_name = $1",
    )
    .bind(APPLICATION)
    .fetch_one(&app.pool)
    .await
    .expect("they are ended")
}

#[track_caller]
fn is_refused_for_now(answer: Answer) -> Answer {
    let answer = answer.expect(503);
    assert_eq!(answer["error"]["code"], "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    answer
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_promised_and_when_it_is_back_all_goes_on() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let (shop, proxy) = (&detour.shop, &detour.proxy);
    for round in ["stopped", "killed"] {
        let before = format!("{round} before");
        shop.order(&before).await.expect(201);
        if round == "stopped" {
            proxy.go_away().await
        } else {
            proxy.crash().await
        }

        let asked = Instant::now();
        let order = format!("{round} during");
        let (posted, read, issued) = tokio::join!(shop.order(&order), shop.get("/v1/campaigns"), shop.advocate("C1"));
        for answer in [posted, read, issued] {
            is_refused_for_now(answer.refused(503, "unavailable"));
        }
        is_refused_for_now(shop.get("/readyz").await.refused(503, "unavailable"));
        shop.get("/healthz").await.expect(200);
        assert!(asked.elapsed() < 2 * PATIENCE, "{round}: {:?}", asked.elapsed());
        assert!(!is_stored(&app, &order).await, "{round}: what was promised not to be stored is stored");

        proxy.come_back();
        shop.order(&order).await.expect(201);
        shop.order(&before).await.expect(200);
        shop.get("/readyz").await.expect(200);
    }
    assert_eq!(app.count("select count(*) from referral_codes").await, 0);
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn a_commit_whose_connection_breaks_is_looked_up_and_answered_as_what_became_of_it() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2"]).await;
    app.advocate("C1").out_of(&bank).await.expect(201);
    let detour = Detour::start(&app).await;
    for round in 0..50 {
        let how = [Cut::BeforeTheServer, Cut::BeforeTheAnswer, Cut::Meanwhile][round % 3];
        let id = format!("order {round}");
        let before = detour.proxy.commits();
        detour.proxy.cut_next_commit(how, false);
        let answer = detour.shop.order(&id).code("A1").await;
        let wanted: &[u16] = match how {
            Cut::BeforeTheServer => &[201],
            Cut::BeforeTheAnswer => &[200],
            Cut::Meanwhile => &[200, 201],
        };
        assert!(wanted.contains(&answer.status), "{how:?}: {} {}", answer.status, answer.text);
        // What did reach the server need not be tried again: it may be looked for.
        if how == Cut::BeforeTheServer {
            assert!(detour.proxy.commits() > before + 1, "{how:?}: the cut commit was not done again");
        }
        assert_eq!(app.count("select count(*) from purchases").await, round as i64 + 1, "{how:?}");
        assert_eq!(detour.shop.order(&id).code("A1").await.expect(200).text, answer.text, "{how:?}");
    }
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn a_commit_that_nobody_can_look_up_is_answered_as_unknown_and_never_as_none() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    for round in 0..24 {
        let how = [Cut::BeforeTheServer, Cut::BeforeTheAnswer, Cut::Meanwhile][round % 3];
        let id = format!("order {round}");
        detour.proxy.cut_next_commit(how, true);
        let answer = is_refused_for_now(detour.shop.order(&id).await);
        assert_eq!(answer["applied"], "unknown", "{how:?}: {}", answer.text);
        detour.proxy.come_back();
        let again = detour.shop.order(&id).await;
        let wanted: &[u16] = match how {
            Cut::BeforeTheServer => &[201],
            Cut::BeforeTheAnswer => &[200],
            Cut::Meanwhile => &[200, 201],
        };
        assert!(wanted.contains(&again.status), "{how:?}: {} {}", again.status, again.text);
        assert!(is_stored(&app, &id).await, "{how:?}");
    }
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn what_fails_after_a_statement_that_stored_is_unknown_and_before_it_none() {
    let app = TestApp::start().await;
    let mut session = Session::new((*app.pool.connect_options()).clone());
    for (has_stored, applied) in [(true, Applied::Unknown), (false, Applied::None)] {
        let mut says_so = has_stored;
        let failed = session.alone(
            |alone, says_so: &mut bool, _now| {
                Box::pin(async move {
                    alone.storing().execute("select 1").await?;
                    alone.answered(*says_so);
                    // A second statement that stores takes nothing back of the first.
                    alone.storing().execute("select 1 / 0").await?;
                    Ok(())
                })
            },
            &mut says_so,
            app.clock.now(),
        );
        assert_eq!(failed.await.expect_err("it divides by zero").applied, applied);
    }
    session.close().await;
    app.finish().await;
}

#[tokio::test]
async fn a_referral_code_whose_commit_breaks_uses_one_coupon() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2", "A3", "A4"]).await;
    let detour = Detour::start(&app).await;
    for (how, customer) in [(Cut::BeforeTheServer, "C1"), (Cut::BeforeTheAnswer, "C2"), (Cut::Meanwhile, "C3")] {
        detour.proxy.cut_next_commit(how, false);
        let issued = detour.shop.advocate(customer).out_of(&bank).await;
        assert!(matches!(issued.status, 200 | 201), "{how:?}: {}", issued.text);
        let again = detour.shop.advocate(customer).out_of(&bank).await.expect(200);
        assert_eq!(again["coupon_code"], issued["coupon_code"], "{how:?}");
    }
    assert_eq!(app.count("select count(*) from referral_codes where position is not null").await, 3);
    detour.proxy.cut_next_commit(Cut::BeforeTheAnswer, true);
    let lost = is_refused_for_now(detour.shop.advocate("C4").out_of(&bank).await);
    assert_eq!(lost["applied"], "unknown", "{}", lost.text);
    detour.proxy.come_back();
    detour.shop.advocate("C4").out_of(&bank).await.expect(200);
    detour.shop.advocate("C5").out_of(&bank).await.refused(409, "bank_exhausted");
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn when_all_sessions_are_ended_again_and_again_every_answer_tells_the_truth() {
    const SHOPS: usize = 12;
    const ORDERS: usize = 20;
    /// How many requests are answered from one blow to the next.
    const ANSWERS_BETWEEN: usize = 7;
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let (shop, answered, due) = (&detour.shop.clone(), &Cell::new(0), &Notify::new());
    let posts = (0..SHOPS).map(|number| async move {
        let mut answers = Vec::new();
        for order in 0..ORDERS {
            let id = format!("{number}-{order}");
            answers.push((id.clone(), shop.order(&id).await));
            answered.set(answered.get() + 1);
            if answered.get() % ANSWERS_BETWEEN == 0 {
                due.notify_one();
            }
        }
        answers
    });
    let mut posts = Box::pin(join_all(posts));
    let mut ended = 0;
    let answers = loop {
        tokio::select! {
            answers = &mut posts => break answers,
            count = due.notified().then(|()| end_all_sessions(&app)) => ended += count,
        }
    };
    assert!(ended > 0, "no session was ended");

    let mut outcomes = std::collections::BTreeMap::new();
    for (id, answer) in answers.into_iter().flatten() {
        let stored = is_stored(&app, &id).await;
        let promise = answer["applied"].as_str().unwrap_or("done").to_owned();
        *outcomes.entry((answer.status, promise.clone())).or_insert(0) += 1;
        match (answer.status, promise.as_str()) {
            (200 | 201, _) => assert!(stored, "{id} was acknowledged and is lost"),
            (503, "none") => assert!(!stored, "{id} was said not to be stored and is"),
            (503, "unknown") => {}
            _ => panic!("{id} was answered with {}", answer.text),
        }
    }
    for id in (0..SHOPS).flat_map(|number| (0..ORDERS).map(move |order| format!("{number}-{order}"))) {
        let again = app.order(&id).await;
        assert!(matches!(again.status, 200 | 201), "{id}: {}", again.text);
    }
    let all = i64::try_from(SHOPS * ORDERS).expect("a count");
    assert_eq!(app.count("select count(*) from purchases").await, all, "{outcomes:?}");
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn a_segment_that_an_outsider_holds_is_a_503_and_never_an_exhausted_bank() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2"]).await;
    let mut outsider = app.pool.acquire().await.expect("a connection");
    outsider.execute("begin; select from coupon_segments for update").await.expect("a lock");

    for call in [app.advocate("C1").out_of(&bank), app.advocate("C2").code("A2")] {
        let asked = Instant::now();
        is_refused_for_now(call.await.refused(503, "unavailable"));
        assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
    }
    // Whoever needs no segment is not held up.
    app.advocate("C3").await.expect(201);
    app.order("281").code("A1").await.expect(201);
    assert_eq!(app.count("select count(*) from customers").await, 1, "a refusal leaves no customer");

    outsider.execute("rollback").await.expect("the lock goes");
    drop(outsider);
    app.advocate("C1").out_of(&bank).await.expect(201);
    app.finish().await;
}

#[tokio::test]
async fn a_client_who_leaves_while_his_order_is_being_stored_finds_it_stored() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let (begun, go_on) = detour.proxy.hold_next_transaction();
    let client = detour.send_and_leave("281").await;
    begun.await.expect("the transaction begins");
    drop(client);
    // By this the server has seen him go.
    detour.shop.get("/v1/campaigns").await.expect(200);
    assert!(!is_stored(&app, "281").await);
    go_on.send(()).expect("it waits");
    // The same order waits for it.
    detour.shop.order("281").await.expect(200);
    assert!(is_stored(&app, "281").await);
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn clients_who_leave_at_once_leave_no_session_in_a_transaction_and_no_order_twice() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    for round in 0..30 {
        let id = format!("order {round}");
        drop(detour.send_and_leave(&id).await);
        let again = detour.shop.order(&id).await;
        assert!(matches!(again.status, 200 | 201), "{id}: {}", again.text);
        assert!(is_stored(&app, &id).await, "{id}");
    }
    // A request whose client left may still be at work. While all connections are held here, none is.
    let held = detour.hold_all_connections().await;
    let open = sqlx::query_scalar::<_, String>(
        "select state || ': ' || query from pg_stat_activity
        where datname = current_database() and application_name = $1 and state <> 'idle'",
    );
    assert_eq!(open.bind(APPLICATION).fetch_all(&app.pool).await.expect("a list"), Vec::<String>::new());
    drop(held);
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn lines_that_cannot_be_stored_end_the_answer_and_the_same_lines_again_complete_it() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let line = |id: &str| format!("{}\n", json!({ "order": { "id": id, "amount": 100 } }));
    for path in ["/v1/purchases/batch", "/v1/referral_codes/batch"] {
        let line = |id: &str| {
            if path.starts_with("/v1/purchases") {
                line(id)
            } else {
                format!("{}\n", json!({ "campaign": 53345, "customer": { "id": id } }))
            }
        };
        let mut talk = Conversation::begin(&detour.shop, detour.address, path, None).await;
        talk.send(&line("N-1")).await;
        assert_eq!(talk.hear_told().await, (1, 201, String::new()));
        // A connection that breaks while the database is there is no news to anybody.
        end_all_sessions(&app).await;
        talk.send(&line("N-2")).await;
        assert_eq!(talk.hear_told().await, (2, 201, String::new()));
        detour.proxy.go_away().await;
        talk.send(&line("N-3")).await;
        assert_eq!(talk.hear_told().await, (3, 503, "unavailable".to_owned()));
        let last = talk.hear().await.expect("why it ends");
        assert_eq!((&last["line"], &last["status"], &last["stopped"]), (&json!(4), &json!(503), &json!(true)));
        assert_eq!(talk.hear().await, None);
        detour.proxy.come_back();
        let file = ["N-1", "N-2", "N-3", "N-4"].map(line).concat();
        let answered = detour.shop.post_lines(path, file).await.expect(200).told();
        let statuses: Vec<u64> = answered.into_iter().map(|(_, status, _)| status).collect();
        assert_eq!(statuses, [200, 200, 201, 201], "{path}");
    }
    detour.stop().await;
    app.finish().await;
}
