//! The look-up: one text, and who and what is behind it.

use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::client::Answer;

/// What stands under a pointer in each row of a list.
fn each<'a>(rows: &'a Value, pointer: &str) -> Vec<&'a str> {
    let rows = rows.as_array().expect("rows");
    rows.iter().map(|row| row.pointer(pointer).and_then(Value::as_str).unwrap_or("")).collect()
}

/// Who is found, by the merchant's ids.
fn people(found: &Answer) -> Vec<&str> {
    each(&found["customers"], "/customer/account_id")
}

/// An advocate with a coupon and a friend's order, and a friend who is an advocate of his own.
async fn counter() -> (TestApp, String) {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    app.post_text(&bank.coupons(), "text/csv", "Clooney1,4711\nFREE\nGONE\n").await.expect(200);
    app.post(&format!("{}/retire", bank.coupons()), json!({ "codes": ["GONE"] })).await.expect(200);
    let held = app.advocate("C1").email("cloondog@example.mil").code("Clooney1").await.expect(201);
    app.clock.advance(time::Duration::hours(1));
    app.advocate("C2").email("Friend@example.mil").await.expect(201);
    app.order("281").code("clooney1").email("friend@example.mil").with("source", "store-12").await.expect(201);
    app.clock.advance(time::Duration::hours(1));
    app.order("282").email("friend@example.mil").with("customer.id", "C2").await.expect(201);
    app.order("283").with("customer", json!({ "id": "F9", "email": "guest@example.mil" })).await.expect(201);
    (app, held["referral_code"].as_str().expect("a code").to_owned())
}

#[tokio::test]
async fn any_name_of_an_advocate_finds_his_codes_his_links_and_what_he_referred() {
    let (app, code) = counter().await;
    for (text, kind) in [
        ("CLOONDOG@example.mil", "email"),
        ("%20cloondog@example.mil%20", "email"),
        ("C1", "customer_id"),
        (&code.to_uppercase(), "referral_code"),
        ("%20cLOONEY1", "coupon_code"),
    ] {
        let found = app.get(&format!("/v1/lookup?q={text}")).await.expect(200);
        assert_eq!(found["found_as"], json!([kind]), "{text}");
        assert_eq!(people(&found), ["C1"], "{text}");
        let person = &found["customers"][0];
        assert_eq!(person["customer"]["email"], "cloondog@example.mil");
        let codes = &person["referral_codes"]["results"];
        assert_eq!(each(codes, "/referral_code"), [&code]);
        assert_eq!(each(codes, "/coupon_code"), ["Clooney1"]);
        assert_eq!(each(codes, "/trackable_link"), [format!("https://refer.example.com/acme/{code}")]);
        assert_eq!(each(&person["conversions"]["results"], "/purchase/order_id"), ["281"]);
        assert_eq!(person["purchases"], json!({ "has_more": false, "results": [] }));
        assert_eq!(found["purchases"]["results"], json!([]), "{text}");
        assert!(!found.text.contains("4711"), "a PIN is shown once, elsewhere");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_friend_is_found_with_his_orders_whether_or_not_he_is_a_customer() {
    let (app, _) = counter().await;
    let friend = app.get("/v1/lookup?q=friend@example.MIL").await.expect(200);
    assert_eq!((&friend["found_as"], people(&friend)), (&json!(["email"]), vec!["C2", "C1"]));
    assert_eq!(each(&friend["purchases"]["results"], "/order_id"), ["282", "281"], "the newest first");
    assert_eq!(friend["customers"][0]["purchases"], friend["purchases"]);
    assert_eq!(friend["customers"][0]["conversions"]["results"], json!([]));
    for (text, kind) in [("guest@example.mil", "email"), ("F9", "customer_id")] {
        let guest = app.get(&format!("/v1/lookup?q={text}")).await.expect(200);
        assert_eq!((&guest["found_as"], &guest["customers"]), (&json!([kind]), &json!([])), "{text}");
        assert_eq!(each(&guest["purchases"]["results"], "/order_id"), ["283"], "{text}");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_order_leads_to_its_advocate_and_its_buyer_at_whichever_till_it_was_made() {
    let (app, _) = counter().await;
    app.order("281").await.expect(201);
    let found = app.get("/v1/lookup?q=281").await.expect(200);
    assert_eq!(found["found_as"], json!(["order_id"]));
    assert_eq!(each(&found["purchases"]["results"], "/source"), ["", "store-12"]);
    assert_eq!(people(&found), ["C1"]);
    let second = app.get("/v1/lookup?q=282").await.expect(200);
    assert_eq!(people(&second), ["C2"]);
    app.finish().await;
}

#[tokio::test]
async fn a_coupon_that_nobody_holds_tells_where_it_is() {
    let (app, code) = counter().await;
    for (text, status, referral_code) in
        [("free", "available", json!(null)), ("Gone", "retired", json!(null)), ("Clooney1", "issued", json!(code))]
    {
        let found = app.get(&format!("/v1/lookup?q={text}")).await.expect(200);
        let coupon = &found["coupon"];
        assert_eq!((&coupon["status"], &coupon["referral_code"]), (&json!(status), &referral_code), "{text}");
        assert_eq!(coupon["coupon_bank"]["name"], "Codes");
        assert_eq!(people(&found).is_empty(), status != "issued");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_text_can_be_several_things_at_once() {
    let (app, _) = counter().await;
    app.advocate("281").await.expect(201);
    let bank = app.bank(&["281"]).await;
    app.order("280").with("customer.id", "281").await.expect(201);
    let found = app.get("/v1/lookup?q=281").await.expect(200);
    assert_eq!(found["found_as"], json!(["customer_id", "coupon_code", "order_id"]));
    assert_eq!(found["coupon"]["coupon_bank"]["id"], bank.id);
    assert_eq!(people(&found), ["281", "C1"]);
    assert_eq!(each(&found["purchases"]["results"], "/order_id"), ["280", "281"]);
    app.finish().await;
}

#[tokio::test]
async fn what_is_behind_nothing_is_empty_and_what_is_no_text_is_refused() {
    let (app, code) = counter().await;
    let nothing = |query: &str| {
        json!({
            "query": query, "found_as": [], "coupon": null, "customers": [], "purchases": { "has_more": false, "results": [] },
        })
    };
    for (sent, query) in
        [("%25%25%25", "%%%"), ("_", "_"), ("C1%25", "C1%"), ("c1", "c1"), ("%E2%80%8B", "\u{200b}"), ("a'--", "a'--")]
    {
        assert_eq!(app.get(&format!("/v1/lookup?q={sent}")).await.expect(200).json, nothing(query), "{sent}");
    }
    let rival = app.other_account().await;
    for text in ["C1", "cloondog@example.mil", "281", "Clooney1", &code] {
        assert_eq!(rival.get(&format!("/v1/lookup?q={text}")).await.expect(200).json, nothing(text), "{text}");
    }
    for (query, fault) in [
        ("", "missing"),
        ("?q=", "missing"),
        ("?q=%20", "missing"),
        ("?q=a%00", "invalid_string"),
        ("?q[]=1", "invalid_type"),
    ] {
        assert_eq!(app.get(&format!("/v1/lookup{query}")).await.refused(400, fault)["error"]["param"], "q", "{query}");
    }
    app.get(&format!("/v1/lookup?q={}", "x".repeat(321))).await.refused(400, "too_long");
    app.finish().await;
}

#[tokio::test]
async fn an_answer_is_bounded_however_much_there_is() {
    let app = TestApp::start().await;
    let held = app.advocate("C1").email("ada@example.com").await.expect(201);
    let code = held["referral_code"].as_str().expect("a code");
    let lines: Vec<String> = (0..60)
        .map(|n| {
            let order = json!({ "id": "7", "amount": 1, "email": "kiosk@example.com" });
            json!({ "order": order, "source": format!("till-{n}"), "referral_code": code }).to_string()
        })
        .collect();
    app.post_text("/v1/purchases/batch", "application/x-ndjson", &lines.join("\n")).await.expect(200);
    for text in ["7", "kiosk@example.com", "C1"] {
        let found = app.get(&format!("/v1/lookup?q={text}")).await.expect(200);
        let person = &found["customers"][0];
        assert_eq!(person["conversions"]["results"].as_array().map(Vec::len), Some(25), "{text}");
        assert_eq!(person["conversions"]["has_more"], true);
        let direct = if text == "C1" { 0 } else { 25 };
        assert_eq!(found["purchases"]["results"].as_array().map(Vec::len), Some(direct));
        assert_eq!(found["purchases"]["has_more"], text != "C1");
    }
    app.finish().await;
}
