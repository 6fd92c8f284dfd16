//! The clock: the only place that reads the wall clock. It sits in the app's state; functions below get `now` as an
//! argument. Tests hold the hand themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use time::OffsetDateTime;

/// Tells the time in UTC, to the microsecond, which is what PostgreSQL keeps.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Microseconds since 1970, moved by hand.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock which stands at `start` until it is moved.
    pub fn manual(start: OffsetDateTime) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(micros(start))))
    }

    /// The present moment.
    pub fn now(&self) -> OffsetDateTime {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
            Self::System => from_micros(micros(OffsetDateTime::now_utc())),
            Self::Manual(hand) => from_micros(hand.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock on. The system's clock is nobody's to move: there it does nothing.
    pub fn advance(&self, by: time::Duration) {
        if let Self::Manual(hand) = self {
            hand.fetch_add(i64::try_from(by.whole_microseconds()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

fn micros(moment: OffsetDateTime) -> i64 {
    i64::try_from(moment.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

fn from_micros(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let clock = Clock::manual(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(clock.now(), clock.now());
        clock.advance(time::Duration::hours(2));
        assert_eq!(clock.now() - OffsetDateTime::UNIX_EPOCH, time::Duration::hours(2));
    }
}
