//! What must not be seen: another account's things, and a PIN anywhere but where its code is handed out.

use serde_json::json;

use super::text;
use crate::harness::app::TestApp;
use crate::harness::client::Answer;

#[tokio::test]
async fn another_accounts_campaign_bank_and_coupon_are_answered_like_ones_that_do_not_exist() {
    let app = TestApp::start().await;
    let autumn = json!({ "id": 7, "name": "Autumn", "destination_url": "https://shop.example.com/autumn" });
    app.post("/v1/campaigns", autumn).await.expect(201);
    let bank = app.bank(&["FREE", "HELD"]).await;
    app.advocate("C1").email("ada@example.com").code("HELD").await.expect(201);
    let rival = app.other_account().await;
    let before = super::stored(&app).await;
    let same = |foreign: Answer, unknown: Answer, code: &str| {
        let (foreign, unknown) = (foreign.refused(404, code), unknown.refused(404, code));
        assert_eq!(foreign.without_request_id(), unknown.without_request_id());
    };
    let ask = || rival.advocate("R1");
    same(ask().with("campaign.id", 7).await, ask().with("campaign.id", 8).await, "campaign_not_found");
    let no_bank = ask().with("coupon_bank_id", 987_654_321).await;
    same(ask().out_of(&bank).await, no_bank, "coupon_bank_not_found");
    for code in ["FREE", "HELD"] {
        same(ask().code(code).await, ask().code("NOSUCHCODE").await, "coupon_not_found");
    }
    assert_eq!(super::stored(&app).await, before);

    // The same people and codes are somebody else's here, and the two accounts do not meet.
    let bank = rival.bank(&["FREE", "HELD"]).await;
    let theirs = rival.advocate("C1").email("ada@example.com").out_of(&bank).await.expect(201);
    let ours = app.advocate("C1").await.expect(200);
    assert_ne!(theirs["referral_code"], ours["referral_code"]);
    assert_ne!(theirs["customer"]["id"], ours["customer"]["id"]);
    app.finish().await;
}

#[tokio::test]
async fn a_pin_is_shown_where_its_code_is_handed_out_and_nowhere_else() {
    const PIN: &str = "zebra 4711-ÜÄ";
    let app = TestApp::start().await;
    let bank = app.bank(&[]).await;
    let file = format!("GIFT-1,{PIN}\nGIFT-2,{PIN}\nGIFT-3\n");
    let mut others = vec![app.post_text(&bank.coupons(), "text/csv", &file).await.expect(200)];
    let issued = app.advocate("C1").code("gift-1").await.expect(201);
    assert_eq!(issued["coupon_pin"], PIN);
    assert_eq!(app.advocate("C1").await.expect(200)["coupon_pin"], PIN);
    assert_eq!(app.advocate("C3").code("GIFT-3").await.expect(201)["coupon_pin"], json!(null));

    others.push(app.post_text(&bank.coupons(), "text/csv", &file).await.expect(200));
    others.push(app.post_text(&format!("{}?strict=1", bank.coupons()), "text/csv", &file).await.expect(400));
    let objects = json!([{ "code": "GIFT-1", "pin": PIN }, { "code": "=1", "pin": PIN }, { "code": [], "pin": PIN }]);
    others.push(app.post(&bank.coupons(), objects).await.expect(200));
    let doubled = format!("{PIN}{}", "x".repeat(255));
    others.push(app.post(&bank.coupons(), json!([{ "code": "GIFT-4", "pin": doubled }])).await.expect(200));
    others.push(app.post_text(&bank.coupons(), "text/csv", &format!("GIFT-5,\"{PIN}")).await.expect(400));
    others.push(app.post_text(&bank.coupons(), "application/json", &format!("[\"GIFT-5\",{PIN}]")).await.expect(400));
    others.push(app.advocate("C2").code("GIFT-1").await.expect(409));
    others.push(app.order("281").code("GIFT-1").await.expect(201));
    others.push(app.order("281").code("GIFT-1").await.expect(200));
    others.push(
        app.post(&format!("{}/retire", bank.coupons()), json!({ "codes": ["GIFT-1", "GIFT-2"] })).await.expect(200),
    );
    for path in [
        "/v1/coupon_banks".to_owned(),
        format!("/v1/coupon_banks/{}", bank.id),
        bank.coupons(),
        format!("{}?status=issued", bank.coupons()),
        format!("{}?format=csv", bank.coupons()),
        "/v1/purchases/281".to_owned(),
        "/v1/campaigns".to_owned(),
        "/metrics".to_owned(),
    ] {
        others.push(app.get(&path).await.expect(200));
    }
    others.push(app.anonymous().get(&format!("/acme/{}", text(&issued, "referral_code"))).await.expect(302));
    for answer in others {
        // The PIN's digits could stand in any request's id.
        let all = format!("{}{:?}", answer.text, answer.headers).to_lowercase();
        assert!(!all.contains("zebra"), "a PIN in {all}");
    }
    app.finish().await;
}
