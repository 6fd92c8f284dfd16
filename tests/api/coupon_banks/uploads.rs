//! What is loaded of a merchant's file and what is refused, row by row.

use std::future::IntoFuture;

use serde_json::{Value, json};
use sqlx::Executor;

use super::{bank_with_id, borrowed, counted, counts, draw_empty, numbered};
use crate::harness::app::TestApp;

/// How the two codes of a file, the first with the PIN 4711, may be written.
type Form = (&'static str, &'static str, fn(&str, &str) -> Vec<u8>);

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

const FORMS: [Form; 18] = [
    ("text/csv", "UTF-8", |a, b| format!("{a},4711\n{b}\n").into()),
    ("text/csv; charset=utf-8", "UTF-8", |a, b| format!("Code,Pin\n{a},4711\n{b}").into()),
    ("text/csv", "UTF-8", |a, b| format!("coupon_code\n{a},4711\n{b},\n").into()),
    ("text/csv", "UTF-8", |a, b| format!("\u{feff}{a},4711\n{b}\n").into()),
    ("text/csv", "UTF-8", |a, b| format!("\u{feff}\"COUPON CODE\",\"x\"\n{a},4711\n{b}\n").into()),
    ("text/plain", "UTF-8", |a, b| format!("{a},4711\r\n{b}\r\n").into()),
    ("text/plain", "UTF-8", |a, b| format!("{a},4711\r{b}").into()),
    ("application/octet-stream", "UTF-8", |a, b| format!("{a},4711\r\n\r\n\n ,, \n{b}\n\n").into()),
    ("application/vnd.ms-excel", "UTF-8", |a, b| format!("{a};4711;spring\r\n{b};;\r\n").into()),
    ("text/tab-separated-values", "UTF-8", |a, b| format!("{a}\t4711\n{b}\n").into()),
    ("text/csv", "UTF-8", |a, b| format!("\"{a}\",\"4711\"\n\"{b}\"").into()),
    ("text/csv", "UTF-8", |a, b| format!("  {a} , 4711 \n\t{b}\u{a0}\n").into()),
    ("text/csv", "UTF-16LE", |a, b| utf16(&format!("\u{feff}code\tpin\r\n{a}\t4711\r\n{b}\t\r\n"), u16::to_le_bytes)),
    ("text/csv", "UTF-16BE", |a, b| utf16(&format!("\u{feff}{a}\t4711\r\n{b}\r\n"), u16::to_be_bytes)),
    ("application/json", "UTF-8", |a, b| json!([{ "code": a, "pin": "4711" }, b]).to_string().into()),
    ("application/json", "UTF-8", |a, b| {
        json!({ "name": [], "coupons": [{ "code": a, "pin": 4711 }, { "code": b, "pin": null }] }).to_string().into()
    }),
    ("application/x-www-form-urlencoded", "UTF-8", |a, b| format!("{a},4711\n{b}\n").into()),
    ("", "UTF-8", |a, b| format!("{a},4711\n{b}\n").into()),
];

#[tokio::test]
async fn a_file_is_taken_in_every_form_in_which_shops_and_spreadsheets_write_it() {
    let app = TestApp::start().await;
    for (n, (content_type, encoding, write)) in FORMS.iter().enumerate() {
        let (a, b) = (format!("Één-{n}"), format!("00{n:03}"));
        let bank = app.bank(&[]).await;
        let mut call = app.call(reqwest::Method::POST, &bank.coupons()).body(write(&a, &b));
        if !content_type.is_empty() {
            call = call.header("Content-Type", content_type);
        }
        let loaded = call.await.expect(200);
        let place = format!("form {n}, {content_type}: {}", loaded.text);
        assert_eq!((&loaded["loaded"], &loaded["refused"]), (&json!(2), &json!(0)), "{place}");
        assert_eq!((&loaded["encoding"], &loaded["counts"]), (&json!(encoding), &counted(0, 0, 2)), "{place}");
        assert_eq!(loaded["header_skipped"], [1, 2, 4, 12].contains(&n), "{place}");
        assert_eq!(loaded["coupon_bank"], json!({ "id": bank.id, "name": "Codes" }));
        let first = app.advocate(&a).code(&a).await.expect(201);
        assert_eq!((&first["coupon_code"], &first["coupon_pin"]), (&json!(a), &json!("4711")), "{place}");
        let second = app.advocate(&b).code(&b).await.expect(201);
        assert_eq!((&second["coupon_code"], &second["coupon_pin"]), (&json!(b), &Value::Null), "{place}");
    }
    app.finish().await;
}

/// A file in which nearly every row has a fault of its own, and what its lines are refused for.
fn a_faulty_file(referral_code: &str) -> (String, Vec<(u64, &'static str)>) {
    let long = "x".repeat(65);
    let pin = "1".repeat(256);
    let wide = "W1".to_owned() + &",".repeat(100);
    let lines = [
        ("GOOD1", ""),
        ("good1", "duplicate_in_file"),
        ("GOOD1 ", "duplicate_in_file"),
        ("", ""),
        (",4711", "empty"),
        ("OWN1", "exists_in_bank"),
        ("own1", "duplicate_in_file"),
        ("HELD", "exists_in_bank"),
        ("GONE", "exists_in_bank"),
        ("Else1", "exists_elsewhere"),
        (&long, "too_long"),
        ("=cmd|'/c calc'!A1", "invalid_code"),
        ("@SUM(A1)", "invalid_code"),
        ("+1", "invalid_code"),
        ("-1", "invalid_code"),
        ("A\u{200b}B", "invalid_code"),
        ("A\u{0}B", "invalid_code"),
        ("A\u{202e}B", "invalid_code"),
        ("Сlooney1", "invalid_code"),
        (&format!("P1,{pin}"), "invalid_pin"),
        ("P2,a\u{7}b", "invalid_pin"),
        (&wide, "too_many_columns"),
        (referral_code, "collides_with_referral_code"),
        ("00123", ""),
        ("\"a\"\"b\"", ""),
        ("\"two\nlines\"", "invalid_code"),
        ("after", ""),
    ]
    .map(|(line, reason)| (line.to_owned(), reason));
    let mut number = 0;
    let mut refused = Vec::new();
    for (line, reason) in &lines {
        number += 1;
        if !reason.is_empty() {
            refused.push((number, *reason));
        }
        number += line.matches('\n').count() as u64;
    }
    (lines.map(|(line, _)| line).join("\n"), refused)
}

#[tokio::test]
async fn each_row_that_cannot_be_loaded_is_named_with_its_line_and_reason() {
    let app = TestApp::start().await;
    let bank = app.bank(&["OWN1", "HELD", "GONE"]).await;
    app.bank(&["ELSE1"]).await;
    super::retire(&app, &bank, &["GONE"]).await.expect(200);
    let held = app.advocate("C1").code("HELD").await.expect(201);
    let (file, refused) = a_faulty_file(&held["referral_code"].as_str().expect("a code").to_uppercase());

    let strict = app.post_text(&format!("{}?strict=true", bank.coupons()), "text/csv", &file).await;
    let strict = strict.refused(400, "refused_rows");
    assert_eq!(counts(&app, &bank).await, counted(1, 1, 1), "strict is all or nothing");

    let loaded = app.post_text(&bank.coupons(), "text/csv", &file).await.expect(200);
    let found: Vec<(u64, &str)> = loaded["refusals"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| (one["line"].as_u64().expect("a line"), one["reason"].as_str().expect("a reason")))
        .collect();
    assert_eq!(found, refused);
    assert_eq!(strict["error"]["refusals"], loaded["refusals"]);
    assert_eq!((&loaded["loaded"], &loaded["refused"]), (&json!(4), &json!(refused.len())));
    let by_reason = loaded["refused_by_reason"].as_object().expect("reasons");
    assert_eq!(by_reason["invalid_code"], 9);
    assert_eq!(by_reason.values().filter_map(Value::as_u64).sum::<u64>(), refused.len() as u64);
    assert_eq!(loaded["counts"], counted(1, 1, 5));
    // What cannot be seen, or could hide something, is not shown.
    let shown = |line: u64| {
        loaded["refusals"].as_array().into_iter().flatten().find(|one| one["line"] == line).map(|one| &one["code"])
    };
    assert_eq!((shown(2), shown(16), shown(5)), (Some(&json!("good1")), Some(&Value::Null), Some(&Value::Null)));
    for code in ["GOOD1", "00123", "a\"b", "after"] {
        assert_eq!(app.advocate(code).code(code).await.expect(201)["coupon_code"], code);
    }
    assert_eq!(app.advocate("C1").await.expect(200).json, held.json);
    app.finish().await;
}

#[tokio::test]
async fn a_strict_load_without_refused_rows_is_a_load() {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    for (spelt, code) in [("true", "A1"), ("1", "A2"), ("false", "A3"), ("0", "A4"), ("", "")] {
        let answer = app.post(&format!("{}?strict={spelt}", bank.coupons()), json!([code])).await;
        assert_eq!(answer.status, if code.is_empty() { 400 } else { 200 }, "{spelt}: {}", answer.text);
    }
    let answer = app.post(&format!("{}?strict=perhaps", bank.coupons()), json!(["A5"])).await.expect(400);
    assert_eq!(answer["error"]["param"], "strict");
    assert_eq!(counts(&app, &bank).await, counted(0, 0, 4));
    app.finish().await;
}

#[tokio::test]
async fn only_the_first_thousand_refused_rows_are_listed_and_all_are_counted() {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    let file = "SAME\n".repeat(2_500);
    let answer = app.post_text(&bank.coupons(), "text/csv", &file).await.expect(200);
    assert_eq!((&answer["loaded"], &answer["refused"]), (&json!(1), &json!(2_499)));
    assert_eq!(answer["refused_by_reason"], json!({ "duplicate_in_file": 2_499 }));
    let listed = answer["refusals"].as_array().expect("a list");
    assert_eq!((listed.len(), &listed[0]["line"], &listed[999]["line"]), (1_000, &json!(2), &json!(1_001)));
    app.finish().await;
}

#[tokio::test]
async fn the_same_file_again_changes_nothing_whatever_became_of_its_codes() {
    let app = TestApp::start().await;
    let codes = numbered("CODE", 8);
    let bank = app.bank(&borrowed(&codes)).await;
    let other = app.bank(&[]).await;
    super::retire(&app, &bank, &["CODE-000000"]).await.expect(200);
    app.advocate("C1").out_of(&bank).await.expect(201);
    let before = app.get(&bank.coupons()).await.expect(200);
    let again = app.post(&bank.coupons(), json!(codes)).await.expect(200);
    assert_eq!((&again["loaded"], &again["refused_by_reason"]), (&json!(0), &json!({ "exists_in_bank": 8 })));
    let elsewhere = app.post(&other.coupons(), json!(codes)).await.expect(200);
    assert_eq!(elsewhere["refused_by_reason"], json!({ "exists_elsewhere": 8 }));
    assert_eq!(app.get(&bank.coupons()).await.expect(200).json, before.json);
    assert_eq!(draw_empty(&app, &bank, "D").await.len(), 6);
    assert_eq!(app.count("select count(*) from coupon_segments").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn two_loads_of_the_same_file_at_once_make_one_set() {
    let app = TestApp::start().await;
    let bank = bank_with_id(&app, 9900).await;
    let codes = numbered("CODE", 4_000);
    let reversed: Vec<&String> = codes.iter().rev().collect();
    let (one, other) =
        tokio::join!(app.post(&bank.coupons(), json!(codes)), app.post(&bank.coupons(), json!(reversed)));
    let (one, other) = (one.expect(200), other.expect(200));
    let sum = |field: &str| one[field].as_i64().unwrap_or_default() + other[field].as_i64().unwrap_or_default();
    assert_eq!((sum("loaded"), sum("refused")), (4_000, 4_000));
    assert_eq!(counts(&app, &bank).await, counted(0, 0, 4_000));
    app.finish().await;
}

#[tokio::test]
async fn a_load_says_what_strangers_could_guess() {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    let warned = app.post(&bank.coupons(), json!(numbered("RIDE", 200))).await.expect(200);
    let warning = warned["warnings"][0].as_str().expect("a warning");
    assert!(warning.contains("numbered"), "{warning}");
    assert_eq!(warned["loaded"], 200);
    let random: Vec<String> = (0..200).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
    assert_eq!(app.post(&bank.coupons(), json!(random)).await.expect(200)["warnings"], json!([]));
    app.finish().await;
}

#[tokio::test]
async fn a_hundred_thousand_lines_are_loaded() {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    let file = numbered("Spring", 100_000).join("\r\n");
    let loaded = app.post_text(&bank.coupons(), "text/csv", &file).await.expect(200);
    assert_eq!((&loaded["loaded"], &loaded["refused"]), (&json!(100_000), &json!(0)));
    assert_eq!(counts(&app, &bank).await, counted(0, 0, 100_000));
    let drawn = app.advocate("C1").out_of(&bank).await.expect(201);
    assert!(drawn["coupon_code"].as_str().is_some_and(|code| code.starts_with("Spring-")), "{}", drawn.text);
    app.advocate("C2").code("spring-099999").await.expect(201);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_and_orders_go_on_while_a_load_is_storing_and_see_it_when_it_is_whole() {
    let app = TestApp::start().await;
    let bank = app.bank(&["FIRST1", "FIRST2"]).await;
    // An outsider who holds one of the codes, undecided, stops the load half-way through its rows.
    let mut outsider = app.pool.acquire().await.expect("a connection");
    outsider.execute("begin; set local idle_in_transaction_session_timeout = 0").await.expect("a transaction");
    let held = "insert into coupons (account_id, segment_id, position, code, code_key)
        select account_id, id + 1000, 0, 'CODE-025000', 'code-025000' from coupon_segments";
    outsider.execute(held).await.expect("a coupon");
    let file = numbered("CODE", 50_000).join("\n");
    let loading = tokio::spawn(app.post_text(&bank.coupons(), "text/csv", &file).into_future());
    let is_waiting = "select count(*) from pg_locks join pg_stat_activity using (pid)
        where datname = current_database() and not granted and starts_with(query, 'copy coupons')";
    while app.count(is_waiting).await == 0 {
        assert!(!loading.is_finished(), "the load should wait for the outsider");
    }

    assert_eq!(counts(&app, &bank).await, counted(0, 0, 2), "nothing is seen of a load before it is whole");
    let first = app.advocate("C1").out_of(&bank).await.expect(201);
    let first = first["coupon_code"].as_str().expect("a code").to_owned();
    let named = if first == "FIRST1" { "FIRST2" } else { "FIRST1" };
    app.advocate("C2").code(named).await.expect(201);
    app.advocate("C3").out_of(&bank).await.refused(409, "bank_exhausted");
    app.advocate("C3").code("CODE-000001").await.refused(404, "coupon_not_found");
    assert_eq!(app.order("281").code(&first).await.expect(201)["attribution"]["via"], "coupon_code");
    assert_eq!(app.order("282").code("CODE-000001").await.expect(201)["reason"], "unknown_code");
    super::retire(&app, &bank, &[named]).await.expect(200);
    app.bank(&[]).await;
    assert!(!loading.is_finished());

    outsider.execute("rollback").await.expect("rolled back");
    drop(outsider);
    let loaded = loading.await.expect("the load went on").expect(200);
    assert_eq!((&loaded["loaded"], &loaded["refused"]), (&json!(50_000), &json!(0)));
    assert_eq!(counts(&app, &bank).await, counted(2, 0, 50_000));
    app.advocate("C3").out_of(&bank).await.expect(201);
    app.finish().await;
}
