//! Orders by the line: each is answered as if it had come alone, in its place, whatever stands around it.

mod streams;

use goodword::web::state::Limits;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Executor;

use crate::harness::app::TestApp;
use crate::harness::lines::{lines_of, told};
use crate::harness::snapshot::everything;

const BATCH: &str = "/v1/purchases/batch";

fn order(id: &str) -> Value {
    json!({ "order": { "id": id, "amount": 100 } })
}

fn orders(prefix: &str, count: usize) -> Vec<Value> {
    (0..count).map(|n| order(&format!("{prefix}-{n}"))).collect()
}

/// The text of a body without what only says which request and which line it stands in.
fn without_place(body: &Value, line: u64) -> String {
    let mut body = body.clone();
    body["request_id"] = Value::Null;
    body.to_string().replace(&format!("ine {line} column "), "ine 1 column ")
}

/// Every kind of line that is refused, and the code it is refused with.
fn refused_lines() -> Vec<(Vec<u8>, &'static str)> {
    let object = |members: &str| format!(r#"{{"order":{{"id":"X","amount":1}}{members}}}"#).into_bytes();
    let keys: String = (0..1_001).map(|n| format!(r#","k{n}":1"#)).collect();
    let mut lines: Vec<(Vec<u8>, &str)> = [
        ("order", "invalid_json"),
        ("{", "invalid_json"),
        (r#"{"order":{"id":"X","amount":1},}"#, "invalid_json"),
        (r#"{"order":{"id":"X","amount":1}}{}"#, "invalid_json"),
        (r#"{"order":{"id":"X","amount":1}"#, "invalid_json"),
        ("[]", "expected_object"),
        ("null", "expected_object"),
        ("{}", "missing"),
        (r#"{"order":{"id":"X","id":"Y","amount":1}}"#, "duplicate_key"),
        (r#"{"order":{"id":"X"}}"#, "missing"),
        (r#"{"order":{"id":"X","amount":"much"}}"#, "invalid_amount"),
        (r#"{"order":{"id":"X","amount":1.005}}"#, "too_many_decimals"),
        (r#"{"order":{"id":"X","amount":-1}}"#, "out_of_range"),
        (r#"{"order":{"id":"X","amount":1,"currency":"XYZ1"}}"#, "invalid_currency"),
        (r#"{"order":{"id":"X","amount":1,"email":"nobody"}}"#, "invalid_email"),
        (r#"{"order":{"id":"X","amount":1,"date":"1999-12-31"}}"#, "date_out_of_range"),
        (r#"{"order":{"id":"X","amount":1,"date":"yesterday"}}"#, "invalid_date"),
        (r#"{"order":{"id":"X","amount":1},"products":[1]}"#, "invalid_type"),
        (r#"{"order":{"id":"a\u0000b","amount":1}}"#, "invalid_string"),
    ]
    .map(|(line, code)| (line.as_bytes().to_vec(), code))
    .into();
    lines.extend([
        (object(r#","x":"é"#).into_iter().chain(*b"\xff\"}").collect(), "invalid_utf8"),
        (object(&keys), "too_many_keys"),
        (object(&format!(r#","x":{}{}"#, "[".repeat(40), "]".repeat(40))), "too_deep"),
        (object(&format!(r#","x":"{}""#, "x".repeat(20_000))), "payload_too_large"),
    ]);
    lines
}

#[tokio::test]
async fn bad_lines_between_good_ones_are_refused_as_if_they_had_come_alone_and_stop_nobody() {
    let app = TestApp::with_limits(Limits { body_bytes_max: 20_000, ..Limits::default() }).await;
    let mut body = Vec::new();
    for (n, (line, _)) in refused_lines().iter().enumerate() {
        body.extend_from_slice(format!("{}\n", order(&format!("good {n}"))).as_bytes());
        body.extend_from_slice(line);
        body.push(b'\n');
    }
    let answered = app.post_lines(BATCH, body).await.expect(200).lines();
    assert_eq!(answered.len(), 2 * refused_lines().len());
    for (n, (pair, (line, code))) in answered.chunks(2).zip(refused_lines()).enumerate() {
        let (good, bad) = (&pair[0], &pair[1]);
        let place = 2 * n as u64 + 1;
        assert_eq!(told(good), (place, 201, String::new()));
        assert_eq!(app.get(&format!("/v1/purchases/good%20{n}")).await.expect(200).json, good["body"]);
        let alone = app.call(Method::POST, "/v1/purchases").body(line.clone()).await;
        let shown: String = String::from_utf8_lossy(&line).chars().take(80).collect();
        assert_eq!(told(bad), (place + 1, u64::from(alone.status), code.to_owned()), "{shown}");
        if code == "payload_too_large" {
            continue; // The one speaks of a line, the other of a body.
        }
        assert_eq!(without_place(&bad["body"], place + 1), without_place(&alone.json, 1), "{shown}");
    }
    let message = answered[1]["body"]["message"].as_str().expect("a message");
    assert!(message.contains("ine 2 column 1"), "faults say in which line of the body they are: {message}");
    app.finish().await;
}

#[tokio::test]
async fn the_same_file_again_changes_nothing() {
    let app = TestApp::start().await;
    let bank = app.bank(&["Clooney1"]).await;
    app.advocate("C1").out_of(&bank).await.expect(201);
    let file: Vec<Value> = (0..1_500)
        .map(|n| {
            let code = if n % 2 == 0 { "clooney1" } else { "NOBODYS" };
            json!({ "order": { "id": n, "amount": "12.50", "email": format!("f{n}@example.com") }, "coupon_code": code })
        })
        .collect();
    let first = app.post_lines(BATCH, lines_of(&file)).await.expect(200).lines();
    let stored = everything(&app.pool).await;
    let again = app.post_lines(BATCH, lines_of(&file)).await.expect(200).lines();
    assert_eq!(everything(&app.pool).await, stored);
    assert_eq!(app.count("select count(*) from conversions").await, 750);
    for (n, (first, again)) in first.iter().zip(&again).enumerate() {
        let line = n as u64 + 1;
        assert_eq!((told(first), told(again)), ((line, 201, String::new()), (line, 200, String::new())));
        assert_eq!(first["body"], again["body"]);
        assert_eq!(first["body"]["order_id"], n.to_string());
    }
    assert_eq!((first.len(), again.len()), (1_500, 1_500));
    app.finish().await;
}

#[tokio::test]
async fn of_lines_that_report_one_order_the_first_counts_and_the_others_repeat_it_or_contradict_it() {
    let app = TestApp::start().await;
    // Far enough apart to fall into one batch and into several.
    let mut file = Vec::new();
    for n in 0..900 {
        file.push(order(&format!("D-{}", n % 300)));
        if n % 90 == 0 {
            file.push(json!({ "order": { "id": format!("D-{}", n % 300), "amount": 200 } }));
        }
    }
    let answered = app.post_lines(BATCH, lines_of(&file)).await.expect(200).lines();
    let mut seen = std::collections::HashSet::new();
    for (sent, answer) in file.iter().zip(&answered) {
        let is_first = seen.insert(sent["order"]["id"].to_string());
        let wanted = match (is_first, sent["order"]["amount"] == 100) {
            (true, _) => (201, ""),
            (false, true) => (200, ""),
            (false, false) => (409, "order_conflict"),
        };
        let (line, status, code) = told(answer);
        assert_eq!((status, code.as_str()), wanted, "line {line}");
    }
    assert_eq!(answered[1]["body"]["error"]["fields"], json!(["order.amount"]));
    assert_eq!((answered.len(), app.count("select count(*) from purchases").await), (file.len(), 300));
    app.finish().await;
}

#[tokio::test]
async fn an_order_of_the_past_is_recorded_with_its_date() {
    let app = TestApp::start().await;
    let dated = |id: &str, date: &str| json!({ "order": { "id": id, "amount": 1, "date": date } });
    let file = [dated("P-1", "2003-05-06T07:08:09Z"), dated("P-2", "2026-07-31"), dated("P-3", "2026-12-31")];
    let answered = app.post_lines(BATCH, lines_of(&file)).await.expect(200);
    let statuses: Vec<_> = answered.told().into_iter().map(|(_, status, code)| (status, code)).collect();
    assert_eq!(statuses, [(201, String::new()), (201, String::new()), (400, "date_out_of_range".to_owned())]);
    let dates: Vec<Value> = answered.lines().iter().map(|line| line["body"]["date"].clone()).collect();
    // A date without a zone is meant in the account's, which is Berlin.
    assert_eq!(dates[..2], [json!("2003-05-06T07:08:09Z"), json!("2026-07-30T22:00:00Z")]);
    app.finish().await;
}

#[tokio::test]
async fn a_line_that_the_database_refuses_fails_alone() {
    let app = TestApp::start().await;
    app.pool
        .execute(
            "create function refuse() returns trigger language plpgsql as $$
            begin raise exception 'not this one' using errcode = '22023'; end $$;
            create trigger poison before insert on purchases for each row when (new.order_id like '%7-poison') execute function refuse()",
        )
        .await
        .expect("a trap");
    let mut file = orders("good", 700);
    for place in [3, 300, 699] {
        file[place] = order(&format!("{place}7-poison"));
    }
    let answered = app.post_lines(BATCH, lines_of(&file)).await.expect(200);
    for (place, (_, status, code)) in answered.told().into_iter().enumerate() {
        let wanted = if [3, 300, 699].contains(&place) { (400, "invalid_value") } else { (201, "") };
        assert_eq!((status, code.as_str()), wanted, "line {}", place + 1);
    }
    assert_eq!(app.count("select count(*) from purchases").await, 697);
    app.abandon().await;
}

#[tokio::test]
async fn each_account_has_orders_of_its_own() {
    let app = TestApp::start().await;
    let rival = app.other_account().await;
    let file = lines_of(&orders("281", 100));
    let (ours, theirs) = tokio::join!(app.post_lines(BATCH, file.clone()), rival.post_lines(BATCH, file.clone()));
    for answers in [ours.expect(200), theirs.expect(200)] {
        assert!(answers.told().iter().all(|(_, status, _)| *status == 201), "{}", answers.text);
    }
    assert_eq!(app.count("select count(*) from purchases").await, 200);
    app.anonymous().post_lines(BATCH, file).await.refused(401, "unauthenticated");
    app.finish().await;
}

#[tokio::test]
async fn lines_are_counted_as_an_editor_counts_them() {
    let app = TestApp::start().await;
    let text = format!("\u{feff}{}\r\n\r\n   \n{}\n\n{}", order("A"), order("B"), order("C"));
    let told = app.post_lines(BATCH, text).await.expect(200).told();
    assert_eq!(told, [(1, 201, String::new()), (4, 201, String::new()), (6, 201, String::new())]);
    for empty in ["", "\n", "\r\n \n"] {
        assert_eq!(app.post_lines(BATCH, empty).await.expect(200).text, "");
    }
    app.finish().await;
}

#[tokio::test]
async fn lines_are_taken_under_every_name_that_clients_give_them_and_nothing_else_is() {
    let app = TestApp::start().await;
    for (n, name) in ["", "application/x-ndjson", "application/jsonl; charset=utf-8", "application/json", "text/plain"]
        .into_iter()
        .enumerate()
    {
        let mut call = app.call(Method::POST, BATCH).body(format!("{}\n", order(&n.to_string())));
        if !name.is_empty() {
            call = call.header("Content-Type", name);
        }
        let answered = call.await.expect(200);
        assert_eq!(answered.told(), [(1, 201, String::new())], "{name}");
        assert_eq!(answered.header("content-type"), "application/x-ndjson");
    }
    for name in ["text/csv", "multipart/form-data; boundary=x", "application/x-ndjson; charset=utf-16", "image/png"] {
        let refused = app.post_text(BATCH, name, &order("X").to_string()).await.refused(415, "unsupported_media_type");
        assert_eq!(refused["error"]["param"], "Content-Type");
    }
    let packed = app.post_lines(BATCH, order("X").to_string()).header("Content-Encoding", "gzip");
    packed.await.refused(415, "unsupported_encoding");
    assert_eq!(app.count("select count(*) from purchases").await, 5);
    app.finish().await;
}

#[tokio::test]
async fn an_order_may_be_called_batch() {
    let app = TestApp::start().await;
    app.order("batch").await.expect(201);
    assert_eq!(app.get("/v1/purchases/%62atch").await.expect(200)["order_id"], "batch");
    assert_eq!(app.get(BATCH).await.refused(405, "method_not_allowed").header("allow"), "POST");
    app.finish().await;
}
