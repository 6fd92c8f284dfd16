//! What rewards are counted in, and exact numbers on the wire. No number here passes through a float.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Serialize, Serializer};

use super::money::{AMOUNT_MAX, Currency, InvalidAmount, digits, parse_decimal};
use super::text::is_invisible;

/// Longest name of a unit, in characters.
const UNIT_CHARS_MAX: usize = 32;
/// Decimals of what is no currency, such as points.
const DECIMALS: u32 = 2;

/// Why a text names no unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a currency such as USD or a name such as points: 1 to 32 visible characters")]
pub struct InvalidUnit;

/// What a reward is counted in: a currency, written in capitals, or a name such as `points`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Unit(String);

impl TryFrom<&str> for Unit {
    type Error = InvalidUnit;

    fn try_from(text: &str) -> Result<Self, InvalidUnit> {
        let name = text.trim();
        if let Ok(currency) = Currency::try_from(name) {
            return Ok(currency.into());
        }
        let is_name = !name.is_empty() && name.chars().count() <= UNIT_CHARS_MAX && !name.chars().any(is_invisible);
        if is_name { Ok(Self(name.to_owned())) } else { Err(InvalidUnit) }
    }
}

impl From<Currency> for Unit {
    fn from(currency: Currency) -> Self {
        Self(currency.code().to_owned())
    }
}

impl From<String> for Unit {
    /// Reads a stored unit.
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

impl Unit {
    /// The unit as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The currency, if the unit is one.
    pub fn currency(&self) -> Option<Currency> {
        Currency::try_from(self.0.as_str()).ok()
    }

    /// How many decimals an amount has.
    pub fn decimals(&self) -> u32 {
        self.currency().map_or(DECIMALS, Currency::decimals)
    }

    /// An amount in the decimals of the unit; halves are rounded away from zero.
    pub fn round(&self, amount: Decimal) -> Decimal {
        let mut rounded = amount.round_dp_with_strategy(self.decimals(), RoundingStrategy::MidpointAwayFromZero);
        rounded.rescale(self.decimals());
        rounded
    }

    /// Reads an amount above zero in the decimals of the unit.
    pub fn parse(&self, text: &str) -> Result<Decimal, InvalidAmount> {
        let amount = parse_above_zero(text)?;
        let rounded = self.round(amount);
        if rounded == amount { Ok(rounded) } else { Err(InvalidAmount::TooManyDecimals(self.decimals())) }
    }
}

/// Most decimals of a percentage.
const PERCENTAGE_DECIMALS: u32 = 4;

/// Reads a percentage: above 0, at most 100.
pub fn parse_percentage(text: &str) -> Result<Decimal, InvalidAmount> {
    let percentage = parse_above_zero(text)?.normalize();
    if percentage > Decimal::ONE_HUNDRED {
        return Err(InvalidAmount::OutOfRange);
    }
    let is_too_fine = percentage.scale() > PERCENTAGE_DECIMALS;
    if is_too_fine { Err(InvalidAmount::TooManyDecimals(PERCENTAGE_DECIMALS)) } else { Ok(percentage) }
}

/// Reads an amount above zero, whatever its decimals.
pub fn parse_above_zero(text: &str) -> Result<Decimal, InvalidAmount> {
    let number = parse_decimal(text)?;
    if number > Decimal::ZERO && number <= AMOUNT_MAX { Ok(number) } else { Err(InvalidAmount::OutOfRange) }
}

/// Reads an amount, which may be zero or below, whatever its decimals.
pub fn parse_balance(text: &str) -> Result<Decimal, InvalidAmount> {
    let number = parse_decimal(text)?;
    if number.abs() <= AMOUNT_MAX { Ok(number) } else { Err(InvalidAmount::OutOfRange) }
}

/// An exact number on the wire, with its digits as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(pub Decimal);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        digits(self).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str) -> Unit {
        Unit::try_from(text).expect(text)
    }

    #[test]
    fn a_unit_is_a_currency_or_a_name() {
        for (text, shown, decimals) in
            [("usd", "USD", 2), ("JPY", "JPY", 0), ("KWD", "KWD", 3), (" points ", "points", 2)]
        {
            assert_eq!((unit(text).as_str(), unit(text).decimals()), (shown, decimals), "{text}");
        }
        for bad in ["", " ", "a\u{200b}b", &"x".repeat(33)] {
            assert_eq!(Unit::try_from(bad), Err(InvalidUnit), "{bad:?}");
        }
    }

    #[test]
    fn amounts_are_rounded_to_the_unit_and_shown_with_its_decimals() {
        for (text, amount, shown) in
            [("USD", "12.345", "12.35"), ("USD", "12.344999", "12.34"), ("JPY", "12.5", "13"), ("USD", "10", "10.00")]
        {
            let rounded = unit(text).round(amount.parse().expect(amount));
            assert_eq!(Number(rounded).to_string(), shown, "{text} {amount}");
        }
    }

    #[test]
    fn amounts_and_percentages_out_of_bounds_are_refused() {
        use InvalidAmount as A;
        assert_eq!(unit("USD").parse("10.005"), Err(A::TooManyDecimals(2)));
        assert_eq!(unit("USD").parse("0"), Err(A::OutOfRange));
        assert_eq!(unit("USD").parse("-1"), Err(A::OutOfRange));
        assert_eq!(unit("USD").parse("ten"), Err(A::NotANumber));
        assert_eq!(parse_percentage("100.1"), Err(A::OutOfRange));
        assert_eq!(parse_percentage("0"), Err(A::OutOfRange));
        assert_eq!(parse_percentage("1.00001"), Err(A::TooManyDecimals(4)));
        assert_eq!(parse_percentage("12.50"), Ok("12.5".parse().expect("a number")));
    }
}
