//! The text of a request body as a tree. Amounts and ids keep the digits that were sent, for a number here is its own
//! text and never passes through a float; objects keep their order.
//!
//! Assumes that the transport has bounded the body (1 MiB). Bounds by itself: depth, keys in an object, digits of a
//! number, length of a bracket query.
//!
//! Never knows a field name, never repairs a text, and never repeats more than 64 characters of it. A fault is the
//! first thing that is wrong, reading from the left, and says what to do about it.

mod brackets;
mod explain;
mod parser;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_by_serde;
pub mod value;

pub use brackets::from_brackets;

/// How many objects and lists may stand inside one another, the outermost included.
pub const DEPTH_MAX: usize = 32;
/// How many keys one object may have.
pub const KEYS_MAX: usize = 1_000;
/// How many characters a number may have.
pub const NUMBER_CHARS_MAX: usize = 64;
/// How many bytes a bracket query or a form body may have.
pub const BRACKET_BYTES_MAX: usize = 8 * 1_024;
/// How many characters of the input a path or a message may repeat.
const ECHO_CHARS_MAX: usize = 64;

/// A value of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Null,
    Bool(bool),
    /// A number as it was written: `100.50` is not `100.5`.
    Number(Box<str>),
    Text(String),
    List(Vec<Node>),
    /// Pairs as they came; no key stands twice.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// What this is, with its article, for a message.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Why a body was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFaultCode {
    InvalidJson,
    InvalidUtf8,
    DuplicateKey,
    TooManyKeys,
    TooDeep,
    ExpectedObject,
    OutOfRange,
}

impl JsonFaultCode {
    /// The code as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::DuplicateKey => "duplicate_key",
            Self::TooManyKeys => "too_many_keys",
            Self::TooDeep => "too_deep",
            Self::ExpectedObject => "expected_object",
            Self::OutOfRange => "out_of_range",
        }
    }
}

/// The first fault of a body. `message` is for people and says what to do; `path` (such as `products[0].sku`) names
/// the field, if there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JsonFault {
    pub code: JsonFaultCode,
    pub message: String,
    pub path: Option<String>,
}

/// Reads a JSON text whose root is an object. A UTF-8 byte order mark in front is skipped.
pub fn parse_object(bytes: &[u8]) -> Result<Node, JsonFault> {
    let text = decode(bytes)?;
    let root = parser::parse(text).map_err(|stop| stop.into_fault(text))?;
    expect_object(root)
}

/// Reads one line of many, each of which is such a text. Faults name the line by its number.
pub fn parse_line(bytes: &[u8], number: u64) -> Result<Node, JsonFault> {
    // The parser counts from the beginning of its text, which for it is line 1 and has no other.
    let renumber = |message: String| message.replace("ine 1 column ", &format!("ine {number} column "));
    parse_object(bytes).map_err(|fault| JsonFault { message: renumber(fault.message), ..fault })
}

fn expect_object(root: Node) -> Result<Node, JsonFault> {
    if matches!(root, Node::Object(_)) {
        return Ok(root);
    }
    Err(JsonFault {
        code: JsonFaultCode::ExpectedObject,
        message: format!("The body is {}; send one object, which begins with {{ and ends with }}.", root.kind()),
        path: None,
    })
}

fn decode(bytes: &[u8]) -> Result<&str, JsonFault> {
    // No JSON text has NUL as its first or second byte; every UTF-16 and UTF-32 one has, unless it begins with a mark.
    let wide = bytes.starts_with(b"\xFF\xFE")
        || bytes.starts_with(b"\xFE\xFF")
        || (bytes.len() > 1 && bytes.iter().take(2).any(|byte| *byte == 0));
    if wide {
        return Err(JsonFault {
            code: JsonFaultCode::InvalidJson,
            message: "The body is not UTF-8 but seems to be UTF-16 or UTF-32; send it as UTF-8.".to_owned(),
            path: None,
        });
    }
    let text_at = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let bytes = bytes.get(text_at..).unwrap_or_default();
    str::from_utf8(bytes).map_err(|fault| {
        let (good, rest) = bytes.split_at_checked(fault.valid_up_to()).unwrap_or_default();
        let byte = rest.first().copied().unwrap_or_default();
        let place = explain::place(&String::from_utf8_lossy(good), good.len());
        JsonFault {
            code: JsonFaultCode::InvalidUtf8,
            message: format!("{place}: the byte 0x{byte:02X} is not UTF-8; send the body as UTF-8."),
            path: None,
        }
    })
}
