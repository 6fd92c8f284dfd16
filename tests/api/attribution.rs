//! Who referred an order: by which code, why nobody, and whether the advocate bought from himself.

use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::client::Answer;

/// An account with two advocates: C1, ada@gmail.com, holds A1, and C2 holds B1. FREE and GONE are nobody's, and GONE
/// is retired. Gives the referral codes of the two.
async fn two_advocates(app: &TestApp) -> (String, String) {
    let bank = app.bank(&["A1", "B1", "FREE", "GONE"]).await;
    let one = app.advocate("C1").email("ada@gmail.com").code("A1").await.expect(201);
    let other = app.advocate("C2").code("B1").await.expect(201);
    app.post(&format!("{}/retire", bank.coupons()), json!({ "codes": ["GONE"] })).await.expect(200);
    let code = |issued: &Answer| issued["referral_code"].as_str().expect("a code").to_owned();
    (code(&one), code(&other))
}

/// Why an order was decided as it was, as it is kept with it.
async fn considered(app: &TestApp, order_id: &str) -> Value {
    sqlx::query_scalar("select considered from purchases where order_id = $1")
        .bind(order_id)
        .fetch_one(&app.pool)
        .await
        .expect("the order")
}

/// Our number for the advocate's referral code.
async fn number_of(app: &TestApp, code: &str) -> i64 {
    sqlx::query_scalar("select id from referral_codes where code = $1")
        .bind(code)
        .fetch_one(&app.pool)
        .await
        .expect("the referral code")
}

#[tokio::test]
async fn an_order_is_its_advocates_by_either_code_in_any_case_and_with_spaces_around() {
    let app = TestApp::start().await;
    let (ada, _) = two_advocates(&app).await;
    let upper = format!(" {}\n", ada.to_uppercase());
    let orders = [
        ("coupon_code", "A1", None),
        ("coupon_code", "\t a1 ", None),
        ("referral_code", ada.as_str(), None),
        ("referral_code", &upper, None),
        ("referral_code", &ada, Some("A1")),
        ("referral_code", &upper, Some(" a1")),
        ("referral_code", &ada, Some("NOSUCH")),
        ("referral_code", &ada, Some("FREE")),
    ];
    for (number, (via, code, coupon)) in orders.into_iter().enumerate() {
        let mut order = app.order(&number.to_string()).with(via, code);
        if let Some(coupon) = coupon {
            order = order.code(coupon);
        }
        let answer = order.await.expect(201);
        let attribution = json!({
            "via": via,
            "referral_code": ada,
            "coupon_code": "A1",
            "campaign": { "id": 53345, "name": "Spring referrals" },
            "advocate": {
                "id": answer["attribution"]["advocate"]["id"],
                "account_id": "C1", "email": "ada@gmail.com", "first_name": null, "last_name": null,
            },
            "conflicting_codes": false,
        });
        assert_eq!(
            (&answer["attribution"], &answer["reason"]),
            (&attribution, &Value::Null),
            "{via} {code} {coupon:?}"
        );
        assert_eq!(answer["conversion"]["status"], "pending", "{via} {code} {coupon:?}");
        assert_eq!(answer[via], code, "kept as sent");
    }
    assert_eq!(app.count("select count(*) from conversions").await, 8);
    app.finish().await;
}

#[tokio::test]
async fn of_two_codes_that_name_two_advocates_the_referral_code_wins_and_both_are_kept() {
    let app = TestApp::start().await;
    let (ada, bob) = two_advocates(&app).await;
    let answer = app.order("281").referral_code(&bob).code("A1").await.expect(201);
    let attribution = &answer["attribution"];
    assert_eq!((&attribution["via"], &attribution["conflicting_codes"]), (&json!("referral_code"), &json!(true)));
    assert_eq!((&attribution["referral_code"], &attribution["advocate"]["account_id"]), (&json!(bob), &json!("C2")));
    assert_eq!((&answer["referral_code"], &answer["coupon_code"]), (&json!(bob), &json!("A1")));
    let kept = json!([
        { "kind": "referral_code", "verdict": "decided", "referral_code_id": number_of(&app, &bob).await },
        { "kind": "coupon_code", "verdict": "outranked", "referral_code_id": number_of(&app, &ada).await },
    ]);
    assert_eq!(considered(&app, "281").await, kept);
    assert_eq!(app.count("select count(*) from conversions").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_code_that_names_nobody_is_passed_over_and_the_other_decides() {
    let app = TestApp::start().await;
    let (ada, _) = two_advocates(&app).await;
    let answer = app.order("281").referral_code("nosuch").code("A1").await.expect(201);
    let attribution = &answer["attribution"];
    assert_eq!((&attribution["via"], &attribution["conflicting_codes"]), (&json!("coupon_code"), &json!(false)));
    let kept = json!([
        { "kind": "referral_code", "verdict": "unknown_code", "referral_code_id": null },
        { "kind": "coupon_code", "verdict": "decided", "referral_code_id": number_of(&app, &ada).await },
    ]);
    assert_eq!(considered(&app, "281").await, kept);
    app.finish().await;
}

#[tokio::test]
async fn an_order_that_nobody_referred_says_why() {
    let app = TestApp::start().await;
    two_advocates(&app).await;
    let orders = [
        (None, None, "no_code"),
        (Some(""), Some(" "), "no_code"),
        (Some("nosuch"), None, "unknown_code"),
        (None, Some("nosuch"), "unknown_code"),
        (Some("nosuch"), Some("nosuch"), "unknown_code"),
        (None, Some("FREE"), "unbound_code"),
        (Some("nosuch"), Some("free "), "unbound_code"),
        (None, Some("GONE"), "unbound_code"),
        // Each code counts in its own field: a free coupon is nobody's referral code.
        (Some("FREE"), None, "unknown_code"),
    ];
    for (number, (referral_code, coupon_code, reason)) in orders.into_iter().enumerate() {
        let order =
            app.order(&number.to_string()).with("referral_code", referral_code).with("coupon_code", coupon_code);
        let answer = order.await.expect(201);
        let nobody = json!([null, reason, null]);
        let found = json!([answer["attribution"], answer["reason"], answer["conversion"]]);
        assert_eq!(found, nobody, "{referral_code:?} {coupon_code:?}");
    }
    assert_eq!(app.count("select count(*) from conversions").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_coupon_that_is_bound_after_an_order_does_not_pay_for_it() {
    let app = TestApp::start().await;
    app.bank(&["FREE"]).await;
    let early = app.order("281").code("FREE").await.expect(201);
    assert_eq!(early["reason"], "unbound_code");
    app.advocate("C1").code("FREE").await.expect(201);
    let again = app.order("281").code("FREE").await.expect(200);
    assert_eq!((&again.text, app.count("select count(*) from conversions").await), (&early.text, 0));
    let late = app.order("282").code("FREE").await.expect(201);
    assert_eq!(late["attribution"]["advocate"]["account_id"], "C1");
    app.finish().await;
}

#[tokio::test]
async fn another_accounts_codes_are_unknown_like_those_that_do_not_exist() {
    let app = TestApp::start().await;
    let rival = app.other_account().await;
    let (ada, _) = two_advocates(&app).await;
    for (number, (field, code)) in
        [("coupon_code", "A1"), ("coupon_code", "FREE"), ("referral_code", ada.as_str())].into_iter().enumerate()
    {
        let foreign = rival.order(&format!("foreign {number}")).with(field, code).await.expect(201);
        let unknown = rival.order(&format!("unknown {number}")).with(field, "nosuch").await.expect(201);
        for answer in [foreign, unknown] {
            assert_eq!((&answer["attribution"], &answer["reason"]), (&Value::Null, &json!("unknown_code")), "{code}");
        }
    }
    // The same code may be another advocate's over there.
    rival.bank(&["A1"]).await;
    rival.advocate("R1").code("A1").await.expect(201);
    let theirs = rival.order("281").code("A1").await.expect(201);
    assert_eq!(theirs["attribution"]["advocate"]["account_id"], "R1");
    let ours = app.order("281").code("A1").await.expect(201);
    assert_eq!(ours["attribution"]["advocate"]["account_id"], "C1");
    app.finish().await;
}

#[tokio::test]
async fn an_advocate_who_buys_from_himself_is_recorded_and_rejected() {
    let app = TestApp::start().await;
    two_advocates(&app).await;
    // customer.id, customer.email, order.email; then same customer, same e-mail, fuzzy e-mail.
    let buyers = [
        (Some("C1"), None, None, (true, false, false)),
        (Some("C1"), Some("ada@gmail.com"), None, (true, true, false)),
        (Some("C1"), Some("other@example.com"), Some("third@example.com"), (true, false, false)),
        (None, Some("ada@gmail.com"), None, (false, true, false)),
        (None, None, Some("ada@gmail.com"), (false, true, false)),
        (None, None, Some("ADA@GMail.com"), (false, true, false)),
        (Some("C9"), Some("other@example.com"), Some("Ada@gmail.com"), (false, true, false)),
        (None, None, Some("ada+shop@gmail.com"), (false, false, true)),
        (None, Some("a.d.a@gmail.com"), None, (false, false, true)),
        (None, None, Some("A.da+1@googlemail.com"), (false, false, true)),
        (Some("C1"), Some("a.da@gmail.com"), None, (true, false, true)),
        (None, Some("a.d.a@gmail.com"), Some("ada@gmail.com"), (false, true, false)),
        (None, None, None, (false, false, false)),
        (Some("c1"), None, None, (false, false, false)),
        (Some("C2"), Some("bob@gmail.com"), Some("ada@example.com"), (false, false, false)),
        (None, None, Some("adam@gmail.com"), (false, false, false)),
    ];
    for (number, (id, email, order_email, (same_customer, same_email, fuzzy_email))) in buyers.into_iter().enumerate() {
        let mut order = app.order(&number.to_string()).code("A1").with("order.email", order_email);
        if id.is_some() || email.is_some() {
            order = order.with("customer.id", id).with("customer.email", email);
        }
        let answer = order.await.expect(201);
        let wanted = json!({
            "same_email": same_email, "fuzzy_email": fuzzy_email, "same_customer": same_customer, "same_shopper": false,
        });
        let status = if same_customer || same_email || fuzzy_email { "rejected" } else { "pending" };
        let conversion = &answer["conversion"];
        assert_eq!(
            (&conversion["fraud"], &conversion["status"]),
            (&wanted, &json!(status)),
            "{id:?} {email:?} {order_email:?}"
        );
        assert_eq!(answer["attribution"]["advocate"]["account_id"], "C1", "attributed all the same");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_buyer_is_recognised_and_an_order_neither_adds_nor_changes_a_customer() {
    let app = TestApp::start().await;
    let known = app.advocate("C1").email("ada@example.com").with("customer.first_name", "Ada").await.expect(201);
    let mail_only = app.advocate("").with("customer", json!({ "email": "bob@example.com" })).await.expect(201);
    let (ada, bob) = (&known["customer"]["id"], &mail_only["customer"]["id"]);
    let customers = async || -> String {
        let all = "select string_agg(c::text, ';' order by id) from customers c";
        sqlx::query_scalar(all).fetch_one(&app.pool).await.expect("customers")
    };
    let before = customers().await;
    // customer.id, customer.email, and who it is.
    let buyers = [
        (Some("C1"), None, ada),
        (Some("C1"), Some("new@example.com"), ada),
        (None, Some("ADA@example.com"), ada),
        (Some("C1"), Some("bob@example.com"), ada),
        (None, Some("bob@example.com"), bob),
        // Whoever has an id is not the one who is known by e-mail alone, nor the one with another id.
        (Some("C3"), Some("bob@example.com"), &Value::Null),
        (Some("C4"), Some("ada@example.com"), &Value::Null),
        (Some("c1"), None, &Value::Null),
        (None, Some("third@example.com"), &Value::Null),
        (None, None, &Value::Null),
    ];
    for (number, (id, email, who)) in buyers.into_iter().enumerate() {
        for name in [None, Some("Somebody")] {
            let expected = [id, email, name];
            let order = app.order(&format!("{number} {name:?}")).with("customer.id", id).with("customer.email", email);
            let customer = order.with("customer.first_name", name).await.expect(201)["customer"].clone();
            let wanted = json!({
                "id": who, "account_id": expected[0], "email": expected[1], "first_name": expected[2], "last_name": null,
            });
            let said_nothing = expected.iter().all(Option::is_none);
            assert_eq!(customer, if said_nothing { Value::Null } else { wanted }, "{expected:?}");
            assert_eq!(customers().await, before, "{expected:?}");
        }
    }
    app.finish().await;
}
