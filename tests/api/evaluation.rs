//! What becomes of conversions when they fall due, by the rules of their campaign.

use goodword::conversions::evaluation::{self, Aside};
use serde_json::{Value, json};

use crate::harness::app::{CAMPAIGN, TestApp};
use crate::harness::client::Shop;
use crate::harness::detour::Detour;
use crate::harness::words::Request;

/// An account whose advocate C1, ada@example.com, holds A1.
async fn with_an_advocate() -> TestApp {
    let app = TestApp::start().await;
    app.bank(&["A1", "B1"]).await;
    app.advocate("C1").email("ada@example.com").code("A1").await.expect(201);
    app
}

/// Reports an order with A1, evaluates what is due, and tells the order's conversion, its findings and its reward.
async fn judged(app: &TestApp, order: Request) -> (Value, Vec<String>, Value) {
    let id = order.code("A1").await.expect(201)["conversion"]["id"].as_i64().expect("a conversion");
    app.evaluate().await;
    verdict(app, id).await
}

async fn verdict(app: &TestApp, id: i64) -> (Value, Vec<String>, Value) {
    let history = app.get(&format!("/v1/conversions/{id}/history")).await.expect(200);
    let last = history["results"].as_array().and_then(|entries| entries.last()).cloned().unwrap_or_default();
    let findings = last["findings"].as_array().into_iter().flatten();
    let findings = findings.map(|finding| finding.as_str().expect("text").to_owned()).collect();
    let rewards = app.get("/v1/rewards?limit=1000").await.expect(200);
    let mut rewards = rewards["results"].as_array().into_iter().flatten();
    let reward = rewards.find(|reward| reward["conversion"]["id"] == id).cloned().unwrap_or_default();
    let shown = if last["event"] == "held" { json!("held") } else { last["status"].clone() };
    (shown, findings, json!([reward["amount"], reward["type"]]))
}

#[tokio::test]
async fn a_campaign_without_rules_approves_what_is_due_and_rewards_nobody() {
    let app = with_an_advocate().await;
    let order = app.order("281").code("A1").await.expect(201);
    let path = format!("/v1/conversions/{}/history", order["conversion"]["id"]);
    assert_eq!((&order["conversion"]["status"], app.evaluate().await), (&json!("pending"), 1));
    let replay = app.order("281").code("A1").await.expect(200);
    assert_eq!(replay["conversion"]["status"], "approved");
    let history = app.get(&path).await.expect(200);
    let entry = &history["results"][0];
    let told = json!([entry["event"], entry["status_before"], entry["status"], entry["decided_by"], entry["findings"]]);
    assert_eq!(told, json!(["approved", "pending", "approved", "rules", []]));
    assert_eq!((&history["total_results_count"], &entry["rules"]["self_referral"]), (&json!(1), &json!("reject")));
    assert_eq!(app.get("/v1/rewards").await.expect(200)["total_results_count"], 0);
    assert_eq!(app.evaluate().await, 0, "nothing is evaluated twice");
    app.finish().await;
}

#[tokio::test]
async fn a_conversion_waits_for_the_delay_of_its_campaign() {
    let app = with_an_advocate().await;
    app.rules(json!({ "days_to_delay": 14, "reward": { "type": "fixed", "value": 10 } })).await;
    app.order("281").code("A1").await.expect(201);
    for (days, due) in [(0, 0), (13, 0), (1, 1), (1, 0)] {
        app.pass_days(days);
        assert_eq!(app.evaluate().await, due, "after {days} more days");
    }
    let reward = &app.get("/v1/rewards").await.expect(200)["results"][0];
    assert_eq!(reward["evaluate_at"], "2026-08-15T12:00:00Z");
    // Rules hold for what is not evaluated yet: a shorter delay makes it due.
    app.order("282").code("A1").await.expect(201);
    assert_eq!(app.evaluate().await, 0);
    app.rules(json!({})).await;
    assert_eq!(app.evaluate().await, 1);
    app.finish().await;
}

#[tokio::test]
async fn rewards_are_fixed_or_a_part_of_the_order_in_the_decimals_of_their_unit() {
    let app = with_an_advocate().await;
    let cases = [
        (json!({ "type": "fixed", "value": 10 }), json!({}), json!([10.00, "USD"])),
        (json!({ "type": "fixed", "unit": "points", "value": 250 }), json!({}), json!([250.00, "points"])),
        (json!({ "type": "percentage", "value": 10 }), json!({ "amount": "79.55" }), json!([7.96, "USD"])),
        (json!({ "type": "percentage", "value": 10, "cap": 5 }), json!({ "amount": 100 }), json!([5.00, "USD"])),
        (
            json!({ "type": "percentage", "value": 10 }),
            json!({ "amount": 995, "currency": "JPY" }),
            json!([100, "JPY"]),
        ),
        (json!({ "type": "percentage", "value": 1 }), json!({ "amount": "0.10" }), json!([null, null])),
    ];
    for (number, (reward, order, wanted)) in cases.into_iter().enumerate() {
        app.rules(json!({ "reward": reward })).await;
        let mut request = app.order(&number.to_string());
        for (field, value) in order.as_object().expect("fields") {
            request = request.with(&format!("order.{field}"), value.clone());
        }
        let (status, _, given) = judged(&app, request).await;
        assert_eq!((status, given), (json!("approved"), wanted), "{reward} of {order}");
    }
    app.finish().await;
}

#[tokio::test]
async fn each_rule_rejects_with_its_reason() {
    let app = with_an_advocate().await;
    let new_only = json!({ "new_customers_only": true });
    let minimum = json!({ "minimum_amount": 50 });
    let order = |id: &str| app.order(id);
    app.order("before").with("customer.id", "C7").await.expect(201);
    app.pass_days(1);
    let cases = [
        (&new_only, order("1").with("order.new_customer", true), None),
        (&new_only, order("2").with("order.new_customer", false), Some("not_a_new_customer")),
        (&new_only, order("3").with("customer.id", "C7"), Some("not_a_new_customer")),
        (&new_only, order("4").with("customer.id", "C8"), None),
        (&new_only, order("5").with("customer.id", "C8"), Some("not_a_new_customer")),
        (&new_only, order("6").with("customer.id", "C7").with("order.new_customer", true), None),
        (&new_only, order("7"), Some("new_customer_unknown")),
        (&minimum, order("8").with("order.amount", "49.99"), Some("below_minimum_amount")),
        (&minimum, order("9").with("order.amount", 50), None),
    ];
    for (rules, order, finding) in cases {
        app.rules(rules.clone()).await;
        let sent = order.body.clone();
        let (status, findings, _) = judged(&app, order).await;
        let wanted = if finding.is_some() { "rejected" } else { "approved" };
        assert_eq!((status, findings), (json!(wanted), finding.into_iter().map(str::to_owned).collect()), "{sent}");
    }
    app.finish().await;
}

#[tokio::test]
async fn of_two_orders_of_one_day_the_one_recorded_first_is_the_first_whatever_their_numbers() {
    let app = with_an_advocate().await;
    app.rules(json!({ "new_customers_only": true })).await;
    // One server has drawn numbers and not used them all; another has higher ones.
    for number in 0..4 {
        app.order(&format!("before {number}")).await.expect(201);
    }
    let detour = Detour::start(&app).await;
    let on_that_day = |shop: &Shop, id: &str| {
        shop.order(id).with("order.date", "2026-07-30").with("customer.id", "C8").code("A1").into_future()
    };
    let first = on_that_day(&detour.shop, "first").await.expect(201);
    app.pass_days(1);
    let second = on_that_day(&app, "second").await.expect(201);
    assert!(second["id"].as_i64() < first["id"].as_i64(), "{second:?} after {first:?}");
    app.evaluate().await;
    let told = async |order: &Value| verdict(&app, order["conversion"]["id"].as_i64().expect("a conversion")).await.0;
    assert_eq!((told(&first.json).await, told(&second.json).await), (json!("approved"), json!("rejected")));
    detour.stop().await;
    app.finish().await;
}

#[tokio::test]
async fn an_order_outside_the_attribution_window_does_not_count() {
    let app = with_an_advocate().await;
    app.rules(json!({ "attribution_window_days": 30, "reward": { "type": "fixed", "value": 10 } })).await;
    app.pass_days(30);
    assert_eq!(judged(&app, app.order("281")).await.0, "approved", "on the last day");
    app.pass_days(1);
    let late = judged(&app, app.order("282")).await;
    assert_eq!(late, (json!("rejected"), vec!["outside_attribution_window".to_owned()], json!([null, null])));
    // What counts is when the order was placed, not when it was reported.
    let reported_late = app.order("283").with("order.date", "2026-08-20T12:00:00Z");
    assert_eq!(judged(&app, reported_late).await.0, "approved");
    app.finish().await;
}

#[tokio::test]
async fn an_advocate_gets_no_more_rewards_than_the_maximum() {
    let app = with_an_advocate().await;
    app.advocate("C2").code("B1").await.expect(201);
    app.rules(json!({ "maximum_rewards_per_advocate": 2, "reward": { "type": "fixed", "value": 10 } })).await;
    for id in ["1", "2", "3", "4"] {
        app.order(id).code("A1").await.expect(201);
    }
    app.order("5").code("B1").await.expect(201);
    assert_eq!(app.evaluate().await, 5);
    let rejected = "select count(*) from conversion_events where findings = '[\"maximum_rewards_reached\"]'";
    assert_eq!((app.count("select count(*) from rewards").await, app.count(rejected).await), (3, 2));
    // One that is taken back makes room for another.
    let first = app.get("/v1/rewards").await.expect(200)["results"][0]["conversion"]["id"].clone();
    let taken_back = app.post(&format!("/v1/conversions/{first}/reject"), json!({ "reason": "A mistake" })).await;
    assert_eq!(taken_back.expect(200)["reward"]["amount"], 0.0);
    assert_eq!(judged(&app, app.order("6")).await.0, "approved");
    assert_eq!(judged(&app, app.order("7")).await.1, ["maximum_rewards_reached"]);
    app.finish().await;
}

#[tokio::test]
async fn two_who_evaluate_at_once_share_the_work_and_keep_to_the_maximum() {
    let app = with_an_advocate().await;
    app.rules(json!({ "maximum_rewards_per_advocate": 3, "reward": { "type": "fixed", "value": 10 } })).await;
    for round in 0..4 {
        for number in 0..25 {
            app.order(&format!("{round} {number}")).code("A1").await.expect(201);
        }
        let now = app.clock.now();
        let tick = async || evaluation::tick(&app.pool, &mut Aside::default(), now).await;
        let ticks = futures_util::future::join_all((0..4).map(|_| tick())).await;
        let evaluated: usize = ticks.into_iter().map(|tick| tick.expect("the database answers")).sum();
        assert_eq!(evaluated + app.evaluate().await, 25, "each once");
    }
    assert_eq!(app.count("select count(*) from rewards").await, 3);
    assert_eq!(app.count("select count(*) from conversion_events").await, 100);
    app.finish().await;
}

#[tokio::test]
async fn a_buyer_who_seems_to_be_the_advocate_is_rejected_allowed_or_held() {
    let app = with_an_advocate().await;
    let cases = [
        ("reject", "rejected", "rejected", vec!["self_referral".to_owned()]),
        ("allow", "pending", "approved", vec![]),
        ("review", "pending", "held", vec!["self_referral".to_owned()]),
    ];
    for (policy, at_first, at_last, findings) in cases {
        app.rules(json!({ "self_referral": policy, "reward": { "type": "fixed", "value": 10 } })).await;
        let order = app.order(policy).code("A1").email("ADA@example.com").await.expect(201);
        assert_eq!(order["conversion"]["status"], at_first, "{policy}");
        // One that was rejected at once is told of in its history when it falls due.
        app.evaluate().await;
        let (status, found, reward) = verdict(&app, order["conversion"]["id"].as_i64().expect("an id")).await;
        assert_eq!((status, found), (json!(at_last), findings), "{policy}");
        assert_eq!(reward[0].is_number(), policy == "allow");
        let replay = app.order(policy).code("A1").email("ada@example.com").await.expect(200);
        assert_eq!(replay["conversion"]["fraud"]["same_email"], true);
    }
    app.finish().await;
}

#[tokio::test]
async fn close_spelling_is_a_mark_where_the_campaign_says_so() {
    let app = with_an_advocate().await;
    app.advocate("C3").email("grace.hopper@example.com").code("B1").await.expect(201);
    for (edits, status) in [(json!(null), "approved"), (json!(1), "rejected")] {
        app.rules(json!({ "similar_email_edits": edits })).await;
        let order = app.order(&edits.to_string()).code("B1").email("grace.hoper@example.com").await.expect(201);
        app.evaluate().await;
        let path = format!("/v1/purchases/{edits}");
        let conversion = &app.get(&path).await.expect(200)["conversion"];
        assert_eq!((&conversion["status"], &conversion["fraud"]["fuzzy_email"]), (&json!(status), &json!(edits == 1)));
        assert_eq!(order["conversion"]["status"], "pending", "spelling is compared when the conversion is due");
    }
    app.finish().await;
}

#[tokio::test]
async fn one_browser_at_one_address_on_both_sides_is_a_mark() {
    let app = with_an_advocate().await;
    let (ip, agent) = ("203.0.113.7", "Mozilla/5.0 (X11; Linux x86_64)");
    let advocate = app.advocate("C3").code("B1").with("ip_address", ip).with("user_agent", agent);
    advocate.await.expect(201);
    let cases = [
        (Some(ip), Some(agent), true),
        (Some(ip), Some(" Mozilla/5.0 (X11; Linux x86_64) "), true),
        (Some(ip), Some("curl/8.5"), false),
        (Some("203.0.113.8"), Some(agent), false),
        (Some(ip), None, false),
        (None, Some(agent), false),
        (None, None, false),
    ];
    for (number, (ip, agent, wanted)) in cases.into_iter().enumerate() {
        let order = app.order(&number.to_string()).code("B1").with("ip_address", ip).with("user_agent", agent);
        let at_first = order.await.expect(201);
        assert_eq!(at_first["conversion"]["fraud"]["same_shopper"], false);
        app.evaluate().await;
        let conversion = &app.get(&format!("/v1/purchases/{number}")).await.expect(200)["conversion"];
        let status = if wanted { "rejected" } else { "approved" };
        assert_eq!(
            (&conversion["fraud"]["same_shopper"], &conversion["status"]),
            (&json!(wanted), &json!(status)),
            "{ip:?} {agent:?}"
        );
    }
    let long = app.order("long").code("B1").with("user_agent", "x".repeat(10_000));
    long.await.expect(201);
    app.order("nul").with("user_agent", "a\u{0}").await.refused(400, "invalid_string");
    app.finish().await;
}

#[tokio::test]
async fn an_order_in_another_currency_waits_for_a_person_where_amounts_are_compared() {
    let app = with_an_advocate().await;
    app.rules(json!({ "minimum_amount": 50, "reward": { "type": "percentage", "value": 10 } })).await;
    let held = judged(&app, app.order("281").with("order.currency", "EUR")).await;
    assert_eq!((held.0, held.1), (json!("held"), vec!["other_currency".to_owned()]));
    let id = app.get("/v1/purchases/281").await.expect(200)["conversion"]["id"].clone();
    let approved =
        app.post(&format!("/v1/conversions/{id}/approve"), json!({ "reason": "54 dollars" })).await.expect(200);
    assert_eq!((&approved["reward"]["amount"], &approved["reward"]["type"]), (&json!(10.0), &json!("EUR")));
    app.finish().await;
}

#[tokio::test]
async fn other_accounts_and_campaigns_keep_their_own_rules() {
    let app = with_an_advocate().await;
    let rival = app.other_account().await;
    rival.bank(&["A1"]).await;
    rival.advocate("R1").code("A1").await.expect(201);
    app.rules(json!({ "days_to_delay": 30, "reward": { "type": "fixed", "value": 10 } })).await;
    app.order("281").code("A1").await.expect(201);
    let theirs = rival.order("281").code("A1").await.expect(201);
    assert_eq!(app.evaluate().await, 1, "theirs, in the campaign {CAMPAIGN} of their own");
    let path = format!("/v1/conversions/{}/history", theirs["conversion"]["id"]);
    rival.get(&path).await.expect(200);
    app.get(&path).await.refused(404, "conversion_not_found");
    app.finish().await;
}

#[tokio::test]
async fn a_conversion_that_cannot_be_stored_holds_up_no_other_and_is_tried_again() {
    let app = with_an_advocate().await;
    app.rules(json!({ "reward": { "type": "percentage", "value": 10 } })).await;
    for number in 0..40 {
        app.order(&number.to_string()).code("A1").await.expect(201);
    }
    // Three of them have a reward already, which nothing but a mishap explains: there can be no other.
    let mishap = "insert into rewards (account_id, conversion_id, campaign_id, referral_code_id, customer_id, unit, whole_amount, created_at)
        select v.account_id, v.id, v.campaign_id, r.id, r.customer_id, 'USD', 1, v.created_at
        from conversions v
        join purchases p on p.account_id = v.account_id and p.id = v.purchase_id
        join referral_codes r on r.account_id = v.account_id and r.id = v.referral_code_id
        where p.order_id in ('0', '17', '18')";
    sqlx::query(mishap).execute(&app.pool).await.expect("stored");
    let (mut aside, left) = (Aside::default(), "select count(*) from conversions where evaluated_at is null");
    let mut tick =
        async || evaluation::tick(&app.pool, &mut aside, app.clock.now()).await.expect("the database answers");
    assert_eq!(tick().await, 37);
    assert_eq!((app.count(left).await, app.count("select count(*) from rewards").await), (3, 40));
    assert_eq!(app.get("/v1/purchases/17").await.expect(200)["conversion"]["status"], "pending");

    // What falls due meanwhile does not meet them, and they are not tried at each tick.
    app.order("later").code("A1").await.expect(201);
    assert_eq!((tick().await, tick().await), (1, 0));
    sqlx::query("delete from rewards where unit = 'USD' and whole_amount = 1")
        .execute(&app.pool)
        .await
        .expect("deleted");
    assert_eq!(tick().await, 0, "not yet");
    app.clock.advance(time::Duration::minutes(10));
    assert_eq!((tick().await, app.count(left).await), (3, 0));
    assert_eq!(app.count("select count(*) from rewards").await, 41);
    app.finish().await;
}
