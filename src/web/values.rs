//! How the values of floor 0 are read from a request: which spelling each takes, and the code of its refusal.

use std::net::IpAddr;

use super::fields::{FieldValue, Invalid, Scalar};
use crate::types::codes::{CouponCode, InvalidCode, RecordedCode, ReferralCode};
use crate::types::email::Email;
use crate::types::text::{InvalidText, Name, OpaqueId, UserAgent};
use crate::types::url::WebUrl;
use crate::types::visit::VisitToken;

fn invalid_text(fault: &InvalidText) -> Invalid {
    let code = match fault {
        InvalidText::Empty => "missing",
        InvalidText::TooLong(..) => "too_long",
        InvalidText::Invisible(_) => "invalid_string",
    };
    Invalid::new(code, fault.to_string())
}

impl FieldValue for OpaqueId {
    const BLANK_IS_ABSENT: bool = true;

    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        Self::try_from(scalar.text_or_digits()?).map_err(|fault| invalid_text(&fault))
    }
}

impl FieldValue for Name {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        Self::try_from(scalar.text()?).map_err(|fault| invalid_text(&fault))
    }
}

/// A name that must not be blank, such as a campaign's.
pub struct Title(pub Name);

impl FieldValue for Title {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        match Name::read(scalar)? {
            blank if blank.is_blank() => Err(Invalid::new("missing", "must not be blank")),
            name => Ok(Self(name)),
        }
    }
}

/// A product's number: text, or digits as they stand.
pub struct Sku(pub Name);

impl FieldValue for Sku {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        Name::try_from(scalar.text_or_digits()?).map(Self).map_err(|fault| invalid_text(&fault))
    }
}

impl FieldValue for Email {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        Self::try_from(scalar.text()?).map_err(|fault| Invalid::new("invalid_email", fault.to_string()))
    }
}

fn invalid_code(fault: InvalidCode) -> Invalid {
    match fault {
        InvalidCode::TooLong => Invalid::new("too_long", format!("cannot be used. {fault}")),
        _ => Invalid::new("invalid_code", format!("cannot be used. {fault}")),
    }
}

impl FieldValue for CouponCode {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        Self::try_from(scalar.text_or_digits()?).map_err(invalid_code)
    }
}

impl FieldValue for ReferralCode {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        Self::try_from(scalar.text_or_digits()?).map_err(invalid_code)
    }
}

impl FieldValue for RecordedCode {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        Self::try_from(scalar.text_or_digits()?.to_owned())
            .map_err(|fault| Invalid::new("too_long", format!("cannot be used. {fault}")))
    }
}

impl FieldValue for IpAddr {
    const BLANK_IS_ABSENT: bool = true;

    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        let invalid = |_| Invalid::new("invalid_ip_address", "is not an IP address; write 203.0.113.7 or 2001:db8::7");
        scalar.text()?.trim_matches(' ').parse().map_err(invalid)
    }
}

impl FieldValue for UserAgent {
    const BLANK_IS_ABSENT: bool = true;

    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        Self::try_from(scalar.text()?).map_err(|fault| invalid_text(&fault))
    }
}

impl FieldValue for VisitToken {
    const BLANK_IS_ABSENT: bool = true;

    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        Self::try_from(scalar.text()?).map_err(|fault| invalid_text(&fault))
    }
}

impl FieldValue for WebUrl {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        Self::try_from(scalar.text()?).map_err(|fault| Invalid::new("invalid_url", fault.to_string()))
    }
}

/// A number as it was written, bare or as a string: for amounts, whose reading needs a currency.
pub struct NumberText(pub String);

impl FieldValue for NumberText {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        scalar.text_or_number().map(|text| Self(text.to_owned()))
    }
}

/// A date as it was written: text, or whole milliseconds.
pub struct OrderDate(pub String);

impl FieldValue for OrderDate {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        scalar.text_or_digits().map(|text| Self(text.to_owned()))
    }
}

/// The id that a new row is to have: 1 to 2^53 - 1, which every JSON reader keeps exact.
pub struct ChosenId(pub i64);

impl FieldValue for ChosenId {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        let digits = scalar.text_or_digits()?;
        let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        match digits.parse::<i64>() {
            Ok(id) if canonical && (1..=9_007_199_254_740_991).contains(&id) => Ok(Self(id)),
            _ => Err(Invalid::new("invalid_id", "must be a whole number from 1 to 9007199254740991")),
        }
    }
}

/// An id of ours by which a list is narrowed. One that is too large for any row is zero, which no row has.
pub struct ListedId(pub i64);

impl FieldValue for ListedId {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        let digits = scalar.text_or_digits()?;
        let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && (1..=19).contains(&digits.len());
        if canonical && !digits.starts_with('0') {
            Ok(Self(digits.parse().unwrap_or(0)))
        } else {
            Err(Invalid::new("invalid_id", "must be a whole number, at least 1"))
        }
    }
}

/// One of the merchant's own ids by which a list is narrowed. A blank one must not widen it to all.
pub struct ListedName(pub OpaqueId);

impl FieldValue for ListedName {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        OpaqueId::read(scalar).map(Self)
    }
}

/// How many pieces of a product: a whole number.
pub struct Quantity(pub i64);

impl FieldValue for Quantity {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        let out_of_range = || Invalid::new("out_of_range", "must be a whole number from 0 to 1000000");
        let text = scalar.text_or_number()?;
        let whole = text
            .split_once('.')
            .map_or(text, |(whole, fraction)| if fraction.bytes().all(|b| b == b'0') { whole } else { text });
        let quantity = whole.parse().map_err(|_| out_of_range())?;
        if (0..=1_000_000).contains(&quantity) { Ok(Self(quantity)) } else { Err(out_of_range()) }
    }
}
