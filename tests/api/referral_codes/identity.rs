//! Who is meant: by id, by e-mail, by both, and what is learnt of him on the way.

use serde_json::{Value, json};

use super::{stored, whoever_has};
use crate::harness::app::TestApp;

#[tokio::test]
async fn a_customer_known_by_email_alone_takes_on_the_id_of_a_later_call() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2"]).await;
    let first = whoever_has(&app, "ada@example.com").out_of(&bank).await.expect(201);
    assert_eq!(first["customer"]["account_id"], Value::Null);

    let adopted = app.advocate("C1").email("ada@example.com").out_of(&bank).await.expect(200);
    assert_eq!(adopted["customer"]["account_id"], "C1");
    for field in ["referral_code", "coupon_code"] {
        assert_eq!(adopted[field], first[field], "{field}");
    }
    assert_eq!(adopted["customer"]["id"], first["customer"]["id"]);
    for again in [app.advocate("C1"), whoever_has(&app, "ada@example.com")] {
        assert_eq!(again.await.expect(200).json, adopted.json);
    }
    assert_eq!(app.count("select count(*) from customers").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_known_id_takes_on_a_new_email_and_keeps_its_code() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2"]).await;
    let first = app.advocate("C1").email("ada@example.com").out_of(&bank).await.expect(201);
    let moved = app.advocate("C1").email("ada@example.org").out_of(&bank).await.expect(200);
    assert_eq!(moved["customer"]["email"], "ada@example.org");
    assert_eq!((&moved["referral_code"], &moved["coupon_code"]), (&first["referral_code"], &first["coupon_code"]));
    assert_eq!(whoever_has(&app, "ada@example.org").await.expect(200).json, moved.json);

    // One without an e-mail gets his first; the address that was given up is anybody's.
    app.advocate("C2").await.expect(201);
    let second = app.advocate("C2").email("ada@example.com").await.expect(200);
    assert_ne!(second["referral_code"], first["referral_code"]);
    assert_eq!(app.count("select count(*) from customers").await, 2);
    app.finish().await;
}

#[tokio::test]
async fn an_id_and_an_email_of_two_customers_are_refused_and_use_nothing_up() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2"]).await;
    app.advocate("C1").email("ada@example.com").await.expect(201);
    app.advocate("C2").email("bob@example.com").await.expect(201);
    whoever_has(&app, "eve@example.com").await.expect(201);
    let before = stored(&app).await;
    for (id, email) in [("C1", "bob@example.com"), ("C3", "BOB@example.com"), ("C1", "eve@example.com")] {
        for call in [
            app.advocate(id),
            app.advocate(id).out_of(&bank),
            app.advocate(id).code("A1"),
            app.advocate(id).with("customer.first_name", "Mallory"),
        ] {
            let refusal = call.email(email).await.refused(409, "identity_conflict");
            assert_eq!(refusal["error"]["param"], "customer");
            assert!(!refusal.text.to_lowercase().contains("example.com"), "{}", refusal.text);
        }
    }
    assert_eq!(stored(&app).await, before);
    app.finish().await;
}

#[tokio::test]
async fn an_email_is_the_same_in_any_case_and_a_top_level_one_is_his() {
    let app = TestApp::start().await;
    let bank = app.bank(&["A1", "A2"]).await;
    let first = whoever_has(&app, "jzheng@example.mil").out_of(&bank).await.expect(201);
    let again = whoever_has(&app, "JZheng@Example.MIL").out_of(&bank).await.expect(200);
    for field in ["referral_code", "coupon_code"] {
        assert_eq!(again[field], first[field], "{field}");
    }
    let top = json!({ "campaign": { "id": 53345 }, "email": "jzheng@example.mil" });
    assert_eq!(app.post("/v1/referral_codes", top.clone()).await.expect(200)["referral_code"], first["referral_code"]);
    let both = app.advocate("C1").email("JZHENG@example.mil").with("email", "jzheng@EXAMPLE.mil").await.expect(200);
    assert_eq!((&both["referral_code"], &both["customer"]["account_id"]), (&first["referral_code"], &json!("C1")));
    assert_eq!(app.count("select count(*) from customers").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn ids_are_compared_letter_by_letter_and_a_number_is_its_digits() {
    let app = TestApp::start().await;
    let number = app.advocate("").with("customer.id", 9911).await.expect(201);
    assert_eq!(number["customer"]["account_id"], "9911");
    assert_eq!(app.advocate("9911").await.expect(200).json, number.json);
    for other in ["09911", "C9911", "c9911", " 9911", "9911 ", "9911.0", "９９１１"] {
        let answer = app.advocate(other).await.expect(201);
        assert_eq!(answer["customer"]["account_id"], other);
    }
    // Beyond what a float can tell apart.
    let large = app.advocate("").with("customer.id", 9_007_199_254_740_993_i64).await.expect(201);
    assert_eq!(large["customer"]["account_id"], "9007199254740993");
    app.advocate("9007199254740992").await.expect(201);
    assert_eq!(app.count("select count(*) from customers").await, 10);
    app.finish().await;
}

#[tokio::test]
async fn names_are_kept_to_the_letter_and_a_blank_one_takes_nothing_away() {
    let app = TestApp::start().await;
    for name in [
        "<script>alert(1)</script>",
        "=HYPERLINK(\"http://evil.example\")",
        "' OR 1=1 --",
        "{{7*7}}",
        "%s%n",
        "👩‍👩‍👧",
        "شمس",
        "\u{202e}abc",
        &"é".repeat(255),
    ] {
        let call = app.advocate("C1").with("customer.first_name", name).with("customer.last_name", name);
        let answer = call.await;
        assert!(answer.status < 300, "{}", answer.text);
        assert_eq!((&answer["customer"]["first_name"], &answer["customer"]["last_name"]), (&json!(name), &json!(name)));
    }
    app.advocate("C1").with("customer.first_name", "Ada").with("customer.last_name", "Byron").await.expect(200);
    for nothing in [json!(""), json!("  "), json!(null)] {
        let answer = app.advocate("C1").with("customer.first_name", nothing).await.expect(200);
        assert_eq!(
            (&answer["customer"]["first_name"], &answer["customer"]["last_name"]),
            (&json!("Ada"), &json!("Byron"))
        );
    }
    app.finish().await;
}
