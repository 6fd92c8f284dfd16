//! Says in words what is wrong with a JSON text, where, and what to do: most senders of broken JSON copied it from a
//! page or pasted it together from strings.
//!
//! Works on the place where the parser stopped; it never reads on to find a better fault. Lines and columns count from
//! one, columns in characters. Of the text it repeats single characters and short words only.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::{ECHO_CHARS_MAX, JsonFault, JsonFaultCode};

/// Where the parser stopped, and why.
#[derive(Debug)]
pub(super) struct Stop {
    code: JsonFaultCode,
    at: usize,
    what: String,
    /// Grows on the way out, for the faults that name a field.
    path: Option<String>,
}

impl Stop {
    fn syntax(at: usize, what: impl Into<String>) -> Self {
        Self { code: JsonFaultCode::InvalidJson, at, what: what.into(), path: None }
    }

    /// A fault that names its field.
    pub(super) fn at_path(code: JsonFaultCode, at: usize, what: String) -> Self {
        Self { code, at, what, path: Some(String::new()) }
    }

    pub(super) fn under_key(mut self, key: &str) -> Self {
        self.path = self.path.map(|path| match path.chars().next() {
            None => cut(key),
            Some('[') => cut(key) + &path,
            Some(_) => cut(key) + "." + &path,
        });
        self
    }

    pub(super) fn under_index(mut self, index: usize) -> Self {
        self.path = self.path.map(|path| {
            let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
            format!("[{index}]{dot}{path}")
        });
        self
    }

    pub(super) fn into_fault(self, text: &str) -> JsonFault {
        let message = format!("{}: {}.", place(text, self.at), self.what);
        let path = self.path.filter(|path| !path.is_empty()).map(|path| cut(&path));
        JsonFault { code: self.code, message, path }
    }
}

/// What the grammar asks for where the parser stopped.
#[derive(Clone, Copy)]
pub(super) enum Expected {
    Value,
    Key,
    Colon,
    /// A comma, or this closing bracket.
    CommaOr(u8),
    /// Nothing more.
    End,
}

/// `Line 3 column 14`, of the byte at `at`.
pub(super) fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    format!("Line {line} column {column}")
}

/// The beginning of `text`, at most 64 characters of it.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARS_MAX) {
        None => text.to_owned(),
        Some(_) => text.chars().take(ECHO_CHARS_MAX - 1).chain(['…']).collect(),
    }
}

/// What is wrong at `at`, where something else than `expected` stands; `open` holds the brackets open there.
pub(super) fn unexpected(text: &str, at: usize, open: &[usize], expected: Expected) -> Stop {
    let rest = text.get(at..).unwrap_or_default();
    let Some(found) = rest.chars().next() else {
        return ends_early(text, open);
    };
    if let Some(what) = foreign(found, rest) {
        return Stop::syntax(at, what);
    }
    let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "+-._".contains(*c)).take(20).collect();
    let what = match expected {
        Expected::Value if found.is_ascii_alphabetic() => wrong_word(&word),
        Expected::Value if matches!(found, '+' | '.') => return wrong_number(at, &word),
        Expected::Value => format!("{} stands where a value is expected; write the value, or null", name(found)),
        Expected::Key if found.is_ascii_alphabetic() => {
            format!("the key {word} has no quotes; write it in double quotes: \"{word}\"")
        }
        Expected::Key => format!("{} stands where a key is expected; write the key in double quotes", name(found)),
        Expected::Colon => format!("{} follows the key; put a colon between the key and its value", name(found)),
        Expected::CommaOr(closer) => instead_of_comma(text, found, closer, open),
        Expected::End if matches!(found, '}' | ']') => {
            format!("there is one closing {found} too many; remove it")
        }
        Expected::End => format!("{} follows the end of the body; send one object and nothing after it", name(found)),
    };
    Stop::syntax(at, what)
}

/// What can stand nowhere in JSON outside a string, whatever is expected.
fn foreign(found: char, rest: &str) -> Option<String> {
    if is_invisible(found) {
        let cure = if found.is_whitespace() { "replace it with an ordinary space" } else { "remove it" };
        return Some(format!("an invisible character, {}, stands outside a string; {cure}", name(found)));
    }
    match found {
        '\'' | '`' | '‘' | '’' | '“' | '”' | '„' | '«' | '»' | '＂' => {
            Some(format!("{} is not a quotation mark of JSON; write double quotes: \"", name(found)))
        }
        '#' => Some("this looks like a comment, which JSON does not have; remove it".to_owned()),
        '/' if rest.starts_with("//") || rest.starts_with("/*") => {
            Some("this looks like a comment, which JSON does not have; remove it".to_owned())
        }
        _ => None,
    }
}

fn instead_of_comma(text: &str, found: char, closer: u8, open: &[usize]) -> String {
    match found {
        '}' | ']' => {
            let closer = char::from(closer);
            let begun = open.last().map_or_else(String::new, |at| opened(text, *at));
            format!("{found} stands where {closer} is expected; {begun} must be closed by {closer}")
        }
        '"' | '{' | '[' | '-' => format!("a comma is missing before {}; add it", name(found)),
        _ if found.is_ascii_alphanumeric() => "a comma is missing before this value; add it".to_owned(),
        _ => format!("{} stands where a comma or {} is expected; remove it", name(found), char::from(closer)),
    }
}

fn wrong_word(word: &str) -> String {
    match word.to_ascii_lowercase().as_str() {
        "nan" | "inf" | "infinity" => "JSON has no NaN and no Infinity; write a number, or null".to_owned(),
        "none" | "nil" | "undefined" => format!("JSON does not know the word {word}; write null"),
        lower @ ("true" | "false" | "null") => {
            format!("JSON writes {lower} in small letters, not {word}; write {lower}")
        }
        _ => format!("JSON does not know the word {word}; put text in double quotes"),
    }
}

/// `word` begins like a number and is none.
pub(super) fn wrong_number(at: usize, word: &str) -> Stop {
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    let second = unsigned.as_bytes().get(1);
    let what = if unsigned.starts_with(['I', 'i', 'N', 'n']) {
        "JSON has no NaN and no Infinity; write a number, or null"
    } else if word.starts_with('+') {
        "a number does not begin with +; leave the sign out"
    } else if unsigned.starts_with('.') {
        "a number does not begin with a point; write 0 before it, as in 0.5"
    } else if unsigned.starts_with('0') && matches!(second, Some(b'x' | b'X' | b'o' | b'O' | b'b' | b'B')) {
        "JSON has decimal numbers only; write the number in decimal digits"
    } else if unsigned.starts_with('0') && second.is_some_and(u8::is_ascii_digit) {
        "a number does not begin with 0; leave the zero out, or put an id in double quotes"
    } else if unsigned.ends_with('.') {
        "a number does not end with a point; write digits after it, as in 1.0"
    } else {
        "this is not a number of JSON; write it like 100 or 100.50, or put text in double quotes"
    };
    Stop::syntax(at, what)
}

pub(super) fn trailing_comma(comma: usize, closer: u8) -> Stop {
    Stop::syntax(comma, format!("a trailing comma stands before the closing {}; remove it", char::from(closer)))
}

pub(super) fn open_string(start: usize) -> Stop {
    Stop::syntax(start, "the string that begins here is never closed; add a closing \"")
}

pub(super) fn wrong_escape(start: usize) -> Stop {
    let what = "the string that begins here has an escape that JSON does not know; after \\ may stand \" \\ / b f n r t, \
                or u and four hexadecimal digits, surrogates only in pairs";
    Stop::syntax(start, what)
}

pub(super) fn control_in_string(text: &str, start: usize, at: usize) -> Stop {
    match text.get(at..).and_then(|rest| rest.chars().next()) {
        Some('\n' | '\r') => Stop::syntax(
            start,
            "the string that begins here is not closed on its line; add the closing \", or write a line break as \\n",
        ),
        Some('\t') => Stop::syntax(at, "a tab stands inside a string; write it as \\t"),
        found => {
            let code = found.map_or(0, u32::from);
            Stop::syntax(at, format!("a control character, U+{code:04X}, stands inside a string; remove it"))
        }
    }
}

fn ends_early(text: &str, open: &[usize]) -> Stop {
    let at = text.trim_end_matches([' ', '\t', '\n', '\r']).len();
    let Some(innermost) = open.last() else {
        return Stop::syntax(at, "the body is empty; send one object, such as {\"order\": {\"id\": \"281\"}}");
    };
    let closers: Vec<_> = open.iter().rev().map(|at| closer_of(text, *at)).collect();
    let missing = match closers.as_slice() {
        [closer] => format!("a closing {closer} is missing"),
        closers => format!("the closing {} are missing", closers.join(" ")),
    };
    Stop::syntax(at, format!("the text ends too early: {missing}; {} is never closed", opened(text, *innermost)))
}

fn closer_of(text: &str, at: usize) -> &'static str {
    if text.as_bytes().get(at) == Some(&b'[') { "]" } else { "}" }
}

fn opened(text: &str, at: usize) -> String {
    let what = if closer_of(text, at) == "]" { "list" } else { "object" };
    format!("the {what} opened at {}", place(text, at).replacen('L', "l", 1))
}

/// A space of another alphabet, a control or a formatting character, or a blank letter.
fn is_invisible(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, SpaceSeparator};
    let blank = matches!(c, '\u{115F}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{FFA0}' | '\u{FE0F}');
    let category = c.general_category();
    blank || matches!(category, Control | Format | LineSeparator | ParagraphSeparator | SpaceSeparator)
}

/// A character by itself if it can be seen in any font, by its code point otherwise.
fn name(c: char) -> String {
    let known = match c {
        '\0' => "null",
        '\u{B}' => "vertical tab",
        '\u{C}' => "form feed",
        '\u{A0}' => "no-break space",
        '\u{AD}' => "soft hyphen",
        '\u{2009}' => "thin space",
        '\u{200B}' => "zero-width space",
        '\u{200C}' => "zero-width non-joiner",
        '\u{200D}' => "zero-width joiner",
        '\u{200E}' => "left-to-right mark",
        '\u{200F}' => "right-to-left mark",
        '\u{2028}' => "line separator",
        '\u{2029}' => "paragraph separator",
        '\u{202E}' => "right-to-left override",
        '\u{202F}' => "narrow no-break space",
        '\u{2060}' => "word joiner",
        '\u{3000}' => "ideographic space",
        '\u{FEFF}' => "zero-width no-break space, or byte order mark",
        '\'' => return "the single quote '".to_owned(),
        '‘' | '’' | '“' | '”' | '„' => "curly quote",
        c if c.is_ascii_graphic() => return c.to_string(),
        c => return format!("U+{:04X}", u32::from(c)),
    };
    format!("U+{:04X} ({known})", u32::from(c))
}
