//! The people an account knows: their lists, and the lists that are always empty.

use serde_json::json;

use super::{each, rows};
use crate::harness::app::{CAMPAIGN, PUBLIC_URL, TestApp};

#[tokio::test]
async fn customers_are_found_by_each_of_their_names() {
    let app = TestApp::start().await;
    let ada = app.advocate("C1").email("Ada@example.com").with("customer.first_name", "Ada").await.expect(201);
    app.clock.advance(time::Duration::hours(1));
    app.advocate("C2").await.expect(201);
    let id = &ada["customer"]["id"];
    let mut wanted = ada["customer"].clone();
    wanted["detail_uri"] = json!(format!("{PUBLIC_URL}/v1/customers/{id}"));
    wanted["created_at"] = json!("2026-08-01T12:00:00Z");
    assert_eq!(app.get(&format!("/v1/customers/{id}")).await.expect(200).json, wanted);
    assert_eq!(each(&app, "/v1/customers", "account_id").await, ["C1", "C2"]);
    for query in [
        format!("id={id}"),
        "email=ADA@example.com".to_owned(),
        "account_id=C1".to_owned(),
        format!("account_id=C1&email=ada@example.com&id={id}"),
        "to_date=2026-08-01T12:30:00Z".to_owned(),
    ] {
        let page = app.get(&format!("/v1/customers?{query}")).await.expect(200);
        assert_eq!((&page["results"], &page["total_results_count"]), (&json!([wanted]), &json!(1)), "{query}");
    }
    for query in [
        "id=1",
        "id=9223372036854775808",
        "email=c2@example.com",
        "account_id=c1",
        "account_id=C2&email=ada@example.com",
    ] {
        let page = app.get(&format!("/v1/customers?{query}")).await.expect(200);
        assert_eq!((rows(&page).len(), &page["total_results_count"]), (0, &json!(0)), "{query}");
    }
    app.get("/v1/customers?id=abc").await.refused(400, "invalid_id");
    for path in ["/v1/customers", "/v1/purchases", "/v1/referral_codes"] {
        // A program that lost the id must not be given everybody.
        app.get(&format!("{path}?account_id=%20")).await.refused(400, "missing");
    }
    app.get("/v1/customers/1/conversions?limit=0").await.refused(400, "invalid_parameter");
    for path in ["", "/conversions", "/referral_codes", "/shares", "/email-recipients"] {
        for id in ["abc", "1", "0"] {
            app.get(&format!("/v1/customers/{id}{path}")).await.refused(404, "customer_not_found");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn referral_codes_are_found_by_code_coupon_advocate_and_campaign_and_never_show_a_pin() {
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    app.post_text(&bank.coupons(), "text/csv", "SECRET,4711\nFREE,4712\n").await.expect(200);
    app.post("/v1/campaigns", json!({ "id": 7, "name": "Autumn", "destination_url": "https://shop.example.com/" }))
        .await
        .expect(201);
    let mut held = app.advocate("C1").email("ada@example.com").code("SECRET").await.expect(201).json;
    assert_eq!(held["coupon_pin"], "4711");
    held.as_object_mut().expect("an object").remove("coupon_pin");
    app.clock.advance(time::Duration::hours(1));
    let autumn = app.advocate("C1").with("campaign.id", 7).await.expect(201)["referral_code"].clone();
    app.advocate("C2").await.expect(201);

    let code = held["referral_code"].as_str().expect("a code");
    let found = app.get(&format!("/v1/referral_codes/{}", code.to_uppercase())).await.expect(200);
    let mut clicked = held.clone();
    clicked["clicks"] = json!(0);
    clicked["bot_clicks"] = json!(0);
    assert_eq!(found.json, clicked);
    let ours = &held["customer"]["id"];
    for query in [
        format!("referral_code={code}"),
        "coupon_code=secret".to_owned(),
        format!("customer_id={ours}&campaign_id={CAMPAIGN}"),
        "account_id=C1&to_date=2026-08-01T12:00:00Z".to_owned(),
        format!("email=ADA@example.com&account_id=C1&customer_id={ours}&coupon_code=Secret"),
    ] {
        let page = app.get(&format!("/v1/referral_codes?{query}")).await.expect(200);
        assert_eq!((&page["results"], &page["total_results_count"]), (&json!([held]), &json!(1)), "{query}");
    }
    for (query, wanted) in
        [("", 3), ("campaign_id=7", 1), ("account_id=C1", 2), ("account_id=C3", 0), ("coupon_code=FREE", 0)]
    {
        let page = app.get(&format!("/v1/referral_codes?{query}")).await.expect(200);
        assert_eq!((rows(&page).len(), &page["total_results_count"]), (wanted, &json!(wanted)), "{query}");
        assert!(!page.text.contains("4711") && !page.text.contains("coupon_pin"), "{}", page.text);
    }
    let of_customer = app.get(&format!("/v1/customers/{ours}/referral_codes")).await.expect(200);
    assert_eq!((&of_customer["results"][0], &of_customer["results"][1]["referral_code"]), (&held, &autumn));
    for code in ["nosuchcode", "SECRET", "%20", "%00"] {
        let refused = app.get(&format!("/v1/referral_codes/{code}")).await.expect(404);
        assert_eq!(refused["applied"], "none");
    }
    app.finish().await;
}

#[tokio::test]
async fn what_a_widget_would_have_sent_is_always_empty() {
    let app = TestApp::start().await;
    let ada = app.advocate("C1").await.expect(201);
    let id = &ada["customer"]["id"];
    let empty = json!({ "this_page_results_count": 0, "total_results_count": 0, "offset": 0, "next_cursor": null, "results": [] });
    for path in
        ["/v1/shares".to_owned(), format!("/v1/customers/{id}/shares"), format!("/v1/customers/{id}/email-recipients")]
    {
        assert_eq!(app.get(&format!("{path}?limit=5&from_date=2026-01-01")).await.expect(200).json, empty, "{path}");
        assert_eq!(app.get(&format!("{path}?limit=0")).await.expect(400)["error"]["param"], "limit");
    }
    app.get("/v1/shares/7").await.refused(404, "share_not_found");
    app.finish().await;
}

#[tokio::test]
async fn an_address_opts_out_once() {
    let app = TestApp::start().await;
    let said = json!({ "email": "Friend@example.com", "ip_address": "203.0.113.7", "source": "newsletter" });
    let first = app.post("/v1/opt_outs/emails", said).await.expect(201);
    let wanted = json!({
        "id": first["id"], "email": "Friend@example.com", "ip_address": "203.0.113.7", "source": "newsletter",
        "created_at": "2026-08-01T12:00:00Z",
    });
    assert_eq!(first.json, wanted);
    app.clock.advance(time::Duration::hours(1));
    let again = app
        .post("/v1/opt_outs/emails", json!({ "email": "friend@example.com", "source": "elsewhere" }))
        .await
        .expect(200);
    assert_eq!(again.json, wanted);
    let old = app.call(reqwest::Method::POST, "/v1//opt_outs/emails/?email=other%40example.com").await.expect(201);
    assert_eq!((&old["email"], &old["source"]), (&json!("other@example.com"), &json!(null)));

    let all = each(&app, "/v1/opt_outs/emails", "email").await;
    assert_eq!(all, ["Friend@example.com", "other@example.com"]);
    assert_eq!(each(&app, "/v1/opt_outs/emails?email=FRIEND@example.com", "email").await, all[..1]);
    assert_eq!(each(&app, "/v1/opt_outs/emails?from_date=2026-08-01T12:30:00Z", "email").await, all[1..]);
    app.post("/v1/opt_outs/emails", json!({})).await.refused(400, "missing");
    app.post("/v1/opt_outs/emails", json!({ "email": "nobody" })).await.refused(400, "invalid_email");
    assert_eq!(app.count("select count(*) from email_opt_outs").await, 2);
    app.finish().await;
}
