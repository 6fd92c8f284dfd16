//! Referral codes by the line: each as if it had been asked for alone, in the order of the lines.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::app::{CAMPAIGN, TestApp};
use crate::harness::lines::{Conversation, lines_of};
use crate::harness::snapshot::everything;

const BATCH: &str = "/v1/referral_codes/batch";

fn advocate(id: &str) -> Value {
    json!({ "campaign": { "id": CAMPAIGN }, "customer": { "id": id } })
}

fn out_of(id: &str, bank: i64) -> Value {
    json!({ "campaign": { "id": CAMPAIGN }, "customer": { "id": id }, "coupon_bank_id": bank })
}

/// The status and code of each line, in order.
fn outcomes(answer: &crate::harness::client::Answer) -> Vec<(u64, String)> {
    let told = answer.told();
    assert!(told.iter().enumerate().all(|(n, (line, _, _))| *line == n as u64 + 1), "{}", answer.text);
    told.into_iter().map(|(_, status, code)| (status, code)).collect()
}

fn codes(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n:05}")).collect()
}

#[tokio::test]
async fn every_customer_gets_a_code_of_the_bank_in_one_call_and_the_same_one_ever_after() {
    let app = TestApp::start().await;
    let codes = codes("R", 3_000);
    let bank = app.bank(&codes.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let file: Vec<Value> = (0..2_500)
        .map(|n| {
            let mut body = out_of(&format!("C{n}"), bank.id);
            body["customer"]["email"] = format!("c{n}@example.com").into();
            body
        })
        .collect();
    let first = app.post_lines(BATCH, lines_of(&file)).await.expect(200);
    assert!(outcomes(&first).iter().all(|(status, _)| *status == 201), "{}", first.text);
    let stored = everything(&app.pool).await;
    let given: BTreeSet<String> = first.lines().iter().map(|line| line["body"]["coupon_code"].to_string()).collect();
    assert_eq!(given.len(), 2_500, "no coupon goes to two people");
    for (n, line) in first.lines().iter().enumerate() {
        assert_eq!(line["body"]["customer"]["account_id"], format!("C{n}"));
    }
    let again = app.post_lines(BATCH, lines_of(&file)).await.expect(200);
    assert!(outcomes(&again).iter().all(|(status, _)| *status == 200), "{}", again.text);
    let bodies = |answer: &crate::harness::client::Answer| -> Vec<Value> {
        answer.lines().iter().map(|line| line["body"].clone()).collect()
    };
    assert_eq!(bodies(&first), bodies(&again));
    assert_eq!(everything(&app.pool).await, stored);
    app.finish().await;
}

#[tokio::test]
async fn a_bank_that_runs_dry_midway_gives_every_code_and_refuses_exactly_the_rest() {
    let app = TestApp::start().await;
    let codes = codes("E", 700);
    let bank = app.bank(&codes.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let file: Vec<Value> = (0..1_000).map(|n| out_of(&format!("C{n}"), bank.id)).collect();
    let answer = app.post_lines(BATCH, lines_of(&file)).await.expect(200);
    let told = outcomes(&answer);
    let count = |status: u64, code: &str| told.iter().filter(|one| **one == (status, code.to_owned())).count();
    assert_eq!((count(201, ""), count(409, "bank_exhausted")), (700, 300));
    // Of lines stored together any may get the last codes; no line of a later transaction does.
    assert!(told[..256].iter().all(|(status, _)| *status == 201), "{}", answer.text);
    let given: BTreeSet<String> = answer.lines().iter().map(|line| line["body"]["coupon_code"].to_string()).collect();
    assert_eq!(given.len(), 701, "every code, and null");
    assert_eq!(app.count("select count(*) from customers").await, 700);
    app.finish().await;
}

#[tokio::test]
async fn one_customer_in_several_lines_is_decided_in_their_order() {
    let app = TestApp::start().await;
    let (bank, other) = (app.bank(&["A1", "A2"]).await, app.bank(&["B1"]).await);
    let with = |mut body: Value, key: &str, value: Value| {
        body[key] = value;
        body
    };
    let by_email = json!({ "campaign": { "id": CAMPAIGN }, "email": "ADA@example.com" });
    let ada = with(advocate("C1"), "email", json!("ada@example.com"));
    let file = [
        ada.clone(),
        with(ada.clone(), "coupon_code", json!("b1")),
        with(by_email.clone(), "coupon_bank_id", json!(bank.id)),
        with(ada.clone(), "coupon_bank_id", json!(other.id)),
        by_email,
        with(advocate("C2"), "coupon_code", json!("B1")),
        advocate("C2"),
        with(advocate("C2"), "email", json!("ada@example.com")),
        with(advocate("C2"), "coupon_bank_id", json!(bank.id)),
    ];
    let answer = app.post_lines(BATCH, lines_of(&file)).await.expect(200);
    let told: Vec<(u64, String)> = outcomes(&answer);
    let told: Vec<(u64, &str)> = told.iter().map(|(status, code)| (*status, code.as_str())).collect();
    assert_eq!(
        told,
        [
            (201, ""),
            (200, ""),
            (409, "advocate_has_coupon"),
            (200, ""),
            (200, ""),
            (409, "coupon_taken"),
            (201, ""),
            (409, "identity_conflict"),
            (200, ""),
        ]
    );
    let lines = answer.lines();
    assert_eq!((&lines[0]["body"]["coupon_code"], &lines[4]["body"]["coupon_code"]), (&Value::Null, &json!("B1")));
    app.finish().await;
}

#[tokio::test]
async fn bad_lines_are_refused_like_single_calls_and_stop_nobody() {
    let app = TestApp::start().await;
    let bad = [
        (json!({ "customer": { "id": "C1" } }), 400, "missing", "campaign.id"),
        (json!({ "campaign": { "id": CAMPAIGN } }), 400, "missing", "customer.email"),
        (json!({ "campaign": { "id": 1 }, "customer": { "id": "C1" } }), 404, "campaign_not_found", "campaign.id"),
        (out_of("C1", 987_654), 404, "coupon_bank_not_found", "coupon_bank_id"),
        (json!({ "campaign": 53345, "email": "no", "coupon_code": "" }), 400, "invalid_email", "email"),
    ];
    let mut file = Vec::new();
    for (n, (line, ..)) in bad.iter().enumerate() {
        file.extend([advocate(&format!("good {n}")), line.clone()]);
    }
    let answer = app.post_lines(BATCH, lines_of(&file)).await.expect(200);
    let lines = answer.lines();
    for (pair, (body, status, code, param)) in lines.chunks(2).zip(bad) {
        assert_eq!((&pair[0]["status"], &pair[1]["status"]), (&json!(201), &json!(status)), "{body}");
        let error = &pair[1]["body"]["error"];
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &json!(param)), "{body}");
        let alone = app.post("/v1/referral_codes", body).await.expect(status);
        assert_eq!((&alone["error"], &alone["message"]), (error, &pair[1]["body"]["message"]));
    }
    assert_eq!(app.count("select count(*) from referral_codes").await, 5);
    app.finish().await;
}

#[tokio::test]
async fn each_account_has_codes_of_its_own() {
    let app = TestApp::start().await;
    let rival = app.other_account().await;
    let bank = app.bank(&["OURS"]).await;
    let file = [advocate("C1"), out_of("C2", bank.id)];
    let (ours, theirs) = tokio::join!(app.post_lines(BATCH, lines_of(&file)), rival.post_lines(BATCH, lines_of(&file)));
    assert_eq!(outcomes(&ours.expect(200)), [(201, String::new()), (201, String::new())]);
    assert_eq!(outcomes(&theirs.expect(200)), [(201, String::new()), (404, "coupon_bank_not_found".to_owned())]);
    app.anonymous().post_lines(BATCH, lines_of(&file)).await.refused(401, "unauthenticated");
    app.post_text(BATCH, "text/csv", "id\nC1").await.refused(415, "unsupported_media_type");
    app.finish().await;
}

#[tokio::test]
async fn a_code_is_answered_before_the_next_line_is_sent_and_single_calls_find_a_place_meanwhile() {
    let app = TestApp::start().await;
    let codes = codes("W", 400);
    let bank = app.bank(&codes.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut talk = Conversation::begin(&app, app.address, BATCH, None).await;
    for n in 1..=3 {
        talk.send(&lines_of(&[out_of(&format!("W{n}"), bank.id)])).await;
        assert_eq!(talk.hear_told().await, (n, 201, String::new()));
        app.advocate(&format!("single {n}")).out_of(&bank).await.expect(201);
    }
    talk.end().await;
    assert_eq!(talk.hear().await, None);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn more_lines_at_once_than_a_lane_has_places_for_wait_their_turn_beside_single_calls() {
    let app = TestApp::with_limits(small_queues()).await;
    let codes = codes("Q", 1_300);
    let bank = app.bank(&codes.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let files: Vec<String> = (0..3)
        .map(|k| lines_of(&(0..400).map(|n| out_of(&format!("Q{k}-{n}"), bank.id)).collect::<Vec<_>>()))
        .collect();
    let bulk = futures_util::future::join_all(
        files.into_iter().map(|file| async { app.post_lines(BATCH, file).await.expect(200) }),
    );
    let singles = async {
        for n in 0..40 {
            app.advocate(&format!("single {n}")).out_of(&bank).await.expect(201);
        }
    };
    let (answers, ()) = tokio::join!(bulk, singles);
    for answer in answers {
        assert!(outcomes(&answer).iter().all(|(status, _)| *status == 201), "{}", answer.text);
    }
    assert_eq!(app.count("select count(*) from referral_codes where segment_id is not null").await, 1_240);
    app.finish().await;
}

/// A queue of eight, of which lines may take four.
fn small_queues() -> goodword::web::state::Limits {
    let limits = goodword::web::state::Limits::default();
    goodword::web::state::Limits {
        lanes: goodword::web::state::LaneLimits { queue_max: 8, batch_max: 4, ..limits.lanes },
        ..limits
    }
}
