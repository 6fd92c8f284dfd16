//! What is left in a bank, how long it lasts, and when that is little.

use goodword::coupon_banks::{stock_store, watch};
use goodword::types::ids::CouponBankId;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use time::Duration;

use super::{borrowed, numbered, retire};
use crate::harness::app::{BEGINNING, CAMPAIGN, TestApp};
use crate::harness::client::{Answer, Shop};
use crate::harness::conservation;
use crate::harness::words::Bank;

async fn found(shop: &Shop, bank: &Bank) -> Answer {
    shop.get(&format!("/v1/coupon_banks/{}", bank.id)).await.expect(200)
}

async fn stock(shop: &Shop, bank: &Bank) -> Value {
    found(shop, bank).await["stock"].clone()
}

async fn change(shop: &Shop, bank: &Bank, body: Value) -> Answer {
    shop.patch(&format!("/v1/coupon_banks/{}", bank.id), body).await
}

async fn issue(shop: &Shop, bank: &Bank, advocates: &str, count: usize) {
    for n in 0..count {
        shop.advocate(&format!("{advocates}-{n}")).out_of(bank).await.expect(201);
    }
}

fn thresholds(available: impl Into<Value>, share: impl Into<Value>, days_left: impl Into<Value>) -> Value {
    json!({ "available": available.into(), "share": share.into(), "days_left": days_left.into() })
}

#[tokio::test]
async fn thresholds_are_set_with_the_bank_and_changed_one_by_one() {
    let app = TestApp::start().await;
    let sent = json!({ "name": "Codes", "low_stock": { "available": 50, "share": 0.15, "days_left": 14.0 } });
    let created = app.post("/v1/coupon_banks", sent).await.expect(201);
    let bank = Bank { id: created["id"].as_i64().expect("an id") };
    assert_eq!(created["low_stock"], thresholds(50, 0.15, 14));
    assert_eq!(found(&app, &bank).await.json, created.json);
    for (body, name, low_stock) in [
        (json!({}), "Codes", thresholds(50, 0.15, 14)),
        (json!({ "name": "More", "low_stock": {} }), "More", thresholds(50, 0.15, 14)),
        (json!({ "name": null, "low_stock": { "share": null } }), "More", thresholds(50, (), 14)),
        (json!({ "low_stock": { "available": 1e3, "days_left": null } }), "More", thresholds(1000, (), ())),
        (json!({ "low_stock": { "share": 0.0001, "days_left": 3650 } }), "More", thresholds(1000, 0.0001, 3650)),
        (json!({ "name": "Codes", "low_stock": null }), "Codes", thresholds((), (), ())),
    ] {
        let changed = change(&app, &bank, body.clone()).await.expect(200);
        assert_eq!((&changed["name"], &changed["low_stock"]), (&json!(name), &low_stock), "{body}");
        assert_eq!(found(&app, &bank).await.json, changed.json, "{body}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_threshold_that_cannot_be_one_is_refused_and_changes_nothing() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1"]).await;
    let before = change(&app, &bank, json!({ "low_stock": { "available": 5 } })).await.expect(200);
    for (low_stock, param, code) in [
        (json!(5), "low_stock", "invalid_type"),
        (json!({ "available": "5" }), "low_stock.available", "invalid_type"),
        (json!({ "available": 0 }), "low_stock.available", "out_of_range"),
        (json!({ "available": 1.5 }), "low_stock.available", "out_of_range"),
        (json!({ "available": 1_000_000_001 }), "low_stock.available", "out_of_range"),
        (json!({ "share": 0 }), "low_stock.share", "out_of_range"),
        (json!({ "share": 1.01 }), "low_stock.share", "out_of_range"),
        (json!({ "share": 0.00001 }), "low_stock.share", "out_of_range"),
        (json!({ "share": 1e300 }), "low_stock.share", "out_of_range"),
        (json!({ "days_left": -1 }), "low_stock.days_left", "out_of_range"),
        (json!({ "days_left": 3651 }), "low_stock.days_left", "out_of_range"),
        (json!({ "days_left": [] }), "low_stock.days_left", "invalid_type"),
    ] {
        let body = json!({ "name": "Other", "low_stock": low_stock });
        for refused in [change(&app, &bank, body.clone()).await, app.post("/v1/coupon_banks", body.clone()).await] {
            assert_eq!(refused.refused(400, code)["error"]["param"], param, "{body}");
        }
    }
    assert_eq!(found(&app, &bank).await.json, before.json);
    let rival = app.other_account().await;
    change(&rival, &bank, json!({ "name": "Mine" })).await.refused(404, "coupon_bank_not_found");
    change(&app, &Bank { id: 0 }, json!({})).await.refused(404, "coupon_bank_not_found");
    app.finish().await;
}

#[tokio::test]
async fn the_rate_and_the_days_left_follow_what_is_issued() {
    let app = TestApp::start().await;
    let bank = app.bank(&borrowed(&numbered("CODE", 40))).await;
    let said = |available: i64, per_day: f64, days_left: Value| json!({ "available": available, "issued_per_day": per_day, "days_left": days_left, "is_low": false, "reasons": [] });
    assert_eq!(stock(&app, &bank).await, said(40, 0.0, Value::Null));
    issue(&app, &bank, "A", 10).await;
    assert_eq!(stock(&app, &bank).await, said(30, 10.0, json!(3.0)), "at least a day");
    app.clock.advance(Duration::days(4));
    let free = app.get(&format!("{}?status=available&limit=1", bank.coupons())).await.expect(200);
    app.advocate("chosen").code(free["results"][0]["code"].as_str().expect("a code")).await.expect(201);
    let after = stock(&app, &bank).await;
    assert_eq!(after, app.get("/v1/coupon_banks").await.expect(200)["results"][0]["stock"], "lists say the same");
    app.clock.advance(Duration::days(4));
    issue(&app, &bank, "B", 6).await;
    // A second load does not change the rate.
    app.post(&bank.coupons(), json!(numbered("MORE", 10))).await.expect(200);
    let lately = app.count("select count(*) from referral_codes where coupon_issued_at > '2026-08-02 12:00Z'").await;
    let now = found(&app, &bank).await;
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let per_day = (lately as f64 / 7.0 * 100.0).round() / 100.0;
    assert_eq!(now["stock"]["issued_per_day"], per_day);
    app.clock.advance(Duration::days(8));
    let available = now["counts"]["available"].as_i64().expect("a count");
    assert_eq!(stock(&app, &bank).await, said(available, 0.0, Value::Null), "nothing went lately");
    app.finish().await;
}

#[tokio::test]
async fn a_bank_is_low_for_each_threshold_that_it_reaches_and_exhausted_without_any() {
    let app = TestApp::start().await;
    let bank = app.bank(&borrowed(&numbered("CODE", 10))).await;
    let watched = json!({ "low_stock": { "available": 4, "share": 0.5, "days_left": 1 } });
    change(&app, &bank, watched).await.expect(200);
    let mut seen = Vec::new();
    for n in 0..10 {
        app.advocate(&format!("C{n}")).out_of(&bank).await.expect(201);
        let stock = stock(&app, &bank).await;
        assert_eq!(stock["is_low"], stock["reasons"] != json!([]));
        seen.push(stock["reasons"].clone());
    }
    let none = json!([]);
    let half = json!(["share", "days_left"]);
    let few = json!(["available", "share", "days_left"]);
    let all = json!(["available", "share", "days_left", "exhausted"]);
    assert_eq!(seen, [&none, &none, &none, &none, &half, &few, &few, &few, &few, &all].map(Value::clone));
    change(&app, &bank, json!({ "low_stock": null })).await.expect(200);
    assert_eq!(stock(&app, &bank).await["reasons"], json!(["exhausted"]));
    app.post(&bank.coupons(), json!(["ONE"])).await.expect(200);
    assert_eq!(stock(&app, &bank).await["reasons"], none);
    retire(&app, &bank, &["ONE"]).await.expect(200);
    assert_eq!(stock(&app, &bank).await["reasons"], json!(["exhausted"]), "retired is gone too");
    app.finish().await;
}

#[tokio::test]
async fn low_banks_of_all_accounts_are_counted_as_their_lists_say() {
    let app = TestApp::start().await;
    let rival = app.other_account().await;
    let shops: [&Shop; 2] = [&app, &rival];
    for shop in shops {
        shop.bank(&[]).await;
        let plenty = shop.bank(&borrowed(&numbered("P", 20))).await;
        let by_count = shop.bank(&borrowed(&numbered("C", 20))).await;
        let by_days = shop.bank(&borrowed(&numbered("D", 20))).await;
        let by_share = shop.bank(&borrowed(&numbered("S", 5))).await;
        let spent = shop.bank(&["X1", "X2", "X3"]).await;
        change(shop, &by_count, json!({ "low_stock": { "available": 19 } })).await.expect(200);
        change(shop, &by_days, json!({ "low_stock": { "days_left": 6 } })).await.expect(200);
        change(shop, &by_share, json!({ "low_stock": { "share": 0.5 } })).await.expect(200);
        issue(shop, &by_days, "D", 3).await;
        shop.advocate("chosen").code("C-000003").await.expect(201);
        retire(shop, &by_share, &["S-000001", "S-000002"]).await.expect(200);
        shop.advocate("x1").code("X2").await.expect(201);
        retire(shop, &spent, &["X1"]).await.expect(200);
        issue(shop, &spent, "X", 1).await;
        issue(shop, &plenty, "P", 1).await;
    }
    let (mut low, mut exhausted) = (0, 0);
    for shop in shops {
        let listed = shop.get("/v1/coupon_banks").await.expect(200);
        for bank in listed["results"].as_array().expect("banks") {
            low += u32::from(bank["stock"]["is_low"] == true);
            let reasons = bank["stock"]["reasons"].as_array().expect("reasons");
            exhausted += u32::from(reasons.contains(&json!("exhausted")));
        }
    }
    let mut conn = app.pool.acquire().await.expect("a connection");
    let counted = watch::count(&mut conn, app.clock.now()).await.expect("a count");
    drop(conn);
    assert_eq!(counted, watch::LowBanks { low, exhausted });
    assert_eq!(counted, watch::LowBanks { low: 8, exhausted: 4 });
    let metrics = app.get("/metrics").await.expect(200).text;
    for name in ["goodword_coupon_banks_low ", "goodword_coupon_banks_exhausted "] {
        assert!(metrics.lines().any(|line| line.starts_with(name)), "{name}: {metrics}");
    }
    app.finish().await;
}

#[tokio::test]
async fn metrics_are_given_while_the_database_is_away() {
    let app = TestApp::start().await;
    app.get("/metrics").await.expect(200);
    app.clock.advance(Duration::minutes(2));
    app.pool.close().await;
    app.get("/metrics").await.expect(200);
    app.abandon().await;
}

#[tokio::test]
async fn low_banks_are_counted_once_a_minute_and_stay_known_while_the_database_is_away() {
    let app = TestApp::start().await;
    let watch = watch::Watch::new(app.pool.clone());
    let known = |exhausted| Some(watch::LowBanks { low: exhausted, exhausted });
    assert_eq!(watch.refresh(app.clock.now()).await, known(0));
    app.bank(&[]).await;
    app.clock.advance(Duration::seconds(59));
    assert_eq!(watch.refresh(app.clock.now()).await, known(0), "it was asked a moment ago");
    app.clock.advance(Duration::seconds(1));
    assert_eq!(watch.refresh(app.clock.now()).await, known(1));
    app.clock.advance(Duration::minutes(1));
    app.pool.close().await;
    assert_eq!(watch.refresh(app.clock.now()).await, known(1));
    let never_known = watch::Watch::new(app.pool.clone());
    assert_eq!(never_known.refresh(app.clock.now()).await, None);
    app.abandon().await;
}

/// A bank in one load, drawn from once a minute until the story begins.
async fn drawn_by_the_minute(app: &TestApp, drawn: i64, size: i64) -> Bank {
    let (account, bank) = (app.account.0, app.bank(&[]).await);
    let id = bank.id;
    let statements = [
        format!(
            "insert into coupons (account_id, segment_id, position, code, code_key)
            select {account}, 77, n, 'm' || n, 'm' || n from generate_series(0, {size} - 1) n"
        ),
        format!(
            "insert into coupon_segments (account_id, id, bank_id, size, next_position, created_at)
            values ({account}, 77, {id}, {size}, {drawn}, '2026-01-01 00:00Z')"
        ),
        format!(
            "insert into customers (account_id, external_id, created_at)
            select {account}, 'M' || n, '2026-01-01 00:00Z' from generate_series(0, {drawn} - 1) n"
        ),
        format!(
            "insert into referral_codes (account_id, code, code_key, campaign_id, customer_id, segment_id, position, coupon_issued_at, created_at)
            select {account}, 'r' || n, 'r' || n, {CAMPAIGN}, c.id, 77, n, m.at, m.at
            from generate_series(0, {drawn} - 1) n
            join customers c on c.account_id = {account} and c.external_id = 'M' || n
            cross join lateral (select '2026-08-01 12:00Z'::timestamptz - ({drawn} - n) * interval '1 minute' as at) m"
        ),
        "analyze".to_owned(),
    ];
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement)).execute(&app.pool).await.expect("stored");
    }
    conservation::record_by_hand(&app.pool).await;
    bank
}

#[tokio::test]
async fn the_rate_of_a_large_bank_is_found_without_reading_it() {
    let app = TestApp::start().await;
    let bank = drawn_by_the_minute(&app, 30_000, 40_000).await;
    // 7 days of 1 440 minutes, one short: the oldest of them is not within.
    let paces = async |at| {
        let mut conn = app.pool.acquire().await.expect("a connection");
        let found = stock_store::find_paces(&mut conn, &[app.account], &[CouponBankId(bank.id)], at).await;
        found.expect("a pace")[0].issued
    };
    assert_eq!(paces(BEGINNING).await, 10_079);
    assert_eq!(paces(BEGINNING + Duration::days(3)).await, 10_079 - 3 * 1_440);
    assert_eq!(paces(BEGINNING + Duration::days(7)).await, 0);
    assert_eq!(paces(BEGINNING - Duration::days(20)).await, 30_000, "all within a week of then");
    let stock = stock(&app, &bank).await;
    assert_eq!(stock["issued_per_day"], 1439.86);
    assert_eq!((&stock["available"], &stock["days_left"]), (&json!(10_000), &json!(6.9)));
    app.finish().await;
}

#[tokio::test]
async fn of_many_coupons_chosen_by_name_the_first_stand_for_all() {
    let app = TestApp::start().await;
    let bank = drawn_by_the_minute(&app, 0, 40_000).await;
    let account = app.account.0;
    for statement in [
        format!(
            "insert into customers (account_id, external_id, created_at)
            select {account}, 'N' || n, '2026-01-01 00:00Z' from generate_series(0, 999) n"
        ),
        // Every fortieth, and each other one of them in this week.
        format!(
            "insert into referral_codes (account_id, code, code_key, campaign_id, customer_id, segment_id, position, coupon_issued_at, created_at)
            select {account}, 'n' || n, 'n' || n, {CAMPAIGN}, c.id, 77, n * 40, m.at, m.at
            from generate_series(0, 999) n
            join customers c on c.account_id = {account} and c.external_id = 'N' || n
            cross join lateral (select '2026-08-01 10:00Z'::timestamptz - n % 2 * interval '30 days' as at) m"
        ),
    ] {
        sqlx::query(AssertSqlSafe(statement)).execute(&app.pool).await.expect("stored");
    }
    conservation::record_by_hand(&app.pool).await;
    let stock = stock(&app, &bank).await;
    // 100 of the 200 on the first 7 961 places, so 502 on all: 500 are right.
    assert_eq!((&stock["available"], &stock["issued_per_day"]), (&json!(39_000), &json!(71.71)));
    app.finish().await;
}

/// Rows that a plan's nodes read, by what it says of its run.
fn rows_read(node: &Value) -> f64 {
    let below: f64 = node["Plans"].as_array().into_iter().flatten().map(rows_read).sum();
    let is_table = node["Relation Name"].is_string();
    let number = |key: &str| node[key].as_f64().unwrap_or(0.0);
    let own = (number("Actual Rows") + number("Rows Removed by Filter")) * number("Actual Loops");
    below + if is_table { own } else { 0.0 }
}

#[tokio::test]
async fn finding_the_rate_reads_some_hundred_rows_of_a_load() {
    let app = TestApp::start().await;
    let bank = drawn_by_the_minute(&app, 30_000, 40_000).await;
    let recorded = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let query = std::fs::read_dir(recorded)
        .expect("the recorded queries")
        .map(|entry| std::fs::read_to_string(entry.expect("a file").path()).expect("text"))
        .map(|text| serde_json::from_str::<Value>(&text).expect("JSON")["query"].as_str().expect("a query").to_owned())
        .find(|query| query.contains("recursive narrowed"))
        .expect("the statement");
    let mut conn = app.pool.acquire().await.expect("a connection");
    sqlx::raw_sql(AssertSqlSafe(format!("prepare pace as {query}"))).execute(&mut *conn).await.expect("prepared");
    let explain = format!(
        "explain (analyze, format json) execute pace(array[{}], array[{}], '2026-07-25 12:00Z')",
        app.account.0, bank.id
    );
    let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut *conn).await.expect("a plan");
    drop(conn);
    let read = rows_read(&plan[0]["Plan"]);
    assert!((100.0..800.0).contains(&read), "{read} rows: {plan}");
    app.finish().await;
}
