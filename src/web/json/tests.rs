//! The J rows of the input rules, as tables over [`parse_object`](super::parse_object).

use super::{DEPTH_MAX, JsonFault, JsonFaultCode, Node, parse_object};

const HELP_PAGE_BODY_1: &str = "\
{\n\
\u{a0} \"campaign\": {\n\
\u{a0} \u{a0} \"id\": 53345\n\
\u{a0} },\n\
\u{a0} \"customer\": {\n\
\u{a0} \u{a0} \"id\": \"C9911\",\n\
\u{a0} \u{a0} \"first_name\": \"Jaylene\",\n\
\u{a0} \u{a0} \"last_name\": \"Zheng\",\n\
\u{a0} \u{a0} \"email\": \"jzheng@example.mil\",\n\
\u{a0} },\n\
\u{a0} \u{a0}\"coupon_bank_id\": {\n\
\u{a0} \u{a0} \"id\": \"9900\",\n\
}\n";
const HELP_PAGE_BODY_2: &str = "\
{\n\
\u{a0} \"campaign\": {\n\
\u{a0} \u{a0} \"id\": 53345\n\
\u{a0} },\n\
\u{a0} \"customer\": {\n\
\u{a0} \u{a0} \"id\": \"C9911\",\n\
\u{a0} \u{a0} \"first_name\": \"Georgie\",\n\
\u{a0} \u{a0} \"last_name\": \"Clooney\",\n\
\u{a0} \u{a0} \"email\": \"cloondog@example.mil\",\n\
\u{a0} },\n\
\u{a0} \u{a0}\"coupon_code\": \"Clooney1\"\n\
}\n";

fn fault(body: impl AsRef<[u8]>) -> JsonFault {
    parse_object(body.as_ref()).expect_err(&String::from_utf8_lossy(body.as_ref()))
}

fn text(text: &str) -> Node {
    Node::Text(text.to_owned())
}

fn object(pairs: impl IntoIterator<Item = (&'static str, Node)>) -> Node {
    Node::Object(pairs.into_iter().map(|(key, node)| (key.to_owned(), node)).collect())
}

#[test]
fn the_bodies_of_the_help_page_are_refused_for_what_stands_first() {
    for body in [HELP_PAGE_BODY_1, HELP_PAGE_BODY_2] {
        let found = fault(body);
        assert_eq!(found.code, JsonFaultCode::InvalidJson);
        assert_eq!(
            found.message,
            "Line 2 column 1: an invisible character, U+00A0 (no-break space), stands outside a string; \
             replace it with an ordinary space."
        );
        let spaces = body.replace('\u{a0}', " ");
        assert_eq!(
            fault(&spaces).message,
            "Line 9 column 34: a trailing comma stands before the closing }; remove it."
                .replace("34", if body == HELP_PAGE_BODY_1 { "34" } else { "36" })
        );
    }
    let no_commas =
        |body: &str| body.replace('\u{a0}', " ").replace("mil\",", "mil\"").replace("\"9900\",", "\"9900\"");
    assert_eq!(
        fault(no_commas(HELP_PAGE_BODY_1)).message,
        "Line 13 column 2: the text ends too early: a closing } is missing; \
         the object opened at line 1 column 1 is never closed."
    );
    assert!(parse_object(no_commas(HELP_PAGE_BODY_2).as_bytes()).is_ok());
    assert!(parse_object((no_commas(HELP_PAGE_BODY_1) + "}").as_bytes()).is_ok());
}

#[test]
fn a_root_that_is_no_object_is_refused() {
    for body in ["[]", "\"x\"", "5", "null", "true", " [1, 2] "] {
        assert_eq!(fault(body).code, JsonFaultCode::ExpectedObject, "{body}");
    }
}

#[test]
fn only_utf_8_is_read() {
    let utf_16: Vec<u8> = "{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf_16_big: Vec<u8> = "{\"a\":1}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let marked = [b"\xFF\xFE".as_slice(), &utf_16].concat();
    for body in [utf_16, utf_16_big, marked] {
        assert_eq!(fault(body).code, JsonFaultCode::InvalidJson);
    }
    for body in [b"{\"\xFF\":1}".as_slice(), b"{\"\xC0\x80\":1}", b"{\"\xED\xA0\x80\xED\xB0\x80\":1}"] {
        assert_eq!(fault(body).code, JsonFaultCode::InvalidUtf8);
    }
    let message = "Line 2 column 4: the byte 0xFF is not UTF-8; send the body as UTF-8.";
    assert_eq!(fault(b"{\n\"\xC3\xA9.\xFF\"").message, message);
    assert_eq!(parse_object(b"\xEF\xBB\xBF{}"), Ok(object([])));
}

#[test]
fn a_key_that_stands_twice_is_named() {
    let cases = [
        (r#"{"order":1,"order":2}"#, "order"),
        (r#"{"order":1,"ord\u0065r":2}"#, "order"),
        (r#"{"order":{"id":1,"id":1}}"#, "order.id"),
        (r#"{"a":[0,[{"b":{"c":1,"c":1}}]]}"#, "a[1][0].b.c"),
    ];
    for (body, path) in cases {
        let found = fault(body);
        assert_eq!(found.code, JsonFaultCode::DuplicateKey, "{body}");
        assert_eq!(found.path.as_deref(), Some(path), "{body}");
    }
    let message = fault(cases[0].0).message;
    assert!(message.starts_with("Line 1 column 12: this key stands twice"));
}

/// A body a line, and what the message must contain.
const WRONG: &str = r##"
{"a":1,"b":[1,]} => Line 1 column 14: a trailing comma stands before the closing ]
{"a":[1,2 => Line 1 column 10: the text ends too early: the closing ] } are missing; the list opened at line 1 column 6
{"a":1, => a closing } is missing; the object opened at line 1 column 1 is never closed
{"a => Line 1 column 2: the string that begins here is never closed
{"a":[1} => } stands where ] is expected; the list opened at line 1 column 6 must be closed by ]
{"a":1] => ] stands where } is expected; the object opened at line 1 column 1 must be closed by }
{'a':1} => the single quote '
{“a”:1} => U+201C (curly quote) is not a quotation mark
{/* x */} => Line 1 column 2: this looks like a comment
{"a":1 // x => comment
{"a":1 # x => comment
{"a":NaN} => no NaN and no Infinity
{"a":-Infinity} => no NaN and no Infinity
{"a":Infinity} => no NaN and no Infinity
{"a":True} => write true
{"a":None} => write null
{"a":hello} => word hello; put text in double quotes
{"a":01} => does not begin with 0
{"a":+1} => does not begin with +
{"a":.5} => write 0 before it
{"a":-.5} => write 0 before it
{"a":1.} => write digits after it
{"a":0x1F} => decimal
{"a":1e} => not a number of JSON
{"a":1_000} => not a number of JSON
{"a":５} => U+FF15 stands where a value is expected
{"a":} => } stands where a value is expected
{"a":,} => , stands where a value is expected
{a:1} => the key a has no quotes
{,} => , stands where a key is expected
{"a" 1} => put a colon
{"a":1 "b":2} => Line 1 column 8: a comma is missing before
{"a":1;} => ; stands where a comma or } is expected
{}} => one closing } too many
{} {} => follows the end of the body
{"a":"\x"} => Line 1 column 6: the string that begins here has an escape
{"a":"\ud800"} => surrogates only in pairs
{"a":"\udc00\ud800"} => surrogates only in pairs
{"\ud800":1} => surrogates only in pairs
"##;

fn assert_wrong(body: &str, words: &str) {
    let found = fault(body);
    assert_eq!(found.code, JsonFaultCode::InvalidJson, "{body}");
    assert_eq!(found.path, None, "{body}");
    assert!(found.message.contains(words), "{body}: {}", found.message);
}

#[test]
fn a_fault_says_what_is_wrong_and_where() {
    for case in WRONG.trim().lines() {
        let (body, words) = case.split_once(" => ").expect(case);
        assert_wrong(body, words);
    }
    assert_wrong("", "the body is empty");
    assert_wrong(" \n ", "the body is empty");
}

#[test]
fn characters_that_cannot_be_seen_are_named() {
    let cases = [
        ("{\"é\u{200b}\":1,\u{200b}}", "Line 1 column 9: an invisible"),
        ("{\u{200b}}", "U+200B (zero-width space), stands outside"),
        ("{\u{feff}}", "or byte order mark), stands outside a string; remove"),
        ("{\u{3000}}", "U+3000 (ideographic space)"),
        ("{\"a\":1\u{0}}", "invisible character, U+0000 (null)"),
        ("{\"a\":\"\u{1}\"}", "Line 1 column 7: a control character, U+0001"),
        ("{\"a\":\"\t\"}", "a tab stands inside a string"),
        ("{\"a\": \"b\n\"}", "Line 1 column 7: the string that begins here is not"),
        ("{\"a\":\"\\\n\"}", "not closed on its line"),
    ];
    for (body, words) in cases {
        assert_wrong(body, words);
    }
}

#[test]
fn limits_hold() {
    let nested = |depth: usize| "{\"a\":".repeat(depth - 1) + "{}" + &"}".repeat(depth - 1);
    assert!(parse_object(nested(DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(fault(nested(DEPTH_MAX + 1)).code, JsonFaultCode::TooDeep);
    assert_eq!(fault("{\"a\":".to_owned() + &"[".repeat(500_000)).code, JsonFaultCode::TooDeep);

    let keys = |count: usize| {
        let pairs: Vec<_> = (0..count).map(|n| format!("\"k{n}\":{n}")).collect();
        format!("{{\"order\":{{{}}}}}", pairs.join(","))
    };
    assert!(parse_object(keys(1_000).as_bytes()).is_ok());
    let found = fault(keys(100_000));
    assert_eq!((found.code, found.path.as_deref()), (JsonFaultCode::TooManyKeys, Some("order")));

    let number = |digits: usize| format!("{{\"order\":{{\"id\":1{}}}}}", "0".repeat(digits - 1));
    assert!(parse_object(number(64).as_bytes()).is_ok());
    let found = fault(number(200_000));
    assert_eq!((found.code, found.path.as_deref()), (JsonFaultCode::OutOfRange, Some("order.id")));
}

#[test]
fn a_fault_never_repeats_a_long_input() {
    let long = "x".repeat(10_000);
    let bodies = [
        format!("{{\"{long}\":1,\"{long}\":1}}"),
        format!("{{\"{long}\":{{\"{long}\":[{{\"a\":1,\"a\":1}}]}}}}"),
        format!("{{{long}:1}}"),
        format!("{{\"a\":{long}}}"),
        format!("{{\"a\":1{long}}}"),
    ];
    for body in bodies {
        let found = fault(body);
        assert!(!found.message.contains(&"x".repeat(65)), "{}", found.message);
        assert!(found.path.unwrap_or_default().chars().count() <= 64);
    }
}

#[test]
fn numbers_and_order_stay_as_written() {
    let root = parse_object(br#"{"b":9007199254740993,"a":-0.0,"__proto__":[1e400,"\u0000\ud83d\ude00",true,null]}"#);
    let number = |digits: &str| Node::Number(digits.into());
    let list = vec![number("1e400"), text("\0😀"), Node::Bool(true), Node::Null];
    let wanted = [("b", number("9007199254740993")), ("a", number("-0.0")), ("__proto__", Node::List(list))];
    assert_eq!(root, Ok(object(wanted)));
}

#[test]
fn a_key_that_stands_twice_is_found_among_few_and_among_many() {
    for keys in 1..40 {
        let members: Vec<String> = (0..keys).map(|n| format!("\"k{n}\":{n}")).collect();
        assert!(parse_object(format!("{{{}}}", members.join(",")).as_bytes()).is_ok(), "{keys} keys");
        for again in 0..keys {
            let found = fault(format!("{{{},\"k{again}\":0,\"z\":1}}", members.join(",")));
            assert_eq!(
                (found.code, found.path),
                (JsonFaultCode::DuplicateKey, Some(format!("k{again}"))),
                "{keys} keys"
            );
        }
    }
}
