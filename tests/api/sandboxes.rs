//! Sandboxes: a shop's tests run on the server that the shop uses, and touch none of its numbers.

mod commands;
mod resets;

use futures_util::future::join_all;
use goodword::coupon_banks::alerts;
use goodword::types::ids::AccountId;
use goodword::{accounts, sandboxes};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::harness::app::{BEGINNING, CAMPAIGN, PUBLIC_URL, TestApp};
use crate::harness::client::Shop;

/// Every list and every count that an account can ask for.
const LISTS: [&str; 11] = [
    "/v1/campaigns",
    "/v1/coupon_banks",
    "/v1/coupon_banks/9900",
    "/v1/coupon_banks/9900/coupons",
    "/v1/referral_codes",
    "/v1/customers",
    "/v1/purchases",
    "/v1/conversions",
    "/v1/rewards",
    "/v1/opt_outs/emails",
    "/v1/purchases/281/attribution",
];

/// What all lists say, but for how long a bank lasts, which follows from the time of the day.
async fn all_lists(shop: &Shop) -> Vec<(&'static str, Value)> {
    let mut said = Vec::new();
    for path in LISTS {
        let mut answer = shop.get(path).await.expect(200).json;
        answer.as_object_mut().expect("an object").remove("stock");
        for row in answer["results"].as_array_mut().into_iter().flatten() {
            row.as_object_mut().expect("a row").remove("stock");
        }
        said.push((path, answer));
    }
    said
}

/// Every row of an account, in every table of merchants' data.
pub async fn rows_of(pool: &PgPool, account: AccountId) -> Vec<String> {
    let of_all_tables: String = sqlx::query_scalar(
        "select string_agg(format('select %L || t::text from %I t where account_id = %s', table_name || ' ', table_name, $1), ' union all ')
            || ' order by 1'
        from information_schema.columns c
        where table_schema = 'public' and column_name = 'account_id'",
    )
    .bind(account.0)
    .fetch_one(pool)
    .await
    .expect("the tables");
    sqlx::query_scalar(AssertSqlSafe(of_all_tables)).fetch_all(pool).await.expect("their rows")
}

/// A campaign with every rule, and a bank with every setting: 9900, with five coupons of which E5 is retired.
pub async fn furnish(app: &TestApp) {
    app.rules(json!({
        "days_to_delay": 1, "attribution_window_days": 90, "new_customers_only": true, "minimum_amount": 20,
        "maximum_rewards_per_advocate": 10, "self_referral": "review", "similar_email_edits": 1,
        "reward": { "type": "percentage", "value": 10, "cap": 25, "unit": "points" }
    }))
    .await;
    let low_stock = json!({ "available": 2, "share": 0.1, "days_left": 3 });
    app.post("/v1/coupon_banks", json!({ "id": 9900, "name": "Spring", "low_stock": low_stock })).await.expect(201);
    let coupons = app.post_text("/v1/coupon_banks/9900/coupons", "text/csv", "A1,11\nB2,22\nC3,33\nD4,44\nE5,55\n");
    coupons.await.expect(200);
    app.post("/v1/coupon_banks/9900/coupons/retire", json!({ "codes": ["E5"] })).await.expect(200);
    let links = json!({ "utm_source": "mail", "utm_medium": "letter", "utm_campaign": "spring", "fallback_url": "https://shop.example.com/",
        "clicks_max": 1000, "keep": "first", "widget_coupon_bank_id": 9900 });
    app.put(&format!("/v1/campaigns/{CAMPAIGN}/links"), links).await.expect(200);
}

/// What a shop's integration test does: it walks through all that can be done, and gives the code of its advocate.
pub async fn walk_through(app: &TestApp, shop: &Shop) -> String {
    let issued = shop.advocate("C1").email("ada@example.com").with("coupon_bank_id", 9900).await.expect(201);
    shop.advocate("C2").code("B2").await;
    let code = issued["referral_code"].as_str().expect("a code").to_owned();
    shop.order("281")
        .email("friend@example.com")
        .with("order.new_customer", true)
        .referral_code(&code)
        .await
        .expect(201);
    shop.order("282").await.expect(201);
    app.pass_days(2);
    app.evaluate().await;
    let conversions = shop.get("/v1/conversions").await.expect(200);
    assert_eq!(conversions["results"][0]["status"], "approved", "{}", conversions.text);
    let refund = json!({ "id": "R1", "amount": 10 });
    shop.post("/v1/purchases/281/refunds", refund).await.expect(201);
    shop.post("/v1/opt_outs/emails", json!({ "email": "ada@example.com" })).await.expect(201);
    visit(app, shop, &code).await;
    code
}

/// What friends and pages do: a click, a share, and an order that the shop's server confirms.
async fn visit(app: &TestApp, shop: &Shop, code: &str) {
    let link = shop.get(&format!("/v1/referral_codes/{code}")).await.expect(200)["trackable_link"].clone();
    let path = link.as_str().and_then(|link| link.strip_prefix(PUBLIC_URL)).expect("our host").to_owned();
    app.anonymous().get(&path).await.expect(302);
    let alias = path.trim_start_matches('/').split('/').next().expect("an alias").to_owned();
    let page = app.page_of(&alias).await;
    page.post("shares", &json!({ "referral_code": code, "network": "copy" })).await.expect(204);
    page.order("283", json!({})).await.expect(204);
    shop.order("283").with("order.amount", 50).await.expect(200);
    // A webhook that leads nowhere: .invalid is the name of nobody.
    let hook = shop.post("/v1/webhook_endpoints", json!({ "url": "https://shop.invalid/hooks" })).await.expect(201);
    shop.advocate("C4").await.expect(201);
    shop.patch("/v1/coupon_banks/9900", json!({ "low_stock": { "available": 1000 } })).await.expect(200);
    alerts::tick(&app.pool, app.clock.now()).await.expect("the database answers");
    app.deliver().await;
    // What was not delivered waits, and is not tried again while somebody else's story goes on.
    let path = format!("/v1/webhook_endpoints/{}", hook["id"]);
    shop.patch(&path, json!({ "active": false })).await.expect(200);
    let begun = std::time::Instant::now();
    while shop.get(&format!("/v1/referral_codes/{code}")).await.expect(200)["bot_clicks"] == 0 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "the click is not kept");
    }
}

#[tokio::test]
async fn a_shops_integration_test_runs_on_the_same_server_and_touches_no_live_number() {
    let app = TestApp::start().await;
    furnish(&app).await;
    walk_through(&app, &app).await;
    let (lists, rows) = (all_lists(&app).await, rows_of(&app.pool, app.account).await);

    let (_, shop) = app.sandbox().await;
    for path in [
        "/v1/referral_codes",
        "/v1/customers",
        "/v1/purchases",
        "/v1/conversions",
        "/v1/rewards",
        "/v1/opt_outs/emails",
    ] {
        assert_eq!(shop.get(path).await.expect(200)["total_results_count"], 0, "nobody is in a new sandbox: {path}");
    }
    walk_through(&app, &shop).await;
    shop.patch(&format!("/v1/campaigns/{CAMPAIGN}"), json!({ "name": "Changed", "archived": true })).await.expect(200);
    shop.post("/v1/coupon_banks/9900/coupons", json!(["F6"])).await.expect(200);
    shop.post("/v1/coupon_banks/9900/coupons/retire", json!({ "codes": ["C3", "D4"] })).await;
    shop.post("/v1/customers/C1/block", json!({})).await;
    shop.post("/v1/purchases/282/cancel", json!({})).await.expect(200);

    assert_eq!(rows_of(&app.pool, app.account).await, rows);
    assert_eq!(all_lists(&app).await, lists);
    app.finish().await;
}

#[tokio::test]
async fn ids_of_the_live_account_work_in_the_sandbox_and_people_do_not_come_along() {
    let app = TestApp::start().await;
    furnish(&app).await;
    let live = app.advocate("C1").email("ada@example.com").with("coupon_bank_id", 9900).await.expect(201);
    let code = live["referral_code"].as_str().expect("a code");
    let (_, shop) = app.sandbox().await;

    // A live customer, his code and his coupon are unknown here, and the coupon is anybody's.
    let order = shop.order("281").referral_code(code).await.expect(201);
    assert_eq!((&order["attribution"], &order["reason"]), (&Value::Null, &json!("unknown_code")));
    assert_eq!(shop.get("/v1/lookup?q=ada@example.com").await.expect(200)["customers"], json!([]));
    shop.get(&format!("/v1/referral_codes/{code}")).await.refused(404, "referral_code_not_found");
    let taken = live["coupon_code"].as_str().expect("a coupon");
    let mine = shop.advocate("C1").code(taken).await.expect(201);
    assert_eq!(mine["coupon_code"], taken);
    assert_ne!(mine["referral_code"], code);
    assert_ne!(mine["customer"]["id"], live["customer"]["id"]);

    // Its links are its own, under an alias of its own.
    let link = mine["trackable_link"].as_str().expect("a link");
    assert_eq!(link, format!("{PUBLIC_URL}/acme-test/{}", mine["referral_code"].as_str().expect("a code")));
    let path = link.strip_prefix(PUBLIC_URL).expect("our host");
    app.anonymous().get(path).await.expect(302);
    app.anonymous().get(&path.replace("acme-test", "acme")).await.refused(404, "not_found");
    app.finish().await;
}

#[tokio::test]
async fn a_sandbox_begins_with_all_that_campaigns_and_banks_are_and_with_no_coupon_issued() {
    let app = TestApp::start().await;
    furnish(&app).await;
    app.patch(&format!("/v1/campaigns/{CAMPAIGN}"), json!({ "archived": true })).await.expect(200);
    app.post("/v1/campaigns", json!({ "name": "Plain", "destination_url": "https://shop.example.com/" }))
        .await
        .expect(201);
    let live_bank = app.get("/v1/coupon_banks/9900").await.expect(200);
    let (sandbox, shop) = app.sandbox().await;

    // Table by table, column by column, but for what the copy draws anew.
    for (table, but_for) in [
        ("campaigns", ""),
        ("campaign_links", ""),
        ("campaign_rules", "id"),
        ("coupon_banks", ""),
        ("coupon_segments", "next_position,revision"),
        ("coupons", "position"),
    ] {
        let rows = async |account: AccountId| -> Vec<Value> {
            let sql = format!(
                "select to_jsonb(t) - 'account_id' - '{{{but_for}}}'::text[] from {table} t where account_id = $1 order by 1"
            );
            sqlx::query_scalar(AssertSqlSafe(sql)).bind(account.0).fetch_all(&app.pool).await.expect(table)
        };
        let live = rows(app.account).await;
        assert_eq!(rows(sandbox).await, live, "{table}");
        for column in live[0].as_object().expect("a row").keys() {
            assert!(
                live.iter().any(|row| !row[column].is_null()),
                "{table}.{column} is null in this story: give it a value"
            );
        }
    }
    let bank = shop.get("/v1/coupon_banks/9900").await.expect(200);
    assert_eq!(bank["counts"], json!({ "total": 5, "issued": 0, "retired": 1, "available": 4 }));
    assert_eq!((&bank["counts"], &bank["low_stock"]), (&live_bank["counts"], &live_bank["low_stock"]));
    let retired = shop.get("/v1/coupon_banks/9900/coupons?status=retired").await.expect(200);
    assert_eq!(retired["results"][0]["code"], "E5");
    app.finish().await;
}

#[tokio::test]
async fn what_a_sandbox_hands_out_does_not_tell_what_the_live_bank_hands_out_next() {
    let app = TestApp::start().await;
    let codes: Vec<String> = (0..40).map(|n| format!("CODE-{n}")).collect();
    app.bank(&codes.iter().map(String::as_str).collect::<Vec<_>>()).await;
    app.sandbox().await;
    let same_place = "select count(*) from coupons c join coupons s using (segment_id, position, code) where s.account_id > c.account_id";
    // Of 40 in two random orders, one is at its place in both; twelve are once in a billion times.
    assert!(app.count(same_place).await < 12);
    app.finish().await;
}

#[tokio::test]
async fn test_keys_that_are_made_at_once_make_one_sandbox() {
    let app = TestApp::start().await;
    furnish(&app).await;
    let live = accounts::store::list(&mut app.pool.acquire().await.expect("a connection"), Some("acme")).await;
    let live = live.expect("a list").remove(0);
    let made = join_all((0..6).map(|_| sandboxes::find_or_create(&app.pool, live.clone(), BEGINNING))).await;
    let made: Vec<_> = made.into_iter().map(|made| made.expect("a sandbox")).collect();
    assert!(made.iter().all(|(sandbox, _)| sandbox.id == made[0].0.id && sandbox.live_account_id == Some(live.id)));
    assert_eq!(made.iter().filter(|(_, copied)| copied.is_some()).count(), 1, "it is filled once");
    assert_eq!(app.count("select count(*) from accounts").await, 2);
    assert_eq!(app.count("select count(*) from coupons").await, 10);
    app.finish().await;
}

#[tokio::test]
async fn a_bank_that_is_exhausted_in_a_sandbox_alarms_nobody() {
    let app = TestApp::start().await;
    app.bank(&["A1"]).await;
    let (_, shop) = app.sandbox().await;
    shop.advocate("C1").code("A1").await.expect(201);
    let exhausted = async || {
        app.clock.advance(time::Duration::minutes(2));
        let metrics = app.get("/metrics").await.expect(200).text;
        let series = metrics.lines().find_map(|line| line.strip_prefix("goodword_coupon_banks_exhausted "));
        series.expect("the metric").to_owned()
    };
    assert_eq!(exhausted().await, "0");
    app.advocate("C1").code("A1").await.expect(201);
    assert_eq!(exhausted().await, "1", "a live one does");
    app.finish().await;
}
