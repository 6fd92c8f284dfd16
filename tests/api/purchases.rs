//! Orders: recorded once under their id, told from one another by their facts, kept to the letter.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::app::TestApp;
use crate::harness::client::Answer;
use crate::harness::snapshot::everything;

const PURCHASES: &str = "/v1/purchases";

/// An order with every field, as a client might write it.
const WHOLE: &str = r#"{
    "order": {"id": "281", "amount": 100, "currency": "USD", "email": "Ada@Example.com", "new_customer": true, "date": "2026-07-31T12:00:00Z"},
    "source": "store-12",
    "coupon_code": "Clooney1",
    "referral_code": "nosuch",
    "customer": {"id": "9911", "email": "fran@example.mil", "first_name": "Fran", "last_name": "Friend"},
    "products": [{"sku": "SOFA", "name": "Sofa", "price": 19.990, "quantity": 2}, {"name": "Gift"}],
    "ip_address": "203.0.113.7"
}"#;

async fn record(app: &TestApp, body: &str) -> Answer {
    app.post_text(PURCHASES, "application/json", body).await
}

/// The stored purchases, letter by letter.
async fn stored(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select p::text from purchases p order by p.id").fetch_all(pool).await.expect("purchases")
}

/// Percent-encodes all but letters and digits.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(encode).collect()
}

/// `WHOLE` with the value at `path` set, or taken away.
fn whole_with(path: &str, value: Option<Value>) -> Value {
    let mut body: Value = serde_json::from_str(WHOLE).expect("json");
    let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
    let named = parents.split('.').filter(|parent| !parent.is_empty());
    let parent = named.fold(&mut body, |place, key| &mut place[key]);
    match value {
        Some(value) => parent[key] = value,
        None => drop(parent.as_object_mut().expect("an object").remove(key)),
    }
    body
}

#[tokio::test]
async fn an_order_is_answered_with_every_field_as_it_was_sent() {
    let app = TestApp::start().await;
    app.bank(&["CLOONEY1"]).await;
    let issued = app.advocate("C9912").email("cloondog@example.mil").code("clooney1").await.expect(201);
    let answer = record(&app, WHOLE).await.expect(201);
    let wanted = json!({
        "id": answer["id"],
        "order_id": "281",
        "source": "store-12",
        "date": "2026-07-31T12:00:00Z",
        "total": 100.00,
        "currency": "USD",
        "email": "Ada@Example.com",
        "new_customer": true,
        "customer": {
            "id": null,
            "account_id": "9911",
            "email": "fran@example.mil",
            "first_name": "Fran",
            "last_name": "Friend",
        },
        "products": [
            {"sku": "SOFA", "name": "Sofa", "price": 19.99, "quantity": 2},
            {"sku": null, "name": "Gift", "price": null, "quantity": null},
        ],
        "coupon_code": "Clooney1",
        "referral_code": "nosuch",
        "ip_address": "203.0.113.7",
        "channel": "till",
        "verified": true,
        "attribution": {
            "via": "coupon_code",
            "referral_code": issued["referral_code"],
            "coupon_code": "CLOONEY1",
            "campaign": { "id": 53345, "name": "Spring referrals" },
            "advocate": issued["customer"],
            "conflicting_codes": false,
        },
        "reason": null,
        "conversion": {
            "id": answer["conversion"]["id"],
            "status": "pending",
            "fraud": { "same_email": false, "fuzzy_email": false, "same_customer": false, "same_shopper": false },
            "created_at": "2026-08-01T12:00:00Z",
        },
        "created_at": "2026-08-01T12:00:00Z",
    });
    assert_eq!(answer.json, wanted);
    assert_eq!(answer["id"], app.count("select id from purchases").await);
    assert_eq!(answer["conversion"]["id"], app.count("select id from conversions").await);
    assert_eq!(answer.header("idempotent-replayed"), "", "a new order is no repeat");
    app.finish().await;
}

#[tokio::test]
async fn an_order_with_nothing_but_its_amount_is_answered_with_every_field() {
    let app = TestApp::start().await;
    let answer = record(&app, r#"{"order":{"id":"281","amount":"795"}}"#).await.expect(201);
    let wanted = json!({
        "id": answer["id"], "order_id": "281", "source": "", "date": "2026-08-01T12:00:00Z", "total": 795.00, "currency": "USD",
        "email": null, "new_customer": null, "customer": null, "products": [], "coupon_code": null, "referral_code": null,
        "ip_address": null, "channel": "server", "verified": true, "attribution": null, "reason": "no_code", "conversion": null, "created_at": "2026-08-01T12:00:00Z",
    });
    assert_eq!(answer.json, wanted);
    app.finish().await;
}

#[tokio::test]
async fn an_order_is_found_under_its_id_byte_for_byte_as_it_was_answered() {
    let app = TestApp::start().await;
    let ids =
        ["281", "#1001/A", "../x", "a//b/", "%00", "%2F", "?a=1&b", "281 ", "Заказ-1", "a+b", "🎁", "\\", "'; --"];
    for (number, id) in ids.into_iter().enumerate() {
        for source in ["", "store 12/b&c=%41"] {
            let (mut order, mut query) = (app.order(id).with("order.amount", number), String::new());
            if !source.is_empty() {
                order = order.with("source", source);
                query = format!("?source={}", encoded(source));
            }
            let recorded = order.await.expect(201);
            assert_eq!(recorded["order_id"], id);
            app.clock.advance(time::Duration::minutes(1));
            let found = app.get(&format!("{PURCHASES}/{}{query}", encoded(id))).await.expect(200);
            assert_eq!(found.text, recorded.text, "{id} of {source}");
        }
    }
    for nowhere in ["282", "281%20%20", "0281", "281?source=store-13", "281?source=%20", "%00", "a%2Fb"] {
        let path = format!("{PURCHASES}/{nowhere}");
        let answer = app.get(&path).await;
        // A blank source is none.
        if nowhere.ends_with("=%20") {
            answer.expect(200)
        } else {
            answer.refused(404, "not_found")
        };
    }
    app.finish().await;
}

#[tokio::test]
async fn the_same_facts_in_any_spelling_are_the_same_order() {
    let app = TestApp::start().await;
    app.bank(&["Clooney1"]).await;
    app.advocate("C1").code("Clooney1").await.expect(201);
    let first = record(&app, WHOLE).await.expect(201);
    let before = everything(&app.pool).await;
    let spelt = |from: &str, to: &str| {
        assert!(WHOLE.contains(from), "{from}");
        WHOLE.replace(from, to)
    };
    let reordered = r#"{"ip_address":"203.0.113.7","products":[{"quantity":2,"price":19.99,"name":"Sofa","sku":"SOFA"},{"name":"Gift"}],
        "customer":{"last_name":"Friend","email":"fran@example.mil","id":"9911"},"referral_code":"nosuch","coupon_code":"Clooney1","source":"store-12",
        "order":{"date":"2026-07-31T12:00:00Z","new_customer":true,"email":"Ada@Example.com","currency":"USD","amount":100,"id":"281"}}"#;
    let mut spellings = vec![
        WHOLE.to_owned(),
        WHOLE.replace([' ', '\n'], ""),
        WHOLE.replace(": ", " \t\r\n:  "),
        format!("\u{feff}{WHOLE}\n\n"),
        reordered.to_owned(),
        spelt("\"Clooney1\"", r#""\u0043looney\u0031""#),
        spelt("\"order\": {", r#""ord\u0065r": {"#),
        spelt("\"order\": {", r#""status": "approved", "x": [{"y": null}], "order": {"z": 1.5e300, "#),
        spelt("\"281\"", "281"),
        spelt("\"281\"", "281.0"),
        spelt("true", "1"),
        spelt("true", "\"TRUE\""),
        spelt("\"9911\"", "9911"),
        spelt("2026-07-31T12:00:00Z", "2026-07-31T14:00:00+02:00"),
        spelt("2026-07-31T12:00:00Z", "2026-07-31 14:00"),
        spelt("\"2026-07-31T12:00:00Z\"", "1785499200000"),
        spelt("19.990", "\"19.99\""),
        spelt("\"quantity\": 2", "\"quantity\": \"2.0\""),
        spelt("Ada@Example.com", " ADA@example.COM "),
        spelt("nosuch", "NOSUCH"),
    ];
    let amounts = ["100.00", "\"100\"", "\"100.00\"", "1e2", "1.0E+2", "100.000000000000001"];
    spellings.extend(amounts.map(|amount| spelt("\"amount\": 100", &format!("\"amount\": {amount}"))));
    spellings.extend(["usd", "Usd"].map(|currency| spelt("USD", currency)));
    spellings.extend([" clooney1 ", "CLOONEY1", "\\tClooney1\\n"].map(|code| spelt("Clooney1", code)));
    let may_be_left_out = [
        "order.currency",
        "order.email",
        "order.new_customer",
        "order.date",
        "coupon_code",
        "referral_code",
        "customer",
        "customer.id",
        "customer.email",
        "customer.first_name",
        "customer.last_name",
        "products",
        "ip_address",
    ];
    for path in may_be_left_out {
        spellings.push(whole_with(path, None).to_string());
        spellings.push(whole_with(path, Some(Value::Null)).to_string());
    }
    for spelling in spellings {
        app.clock.advance(time::Duration::minutes(1));
        let again = record(&app, &spelling).await.expect(200);
        assert_eq!(again.header("idempotent-replayed"), "true", "{spelling}");
        assert_eq!(again.text, first.text, "{spelling}");
    }
    assert_eq!(everything(&app.pool).await, before);
    app.finish().await;
}

/// Each fact with another value, and the name it has in `error.fields`.
fn other_facts() -> Vec<(&'static str, Value, &'static str)> {
    let products = |one: Value| json!([one, { "name": "Gift" }]);
    vec![
        ("order.amount", json!(100.01), "order.amount"),
        ("order.amount", json!(0), "order.amount"),
        ("order.currency", json!("EUR"), "order.currency"),
        ("order.email", json!("ada@example.org"), "order.email"),
        ("order.email", json!("ada+x@example.com"), "order.email"),
        ("order.new_customer", json!(false), "order.new_customer"),
        ("order.date", json!("2026-07-31T12:00:01Z"), "order.date"),
        ("coupon_code", json!("Clooney2"), "coupon_code"),
        ("coupon_code", json!("Clooney 1"), "coupon_code"),
        ("referral_code", json!("other"), "referral_code"),
        ("customer.id", json!("09911"), "customer.id"),
        ("customer.email", json!("other@example.mil"), "customer.email"),
        ("customer.first_name", json!("fran"), "customer.first_name"),
        ("customer.last_name", json!("Fiend"), "customer.last_name"),
        ("products", json!([]), "products"),
        ("products", json!([{ "name": "Gift" }]), "products"),
        ("products", products(json!({ "sku": "SOFA", "name": "Sofa", "price": 19.98, "quantity": 2 })), "products"),
        ("products", products(json!({ "sku": "SOFA", "name": "Sofa", "price": 19.99, "quantity": 3 })), "products"),
        ("ip_address", json!("203.0.113.8"), "ip_address"),
    ]
}

#[tokio::test]
async fn each_fact_that_differs_is_named_and_changes_nothing() {
    let app = TestApp::start().await;
    app.bank(&["Clooney1", "Clooney2"]).await;
    app.advocate("C1").code("Clooney1").await.expect(201);
    app.advocate("C2").code("Clooney2").await.expect(201);
    let first = record(&app, WHOLE).await.expect(201);
    let (before, row) = (everything(&app.pool).await, stored(&app.pool).await);
    for (path, value, field) in other_facts() {
        let refusal = app.post(PURCHASES, whole_with(path, Some(value.clone()))).await.refused(409, "order_conflict");
        assert_eq!(refusal["error"]["fields"], json!([field]), "{path} {value}");
        assert!(refusal["message"].as_str().is_some_and(|message| message.contains(field)), "{}", refusal.text);
        assert_eq!(stored(&app.pool).await, row, "{path} {value}");
        assert_eq!(everything(&app.pool).await, before, "{path} {value}");
    }
    let several = record(&app, r#"{"order":{"id":281,"amount":1},"source":"store-12","coupon_code":"x"}"#).await;
    assert_eq!(several.refused(409, "order_conflict")["error"]["fields"], json!(["order.amount", "coupon_code"]));
    assert_eq!(record(&app, WHOLE).await.expect(200).text, first.text);
    app.finish().await;
}

#[tokio::test]
async fn a_fact_that_a_repeat_adds_differs_and_one_that_it_leaves_out_does_not() {
    let app = TestApp::start().await;
    let bare = app.order("281").await.expect(201);
    let before = everything(&app.pool).await;
    for (path, value, field) in other_facts().into_iter().filter(|(path, value, _)| {
        // The amount is always there, the currency is the account's, and no products are none.
        !matches!(*path, "order.amount") && *value != json!([])
    }) {
        let refusal = app.order("281").with(path, value).await.refused(409, "order_conflict");
        assert_eq!(refusal["error"]["fields"], json!([field]), "{path}");
        assert_eq!(everything(&app.pool).await, before, "{path}");
    }
    let nothing_new = [("order.currency", json!("usd")), ("products", json!([])), ("coupon_code", json!(" "))];
    for (path, value) in nothing_new {
        assert_eq!(app.order("281").with(path, value).await.expect(200).text, bare.text, "{path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_id_is_another_order_in_another_source_another_account_and_another_spelling() {
    let app = TestApp::start().await;
    let rival = app.other_account().await;
    let here = app.order("281").await.expect(201);
    let there = app.order("281").with("source", "store-12").with("order.amount", 5).await.expect(201);
    let theirs = rival.order("281").with("order.amount", 7).await.expect(201);
    for (shop, path, wanted) in [
        (&*app, "281", &here),
        (&app, "281?source=store-12", &there),
        (&rival, "281", &theirs),
        (&app, "281?source=", &here),
    ] {
        assert_eq!(shop.get(&format!("{PURCHASES}/{path}")).await.expect(200).text, wanted.text, "{path}");
    }
    rival.get(&format!("{PURCHASES}/281?source=store-12")).await.refused(404, "not_found");
    app.order("281").with("source", "STORE-12").await.expect(201);

    let others = [
        json!("0281"),
        json!("281 "),
        json!(" 281"),
        json!(9_007_199_254_740_993_i64),
        json!("281.0"),
        json!("x"),
        json!("X"),
    ];
    for (number, id) in others.iter().enumerate() {
        app.order("").with("order.id", id.clone()).with("order.amount", number).await.expect(201);
    }
    let near = app.order("").with("order.id", 9_007_199_254_740_992_i64).await.expect(201);
    assert_eq!(near["order_id"], "9007199254740992");
    app.get(&format!("{PURCHASES}/9007199254740993")).await.expect(200);
    assert_eq!(app.count("select count(*) from purchases").await, 4 + 8);
    app.finish().await;
}
