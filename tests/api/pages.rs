//! What shops' pages report from browsers: recorded like any order, believed only as far as it deserves, and answered so that a
//! stranger learns nothing.

mod budgets;
mod confirmations;
mod guesses;

use serde_json::{Value, json};

use crate::harness::app::{CAMPAIGN, TestApp};
use crate::harness::client::Answer;
use crate::harness::pages::ORIGIN;

/// All of an answer that could tell something: its status, its headers but for those of the moment, and its body.
fn telling(answer: &Answer) -> String {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    format!("{} {headers:?} {:?}", answer.status, answer.text)
}

#[tokio::test]
async fn an_order_that_a_page_reports_is_recorded_as_a_pages() {
    let app = TestApp::start().await;
    let bank = app.bank(&["Clooney1"]).await;
    app.advocate("C1").out_of(&bank).await.expect(201);
    let page = app.page().await;
    let body = json!({
        "order": { "id": 281, "amount": "49.90", "email": "friend@example.com", "new_customer": "1", "coupon_code": "CLOONEY1" },
        "customer": { "id": "C7", "email": "friend@example.com" },
        "products": [{ "sku": "SOFA", "price": "24.95", "quantity": "2" }],
        "source": "till", "ip_address": "6.6.6.6", "shopper": "5f0c2b7e" });
    let answer = page.post("orders", &body).await.expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(answer.header("vary"), "Origin");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let order = app.get("/v1/purchases/281").await.expect(200);
    assert_eq!(order["total"], 49.90);
    assert_eq!(order["channel"], "tracker");
    assert_eq!(order["verified"], false);
    assert_eq!(order["source"], "");
    assert_eq!(order["ip_address"], "203.0.113.7", "the address is the browser's, not what the page says");
    assert_eq!(order["attribution"]["via"], "coupon_code");
    assert_eq!(order["products"][0]["quantity"], 2);
    assert_eq!(order["customer"]["account_id"], "C7");
    page.post("orders", &body).await.expect(204);
    assert_eq!(app.count("select count(*) from purchases").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn an_answer_does_not_tell_whether_a_code_exists() {
    let app = TestApp::start().await;
    let rival = app.other_account().await;
    app.bank(&["Clooney1", "Free1"]).await;
    let code = app.advocate("C1").with("coupon_code", "Clooney1").await.expect(201)["referral_code"].clone();
    let foreign = rival.advocate("R1").await.expect(201)["referral_code"].clone();
    app.post(
        &format!("/v1/referral_codes/{}/block", app.advocate("C2").await["referral_code"].as_str().expect("a code")),
        json!({}),
    )
    .await
    .expect(200);
    let page = app.page().await;
    let mut answers = Vec::new();
    let evidence = [
        json!({}),
        json!({ "referral_code": code }),
        json!({ "referral_code": foreign }),
        json!({ "referral_code": "nobodys" }),
        json!({ "referral_code": "<script>alert(1)</script>" }),
        json!({ "order": { "coupon_code": "clooney1" } }),
        json!({ "order": { "coupon_code": "free1" } }),
        json!({ "visit": "AQAAAAAA" }),
    ];
    for (n, evidence) in evidence.into_iter().enumerate() {
        answers.push(telling(&page.order(&format!("A{n}"), evidence).await.expect(204)));
    }
    for code in [code, foreign, json!("nobodys")] {
        answers.push(telling(
            &page.post("shares", &json!({ "referral_code": code, "network": "copy" })).await.expect(204),
        ));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    app.finish().await;
}

#[tokio::test]
async fn strangers_get_the_words_of_success_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let page = app.page().await;
    let strangers = [
        page.of_site("nobody"),
        page.of_site("SITE-8C5E0B4F-WWW.SHOP.COM"),
        page.from(Some("https://evil.example")),
        page.from(Some("https://shop.example.com.evil.example")),
        page.from(Some("http://shop.example.com")),
        page.from(Some("null")),
        page.from(None),
    ];
    for stranger in strangers {
        for (what, body) in [
            ("orders", json!({ "order": { "id": "1", "amount": 1 } })),
            ("customers", json!({ "customer": { "id": "C1" } })),
            ("shares", json!({ "referral_code": "x", "network": "copy" })),
        ] {
            let answer = stranger.post(what, &body).await.expect(204);
            assert_eq!(answer.header("access-control-allow-origin"), "", "{what}");
            assert_eq!(answer.header("vary"), "Origin");
            let asked = stranger.ask(what).await.expect(204);
            assert_eq!(asked.header("access-control-allow-origin"), "");
            assert_eq!(asked.header("access-control-allow-methods"), "");
        }
        let wanted = json!({ "customer": { "email": "ada@example.com" } });
        stranger.post("referral_codes", &wanted).await.refused(404, "not_found");
    }
    for table in ["select count(*) from purchases", "select count(*) from customers"] {
        assert_eq!(app.count(table).await, 0, "{table}");
    }
    let asked = page.ask("referral_codes").await.expect(204);
    assert_eq!(asked.header("access-control-allow-origin"), ORIGIN);
    assert_eq!(asked.header("access-control-allow-headers"), "content-type");
    assert_eq!(asked.header("access-control-allow-credentials"), "");
    app.finish().await;
}

#[tokio::test]
async fn a_page_is_told_what_is_wrong_with_its_order_and_may_read_it() {
    let app = TestApp::start().await;
    let page = app.page().await;
    let faults = [
        ("{", "invalid_json", None),
        ("[]", "expected_object", None),
        ("{}", "missing", Some("order")),
        (r#"{"order":{"amount":1}}"#, "missing", Some("order.id")),
        (r#"{"order":{"id":"1","amount":"1,50"}}"#, "invalid_amount", Some("order.amount")),
        (r#"{"order":{"id":"1","amount":"1e12"}}"#, "out_of_range", Some("order.amount")),
        (r#"{"order":{"id":"1","amount":1,"coupon_code":[]}}"#, "invalid_type", Some("order.coupon_code")),
        (r#"{"order":{"id":"1","amount":1,"email":"x"}}"#, "invalid_email", Some("order.email")),
    ];
    for (body, code, param) in faults {
        let refused = page.post_text("orders", body).await.refused(400, code);
        assert_eq!(refused["error"]["param"], json!(param), "{body}");
        assert_eq!(refused.header("access-control-allow-origin"), ORIGIN);
    }
    let long = format!(r#"{{"order":{{"id":"1","amount":1}},"x":"{}"}}"#, "x".repeat(65_536));
    page.post_text("orders", &long).await.refused(413, "payload_too_large");
    app.finish().await;
}

#[tokio::test]
async fn a_page_changes_nobody_whom_the_merchant_knows() {
    let app = TestApp::start().await;
    let page = app.page().await;
    let known = json!({ "campaign": { "id": CAMPAIGN },
        "customer": { "id": "C1", "email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace" } });
    let code = app.post("/v1/referral_codes", known).await.expect(201)["referral_code"].clone();
    let said = json!({ "id": "C1", "email": "evil@example.com", "first_name": "Eve" });
    page.post("customers", &json!({ "customer": said, "shopper": "s1" })).await.expect(204);
    let got = page.post("referral_codes", &json!({ "customer": said })).await.expect(200);
    assert_ne!(got["referral_code"], code, "the id of a page is not believed");
    let got = json!({ "customer": { "id": "C9", "email": "ADA@example.com", "first_name": "Eve" } });
    let got = page.post("referral_codes", &got).await.expect(200);
    assert_eq!(got["referral_code"], code);
    let ada = app.get("/v1/customers?account_id=C1").await.expect(200);
    assert_eq!(ada["results"][0]["email"], "ada@example.com");
    assert_eq!(ada["results"][0]["first_name"], "Ada");
    app.finish().await;
}

#[tokio::test]
async fn the_widget_gives_a_link_and_a_coupon_of_its_campaigns_bank() {
    let app = TestApp::start().await;
    let bank = app.bank(&["Ada-1"]).await;
    let page = app.page().await;
    let links = format!("/v1/campaigns/{CAMPAIGN}/links");
    app.put(&links, json!({ "widget_coupon_bank_id": bank.id })).await.expect(200);
    let ada = json!({ "campaign": { "id": CAMPAIGN }, "customer": { "email": "ada@example.com" }, "shopper": "s1" });
    let got = page.post("referral_codes", &ada).await.expect(200);
    assert_eq!(got["coupon_code"], "Ada-1");
    assert_eq!(got["campaign"]["id"], CAMPAIGN);
    let link = format!("https://refer.example.com/acme/{}", got["referral_code"].as_str().expect("a code"));
    assert_eq!(got["trackable_link"], link);
    assert_eq!(got.header("access-control-allow-origin"), ORIGIN);
    let again = page.post("referral_codes", &json!({ "customer": { "email": "ada@example.com" } })).await.expect(200);
    assert_eq!(again.json, got.json, "without a campaign it is the account's first");
    // The bank is empty now: the link alone is better than nothing.
    let bob = page.post("referral_codes", &json!({ "customer": { "email": "bob@example.com" } })).await.expect(200);
    assert_eq!(bob["coupon_code"], json!(null));
    for (body, status, code) in [
        (json!({ "customer": { "email": "nobody" } }), 400, "invalid_email"),
        (json!({ "customer": {} }), 400, "missing"),
        (json!({ "campaign": { "id": 7 }, "customer": { "email": "a@example.com" } }), 404, "campaign_not_found"),
    ] {
        page.post("referral_codes", &body).await.refused(status, code);
    }
    app.patch(&format!("/v1/campaigns/{CAMPAIGN}"), json!({ "archived": true })).await.expect(200);
    page.post("referral_codes", &ada).await.refused(404, "campaign_not_found");
    app.finish().await;
}

#[tokio::test]
async fn the_script_is_served_under_both_names_and_once_an_hour() {
    let app = TestApp::start().await;
    let visitor = app.anonymous();
    let script = visitor.get("/js/goodword.js").await.expect(200);
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(script.header("cache-control"), "public, max-age=3600");
    assert!(!script.text.is_empty());
    let compatible = visitor.get("/js/friendbuy.min.js").await.expect(200);
    assert_eq!((&compatible.text, compatible.header("etag")), (&script.text, script.header("etag")));
    let known = visitor.get("/js/friendbuy.min.js").header("If-None-Match", script.header("etag")).await.expect(304);
    assert_eq!((known.text.as_str(), known.header("etag")), ("", script.header("etag")));
    visitor.get("/js/goodword.js").header("If-None-Match", "\"older\"").await.expect(200);
    let widget = visitor.get("/js/widget.js").await.expect(200);
    assert_ne!((&widget.text, widget.header("etag")), (&script.text, script.header("etag")));
    app.finish().await;
}

/// Runs the program on the story's database and gives what it printed as JSON, or what it said when it refused.
async fn goodword(app: &TestApp, args: &[&str]) -> Result<Value, String> {
    let output =
        app.program(args).args(["--json", "--allow-unsafe-database"]).output().await.expect("the command runs");
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[tokio::test]
async fn a_site_that_another_process_opens_or_moves_is_heeded_at_once() {
    let app = TestApp::start().await;
    app.other_account().await;
    let page = app.page().await;
    page.order("A1", json!({})).await.expect(204);
    let set = ["account", "set", "acme", "--site-key", "www.acme.example", "--origin", "https://www.acme.example"];
    let shown = goodword(&app, &set).await.expect("changed");
    assert_eq!(shown["site_key"], "www.acme.example");
    assert_eq!(shown["origins"], json!(["https://www.acme.example"]));
    assert_eq!(shown["signing"], true);
    let moved = page.of_site("www.acme.example").from(Some("https://www.acme.example"));
    moved.order("A2", json!({})).await.expect(204);
    app.get("/v1/purchases/A2").await.expect(200);
    let begun = std::time::Instant::now();
    for n in 0.. {
        // The old key leads nowhere as soon as the server has heard of it.
        page.at(&format!("198.51.100.{}", n % 250)).order(&format!("B{n}"), json!({})).await.expect(204);
        if app.get(&format!("/v1/purchases/B{n}")).await.status == 404 {
            break;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(7), "the old key is still good");
    }
    for (args, fault) in [
        (&["account", "set", "rival", "--site-key", "www.acme.example"][..], "another account's"),
        (&["account", "set", "acme", "--site-key", "a/b"][..], "--site-key"),
        (&["account", "set", "acme", "--origin", "www.acme.example"][..], "--origin"),
        (&["account", "set", "nobody", "--new-signing-secret"][..], "no account has the alias"),
    ] {
        let refused = goodword(&app, args).await.expect_err("refused");
        assert!(refused.contains(fault), "{refused}");
    }
    let made = ["account", "create", "--name", "New", "--alias", "new"];
    let made = goodword(&app, &made).await.expect("created");
    assert!(made["site_key"].as_str().is_some_and(|key| key.starts_with("gwp_")), "{made}");
    let listed = goodword(&app, &["account", "list"]).await.expect("listed");
    assert_eq!(listed.as_array().map(Vec::len), Some(3));
    app.finish().await;
}
