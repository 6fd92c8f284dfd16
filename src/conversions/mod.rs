//! Conversions: attributed purchases on their way to a reward. Pending first, then approved or rejected.

pub mod http;
pub mod list;
mod list_rows;
pub mod list_store;

use crate::attribution::Fraud;

/// Where a conversion stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Pending,
    Rejected,
}

impl Status {
    /// The status a conversion begins with: one that the advocate made himself earns nothing.
    pub fn initial(fraud: Fraud) -> Self {
        if fraud.is_seen() { Self::Rejected } else { Self::Pending }
    }

    /// The status's spelling on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Rejected => "rejected",
        }
    }
}
