//! What is refused, with which code, under which path; and that a refusal leaves no trace (reliability.md 4.2).

use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::refusals::{param, refuse_all};
use crate::harness::snapshot::everything;

const JSON: &str = "application/json";
const PURCHASES: &str = "/v1/purchases";
/// Both addresses, and a body that each accepts, without its closing brace.
const BOTH: [(&str, &str); 2] = [
    (PURCHASES, r#"{"order":{"id":"281","amount":100},"customer":{"id":"C1"}"#),
    ("/v1/referral_codes", r#"{"campaign":{"id":53345},"customer":{"id":"C1"}"#),
];

/// `base` with members behind its own.
fn with(base: &str, members: &str) -> Vec<u8> {
    format!("{base},{members}}}").into_bytes()
}

#[tokio::test]
async fn what_is_no_json_object_is_refused() {
    let app = TestApp::start().await;
    for (path, base) in BOTH {
        let whole = format!("{base}}}");
        let utf16 = |mark: &[u8], order: fn(u16) -> [u8; 2]| {
            mark.iter().copied().chain(whole.encode_utf16().flat_map(order)).collect::<Vec<u8>>()
        };
        let in_text = |bytes: &[u8]| [base.as_bytes(), br#","x":"a"#, bytes, br#""}"#].concat();
        let mut cases: Vec<(Vec<u8>, &str, &str)> =
            ["[]", r#""x""#, "5", "null", "true", " [{}] "].map(|body| (body.into(), "expected_object", "")).into();
        cases.extend(
            ["", " ", "{", "}", "order", base, &format!("{whole}{whole}"), &format!("{whole},")]
                .map(|body| (body.as_bytes().to_vec(), "invalid_json", "")),
        );
        cases.extend([
            (utf16(b"\xff\xfe", u16::to_le_bytes), "invalid_json", ""),
            (utf16(b"\xfe\xff", u16::to_be_bytes), "invalid_json", ""),
            (utf16(b"", u16::to_le_bytes), "invalid_json", ""),
            (utf16(b"", u16::to_be_bytes), "invalid_json", ""),
            (in_text(b"\xff"), "invalid_utf8", ""),
            (in_text(b"\xc0\x80"), "invalid_utf8", ""),
            (in_text(b"\xed\xa0\xbd\xed\xb8\x80"), "invalid_utf8", ""),
            (in_text(b"\xe9"), "invalid_utf8", ""),
            (in_text(b"\x01"), "invalid_json", ""),
            (in_text(b"\n"), "invalid_json", ""),
            (in_text(br"\ud800"), "invalid_json", ""),
            (in_text(br"\x41"), "invalid_json", ""),
        ]);
        let no_values = [
            "NaN",
            "Infinity",
            "-Infinity",
            "01",
            "-01",
            "+1",
            ".5",
            "1.",
            "1.e5",
            "0x1F",
            "1e",
            "--1",
            "'x'",
            "1 // one",
            "/* */ 1",
            "# 1",
            "True",
            "undefined",
            "[1,]",
            "{\"a\":1,}",
            "1,",
            "{a:1}",
            "\u{a0}1",
            "“x”",
        ];
        cases.extend(no_values.map(|value| (with(base, &format!("\"x\":{value}")), "invalid_json", "")));
        refuse_all(&app, path, &cases).await;
    }
    app.finish().await;
}

#[tokio::test]
async fn the_articles_own_bodies_are_told_line_column_and_what_to_mend() {
    let app = TestApp::start().await;
    let before = everything(&app.pool).await;
    for body in [include_str!("../data/article/bank_body.txt"), include_str!("../data/article/personal_body.txt")] {
        assert!(body.contains('\u{a0}'), "the bodies are as the article prints them");
        for (path, _) in BOTH {
            let invisible = app.post_text(path, JSON, body).await.refused(400, "invalid_json");
            let mended = app.post_text(path, JSON, &body.replace('\u{a0}', " ")).await.refused(400, "invalid_json");
            for (refusal, wanted) in [(invisible, "U+00A0"), (mended, "trailing comma")] {
                let message = refusal["message"].as_str().expect("a message");
                for word in ["Line ", " column ", wanted] {
                    assert!(message.contains(word), "{wanted}: {message}");
                }
            }
        }
    }
    assert_eq!(everything(&app.pool).await, before);
    app.finish().await;
}

#[tokio::test]
async fn a_key_that_stands_twice_is_refused_wherever_it_stands() {
    let app = TestApp::start().await;
    for (path, base) in BOTH {
        let duplicates = [
            (r#""customer":{"id":"C2"}"#, "customer"),
            (r#""cust\u006fmer":null"#, "customer"),
            (r#""x":1,"x":1"#, "x"),
            (r#""x":{"y":{"z":1,"\u007a":2}}"#, "x.y.z"),
            (r#""x":[{},{"y":1,"y":1}]"#, "x[1].y"),
            (r#""":1,"":1"#, ""),
            (r#""\u0000":1,"\u0000":2"#, "\0"),
        ];
        let cases: Vec<_> =
            duplicates.iter().map(|(members, at)| (with(base, members), "duplicate_key", *at)).collect();
        refuse_all(&app, path, &cases).await;
    }
    app.finish().await;
}

#[tokio::test]
async fn what_is_too_big_too_deep_or_too_much_is_refused_and_what_is_at_the_limit_is_not() {
    let app = TestApp::start().await;
    let nested = |levels: usize| format!("\"x\":{}{}", "[".repeat(levels), "]".repeat(levels));
    let keys = |count: usize| (0..count).map(|n| format!("\"{n:x}\":0")).collect::<Vec<_>>().join(",");
    let padded = |base: &str, bytes: usize| with(base, &format!("\"x\":\"{}\"", "x".repeat(bytes - base.len() - 8)));
    for (path, base) in BOTH {
        let cases = [
            (padded(base, (1 << 20) + 1), "payload_too_large", ""),
            (with(base, &format!("\"x\":{{{}}}", keys(1_001))), "too_many_keys", "x"),
            (with("{\"x\":0", &keys(90_000)), "too_many_keys", ""),
            (with(base, &format!("\"x\":{}", "9".repeat(200_000))), "out_of_range", "x"),
            (with(base, &format!("\"x\":[0,-0.{}]", "1".repeat(62))), "out_of_range", "x[1]"),
        ];
        refuse_all(&app, path, &cases).await;
        for levels in [32, 500_000] {
            let body = String::from_utf8(with(base, &nested(levels))).expect("text");
            let deep = app.post_text(path, JSON, &body).await.refused(400, "too_deep");
            assert!(deep.text.len() < 2_000, "{levels}: {}", deep.text);
        }
        let at_the_limits = [
            padded(base, 1 << 20),
            with(base, &nested(31)),
            with(base, &format!("\"x\":{{{}}}", keys(1_000))),
            with(base, &format!("\"x\":{}", "9".repeat(64))),
        ];
        for (number, body) in at_the_limits.into_iter().enumerate() {
            let body = String::from_utf8(body).expect("text");
            app.post_text(path, JSON, &body).await.expect(if number == 0 { 201 } else { 200 });
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn fields_that_nobody_knows_are_passed_over_whatever_they_hold_and_kept_nowhere() {
    let app = TestApp::start().await;
    let unknown = r#""__proto__":{"admin":true},"constructor":1,"$ne":null,"$(id)":"`id`","":"LEAK","\u0000":"LEAK","a\u0000b":["\u0000LEAK"],
        "LEAK":{"\ud83d\ude00":1e400},"status":"approved","reward":500,"account_id":1,"created_at":"2001-01-01T00:00:00Z","id":7,"Order":{},"Campaign":5"#;
    for (path, base) in BOTH {
        let inner = base.replace("\"id\":\"C1\"", &format!("\"id\":\"C1\",{unknown}").replace("\"id\":7,", ""));
        let body = String::from_utf8(with(&inner, unknown)).expect("text");
        let answer = app.post_text(path, JSON, &body).await.expect(201);
        assert_eq!(answer["created_at"], "2026-08-01T12:00:00Z");
        assert_ne!(answer["id"], 7);
        app.post_text(path, JSON, &format!("{base}}}")).await.expect(200);
    }
    let leaked: Vec<_> = everything(&app.pool).await.into_iter().filter(|row| row.contains("LEAK")).collect();
    assert!(leaked.is_empty(), "{leaked:?}");
    let own = app.advocate("C9").code("A1");
    app.bank(&["A1"]).await;
    own.await.expect(201);
    let paid =
        app.order("282").code("A1").with("status", "approved").with("conversion", json!({ "status": "approved" }));
    assert_eq!(paid.await.expect(201)["conversion"]["status"], "pending");
    app.finish().await;
}

#[tokio::test]
async fn names_are_spelt_as_the_contract_spells_them() {
    let app = TestApp::start().await;
    refuse_all(&app, PURCHASES, &[(br#"{"Order":{"id":"281","amount":1}}"#.to_vec(), "missing", "order")]).await;
    let campaign = br#"{"Campaign":{"id":53345},"email":"a@example.com"}"#.to_vec();
    refuse_all(&app, "/v1/referral_codes", &[(campaign, "missing", "campaign.id")]).await;
    app.finish().await;
}

#[tokio::test]
async fn ids_and_names_that_nobody_could_read_are_refused() {
    let app = TestApp::start().await;
    let long = |chars: usize| "x".repeat(chars);
    for (path, base) in BOTH {
        let mut cases = Vec::new();
        let mut case = |key: &'static str, value: Value, code: &'static str| {
            let mut body: Value = serde_json::from_str(&format!("{base}}}")).expect("json");
            body["customer"][key] = value;
            let at = match key {
                "id" => "customer.id",
                "email" => "customer.email",
                "first_name" => "customer.first_name",
                _ => "customer.last_name",
            };
            cases.push((body.to_string().into_bytes(), code, at));
        };
        for hidden in ["a\u{0}b", "a\u{1b}b", "a\nb", "a\u{202e}b", "a\u{200b}b", "a\u{7f}b", "\u{feff}a"] {
            case("id", json!(hidden), "invalid_string");
        }
        case("id", json!(long(65)), "too_long");
        for wrong in [json!(true), json!(1.5), json!([]), json!({ "$ne": "" })] {
            case("id", wrong, "invalid_type");
        }
        for name in ["first_name", "last_name"] {
            case(name, json!("a\u{0}b"), "invalid_string");
            case(name, json!(long(256)), "too_long");
            case(name, json!(5), "invalid_type");
        }
        let no_addresses = [
            "",
            " ",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "a@b\r\nBcc: x",
            "a@-b.c",
            "a@b..c",
            "a b@c.de",
            "a\u{200b}@c.de",
            &format!("{}@example.com", long(309)),
        ];
        for address in no_addresses {
            case("email", json!(address), "invalid_email");
        }
        case("email", json!("a\u{0}@c.de"), "invalid_string");
        case("email", json!(5), "invalid_type");
        cases.push((format!("{base}}}").replace(r#"{"id":"C1"}"#, "[]").into_bytes(), "invalid_type", "customer"));
        refuse_all(&app, path, &cases).await;
    }
    app.finish().await;
}

#[tokio::test]
async fn several_faults_are_told_at_once_each_with_its_path() {
    let app = TestApp::start().await;
    let before = everything(&app.pool).await;
    let order = json!({
        "order": { "id": " ", "amount": "$5", "currency": "ZZZ", "email": "a", "new_customer": "x", "date": "x" },
        "source": [], "coupon_code": true, "ip_address": "x",
        "customer": { "id": "a\u{0}", "email": "b" },
        "products": [{ "price": "x" }, { "quantity": -1, "sku": {} }],
    });
    let advocate = json!({ "campaign": { "id": 0 }, "customer": { "id": true, "email": "a", "first_name": 5 }, "coupon_code": "a\u{200b}" });
    let wanted = [
        "coupon_code invalid_type",
        "customer.email invalid_email",
        "customer.id invalid_string",
        "ip_address invalid_ip_address",
        "order.amount invalid_amount",
        "order.currency invalid_currency",
        "order.date invalid_date",
        "order.email invalid_email",
        "order.id missing",
        "order.new_customer invalid_type",
        "products[0].price invalid_amount",
        "products[1].quantity out_of_range",
        "products[1].sku invalid_type",
        "source invalid_type",
    ];
    let wanted_of_advocate = [
        "campaign.id out_of_range",
        "coupon_code invalid_code",
        "customer.email invalid_email",
        "customer.first_name invalid_type",
        "customer.id invalid_type",
    ];
    for (path, body, wanted) in [(PURCHASES, order, &wanted[..]), (BOTH[1].0, advocate, &wanted_of_advocate)] {
        let refusal = app.post(path, body).await.expect(400);
        let details = refusal["error"]["details"].as_array().expect("details");
        let mut found: Vec<String> = details
            .iter()
            .map(|fault| {
                format!("{} {}", fault["param"].as_str().expect("a path"), fault["code"].as_str().expect("a code"))
            })
            .collect();
        found.sort_unstable();
        assert_eq!(found, wanted);
        assert_eq!(
            (&refusal["error"]["code"], param(&refusal)),
            (&details[0]["code"], details[0]["param"].as_str().expect("a path"))
        );
        assert_eq!(refusal["applied"], "none");
    }
    assert_eq!(everything(&app.pool).await, before);
    app.finish().await;
}
