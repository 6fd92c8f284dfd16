//! What is refused, as tables: the rows of reliability.md 4.3, and which of two refusals comes first (decisions.md).

use serde_json::{Value, json};

use super::{archive, stored};
use crate::harness::app::{CAMPAIGN, TestApp};
use crate::harness::client::Answer;
use crate::harness::words::Request;

#[tokio::test]
async fn a_campaign_that_is_not_named_or_not_there_is_refused() {
    let app = TestApp::start().await;
    let largest =
        json!({ "id": 9_007_199_254_740_991_i64, "name": "Large", "destination_url": "https://shop.example.com" });
    app.post("/v1/campaigns", largest).await.expect(201);
    let (missing, unknown) = ((400, "missing"), (404, "campaign_not_found"));
    let cases = [
        ("{}", missing),
        ("null", missing),
        (r#"{"id":null}"#, missing),
        (r#"{"id":""}"#, missing),
        (r#"{"Id":53345}"#, missing),
        ("{\"id\":9007199254740993}", unknown),
        ("{\"id\":9007199254740992}", unknown),
        ("{\"id\":9223372036854775808}", unknown),
        ("{\"id\":18446744073709551616}", unknown),
        ("{\"id\":18446744073709604961}", unknown),
        (r#"{"id":"0053345"}"#, unknown),
        (r#"{"id":" 53345"}"#, unknown),
        (r#"{"id":"５３３４５"}"#, unknown),
        (r#"{"id":"+53345"}"#, unknown),
        (r#"{"id":"spring"}"#, unknown),
        (r#"{"id":-1}"#, (400, "out_of_range")),
        (r#"{"id":0}"#, (400, "out_of_range")),
        (r#"{"id":53345.5}"#, (400, "invalid_type")),
        (r#"{"id":true}"#, (400, "invalid_type")),
        (r#"{"id":[53345]}"#, (400, "invalid_type")),
    ];
    for (campaign, (status, code)) in cases {
        let body = format!(r#"{{"campaign":{campaign},"customer":{{"id":"C1"}}}}"#);
        let answer = app.post_text("/v1/referral_codes", "application/json", &body).await.refused(status, code);
        assert_eq!(answer["error"]["param"], "campaign.id", "{campaign}");
    }
    let absent = app.post("/v1/referral_codes", json!({ "customer": { "id": "C1" } })).await.refused(400, "missing");
    assert_eq!(absent["error"]["param"], "campaign.id");
    assert_eq!(app.count("select count(*) from customers").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn whoever_is_not_named_well_is_refused() {
    let app = TestApp::start().await;
    let long = format!("{}@example.com", "a".repeat(310));
    let mut cases: Vec<(Value, &str, &str)> = vec![
        (json!({}), "customer.email", "missing"),
        (json!({ "customer": {} }), "customer.email", "missing"),
        (json!({ "customer": { "first_name": "Ada" } }), "customer.email", "missing"),
        (json!({ "customer": { "id": "", "email": null } }), "customer.email", "missing"),
        (json!({ "customer": { "id": " " } }), "customer.email", "missing"),
        (json!({ "customer": [] }), "customer", "invalid_type"),
        (json!({ "customer": { "id": {} } }), "customer.id", "invalid_type"),
        (json!({ "customer": { "id": true } }), "customer.id", "invalid_type"),
        (json!({ "customer": { "id": "C".repeat(65) } }), "customer.id", "too_long"),
        (json!({ "customer": { "id": "C\u{200b}1" } }), "customer.id", "invalid_string"),
        (json!({ "customer": { "id": "C\u{0}1" } }), "customer.id", "invalid_string"),
        (json!({ "customer": { "id": "C1", "email": "a@b.de" }, "email": "b@b.de" }), "email", "conflicting_email"),
        (json!({ "customer": { "id": "C1", "first_name": "n".repeat(256) } }), "customer.first_name", "too_long"),
        (json!({ "customer": { "id": "C1", "last_name": "n".repeat(256) } }), "customer.last_name", "too_long"),
        (json!({ "customer": { "id": "C1", "last_name": "a\u{0}" } }), "customer.last_name", "invalid_string"),
        (json!({ "customer": { "id": "C1", "first_name": 5 } }), "customer.first_name", "invalid_type"),
    ];
    for email in ["", " ", "a", "a@", "@b", "a@b@c", &long, "a@b\r\nBcc: x", "a@-b.c", "a@b..c", "a@b.c\u{200b}"] {
        cases.push((json!({ "customer": { "email": email } }), "customer.email", "invalid_email"));
        cases.push((json!({ "customer": { "id": "C1", "email": email } }), "customer.email", "invalid_email"));
        cases.push((json!({ "email": email }), "email", "invalid_email"));
    }
    for (mut body, param, code) in cases {
        body["campaign"] = json!({ "id": CAMPAIGN });
        let answer = app.post("/v1/referral_codes", body.clone()).await.refused(400, code);
        assert_eq!(answer["error"]["param"], param, "{body}");
    }
    assert_eq!(app.count("select count(*) from customers").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_coupon_that_cannot_be_or_is_not_there_is_refused() {
    let app = TestApp::start().await;
    let bank = app.bank(&["Clooney1"]).await;
    let cases = [
        (json!({ "coupon_code": "NOSUCHCODE" }), "coupon_code", 404, "coupon_not_found"),
        (json!({ "coupon_code": 1234 }), "coupon_code", 404, "coupon_not_found"),
        (json!({ "coupon_code": "Clooney" }), "coupon_code", 404, "coupon_not_found"),
        (json!({ "coupon_code": "Clooney1%" }), "coupon_code", 404, "coupon_not_found"),
        (json!({ "coupon_code": "Сlooney1" }), "coupon_code", 404, "coupon_not_found"),
        (json!({ "coupon_code": "ＣLOONEY1" }), "coupon_code", 404, "coupon_not_found"),
        (json!({ "coupon_code": "Clooney1\u{200b}" }), "coupon_code", 400, "invalid_code"),
        (json!({ "coupon_code": "\u{202e}1yenoolC" }), "coupon_code", 400, "invalid_code"),
        (json!({ "coupon_code": "Cloo\u{0}ney1" }), "coupon_code", 400, "invalid_string"),
        (json!({ "coupon_code": "" }), "coupon_code", 400, "invalid_code"),
        (json!({ "coupon_code": "C".repeat(65) }), "coupon_code", 400, "too_long"),
        (json!({ "coupon_code": true }), "coupon_code", 400, "invalid_type"),
        (json!({ "coupon_code": ["Clooney1"] }), "coupon_code", 400, "invalid_type"),
        (json!({ "coupon_bank_id": 987_654_321 }), "coupon_bank_id", 404, "coupon_bank_not_found"),
        (json!({ "coupon_bank_id": { "id": "0987" } }), "coupon_bank_id", 404, "coupon_bank_not_found"),
        (json!({ "coupon_bank_id": {} }), "coupon_bank_id.id", 400, "missing"),
        (json!({ "coupon_bank_id": { "id": 0 } }), "coupon_bank_id.id", 400, "out_of_range"),
        (json!({ "coupon_bank_id": -1 }), "coupon_bank_id", 400, "out_of_range"),
        (json!({ "coupon_bank": [bank.id] }), "coupon_bank", 400, "invalid_type"),
        (json!({ "coupon_bank_id": bank.id, "coupon_code": "Clooney1" }), "coupon_bank_id", 400, "mutually_exclusive"),
        (json!({ "coupon_bank": bank.id, "coupon_code": "Clooney1" }), "coupon_bank", 400, "mutually_exclusive"),
        (json!({ "coupon_bank": bank.id, "coupon_bank_id": bank.id }), "coupon_bank", 400, "mutually_exclusive"),
    ];
    let before = stored(&app).await;
    for (mut body, param, status, code) in cases {
        body["campaign"] = json!({ "id": CAMPAIGN });
        body["customer"] = json!({ "id": "C1" });
        let answer = app.post("/v1/referral_codes", body.clone()).await.refused(status, code);
        assert_eq!(answer["error"]["param"], param, "{body}");
    }
    assert_eq!(stored(&app).await, before);
    app.finish().await;
}

#[tokio::test]
async fn all_faults_of_the_fields_come_at_once() {
    let app = TestApp::start().await;
    let body = json!({
        "campaign": { "id": 0 },
        "customer": { "id": "C\u{0}", "email": "a@", "first_name": 5 },
        "coupon_bank_id": 1,
        "coupon_code": "X",
    });
    let answer = app.post("/v1/referral_codes", body).await.expect(400);
    let details = answer["error"]["details"].as_array().expect("details");
    let named: Vec<_> = details.iter().map(|one| one["param"].as_str().expect("a place")).collect();
    assert_eq!(named, ["campaign.id", "customer.email", "customer.id", "customer.first_name", "coupon_bank_id"]);
    assert_eq!((&answer["error"]["code"], &answer["error"]["param"]), (&details[0]["code"], &details[0]["param"]));
    app.finish().await;
}

/// In both campaigns (7 is archived) ada holds `HERS` and `HERS-7` of bank 1, bob has a referral code without a
/// coupon. `TAKEN` is carol's, `GONE` is retired, bank 2 is empty.
async fn a_shop_with_everything(app: &TestApp) {
    let archived = json!({ "id": 7, "name": "Last year", "destination_url": "https://shop.example.com" });
    app.post("/v1/campaigns", archived).await.expect(201);
    for (id, codes) in [(1, json!(["HERS", "HERS-7", "TAKEN", "GONE"])), (2, json!([])), (3, json!(["FREE"]))] {
        app.post("/v1/coupon_banks", json!({ "id": id, "name": "Codes" })).await.expect(201);
        if id != 2 {
            app.post(&format!("/v1/coupon_banks/{id}/coupons"), codes).await.expect(200);
        }
    }
    for (campaign, code) in [(CAMPAIGN, "HERS"), (7, "HERS-7")] {
        app.advocate("ada").email("ada@example.com").code(code).with("campaign.id", campaign).await.expect(201);
        app.advocate("bob").email("bob@example.com").with("campaign.id", campaign).await.expect(201);
    }
    app.advocate("carol").code("TAKEN").await.expect(201);
    app.post("/v1/coupon_banks/1/coupons/retire", json!({ "codes": ["GONE"] })).await.expect(200);
    archive(app, 7, true).await;
}

#[tokio::test]
async fn of_two_refusals_the_first_of_the_agreed_order_is_answered() {
    let app = TestApp::start().await;
    a_shop_with_everything(&app).await;
    let ada = |campaign: i64| app.advocate("ada").with("campaign.id", campaign);
    let bob = |campaign: i64| app.advocate("bob").with("campaign.id", campaign);
    let new = |campaign: i64| app.advocate("new").with("campaign.id", campaign);
    // Ada's id with bob's e-mail.
    let torn = |campaign: i64| ada(campaign).email("bob@example.com");
    let bank = |request: Request, id: i64| request.with("coupon_bank_id", id);
    let cases = [
        (new(8).email("a@"), 400, "invalid_email"),
        (torn(CAMPAIGN).with("customer.first_name", 5), 400, "invalid_type"),
        (bank(new(8), 99), 404, "campaign_not_found"),
        (new(8).code("NOSUCHCODE"), 404, "campaign_not_found"),
        (torn(8), 404, "campaign_not_found"),
        (bank(torn(CAMPAIGN), 99), 404, "coupon_bank_not_found"),
        (torn(CAMPAIGN).code("NOSUCHCODE"), 404, "coupon_not_found"),
        (bank(ada(CAMPAIGN), 99), 404, "coupon_bank_not_found"),
        (bank(new(7), 99), 404, "coupon_bank_not_found"),
        (new(7).code("NOSUCHCODE"), 404, "coupon_not_found"),
        (bank(torn(CAMPAIGN), 1), 409, "identity_conflict"),
        (torn(7), 409, "identity_conflict"),
        (bank(torn(CAMPAIGN), 3), 409, "identity_conflict"),
        (torn(CAMPAIGN).code("TAKEN"), 409, "identity_conflict"),
        (bank(torn(CAMPAIGN), 2), 409, "identity_conflict"),
        (bank(ada(7), 3), 409, "advocate_has_coupon"),
        (ada(7).code("TAKEN"), 409, "advocate_has_coupon"),
        (ada(CAMPAIGN).code("TAKEN"), 409, "advocate_has_coupon"),
        (ada(CAMPAIGN).code("GONE"), 409, "advocate_has_coupon"),
        (bank(ada(CAMPAIGN), 2), 409, "advocate_has_coupon"),
        (bank(bob(7), 2), 409, "campaign_inactive"),
        (bob(7).code("TAKEN"), 409, "campaign_inactive"),
        (bob(7).code("GONE"), 409, "campaign_inactive"),
        (new(7).code("TAKEN"), 409, "campaign_inactive"),
        (bank(new(7), 2), 409, "campaign_inactive"),
        (bob(CAMPAIGN).code("TAKEN"), 409, "coupon_taken"),
        (bob(CAMPAIGN).code("GONE"), 409, "coupon_retired"),
        (bank(bob(CAMPAIGN), 2), 409, "bank_exhausted"),
    ];
    let before = stored(&app).await;
    for (request, status, code) in cases {
        let sent = request.body.to_string();
        let answer = request.await;
        assert_eq!(
            (answer.status, &answer["error"]["code"]),
            (status, &json!(code)),
            "{sent} was answered {}",
            answer.text
        );
    }
    assert_eq!(stored(&app).await, before, "a refusal changes nothing");
    for satisfied in [bank(ada(7), 1), ada(7).code("hers-7"), ada(7), bob(7)] {
        satisfied.await.expect(200);
    }
    app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_before_what_is_read() {
    let app = TestApp::start().await;
    let path = "/v1/referral_codes";
    let stranger = app.anonymous();
    let large = format!("{{\"x\":\"{}\"", "x".repeat(1 << 20));
    let cases: [(Answer, u16, &str); 7] = [
        (stranger.post_text(path, "text/xml", "{").await, 401, "unauthenticated"),
        (stranger.post_text("/v1/referral_codez", "text/xml", "{").await, 401, "unauthenticated"),
        (app.post_text("/v1/referral_codez", "text/xml", "{").await, 404, "not_found"),
        (app.patch(path, json!([])).await, 405, "method_not_allowed"),
        (app.post_text(path, "text/xml", &large).await, 413, "payload_too_large"),
        (app.post_text(path, "text/xml", "{").await, 415, "unsupported_media_type"),
        (app.post_text(path, "application/json", r#"{"campaign":{"id":0},"email":"a@",}"#).await, 400, "invalid_json"),
    ];
    for (answer, status, code) in cases {
        answer.refused(status, code);
    }
    app.finish().await;
}
