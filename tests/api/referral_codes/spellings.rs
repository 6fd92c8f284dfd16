//! How a call may be written: what real clients send, and the help page's own bodies.

use reqwest::Method;
use serde_json::{Value, json};

use super::stored;
use crate::harness::app::{CAMPAIGN, TestApp};
use crate::harness::client::Answer;

const BANK_BODY: &str = include_str!("../../data/article/bank_body.txt");
const PERSONAL_BODY: &str = include_str!("../../data/article/personal_body.txt");

#[tokio::test]
async fn bank_and_campaign_are_read_as_numbers_strings_and_objects() {
    let app = TestApp::start().await;
    let codes: Vec<String> = (0..20).map(|n| format!("CODE-{n}")).collect();
    let bank = app.bank(&codes.iter().map(String::as_str).collect::<Vec<_>>()).await.id;
    let (id, text) = (json!(bank), json!(bank.to_string()));
    let mut advocate = 0;
    for field in ["coupon_bank_id", "coupon_bank"] {
        for spelt in [json!({ "id": id }), json!({ "id": text }), id.clone(), text.clone()] {
            for campaign in [json!({ "id": CAMPAIGN }), json!({ "id": CAMPAIGN.to_string() })] {
                advocate += 1;
                let call = app.advocate(&format!("C{advocate}")).with("campaign", campaign).with(field, spelt.clone());
                let answer = call.with("unknown", json!([{}])).await.expect(201);
                assert_eq!(answer["coupon_bank"]["id"], bank, "{field}: {spelt}");
                assert_eq!(answer["campaign"]["id"], CAMPAIGN);
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn what_is_null_is_not_there() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2"]).await;
    let nulls = app.advocate("C1").email("ada@example.com").with("email", Value::Null).with("coupon_code", Value::Null);
    let answer = nulls.with("coupon_bank", Value::Null).with("coupon_bank_id", bank.id).await.expect(201);
    assert_eq!(answer["coupon_bank"]["id"], bank.id);
    let named = app.advocate("C2").with("coupon_bank_id", Value::Null).with("customer.email", Value::Null);
    named.code(if answer["coupon_code"] == "A1" { "A2" } else { "A1" }).await.expect(201);
    app.finish().await;
}

#[tokio::test]
async fn the_version_may_be_left_out_and_slashes_doubled() {
    let app = TestApp::start().await;
    let body = json!({ "campaign": { "id": CAMPAIGN }, "email": "ada@example.com" });
    let first = app.post("/v1/referral_codes", body.clone()).await.expect(201);
    for path in ["/referral_codes", "/v1//referral_codes", "//referral_codes", "/v1/referral_codes/"] {
        assert_eq!(app.post(path, body.clone()).await.expect(200).json, first.json, "{path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn php_clients_put_everything_into_the_query_or_into_a_form() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2", "A3", "A4"]).await.id;
    let personal = app.bank(&["Clooney1"]).await.id;
    let form = "application/x-www-form-urlencoded";
    let fields = |n: u32| {
        format!(
            "campaign[id]={CAMPAIGN}&customer[id]=P{n}&customer[first_name]=Jo+%C3%89&customer[email]=p%2B{n}%40example.com"
        )
    };
    let checked = |answer: Answer, n: u32| {
        let answer = answer.expect(201);
        assert_eq!(answer["coupon_bank"]["id"], if n == 3 { personal } else { bank });
        let customer = &answer["customer"];
        assert_eq!(
            (&customer["account_id"], &customer["first_name"], &customer["email"]),
            (&json!(format!("P{n}")), &json!("Jo É"), &json!(format!("p+{n}@example.com")))
        );
    };
    let encoded = |fields: String| fields.replace('[', "%5B").replace(']', "%5D");

    let query = format!("/v1/referral_codes?{}&coupon_bank_id[id]={bank}", fields(1));
    checked(app.call(Method::POST, &encoded(query)).await, 1);
    let query = format!("/referral_codes?{}&coupon_bank_id={bank}", encoded(fields(2)));
    checked(app.call(Method::POST, &query).header("Content-Type", form).await, 2);
    let query =
        format!("/v1//referral_codes?{}&coupon_code=clooney1", fields(3).replace('[', "%5b").replace(']', "%5d"));
    checked(app.call(Method::POST, &query).header("Content-Type", "application/json").await, 3);
    let body = format!("{}&coupon_bank_id[id]={bank}", fields(4));
    checked(app.post_text("/v1/referral_codes", form, &body).await, 4);
    let body = format!("{}&coupon_bank={bank}\n", encoded(fields(5)));
    checked(app.post_text("/referral_codes", form, &body).await, 5);
    app.finish().await;
}

#[tokio::test]
async fn the_query_is_read_only_when_the_body_is_empty() {
    let app = TestApp::start().await;
    let query = format!("/v1/referral_codes?campaign%5Bid%5D={CAMPAIGN}&customer%5Bid%5D=QUERY");
    let body = json!({ "campaign": { "id": CAMPAIGN }, "customer": { "id": "BODY" } });
    assert_eq!(app.post(&query, body.clone()).await.expect(201)["customer"]["account_id"], "BODY");
    assert_eq!(app.post_text(&query, "", "  \n").await.expect(201)["customer"]["account_id"], "QUERY");
    // curl says that JSON is a form when nobody tells it better.
    let posted = app.post_text("/v1/referral_codes", "application/x-www-form-urlencoded", &body.to_string()).await;
    assert_eq!(posted.expect(200)["customer"]["account_id"], "BODY");
    assert_eq!(app.count("select count(*) from customers").await, 2);
    app.finish().await;
}

#[tokio::test]
async fn the_articles_first_body_is_mended_by_what_each_answer_says() {
    let app = TestApp::start().await;
    app.post("/v1/coupon_banks", json!({ "id": 9900, "name": "Spring codes" })).await.expect(201);
    app.post("/v1/coupon_banks/9900/coupons", json!(["A1"])).await.expect(200);
    let before = stored(&app).await;
    let told = async |body: &str| {
        let answer = app.post_text("/v1/referral_codes", "application/json", body).await.refused(400, "invalid_json");
        answer["message"].as_str().expect("a message").to_owned()
    };
    let message = told(BANK_BODY).await;
    assert!(message.starts_with("Line 2 column 1: ") && message.contains("U+00A0"), "{message}");

    let spaced = BANK_BODY.replace('\u{a0}', " ");
    let message = told(&spaced).await;
    assert!(message.starts_with("Line 9 column 34: a trailing comma"), "{message}");

    let one_comma = spaced.replace("mil\",\n", "mil\"\n");
    let message = told(&one_comma).await;
    assert!(message.starts_with("Line 12 column 17: a trailing comma"), "{message}");

    let no_commas = one_comma.replace("\"9900\",", "\"9900\"");
    let message = told(&no_commas).await;
    assert!(message.starts_with("Line 13 column 2: ") && message.contains("a closing } is missing"), "{message}");
    assert_eq!(stored(&app).await, before);

    let mended = format!("{no_commas}}}");
    let answer = app.post_text("/v1/referral_codes", "application/json", &mended).await.expect(201);
    assert_eq!((&answer["customer"]["account_id"], &answer["coupon_code"]), (&json!("C9911"), &json!("A1")));
    app.finish().await;
}

#[tokio::test]
async fn the_articles_second_body_is_mended_by_what_each_answer_says() {
    let app = TestApp::start().await;
    app.bank(&["Clooney1"]).await;
    let before = stored(&app).await;
    let told = async |body: &str| {
        let answer = app.post_text("/v1/referral_codes", "application/json", body).await.refused(400, "invalid_json");
        answer["message"].as_str().expect("a message").to_owned()
    };
    let message = told(PERSONAL_BODY).await;
    assert!(message.starts_with("Line 2 column 1: ") && message.contains("U+00A0"), "{message}");

    let spaced = PERSONAL_BODY.replace('\u{a0}', " ");
    let message = told(&spaced).await;
    assert!(message.starts_with("Line 9 column 36: a trailing comma"), "{message}");
    assert_eq!(stored(&app).await, before);

    let mended = spaced.replace("mil\",\n", "mil\"\n");
    let answer = app.post_text("/v1/referral_codes", "application/json", &mended).await.expect(201);
    assert_eq!(
        (&answer["customer"]["email"], &answer["coupon_code"]),
        (&json!("cloondog@example.mil"), &json!("Clooney1"))
    );
    app.finish().await;
}
