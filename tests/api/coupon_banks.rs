//! Coupon banks: made, counted, drawn from until they are empty, and what is taken out of them.

mod lists;
mod stock;
mod uploads;
mod whole_files;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::client::{Answer, Shop};
use crate::harness::words::Bank;

/// Far more than any bank here holds.
const DRAWS_MAX: usize = 1_000;

/// A bank with this id and nothing in it.
async fn bank_with_id(shop: &Shop, id: i64) -> Bank {
    shop.post("/v1/coupon_banks", json!({ "id": id, "name": "Codes" })).await.expect(201);
    Bank { id }
}

async fn counts(shop: &Shop, bank: &Bank) -> Value {
    shop.get(&format!("/v1/coupon_banks/{}", bank.id)).await.expect(200)["counts"].clone()
}

fn counted(issued: i64, retired: i64, available: i64) -> Value {
    json!({ "total": issued + retired + available, "issued": issued, "retired": retired, "available": available })
}

/// Gives codes to new advocates until the bank says that it is exhausted.
async fn draw_empty(shop: &Shop, bank: &Bank, advocates: &str) -> Vec<String> {
    let mut drawn = Vec::new();
    while drawn.len() < DRAWS_MAX {
        let answer = shop.advocate(&format!("{advocates}-{}", drawn.len())).out_of(bank).await;
        if answer.status == 409 {
            answer.refused(409, "bank_exhausted");
            return drawn;
        }
        drawn.push(answer.expect(201)["coupon_code"].as_str().expect("a code").to_owned());
    }
    panic!("the bank never ends");
}

async fn retire(shop: &Shop, bank: &Bank, codes: &[&str]) -> Answer {
    shop.post(&format!("{}/retire", bank.coupons()), json!({ "codes": codes })).await
}

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n:06}")).collect()
}

fn borrowed(codes: &[String]) -> Vec<&str> {
    codes.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_bank_is_found_and_listed_as_it_was_created() {
    let app = TestApp::start().await;
    let created = app.post("/v1/coupon_banks", json!({ "name": "Spring codes" })).await.expect(201);
    let id = created["id"].as_i64().expect("an id");
    let wanted = json!({
        "id": id,
        "name": "Spring codes",
        "created_at": "2026-08-01T12:00:00Z",
        "counts": counted(0, 0, 0),
        "low_stock": { "available": null, "share": null, "days_left": null },
        "stock": { "available": 0, "issued_per_day": 0.0, "days_left": null, "is_low": true, "reasons": ["exhausted"] },
    });
    assert_eq!(created.json, wanted);
    assert_eq!(app.get(&format!("/v1/coupon_banks/{id}")).await.expect(200).json, wanted);
    let listed = app.get("/v1/coupon_banks").await.expect(200);
    assert_eq!((&listed["results"], &listed["total_results_count"]), (&json!([wanted]), &json!(1)));
    app.finish().await;
}

#[tokio::test]
async fn a_merchant_keeps_the_ids_of_his_banks_and_others_are_passed_over() {
    let app = TestApp::start().await;
    for (sent, kept) in [(json!(9900), 9900_i64), (json!("9901"), 9901)] {
        let created = app.post("/v1/coupon_banks", json!({ "id": sent, "name": "Codes" })).await.expect(201);
        assert_eq!(created["id"], kept);
    }
    let taken = app.post("/v1/coupon_banks", json!({ "id": 9900, "name": "Other" })).await.refused(409, "id_taken");
    assert_eq!(taken["error"]["param"], "id");
    let next = app.bank(&[]).await.id;
    bank_with_id(&app, next + 1).await;
    assert!(app.bank(&[]).await.id > next + 1);
    for (fields, param, code) in [
        (json!({}), "name", "missing"),
        (json!({ "name": " " }), "name", "missing"),
        (json!({ "name": "n".repeat(256) }), "name", "too_long"),
        (json!({ "name": "Codes", "id": 0 }), "id", "invalid_id"),
        (json!({ "name": "Codes", "id": "09" }), "id", "invalid_id"),
    ] {
        let answer = app.post("/v1/coupon_banks", fields.clone()).await.refused(400, code);
        assert_eq!(answer["error"]["param"], param, "{fields}");
    }
    assert_eq!(app.count("select count(*) from coupon_banks").await, 5);
    app.finish().await;
}

#[tokio::test]
async fn counts_follow_what_becomes_of_the_codes() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2", "A3"]).await;
    assert_eq!(counts(&app, &bank).await, counted(0, 0, 3));
    app.advocate("C1").out_of(&bank).await.expect(201);
    assert_eq!(counts(&app, &bank).await, counted(1, 0, 2));
    let left = app.get(&format!("{}?status=available", bank.coupons())).await.expect(200);
    let left = left["results"][0]["code"].as_str().expect("a code").to_owned();
    assert_eq!(retire(&app, &bank, &[&left]).await.expect(200)["counts"], counted(1, 1, 1));
    assert_eq!(counts(&app, &bank).await, counted(1, 1, 1));
    app.post(&bank.coupons(), json!(["A4", "A5"])).await.expect(200);
    assert_eq!(counts(&app, &bank).await, counted(1, 1, 3));
    app.finish().await;
}

#[tokio::test]
async fn an_empty_draw_gives_every_code_once_in_no_order_of_the_file() {
    let app = TestApp::start().await;
    let codes = numbered("CODE", 30);
    let bank = app.bank(&borrowed(&codes)).await;
    let drawn = draw_empty(&app, &bank, "C").await;
    assert_eq!(drawn.iter().collect::<BTreeSet<_>>(), codes.iter().collect());
    assert_eq!(drawn.len(), codes.len());
    // One in 30! draws would fail here by chance.
    assert_ne!(drawn, codes);
    let other = app.bank(&borrowed(&numbered("OTHER", 30))).await;
    let other: Vec<String> =
        draw_empty(&app, &other, "D").await.iter().map(|code| code.replace("OTHER", "CODE")).collect();
    assert_ne!(drawn, other, "each bank is shuffled by itself");
    app.finish().await;
}

#[tokio::test]
async fn codes_taken_by_name_or_retired_are_never_drawn_and_exhausted_stays_exact() {
    let app = TestApp::start().await;
    let codes = numbered("CODE", 150);
    let bank = app.bank(&borrowed(&codes)).await;
    // Longer runs of codes that are gone than are looked at in one step.
    let (retired, rest) = codes.split_at(110);
    let (named, free) = rest.split_at(12);
    assert_eq!(retire(&app, &bank, &borrowed(retired)).await.expect(200)["retired"], 110);
    for code in named {
        app.advocate(code).code(code).await.expect(201);
    }
    assert_eq!(counts(&app, &bank).await, counted(12, 110, 28));
    let drawn = draw_empty(&app, &bank, "C").await;
    assert_eq!(drawn.iter().collect::<BTreeSet<_>>(), free.iter().collect());
    assert_eq!((drawn.len(), counts(&app, &bank).await), (28, counted(40, 110, 0)));
    app.advocate("late").code(&named[0]).await.refused(409, "coupon_taken");
    app.advocate("late").code(&retired[0]).await.refused(409, "coupon_retired");
    app.finish().await;
}

#[tokio::test]
async fn a_bank_of_which_the_last_code_is_chosen_by_name_or_retired_is_exhausted() {
    let app = TestApp::start().await;
    let named = app.bank(&["A1"]).await;
    app.advocate("C1").code("A1").await.expect(201);
    app.advocate("C2").out_of(&named).await.refused(409, "bank_exhausted");
    let retired = app.bank(&["B1"]).await;
    retire(&app, &retired, &["B1"]).await.expect(200);
    app.advocate("C2").out_of(&retired).await.refused(409, "bank_exhausted");
    assert_eq!(app.count("select count(*) from customers").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_top_up_keeps_the_claims_going_to_its_last_code() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2", "A3"]).await;
    let mut drawn = vec![app.advocate("first").out_of(&bank).await.expect(201)["coupon_code"].clone()];
    app.post(&bank.coupons(), json!(["B1", "B2"])).await.expect(200);
    drawn.extend(draw_empty(&app, &bank, "C").await.into_iter().map(Value::from));
    assert_eq!(drawn.len(), 5, "two of the first load and two of the second: {drawn:?}");
    app.post(&bank.coupons(), json!(["D1"])).await.expect(200);
    drawn.extend(draw_empty(&app, &bank, "D").await.into_iter().map(Value::from));
    let drawn: BTreeSet<_> = drawn.iter().map(|code| code.as_str().expect("a code")).collect();
    assert_eq!(drawn, ["A1", "A2", "A3", "B1", "B2", "D1"].into());
    assert_eq!(counts(&app, &bank).await, counted(6, 0, 0));
    app.finish().await;
}

#[tokio::test]
async fn each_code_that_is_to_be_retired_is_answered_by_what_became_of_it() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2", "A3", "HELD"]).await;
    let held = app.advocate("C1").code("HELD").await.expect(201);
    app.bank(&["ELSEWHERE"]).await;
    let answer =
        retire(&app, &bank, &["a1", "A1", " A2 ", "held", "ELSEWHERE", "NOSUCHCODE", "", "=1"]).await.expect(200);
    let wanted = json!({
        "retired": 2,
        "already_retired": 1,
        "refused": [
            { "code": "held", "reason": "coupon_issued" },
            { "code": "ELSEWHERE", "reason": "coupon_not_found" },
            { "code": "NOSUCHCODE", "reason": "coupon_not_found" },
            { "code": "", "reason": "coupon_not_found" },
            { "code": "=1", "reason": "coupon_not_found" },
        ],
        "counts": counted(1, 2, 1),
    });
    assert_eq!(answer.json, wanted);
    let again = retire(&app, &bank, &["A1", "A2"]).await.expect(200);
    assert_eq!((&again["retired"], &again["already_retired"]), (&json!(0), &json!(2)));
    assert_eq!(app.advocate("C1").await.expect(200).json, held.json);
    assert_eq!(app.order("281").code("HELD").await.expect(201)["attribution"]["via"], "coupon_code");
    app.advocate("C2").code("ELSEWHERE").await.expect(201);
    app.finish().await;
}

#[tokio::test]
async fn a_list_to_retire_has_one_to_a_thousand_codes() {
    let app = TestApp::start().await;
    let codes = numbered("CODE", 1_001);
    let bank = app.bank(&borrowed(&codes)).await;
    let path = format!("{}/retire", bank.coupons());
    for (body, param, code) in [
        (json!({}), "codes", "missing"),
        (json!({ "codes": [] }), "codes", "too_many_items"),
        (json!({ "codes": codes }), "codes", "too_many_items"),
        (json!({ "codes": "CODE-000000" }), "codes", "invalid_type"),
        (json!({ "codes": ["CODE-000000", {}] }), "codes[1]", "invalid_type"),
        (json!({ "codes": ["CODE-000000", "a\u{0}"] }), "codes[1]", "invalid_string"),
    ] {
        let answer = app.post(&path, body).await.refused(400, code);
        assert_eq!(answer["error"]["param"], param, "{}", answer.text);
    }
    assert_eq!(counts(&app, &bank).await, counted(0, 0, 1_001));
    assert_eq!(app.post(&path, json!({ "codes": codes[..1_000] })).await.expect(200)["retired"], 1_000);
    app.finish().await;
}

#[tokio::test]
async fn another_accounts_bank_is_answered_like_one_that_does_not_exist() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1"]).await;
    let rival = app.other_account().await;
    let before = app.get(&bank.coupons()).await.expect(200);
    for rest in ["", "/coupons", "/coupons?format=csv"] {
        let ask = async |id: i64| {
            let path = format!("/v1/coupon_banks/{id}{rest}");
            rival.get(&path).await.refused(404, "coupon_bank_not_found").without_request_id()
        };
        assert_eq!(ask(bank.id).await, ask(987_654_321).await, "{rest}");
    }
    for (rest, body) in [("/coupons", json!(["B1"])), ("/coupons/retire", json!({ "codes": ["A1"] }))] {
        let ask = async |id: i64| {
            let call = rival.post(&format!("/v1/coupon_banks/{id}{rest}"), body.clone());
            call.await.refused(404, "coupon_bank_not_found").without_request_id()
        };
        assert_eq!(ask(bank.id).await, ask(987_654_321).await, "{rest}");
    }
    assert_eq!(app.get(&bank.coupons()).await.expect(200).json, before.json);
    assert_eq!(rival.get("/v1/coupon_banks").await.expect(200)["total_results_count"], 0);
    // The same code is free to each account.
    rival.bank(&["A1"]).await;
    app.finish().await;
}
