//! Nested fields written as `order[id]=281&products[0][sku]=S`, as PHP clients send them in a query or a form body.
//!
//! serde_qs builds the tree. It merges a repeated key into a list and takes brackets beyond its depth for letters, so
//! the keys are looked through first. Every leaf is text: such a query has no other types.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{BRACKET_BYTES_MAX, DEPTH_MAX, JsonFault, JsonFaultCode, KEYS_MAX, Node, expect_object, explain};

/// Reads a bracket query or a form-encoded body, at most 8 KiB of it. An empty text is an empty object.
pub fn from_brackets(query: &str) -> Result<Node, JsonFault> {
    check(query)?;
    if query.is_empty() {
        return Ok(Node::Object(Vec::new()));
    }
    // serde_qs knows an escaped bracket by its capital letters alone; .NET clients write small ones.
    let query = query.replace("%5b", "%5B").replace("%5d", "%5D");
    let config = serde_qs::Config::new().max_depth(DEPTH_MAX).use_form_encoding(true);
    match config.deserialize_str(&query) {
        Ok(Leafy(root)) => expect_object(root),
        Err(serde_qs::Error::Utf8(_) | serde_qs::Error::FromUtf8(_)) => {
            Err(fault(JsonFaultCode::InvalidUtf8, "The percent-encoded bytes are not UTF-8; encode the text as UTF-8."))
        }
        // The message of serde_qs would repeat the whole key.
        Err(_) => Err(fault(
            JsonFaultCode::InvalidJson,
            "The fields cannot be read: a bracket is not closed, an index of a list is left out, or one name stands \
             for a value and for a group; write them like order[id]=281&products[0][sku]=S.",
        )),
    }
}

/// Refuses what serde_qs would let pass in another meaning.
fn check(query: &str) -> Result<(), JsonFault> {
    if query.len() > BRACKET_BYTES_MAX {
        let message = format!("The fields take more than {BRACKET_BYTES_MAX} bytes; send them as a JSON body.");
        return Err(fault(JsonFaultCode::OutOfRange, &message));
    }
    let mut seen = HashSet::new();
    for (key, _) in url::form_urlencoded::parse(query.as_bytes()) {
        if key.matches('[').count() >= DEPTH_MAX {
            let message = format!("A name has more than {} brackets; send flatter fields.", DEPTH_MAX - 1);
            return Err(fault(JsonFaultCode::TooDeep, &message));
        }
        if seen.len() == KEYS_MAX {
            let message = format!("There are more than {KEYS_MAX} fields; send fewer.");
            return Err(fault(JsonFaultCode::TooManyKeys, &message));
        }
        // `list[]=` stands once for each item.
        if !key.ends_with("[]") && !seen.insert(key.clone()) {
            let path = explain::cut(&key.replace("][", ".").replace('[', ".").replace(']', ""));
            let message = "A field is given twice; leave one of the two out.".to_owned();
            return Err(JsonFault { code: JsonFaultCode::DuplicateKey, message, path: Some(path) });
        }
    }
    Ok(())
}

fn fault(code: JsonFaultCode, message: &str) -> JsonFault {
    JsonFault { code, message: message.to_owned(), path: None }
}

/// A tree whose leaves are all text.
struct Leafy(Node);

impl<'de> Deserialize<'de> for Leafy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LeafyVisitor)
    }
}

struct LeafyVisitor;

impl<'de> Visitor<'de> for LeafyVisitor {
    type Value = Leafy;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a field")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Leafy, E> {
        Ok(Leafy(Node::Text(text.to_owned())))
    }

    /// A name without `=`.
    fn visit_unit<E: Error>(self) -> Result<Leafy, E> {
        Ok(Leafy(Node::Text(String::new())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Leafy, A::Error> {
        let mut list = Vec::new();
        while let Some(Leafy(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Leafy(Node::List(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Leafy, A::Error> {
        let mut object = Vec::new();
        while let Some((key, Leafy(value))) = pairs.next_entry()? {
            object.push((key, value));
        }
        Ok(Leafy(Node::Object(object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Node {
        Node::Text(text.to_owned())
    }

    fn object(pairs: impl IntoIterator<Item = (&'static str, Node)>) -> Node {
        Node::Object(pairs.into_iter().map(|(key, node)| (key.to_owned(), node)).collect())
    }

    #[test]
    fn bracket_queries_become_trees_of_text() {
        let cases = [
            ("", object([])),
            (
                "order%5Bid%5D=281&order[amount]=9.50",
                object([("order", object([("amount", text("9.50")), ("id", text("281"))]))]),
            ),
            ("order%5bid%5d=+a%26%C3%A9", object([("order", object([("id", text(" a&é"))]))])),
            ("a=&b", object([("a", text("")), ("b", text(""))])),
            ("e[]=1&e[]=1", object([("e", Node::List(vec![text("1"), text("1")]))])),
            (
                "p[1][s]=B&p[0][s]=A",
                object([("p", Node::List(vec![object([("s", text("A"))]), object([("s", text("B"))])]))]),
            ),
        ];
        for (query, wanted) in cases {
            assert_eq!(from_brackets(query), Ok(wanted), "{query}");
        }
    }

    #[test]
    fn bad_bracket_queries_are_refused() {
        use JsonFaultCode::{DuplicateKey, ExpectedObject, InvalidJson, InvalidUtf8, OutOfRange, TooDeep, TooManyKeys};
        let many: String = (0..1_200).map(|n| format!("{n:x}z&")).collect();
        let (long, deep) = (format!("a={}", "x".repeat(9_000)), format!("a{}=1", "[b]".repeat(32)));
        let cases = [
            ("order[id]=1&order%5Bid%5D=2", DuplicateKey),
            ("order[id]=1&ord%65r[id]=2", DuplicateKey),
            ("order=1&order[id]=2", InvalidJson),
            ("order[id]=2&order[id][x]=1", InvalidJson),
            ("order[id=1", InvalidJson),
            ("p[0]=a&p[2]=b", InvalidJson),
            ("=x", ExpectedObject),
            ("a=%FF", InvalidUtf8),
            (&many, TooManyKeys),
            (&long, OutOfRange),
            (&deep, TooDeep),
        ];
        for (query, code) in cases {
            assert_eq!(from_brackets(query).map_err(|found| found.code), Err(code), "{query}");
        }
        let found = from_brackets("order[x][id]=1&order[x][id]=1").expect_err("given twice");
        assert_eq!(found.path.as_deref(), Some("order.x.id"));
    }
}
