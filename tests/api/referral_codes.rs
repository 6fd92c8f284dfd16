//! Referral codes: got or created, with a coupon where one is asked for.

mod identity;
mod refusals;
mod spellings;
mod walls;

use serde_json::{Value, json};

use crate::harness::app::{CAMPAIGN, TestApp};
use crate::harness::client::{Answer, Shop};
use crate::harness::words::Request;

/// Asks for the referral code of whoever has this e-mail, without an id.
fn whoever_has(shop: &Shop, email: &str) -> Request {
    shop.advocate("").with("customer", json!({ "email": email }))
}

/// All that issuing can change, row by row.
async fn stored(app: &TestApp) -> String {
    let rows = "select concat(
        (select json_agg(c order by c.id) from customers c), (select json_agg(r order by r.id) from referral_codes r),
        (select json_agg(s order by s.id) from coupon_segments s), (select json_agg(t) from coupon_retirements t))";
    sqlx::query_scalar(rows).fetch_one(&app.pool).await.expect(rows)
}

async fn archive(shop: &Shop, campaign: i64, archived: bool) {
    shop.patch(&format!("/v1/campaigns/{campaign}"), json!({ "archived": archived })).await.expect(200);
}

fn text(answer: &Answer, field: &str) -> String {
    answer[field].as_str().expect(field).to_owned()
}

#[tokio::test]
async fn an_advocate_gets_one_unused_code_of_the_bank_and_keeps_it_however_he_is_named() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2", "A3"]).await;
    let first = app
        .advocate("C9911")
        .email("jzheng@example.mil")
        .with("customer.first_name", "Jaylene")
        .with("customer.last_name", "Zheng")
        .out_of(&bank)
        .await
        .expect(201);
    let (code, coupon) = (text(&first, "referral_code"), text(&first, "coupon_code"));
    assert!(["A1", "A2", "A3"].contains(&coupon.as_str()), "{coupon}");
    let ours = first["customer"]["id"].as_i64().expect("our id");
    let wanted = json!({
        "referral_code": code,
        "type": "personal_url",
        "campaign": { "id": CAMPAIGN, "name": "Spring referrals" },
        "customer": { "id": ours, "account_id": "C9911", "email": "jzheng@example.mil", "first_name": "Jaylene", "last_name": "Zheng" },
        "trackable_link": format!("https://refer.example.com/acme/{code}"),
        "destination_url": "https://shop.example.com/welcome",
        "coupon_code": coupon,
        "coupon_pin": null,
        "coupon_bank": { "id": bank.id, "name": "Codes" },
        "created_at": "2026-08-01T12:00:00Z",
    });
    assert_eq!(first.json, wanted);

    app.clock.advance(time::Duration::days(400));
    for again in [
        app.advocate("C9911").out_of(&bank),
        app.advocate("C9911").email("jzheng@example.mil").out_of(&bank),
        whoever_has(&app, "jzheng@example.mil").out_of(&bank),
        app.advocate("C9911").code(&coupon.to_lowercase()),
        app.advocate("C9911"),
    ] {
        assert_eq!(again.await.expect(200).json, first.json);
    }
    let counts = app.get(&format!("/v1/coupon_banks/{}", bank.id)).await.expect(200);
    assert_eq!(counts["counts"], json!({ "total": 3, "issued": 1, "retired": 0, "available": 2 }));
    app.finish().await;
}

#[tokio::test]
async fn a_personal_code_is_his_in_any_case_and_shown_as_it_was_loaded() {
    let app = TestApp::start().await;
    let bank = app.bank(&["Clooney1", "Été-10"]).await;
    let first = app.advocate("C9912").email("cloondog@example.mil").code("cLOONEY1").await.expect(201);
    assert_eq!((&first["coupon_code"], &first["coupon_bank"]["id"]), (&json!("Clooney1"), &json!(bank.id)));
    for again in [
        app.advocate("C9912").code("CLOONEY1"),
        app.advocate("C9912").code(" Clooney1 "),
        app.advocate("C9912").out_of(&bank),
    ] {
        assert_eq!(again.await.expect(200).json, first.json);
    }
    // Of the letters A to Z alone: others are compared as they are.
    app.advocate("C1").code("ÉTÉ-10").await.refused(404, "coupon_not_found");
    assert_eq!(app.advocate("C1").code("ÉTé-10").await.expect(201)["coupon_code"], "Été-10");
    app.finish().await;
}

#[tokio::test]
async fn without_bank_or_code_he_gets_a_referral_code_alone() {
    let app = TestApp::start().await;
    let first = app.advocate("C1").await.expect(201);
    for field in ["coupon_code", "coupon_pin", "coupon_bank"] {
        assert_eq!(first[field], Value::Null, "{field}");
    }
    assert_eq!(app.advocate("C1").await.expect(200).json, first.json);
    let other = app.advocate("C2").await.expect(201);
    assert_ne!(other["referral_code"], first["referral_code"]);
    app.finish().await;
}

#[tokio::test]
async fn a_first_coupon_is_added_to_the_referral_code_he_has() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1"]).await;
    app.bank(&["Clooney1"]).await;
    let bare = [app.advocate("C1").await.expect(201), app.advocate("C2").await.expect(201)];

    app.clock.advance(time::Duration::hours(1));
    let by_bank = app.advocate("C1").out_of(&bank).await.expect(200);
    let by_code = app.advocate("C2").code("clooney1").await.expect(200);
    assert_eq!((&by_bank["coupon_code"], &by_code["coupon_code"]), (&json!("A1"), &json!("Clooney1")));
    for (before, after) in bare.iter().zip([&by_bank, &by_code]) {
        for field in ["referral_code", "customer", "created_at", "trackable_link"] {
            assert_eq!(after[field], before[field], "{field} stays");
        }
    }
    let listed = app.get(&bank.coupons()).await.expect(200);
    assert_eq!(listed["results"][0]["issued_at"], "2026-08-01T13:00:00Z");
    assert_eq!(app.advocate("C1").out_of(&bank).await.expect(200).json, by_bank.json);
    assert_eq!(app.advocate("C2").await.expect(200).json, by_code.json);
    app.finish().await;
}

#[tokio::test]
async fn an_advocate_who_has_a_coupon_cannot_take_another() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2"]).await;
    let other = app.bank(&["B1"]).await;
    let first = app.advocate("C1").code("A1").await.expect(201);
    let before = stored(&app).await;
    for another in [app.advocate("C1").code("A2"), app.advocate("C1").code("B1"), app.advocate("C1").out_of(&other)] {
        let refusal = another.email("new@example.com").await.refused(409, "advocate_has_coupon");
        assert_eq!(refusal["error"]["param"], "customer");
    }
    assert_eq!(stored(&app).await, before);
    assert_eq!(app.advocate("C1").out_of(&bank).await.expect(200).json, first.json);
    app.finish().await;
}

#[tokio::test]
async fn what_he_has_is_answered_from_an_empty_bank_and_an_archived_campaign_too() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1"]).await;
    let first = app.advocate("C1").out_of(&bank).await.expect(201);
    app.advocate("C2").out_of(&bank).await.refused(409, "bank_exhausted");
    assert_eq!(app.advocate("C1").out_of(&bank).await.expect(200).json, first.json);
    archive(&app, CAMPAIGN, true).await;
    for again in [app.advocate("C1").out_of(&bank), app.advocate("C1").code("a1"), app.advocate("C1")] {
        assert_eq!(again.await.expect(200).json, first.json);
    }
    app.finish().await;
}

#[tokio::test]
async fn an_archived_campaign_gives_nothing_new_until_it_is_taken_out_of_the_archive() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "Clooney1"]).await;
    app.advocate("KNOWN").await.expect(201);
    archive(&app, CAMPAIGN, true).await;
    let before = stored(&app).await;
    for call in [
        app.advocate("NEW"),
        app.advocate("NEW").out_of(&bank),
        app.advocate("NEW").code("Clooney1"),
        app.advocate("KNOWN").out_of(&bank),
        app.advocate("KNOWN").code("Clooney1"),
    ] {
        let refusal = call.await.refused(409, "campaign_inactive");
        assert_eq!(refusal["error"]["param"], "campaign.id");
    }
    assert_eq!(stored(&app).await, before);
    archive(&app, CAMPAIGN, false).await;
    app.advocate("NEW").code("Clooney1").await.expect(201);
    app.advocate("KNOWN").out_of(&bank).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn an_exhausted_bank_refuses_and_leaves_nothing_behind() {
    let app = TestApp::start().await;
    let empty = app.bank(&[]).await;
    let used_up = app.bank(&["A1"]).await;
    app.advocate("C1").out_of(&used_up).await.expect(201);
    app.advocate("KNOWN").email("known@example.com").await.expect(201);
    let before = stored(&app).await;
    for bank in [&empty, &used_up] {
        for call in
            [app.advocate("NEW"), whoever_has(&app, "new@example.com"), app.advocate("KNOWN").email("n@example.com")]
        {
            let refusal = call.out_of(bank).await.refused(409, "bank_exhausted");
            assert_eq!(refusal["error"]["param"], "coupon_bank_id");
        }
    }
    assert_eq!(stored(&app).await, before);
    assert_eq!(app.count("select count(*) from customers").await, 2);
    app.finish().await;
}

#[tokio::test]
async fn a_code_that_is_taken_is_refused_without_a_word_of_whose_it_is() {
    let app = TestApp::start().await;
    app.bank(&["Clooney1"]).await;
    let holder = app
        .advocate("C9912")
        .email("cloondog@example.mil")
        .with("customer.first_name", "Georgie")
        .code("Clooney1")
        .await
        .expect(201);
    app.advocate("KNOWN").await.expect(201);
    let before = stored(&app).await;
    for call in [app.advocate("NEW"), app.advocate("KNOWN"), whoever_has(&app, "new@example.com")] {
        let refusal = call.code("CLOONEY1").await.refused(409, "coupon_taken");
        for hint in ["C9912", "cloondog", "Georgie", &text(&holder, "referral_code")] {
            assert!(!refusal.text.contains(hint), "{hint} in {}", refusal.text);
        }
    }
    assert_eq!(stored(&app).await, before);
    app.finish().await;
}

#[tokio::test]
async fn a_retired_code_is_nobodys() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2"]).await;
    app.post(&format!("{}/retire", bank.coupons()), json!({ "codes": ["A1"] })).await.expect(200);
    let before = stored(&app).await;
    app.advocate("C1").code("a1").await.refused(409, "coupon_retired");
    assert_eq!(stored(&app).await, before);
    app.finish().await;
}

#[tokio::test]
async fn each_campaign_gives_an_advocate_a_code_and_a_coupon_of_its_own() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2"]).await;
    let autumn = json!({ "id": 7, "name": "Autumn", "destination_url": "https://shop.example.com/autumn" });
    app.post("/v1/campaigns", autumn).await.expect(201);
    let spring = app.advocate("C1").out_of(&bank).await.expect(201);
    let autumn = app.advocate("C1").with("campaign.id", 7).out_of(&bank).await.expect(201);
    assert_eq!(autumn["customer"], spring["customer"]);
    assert_ne!(autumn["referral_code"], spring["referral_code"]);
    assert_ne!(autumn["coupon_code"], spring["coupon_code"]);
    assert_eq!(autumn["destination_url"], "https://shop.example.com/autumn");
    // One code leads to one campaign.
    app.advocate("C2").code(&text(&spring, "coupon_code")).with("campaign.id", 7).await.refused(409, "coupon_taken");
    app.finish().await;
}
