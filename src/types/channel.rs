//! The ways in which an order can be reported, from the most trustworthy to the least.

/// Through which channel a report came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// The shop's server.
    Server,
    /// A till, or a till's system.
    Till,
    /// A page in a browser, with a signature of the shop's server.
    SignedTracker,
    /// A page in a browser: anybody can make it up.
    Tracker,
}

impl Channel {
    /// All of them, the most trustworthy first.
    pub const ALL: [Self; 4] = [Self::Server, Self::Till, Self::SignedTracker, Self::Tracker];

    /// The channel's spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Till => "till",
            Self::SignedTracker => "signed_tracker",
            Self::Tracker => "tracker",
        }
    }

    /// The channel with this spelling.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text)
    }

    /// Whether the report came from a page.
    pub fn is_tracker(self) -> bool {
        matches!(self, Self::SignedTracker | Self::Tracker)
    }

    /// Whether nobody vouches for the report.
    pub fn is_unverified(self) -> bool {
        self == Self::Tracker
    }

    /// Whether a report through this channel takes the place of one through the other. Only what a page said gives way.
    pub fn replaces(self, other: Self) -> bool {
        other.is_tracker() && self < other
    }
}

/// What the database holds; its check knows the spellings.
impl From<String> for Channel {
    fn from(text: String) -> Self {
        Self::named(&text).unwrap_or(Self::Tracker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_page_said_gives_way_and_only_to_something_better() {
        use Channel as C;
        let giving_way: Vec<(C, C)> = C::ALL
            .into_iter()
            .flat_map(|new| C::ALL.map(|old| (new, old)))
            .filter(|(new, old)| new.replaces(*old))
            .collect();
        let wanted = [
            (C::Server, C::SignedTracker),
            (C::Server, C::Tracker),
            (C::Till, C::SignedTracker),
            (C::Till, C::Tracker),
            (C::SignedTracker, C::Tracker),
        ];
        assert_eq!(giving_way, wanted);
        assert!(C::ALL.into_iter().all(|channel| C::named(channel.as_str()) == Some(channel)));
    }
}
