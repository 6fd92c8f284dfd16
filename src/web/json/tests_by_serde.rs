//! Any text at all, with serde_json as the judge.

use proptest::prelude::*;
use serde_json::Value;

use super::{JsonFaultCode, Node, from_brackets, parse_object};

/// The same tree by serde_json, which has checked the text before.
fn by_serde(value: &Value) -> Node {
    match value {
        Value::Null => Node::Null,
        Value::Bool(value) => Node::Bool(*value),
        Value::Number(number) => Node::Number(number.to_string().into()),
        Value::String(text) => Node::Text(text.clone()),
        Value::Array(items) => Node::List(items.iter().map(by_serde).collect()),
        Value::Object(pairs) => Node::Object(pairs.iter().map(|(key, value)| (key.clone(), by_serde(value))).collect()),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_becomes_the_tree_that_serde_json_makes(value in any_json(), pretty: bool) {
        let root = serde_json::json!({ "value": value });
        let body = if pretty { serde_json::to_string_pretty(&root) } else { serde_json::to_string(&root) };
        prop_assert_eq!(parse_object(body.unwrap().as_bytes()), Ok(by_serde(&root)));
    }

    /// A good text with one piece cut out or put in: mostly wrong, often good again.
    #[test]
    fn what_serde_json_accepts_is_accepted_and_nothing_else(
        value in any_json(),
        at: prop::sample::Index,
        cut in 0..3_usize,
        pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"", "\\", "\\u00e9", "\\ud83d", "\\ude00", "0", "1", "-", "+", ".",
            "e", "E5", "true", "null", " ", "\n", "\u{a0}", "\u{1}", "\\\"", "{\"c\":1}", "[1,2]", "x",
        ]), 0..4),
    ) {
        let good: Vec<char> = value.to_string().chars().collect();
        let (head, tail) = good.split_at(at.index(good.len() + 1));
        let tail = tail.iter().skip(cut);
        let body = format!(
            "{{\"k\":{}{}{}}}", head.iter().collect::<String>(), pieces.concat(), tail.collect::<String>()
        );
        // RawValue checks the syntax and gives up no number for its size, but lets half surrogate pairs pass.
        let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&body).is_ok();
        match parse_object(body.as_bytes()).map_err(|found| found.code) {
            Err(JsonFaultCode::InvalidJson) => {
                prop_assert!(!theirs || serde_json::from_str::<Value>(&body).is_err(), "refused: {}", body);
            }
            Ok(_) => prop_assert!(theirs, "accepted: {}", body),
            Err(_) => {}
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "\\PC*", query in "[ab0-2\\[\\]=&%5BDbd+é]*") {
        let _ = parse_object(&bytes);
        let _ = parse_object(text.as_bytes());
        let _ = parse_object(format!("{{\"a\":\"{text}").as_bytes());
        let _ = from_brackets(&String::from_utf8_lossy(&bytes));
        let _ = from_brackets(&query);
    }
}
