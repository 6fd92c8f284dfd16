//! Lists: what each row says, what finds it, and what is always empty.

mod people;
mod walks;

use serde_json::{Value, json};

use crate::harness::app::{CAMPAIGN, PUBLIC_URL, TestApp};
use crate::harness::client::Answer;

/// The rows of a page.
fn rows(page: &Answer) -> &Vec<Value> {
    page["results"].as_array().expect("results")
}

/// One field of each row of the page behind `path`.
async fn each(app: &TestApp, path: &str, field: &str) -> Vec<String> {
    let page = app.get(path).await.expect(200);
    assert_eq!(page["this_page_results_count"], rows(&page).len(), "{path}");
    let pointer = format!("/{}", field.replace('.', "/"));
    rows(&page)
        .iter()
        .map(|row| {
            row.pointer(&pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{field} in {row}")).to_owned()
        })
        .collect()
}

/// Two advocates, an order of a friend of each, one without a code, and one that an advocate made himself.
async fn busy_shop() -> TestApp {
    let app = TestApp::start().await;
    app.bank(&["Clooney1", "FREE"]).await;
    app.advocate("C9912").email("cloondog@example.mil").code("Clooney1").await.expect(201);
    let second = app.advocate("C9911").email("jzheng@example.mil").await.expect(201);
    let link = second["referral_code"].as_str().expect("a code").to_owned();
    app.clock.advance(time::Duration::hours(1));
    app.order("281").code("CLOONEY1").email("Friend@example.mil").with("source", "store-12").await.expect(201);
    app.clock.advance(time::Duration::hours(1));
    app.order("281")
        .referral_code(&link)
        .with("customer", json!({ "id": "F7", "email": "other@example.mil" }))
        .await
        .expect(201);
    app.clock.advance(time::Duration::hours(1));
    app.order("283").code("NOSUCHCODE").email("friend@example.mil").await.expect(201);
    app.clock.advance(time::Duration::hours(1));
    app.order("284").code("clooney1").email("CloonDog@example.mil").await.expect(201);
    app
}

#[tokio::test]
async fn a_conversion_tells_of_its_order_its_codes_and_its_advocate() {
    let app = TestApp::start().await;
    app.bank(&["Clooney1"]).await;
    let held = app
        .advocate("C9912")
        .email("cloondog@example.mil")
        .with("customer.first_name", "Georgie")
        .with("customer.last_name", "Clooney")
        .code("Clooney1")
        .await
        .expect(201);
    let order = app
        .order("281")
        .code("CLOONEY1")
        .email("friend@example.mil")
        .with("source", "store-12")
        .with("order.new_customer", true)
        .with("order.date", "2026-07-31T10:00:00Z")
        .with("ip_address", "203.0.113.7")
        .with("customer", json!({ "id": "F7", "first_name": "Fay" }))
        .with("products", json!([{ "sku": "SOFA", "name": "Sofa", "price": "795.10", "quantity": 1 }, {}]))
        .await
        .expect(201);
    let id = &order["conversion"]["id"];
    let wanted = conversion_of(&held, &order);
    let page = app.get("/v1/conversions").await.expect(200);
    assert_eq!(
        page.json,
        json!({
            "this_page_results_count": 1, "total_results_count": 1, "offset": 0, "next_cursor": null, "results": [wanted],
        })
    );
    assert_eq!(app.get(&format!("/v1/conversions/{id}")).await.expect(200).json, wanted);
    let of_advocate = format!("/v1/customers/{}/conversions", held["customer"]["id"]);
    assert_eq!(app.get(&of_advocate).await.expect(200).json, page.json);
    for id in ["abc", "0", "9223372036854775808", "1"] {
        app.get(&format!("/v1/conversions/{id}")).await.refused(404, "conversion_not_found");
    }
    app.finish().await;
}

/// The conversion of that order, as it must be shown.
fn conversion_of(held: &Answer, order: &Answer) -> Value {
    let id = &order["conversion"]["id"];
    json!({
        "id": id,
        "type": "personal_url",
        "status": "pending",
        "detail_uri": format!("{PUBLIC_URL}/v1/conversions/{id}"),
        "possible_self_referral": false,
        "fraud": { "same_email": false, "fuzzy_email": false, "same_customer": false, "same_shopper": false },
        "campaign": {
            "id": CAMPAIGN, "name": "Spring referrals", "destination_url": "https://shop.example.com/welcome",
            "archived": false, "published": true, "referral_incentive": null, "created_at": "2026-08-01T12:00:00Z",
            "rules": {
                "attribution_window_days": null, "days_to_delay": 0, "new_customers_only": false, "minimum_amount": null,
                "maximum_rewards_per_advocate": null, "self_referral": "reject", "unverified_orders": "hold", "similar_email_edits": null, "reward": null,
            },
        },
        "personal_url": {
            "referral_code": held["referral_code"],
            "trackable_link": held["trackable_link"],
            "destination_url": "https://shop.example.com/welcome",
        },
        "coupon_code": "Clooney1",
        "referrer": {
            "email": "cloondog@example.mil", "name": "Georgie Clooney", "facebook_friends_count": null,
            "twitter_followers_count": null, "customer": held["customer"],
        },
        "purchase": {
            "id": order["id"], "order_id": "281", "source": "store-12", "date": "2026-07-31T10:00:00Z",
            "total": 100.00, "currency": "USD", "email": "friend@example.mil", "new_customer": true,
            "ip_address": "203.0.113.7", "coupon_code": "CLOONEY1", "referral_code": null,
            "customer": { "id": null, "account_id": "F7", "email": null, "first_name": "Fay", "last_name": null },
            "products": [
                { "sku": "SOFA", "name": "Sofa", "price": 795.1, "quantity": 1 },
                { "sku": null, "name": null, "price": null, "quantity": null },
            ],
        },
        "rewards": [],
        "share": null,
        "created_at": "2026-08-01T12:00:00Z",
    })
}

#[tokio::test]
async fn conversions_are_found_by_whatever_a_merchant_knows_of_them() {
    let app = busy_shop().await;
    let friends = ["Friend@example.mil", "other@example.mil", "CloonDog@example.mil"];
    let buyer = |row: &Value| {
        let purchase = &row["purchase"];
        purchase["email"].as_str().or(purchase["customer"]["email"].as_str()).expect("an address").to_owned()
    };
    let cases: [(&str, &[usize]); 17] = [
        ("", &[0, 1, 2]),
        ("status=pending", &[0, 1]),
        ("status=rejected", &[2]),
        ("status=approved", &[]),
        ("campaign_id=53345", &[0, 1, 2]),
        ("campaign_id=53345&status=rejected", &[2]),
        ("campaign_id=7", &[]),
        ("campaign_id=9999999999999999999", &[]),
        ("coupon_code=cLOONEY1", &[0, 2]),
        ("coupon_code=FREE", &[]),
        ("coupon_code=NOSUCHCODE", &[]),
        ("coupon_code=Clooney1&status=pending&campaign_id=53345", &[0]),
        ("order_id=281", &[0, 1]),
        ("order_id=281&coupon_code=Clooney1", &[0]),
        ("email=FRIEND@example.mil", &[0]),
        ("email=other@example.mil&order_id=281", &[1]),
        ("email=cloondog@example.mil&status=pending", &[]),
    ];
    for (query, wanted) in cases {
        let page = app.get(&format!("/v1/conversions?{query}")).await.expect(200);
        let found: Vec<String> = rows(&page).iter().map(buyer).collect();
        assert_eq!(found, wanted.iter().map(|n| friends[*n]).collect::<Vec<_>>(), "{query}");
        assert_eq!(page["total_results_count"], wanted.len(), "{query}");
    }
    let link = each(&app, "/v1/referral_codes?account_id=C9911", "referral_code").await.remove(0);
    let by_code =
        each(&app, &format!("/v1/conversions?referral_code={}", link.to_uppercase()), "purchase.order_id").await;
    assert_eq!(by_code, ["281"]);
    // Two codes of two advocates name nobody.
    assert!(
        each(&app, &format!("/v1/conversions?referral_code={link}&coupon_code=Clooney1"), "status").await.is_empty()
    );
    for (query, param) in [
        ("status=Pending", "status"),
        ("status=", "status"),
        ("email=nobody", "email"),
        ("coupon_code=%20", "coupon_code"),
        ("campaign_id=0", "campaign_id"),
        ("campaign_id=abc", "campaign_id"),
        ("campaign_id=", "campaign_id"),
        ("order_id=", "order_id"),
        ("limit=0", "limit"),
        ("offset=-1", "offset"),
        ("from_date=yesterday", "from_date"),
        ("to_date=2026-02-30", "to_date"),
    ] {
        let refusal = app.get(&format!("/v1/conversions?{query}")).await.expect(400);
        assert_eq!(refusal["error"]["param"], param, "{query}");
    }
    app.finish().await;
}

#[tokio::test]
async fn purchases_are_found_by_whatever_a_merchant_knows_of_them() {
    let app = busy_shop().await;
    let whole = app.get("/v1/purchases/281").await.expect(200);
    let page = app.get("/v1/purchases?account_id=F7").await.expect(200);
    assert_eq!(rows(&page)[..], [whole.json], "a row is what recording the order answered");
    let cases: [(&str, &[&str]); 13] = [
        ("", &["281", "281", "283", "284"]),
        ("order_id=281", &["281", "281"]),
        ("order_id=281&account_id=F7", &["281"]),
        ("order_id=0281", &[]),
        ("email=friend@EXAMPLE.mil", &["281", "283"]),
        ("email=other@example.mil", &["281"]),
        ("email=friend@example.mil&coupon_code=Clooney1", &["281"]),
        ("coupon_code=clooney1", &["281", "284"]),
        ("coupon_code=NOSUCHCODE", &[]),
        ("campaign_id=53345", &["281", "281", "284"]),
        ("campaign_id=53345&order_id=283", &[]),
        ("account_id=F7&campaign_id=53345", &["281"]),
        ("email=other@example.mil&account_id=F8", &[]),
    ];
    for (query, wanted) in cases {
        let page = app.get(&format!("/v1/purchases?{query}")).await.expect(200);
        let found: Vec<&str> = rows(&page).iter().map(|row| row["order_id"].as_str().expect("text")).collect();
        assert_eq!(found, wanted, "{query}");
        assert_eq!(page["total_results_count"], wanted.len(), "{query}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_day_alone_is_the_whole_day_where_the_account_is_and_a_moment_is_itself() {
    let app = TestApp::start().await;
    // From 14:00 in Berlin, every five hours: 14:00, 19:00, and on the next day 00:00, 05:00.
    for order in ["14h", "19h", "0h", "5h"] {
        app.order(order).await.expect(201);
        app.clock.advance(time::Duration::hours(5));
    }
    let cases: [(&str, &[&str]); 10] = [
        ("from_date=2026-08-01&to_date=2026-08-01", &["14h", "19h"]),
        ("from_date=2026-08-02", &["0h", "5h"]),
        ("to_date=2026-08-01", &["14h", "19h"]),
        ("from_date=2026-08-01T17:00:00Z&to_date=2026-08-01T22:00:00Z", &["19h", "0h"]),
        ("from_date=2026-08-01T19:00:00&to_date=2026-08-02%2000:00:00", &["19h", "0h"]),
        ("from_date=2026-08-01T17:00:00.000001Z", &["0h", "5h"]),
        ("to_date=2026-08-01T11:59:59Z", &[]),
        ("from_date=1785603600000&to_date=1785603600000", &["19h"]),
        ("from_date=2026-08-02&to_date=2026-08-01", &[]),
        ("from_date=9999-12-31&to_date=9999-12-31", &[]),
    ];
    for (query, wanted) in cases {
        assert_eq!(each(&app, &format!("/v1/purchases?{query}"), "order_id").await, wanted, "{query}");
        assert_eq!(
            each(&app, &format!("/v1/purchases?limit=1&cursor=start&{query}"), "order_id").await,
            wanted[..wanted.len().min(1)]
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn lists_are_read_as_real_clients_write_their_calls() {
    let app = busy_shop().await;
    let first = app.get("/v1/conversions").await.expect(200);
    let id = first["results"][0]["id"].to_string();
    for path in ["/v1//conversions", "/v1/conversions/", "/conversions", "//v1/conversions//?_=1"] {
        let with_body = app.get(path).header("Content-Type", "application/json").body("{}").await.expect(200);
        assert_eq!(with_body.json, first.json, "{path}");
    }
    let one = app.get(&format!("/v1//conversions/{id}/")).body("{}").await.expect(200);
    assert_eq!(one.json, first["results"][0]);
    let rival = app.other_account().await;
    for path in ["conversions", "purchases", "customers", "referral_codes", "opt_outs/emails"] {
        let nothing = rival.get(&format!("/v1/{path}")).await.expect(200);
        assert_eq!((&nothing["results"], &nothing["total_results_count"]), (&json!([]), &json!(0)), "{path}");
    }
    rival.get(&format!("/v1/conversions/{id}")).await.refused(404, "conversion_not_found");
    app.finish().await;
}
