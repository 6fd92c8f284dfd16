//! The main job, from an empty account to an order that names its advocate.

use serde_json::json;

use crate::harness::app::TestApp;

#[tokio::test]
async fn a_friends_order_names_the_advocate_whose_coupon_it_came_with() {
    let app = TestApp::start().await;
    let bank = app.bank(&["FRIEND-1"]).await;

    let issued = app.advocate("C9911").email("jzheng@example.mil").out_of(&bank).await.expect(201);
    assert_eq!(issued["coupon_code"], "FRIEND-1");

    let order =
        app.order("281").code("friend-1").email("friend@example.mil").with("order.amount", 795).await.expect(201);
    assert_eq!(order["attribution"]["via"], "coupon_code");
    assert_eq!(order["attribution"]["advocate"]["account_id"], "C9911");
    assert_eq!(order["conversion"]["status"], "pending");
    assert_eq!(app.get("/v1/purchases/281").await.expect(200).json, order.json);
    app.finish().await;
}

#[tokio::test]
async fn an_order_that_came_through_the_link_names_its_advocate_too() {
    let app = TestApp::start().await;
    let issued = app.advocate("C9911").await.expect(201);
    let code = issued["referral_code"].as_str().expect("a code");

    let followed = app.anonymous().get(&format!("/acme/{code}")).await.expect(302);
    let page = format!("https://shop.example.com/welcome?fbuy_ref_code={code}&");
    assert!(followed.header("location").starts_with(&page), "{}", followed.header("location"));

    let order = app.order("282").referral_code(code).await.expect(201);
    assert_eq!(order["attribution"]["via"], "referral_code");
    app.finish().await;
}

#[tokio::test]
async fn the_same_order_again_is_answered_as_the_first_time_and_recorded_once() {
    let app = TestApp::start().await;
    let first = app.order("281").code("NOSUCHCODE").await.expect(201);
    assert_eq!((&first["attribution"], &first["reason"]), (&json!(null), &json!("unknown_code")));

    app.clock.advance(time::Duration::days(3));
    let again = app.order("281").code("NOSUCHCODE").await.expect(200);
    assert_eq!(again.json, first.json);
    assert_eq!(app.count("select count(*) from purchases").await, 1);
    app.finish().await;
}
