//! What was decided on a conversion, by whom and why. Entries are added and never changed.

pub mod http;
pub mod store;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::Status;
use crate::campaigns::rules::Rules;
use crate::types::ids::{AccountId, ConversionId};
use crate::types::page::{Found, Span};
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

/// Reads a part of a conversion's history.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    conversion: ConversionId,
    span: &Span,
) -> sqlx::Result<Found<Entry>> {
    let total = if span.counts { Some(store::count(conn, account, conversion, span).await?) } else { None };
    let steps = if span.is_past(total) { Vec::new() } else { store::list(conn, account, conversion, span).await? };
    let ids: Vec<i64> = steps.iter().map(|step| step.row_id).collect();
    let rows = if ids.is_empty() { Vec::new() } else { store::find_all(conn, account, conversion, &ids).await? };
    Ok(Found::new(total, &steps, rows))
}
