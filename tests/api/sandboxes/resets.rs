//! A reset empties a sandbox, fills it afresh, and touches nothing else.

use std::collections::BTreeMap;

use goodword::sandboxes;
use goodword::sandboxes::Copied;
use goodword::types::ids::AccountId;
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};

use super::{furnish, rows_of, walk_through};
use crate::harness::app::{CAMPAIGN, TestApp};

/// What the copy fills. All other tables of merchants' data are empty after a reset.
const COPIED: [&str; 7] = [
    "campaigns",
    "campaign_links",
    "campaign_rules",
    "coupon_banks",
    "coupon_segments",
    "coupons",
    "coupon_retirements",
];

async fn reset(app: &TestApp, sandbox: AccountId) -> Copied {
    sandboxes::reset(&app.pool, sandbox).await.expect("the database answers").expect("a sandbox")
}

/// How many rows an account has in each table of merchants' data; the directories lead to it and are none, and its site and its
/// webhooks' endpoints are the account's own.
async fn counts(app: &TestApp, account: AccountId) -> BTreeMap<String, i64> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.table_name::text from information_schema.columns c
        join information_schema.tables t using (table_schema, table_name)
        where table_schema = 'public' and table_type = 'BASE TABLE' and column_name = 'account_id'
            and table_name not in ('account_aliases', 'account_sites', 'api_keys', 'site_keys', 'webhook_endpoints')",
    )
    .fetch_all(&app.pool)
    .await
    .expect("the tables");
    let mut counts = BTreeMap::new();
    for table in tables {
        let sql = AssertSqlSafe(format!("select count(*) from {table} where account_id = $1"));
        let count = sqlx::query_scalar(sql).bind(account.0).fetch_one(&app.pool).await.expect("a count");
        counts.insert(table, count);
    }
    counts
}

#[tokio::test]
async fn a_reset_forgets_no_table() {
    let app = TestApp::start().await;
    furnish(&app).await;
    let (sandbox, shop) = app.sandbox().await;
    let fresh = counts(&app, sandbox).await;
    walk_through(&app, &shop).await;
    let used = counts(&app, sandbox).await;
    for (table, count) in &used {
        assert!(*count > 0, "the story leaves nothing in {table}: let it do so, and let a reset delete it");
    }
    reset(&app, sandbox).await;
    let after = counts(&app, sandbox).await;
    assert_eq!(after, fresh);
    for (table, count) in after {
        assert_eq!(count > 0, COPIED.contains(&table.as_str()), "{table}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_sandbox_that_is_reset_starts_afresh_with_what_the_live_account_has_now_and_the_same_keys() {
    let app = TestApp::start().await;
    furnish(&app).await;
    let (sandbox, shop) = app.sandbox().await;
    let code = walk_through(&app, &shop).await;
    shop.patch(&format!("/v1/campaigns/{CAMPAIGN}"), json!({ "name": "Spoilt" })).await.expect(200);
    shop.post("/v1/campaigns", json!({ "id": 7, "name": "Mine", "destination_url": "https://x.example" }))
        .await
        .expect(201);
    app.post("/v1/campaigns", json!({ "id": 8, "name": "New", "destination_url": "https://y.example" }))
        .await
        .expect(201);
    app.post("/v1/coupon_banks/9900/coupons", json!(["F6"])).await.expect(200);
    shop.get("/v1/campaigns/8").await.refused(404, "campaign_not_found");
    let live = rows_of(&app.pool, app.account).await;

    assert_eq!(reset(&app, sandbox).await, Copied { campaigns: 2, banks: 1, coupons: 6 });
    assert_eq!(rows_of(&app.pool, app.account).await, live, "no live row is touched");
    assert_eq!(shop.get(&format!("/v1/campaigns/{CAMPAIGN}")).await.expect(200)["name"], "Spring referrals");
    shop.get("/v1/campaigns/7").await.refused(404, "campaign_not_found");
    shop.get("/v1/campaigns/8").await.expect(200);
    assert_eq!(shop.get("/v1/coupon_banks/9900").await.expect(200)["counts"]["available"], 5);
    shop.get(&format!("/v1/referral_codes/{code}")).await.refused(404, "referral_code_not_found");
    // The same test passes again.
    let again = walk_through(&app, &shop).await;
    assert_ne!(again, code);
    app.finish().await;
}

#[tokio::test]
async fn a_live_account_cannot_be_reset_nor_made_a_sandbox_and_its_history_cannot_be_deleted() {
    let app = TestApp::start().await;
    furnish(&app).await;
    walk_through(&app, &app).await;
    let (sandbox, shop) = app.sandbox().await;
    walk_through(&app, &shop).await;
    let live = rows_of(&app.pool, app.account).await;
    assert_eq!(sandboxes::reset(&app.pool, app.account).await.expect("the database answers"), None);

    let (live_id, sandbox_id) = (app.account.0, sandbox.0);
    for bug in [
        format!("delete from conversion_events where account_id = {live_id}"),
        format!("delete from reward_entries where account_id = {live_id}"),
        format!("delete from refunds where account_id = {live_id}"),
        format!("update refunds set reason = 'x' where account_id = {sandbox_id}"),
        format!("update accounts set live_account_id = {sandbox_id} where id = {live_id}"),
        format!("update accounts set live_account_id = null where id = {sandbox_id}"),
        format!(
            "insert into accounts (name, currency, time_zone, created_at, live_account_id) values ('x', 'USD', 'UTC', now(), {sandbox_id})"
        ),
    ] {
        let refused = app.pool.execute(AssertSqlSafe(bug.clone())).await.expect_err(&bug);
        let state = refused.as_database_error().and_then(|refusal| refusal.code()).map(String::from);
        assert_eq!(state.as_deref(), Some("23001"), "{bug}: {refused}");
    }
    assert_eq!(rows_of(&app.pool, app.account).await, live);
    app.finish().await;
}

#[tokio::test]
async fn an_order_that_was_under_way_while_a_sandbox_was_emptied_is_swept_up() {
    let app = TestApp::start().await;
    let (sandbox, shop) = app.sandbox().await;
    shop.advocate("C1").await.expect(201);

    // It has read the code, and is stored when the code is gone.
    let mut under_way = app.pool.acquire().await.expect("a connection");
    let stored = format!(
        "begin; insert into purchases (account_id, id, source, order_id, amount, currency, ordered_at, products, conflicting_codes,
            considered, attributed_via, attributed_referral_code_id, created_at)
        select account_id, 7, '', '281', 1, 'USD', now(), '[]', false, '[]', 'referral_code', id, now()
        from referral_codes where account_id = {0};
        insert into conversions (account_id, purchase_id, campaign_id, referral_code_id, status, same_email, fuzzy_email, same_customer,
            same_shopper, created_at)
        select account_id, 7, campaign_id, id, 'pending', false, false, false, false, now() from referral_codes where account_id = {0}",
        sandbox.0
    );
    under_way.execute(AssertSqlSafe(stored)).await.expect("an order");
    let resetting = tokio::spawn({
        let pool = app.pool.clone();
        async move { sandboxes::reset(&pool, sandbox).await }
    });
    while app.count("select count(*) from referral_codes").await > 0 {
        tokio::task::yield_now().await;
    }
    under_way.execute("commit").await.expect("it is stored");
    drop(under_way);
    resetting.await.expect("no panic").expect("the database answers").expect("a sandbox");
    assert_eq!(app.count("select count(*) from purchases").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_sandbox_can_be_reset_while_a_shop_works_in_it() {
    let app = TestApp::start().await;
    furnish(&app).await;
    let (sandbox, shop) = app.sandbox().await;
    let done = tokio_util::sync::CancellationToken::new();
    let work = |worker: usize| {
        let (shop, done) = (shop.clone(), done.clone());
        async move {
            for n in 0.. {
                if done.is_cancelled() {
                    return;
                }
                let issued = shop.advocate(&format!("C{worker}-{}", n % 3)).await;
                if let Some(code) = issued["referral_code"].as_str() {
                    shop.order(&format!("{worker}-{n}")).referral_code(code).await;
                }
            }
        }
    };
    let workers: Vec<_> = (0..4).map(|worker| tokio::spawn(work(worker))).collect();
    for _ in 0..5 {
        assert_eq!(reset(&app, sandbox).await, Copied { campaigns: 1, banks: 1, coupons: 5 });
    }
    done.cancel();
    for worker in workers {
        worker.await.expect("every answer keeps the contract");
    }
    app.finish().await;
}
