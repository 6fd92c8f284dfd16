//! The opaque text by which a walk through a list goes on. It carries where the last row stood and what the walk has
//! counted, and a digest over that and the list it belongs to: a changed cursor, or one of another list, filter or
//! account, is told from a good one. It is no secret, for it leads nowhere that its bearer may not go.

use sha2::{Digest, Sha256};

/// The first byte, so that a later form can be told from this one.
const FORM: u8 = 1;
/// Bytes of the digest that are kept.
const DIGEST_BYTES: usize = 16;
/// Form, two parts of the place, offset, total.
const PAYLOAD_BYTES: usize = 1 + 4 * 8;

/// Which list, and which choice of its rows, a cursor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope([u8; 32]);

impl Scope {
    /// The scope that these texts name together.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

/// Where a walk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The place of the last row shown, as two numbers.
    pub place: (i64, i64),
    /// How many rows of the list come before the next.
    pub offset: i64,
    /// How many rows there were when the walk began, if that was counted.
    pub total: Option<i64>,
}

impl Cursor {
    /// Writes it for a list.
    pub fn write(&self, scope: &Scope) -> String {
        let mut bytes = vec![FORM];
        for number in [self.place.0, self.place.1, self.offset, self.total.unwrap_or(-1)] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(digest(scope, &bytes));
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads one back. Nothing, when it was changed or belongs elsewhere.
    pub fn read(text: &str, scope: &Scope) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 2 * (PAYLOAD_BYTES + DIGEST_BYTES) || !is_hex {
            return None;
        }
        let bytes: Vec<u8> = (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16))
            .collect::<Result<_, _>>()
            .ok()?;
        let (payload, said) = bytes.split_at(PAYLOAD_BYTES);
        if payload.first() != Some(&FORM) || said != digest(scope, payload) {
            return None;
        }
        let number = |index: usize| {
            let at = 1 + 8 * index;
            payload.get(at..at + 8).and_then(|part| part.try_into().ok()).map(i64::from_be_bytes)
        };
        let (offset, total) = (number(2)?, number(3)?);
        Some(Self { place: (number(0)?, number(1)?), offset, total: (total >= 0).then_some(total) })
    }
}

fn digest(scope: &Scope, payload: &[u8]) -> [u8; DIGEST_BYTES] {
    let whole = Sha256::new().chain_update(b"goodword cursor").chain_update(scope.0).chain_update(payload).finalize();
    std::array::from_fn(|at| whole[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went(at: i64, id: i64, offset: i64, total in proptest::option::of(0..i64::MAX)) {
            let (scope, cursor) = (Scope::new(["conversions"]), Cursor { place: (at, id), offset, total });
            prop_assert_eq!(Cursor::read(&cursor.write(&scope), &scope), Some(cursor));
        }
    }

    #[test]
    fn a_cursor_that_was_changed_anywhere_or_belongs_elsewhere_is_none() {
        let scope = Scope::new(["conversions", "1"]);
        let text = Cursor { place: (5, 6), offset: 7, total: Some(8) }.write(&scope);
        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(Cursor::read(&changed, &scope), None, "{changed}");
        }
        for bad in ["", "x", "é", &text[1..], &text.to_uppercase(), &format!("{text}00")] {
            assert_eq!(Cursor::read(bad, &scope), None, "{bad}");
        }
        for elsewhere in
            [Scope::new(["conversions1"]), Scope::new(["conversions", "2"]), Scope::new(["1", "conversions"])]
        {
            assert_eq!(Cursor::read(&text, &elsewhere), None);
        }
    }
}
