//! One row of an upload: what it becomes, or why it is refused.
//!
//! Assumes text that was decoded already. Never looks at other rows: reasons that need the database are named here,
//! so that there is one list of them, and found elsewhere.

use std::borrow::Cow;
use std::fmt;

use super::COLUMNS_MAX;
use crate::types::codes::{self, CODE_CHARS_MAX, CouponCode, InvalidCode};

/// Most characters of a PIN.
pub const PIN_CHARS_MAX: usize = 255;

/// A coupon of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it starts in a text file, from 1; in JSON which element it is, from 1.
    pub line: u64,
    pub code: CouponCode,
    pub pin: Option<Pin>,
}

/// A row that cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// As in [`Row`].
    pub line: u64,
    /// The code's first 64 characters, if all of it can be seen. May start like a spreadsheet formula.
    pub code: Option<String>,
    pub reason: RefusalReason,
    /// What is wrong with the code, when the reason is `InvalidCode`.
    pub fault: Option<InvalidCode>,
}

impl Refused {
    /// A sentence for the merchant that says what to do.
    pub fn explain(&self) -> Cow<'static, str> {
        self.fault.map_or_else(|| self.reason.explain(), |fault| fault.to_string().into())
    }
}

/// Why a row cannot be loaded. The last four are found where rows are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    Empty,
    TooLong,
    InvalidCode,
    InvalidPin,
    TooManyColumns,
    DuplicateInFile,
    ExistsInBank,
    ExistsElsewhere,
    CollidesWithReferralCode,
}

impl RefusalReason {
    /// The reason on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::InvalidCode => "invalid_code",
            Self::InvalidPin => "invalid_pin",
            Self::TooManyColumns => "too_many_columns",
            Self::DuplicateInFile => "duplicate_in_file",
            Self::ExistsInBank => "exists_in_bank",
            Self::ExistsElsewhere => "exists_elsewhere",
            Self::CollidesWithReferralCode => "collides_with_referral_code",
        }
    }

    /// A sentence for the merchant that says what to do.
    pub fn explain(self) -> Cow<'static, str> {
        match self {
            Self::Empty => InvalidCode::Empty.to_string().into(),
            Self::TooLong => InvalidCode::TooLong.to_string().into(),
            Self::InvalidCode => {
                "The code cannot be used. Give it as text; double each quotation mark inside quotes.".into()
            }
            Self::InvalidPin => {
                format!("The PIN cannot be used. Give it 1 to {PIN_CHARS_MAX} characters without control characters.")
                    .into()
            }
            Self::TooManyColumns => format!(
                "The line has more than {COLUMNS_MAX} columns. Put the code in the first and its PIN in the second."
            )
            .into(),
            Self::DuplicateInFile => "The code stands in the file more than once. It is loaded once.".into(),
            Self::ExistsInBank => "The code is in this bank already. There is nothing to do.".into(),
            Self::ExistsElsewhere => {
                "The code is in another bank of this account. Retire it there, or use another.".into()
            }
            Self::CollidesWithReferralCode => "The code is a referral code already. Use another.".into(),
        }
    }
}

/// The secret that goes with a coupon: 1 to 255 characters, no control characters. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(String);

impl Pin {
    /// The secret itself, for storing it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(redacted)")
    }
}

/// The text cannot be a PIN. Does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PIN has 1 to {PIN_CHARS_MAX} characters and no control characters")]
pub struct InvalidPin;

impl TryFrom<&str> for Pin {
    type Error = InvalidPin;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let pin = text.trim();
        let fits = !pin.is_empty() && pin.chars().nth(PIN_CHARS_MAX).is_none() && !pin.contains(char::is_control);
        if fits { Ok(Self(pin.to_owned())) } else { Err(InvalidPin) }
    }
}

/// Judges one row by itself. A blank PIN is none.
pub(super) fn judge(line: u64, code: &str, pin: &str) -> Result<Row, Refused> {
    let coupon = CouponCode::try_from(code).map_err(|fault| refuse_code(line, code, fault))?;
    if coupon.mixes_scripts() {
        return Err(refuse_code(line, code, InvalidCode::MixedScripts));
    }
    let pin = match pin.trim() {
        "" => None,
        pin => Some(Pin::try_from(pin).map_err(|InvalidPin| refuse(line, code, RefusalReason::InvalidPin))?),
    };
    Ok(Row { line, code: coupon, pin })
}

/// Refuses a row for its code.
pub(super) fn refuse_code(line: u64, code: &str, fault: InvalidCode) -> Refused {
    let reason = match fault {
        InvalidCode::Empty => RefusalReason::Empty,
        InvalidCode::TooLong => RefusalReason::TooLong,
        _ => RefusalReason::InvalidCode,
    };
    Refused { fault: Some(fault), ..refuse(line, code, reason) }
}

/// Refuses a row for any other reason.
pub(super) fn refuse(line: u64, code: &str, reason: RefusalReason) -> Refused {
    let code = code.trim();
    let shown = !code.is_empty() && codes::is_visible(code);
    let code = shown.then(|| code.chars().take(CODE_CHARS_MAX).collect());
    Refused { line, code, reason, fault: None }
}
