//! Rewards as clients of the compatible API read them, their ledgers, and their payout.

use serde_json::{Value, json};

use crate::harness::app::{CAMPAIGN, TestApp};

/// An account of two advocates, with a reward of ten percent for each of three orders: two of Ada's, one of Bob's. Gives the
/// advocates' numbers.
async fn with_rewards() -> (TestApp, Value, Value) {
    let app = TestApp::start().await;
    app.bank(&["A1", "B1"]).await;
    let ada = app.advocate("C1").email("ada@example.com").code("A1").await.expect(201);
    let bob = app.advocate("C2").code("B1").await.expect(201);
    app.rules(json!({ "reward": { "type": "percentage", "value": 10 } })).await;
    app.order("281").code("A1").await.expect(201);
    app.order("282").code("B1").with("source", "till-1").await.expect(201);
    app.order("283").code("A1").with("order.amount", "50.55").await.expect(201);
    assert_eq!(app.evaluate().await, 3);
    (app, ada["customer"]["id"].clone(), bob["customer"]["id"].clone())
}

#[tokio::test]
async fn a_reward_names_its_advocate_its_conversion_and_its_order() {
    let (app, ada, _) = with_rewards().await;
    let rewards = app.get("/v1/rewards").await.expect(200);
    assert_eq!((&rewards["total_results_count"], &rewards["this_page_results_count"]), (&json!(3), &json!(3)));
    let mut reward = rewards["results"][0].clone();
    let conversion = app.get("/v1/purchases/281").await.expect(200)["conversion"].clone();
    assert_eq!(reward["conversion"]["id"], conversion["id"]);
    let code = app.advocate("C1").await.expect(200)["referral_code"].clone();
    for volatile in ["/id", "/conversion/id"] {
        *reward.pointer_mut(volatile).expect(volatile) = json!(0);
    }
    let fraud = json!({ "same_email": false, "fuzzy_email": false, "same_customer": false, "same_shopper": false });
    let wanted = json!({
        "id": 0,
        "amount": 10.0,
        "type": "USD",
        "status": "valid",
        "rejected_reasons": null,
        "earned": 10.0,
        "reversed": 0.0,
        "paid": 0.0,
        "outstanding": 10.0,
        "paid_at": null,
        "customer": { "id": ada, "account_id": "C1", "email": "ada@example.com", "first_name": null, "last_name": null },
        "campaign": { "id": CAMPAIGN, "name": "Spring referrals" },
        "referral_code": code,
        "conversion": {
            "id": 0,
            "status": "approved",
            "possible_self_referral": false,
            "fraud": fraud,
            "purchase": { "order_id": "281", "source": "", "total": 100.0, "currency": "USD", "date": "2026-08-01T12:00:00Z" },
            "created_at": "2026-08-01T12:00:00Z",
        },
        "evaluate_at": "2026-08-01T12:00:00Z",
        "created_at": "2026-08-01T12:00:00Z",
    });
    assert_eq!(reward, wanted);
    let shown = app.get(&format!("/v1/conversions/{}", conversion["id"])).await.expect(200);
    assert_eq!(shown["rewards"], json!([rewards["results"][0]]), "its conversion shows it too");
    assert!(rewards.text.contains(r#""amount":5.06,"type":"USD""#), "in the decimals of the unit: {}", rewards.text);
    app.finish().await;
}

#[tokio::test]
async fn rewards_come_in_pages_and_by_advocate() {
    let (app, ada, bob) = with_rewards().await;
    let orders = async |path: &str| -> Vec<Value> {
        let page = app.get(path).await.expect(200);
        let rewards = page["results"].as_array().into_iter().flatten();
        rewards.map(|reward| reward["conversion"]["purchase"]["order_id"].clone()).collect()
    };
    assert_eq!(orders("/v1/rewards").await, ["281", "282", "283"]);
    assert_eq!(orders("/v1/rewards?limit=1&offset=1").await, ["282"]);
    assert_eq!(orders("/v1/rewards?offset=3").await, Vec::<Value>::new());
    assert_eq!(orders(&format!("/v1/customers/{ada}/rewards")).await, ["281", "283"]);
    assert_eq!(orders(&format!("/v1/customers/{ada}/rewards?offset=1")).await, ["283"]);
    assert_eq!(orders(&format!("/v1/customers/{bob}/rewards")).await, ["282"]);
    app.get("/v1/customers/1/rewards").await.refused(404, "customer_not_found");
    app.get("/v1/rewards?limit=0").await.refused(400, "invalid_parameter");
    app.finish().await;
}

#[tokio::test]
async fn a_reward_that_is_paid_out_is_paid_once() {
    let (app, ..) = with_rewards().await;
    let id = app.get("/v1/rewards").await.expect(200)["results"][0]["id"].clone();
    app.pass_days(30);
    let path = format!("/v1/rewards/{id}/pay");
    let paid = app.call(reqwest::Method::POST, &path).await.expect(200);
    let sums = |answer: &crate::harness::client::Answer| {
        json!([answer["amount"], answer["paid"], answer["outstanding"], answer["paid_at"]])
    };
    assert_eq!(sums(&paid), json!([10.0, 10.0, 0.0, "2026-08-31T12:00:00Z"]));
    app.pass_days(1);
    let again = app.post(&path, json!({ "unknown": 1 })).await.expect(200);
    assert_eq!(again.json, paid.json, "nothing is outstanding, so nothing happens");

    // What is taken back after it was paid is outstanding the other way round.
    let conversion = &paid["conversion"]["id"];
    app.post(&format!("/v1/conversions/{conversion}/reject"), json!({ "reason": "Fraud" })).await.expect(200);
    let reversed = app.get(&format!("/v1/rewards/{id}")).await.expect(200);
    assert_eq!(sums(&reversed), json!([0.0, 10.0, -10.0, "2026-08-31T12:00:00Z"]));
    assert_eq!((&reversed["status"], &reversed["rejected_reasons"]["same_email"]), (&json!("invalid"), &json!(false)));
    let settled = app.post(&path, json!({})).await.expect(200);
    assert_eq!(sums(&settled), json!([0.0, 0.0, 0.0, "2026-09-01T12:00:00Z"]));
    let kinds: Vec<_> = settled["entries"].as_array().into_iter().flatten().map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["earned", "paid", "reversed", "paid"]);
    app.finish().await;
}

#[tokio::test]
async fn who_says_what_he_paid_hears_when_another_amount_is_outstanding() {
    let (app, ..) = with_rewards().await;
    let id = app.get("/v1/rewards").await.expect(200)["results"][0]["id"].clone();
    let pay = async |body: Value| app.post(&format!("/v1/rewards/{id}/pay"), body).await;
    let differs = async |body: Value, outstanding: f64| {
        let refusal = pay(body).await.refused(409, "amount_differs");
        assert_eq!(
            (&refusal["error"]["outstanding"], &refusal["error"]["param"]),
            (&json!(outstanding), &json!("amount"))
        );
    };
    differs(json!({ "amount": 9.99 }), 10.0).await;
    differs(json!({ "amount": 0 }), 10.0).await;
    app.post("/v1/purchases/281/refunds", json!({ "id": "R1", "amount": 50 })).await.expect(201);
    // Part of it was taken back after he had looked.
    differs(json!({ "amount": 10 }), 5.0).await;
    assert_eq!(app.count("select count(*) from reward_entries where kind = 'paid'").await, 0);
    let paid = pay(json!({ "amount": "5.00" })).await.expect(200);
    assert_eq!((&paid["paid"], &paid["outstanding"]), (&json!(5.0), &json!(0.0)));
    // The same again is the same call again; anything else is not.
    assert_eq!(pay(json!({ "amount": 5 })).await.expect(200).json, paid.json);
    assert_eq!(pay(json!({ "amount": null })).await.expect(200).json, paid.json);
    differs(json!({ "amount": 4 }), 0.0).await;
    app.post("/v1/purchases/281/cancel", json!({})).await.expect(200);
    differs(json!({ "amount": 5 }), -5.0).await;
    assert_eq!(pay(json!({ "amount": -5 })).await.expect(200)["paid"], 0.0);
    for (body, code) in [
        (json!({ "amount": "much" }), "invalid_amount"),
        (json!({ "amount": "1e99" }), "out_of_range"),
        (json!({ "amount": true }), "invalid_type"),
    ] {
        let refusal = pay(body).await.refused(400, code);
        assert_eq!(refusal["error"]["param"], "amount");
    }
    let typed =
        app.call(reqwest::Method::POST, &format!("/v1/rewards/{id}/pay")).header("Content-Type", "application/json");
    typed.await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn many_who_pay_one_reward_at_once_pay_it_once() {
    let (app, ..) = with_rewards().await;
    let id = app.get("/v1/rewards").await.expect(200)["results"][0]["id"].clone();
    let path = format!("/v1/rewards/{id}/pay");
    let paid = futures_util::future::join_all((0..16).map(|_| async { app.post(&path, json!({})).await })).await;
    for answer in paid {
        assert_eq!(answer.expect(200)["outstanding"], 0.0);
    }
    assert_eq!(app.count("select count(*) from reward_entries where kind = 'paid'").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn another_accounts_reward_is_answered_like_one_that_does_not_exist() {
    let (app, ada, _) = with_rewards().await;
    let id = app.get("/v1/rewards").await.expect(200)["results"][0]["id"].clone();
    let rival = app.other_account().await;
    assert_eq!(rival.get("/v1/rewards").await.expect(200)["total_results_count"], 0);
    rival.get(&format!("/v1/customers/{ada}/rewards")).await.refused(404, "customer_not_found");
    for id in [id, json!(1), json!("x")] {
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        rival.get(&format!("/v1/rewards/{id}")).await.refused(404, "reward_not_found");
        rival.post(&format!("/v1/rewards/{id}/pay"), json!({})).await.refused(404, "reward_not_found");
    }
    assert_eq!(app.count("select count(*) from reward_entries where kind = 'paid'").await, 0);
    app.finish().await;
}
