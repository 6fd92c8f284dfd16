//! What is refused of an order: where, and with which code (reliability.md 4.4).

use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::refusals::refuse_all;

const PURCHASES: &str = "/v1/purchases";

/// The refusals of an order: where, what stands there as JSON, with which code.
const REFUSED_ORDERS: &[(&str, &[&str], &str)] = &[
    ("order", &["null"], "missing"),
    ("order", &["[]", "5", "\"x\"", "true"], "invalid_type"),
    ("order.id", &["null", "\"\"", "\"  \"", "\"\\t\""], "missing"),
    ("order.id", &["true", "{}", "[1]", "1.5", "1e3"], "invalid_type"),
    ("order.id", &["\"a\\u0000b\"", "\"a\\nb\"", "\"a\\u001bb\"", "\"a\\u202eb\"", "\"a\\u200bb\""], "invalid_string"),
    ("order.id", &["\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""], "too_long"),
    ("order.amount", &["null"], "missing"),
    ("order.amount", &["true", "{}", "[]"], "invalid_type"),
    (
        "order.amount",
        &[
            "\"1,000.00\"",
            "\"$5\"",
            "\"٣\"",
            "\"５\"",
            "\"1_000\"",
            "\"NaN\"",
            "\"\"",
            "\" \"",
            "\"1.2.3\"",
            "\"0x1F\"",
            "\"1e\"",
            "\"5 EUR\"",
        ],
        "invalid_amount",
    ),
    ("order.amount", &["-0.01", "\"-5\"", "100000000000", "1e999", "1e11"], "out_of_range"),
    ("order.amount", &["10.005", "\"10.001\"", "1e-3", "99999999999.991"], "too_many_decimals"),
    ("order.currency", &["\"US$\"", "\"ZZZ\"", "\"\"", "\"DOLLAR\"", "\"ＵＳＤ\"", "\"840\""], "invalid_currency"),
    ("order.currency", &["5", "true", "{}"], "invalid_type"),
    (
        "order.email",
        &["\"\"", "\"a\"", "\"a@\"", "\"@b\"", "\"a@b@c\"", "\"a@b..c\"", "\"a@b\\r\\nBcc: x\""],
        "invalid_email",
    ),
    ("order.email", &["5", "[]"], "invalid_type"),
    ("order.new_customer", &["\"perhaps\"", "2", "\"\"", "[]"], "invalid_type"),
    (
        "order.date",
        &[
            "\"2026-02-30\"",
            "\"294277-01-01\"",
            "\"infinity\"",
            "\"-infinity\"",
            "\"now\"",
            "\"2026-01-01T00:00:60Z\"",
            "\"2026-01-01T00:00:00+25:00\"",
            "\"2026-01-01T24:00:01Z\"",
            "\"\"",
            "\"01/02/2026\"",
            "\"2026-01-01[Europe/Berlin]\"",
        ],
        "invalid_date",
    ),
    (
        "order.date",
        &[
            "\"0000-01-01\"",
            "\"1999-12-31T23:59:59Z\"",
            "\"2026-08-03T12:00:01Z\"",
            "\"2026-08-03T13:00:00Z\"",
            "\"9999-01-01T00:00:00Z\"",
            "1785762000000",
            "1785585600",
        ],
        "date_out_of_range",
    ),
    ("order.date", &["true", "1.5", "{}"], "invalid_type"),
    ("source", &["\"a\\u0000b\"", "\"a\\nb\""], "invalid_string"),
    ("source", &["true", "[]"], "invalid_type"),
    ("coupon_code", &["true", "{}", "[\"A1\"]", "1.5"], "invalid_type"),
    ("coupon_code", &["\"a\\u0000b\""], "invalid_string"),
    ("referral_code", &["true", "{}", "[\"A1\"]", "1.5"], "invalid_type"),
    ("referral_code", &["\"a\\u0000b\""], "invalid_string"),
    ("ip_address", &["\"999.1.1.1\"", "\"example.com\"", "\"1.2.3.4/8\"", "\"1.2.3.4:80\""], "invalid_ip_address"),
    ("ip_address", &["5", "[]"], "invalid_type"),
    ("products", &["{}", "\"SOFA\"", "5"], "invalid_type"),
];

#[tokio::test]
async fn each_wrong_field_of_an_order_is_refused_under_its_name() {
    let app = TestApp::start().await;
    app.order("280").await.expect(201);
    let mut cases = Vec::new();
    let set = |path: &str, value: Value| {
        let mut body = json!({ "order": { "id": "281", "amount": 100 } });
        *path.split('.').fold(&mut body, |place, key| &mut place[key]) = value;
        // Numbers of any size keep their digits, for they stand in for a text here.
        body.to_string()
    };
    for (path, values, code) in REFUSED_ORDERS {
        for value in *values {
            cases.push((set(path, json!("~")).replace("\"~\"", value).into_bytes(), *code, *path));
        }
    }
    for (path, chars) in [("source", 65), ("coupon_code", 256), ("referral_code", 256)] {
        cases.push((set(path, json!("é".repeat(chars))).into_bytes(), "too_long", path));
    }
    let decimals = [("JPY", "100.5"), ("KWD", "1.2345"), ("EUR", "0.001")];
    cases.extend(decimals.map(|(currency, amount)| {
        let body = format!(r#"{{"order":{{"id":"281","amount":{amount},"currency":"{currency}"}}}}"#);
        (body.into_bytes(), "too_many_decimals", "order.amount")
    }));
    cases.extend([
        (b"{}".to_vec(), "missing", "order"),
        (br#"{"order":{"amount":1}}"#.to_vec(), "missing", "order.id"),
        (br#"{"order":{"id":1}}"#.to_vec(), "missing", "order.amount"),
        (set("order.amount", json!("9".repeat(200_000))).into_bytes(), "out_of_range", "order.amount"),
    ]);
    refuse_all(&app, PURCHASES, &cases).await;
    app.finish().await;
}

#[tokio::test]
async fn each_wrong_line_of_an_order_is_refused_under_its_place() {
    let app = TestApp::start().await;
    let lines = [
        (json!([5]), "invalid_type", "products[0]"),
        (json!([{}, null]), "invalid_type", "products[1]"),
        (json!([{}, { "sku": true }]), "invalid_type", "products[1].sku"),
        (json!([{ "sku": "x".repeat(256) }]), "too_long", "products[0].sku"),
        (json!([{ "name": "x".repeat(256) }]), "too_long", "products[0].name"),
        (json!([{ "name": "a\u{0}b" }]), "invalid_string", "products[0].name"),
        (json!([{ "price": "free" }]), "invalid_amount", "products[0].price"),
        (json!([{ "price": 1e12 }]), "out_of_range", "products[0].price"),
        (json!([{ "price": [] }]), "invalid_type", "products[0].price"),
        (json!([{ "quantity": -1 }]), "out_of_range", "products[0].quantity"),
        (json!([{ "quantity": 1.5 }]), "out_of_range", "products[0].quantity"),
        (json!([{ "quantity": 1_000_001 }]), "out_of_range", "products[0].quantity"),
        (json!([{ "quantity": "many" }]), "out_of_range", "products[0].quantity"),
        (json!(vec![json!({}); 501]), "too_many_items", "products"),
    ];
    let order = |products: Value| json!({ "order": { "id": "281", "amount": 1 }, "products": products });
    let cases = lines.map(|(products, code, at)| (order(products).to_string().into_bytes(), code, at));
    refuse_all(&app, PURCHASES, &cases).await;
    let most = app.post(PURCHASES, order(json!(vec![json!({}); 500]))).await.expect(201);
    assert_eq!(most["products"].as_array().map(Vec::len), Some(500));
    app.finish().await;
}
