//! Text as merchants send it: opaque ids that are kept to the letter, and names.

use serde::Serialize;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Longest opaque id, in characters.
pub const ID_CHARS_MAX: usize = 64;
/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 255;

/// Why a text cannot be an id or a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    #[error("must not be empty")]
    Empty,
    #[error("has {0} characters; at most {1} are possible")]
    TooLong(usize, usize),
    #[error("holds a character that cannot be seen, U+{:04X}; remove it", u32::from(*.0))]
    Invisible(char),
}

/// An id of the merchant's own (a customer's, an order's) or the name of a source: 1 to 64 visible characters. Kept
/// exactly as sent: nothing trimmed, no zeros removed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct OpaqueId(String);

impl TryFrom<&str> for OpaqueId {
    type Error = InvalidText;

    fn try_from(text: &str) -> Result<Self, InvalidText> {
        if text.trim().is_empty() {
            return Err(InvalidText::Empty);
        }
        check(text, ID_CHARS_MAX).map(|()| Self(text.to_owned()))
    }
}

impl OpaqueId {
    /// The id as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name of a person, a product or a thing: at most 255 characters, nothing that cannot be seen. May be empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Name(String);

impl TryFrom<&str> for Name {
    type Error = InvalidText;

    fn try_from(text: &str) -> Result<Self, InvalidText> {
        let length = text.chars().count();
        if length > NAME_CHARS_MAX {
            return Err(InvalidText::TooLong(length, NAME_CHARS_MAX));
        }
        // People's names and emoji hold joiners, right-to-left names hold marks: only control characters are refused.
        match text.chars().find(|c| c.is_control()) {
            Some(control) => Err(InvalidText::Invisible(control)),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl Name {
    /// The name as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to read in it.
    pub fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }
}

fn check(text: &str, chars_max: usize) -> Result<(), InvalidText> {
    let length = text.chars().count();
    if length > chars_max {
        return Err(InvalidText::TooLong(length, chars_max));
    }
    match text.chars().find(|c| is_invisible(*c)) {
        Some(hidden) => Err(InvalidText::Invisible(hidden)),
        None => Ok(()),
    }
}

/// Whether a reader cannot see this character, or takes it for an ordinary space.
pub fn is_invisible(c: char) -> bool {
    use GeneralCategory as G;
    let category = c.general_category();
    c.is_control()
        || matches!(category, G::Format | G::LineSeparator | G::ParagraphSeparator)
        || (category == G::SpaceSeparator && c != ' ')
        || matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{2800}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_to_the_letter() {
        for good in ["281", "0281", "281 ", "#1001/A", "../x", "%00", "Заказ-1", "9007199254740993"] {
            assert_eq!(OpaqueId::try_from(good).expect(good).as_str(), good);
        }
    }

    #[test]
    fn ids_that_cannot_be_read_are_refused() {
        let long = "9".repeat(65);
        for bad in ["", "  ", long.as_str(), "a\nb", "a\u{0}b", "a\u{200B}b", "a\u{202E}b", "a\u{A0}b"] {
            assert!(OpaqueId::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_kept_verbatim() {
        for good in ["", "<script>", "=HYPERLINK(1)", "' OR 1=1 --", "%s%n", "👩‍👩‍👧", "محمد"] {
            assert_eq!(Name::try_from(good).expect(good).as_str(), good);
        }
        assert!(Name::try_from("x".repeat(256).as_str()).is_err());
        assert!(Name::try_from("a\r\nb").is_err());
    }
}
