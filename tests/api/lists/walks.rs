//! Walking lists by cursor: each row once, whatever happens meanwhile, and the last page as cheap as the first.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::rows;
use crate::harness::app::{CAMPAIGN, TestApp};
use crate::harness::client::{Answer, Shop};
use crate::harness::conservation;

/// Rows of every list, stored in one go: as many advocates, and for each two orders, one of which is credited to him.
async fn fill(app: &TestApp, count: i64) {
    let account = app.account.0;
    let statements = [
        format!(
            "insert into customers (account_id, external_id, email, email_key, created_at)
            select {account}, 'W' || n, 'w' || n || '@example.com', 'w' || n || '@example.com', '2026-07-01 00:00Z'::timestamptz + n / 7 * interval '1 second'
            from generate_series(1, {count}) n"
        ),
        format!(
            "insert into referral_codes (account_id, code, code_key, campaign_id, customer_id, created_at)
            select account_id, 'walk' || id, 'walk' || id, {CAMPAIGN}, id, created_at from customers where external_id like 'W%'"
        ),
        format!(
            "insert into purchases (account_id, source, order_id, amount, currency, email, ordered_at, customer_external_id, products, referral_code,
                attributed_via, attributed_referral_code_id, reason, conflicting_codes, considered, created_at)
            select r.account_id, 'till-' || r.id % 3, 'O' || r.id || '-' || k, 10, 'USD', 'buyer' || r.id % 5 || '@example.com', r.created_at,
                'B' || r.id % 5, '[]', r.code, case k when 1 then 'referral_code' end, case k when 1 then r.id end,
                case k when 2 then 'no_code' end, false, '[]', r.created_at
            from referral_codes r, generate_series(1, 2) k where r.account_id = {account} and r.code like 'walk%'"
        ),
        format!(
            "insert into conversions (account_id, purchase_id, campaign_id, referral_code_id, status, same_email, fuzzy_email, same_customer,
                same_shopper, created_at)
            select account_id, id, {CAMPAIGN}, attributed_referral_code_id, case id % 3 when 0 then 'pending' when 1 then 'approved' else 'rejected' end,
                false, false, false, false, created_at
            from purchases where account_id = {account} and attributed_referral_code_id is not null"
        ),
        format!(
            "insert into rewards (account_id, conversion_id, campaign_id, referral_code_id, customer_id, unit, whole_amount, created_at)
            select v.account_id, v.id, v.campaign_id, r.id, r.customer_id, 'USD', 1, v.created_at
            from conversions v
            join referral_codes r on r.account_id = v.account_id and r.id = v.referral_code_id
            where v.account_id = {account} and v.status = 'approved'"
        ),
        format!(
            "insert into email_opt_outs (account_id, email, email_key, created_at)
            select account_id, email, email_key, created_at from customers where account_id = {account} and external_id like 'W%'"
        ),
        "analyze".to_owned(),
    ];
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement)).execute(&app.pool).await.expect("stored");
    }
    conservation::record_by_hand(&app.pool).await;
}

/// What names a row of its list. Entries of a history have no name; each has a moment of its own here.
fn name(row: &Value) -> String {
    ["id", "referral_code", "code", "created_at"]
        .into_iter()
        .find_map(|key| row.get(key).filter(|name| !name.is_null()))
        .expect("a name")
        .to_string()
}

/// Walks a list to its end and gives its rows in their order; between pages `meanwhile` happens.
async fn walk(shop: &Shop, path: &str, first: &str, mut meanwhile: impl AsyncFnMut(usize)) -> Vec<String> {
    let and = if path.contains('?') { '&' } else { '?' };
    let mut seen: Vec<String> = Vec::new();
    let mut page = shop.get(&format!("{path}{and}{first}")).await.expect(200);
    let total = page["total_results_count"].clone();
    loop {
        assert_eq!(page["offset"], seen.len(), "{path}: the rows before this page");
        assert_eq!(page["total_results_count"], total, "{path}: as it was counted when the walk began");
        seen.extend(rows(&page).iter().map(name));
        let Some(cursor) = page["next_cursor"].as_str() else { return seen };
        meanwhile(seen.len()).await;
        page = shop.get(&format!("{path}{and}limit=90&cursor={cursor}")).await.expect(200);
    }
}

#[tokio::test]
async fn a_walk_shows_each_row_that_was_there_once_whatever_is_stored_meanwhile() {
    let app = TestApp::start().await;
    fill(&app, 600).await;
    let bank = app.bank(&[]).await;
    let codes: Vec<String> = (0..300).map(|n| format!("CODE-{n}")).collect();
    app.post(&bank.coupons(), json!(codes)).await.expect(200);
    let whole = |path: &str| format!("{path}{}limit=10000", if path.contains('?') { '&' } else { '?' });
    let lists = [
        "/v1/conversions",
        "/v1/conversions?status=approved",
        "/v1/conversions?campaign_id=53345",
        "/v1/conversions?email=buyer1@example.com&status=pending",
        "/v1/purchases",
        "/v1/purchases?email=buyer2@example.com",
        "/v1/purchases?account_id=B3&from_date=2026-07-01T00:00:20Z",
        "/v1/purchases?campaign_id=53345",
        "/v1/customers?to_date=2026-07-01T00:01:00Z",
        "/v1/referral_codes",
        "/v1/referral_codes?campaign_id=53345",
        "/v1/opt_outs/emails",
        "/v1/rewards",
        "/v1/rewards?from_date=2026-07-01T00:00:20Z",
        &format!("{}?status=available", bank.coupons()),
    ];
    let mut orders = 0;
    for path in lists {
        let before = app.get(&whole(path)).await.expect(200);
        let wanted: Vec<String> = rows(&before).iter().map(name).collect();
        assert!(wanted.len() > 20, "{path} has {} rows", wanted.len());
        let seen = walk(&app, path, "limit=17", async |_| {
            // A row at the end of the lists, and one in front of everything that was shown.
            orders += 1;
            app.order(&format!("N{orders}")).email("buyer2@example.com").await.expect(201);
            let early = "insert into email_opt_outs (account_id, email, email_key, created_at) select id, $1, $1, '2020-01-01 00:00Z' from accounts";
            sqlx::query(early).bind(format!("early{orders}@example.com")).execute(&app.pool).await.expect("stored");
        })
        .await;
        let unique: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(unique.len(), seen.len(), "{path}: a row came twice");
        let old: Vec<&String> = seen.iter().filter(|row| wanted.contains(row)).collect();
        assert_eq!(old, wanted.iter().collect::<Vec<_>>(), "{path}: each row that was there, in its order");
    }
    app.finish().await;
}

#[tokio::test]
async fn what_belongs_to_one_advocate_one_conversion_or_one_order_is_walked_like_any_list() {
    let app = TestApp::start().await;
    app.bank(&["A1"]).await;
    let advocate = app.advocate("C1").code("A1").await.expect(201)["customer"]["id"].clone();
    app.rules(json!({ "reward": { "type": "percentage", "value": 10 } })).await;
    let conversion = app.order("0").code("A1").await.expect(201)["conversion"]["id"].clone();
    app.evaluate().await;
    let rule = async |way: &str| {
        app.clock.advance(time::Duration::seconds(1));
        app.post(&format!("/v1/conversions/{conversion}/{way}"), json!({ "reason": "Because" })).await.expect(200);
    };
    // Two refunds of each moment, and their ids are in no order.
    let refund = async |n: u64| {
        let body = json!({ "id": format!("R{}", n * 7 % 11), "amount": 0.01 });
        app.post("/v1/purchases/0/refunds", body).await.expect(201);
    };
    for n in 1..=6 {
        app.order(&n.to_string()).code("A1").await.expect(201);
        assert_eq!(app.evaluate().await, 1);
        rule("reject").await;
        rule("override").await;
        refund(2 * n - 1).await;
        if n < 6 {
            refund(2 * n).await;
        }
    }
    let lists = [
        (format!("/v1/customers/{advocate}/rewards"), 7),
        (format!("/v1/conversions/{conversion}/history"), 13),
        ("/v1/purchases/0/refunds".to_owned(), 11),
    ];
    let mut later = 0;
    for (path, count) in &lists {
        let whole = app.get(path).await.expect(200);
        let wanted: Vec<String> = rows(&whole).iter().map(name).collect();
        assert!(wanted.len() >= *count, "{path} has {} rows", wanted.len());
        let count = wanted.len();
        for first in ["limit=1", "limit=2", "limit=3&cursor=start", &format!("limit={count}")] {
            assert_eq!(walk(&app, path, first, async |_| {}).await, wanted, "{path} {first}");
        }
        let seen = walk(&app, path, "limit=2", async |_| {
            later += 1;
            app.order(&format!("later {later}")).code("A1").await.expect(201);
            app.evaluate().await;
            rule("reject").await;
            rule("override").await;
            app.post("/v1/purchases/0/refunds", json!({ "id": format!("A{later}"), "amount": 0.01 })).await.expect(201);
        })
        .await;
        assert_eq!(seen[..count], wanted, "{path}: what was there comes first, and once");
        assert!(seen.len() > count, "{path}: then what was stored meanwhile");
        let none = app.get(&format!("{path}?to_date=2026-07-31")).await.expect(200);
        assert_eq!((rows(&none).len(), &none["total_results_count"]), (0, &json!(0)), "{path}");
        let day = app.get(&format!("{path}?from_date=2026-08-01&to_date=2026-08-01")).await.expect(200);
        assert!(rows(&day).len() >= count, "{path}");
        let cursor = app.get(&format!("{path}?limit=1")).await.expect(200)["next_cursor"].clone();
        for (other, _) in &lists {
            let answer = app.get(&format!("{other}?cursor={}", cursor.as_str().expect("more"))).await;
            assert_eq!(answer.status == 200, other == path, "{other} by a cursor of {path}");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_walk_through_an_unchanged_list_ends_with_its_last_row() {
    let app = TestApp::start().await;
    fill(&app, 40).await;
    for path in ["/v1/campaigns", "/v1/coupon_banks", "/v1/customers", "/v1/conversions", "/v1/purchases"] {
        for _ in 0..2 {
            app.bank(&["A", "B"][..0]).await;
            app.post("/v1/campaigns", json!({ "name": "More", "destination_url": "https://shop.example.com/" }))
                .await
                .expect(201);
        }
        let whole = app.get(&format!("{path}?limit=10000")).await.expect(200);
        let wanted: Vec<String> = rows(&whole).iter().map(name).collect();
        assert_eq!(whole["next_cursor"], Value::Null, "{path}");
        let exactly = format!("limit={}", wanted.len());
        for first in ["limit=1", "limit=1&cursor=start", "limit=1&cursor=", exactly.as_str()] {
            assert_eq!(walk(&app, path, first, async |_| {}).await, wanted, "{path} {first}");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_walk_counts_once_or_not_at_all_and_may_begin_anywhere() {
    let app = TestApp::start().await;
    fill(&app, 30).await;
    let first = app.get("/v1/customers?limit=10&offset=5").await.expect(200);
    assert_eq!((&first["offset"], &first["total_results_count"]), (&json!(5), &json!(30)));
    app.advocate("C1").await.expect(201);
    let cursor = first["next_cursor"].as_str().expect("more");
    let second = app.get(&format!("/v1/customers?limit=20&cursor={cursor}")).await.expect(200);
    assert_eq!((&second["offset"], &second["total_results_count"]), (&json!(15), &json!(30)));
    assert_eq!(rows(&second).len(), 16, "the fifteen that were there, and the new one");
    let uncounted = app.get("/v1/customers?cursor=start&limit=10").await.expect(200);
    assert_eq!((&uncounted["offset"], &uncounted["total_results_count"]), (&json!(0), &json!(null)));
    app.get("/v1/customers?offset=9223372036854775807").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_cursor_is_good_for_its_list_its_parameters_and_its_account_alone() {
    let app = TestApp::start().await;
    fill(&app, 30).await;
    let rival = app.other_account().await;
    let page = app.get("/v1/conversions?limit=3&status=approved&from_date=2026-01-01").await.expect(200);
    let cursor = page["next_cursor"].as_str().expect("more");
    let good = format!("/v1/conversions?status=approved&from_date=2026-01-01&cursor={cursor}");
    app.get(&good).await.expect(200);
    app.get(&format!("{good}&limit=1&_=5")).await.expect(200);
    let refused = |answer: Answer| assert_eq!(answer.refused(400, "invalid_cursor")["error"]["param"], "cursor");
    refused(rival.get(&good).await);
    for path in [
        format!("/v1/conversions?cursor={cursor}"),
        format!("/v1/conversions?status=pending&from_date=2026-01-01&cursor={cursor}"),
        format!("/v1/conversions?status=approved&from_date=2026-01-02&cursor={cursor}"),
        format!("{good}&campaign_id={CAMPAIGN}"),
        format!("/v1/purchases?status=approved&from_date=2026-01-01&cursor={cursor}"),
        format!("{good}0"),
        good.replace(cursor, &cursor.to_uppercase()),
        good.replace(cursor, "0"),
        good.replace(cursor, "%F0%9F%A6%80"),
        good.replace(cursor, &format!("{}{}", &cursor[..20], if &cursor[20..] == "0" { "1" } else { "0" })),
    ] {
        refused(app.get(&path).await);
    }
    let both = app.get(&format!("{good}&offset=3")).await.refused(400, "mutually_exclusive");
    assert_eq!(both["error"]["param"], "offset");
    let customers = app.get("/v1/customers?limit=2").await.expect(200);
    let of = |n: usize| format!("/v1/customers/{}/conversions?cursor=", customers["results"][n]["id"]);
    let of_first = app.get(&format!("{}start&limit=1", of(0))).await.expect(200);
    assert_eq!(of_first["next_cursor"], Value::Null, "he has one");
    app.finish().await;
}

/// The text of every statement that reads a page of a list by its place.
fn list_statements() -> Vec<String> {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let mut texts: Vec<String> = std::fs::read_dir(recorded)
        .expect("the recorded queries")
        .map(|entry| std::fs::read_to_string(entry.expect("a file").path()).expect("text"))
        .map(|text| serde_json::from_str::<Value>(&text).expect("JSON")["query"].as_str().expect("a query").to_owned())
        .filter(|query| query.contains(r#"as "row_id!""#) && query.contains(" offset $"))
        .collect();
    texts.sort();
    texts
}

/// Each node of a plan.
fn nodes(plan: &Value) -> Vec<&Value> {
    let below = plan["Plans"].as_array().into_iter().flatten().flat_map(nodes);
    std::iter::once(plan).chain(below).collect()
}

async fn plan_of(app: &TestApp, sql: &str) -> Value {
    let plan: Value = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&app.pool).await.expect(sql);
    plan[0]["Plan"].clone()
}

/// What is wrong with the plan of a page: rows are to be read along one range of an index, in the order of the list.
fn complaints(query: &str, plan: &Value) -> Vec<String> {
    // At most one row, one for each till or campaign, a page of each, or what one conversion or order has seen: sorting those is
    // no work.
    let by_unique_name = [".id = $5", ".external_id = $5", "c.email_key = $5", "o.email_key = $5"];
    let is_one = by_unique_name.iter().any(|name| query.contains(name));
    let few = [".order_id = $5", "r.customer_id = $5", "e.conversion_id = $5", "f.purchase_id = $5"];
    let is_few = is_one || few.iter().any(|bound| query.contains(bound));
    let mut found = Vec::new();
    for node in nodes(plan) {
        let kind = node["Node Type"].as_str().unwrap_or_default();
        if kind.contains("Seq Scan") || kind.contains("Bitmap") || (kind.contains("Sort") && !is_few) {
            found.push(format!("{kind}: {query}"));
        }
    }
    let conditions: Vec<&str> = nodes(plan).iter().filter_map(|node| node["Index Cond"].as_str()).collect();
    let by_range = |condition: &&&str| {
        (condition.contains("ROW(") || condition.contains("customer_id > $3")) && condition.contains("account_id = $1")
    };
    if !is_few && conditions.iter().filter(by_range).count() != 1 {
        found.push(format!("not along a range of an index, but {conditions:?}: {query}"));
    }
    found
}

#[tokio::test]
async fn no_page_of_a_list_scans_or_sorts_it_whatever_the_tables_hold() {
    let app = TestApp::start().await;
    let statements = list_statements();
    assert!(statements.len() >= 25, "{} statements", statements.len());
    for count in [0, 3_000] {
        if count > 0 {
            fill(&app, count).await;
        }
        for (n, query) in statements.iter().enumerate() {
            let parameters = (1..20).rev().find(|n| query.contains(&format!("${n}"))).expect("parameters");
            let nulls = vec!["null"; parameters].join(", ");
            let mut conn = app.pool.acquire().await.expect("a connection");
            let prepare = AssertSqlSafe(format!("prepare page_{count}_{n} as {query}"));
            sqlx::raw_sql(prepare).execute(&mut *conn).await.expect(query);
            let explain = format!("explain (format json) execute page_{count}_{n}({nulls})");
            let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut *conn).await.expect(query);
            assert_eq!(complaints(query, &plan[0]["Plan"]), Vec::<String>::new(), "{}", plan[0]);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_plan_that_scans_or_sorts_is_seen() {
    let app = TestApp::start().await;
    for bug in [
        "select c.created_at, c.id from customers c where c.account_id = 1 order by c.email desc, c.id limit 3",
        "select c.created_at, c.id from customers c where c.account_id = 1 order by c.created_at, c.id limit 3 offset 100000",
    ] {
        let plan = plan_of(&app, &format!("explain (format json) {bug}")).await;
        assert!(!complaints(bug, &plan).is_empty(), "{plan}");
    }
    app.finish().await;
}

#[tokio::test]
async fn the_last_page_of_a_walk_reads_no_more_than_the_first() {
    let app = TestApp::start().await;
    fill(&app, 3_000).await;
    let account = app.account.0;
    for (query, table) in list_statements().iter().filter_map(|query| {
        let tables = ["conversions v", "purchases p", "customers c", "referral_codes r", "rewards w"];
        let table = tables.into_iter().find(|table| query.contains(&format!("from {table}")))?;
        (query.contains("limit $5 offset $6")).then_some((query, table))
    }) {
        let table = table.split(' ').next().expect("a table");
        let middle: (time::OffsetDateTime, i64) = sqlx::query_as(AssertSqlSafe(format!(
            "select created_at, id from {table} order by created_at desc, id desc offset 20 limit 1"
        )))
        .fetch_one(&app.pool)
        .await
        .expect("a row");
        let mut conn = app.pool.acquire().await.expect("a connection");
        sqlx::raw_sql(AssertSqlSafe(format!("prepare page_of_{table} as {query}")))
            .execute(&mut *conn)
            .await
            .expect(query);
        let mut read = Vec::new();
        for (at, id) in [("0001-01-01 00:00:00Z".to_owned(), 0), (middle.0.to_string(), middle.1)] {
            let explain = format!(
                "explain (analyze, buffers, format json) execute page_of_{table}({account}, '{}', {id}, '9999-01-01', 11, 0)",
                at.trim_end_matches(":00")
            );
            let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut *conn).await.expect(query);
            let blocks =
                ["Shared Hit Blocks", "Shared Read Blocks"].map(|key| plan[0]["Plan"][key].as_i64().expect(key));
            assert_eq!(plan[0]["Plan"]["Actual Rows"].as_f64(), Some(11.0), "{plan}");
            read.push(blocks[0] + blocks[1]);
        }
        assert!(
            read[1] <= read[0] + 5 && read[0] < 30,
            "{table}: the first page read {} blocks, the last {}",
            read[0],
            read[1]
        );
    }
    app.finish().await;
}
