//! Typed fields out of a body's [`Node`], with all faults at once, each under its path (`products[0].sku`).
//!
//! Read every field first, and use `?` on the results last: a `?` in between hides the faults of what follows. As any
//! fault makes the whole reading fail, an optional field may give `None` for absent and for faulty alike.
//!
//! Assumes that the caller knows which fields there are: keys are compared letter by letter, and unknown ones are
//! passed over, whatever they hold. `null` is the same as absent. Never repeats a value in a message.

use std::cell::RefCell;
use std::fmt;

use super::json::Node;
use super::json::value;
pub use super::json::value::{FieldValue, IdText, Invalid, Scalar, WireId};

/// One field that was refused. `message` is the rest of a sentence that begins with the path: "must be a string".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// Empty for the body itself.
    pub path: String,
    pub code: &'static str,
    pub message: String,
}

impl fmt::Display for FieldFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = if self.path.is_empty() { "the body" } else { &self.path };
        write!(out, "{subject} {}", self.message)
    }
}

/// A view on one object of the body.
pub struct Fields<'a> {
    pairs: &'a [(String, Node)],
    path: String,
    faults: &'a RefCell<Vec<FieldFault>>,
}

impl<'a> Fields<'a> {
    /// Reads `root` with `read`. `Err` holds every fault in the order of reading, at least one.
    pub fn read<T>(root: &Node, read: impl FnOnce(&Fields<'_>) -> Option<T>) -> Result<T, Vec<FieldFault>> {
        let faults = RefCell::new(Vec::new());
        let pairs: &[_] = if let Node::Object(pairs) = root { pairs } else { &[] };
        let view = Fields { pairs, path: String::new(), faults: &faults };
        if !matches!(root, Node::Object(_)) {
            view.record(wrong_type(String::new(), "an object", root));
        }
        let value = read(&view);
        let faults = faults.into_inner();
        match value {
            Some(value) if faults.is_empty() => Ok(value),
            // A reader that gives up says why; if it forgot to, the sender still gets a refusal.
            None if faults.is_empty() => Err(vec![missing(String::new())]),
            _ => Err(faults),
        }
    }

    /// The value under `key`, as it came, `null` included.
    pub fn node(&self, key: &str) -> Option<&'a Node> {
        self.pairs.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// Whether `key` is there and not `null`; an empty string is there.
    pub fn is_present(&self, key: &str) -> bool {
        self.given(key).is_some()
    }

    /// Where `key` stands in the body; this object itself for the empty key.
    pub fn path(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            (path, "") => path.to_owned(),
            ("", key) => key.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    /// Records a fault of `key` that the caller found. The message goes on after the path: "must be a string".
    pub fn fault(&self, key: &str, code: &'static str, message: impl Into<String>) {
        self.record(FieldFault { path: self.path(key), code, message: message.into() });
    }

    /// The object under `key`; `None` without a fault if absent.
    pub fn object(&self, key: &str) -> Option<Fields<'a>> {
        match self.given(key)? {
            Node::Object(pairs) => Some(Fields { pairs, path: self.path(key), faults: self.faults }),
            other => {
                self.record(wrong_type(self.path(key), "an object", other));
                None
            }
        }
    }

    /// The object under `key`; absent is a fault.
    pub fn required_object(&self, key: &str) -> Option<Fields<'a>> {
        if !self.is_present(key) {
            self.record(missing(self.path(key)));
            return None;
        }
        self.object(key)
    }

    /// The list of objects under `key`, at most `max` of them; `None` without a fault if absent. An item that is no
    /// object is a fault and is left out.
    pub fn list(&self, key: &str, max: usize) -> Option<Vec<Fields<'a>>> {
        let items = match self.given(key)? {
            Node::List(items) => items,
            other => {
                self.record(wrong_type(self.path(key), "a list of objects", other));
                return None;
            }
        };
        if items.len() > max {
            self.fault(key, "too_many_items", format!("must have at most {max} items"));
            return None;
        }
        let list_path = self.path(key);
        let mut views = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{list_path}[{index}]");
            match item {
                Node::Object(pairs) => views.push(Fields { pairs, path, faults: self.faults }),
                other => self.record(wrong_type(path, "an object", other)),
            }
        }
        Some(views)
    }

    /// Whether anything was refused so far.
    pub fn has_faults(&self) -> bool {
        !self.faults.borrow().is_empty()
    }

    /// The list of 1 to `max` values under `key`; absent or empty is a fault.
    pub fn values<T: FieldValue>(&self, key: &str, max: usize) -> Option<Vec<T>> {
        let items = match self.given(key) {
            None => {
                self.record(missing(self.path(key)));
                return None;
            }
            Some(Node::List(items)) if (1..=max).contains(&items.len()) => items,
            Some(Node::List(_)) => {
                self.fault(key, "too_many_items", format!("must have from 1 to {max} items"));
                return None;
            }
            Some(other) => {
                self.record(wrong_type(self.path(key), "a list", other));
                return None;
            }
        };
        let list_path = self.path(key);
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match value::read(item) {
                Ok(value) => values.push(value),
                Err(Invalid { code, message }) => {
                    self.record(FieldFault { path: format!("{list_path}[{index}]"), code, message });
                }
            }
        }
        Some(values)
    }

    /// The value under `key`; `None` without a fault if absent, with one if it cannot be read.
    pub fn parse<T: FieldValue>(&self, key: &str) -> Option<T> {
        let node = self.given(key)?;
        if is_blank(node) && T::BLANK_IS_ABSENT {
            return None;
        }
        match value::read(node) {
            Ok(value) => Some(value),
            Err(Invalid { code, message }) => {
                self.fault(key, code, message);
                None
            }
        }
    }

    /// The value under `key`; absent is a fault.
    pub fn require<T: FieldValue>(&self, key: &str) -> Option<T> {
        let absent = |node| T::BLANK_IS_ABSENT && is_blank(node);
        if self.given(key).is_none_or(absent) {
            self.record(missing(self.path(key)));
            return None;
        }
        self.parse(key)
    }

    /// What `key` refers to, written `{"id": 7}` or just `7`; `None` without a fault if absent.
    pub fn reference<T: FieldValue>(&self, key: &str) -> Option<T> {
        match self.given(key)? {
            Node::Object(_) => self.object(key)?.parse("id"),
            _ => self.parse(key),
        }
    }

    /// As [`reference`](Self::reference); absent is a fault of `key.id`.
    pub fn require_reference<T: FieldValue>(&self, key: &str) -> Option<T> {
        match self.given(key) {
            None => self.record(missing(self.path(key) + ".id")),
            Some(Node::Object(_)) => return self.object(key)?.require("id"),
            Some(_) => return self.require(key),
        }
        None
    }

    /// A string of at most 255 characters, none of them a control character.
    pub fn text(&self, key: &str) -> Option<String> {
        self.parse(key)
    }

    /// An id that the sender chose: a string, or the digits of an integer. A blank one counts as absent.
    pub fn text_or_number(&self, key: &str) -> Option<String> {
        self.parse::<IdText>(key).map(|id| id.0)
    }

    /// `true`, `false`, `1`, `0`, bare or as strings, in any case.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.parse(key)
    }

    fn given(&self, key: &str) -> Option<&'a Node> {
        self.node(key).filter(|node| !matches!(node, Node::Null))
    }

    fn record(&self, fault: FieldFault) {
        self.faults.borrow_mut().push(fault);
    }
}

fn missing(path: String) -> FieldFault {
    FieldFault { path, code: "missing", message: "is missing; send it".to_owned() }
}

fn wrong_type(path: String, expected: &str, found: &Node) -> FieldFault {
    FieldFault { path, code: "invalid_type", message: format!("must be {expected}, not {}", found.kind()) }
}

fn is_blank(node: &Node) -> bool {
    matches!(node, Node::Text(text) if text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::json::{from_brackets, parse_object};

    fn body(text: &str) -> Node {
        parse_object(text.as_bytes()).expect(text)
    }

    #[derive(Debug, PartialEq)]
    struct Order {
        id: IdText,
        note: Option<String>,
        skus: Vec<String>,
        campaign: WireId,
    }

    fn order(root: &Node) -> Result<Order, Vec<FieldFault>> {
        Fields::read(root, |body| {
            let campaign = body.require_reference("campaign");
            let order = body.required_object("order")?;
            let (id, note) = (order.require("id"), order.text("note"));
            let products = order.list("products", 2).unwrap_or_default();
            let skus: Vec<_> = products.iter().map(|product| product.require("sku")).collect();
            Some(Order { id: id?, note, skus: skus.into_iter().collect::<Option<_>>()?, campaign: campaign? })
        })
    }

    #[test]
    fn a_body_is_read_from_json_and_from_brackets_alike() {
        let json = r#"{"campaign":{"id":7},"order":{"id":281,"products":[{"sku":"S"}],"new":"\u0000"},"$ne":[]}"#;
        let wanted =
            Order { id: IdText("281".to_owned()), note: None, skus: vec!["S".to_owned()], campaign: WireId::Known(7) };
        assert_eq!(order(&body(json)).as_ref(), Ok(&wanted));
        let query = "campaign=7&order%5Bid%5D=281&order%5Bproducts%5D%5B0%5D%5Bsku%5D=S";
        assert_eq!(order(&from_brackets(query).expect(query)), Ok(wanted));
    }

    /// Body, and each fault as path, code and sentence.
    #[test]
    fn all_faults_come_at_once_with_their_paths() {
        let cases: [(&str, &[(&str, &str)]); 6] = [
            (r#"{"Order":{}}"#, &[("campaign.id", "missing"), ("order", "missing")]),
            (r#"{"campaign":{"id":null},"order":null}"#, &[("campaign.id", "missing"), ("order", "missing")]),
            (r#"{"campaign":[],"order":5}"#, &[("campaign", "invalid_type"), ("order", "invalid_type")]),
            (
                r#"{"campaign":{"id":{}},"order":{"id":" ","note":5,"products":[{"sku":"a\u0000"},6]}}"#,
                &[
                    ("campaign.id", "invalid_type"),
                    ("order.id", "missing"),
                    ("order.note", "invalid_type"),
                    ("order.products[1]", "invalid_type"),
                    ("order.products[0].sku", "invalid_string"),
                ],
            ),
            (r#"{"campaign":1,"order":{"id":1,"products":[{},{},{}]}}"#, &[("order.products", "too_many_items")]),
            (
                r#"{"campaign":"","order":{"id":1,"products":{}}}"#,
                &[("campaign", "missing"), ("order.products", "invalid_type")],
            ),
        ];
        for (text, wanted) in cases {
            let faults = order(&body(text)).expect_err(text);
            let found: Vec<_> = faults.iter().map(|fault| (fault.path.as_str(), fault.code)).collect();
            assert_eq!(found, wanted, "{text}");
        }
        let faults = order(&Node::Null).expect_err("no object");
        assert_eq!(faults[0].to_string(), "the body must be an object, not null");
        let faults = order(&body(r#"{"campaign":1,"order":{"id":1,"note":5}}"#)).expect_err("a number");
        assert_eq!(faults[0].to_string(), "order.note must be a string, not a number; put it in double quotes");
    }

    #[test]
    fn a_reader_that_gives_up_without_a_fault_is_a_refusal_all_the_same() {
        assert!(Fields::read(&body("{}"), |fields| fields.text("x")).is_err());
    }
}
