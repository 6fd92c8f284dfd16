//! The harness's own checks are shown bugs, for a checker that never saw one proves nothing.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};

use crate::harness::app::TestApp;
use crate::harness::client::Answer;
use crate::harness::conservation;
use crate::harness::contract::contract;

/// What is done to the data of a story that went well, and the law that must speak up.
const BUGS: [(&str, &str); 32] = [
    (
        "insert into coupon_retirements (account_id, segment_id, position, retired_at)
        select account_id, segment_id, position, now() from referral_codes",
        "a bank whose coupons",
    ),
    ("delete from coupons where code = 'A3'", "a segment whose positions"),
    (
        "insert into coupons (account_id, segment_id, position, code, code_key)
        select account_id, segment_id + 1000, 0, 'A4', 'a4' from referral_codes",
        "a coupon of no segment",
    ),
    ("update coupon_segments set next_position = size", "a free coupon behind"),
    (
        "update referral_codes set position = 77",
        "a coupon that is with two people",
    ),
    (
        "alter table referral_codes drop constraint referral_codes_segment_id_position_key;
        insert into customers (account_id, external_id, created_at) select id, 'C2', now() from accounts;
        insert into referral_codes (account_id, code, code_key, campaign_id, customer_id, segment_id, position, coupon_issued_at, created_at)
        select r.account_id, 'x', 'x', r.campaign_id, p.id, r.segment_id, r.position, now(), now()
        from referral_codes r join customers p on p.account_id = r.account_id and p.id <> r.customer_id",
        "a coupon that is with two people",
    ),
    ("delete from conversions", "an attributed purchase without"),
    (
        "insert into rewards (account_id, conversion_id, campaign_id, referral_code_id, customer_id, unit, whole_amount, created_at)
        select c.account_id, c.id, c.campaign_id, r.id, r.customer_id, 'USD', 10, now()
        from conversions c join referral_codes r on r.account_id = c.account_id and r.id = c.referral_code_id;
        insert into reward_entries (account_id, reward_id, kind, amount, cause, created_at)
        select account_id, id, 'earned', 10.01, 'approval', now() from rewards",
        "a reward below zero or above",
    ),
    (
        "insert into rewards (account_id, conversion_id, campaign_id, referral_code_id, customer_id, unit, whole_amount, created_at)
        select c.account_id, c.id, c.campaign_id, r.id, r.customer_id, 'USD', 10, now()
        from conversions c join referral_codes r on r.account_id = c.account_id and r.id = c.referral_code_id;
        insert into reward_entries (account_id, reward_id, kind, amount, cause, created_at)
        select account_id, id, 'earned', 10, 'approval', now() from rewards",
        "a conversion that is not approved and",
    ),
    ("update conversions set status = 'approved', evaluated_at = now()", "a conversion that stands elsewhere"),
    (
        "insert into refunds (account_id, purchase_id, refund_id, amount, created_at)
        select account_id, id, 'R1', amount + 1, now() from purchases",
        "an order of which more was given back",
    ),
    ("update purchases set attributed_via = null, attributed_referral_code_id = null, reason = 'no_code'", "an attributed purchase without"),
    ("update purchases set account_id = account_id + 1", "a row that names"),
    ("update purchases set attributed_referral_code_id = 77", "a row that names"),
    ("update conversions set campaign_id = 77", "a row that names"),
    ("update conversions set purchase_id = 77", "a row that names"),
    (
        "update customers set account_id = account_id + 1 where external_id = 'C1'",
        "a row that names",
    ),
    ("update referral_codes set campaign_id = 77", "a row that names"),
    ("update referral_codes set customer_id = 77", "a row that names"),
    ("update purchases set customer_id = 77", "a row that names"),
    ("delete from events where kind = 'purchase.recorded'", "a fact without its one event"),
    ("delete from events where kind = 'conversion.created'", "a fact without its one event"),
    ("delete from events where kind = 'referral_code.created'", "a fact without its one event"),
    ("update events set subjects = subjects || subjects where kind = 'purchase.recorded'", "a fact without its one event"),
    ("update events set subjects = array[77] where kind = 'conversion.created'", "a fact without its one event"),
    (
        "insert into events (account_id, kind, subjects, created_at) select account_id, 'conversion.refused', array[id], now() from conversions",
        "a fact without its one event",
    ),
    (
        "insert into conversion_events (account_id, conversion_id, event, status_before, status, decided_by, findings, created_at)
        select account_id, id, 'approved', 'pending', 'approved', 'rules', '[]', now() from conversions;
        update conversions set status = 'approved', evaluated_at = now()",
        "a fact without its one event",
    ),
    (
        "insert into coupon_bank_alerts (account_id, bank_id, kind, reasons, total, issued, retired, available, raised_at)
        select account_id, id, 'low', array['share'], 3, 1, 0, 2, now() from coupon_banks",
        "a fact without its one event",
    ),
    (
        "insert into event_feeds (account_id, last_place) select account_id, 3 from purchases;
        update events e set place = o.place
        from (select id, row_number() over (order by id) as place from events) o where e.id = o.id;
        insert into webhook_endpoints (account_id, url, active, friendbuy_signature, secret, created_at)
        select account_id, 'https://a.b', true, 'sha1', 'whsec_' || repeat('A', 44), now() from purchases;
        insert into webhook_deliveries (account_id, endpoint_id, event_row, event_index, state, due_at, finished_at, created_at)
        select e.account_id, e.id, o.id, 1, 'delivered', now(), now(), now()
        from webhook_endpoints e join events o on o.account_id = e.account_id and o.kind = 'purchase.recorded'",
        "a delivery that nobody took",
    ),
    (
        "insert into webhook_endpoints (account_id, url, active, friendbuy_signature, secret, created_at)
        select account_id, 'https://a.b', true, 'sha1', 'whsec_' || repeat('A', 44), now() from purchases;
        insert into webhook_deliveries (account_id, endpoint_id, event_row, event_index, state, due_at, created_at)
        select account_id, id, 77, 1, 'waiting', now(), now() from webhook_endpoints",
        "a delivery that nobody took",
    ),
    ("update events set place = 2 where kind = 'purchase.recorded'", "a feed with a gap"),
    (
        "insert into event_feeds (account_id, last_place) select account_id, 2 from purchases;
        update events set place = 1 where kind = 'purchase.recorded'",
        "a feed with a gap",
    ),
];

#[tokio::test]
async fn every_law_of_conservation_sees_the_bug_that_breaks_it() {
    for (bug, law) in BUGS {
        let app = TestApp::start().await;
        let bank = app.bank(&["A1", "A2", "A3"]).await;
        let issued = app.advocate("C1").code("A1").await.expect(201);
        let friend = app.order("281").code("A1").with("customer.id", "C2").await.expect(201);
        assert_eq!((&issued["coupon_bank"]["id"], &friend["reason"]), (&json!(bank.id), &Value::Null));
        assert_eq!(conservation::faults(&app.pool).await, Vec::<String>::new());

        app.pool.execute(AssertSqlSafe(bug)).await.expect(bug);
        let faults = conservation::faults(&app.pool).await;
        assert!(faults.iter().any(|fault| fault.starts_with(law)), "{bug}\nwent unseen: {faults:?}");
        app.abandon().await;
    }
}

#[tokio::test]
async fn a_session_left_inside_a_transaction_is_seen() {
    let app = TestApp::start().await;
    let mut left = app.pool.acquire().await.expect("a connection");
    left.execute("begin").await.expect("a transaction");
    let faults = conservation::faults(&app.pool).await;
    assert!(faults.iter().any(|fault| fault.starts_with("a session left")), "{faults:?}");
    left.execute("rollback").await.expect("its end");
    drop(left);
    app.finish().await;
}

#[test]
fn an_answer_that_the_contract_does_not_allow_is_seen() {
    let health = json!({ "status": "ok" });
    let refusal = json!({ "message": "m", "error": { "code": "not_found", "param": null }, "applied": "none", "request_id": "req_1" });
    let json_type = ("content-type", "application/json");
    let no_store = ("cache-control", "no-store");
    // Method, path, status, headers, body, and a word of the complaint; none if the answer is right.
    type Case<'a> = (&'a str, &'a str, u16, &'a [(&'static str, &'static str)], &'a Value, &'a str);
    let cases: [Case<'_>; 13] = [
        ("GET", "/healthz", 200, &[json_type], &health, ""),
        ("GET", "/healthz", 200, &[], &health, "no Content-Type"),
        ("GET", "/healthz", 200, &[("content-type", "text/plain")], &health, "does not document text/plain"),
        ("GET", "/healthz", 200, &[json_type], &json!({}), "required"),
        ("GET", "/healthz", 418, &[json_type], &refusal, "does not document status 418"),
        ("GET", "/no/such/thing", 200, &[json_type], &health, "must be 404"),
        ("GET", "/no/such/thing", 404, &[json_type], &refusal, ""),
        ("PUT", "/healthz", 405, &[json_type, ("allow", "GET")], &refusal, "Allow names"),
        ("PUT", "/healthz", 405, &[json_type, ("allow", "GET,HEAD")], &refusal, ""),
        ("PUT", "/healthz", 200, &[json_type], &health, "must be 405"),
        ("GET", "/purchases/7", 404, &[json_type], &refusal, "no Cache-Control"),
        ("GET", "/purchases/7", 404, &[json_type, no_store], &refusal, ""),
        ("GET", "/purchases/7", 404, &[json_type, no_store], &json!({ "message": "m" }), "required"),
    ];
    for (method, path, status, headers, body, complaint) in cases {
        let mut answer = Answer::new(status, HeaderMap::new(), body.to_string());
        answer.headers.insert("x-request-id", "req_1".parse().expect("a value"));
        for (name, value) in headers {
            answer.headers.insert(*name, value.parse().expect("a value"));
        }
        let method: Method = method.parse().expect("a method");
        let said = contract().check(&method, path, &answer).err().unwrap_or_default();
        assert_eq!(said.is_empty(), complaint.is_empty(), "{method} {path} {status} {body}: {said}");
        assert!(said.contains(complaint), "{method} {path} {status} {body}: {said}");
    }
    let nameless = Answer::new(200, HeaderMap::new(), health.to_string());
    assert!(contract().check(&Method::GET, "/healthz", &nameless).is_err(), "an answer without an id");
}
