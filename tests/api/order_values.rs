//! What an order holds is kept as it was sent: codes, dates, amounts, products; but no card's number.

use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::snapshot::everything;

const PURCHASES: &str = "/v1/purchases";

#[tokio::test]
async fn no_code_is_so_unusual_that_an_order_is_refused_for_it() {
    let app = TestApp::start().await;
    app.bank(&["A1"]).await;
    let long = "é".repeat(255);
    let unusual = [
        (json!(long), long.as_str(), "unknown_code"),
        (json!("🎁👩‍👩‍👧"), "🎁👩‍👩‍👧", "unknown_code"),
        (json!(""), "", "no_code"),
        (json!(" \t\n"), " \t\n", "no_code"),
        (json!("\u{a0}"), "\u{a0}", "no_code"),
        (json!("'; drop table purchases; --"), "'; drop table purchases; --", "unknown_code"),
        (json!("a\u{1b}[31m\r\n\u{202e}b\u{200b}"), "a\u{1b}[31m\r\n\u{202e}b\u{200b}", "unknown_code"),
        (json!("=HYPERLINK(\"x\")"), "=HYPERLINK(\"x\")", "unknown_code"),
        (json!("%00%s{{7*7}}<script>"), "%00%s{{7*7}}<script>", "unknown_code"),
        (json!("\\x00"), "\\x00", "unknown_code"),
        (json!("А1"), "А1", "unknown_code"),
        (json!("A1, A1"), "A1, A1", "unknown_code"),
        (json!(123_456_789_012_345_678_i64), "123456789012345678", "unknown_code"),
    ];
    for (number, (sent, kept, reason)) in unusual.into_iter().enumerate() {
        for field in ["coupon_code", "referral_code"] {
            let id = format!("{field} {number}");
            let answer = app.order(&id).with(field, sent.clone()).await.expect(201);
            assert_eq!((&answer[field], &answer["reason"]), (&json!(kept), &json!(reason)), "{id} {sent}");
            assert_eq!(answer["attribution"], Value::Null, "{id}");
            app.order(&id).with(field, sent.clone()).await.expect(200);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_code_that_is_absent_and_one_that_is_empty_are_kept_apart() {
    let app = TestApp::start().await;
    for (id, sent, kept) in
        [("absent", None, Value::Null), ("null", Some(Value::Null), Value::Null), ("empty", Some(json!("")), json!(""))]
    {
        for field in ["coupon_code", "referral_code"] {
            let id = format!("{id} {field}");
            let mut order = app.order(&id);
            if let Some(sent) = &sent {
                order = order.with(field, sent.clone());
            }
            let answer = order.await.expect(201);
            assert_eq!((&answer[field], &answer["reason"]), (&kept, &json!("no_code")), "{id}");
        }
    }
    let empty = "select count(*) from purchases where coupon_code = '' or referral_code = ''";
    assert_eq!(app.count(empty).await, 2);
    assert_eq!(app.count("select count(*) from purchases where coupon_code is null").await, 5);
    app.finish().await;
}

#[tokio::test]
async fn a_date_is_read_in_every_form_and_without_a_zone_in_the_accounts() {
    let app = TestApp::start().await;
    let dates = [
        (json!("2000-01-01T00:00:00Z"), "2000-01-01T00:00:00Z"),
        (json!("2025-06-26"), "2025-06-25T22:00:00Z"),
        (json!("2026-07-01T10:00:00"), "2026-07-01T08:00:00Z"),
        (json!("2026-01-15 10:00"), "2026-01-15T09:00:00Z"),
        (json!("2026-01-15"), "2026-01-14T23:00:00Z"),
        // In Berlin this hour was left out, and the next one came twice.
        (json!("2026-03-29T02:30:00"), "2026-03-29T01:30:00Z"),
        (json!("2025-10-26T02:30:00"), "2025-10-26T00:30:00Z"),
        (json!("2016-03-22 20:05:45.074247-07:00"), "2016-03-23T03:05:45.074247Z"),
        (json!("2026-07-01T10:00:00+14:00"), "2026-06-30T20:00:00Z"),
        (json!(1_785_585_600_000_i64), "2026-08-01T12:00:00Z"),
        (json!("1785585600123"), "2026-08-01T12:00:00.123Z"),
        (json!("2026-08-03T12:00:00Z"), "2026-08-03T12:00:00Z"),
        (Value::Null, "2026-08-01T12:00:00Z"),
    ];
    for (number, (sent, kept)) in dates.into_iter().enumerate() {
        let id = number.to_string();
        let answer = app.order(&id).with("order.date", sent.clone()).await.expect(201);
        assert_eq!(answer["date"], kept, "{sent}");
        assert_eq!(app.order(&id).with("order.date", sent.clone()).await.expect(200).text, answer.text, "{sent}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_till_may_be_two_days_ahead_and_not_an_hour_more() {
    let app = TestApp::start().await;
    let ahead = "2026-08-03T13:00:00Z";
    let early = app.order("281").with("order.date", ahead).await.refused(400, "date_out_of_range");
    assert_eq!(early["error"]["param"], "order.date");
    app.clock.advance(time::Duration::hours(1));
    app.order("281").with("order.date", ahead).await.expect(201);
    app.finish().await;
}

#[tokio::test]
async fn amounts_come_back_digit_by_digit_with_the_decimals_of_their_currency() {
    let app = TestApp::start().await;
    let amounts = [
        ("795", None, "795.00", "USD"),
        ("795.00", None, "795.00", "USD"),
        ("0", None, "0.00", "USD"),
        ("-0.0", None, "0.00", "USD"),
        ("0.30000000000000004", None, "0.30", "USD"),
        ("0.1", Some("eur"), "0.10", "EUR"),
        ("\"12.50\"", Some("EUR"), "12.50", "EUR"),
        ("99999999999.99", None, "99999999999.99", "USD"),
        ("90071992547.41", None, "90071992547.41", "USD"),
        ("1e2", None, "100.00", "USD"),
        ("2.5e-1", None, "0.25", "USD"),
        ("100", Some("JPY"), "100", "JPY"),
        ("100.0", Some("JPY"), "100", "JPY"),
        ("1.234", Some("KWD"), "1.234", "KWD"),
        ("1", Some("KWD"), "1.000", "KWD"),
    ];
    for (number, (sent, currency, shown, code)) in amounts.into_iter().enumerate() {
        let currency = currency.map(|currency| format!(r#","currency":"{currency}""#)).unwrap_or_default();
        let body = format!(r#"{{"order":{{"id":{number},"amount":{sent}{currency}}}}}"#);
        let answer = app.post_text(PURCHASES, "application/json", &body).await.expect(201);
        let wanted = format!(r#""total":{shown},"currency":"{code}","#);
        assert!(answer.text.contains(&wanted), "{sent}: {}", answer.text);
        let found = app.get(&format!("{PURCHASES}/{number}")).await.expect(200);
        assert_eq!(found.text, answer.text, "{sent}");
    }
    app.finish().await;
}

#[tokio::test]
async fn products_are_kept_line_by_line_whatever_they_add_up_to() {
    let app = TestApp::start().await;
    let sent = r#"[{"sku":"SOFA","name":"=SUM(A1) <b>’Sofa’</b>\nred","price":19.990,"quantity":"2"},{"sku":17},{"name":"Voucher","price":-5},
        {"price":0.30000000000000004,"quantity":0,"colour":"red"},{"price":"99999999999.99"},{}]"#;
    let body = format!(r#"{{"order":{{"id":"281","amount":1}},"products":{sent}}}"#);
    let answer = app.post_text(PURCHASES, "application/json", &body).await.expect(201);
    let kept = r#""products":[{"sku":"SOFA","name":"=SUM(A1) <b>’Sofa’</b>\nred","price":19.99,"quantity":2},{"sku":"17","name":null,"price":null,"quantity":null},{"sku":null,"name":"Voucher","price":-5,"quantity":null},{"sku":null,"name":null,"price":0.3,"quantity":0},{"sku":null,"name":null,"price":99999999999.99,"quantity":null},{"sku":null,"name":null,"price":null,"quantity":null}],"#;
    assert!(answer.text.contains(kept), "{}", answer.text);
    assert_eq!(app.get(&format!("{PURCHASES}/281")).await.expect(200).text, answer.text);
    app.finish().await;
}

#[tokio::test]
async fn a_cards_number_that_came_by_accident_is_stored_nowhere() {
    let app = TestApp::start().await;
    let cards = [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111111111111111",
        "gift, card 5555555555554444.",
        "378282246310005",
        "2 4111 1111 1111 1111",
        "4111 1111 1111 1111 12/27",
        "5555 5555 5555 4444 123",
    ];
    for (number, text) in cards.into_iter().enumerate() {
        let line = json!([{ "sku": text, "name": text }]);
        let order = app.order(&number.to_string()).with("products", line).with("customer.id", number);
        let answer = order.with("customer.first_name", text).with("customer.last_name", text).await.expect(201);
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let clear = ["4111111111111111", "5555555555554444", "378282246310005"];
        let shown = [&answer["products"][0]["name"], &answer["customer"]["first_name"]];
        assert!(shown.iter().all(|shown| shown.as_str().is_some_and(|shown| shown.contains('*'))), "{text}");
        for row in everything(&app.pool).await.iter().chain([&answer.text]) {
            let row_digits = row.split(['"', ',']).map(digits).collect::<Vec<_>>();
            let found = clear.iter().find(|card| row_digits.iter().any(|digits| digits.contains(**card)));
            assert!(found.is_none(), "{text} is stored: {row}");
        }
    }
    // An order's number may look like a card's, and is kept.
    let answer = app.order("4111111111111111").await.expect(201);
    assert_eq!(answer["order_id"], "4111111111111111");
    app.finish().await;
}

#[tokio::test]
async fn an_order_in_the_query_as_php_clients_send_it_is_the_same_order() {
    let app = TestApp::start().await;
    let query = "order%5Bid%5D=281&order%5Bamount%5D=795&order%5Bemail%5D=friend%40example.mil&order%5Bnew_customer%5D=1\
        &coupon_code=Clooney1&customer%5Bid%5D=9911&customer%5Bfirst_name%5D=Jos%C3%A9+Maria\
        &products%5B0%5D%5Bsku%5D=SOFA&products%5B0%5D%5Bprice%5D=795.00&products%5B0%5D%5Bquantity%5D=1&products%5B1%5D%5Bsku%5D=LAMP";
    let json = json!({
        "order": { "id": "281", "amount": 795.00, "email": "friend@example.mil", "new_customer": true },
        "coupon_code": "Clooney1",
        "customer": { "id": "9911", "first_name": "José Maria" },
        "products": [{ "sku": "SOFA", "price": 795, "quantity": 1 }, { "sku": "LAMP" }],
    });
    let sent = app.call(reqwest::Method::POST, &format!("/v1//purchases?{query}")).header("Content-Length", "0");
    let first = sent.await.expect(201);
    assert!(first.text.contains(r#""total":795.00,"#), "{}", first.text);
    assert_eq!(first["products"][1]["sku"], "LAMP");
    let as_json = app.post(PURCHASES, json).await.expect(200);
    let as_form = app.post_text(PURCHASES, "application/x-www-form-urlencoded", query).await.expect(200);
    assert_eq!((&as_json.text, &as_form.text), (&first.text, &first.text));

    let other = query.replace("=795&", "=796&");
    let refusal = app.call(reqwest::Method::POST, &format!("{PURCHASES}?{other}")).await.refused(409, "order_conflict");
    assert_eq!(refusal["error"]["fields"], json!(["order.amount"]));
    // The query counts only where there is no body.
    app.post(&format!("{PURCHASES}?{query}"), json!({})).await.refused(400, "missing");
    // A body that comes with a GET is ignored, as Ruby clients need it.
    let got =
        app.get(&format!("{PURCHASES}/281")).header("Content-Type", "application/json").body("{}").await.expect(200);
    assert_eq!(got.text, first.text);
    app.finish().await;
}
