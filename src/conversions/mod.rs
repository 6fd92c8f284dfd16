//! Conversions: attributed purchases on their way to a reward. Pending first, then approved or rejected: by their campaign's
//! rules when they fall due ([`evaluation`]), or by a person ([`review`]). What was decided and why is kept ([`history`]).

pub mod evaluation;
pub mod history;
pub mod http;
pub mod list;
mod list_rows;
pub mod list_store;
pub mod review;

use crate::attribution::Attribution;
use crate::types::channel::Channel;

/// Where a conversion stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Pending,
    Approved,
    Rejected,
}

impl Status {
    /// The status a conversion begins with: one that the advocate made himself earns nothing, unless his campaign says so. What
    /// nobody vouches for is no ground for a rejection either: whoever makes up an order must not spoil it for others.
    pub fn initial(attribution: &Attribution, channel: Channel) -> Self {
        if attribution.is_rejected() && !channel.is_unverified() { Self::Rejected } else { Self::Pending }
    }

    /// The status with this spelling.
    pub fn named(text: &str) -> Option<Self> {
        [Self::Pending, Self::Approved, Self::Rejected].into_iter().find(|status| status.as_str() == text)
    }

    /// The status's spelling on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}
