//! Trackable links: what an advocate shares leads his friends to the campaign's page, with his code.

mod clicks;
mod visits;

use reqwest::Method;
use serde_json::json;

use crate::harness::app::{CAMPAIGN, PUBLIC_URL, TestApp};
use crate::harness::client::Answer;

/// Where an answer leads, without what stands in its address besides the code and the page's own: that is told by stories of its own.
fn page_of(answer: &Answer) -> String {
    let mut url = url::Url::parse(answer.header("location")).expect("an address");
    let kept = ["utm_source", "utm_medium", "utm_campaign", "gw_visit"];
    let ours: Vec<String> = kept.iter().map(|name| format!("&{name}=")).collect();
    let query = url.query().unwrap_or_default();
    let parts = query.split('&').filter(|part| !ours.iter().any(|ours| format!("&{part}").starts_with(ours)));
    let query = parts.collect::<Vec<_>>().join("&");
    url.set_query(Some(&query));
    url.to_string()
}

/// The path of the link in an answer, without our host.
fn path_of(link: &serde_json::Value) -> String {
    let link = link.as_str().expect("a link");
    link.strip_prefix(PUBLIC_URL).expect("our host").to_owned()
}

#[tokio::test]
async fn the_link_that_was_answered_leads_anybody_to_the_campaigns_page_with_the_code() {
    let app = TestApp::start().await;
    let bank = app.bank(&["Clooney1"]).await;
    let issued = app.advocate("C1").out_of(&bank).await.expect(201);
    let code = issued["referral_code"].as_str().expect("a code");
    assert_eq!(issued["trackable_link"], format!("{PUBLIC_URL}/acme/{code}"));
    let followed = app.anonymous().get(&path_of(&issued["trackable_link"])).await.expect(302);
    assert_eq!(page_of(&followed), format!("https://shop.example.com/welcome?fbuy_ref_code={code}"));
    assert_eq!(followed.header("cache-control"), "no-store");
    assert_eq!(followed.text, "");
    app.finish().await;
}

#[tokio::test]
async fn a_page_keeps_its_own_query_and_its_fragment() {
    let app = TestApp::start().await;
    let pages = [
        ("https://shop.example.com", "https://shop.example.com/?fbuy_ref_code="),
        ("https://shop.example.com/a?x=1&y=%20%C3%A9", "https://shop.example.com/a?x=1&y=%20%C3%A9&fbuy_ref_code="),
        ("https://shop.example.com/a?x=1#top", "https://shop.example.com/a?x=1&fbuy_ref_code=#top"),
        ("https://shop.example.com/#/route?z=1", "https://shop.example.com/?fbuy_ref_code=#/route?z=1"),
        ("http://localhost:3000/a/?x", "http://localhost:3000/a/?x&fbuy_ref_code="),
    ];
    for (n, (page, wanted)) in (1..).zip(pages) {
        let campaign = json!({ "id": n, "name": "Summer", "destination_url": page });
        app.post("/v1/campaigns", campaign).await.expect(201);
        let issued = app.advocate("C1").with("campaign.id", n).await.expect(201);
        let code = issued["referral_code"].as_str().expect("a code");
        let followed = app.anonymous().get(&format!("/acme/{code}")).await.expect(302);
        assert_eq!(page_of(&followed), wanted.replace("fbuy_ref_code=", &format!("fbuy_ref_code={code}")));
    }
    app.finish().await;
}

#[tokio::test]
async fn a_code_is_read_in_any_case_and_handed_on_as_it_is() {
    let app = TestApp::start().await;
    let issued = app.advocate("C1").await.expect(201);
    let code = issued["referral_code"].as_str().expect("a code");
    let wanted = format!("https://shop.example.com/welcome?fbuy_ref_code={code}");
    for (path, own) in [
        (format!("/acme/{}", code.to_uppercase()), ""),
        (format!("//acme//{code}/"), ""),
        (format!("/acme/{code}?utm=x"), "&utm=x"),
    ] {
        assert_eq!(page_of(&app.anonymous().get(&path).await.expect(302)), format!("{wanted}{own}"), "{path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_link_of_nobodys_leads_nowhere() {
    let app = TestApp::start().await;
    app.other_account().await;
    let bank = app.bank(&["Clooney1"]).await;
    let issued = app.advocate("C1").out_of(&bank).await.expect(201);
    let code = issued["referral_code"].as_str().expect("a code");
    let visitor = app.anonymous();
    let unknown = visitor.get("/acme/zzzzzzzz").await.refused(404, "not_found");
    assert_eq!(unknown.header("cache-control"), "no-store");
    // A coupon is no referral code, and another account's code is no code.
    for path in
        ["/acme/Clooney1".to_owned(), format!("/rival/{code}"), format!("/nobody/{code}"), format!("/acme/{code}x")]
    {
        let answer = visitor.get(&path).await.refused(404, "not_found");
        assert_eq!(answer.without_request_id(), unknown.without_request_id(), "{path}");
    }
    for path in [format!("/acme/{code}/x"), format!("/{code}"), format!("/v1/acme/{code}")] {
        assert_eq!(app.get(&path).await.status, 404, "{path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_link_answers_head_too_and_nothing_else() {
    let app = TestApp::start().await;
    let issued = app.advocate("C1").await.expect(201);
    let path = path_of(&issued["trackable_link"]);
    let visitor = app.anonymous();
    let (get, head) = (visitor.get(&path).await.expect(302), visitor.call(Method::HEAD, &path).await.expect(302));
    assert_eq!(page_of(&head), page_of(&get));
    assert_eq!(head.header("cache-control"), "no-store");
    visitor.call(Method::HEAD, "/acme/zzzzzzzz").await.expect(404);
    visitor.call(Method::POST, &path).await.refused(405, "method_not_allowed");
    app.finish().await;
}

#[tokio::test]
async fn the_link_of_an_archived_campaign_still_leads_on_and_follows_its_page() {
    let app = TestApp::start().await;
    let issued = app.advocate("C1").await.expect(201);
    let code = issued["referral_code"].as_str().expect("a code");
    let change = json!({ "archived": true, "destination_url": "https://shop.example.com/over" });
    app.patch(&format!("/v1/campaigns/{CAMPAIGN}"), change).await.expect(200);
    let followed = app.anonymous().get(&format!("/acme/{code}")).await.expect(302);
    assert_eq!(page_of(&followed), format!("https://shop.example.com/over?fbuy_ref_code={code}"));
    app.finish().await;
}

#[tokio::test]
async fn neither_the_link_nor_where_it_leads_can_be_bent_by_a_request() {
    let app = TestApp::start().await;
    let body = json!({ "campaign": { "id": CAMPAIGN }, "customer": { "id": "C1" } });
    let mut call = app.post("/v1/referral_codes", body);
    for name in ["Host", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"] {
        call = call.header(name, "evil.example");
    }
    let link = call.await.expect(201)["trackable_link"].clone();
    let path = path_of(&link);
    let evil = "https%3A%2F%2Fevil.example";
    for query in [format!("url={evil}"), format!("destination_url={evil}"), format!("fbuy_ref_code={evil}")] {
        let call = app.anonymous().get(&format!("{path}?{query}")).header("Host", "evil.example");
        let followed = call.header("X-Forwarded-Host", "evil.example").await.expect(302);
        let location = url::Url::parse(followed.header("location")).expect("an address");
        assert_eq!(location.origin().ascii_serialization(), "https://shop.example.com");
        assert_eq!(location.path(), "/welcome");
        let codes: Vec<_> = location.query_pairs().filter(|(name, _)| name == "fbuy_ref_code").collect();
        assert_eq!(codes.len(), 1);
        assert!(!codes[0].1.contains("evil"));
        // What is the friend's own goes along, as a parameter and nowhere else.
        let own = followed.header("location").matches("evil").count();
        assert_eq!(own, usize::from(!query.starts_with("fbuy_ref_code")), "{:?}", followed.headers);
    }
    app.finish().await;
}
