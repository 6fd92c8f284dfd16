//! Amounts and currencies. An amount is parsed from the text of the request and never passes through a float.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Serialize, Serializer};

/// Largest amount of one order.
pub(super) const AMOUNT_MAX: Decimal = Decimal::from_parts(1_316_134_911, 2_328, 0, false, 2);
/// Longest text that is looked at as a number, in bytes.
const TEXT_BYTES_MAX: usize = 64;
/// What binary floats leave behind: 0.30000000000000004 means 0.30.
const BINARY_NOISE: Decimal = Decimal::from_parts(1, 0, 0, false, 9);

/// Why a text is no currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a currency; it needs a code of ISO 4217 such as USD")]
pub struct InvalidCurrency;

/// A currency of ISO 4217, written in capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency(iso_currency::Currency);

impl TryFrom<&str> for Currency {
    type Error = InvalidCurrency;

    fn try_from(text: &str) -> Result<Self, InvalidCurrency> {
        iso_currency::Currency::from_code(&text.to_ascii_uppercase()).map(Self).ok_or(InvalidCurrency)
    }
}

impl From<String> for Currency {
    /// Reads a stored code. One that ISO has withdrawn since is shown with the decimals of most.
    fn from(stored: String) -> Self {
        Self::try_from(stored.as_str()).unwrap_or(Self(iso_currency::Currency::XXX))
    }
}

impl Currency {
    /// The code of three letters.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals an amount has.
    pub fn decimals(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or(2))
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    #[error("is not an amount; write digits with a point, such as 795.00")]
    NotANumber,
    #[error("must lie between 0 and 99999999999.99; refunds have their own call")]
    OutOfRange,
    #[error("has more decimals than its currency, which has {0}")]
    TooManyDecimals(u32),
}

/// An amount of money in the decimals of its currency, at least zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

impl Money {
    /// Reads an amount from the text of a request: digits, a point, perhaps an exponent.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, InvalidAmount> {
        let exact = parse_decimal(text)?;
        let decimals = currency.decimals();
        let amount = exact.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero);
        if (exact - amount).abs() >= BINARY_NOISE {
            return Err(InvalidAmount::TooManyDecimals(decimals));
        }
        if amount.is_sign_negative() && !amount.is_zero() || amount > AMOUNT_MAX {
            return Err(InvalidAmount::OutOfRange);
        }
        Ok(Self { amount: amount.abs(), currency })
    }

    /// An amount read from the database.
    pub fn stored(amount: Decimal, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// The amount without its currency.
    pub fn amount(self) -> Decimal {
        self.amount
    }

    /// The currency.
    pub fn currency(self) -> Currency {
        self.currency
    }
}

/// Reads a number from its text, exactly.
pub(super) fn parse_decimal(text: &str) -> Result<Decimal, InvalidAmount> {
    let bytes = text.as_bytes();
    let looks_numeric = bytes.first().is_some_and(|b| b.is_ascii_digit() || *b == b'-')
        && bytes.last().is_some_and(u8::is_ascii_digit)
        && bytes.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    if !looks_numeric {
        return Err(InvalidAmount::NotANumber);
    }
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(InvalidAmount::OutOfRange);
    }
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(text).map_err(|_| InvalidAmount::OutOfRange);
    }
    match Decimal::from_str_exact(text) {
        Ok(decimal) => Ok(decimal),
        Err(rust_decimal::Error::Underflow) => text.parse().map_err(|_| InvalidAmount::NotANumber),
        Err(rust_decimal::Error::ExceedsMaximumPossibleValue) => Err(InvalidAmount::OutOfRange),
        Err(_) => Err(InvalidAmount::NotANumber),
    }
}

impl fmt::Display for Money {
    /// The digits with exactly the decimals of the currency: `795.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.*}", self.currency.decimals() as usize, self.amount)
    }
}

impl Serialize for Money {
    /// Writes a JSON number with the digits as they are.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        digits(self).serialize(serializer)
    }
}

/// Most decimals that a line's price keeps.
const PRICE_DECIMALS_MAX: u32 = 6;

/// The price of one line of an order. Only told on, never summed: so a discount may stand below zero, and a price per
/// gram may have more decimals than its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price(Decimal);

impl Price {
    /// Reads a price from the text of a request.
    pub fn parse(text: &str) -> Result<Self, InvalidAmount> {
        let exact = parse_decimal(text)?;
        if exact.abs() > AMOUNT_MAX {
            return Err(InvalidAmount::OutOfRange);
        }
        Ok(Self(exact.round_dp_with_strategy(PRICE_DECIMALS_MAX, RoundingStrategy::MidpointAwayFromZero).normalize()))
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for Price {
    /// Writes a JSON number with the digits as they are.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        digits(self).serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Price {
    /// Reads a JSON number by its digits.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = <&serde_json::value::RawValue>::deserialize(deserializer)?;
        Self::parse(digits.get()).map_err(serde::de::Error::custom)
    }
}

/// The digits of a number as a piece of JSON.
pub(super) fn digits(number: &impl fmt::Display) -> Box<serde_json::value::RawValue> {
    serde_json::value::RawValue::from_string(number.to_string())
        .unwrap_or_else(|_| serde_json::value::RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str, code: &str) -> Result<String, InvalidAmount> {
        Money::parse(text, Currency::try_from(code).expect(code)).map(|money| money.to_string())
    }

    #[test]
    fn amounts_keep_their_digits() {
        let good = [
            ("795", "USD", "795.00"),
            ("795.00", "USD", "795.00"),
            ("0", "USD", "0.00"),
            ("-0.0", "USD", "0.00"),
            ("1e2", "usd", "100.00"),
            ("0.30000000000000004", "USD", "0.30"),
            ("100", "JPY", "100"),
            ("1.234", "KWD", "1.234"),
            ("99999999999.99", "USD", "99999999999.99"),
            ("19.989999999999998436805981327779591083526611328125", "USD", "19.99"),
        ];
        for (text, code, shown) in good {
            assert_eq!(parse(text, code), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn amounts_that_cannot_be_are_refused() {
        use InvalidAmount as A;
        let bad = [
            ("-0.01", "USD", A::OutOfRange),
            ("10.005", "USD", A::TooManyDecimals(2)),
            ("100.5", "JPY", A::TooManyDecimals(0)),
            ("100000000000", "USD", A::OutOfRange),
            ("1,000.00", "USD", A::NotANumber),
            ("$5", "USD", A::NotANumber),
            ("٣", "USD", A::NotANumber),
            ("５", "USD", A::NotANumber),
            ("1_000", "USD", A::NotANumber),
            ("NaN", "USD", A::NotANumber),
            ("", "USD", A::NotANumber),
            ("1e999", "USD", A::OutOfRange),
            ("--1", "USD", A::NotANumber),
            ("1.", "USD", A::NotANumber),
            (".5", "USD", A::NotANumber),
            ("1.2.3", "USD", A::NotANumber),
        ];
        for (text, code, fault) in bad {
            assert_eq!(parse(text, code), Err(fault), "{text}");
        }
        assert_eq!(parse(&"9".repeat(200_000), "USD"), Err(A::OutOfRange));
    }

    #[test]
    fn currencies_are_iso_codes_in_any_case() {
        assert_eq!(Currency::try_from("usd").map(Currency::code), Ok("USD"));
        for bad in ["US$", "ZZZ", "5", "", "ＵＳＤ"] {
            assert_eq!(Currency::try_from(bad), Err(InvalidCurrency), "{bad}");
        }
    }

    #[test]
    fn prices_of_lines_keep_their_digits() {
        for (text, shown) in
            [("19.99", "19.99"), ("19.990", "19.99"), ("-5", "-5"), ("0.0005", "0.0005"), ("0.1234567", "0.123457")]
        {
            let price = Price::parse(text).expect(text);
            assert_eq!(serde_json::to_string(&price).expect("json"), shown);
            assert_eq!(serde_json::from_str::<Price>(shown).expect("json"), price);
        }
        assert!(Price::parse("free").is_err());
    }

    proptest! {
        #[test]
        fn cents_come_back_as_they_went(cents in 0_u64..9_999_999_999_999) {
            let text = format!("{}.{:02}", cents / 100, cents % 100);
            prop_assert_eq!(parse(&text, "USD"), Ok(text));
        }
    }
}
