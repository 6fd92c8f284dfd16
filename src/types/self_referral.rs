//! What becomes of a conversion whose buyer seems to be his own advocate: a rule of the campaign.

use serde::Serialize;

/// What to do with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfReferral {
    /// It is rejected at once.
    #[default]
    Reject,
    /// It counts like any other.
    Allow,
    /// It waits for a person.
    Review,
}

impl SelfReferral {
    /// Its spelling on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Allow => "allow",
            Self::Review => "review",
        }
    }

    /// The rule with this spelling.
    pub fn named(text: &str) -> Option<Self> {
        [Self::Reject, Self::Allow, Self::Review].into_iter().find(|rule| rule.as_str() == text)
    }
}

impl From<String> for SelfReferral {
    /// Reads a stored rule. The database holds no other; if it did, nobody must be paid for it.
    fn from(stored: String) -> Self {
        Self::named(&stored).unwrap_or_default()
    }
}
