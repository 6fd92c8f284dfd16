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

/// A name of a person, a product or a thing: at most 255 characters. May be empty. A payment
/// card's number that was put there by accident is masked: we must never hold one.
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
        // Nothing else is refused: an order must not be lost for a line break in a product's name.
        if text.contains('\0') { Err(InvalidText::Invisible('\0')) } else { Ok(Self(mask_card_numbers(text))) }
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

/// Longest name of a browser that is kept, in characters.
const USER_AGENT_CHARS_MAX: usize = 512;

/// How a browser calls itself: the first 512 characters of it, for telling whether two are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent(String);

impl TryFrom<&str> for UserAgent {
    type Error = InvalidText;

    fn try_from(text: &str) -> Result<Self, InvalidText> {
        let name: String = text.trim().chars().take(USER_AGENT_CHARS_MAX).collect();
        match name.chars().find(|c| *c == '\0') {
            Some(nul) => Err(InvalidText::Invisible(nul)),
            None if name.is_empty() => Err(InvalidText::Empty),
            None => Ok(Self(name)),
        }
    }
}

impl UserAgent {
    /// What the browser calls itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text with every payment card number in it masked but for its last four digits. A number counts as one when it
/// has 13 to 19 digits, perhaps in groups, begins as card numbers do and has the right check digit.
fn mask_card_numbers(text: &str) -> String {
    let mut masked: Vec<char> = text.chars().collect();
    let mut start = 0;
    while start < masked.len() {
        let digits = digits_of_number(&masked, start);
        for place in cards_among(&masked, &digits).iter().flat_map(|card| card.iter().rev().skip(4)) {
            masked[*place] = '*';
        }
        start = digits.last().map_or(start + 1, |last| last + 1);
    }
    masked.into_iter().collect()
}

/// The places of the digits of the number that begins at `start`; single spaces and hyphens may stand between them.
fn digits_of_number(text: &[char], start: usize) -> Vec<usize> {
    let mut places = Vec::new();
    let mut place = start;
    while let Some(c) = text.get(place) {
        let is_separator = matches!(c, ' ' | '-') && places.last() == Some(&place.wrapping_sub(1));
        if c.is_ascii_digit() {
            places.push(place);
        } else if !is_separator {
            break;
        }
        place += 1;
    }
    places
}

/// The runs of whole groups among `places` that are card numbers: a quantity or a date may stand beside one.
fn cards_among<'a>(text: &[char], places: &'a [usize]) -> Vec<&'a [usize]> {
    let is_border = |index: usize| {
        let before = index.checked_sub(1).and_then(|before| places.get(before));
        before.zip(places.get(index)).is_none_or(|(before, here)| before + 1 < *here)
    };
    let lengths = |start: usize| (13..=19).filter_map(move |length| places.get(start..start + length));
    (0..places.len())
        .filter(|start| is_border(*start))
        .flat_map(|start| lengths(start).filter(move |card| is_border(start + card.len())))
        .filter(|card| is_card_number(text, card))
        .collect()
}

fn is_card_number(text: &[char], places: &[usize]) -> bool {
    let digits: Vec<u32> = places.iter().filter_map(|place| text[*place].to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(nth, digit)| if nth % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { *digit })
        .sum();
    matches!(digits.first(), Some(2..=6)) && sum.is_multiple_of(10)
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

/// Whether a reader cannot see this character.
pub fn is_invisible(c: char) -> bool {
    use GeneralCategory as G;
    // Nearly all text is of such characters, and looking others up takes a while.
    if c == ' ' || c.is_ascii_graphic() {
        return false;
    }
    matches!(c.general_category(), G::Control | G::Format | G::LineSeparator | G::ParagraphSeparator)
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
        for bad in ["", "  ", long.as_str(), "a\nb", "a\u{0}b", "a\u{200B}b", "a\u{202E}b"] {
            assert!(OpaqueId::try_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn card_numbers_are_masked_and_other_numbers_are_not() {
        let table = [
            ("gift 4111 1111 1111 1111 thanks", "gift **** **** **** 1111 thanks"),
            ("5555555555554444", "************4444"),
            ("378282246310005", "***********0005"),
            ("2 4111 1111 1111 1111", "2 **** **** **** 1111"),
            ("4111 1111 1111 1111 12/27", "**** **** **** 1111 12/27"),
            ("4111-1111-1111-1112", "4111-1111-1111-1112"),
            ("order 1234567890123456", "order 1234567890123456"),
            ("2 x 400 g", "2 x 400 g"),
        ];
        for (text, shown) in table {
            assert_eq!(Name::try_from(text).expect(text).as_str(), shown);
        }
    }

    #[test]
    fn names_are_kept_verbatim() {
        for good in ["", "<script>", "=HYPERLINK(1)", "' OR 1=1 --", "%s%n", "👩‍👩‍👧", "محمد"] {
            assert_eq!(Name::try_from(good).expect(good).as_str(), good);
        }
        assert!(Name::try_from("x".repeat(256).as_str()).is_err());
        assert!(Name::try_from("a\0b").is_err());
    }
}
