//! Campaigns: created with the merchant's ids, changed in parts, seen by their account alone.

use serde_json::{Value, json};

use crate::harness::app::{CAMPAIGN, TestApp};

fn campaign(fields: Value) -> Value {
    let mut whole = json!({ "name": "Summer", "destination_url": "https://shop.example.com/summer" });
    for (name, value) in fields.as_object().expect("fields") {
        whole[name] = value.clone();
    }
    whole
}

/// The rules of a campaign that has said nothing.
fn no_rules() -> Value {
    json!({
        "attribution_window_days": null,
        "days_to_delay": 0,
        "new_customers_only": false,
        "minimum_amount": null,
        "maximum_rewards_per_advocate": null,
        "self_referral": "reject",
        "unverified_orders": "hold",
        "similar_email_edits": null,
        "reward": null,
    })
}

#[tokio::test]
async fn a_campaign_is_found_as_it_was_created() {
    let app = TestApp::start().await;
    let created = app.post("/v1/campaigns", campaign(json!({}))).await.expect(201);
    let id = created["id"].as_i64().expect("an id");
    let wanted = json!({
        "id": id,
        "name": "Summer",
        "destination_url": "https://shop.example.com/summer",
        "archived": false,
        "published": true,
        "referral_incentive": null,
        "created_at": "2026-08-01T12:00:00Z",
        "referral_incentive": null,
        "rules": no_rules(),
    });
    assert_eq!(created.json, wanted);
    assert_eq!(app.get(&format!("/v1/campaigns/{id}")).await.expect(200).json, wanted);
    app.finish().await;
}

#[tokio::test]
async fn a_merchant_keeps_the_id_that_stands_in_his_code() {
    let app = TestApp::start().await;
    for (sent, kept) in
        [(json!(99), 99_i64), (json!("100"), 100), (json!(9_007_199_254_740_991_i64), 9_007_199_254_740_991)]
    {
        let created = app.post("/v1/campaigns", campaign(json!({ "id": sent }))).await.expect(201);
        assert_eq!(created["id"], kept);
    }
    app.finish().await;
}

#[tokio::test]
async fn an_id_that_is_taken_is_refused_and_the_campaign_stays_as_it_is() {
    let app = TestApp::start().await;
    let before = app.get("/v1/campaigns").await.expect(200);
    let refusal = app.post("/v1/campaigns", campaign(json!({ "id": CAMPAIGN }))).await.refused(409, "id_taken");
    assert_eq!(refusal["error"]["param"], "id");
    assert_eq!(app.get("/v1/campaigns").await.expect(200).text, before.text);
    app.finish().await;
}

#[tokio::test]
async fn an_id_that_is_chosen_for_a_campaign_passes_over_those_that_are_taken() {
    let app = TestApp::start().await;
    let first = app.post("/v1/campaigns", campaign(json!({}))).await.expect(201)["id"].as_i64().expect("an id");
    app.post("/v1/campaigns", campaign(json!({ "id": first + 1 }))).await.expect(201);
    let third = app.post("/v1/campaigns", campaign(json!({}))).await.expect(201)["id"].as_i64().expect("an id");
    assert!(third > first + 1, "{third} is another than {first} and {}", first + 1);
    app.finish().await;
}

#[tokio::test]
async fn each_wrong_field_of_a_campaign_is_named() {
    let app = TestApp::start().await;
    let cases = [
        (json!({ "name": null }), "name", "missing"),
        (json!({ "name": " " }), "name", "missing"),
        (json!({ "name": 5 }), "name", "invalid_type"),
        (json!({ "name": "n".repeat(256) }), "name", "too_long"),
        (json!({ "name": "a\u{0}b" }), "name", "invalid_string"),
        (json!({ "destination_url": null }), "destination_url", "missing"),
        (json!({ "destination_url": "shop.example.com" }), "destination_url", "invalid_url"),
        (json!({ "destination_url": "javascript:alert(1)" }), "destination_url", "invalid_url"),
        (json!({ "archived": "perhaps" }), "archived", "invalid_type"),
        (json!({ "id": 0 }), "id", "invalid_id"),
        (json!({ "id": -1 }), "id", "invalid_id"),
        (json!({ "id": 9_007_199_254_740_992_i64 }), "id", "invalid_id"),
    ];
    for (fields, param, code) in cases {
        let answer = app.post("/v1/campaigns", campaign(fields.clone())).await.refused(400, code);
        assert_eq!(answer["error"]["param"], param, "{fields}");
        assert_eq!(app.count("select count(*) from campaigns").await, 1, "{fields} stored nothing");
    }
    let all = app.post("/v1/campaigns", json!({ "id": 0, "archived": [] })).await.expect(400);
    let named: Vec<_> = all["error"]["details"].as_array().into_iter().flatten().map(|one| &one["param"]).collect();
    assert_eq!(named, ["id", "name", "destination_url", "archived"]);
    app.finish().await;
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name() {
    let app = TestApp::start().await;
    let path = format!("/v1/campaigns/{CAMPAIGN}");
    let before = app.get(&path).await.expect(200);
    assert_eq!(app.patch(&path, json!({})).await.expect(200).json, before.json);
    assert_eq!(app.patch(&path, json!({ "name": null })).await.expect(200).json, before.json);

    let renamed = app.patch(&path, json!({ "name": "Autumn" })).await.expect(200);
    assert_eq!((&renamed["name"], &renamed["destination_url"]), (&json!("Autumn"), &before["destination_url"]));
    let archived = app.patch(&path, json!({ "archived": true })).await.expect(200);
    assert_eq!(
        (&archived["name"], &archived["archived"], &archived["published"]),
        (&json!("Autumn"), &json!(true), &json!(false))
    );
    assert_eq!(app.get(&path).await.expect(200).json, archived.json);

    app.patch(&path, json!({ "destination_url": "ftp://shop.example.com" })).await.refused(400, "invalid_url");
    assert_eq!(app.get(&path).await.expect(200).json, archived.json);
    app.finish().await;
}

#[tokio::test]
async fn another_accounts_campaign_is_answered_like_one_that_does_not_exist() {
    let app = TestApp::start().await;
    let theirs = app.post("/v1/campaigns", campaign(json!({ "id": 7 }))).await.expect(201);
    let rival = app.other_account().await;
    let foreign = rival.get("/v1/campaigns/7").await.refused(404, "campaign_not_found");
    let unknown = rival.get("/v1/campaigns/8").await.refused(404, "campaign_not_found");
    assert_eq!(foreign.without_request_id(), unknown.without_request_id());
    let foreign = rival.patch("/v1/campaigns/7", json!({ "name": "Mine" })).await.refused(404, "campaign_not_found");
    let unknown = rival.patch("/v1/campaigns/8", json!({ "name": "Mine" })).await.refused(404, "campaign_not_found");
    assert_eq!(foreign.without_request_id(), unknown.without_request_id());
    assert_eq!(app.get("/v1/campaigns/7").await.expect(200).json, theirs.json);

    // The id itself is free to each account.
    rival.post("/v1/campaigns", campaign(json!({ "id": 7, "name": "Rival's" }))).await.expect(201);
    let listed = app.get("/v1/campaigns").await.expect(200);
    assert_eq!(listed["total_results_count"], 2);
    assert!(!listed.text.contains("Rival"));
    app.finish().await;
}

#[tokio::test]
async fn what_is_no_id_leads_to_no_campaign() {
    let app = TestApp::start().await;
    for id in ["abc", "0", "-1", "53345x", "053345", "9223372036854775808", "1e3", "%2053345", "53345%00"] {
        let answer = app.get(&format!("/v1/campaigns/{id}")).await.expect(404);
        assert_eq!(answer["applied"], "none", "{id}");
    }
    app.finish().await;
}

#[tokio::test]
async fn the_list_comes_in_pages_with_its_envelope() {
    let app = TestApp::start().await;
    for id in 1..=4 {
        app.post("/v1/campaigns", campaign(json!({ "id": id, "archived": id == 2 }))).await.expect(201);
    }
    let cases = [
        ("", 0, vec![1, 2, 3, 4, CAMPAIGN]),
        ("?limit=2", 0, vec![1, 2]),
        ("?limit=2&offset=3", 3, vec![4, CAMPAIGN]),
        ("?offset=5", 5, vec![]),
        ("?offset=1000000000", 1_000_000_000, vec![]),
        ("?limit=10000&unknown=1", 0, vec![1, 2, 3, 4, CAMPAIGN]),
    ];
    for (query, offset, ids) in cases {
        let page = app.get(&format!("/v1/campaigns{query}")).await.expect(200);
        let found: Vec<_> = page["results"].as_array().into_iter().flatten().map(|one| &one["id"]).collect();
        assert_eq!(found, ids, "{query}");
        assert_eq!(page["this_page_results_count"], ids.len(), "{query}");
        assert_eq!((&page["total_results_count"], &page["offset"]), (&json!(5), &json!(offset)), "{query}");
    }
    app.finish().await;
}

#[tokio::test]
async fn campaigns_and_banks_are_found_by_the_day_on_which_they_were_created() {
    let app = TestApp::start().await;
    for day in 1..=3 {
        app.pass_days(1);
        app.post("/v1/campaigns", campaign(json!({ "id": day }))).await.expect(201);
        app.post("/v1/coupon_banks", json!({ "id": day, "name": "A bank" })).await.expect(201);
    }
    let cases: [(&str, &[i64]); 5] = [
        ("from_date=2026-08-03", &[2, 3]),
        ("from_date=2026-08-02&to_date=2026-08-03", &[1, 2]),
        ("from_date=2026-08-02&to_date=2026-08-02T11:59:59Z", &[]),
        ("from_date=2026-08-02&limit=1&offset=1", &[2]),
        ("to_date=2026-07-31", &[]),
    ];
    for path in ["/v1/campaigns", "/v1/coupon_banks"] {
        for (query, wanted) in cases {
            let page = app.get(&format!("{path}?{query}")).await.expect(200);
            let ids: Vec<_> = page["results"].as_array().into_iter().flatten().map(|row| &row["id"]).collect();
            assert_eq!(ids, wanted, "{path}?{query}");
            let all = if query.contains("limit") { 3 } else { wanted.len() };
            assert_eq!(page["total_results_count"], all, "{path}?{query}");
        }
        let page = app.get(&format!("{path}?from_date=2026-08-02&limit=2")).await.expect(200);
        let cursor = page["next_cursor"].as_str().expect("more");
        let last = app.get(&format!("{path}?from_date=2026-08-02&cursor={cursor}")).await.expect(200);
        assert_eq!((&last["results"][0]["id"], &last["total_results_count"]), (&json!(3), &json!(3)), "{path}");
        app.get(&format!("{path}?cursor={cursor}")).await.refused(400, "invalid_cursor");
        app.get(&format!("{path}?from_date=soon")).await.refused(400, "invalid_date");
    }
    for query in ["from_date=2026-08-02", "to_date=soon", "format=csv&to_date=2026-08-02"] {
        let refusal = app.get(&format!("/v1/coupon_banks/1/coupons?{query}")).await.refused(400, "invalid_parameter");
        assert!(query.contains(refusal["error"]["param"].as_str().expect("a parameter")), "{query}: {}", refusal.text);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused_by_the_name_of_its_parameter() {
    let app = TestApp::start().await;
    let cases = [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=abc", "limit"),
        ("limit=1e3", "limit"),
        ("limit=10001", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("offset=9223372036854775808", "offset"),
        ("offset=-1", "offset"),
    ];
    for (query, param) in cases {
        for path in ["/v1/campaigns", "/v1/coupon_banks"] {
            let answer = app.get(&format!("{path}?{query}")).await.expect(400);
            assert_eq!(answer["error"]["param"], param, "{path}?{query}: {}", answer.text);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn rules_are_read_in_every_spelling_and_changed_as_a_whole() {
    let app = TestApp::start().await;
    let path = format!("/v1/campaigns/{CAMPAIGN}");
    let all = json!({
        "attribution_window_days": "90",
        "days_to_delay": 14,
        "new_customers_only": "1",
        "minimum_amount": "20.5",
        "maximum_rewards_per_advocate": 10,
        "self_referral": "review",
        "similar_email_edits": 2,
        "reward": { "type": "fixed", "unit": "eur", "value": 10, "cap": "8.5" },
    });
    let changed = app.patch(&path, json!({ "rules": all })).await.expect(200);
    let wanted = r#""rules":{"attribution_window_days":90,"days_to_delay":14,"new_customers_only":true,"minimum_amount":20.50,"maximum_rewards_per_advocate":10,"self_referral":"review","unverified_orders":"hold","similar_email_edits":2,"reward":{"type":"fixed","unit":"EUR","value":10.00,"cap":8.50}}"#;
    assert!(changed.text.contains(wanted), "{}", changed.text);
    assert_eq!(changed["referral_incentive"], json!({ "type": "EUR", "value": 10.0 }));
    assert_eq!(app.get(&path).await.expect(200).text, changed.text);
    // What does not name the rules leaves them.
    let renamed = app.patch(&path, json!({ "name": "Autumn", "rules": null })).await.expect(200);
    assert_eq!(renamed["rules"], changed["rules"]);

    let percentage = json!({ "reward": { "type": "percentage", "value": "12.5000", "unit": null } });
    let changed = app.patch(&path, json!({ "rules": percentage })).await.expect(200);
    assert_eq!(changed["rules"]["reward"], json!({ "type": "percentage", "unit": null, "value": 12.5, "cap": null }));
    assert_eq!((&changed["rules"]["days_to_delay"], &changed["rules"]["self_referral"]), (&json!(0), &json!("reject")));
    assert_eq!(app.patch(&path, json!({ "rules": {} })).await.expect(200)["rules"], no_rules());
    // What held when is kept; a change that changes nothing is none.
    app.patch(&path, json!({ "rules": {} })).await.expect(200);
    assert_eq!(app.count("select count(*) from campaign_rules where campaign_id = 53345").await, 4);

    let created = app.post("/v1/campaigns", campaign(json!({ "rules": { "days_to_delay": 3 } }))).await.expect(201);
    assert_eq!(created["rules"]["days_to_delay"], 3);
    app.finish().await;
}

#[tokio::test]
async fn each_wrong_rule_is_named() {
    let app = TestApp::start().await;
    let reward = |value: Value| json!({ "reward": value });
    let cases = [
        (json!([]), "rules", "invalid_type"),
        (json!({ "attribution_window_days": 0 }), "rules.attribution_window_days", "out_of_range"),
        (json!({ "attribution_window_days": 3651 }), "rules.attribution_window_days", "out_of_range"),
        (json!({ "days_to_delay": 366 }), "rules.days_to_delay", "out_of_range"),
        (json!({ "days_to_delay": -1 }), "rules.days_to_delay", "out_of_range"),
        (json!({ "days_to_delay": 1.5 }), "rules.days_to_delay", "out_of_range"),
        (json!({ "new_customers_only": "perhaps" }), "rules.new_customers_only", "invalid_type"),
        (json!({ "minimum_amount": 0 }), "rules.minimum_amount", "out_of_range"),
        (json!({ "minimum_amount": 1.005 }), "rules.minimum_amount", "too_many_decimals"),
        (json!({ "minimum_amount": "much" }), "rules.minimum_amount", "invalid_amount"),
        (json!({ "maximum_rewards_per_advocate": 0 }), "rules.maximum_rewards_per_advocate", "out_of_range"),
        (json!({ "self_referral": "perhaps" }), "rules.self_referral", "invalid_value"),
        (json!({ "similar_email_edits": 4 }), "rules.similar_email_edits", "out_of_range"),
        (reward(json!({})), "rules.reward.type", "missing"),
        (reward(json!({ "type": "fixed" })), "rules.reward.value", "missing"),
        (reward(json!({ "type": "tiered", "value": 1 })), "rules.reward.type", "invalid_value"),
        (reward(json!({ "type": "fixed", "value": 0 })), "rules.reward.value", "out_of_range"),
        (reward(json!({ "type": "fixed", "value": 1.005 })), "rules.reward.value", "too_many_decimals"),
        (reward(json!({ "type": "percentage", "value": 101 })), "rules.reward.value", "out_of_range"),
        (reward(json!({ "type": "percentage", "value": 1, "cap": -1 })), "rules.reward.cap", "out_of_range"),
        (reward(json!({ "type": "fixed", "value": 1, "unit": "u".repeat(33) })), "rules.reward.unit", "invalid_value"),
    ];
    for (rules, param, code) in cases {
        let answer = app.post("/v1/campaigns", campaign(json!({ "rules": rules }))).await.refused(400, code);
        assert_eq!(answer["error"]["param"], param, "{rules}: {}", answer.text);
    }
    assert_eq!(app.count("select count(*) from campaigns").await, 1, "nothing was stored");
    app.finish().await;
}
