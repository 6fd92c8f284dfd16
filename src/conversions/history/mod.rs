//! What was decided on a conversion, by whom and why. Entries are added and never changed.

pub mod http;
pub mod store;

use time::OffsetDateTime;

use super::Status;
use crate::campaigns::rules::Rules;
use crate::types::ids::{AccountId, ConversionId};
use crate::types::text::Name;

/// What happened to a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It waits for a person.
    Held,
    Approved,
    Rejected,
    /// It was rejected, and a person approved it all the same.
    Overridden,
}

impl Event {
    /// The event's spelling on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Overridden => "overridden",
        }
    }
}

/// Who decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The campaign's rules.
    Rules,
    /// Somebody, who says why and may say who he is.
    Person { reason: Name, actor: Option<Name> },
}

/// An entry that is to be made.
#[derive(Debug)]
pub struct NewEvent<'a> {
    pub account_id: AccountId,
    pub conversion_id: ConversionId,
    pub event: Event,
    pub status_before: Status,
    pub status: Status,
    pub by: &'a By,
    /// What the rules found against it.
    pub findings: Vec<&'static str>,
    /// The rules that were in force.
    pub rules: &'a Rules,
}

/// An entry of the history.
#[derive(Clone, Debug)]
pub struct Entry {
    pub event: String,
    pub status_before: String,
    pub status: String,
    pub decided_by: String,
    pub reason: Option<String>,
    pub actor: Option<String>,
    pub findings: Vec<String>,
    /// As they stood, in JSON.
    pub rules: Option<Box<serde_json::value::RawValue>>,
    pub created_at: OffsetDateTime,
}
