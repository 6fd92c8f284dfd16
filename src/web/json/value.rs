//! A single value of a body, read into a type: text, flags, ids. Other types implement [`FieldValue`] beside themselves.
//!
//! Assumes nothing about where the value stands; `web::fields` adds that. Never trims or rounds, never goes through a
//! float, and never repeats the value in a message.

use super::Node;
use crate::types::text::is_invisible;

/// How many characters a string may have.
pub const TEXT_CHARS_MAX: usize = 255;
/// How many characters an id chosen by the sender may have.
pub const ID_CHARS_MAX: usize = 64;

/// Why a single value was refused; it does not know its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub code: &'static str,
    /// Goes on after the path: "must be a string".
    pub message: String,
}

impl Invalid {
    /// The message goes on after the path: "must be a string".
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    fn kind(expected: &str, found: &str) -> Self {
        Self::new("invalid_type", format!("must be {expected}, not {found}"))
    }
}

/// A single value as it was written.
#[derive(Clone, Copy, Debug)]
pub enum Scalar<'a> {
    Text(&'a str),
    Number(&'a str),
    Bool(bool),
}

impl<'a> Scalar<'a> {
    /// A string and nothing else.
    pub fn text(self) -> Result<&'a str, Invalid> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Number(_) => Err(Invalid::kind("a string", "a number; put it in double quotes")),
            Self::Bool(_) => Err(Invalid::kind("a string", "a boolean")),
        }
    }

    /// A string, or an integer as its exact digits: for ids and codes. `281.0` is the integer 281.
    pub fn text_or_digits(self) -> Result<&'a str, Invalid> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Number(digits) if !digits.contains(['.', 'e', 'E']) => Ok(digits),
            Self::Number(digits) => match digits.split_once('.') {
                Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => Ok(whole),
                _ => Err(Invalid::kind("a string or an integer", "a number with a fraction or an exponent")),
            },
            Self::Bool(_) => Err(Invalid::kind("a string or an integer", "a boolean")),
        }
    }

    /// The text of a number, bare or as a string, which need not be one: for amounts.
    pub fn text_or_number(self) -> Result<&'a str, Invalid> {
        match self {
            Self::Text(text) | Self::Number(text) => Ok(text),
            Self::Bool(_) => Err(Invalid::kind("a number", "a boolean")),
        }
    }
}

/// A type that a single value of a body can be read into.
pub trait FieldValue: Sized {
    /// Whether an empty string, or one of spaces, counts as an absent field.
    const BLANK_IS_ABSENT: bool = false;

    /// Reads the value. A string with a NUL never comes here.
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid>;
}

/// Reads the value of a node. An object, a list or `null` is none.
pub fn read<T: FieldValue>(node: &Node) -> Result<T, Invalid> {
    let scalar = match node {
        // PostgreSQL stores no NUL; it stops here for every type at once.
        Node::Text(text) if text.contains('\0') => {
            return Err(Invalid::new("invalid_string", "must not contain the character U+0000"));
        }
        Node::Text(text) => Scalar::Text(text),
        Node::Number(digits) => Scalar::Number(digits),
        Node::Bool(value) => Scalar::Bool(*value),
        Node::Null | Node::List(_) | Node::Object(_) => {
            return Err(Invalid::kind("a single value", node.kind()));
        }
    };
    T::read(scalar)
}

fn at_most(text: &str, chars_max: usize) -> Result<(), Invalid> {
    // A character takes a byte at least, so short texts need no counting.
    if text.len() > chars_max && text.chars().count() > chars_max {
        return Err(Invalid::new("too_long", format!("must have at most {chars_max} characters")));
    }
    Ok(())
}

/// At most [`TEXT_CHARS_MAX`] characters, no control character among them. Right-to-left marks and emoji are text.
impl FieldValue for String {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        let text = scalar.text()?;
        at_most(text, TEXT_CHARS_MAX)?;
        if text.contains(char::is_control) {
            return Err(Invalid::new("invalid_string", "must not contain control characters or line breaks"));
        }
        Ok(text.to_owned())
    }
}

impl FieldValue for bool {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        match scalar {
            Scalar::Bool(value) => Ok(value),
            Scalar::Text(text) | Scalar::Number(text) if text == "1" || text.eq_ignore_ascii_case("true") => Ok(true),
            Scalar::Text(text) | Scalar::Number(text) if text == "0" || text.eq_ignore_ascii_case("false") => Ok(false),
            Scalar::Text(_) | Scalar::Number(_) => Err(Invalid::new("invalid_type", "must be true or false")),
        }
    }
}

/// An id that the sender chose: 1 to [`ID_CHARS_MAX`] characters, all of them visible or spaces, exactly as sent.
/// `281` and `"281"` are the same, `"0281"` and `"281 "` are others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdText(pub String);

impl FieldValue for IdText {
    const BLANK_IS_ABSENT: bool = true;

    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        let text = scalar.text_or_digits()?;
        at_most(text, ID_CHARS_MAX)?;
        if text.contains(is_invisible) {
            return Err(Invalid::new("invalid_string", "must not contain control or invisible characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// An id that we gave out, as a sender wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireId {
    /// Positive.
    Known(i64),
    /// No id of ours is spelt like this (`"0053345"`) or is so large: not found.
    Unknown,
}

impl WireId {
    /// The number to look up; `None` means that there can be no such thing.
    pub const fn known(self) -> Option<i64> {
        match self {
            Self::Known(id) => Some(id),
            Self::Unknown => None,
        }
    }
}

impl FieldValue for WireId {
    const BLANK_IS_ABSENT: bool = true;

    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        let text = scalar.text_or_digits()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Unknown);
        }
        if digits == "0" || digits.len() < text.len() {
            return Err(Invalid::new("out_of_range", "must be a positive integer"));
        }
        if digits.starts_with('0') {
            return Ok(Self::Unknown);
        }
        Ok(digits.parse().map_or(Self::Unknown, Self::Known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::json::parse_object;

    /// What `value` is read as, or the code of its fault.
    fn one<T: FieldValue>(value: &str) -> Result<T, &'static str> {
        let Ok(Node::Object(pairs)) = parse_object(format!("{{\"x\":{value}}}").as_bytes()) else {
            panic!("no JSON: {value}");
        };
        read(&pairs[0].1).map_err(|invalid| invalid.code)
    }

    #[test]
    fn ids_of_ours() {
        let known = |id| Ok(WireId::Known(id));
        let unknown = Ok(WireId::Unknown);
        let cases = [
            ("53345", known(53345)),
            ("\"53345\"", known(53345)),
            ("9007199254740993", known(9_007_199_254_740_993)),
            ("9223372036854775807", known(i64::MAX)),
            ("9223372036854775808", unknown),
            ("\"18446744073709551616\"", unknown),
            ("\"0053345\"", unknown),
            ("\" 53345\"", unknown),
            ("\"５３３４５\"", unknown),
            ("\"abc\"", unknown),
            ("\"+5\"", unknown),
            ("\"5.0\"", unknown),
            ("-1", Err("out_of_range")),
            ("0", Err("out_of_range")),
            ("-0", Err("out_of_range")),
            ("\"-99999999999999999999\"", Err("out_of_range")),
            ("5.0", known(5)),
            ("5.5", Err("invalid_type")),
            ("5e3", Err("invalid_type")),
            ("true", Err("invalid_type")),
            ("{}", Err("invalid_type")),
            ("[]", Err("invalid_type")),
            ("\"5\\u0000\"", Err("invalid_string")),
            ("null", Err("invalid_type")),
        ];
        for (value, wanted) in cases {
            assert_eq!(one::<WireId>(value), wanted, "{value}");
        }
    }

    #[test]
    fn ids_of_the_sender() {
        let cases = [
            ("281", Ok("281")),
            ("\"281\"", Ok("281")),
            ("\"0281\"", Ok("0281")),
            ("\"281 \"", Ok("281 ")),
            ("9007199254740993", Ok("9007199254740993")),
            ("\"#1001/A ../x %00\"", Ok("#1001/A ../x %00")),
            ("281.0", Ok("281")),
            ("281.5", Err("invalid_type")),
            ("false", Err("invalid_type")),
            ("\"a\\nb\"", Err("invalid_string")),
            ("\"a\\u001b\"", Err("invalid_string")),
            ("\"a\u{202e}\"", Err("invalid_string")),
            ("\"a\u{200b}\"", Err("invalid_string")),
        ];
        for (value, wanted) in cases {
            assert_eq!(one::<IdText>(value), wanted.map(|id| IdText(id.to_owned())), "{value}");
        }
        assert!(one::<IdText>(&format!("\"{}\"", "é".repeat(64))).is_ok());
        assert_eq!(one::<IdText>(&format!("\"{}\"", "é".repeat(65))), Err("too_long"));
    }

    #[test]
    fn strings_and_flags() {
        for name in ["", " ", "<script>", "' OR 1=1 --", "{{7*7}}", "👩\u{200d}🚀", "\u{202e}مرحبا"] {
            assert_eq!(one::<String>(&format!("\"{name}\"")), Ok(name.to_owned()));
        }
        assert_eq!(one::<String>("\"a\\u0007\""), Err("invalid_string"));
        assert_eq!(one::<String>(&format!("\"{}\"", "x".repeat(256))), Err("too_long"));
        for (value, wanted) in [
            ("true", Ok(true)),
            ("1", Ok(true)),
            ("\"TRUE\"", Ok(true)),
            ("\"0\"", Ok(false)),
            ("\"False\"", Ok(false)),
            ("2", Err("invalid_type")),
            ("1.0", Err("invalid_type")),
            ("\"yes\"", Err("invalid_type")),
            ("\"\"", Err("invalid_type")),
        ] {
            assert_eq!(one::<bool>(value), wanted, "{value}");
        }
    }
}
