//! Who holds a key is remembered, and forgotten at once when that changes, whoever changes it and whatever becomes of
//! the connection that tells of it. The server of these stories reaches the database through a proxy, which counts; the
//! changes are made by others.

use std::time::{Duration, Instant};

use goodword::accounts::{keys, store};
use secrecy::ExposeSecret;
use sqlx::{AssertSqlSafe, Executor};

use crate::harness::app::{BEGINNING, TestApp};
use crate::harness::client::Shop;
use crate::harness::detour::Detour;
use crate::harness::proxy::APPLICATION;

/// Asks for what no database is needed to know: that there is nothing there.
const NOWHERE: &str = "/v1/nothing";

/// A key that is remembered, from a moment on.
struct Remembered {
    since: Instant,
}

impl Remembered {
    /// A key is remembered for ten seconds. A story that ended earlier owes nothing to that.
    #[track_caller]
    fn still_would_be(&self) {
        assert!(self.since.elapsed() < Duration::from_secs(9), "too slow to tell: {:?}", self.since.elapsed());
    }
}

/// Asks again and again, without a pause, until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(7), "{what}: still not so");
    }
}

/// Asks until the server knows this caller without the database.
async fn until_remembered(detour: &Detour, shop: &Shop) -> Remembered {
    let since = Instant::now();
    until("the key is remembered", async || {
        let before = detour.proxy.statements();
        shop.get(NOWHERE).await.refused(404, "not_found");
        detour.proxy.statements() == before
    })
    .await;
    Remembered { since }
}

async fn until_refused(shop: &Shop) {
    until("the key is refused", async || {
        let answer = shop.get("/v1/campaigns").await;
        // The first to use a connection that broke is told to come again.
        assert!(matches!(answer.status, 200 | 401 | 503), "{}", answer.text);
        answer.status == 401
    })
    .await;
}

/// A key that is not stored yet, and a way to the server with it.
fn fresh_key(detour: &Detour) -> (keys::Credentials, Shop) {
    let made = keys::generate();
    let shop = detour.shop.calling_as(Some((&made.access_key, made.secret_key.expose_secret())));
    (made, shop)
}

async fn insert(app: &TestApp, key: &keys::Credentials) {
    let digest = keys::digest(&key.secret_key);
    let mut conn = app.pool.acquire().await.expect("a connection");
    store::insert_key(&mut conn, app.account, &key.access_key, &digest, "another", BEGINNING).await.expect("a key");
}

async fn execute(app: &TestApp, sql: &str) {
    app.pool.execute(AssertSqlSafe(sql.to_owned())).await.expect(sql);
}

#[tokio::test]
async fn a_known_caller_is_let_in_without_the_database() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let (access_key, secret) = detour.shop.credentials.clone().expect("credentials");
    let wrong = detour.shop.calling_as(Some((&access_key, "gws_live_wrong")));
    until_remembered(&detour, &detour.shop).await;

    let held = detour.hold_all_connections().await;
    let asked = Instant::now();
    let before = detour.proxy.statements();
    detour.shop.get(NOWHERE).await.refused(404, "not_found");
    wrong.get(NOWHERE).await.refused(401, "unauthenticated");
    detour.shop.calling_as(Some((&access_key, ""))).get(NOWHERE).await.refused(401, "unauthenticated");
    detour.shop.get(NOWHERE).await.refused(404, "not_found");
    assert_eq!(detour.proxy.statements(), before);
    assert!(asked.elapsed() < Duration::from_secs(2), "nobody waits for a connection: {:?}", asked.elapsed());
    drop(held);

    let metrics = detour.shop.get("/metrics").await.expect(200).text;
    for from in ["cache", "database"] {
        let series = format!("goodword_key_lookups_total{{from=\"{from}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok());
        assert!(count.is_some_and(|count| count > 0), "{series}{count:?}");
    }
    assert!(!metrics.contains(&access_key) && !metrics.contains(&secret));
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn a_new_key_works_at_once_because_nobody_remembers_that_it_was_unknown() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    until_remembered(&detour, &detour.shop).await;
    let (key, newcomer) = fresh_key(&detour);
    for _ in 0..3 {
        let before = detour.proxy.statements();
        newcomer.get(NOWHERE).await.refused(401, "unauthenticated");
        assert!(detour.proxy.statements() > before, "the database was not asked");
    }
    insert(&app, &key).await;
    newcomer.get(NOWHERE).await.refused(404, "not_found");
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn a_key_that_another_process_revokes_stops_working_at_once() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let remembered = until_remembered(&detour, &detour.shop).await;
    let (access_key, _) = detour.shop.credentials.as_ref().expect("credentials");
    let revoked = app
        .program(&["key", "revoke", access_key, "--allow-unsafe-database"])
        .output()
        .await
        .expect("the command runs");
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    until_refused(&detour.shop).await;
    until_refused(&app).await;
    remembered.still_would_be();
    detour.stop().await;
    app.abandon().await;
}

#[tokio::test]
async fn a_key_that_somebody_changes_by_sql_stops_working_at_once() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let ways = [
        "update api_keys set revoked_at = now()",
        "update api_keys set secret_sha256 = sha256('another')",
        "delete from api_keys",
        "truncate api_keys",
    ];
    for sql in ways {
        let (key, shop) = fresh_key(&detour);
        insert(&app, &key).await;
        let remembered = until_remembered(&detour, &shop).await;
        execute(&app, sql).await;
        until_refused(&shop).await;
        remembered.still_would_be();
    }
    detour.stop().await;
    app.abandon().await;
}

#[tokio::test]
async fn a_changed_account_is_seen_at_once() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let remembered = until_remembered(&detour, &detour.shop).await;
    execute(&app, "update accounts set currency = 'CHF' where currency = 'USD'").await;
    let mut number = 0;
    until("orders are in francs", async || {
        number += 1;
        detour.shop.order(&format!("order {number}")).await.expect(201)["currency"] == "CHF"
    })
    .await;
    remembered.still_would_be();

    let remembered = until_remembered(&detour, &detour.shop).await;
    detour.shop.advocate("C1").await.expect(201);
    execute(&app, "update account_aliases set alias = 'renamed' where alias = 'acme'").await;
    until("links have the new alias", async || {
        let link = detour.shop.advocate("C1").await.expect(200)["trackable_link"].to_string();
        link.contains("/renamed/")
    })
    .await;
    remembered.still_would_be();
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn a_key_that_is_revoked_while_it_is_being_looked_up_is_not_remembered() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let (key, shop) = fresh_key(&detour);
    insert(&app, &key).await;
    let remembered = until_remembered(&detour, &detour.shop).await;

    let (answered, go_on) = detour.proxy.hold_answer_about(&key.access_key);
    let asking = tokio::spawn(async move { (shop.get(NOWHERE).await, shop) });
    answered.await.expect("the database has said that the key is good");
    execute(&app, "update api_keys set revoked_at = now()").await;
    // Once the other key is refused, the server has heard of the change.
    until_refused(&detour.shop).await;
    go_on.send(()).expect("it waits");
    let (answer, shop) = asking.await.expect("an answer");
    answer.refused(404, "not_found");
    shop.get(NOWHERE).await.refused(401, "unauthenticated");
    remembered.still_would_be();
    detour.stop().await;
    app.abandon().await;
}

#[tokio::test]
async fn a_key_revoked_while_nobody_could_hear_of_it_is_refused() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let remembered = until_remembered(&detour, &detour.shop).await;
    detour.proxy.go_away().await;
    execute(&app, "update api_keys set revoked_at = now()").await;
    detour.proxy.come_back();
    until_refused(&detour.shop).await;
    remembered.still_would_be();
    detour.stop().await;
    app.abandon().await;
}

#[tokio::test]
async fn when_the_session_that_listens_is_ended_keys_are_looked_up_until_there_is_another() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let (key, shop) = fresh_key(&detour);
    insert(&app, &key).await;
    until_remembered(&detour, &detour.shop).await;
    let remembered = until_remembered(&detour, &shop).await;
    // One after the other in one transaction: there is no time for another session to listen before the change.
    let sql = format!(
        "do $$ begin
            assert (select count(*) filter (where pg_terminate_backend(pid, 5000)) from pg_stat_activity
                where datname = current_database() and application_name = '{APPLICATION}' and query like 'LISTEN%') = 1;
            update api_keys set revoked_at = now() where access_key = '{}';
        end $$",
        key.access_key
    );
    execute(&app, &sql).await;
    until_refused(&shop).await;
    remembered.still_would_be();

    // There is another: it hears, and what is looked up is remembered.
    let remembered = until_remembered(&detour, &detour.shop).await;
    execute(&app, "update api_keys set revoked_at = now()").await;
    until_refused(&detour.shop).await;
    remembered.still_would_be();
    detour.stop().await;
    app.abandon().await;
}

#[tokio::test]
async fn a_connection_that_a_cut_network_left_silent_is_found_out() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let remembered = until_remembered(&detour, &detour.shop).await;
    detour.proxy.silence_listeners();
    execute(&app, "update api_keys set revoked_at = now()").await;
    until_refused(&detour.shop).await;
    remembered.still_would_be();
    detour.stop().await;
    app.abandon().await;
}
