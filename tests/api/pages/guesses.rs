//! Strangers who make up page reports of orders whose numbers they guess: it earns them nothing, and takes nothing from others.

use serde_json::{Value, json};

use crate::harness::app::TestApp;

async fn code(app: &TestApp, id: &str, email: &str) -> String {
    app.advocate(id).email(email).await.expect(201)["referral_code"].as_str().expect("a code").to_owned()
}

async fn with_rewards() -> TestApp {
    let app = TestApp::start().await;
    app.rules(json!({ "reward": { "type": "percentage", "value": 10 } })).await;
    app
}

/// Who was credited with an order, how its conversion stands, and what was earned in all.
async fn told(app: &TestApp, order: &str) -> (Value, Value, Value) {
    let found = app.get(&format!("/v1/purchases/{order}")).await.expect(200);
    let rewards = app.get("/v1/rewards").await.expect(200);
    let earned = rewards["results"].as_array().expect("a list").iter().map(|reward| reward["amount"].clone()).collect();
    (found["attribution"]["referral_code"].clone(), found["conversion"]["status"].clone(), earned)
}

#[tokio::test]
async fn a_made_up_order_of_his_own_does_not_spoil_the_order_for_its_advocate() {
    for is_evaluated_between in [true, false] {
        let app = with_rewards().await;
        let (page, ada) = (app.page().await, code(&app, "ADA", "ada@example.com").await);
        let thief = code(&app, "THIEF", "thief@example.com").await;
        // It looks like a self-referral, which would be rejected for good.
        let forged = json!({ "order": { "email": "thief@example.com" }, "referral_code": thief });
        page.order("A1", forged).await.expect(204);
        if is_evaluated_between {
            app.evaluate().await;
        }
        app.order("A1").email("friend@example.com").referral_code(&ada).await.expect(200);
        app.evaluate().await;
        assert_eq!(told(&app, "A1").await, (json!(ada), json!("approved"), json!([10.0])), "{is_evaluated_between}");
        app.finish().await;
    }
}

#[tokio::test]
async fn a_page_that_names_no_buyer_is_not_confirmed_by_a_report_that_names_nobody_or_somebody() {
    for email in ["", "friend@example.com"] {
        let app = with_rewards().await;
        let (page, thief) = (app.page().await, code(&app, "THIEF", "thief@example.com").await);
        page.order("A1", json!({ "referral_code": thief })).await.expect(204);
        app.evaluate().await;
        let server = app.order("A1");
        let server = if email.is_empty() { server } else { server.email(email) };
        server.await.expect(200);
        app.evaluate().await;
        assert_eq!(told(&app, "A1").await.2, json!([]), "{email}");
        app.finish().await;
    }
}

#[tokio::test]
async fn whether_the_customer_is_new_a_page_does_not_say() {
    let app = with_rewards().await;
    app.rules(json!({ "new_customers_only": true, "reward": { "type": "percentage", "value": 10 } })).await;
    let (page, ada) = (app.page().await, code(&app, "ADA", "ada@example.com").await);
    app.order("A0").email("friend@example.com").with("customer.id", "C2").await.expect(201);
    let claim = json!({ "order": { "email": "friend@example.com", "new_customer": true }, "customer": { "id": "NOBODY" },
        "referral_code": ada });
    page.order("A1", claim).await.expect(204);
    app.order("A1").email("friend@example.com").with("customer.id", "C2").await.expect(200);
    app.evaluate().await;
    assert_eq!(told(&app, "A1").await, (json!(ada), json!("rejected"), json!([])));
    app.finish().await;
}
