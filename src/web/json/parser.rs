//! Reads JSON (RFC 8259) from left to right, in one pass, into [`Node`]s, and stops at the first fault.
//!
//! It is our own because serde_json tells neither duplicate keys nor what a person did wrong, and gives up number text
//! only value by value. What is accepted is exactly what serde_json accepts, within the limits of `json`; a property
//! test compares the two. Escapes are left to serde_json.

use std::borrow::Cow;
use std::collections::HashSet;

use super::explain::{self, Expected, Stop};
use super::{DEPTH_MAX, JsonFaultCode, KEYS_MAX, NUMBER_CHARS_MAX, Node};

pub(super) fn parse(text: &str) -> Result<Node, Stop> {
    let mut parser = Parser { text, at: 0, open: Vec::new() };
    parser.skip_space();
    let root = parser.value()?;
    parser.skip_space();
    if parser.peek().is_some() {
        return Err(parser.unexpected(Expected::End));
    }
    Ok(root)
}

struct Parser<'a> {
    text: &'a str,
    /// The byte that comes next; always at the border of a character when a fault is made.
    at: usize,
    /// Where the brackets stand that are open now, outermost first.
    open: Vec<usize>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Consumes `byte` if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let comes = self.peek() == Some(byte);
        self.at += usize::from(comes);
        comes
    }

    /// The text up to where a word or number ends, whether or not it is a good one.
    fn word(&self) -> &'a str {
        let rest = self.slice(self.at, self.text.len());
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_')));
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    }

    fn unexpected(&self, expected: Expected) -> Stop {
        explain::unexpected(self.text, self.at, &self.open, expected)
    }

    fn value(&mut self) -> Result<Node, Stop> {
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.list(),
            Some(b'"') => Ok(Node::Text(self.string()?.into_owned())),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let word = self.word();
                let node = match word {
                    "null" => Node::Null,
                    "true" => Node::Bool(true),
                    "false" => Node::Bool(false),
                    _ => return Err(self.unexpected(Expected::Value)),
                };
                self.at += word.len();
                Ok(node)
            }
        }
    }

    fn enter(&mut self) -> Result<(), Stop> {
        if self.open.len() == DEPTH_MAX {
            let what =
                format!("objects and lists stand more than {DEPTH_MAX} deep inside one another; send a flatter body");
            return Err(Stop::at_path(JsonFaultCode::TooDeep, self.at, what));
        }
        self.open.push(self.at);
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    /// After an item: true if another one follows, false if `closer` ended the object or list.
    fn another(&mut self, closer: u8) -> Result<bool, Stop> {
        self.skip_space();
        if self.take(closer) {
            self.open.pop();
            return Ok(false);
        }
        let comma = self.at;
        if !self.take(b',') {
            return Err(self.unexpected(Expected::CommaOr(closer)));
        }
        self.skip_space();
        match self.peek() {
            Some(end @ (b'}' | b']')) => Err(explain::trailing_comma(comma, end)),
            _ => Ok(true),
        }
    }

    fn object(&mut self) -> Result<Node, Stop> {
        self.enter()?;
        let mut pairs: Vec<(String, Node)> = Vec::new();
        let mut seen = Seen::default();
        if self.take(b'}') {
            self.open.pop();
            return Ok(Node::Object(pairs));
        }
        loop {
            let key_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected(Expected::Key));
            }
            let key = self.string()?;
            if pairs.len() == KEYS_MAX {
                let what = format!("an object has more than {KEYS_MAX} keys; send fewer");
                return Err(Stop::at_path(JsonFaultCode::TooManyKeys, key_at, what));
            }
            if seen.has(&key, &pairs) {
                let what = "this key stands twice in the same object; leave one of the two out".to_owned();
                return Err(Stop::at_path(JsonFaultCode::DuplicateKey, key_at, what).under_key(&key));
            }
            self.skip_space();
            if !self.take(b':') {
                return Err(self.unexpected(Expected::Colon));
            }
            self.skip_space();
            let value = self.value().map_err(|stop| stop.under_key(&key))?;
            pairs.push((key.into_owned(), value));
            if !self.another(b'}')? {
                return Ok(Node::Object(pairs));
            }
        }
    }

    fn list(&mut self) -> Result<Node, Stop> {
        self.enter()?;
        let mut items = Vec::new();
        if self.take(b']') {
            self.open.pop();
            return Ok(Node::List(items));
        }
        loop {
            let item = self.value().map_err(|stop| stop.under_index(items.len()))?;
            items.push(item);
            if !self.another(b']')? {
                return Ok(Node::List(items));
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        let start = self.at;
        let mut escaped = false;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(explain::open_string(start)),
                Some(b'"') => break,
                Some(0..=0x1F) => {
                    return Err(explain::control_in_string(self.text, start, self.at));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    // A control character after a backslash is left for the next turn, which names it.
                    if self.peek().is_some_and(|next| next > 0x1F) {
                        self.at += 1;
                    }
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        if !escaped {
            return Ok(Cow::Borrowed(self.slice(start + 1, self.at - 1)));
        }
        match serde_json::from_str(self.slice(start, self.at)) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(_) => Err(explain::wrong_escape(start)),
        }
    }

    fn number(&mut self) -> Result<Node, Stop> {
        let word = self.word();
        if !is_number(word) {
            return Err(explain::wrong_number(self.at, word));
        }
        if word.len() > NUMBER_CHARS_MAX {
            let what = format!("a number has more than {NUMBER_CHARS_MAX} characters; send it shorter, or as a string");
            return Err(Stop::at_path(JsonFaultCode::OutOfRange, self.at, what));
        }
        self.at += word.len();
        Ok(Node::Number(word.into()))
    }
}

/// How many keys are looked through one by one. Hashing each costs more than that.
const KEYS_LOOKED_THROUGH: usize = 16;

/// The keys of an object so far.
#[derive(Default)]
struct Seen(HashSet<String>);

impl Seen {
    /// Whether `key` stands in `pairs`; asked of each key before its pair is added.
    fn has(&mut self, key: &str, pairs: &[(String, Node)]) -> bool {
        if pairs.len() <= KEYS_LOOKED_THROUGH {
            return pairs.iter().any(|(known, _)| known == key);
        }
        if self.0.is_empty() {
            self.0.extend(pairs.iter().map(|(known, _)| known.clone()));
        }
        !self.0.insert(key.to_owned())
    }
}

/// Whether `word` is a number by the grammar of JSON.
fn is_number(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let word = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (word, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}
