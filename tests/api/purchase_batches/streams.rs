//! Lines as they come: answered while the body is open, held back when nobody reads, kept when the sender goes.

use std::time::Duration;

use goodword::web::state::Limits;

use super::{BATCH, order, orders};
use crate::harness::app::TestApp;
use crate::harness::lines::{Conversation, all_is_quiet, lines_of};

fn ok(line: u64, status: u64) -> (u64, u64, String) {
    (line, status, String::new())
}

#[tokio::test]
async fn a_line_is_answered_before_the_next_one_is_sent() {
    let app = TestApp::start().await;
    let mut talk = Conversation::begin(&app, app.address, BATCH, None).await;
    for n in 1..=5 {
        talk.send(&format!("{}\n", order(&format!("S-{n}")))).await;
        assert_eq!(talk.hear_told().await, ok(n, 201));
        // What is answered is stored: others see it.
        app.get(&format!("/v1/purchases/S-{n}")).await.expect(200);
    }
    // A line in two pieces, and one without its line feed.
    let line = order("S-6").to_string();
    let (one, other) = line.split_at(20);
    talk.send(one).await;
    talk.send(&format!("{other}\n{}", order("S-7"))).await;
    assert_eq!(talk.hear_told().await, ok(6, 201));
    talk.end().await;
    assert_eq!(talk.hear_told().await, ok(7, 201));
    assert_eq!(talk.hear().await, None);
    app.finish().await;
}

#[tokio::test]
async fn fifty_thousand_lines_are_answered_in_their_order() {
    let app = TestApp::start().await;
    let count = 50_000;
    let (mut sender, mut talk) = Conversation::begin(&app, app.address, BATCH, None).await.split();
    let file = lines_of(&orders("F", count));
    let sending = tokio::spawn(async move {
        sender.pour(&file).await.expect("the server reads");
        sender.end().await;
        // Who hangs up one side is taken for gone.
        sender
    });
    for n in 1..=count {
        let line = talk.hear().await.expect("another answer");
        assert_eq!((&line["line"], &line["status"]), (&n.into(), &201.into()));
        assert_eq!(line["body"]["order_id"], format!("F-{}", n - 1));
    }
    assert_eq!(talk.hear().await, None);
    drop(sending.await.expect("all was sent"));
    assert_eq!(app.count("select count(*) from purchases").await, count as i64);
    app.finish().await;
}

#[tokio::test]
async fn who_does_not_read_the_answers_is_not_read_either_and_is_given_up_after_a_while() {
    let limits = Limits { body_timeout: Duration::from_millis(500), ..Limits::default() };
    let app = TestApp::with_limits(limits).await;
    let count = 50_000;
    let (mut sender, talk) = Conversation::begin(&app, app.address, BATCH, Some(16 * 1024)).await.split();
    // Longer than all that the sockets' buffers take.
    let long = |mut order: serde_json::Value| {
        order["note"] = "x".repeat(1_000).into();
        order
    };
    let file = lines_of(&orders("N", count).into_iter().map(long).collect::<Vec<_>>());
    let pouring = tokio::spawn(async move { sender.pour(&file).await });
    all_is_quiet_after_it_began(&app).await;
    // What the buffers take goes through, some megabytes of answers at most. The rest was never read.
    let stored = app.count("select count(*) from purchases").await;
    assert!(
        (1..count as i64 / 2).contains(&stored),
        "{stored} of {count} lines were stored for a client that does not read"
    );
    pouring.abort();
    assert!(!matches!(pouring.await, Ok(Ok(()))), "the client could send all of it");
    drop(talk);
    app.finish().await;
}

/// Returns when a request of many lines has come and gone.
async fn all_is_quiet_after_it_began(app: &TestApp) {
    while app.state.uploads_in_flight.available_permits() == app.state.limits.uploads_in_flight_max {
        tokio::task::yield_now().await;
    }
    all_is_quiet(app).await;
}

#[tokio::test]
async fn of_a_client_who_disappears_whole_lines_may_be_kept_and_sending_again_completes_them() {
    let app = TestApp::start().await;
    let file = orders("G", 2_000);
    let mut talk = Conversation::begin(&app, app.address, BATCH, None).await;
    talk.send(&lines_of(&file[..1_000])).await;
    assert_eq!(talk.hear_told().await, ok(1, 201));
    // The last line looks whole, but nobody said that it is.
    talk.send(&order("CUT").to_string()).await;
    drop(talk);
    all_is_quiet(&app).await;
    let kept = app.count("select count(*) from purchases").await;
    assert!((1..=1_000).contains(&kept), "{kept} lines were kept");
    assert_eq!(app.count("select count(*) from purchases where order_id = 'CUT'").await, 0);
    let answered = app.post_lines(BATCH, lines_of(&file)).await.expect(200).told();
    let known = answered.iter().filter(|(_, status, _)| *status == 200).count();
    let new = answered.iter().filter(|(_, status, _)| *status == 201).count();
    assert_eq!((known as i64, new as i64), (kept, 2_000 - kept));
    assert_eq!(app.count("select count(*) from purchases").await, 2_000);
    app.finish().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_answered_as_far_as_it_came() {
    let app = TestApp::start().await;
    let mut talk = Conversation::begin(&app, app.address, BATCH, None).await;
    talk.send(&format!("{}\n{}", order("B-1"), order("B-2"))).await;
    assert_eq!(talk.hear_told().await, ok(1, 201));
    talk.break_off().await;
    let last = talk.hear().await.expect("why it ends");
    assert_eq!((&last["line"], &last["status"], &last["stopped"]), (&2.into(), &400.into(), &true.into()));
    assert_eq!(talk.hear().await, None);
    assert_eq!(app.count("select count(*) from purchases").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn who_pauses_too_long_is_told_which_line_was_not_read() {
    let limits = Limits { body_timeout: Duration::from_millis(300), ..Limits::default() };
    let app = TestApp::with_limits(limits).await;
    let mut talk = Conversation::begin(&app, app.address, BATCH, None).await;
    talk.send(&format!("{}\nnot json\n\n{{\"half\":", order("T-1"))).await;
    assert_eq!(talk.hear_told().await, ok(1, 201));
    assert_eq!(talk.hear_told().await, (2, 400, "invalid_json".to_owned()));
    let last = talk.hear().await.expect("why it ends");
    assert_eq!(crate::harness::lines::told(&last), (4, 408, "request_timeout".to_owned()));
    assert_eq!((&last["stopped"], &last["body"]["applied"]), (&true.into(), &"none".into()));
    assert_eq!(talk.hear().await, None);
    // Whoever sends nothing at all gets an ordinary refusal.
    let silent = format!(
        "POST {BATCH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\nContent-Length: 10\r\n\r\n",
        app.authorization()
    );
    app.raw(&silent).await.refused(408, "request_timeout");
    app.finish().await;
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_answers_what_it_read_and_reads_no_more() {
    let app = TestApp::start().await;
    let mut talk = Conversation::begin(&app, app.address, BATCH, None).await;
    talk.send(&format!("{}\n", order("Z-1"))).await;
    assert_eq!(talk.hear_told().await, ok(1, 201));
    app.state.stopping.cancel();
    let last = talk.hear().await.expect("why it ends");
    assert_eq!(crate::harness::lines::told(&last), (2, 503, "unavailable".to_owned()));
    assert_eq!(last["stopped"], true);
    assert_eq!(talk.hear().await, None);
    app.post_lines(BATCH, lines_of(&orders("Z", 3))).await.refused(503, "unavailable");
    assert_eq!(app.count("select count(*) from purchases").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn no_more_of_them_are_taken_at_once_than_the_limit_says_and_single_orders_go_on() {
    let app = TestApp::with_limits(Limits { uploads_in_flight_max: 2, ..Limits::default() }).await;
    let mut open = Vec::new();
    for n in 0..2 {
        let mut talk = Conversation::begin(&app, app.address, BATCH, None).await;
        talk.send(&format!("{}\n", order(&format!("O-{n}")))).await;
        assert_eq!(talk.hear_told().await, ok(1, 201));
        open.push(talk);
    }
    app.post_lines(BATCH, order("O-3").to_string()).await.refused(503, "overloaded");
    app.order("O-4").await.expect(201);
    for talk in &mut open {
        talk.end().await;
        assert_eq!(talk.hear().await, None);
    }
    all_is_quiet(&app).await;
    assert_eq!(app.post_lines(BATCH, order("O-3").to_string()).await.expect(200).told(), [ok(1, 201)]);
    app.finish().await;
}
