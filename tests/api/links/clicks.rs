//! What is kept of a click, what a campaign makes of its links, and what becomes of them when the database is away.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use goodword::web::state::{Limits, VisitorLimits};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::app::{CAMPAIGN, TestApp, limits};
use crate::harness::client::Call;
use crate::harness::detour::Detour;

const FRIEND: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";

/// A friend's click.
fn click(app: &TestApp, code: &str) -> Call {
    app.anonymous().get(&format!("/acme/{code}")).header("User-Agent", FRIEND).header("X-Forwarded-For", "198.51.100.9")
}

async fn code(app: &TestApp, id: &str) -> String {
    app.advocate(id).await.expect(201)["referral_code"].as_str().expect("a code").to_owned()
}

async fn links(app: &TestApp, settings: Value) {
    app.put(&format!("/v1/campaigns/{CAMPAIGN}/links"), settings).await.expect(200);
    // What was read before is forgotten by then.
    app.clock.advance(time::Duration::seconds(5));
}

/// Asks until so many clicks of friends and of programs are counted.
async fn until_counted(app: &TestApp, code: &str, clicks: i64, bot_clicks: i64) {
    let begun = Instant::now();
    loop {
        let found = app.get(&format!("/v1/referral_codes/{code}")).await.expect(200);
        if (&found["clicks"], &found["bot_clicks"]) == (&json!(clicks), &json!(bot_clicks)) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", found.text);
    }
}

#[tokio::test]
async fn a_click_is_kept_without_the_address_it_came_from_and_programs_count_apart() {
    let app = TestApp::start().await;
    let code = code(&app, "C1").await;
    click(&app, &code).await.expect(302);
    click(&app, &code.to_uppercase()).await.expect(302);
    let path = format!("/acme/{code}");
    app.anonymous().call(Method::HEAD, &path).header("User-Agent", FRIEND).await.expect(302);
    app.anonymous().get(&path).header("User-Agent", "WhatsApp/2.23.20.0 A").await.expect(302);
    app.anonymous().get(&path).header("User-Agent", FRIEND).header("Sec-Purpose", "prefetch").await.expect(302);
    app.anonymous().get("/acme/zzzzzzzz").await.expect(404);
    until_counted(&app, &code, 2, 3).await;
    let kept = app
        .count(
            "select count(*) from clicks where not is_bot and clicked_at = '2026-08-01 12:00Z' and campaign_id = 53345",
        )
        .await;
    assert_eq!(kept, 2);
    assert_eq!(app.count("select count(distinct address_digest) from clicks").await, 2);
    assert_eq!(app.count("select count(*) from clicks c where c::text like '%198.51.100.9%'").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_campaign_says_what_its_links_carry() {
    let app = TestApp::start().await;
    let code = code(&app, "C1").await;
    app.rules(json!({ "attribution_window_days": 30 })).await;
    let settings = json!({ "utm_source": "mail", "utm_medium": "", "utm_campaign": "a&b", "keep": "first" });
    let set = app.put(&format!("/v1/campaigns/{CAMPAIGN}/links"), settings).await.expect(200);
    let wanted = json!({ "utm_source": "mail", "utm_medium": null, "utm_campaign": "a&b", "fallback_url": null, "clicks_max": null,
        "keep": "first", "widget_coupon_bank_id": null });
    assert_eq!(set.json, wanted);
    assert_eq!(app.get(&format!("/v1/campaigns/{CAMPAIGN}/links")).await.expect(200).json, wanted);
    let followed = click(&app, &code).await.expect(302);
    let start = format!(
        "https://shop.example.com/welcome?fbuy_ref_code={code}&utm_source=mail&utm_medium=referral&utm_campaign=a%26b&gw_keep=first&gw_days=30&gw_visit="
    );
    assert!(followed.header("location").starts_with(&start), "{}", followed.header("location"));
    for (body, code, param) in [
        (json!({ "clicks_max": 0 }), "out_of_range", "clicks_max"),
        (json!({ "keep": "last" }), "invalid_value", "keep"),
        (json!({ "fallback_url": "javascript:alert(1)" }), "invalid_url", "fallback_url"),
    ] {
        let refused = app.put(&format!("/v1/campaigns/{CAMPAIGN}/links"), body).await.refused(400, code);
        assert_eq!(refused["error"]["param"], param);
    }
    let path = format!("/v1/campaigns/{CAMPAIGN}/links");
    app.put(&path, json!({ "widget_coupon_bank_id": 7 })).await.refused(404, "coupon_bank_not_found");
    for path in ["/v1/campaigns/7/links", "/v1/campaigns/x/links"] {
        app.put(path, json!({})).await.refused(404, "campaign_not_found");
        app.get(path).await.refused(404, "campaign_not_found");
    }
    app.finish().await;
}

#[tokio::test]
async fn codes_that_are_spent_lead_to_the_fallback_page_and_carry_nothing_there() {
    let app = TestApp::start().await;
    let (good, blocked) = (code(&app, "C1").await, code(&app, "C2").await);
    app.post(&format!("/v1/referral_codes/{blocked}/block"), json!({})).await.expect(200);
    click(&app, &blocked).await.refused(404, "not_found");
    links(&app, json!({ "fallback_url": "https://shop.example.com/over" })).await;
    let over = click(&app, &blocked).await.expect(302);
    assert_eq!(over.header("location"), "https://shop.example.com/over");
    assert_eq!(over.header("cache-control"), "no-store");
    assert!(click(&app, &good).await.expect(302).header("location").contains("fbuy_ref_code"));
    app.patch(&format!("/v1/campaigns/{CAMPAIGN}"), json!({ "archived": true })).await.expect(200);
    app.clock.advance(time::Duration::seconds(5));
    assert_eq!(click(&app, &good).await.expect(302).header("location"), "https://shop.example.com/over");
    // What nobody has is no campaign's: the account says where it leads.
    click(&app, "zzzzzzzz").await.refused(404, "not_found");
    let sql = "insert into account_sites (account_id, fallback_url) select id, 'https://shop.example.com/start' from accounts";
    sqlx::query(sql).execute(&app.pool).await.expect("stored");
    assert_eq!(click(&app, "zzzzzzzz").await.expect(302).header("location"), "https://shop.example.com/start");
    app.finish().await;
}

#[tokio::test]
async fn a_code_is_used_up_after_as_many_clicks_as_its_campaign_allows() {
    let app = TestApp::start().await;
    let code = code(&app, "C1").await;
    links(&app, json!({ "clicks_max": 2, "fallback_url": "https://shop.example.com/over" })).await;
    for _ in 0..3 {
        app.anonymous().get(&format!("/acme/{code}")).header("User-Agent", "curl/8.5.0").await.expect(302);
    }
    for count in 1..=2 {
        assert!(click(&app, &code).await.expect(302).header("location").contains("fbuy_ref_code"), "click {count}");
        until_counted(&app, &code, count, 3).await;
        app.clock.advance(time::Duration::seconds(5));
    }
    assert_eq!(click(&app, &code).await.expect(302).header("location"), "https://shop.example.com/over");
    app.finish().await;
}

#[tokio::test]
async fn an_address_that_guesses_codes_has_soon_no_more_of_them_looked_up() {
    let unknown_codes_per_hour = NonZeroU32::new(3).expect("three");
    let visitors = VisitorLimits { unknown_codes_per_hour, ..limits().visitors };
    let app = TestApp::with_limits(Limits { visitors, ..limits() }).await;
    let code = code(&app, "C1").await;
    for n in 0..10 {
        click(&app, &format!("guess{n}")).await.expect(404);
    }
    // It would not find the right one either, unless that was clicked just now by somebody else.
    click(&app, &code).await.expect(404);
    let other = app.anonymous().get(&format!("/acme/{code}")).header("X-Forwarded-For", "198.51.100.10");
    other.await.expect(302);
    click(&app, &code).await.expect(302);
    app.finish().await;
}

#[tokio::test]
async fn the_picture_of_a_link_can_be_printed_and_scanned() {
    let app = TestApp::start().await;
    let code = code(&app, "C1").await;
    let svg = app.get(&format!("/v1/referral_codes/{code}/qr.svg")).await.expect(200);
    assert_eq!(svg.header("content-type"), "image/svg+xml");
    assert!(svg.text.starts_with("<?xml") && svg.text.contains("<svg"), "{}", svg.text);
    let png = app.get(&format!("/v1/referral_codes/{}/qr.png", code.to_uppercase())).await.expect(200);
    assert_eq!(png.header("content-type"), "image/png");
    assert!(png.text.contains("PNG"));
    for path in ["/v1/referral_codes/nobodys/qr.svg", "/v1/referral_codes/nobodys/qr.png"] {
        app.get(path).await.refused(404, "referral_code_not_found");
        app.anonymous().get(path).await.refused(401, "unauthenticated");
    }
    app.finish().await;
}

#[tokio::test]
async fn shares_of_the_widget_are_listed_with_whose_they_are() {
    let app = TestApp::start().await;
    let code = code(&app, "C1").await;
    let page = app.page().await;
    let share = json!({ "referral_code": code.to_uppercase(), "network": "email", "message": "Try this", "email": "friend@example.com" });
    page.post("shares", &share).await.expect(204);
    page.post("shares", &json!({ "referral_code": "nobodys", "network": "copy" })).await.expect(204);
    page.post("shares", &json!({ "referral_code": code, "network": "pigeon" })).await.refused(400, "invalid_value");
    let begun = Instant::now();
    let listed = loop {
        let listed = app.get("/v1/shares").await.expect(200);
        if listed["total_results_count"] == 1 {
            break listed["results"][0].clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", listed.text);
    };
    assert_eq!(listed["referral_code"], code);
    assert_eq!(listed["message"], json!({ "content": "Try this", "network": "email" }));
    assert_eq!(listed["email_recipients"], json!(["friend@example.com"]));
    assert_eq!(listed["sharer"]["customer"]["account_id"], "C1");
    assert_eq!(app.get(&format!("/v1/shares/{}", listed["id"])).await.expect(200).json, listed);
    let customer = &listed["sharer"]["customer"]["id"];
    let his = app.get(&format!("/v1/customers/{customer}/shares")).await.expect(200);
    assert_eq!(his["results"], json!([listed]));
    app.other_account().await.get(&format!("/v1/shares/{}", listed["id"])).await.refused(404, "share_not_found");
    app.finish().await;
}

#[tokio::test]
async fn a_link_whose_code_is_gone_leads_nowhere_each_time() {
    let app = TestApp::start().await;
    let code = code(&app, "C1").await;
    let friend = app.calling_as(None);
    let follow = async || friend.get(&format!("/acme/{code}")).header("User-Agent", FRIEND).await;
    follow().await.expect(302);
    let mut conn = app.pool.acquire().await.expect("a connection");
    sqlx::raw_sql("delete from events; delete from referral_codes").execute(&mut *conn).await.expect("deleted");
    drop(conn);
    app.clock.advance(time::Duration::seconds(5));
    let first = follow().await;
    assert_ne!(first.status, 302, "{}", first.text);
    for _ in 0..3 {
        assert_eq!(follow().await.status, first.status);
    }
    app.finish().await;
}

#[tokio::test]
async fn links_lead_on_at_once_while_the_database_is_slow_or_away() {
    let app = TestApp::start().await;
    let detour = Detour::start(&app).await;
    let code = code(&app, "C1").await;
    let friend = detour.shop.calling_as(None);
    let follow = async || friend.get(&format!("/acme/{code}")).header("User-Agent", FRIEND).await;
    assert_eq!(follow().await.status, 302);
    app.clock.advance(time::Duration::seconds(5));

    // No connection is to be had, for which a request waits two seconds.
    let held = detour.hold_all_connections().await;
    let begun = Instant::now();
    for _ in 0..50 {
        let location = follow().await.expect(302).header("location").to_owned();
        assert!(location.contains(&code) && location.contains("gw_visit="), "{location}");
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "they waited: {:?}", begun.elapsed());
    drop(held);

    detour.proxy.go_away().await;
    app.clock.advance(time::Duration::minutes(50));
    let begun = Instant::now();
    for _ in 0..50 {
        follow().await.expect(302);
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "they waited: {:?}", begun.elapsed());
    friend.get("/acme/nobodys").await.refused(503, "unavailable");
    app.clock.advance(time::Duration::minutes(10));
    follow().await.refused(503, "unavailable");

    detour.proxy.come_back();
    let begun = Instant::now();
    while follow().await.status != 302 {
        assert!(begun.elapsed() < Duration::from_secs(10), "the database is back, and the link is not");
    }
    detour.stop().await;
    app.finish().await;
}
