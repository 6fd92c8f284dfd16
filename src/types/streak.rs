//! How long in a row things have been as they mostly are, and whether to take it for granted that the next one is. Only advice:
//! knows not what it is about, and decides nothing.

use std::collections::{HashMap, HashSet};

use super::ids::AccountId;

/// Times in a row before the next one is taken for granted.
const LENGTH_MIN: u32 = 4;
/// Most times that are wanted, however often that was wrong.
const LENGTH_MAX: u32 = 1024;
/// Most accounts that are remembered.
const ACCOUNTS_MAX: usize = 1024;

/// For each account, how often in a row its batches were as they mostly are. What one account does costs no other.
#[derive(Debug, Default)]
pub struct Streaks(HashMap<AccountId, Streak>);

impl Streaks {
    /// Whether it may be taken for granted that the next batch of all these accounts will be as their last ones were.
    pub fn are_long(&self, accounts: &HashSet<AccountId>) -> bool {
        accounts.iter().all(|account| self.0.get(account).is_some_and(Streak::is_long))
    }

    /// A batch was as it mostly is once more, or it was not, and that was seen in time.
    pub fn went_on(&mut self, accounts: &HashSet<AccountId>, as_mostly: bool) {
        let unknown = accounts.iter().filter(|account| !self.0.contains_key(account)).count();
        if self.0.len() + unknown > ACCOUNTS_MAX {
            self.0.clear();
        }
        for account in accounts {
            self.0.entry(*account).or_default().went_on(as_mostly);
        }
    }

    /// It was taken for granted of a batch, and was not so: that cost something, so it is tried less often.
    pub fn broke(&mut self, accounts: &HashSet<AccountId>) {
        for account in accounts {
            self.0.entry(*account).or_default().broke();
        }
    }
}

/// Times in a row.
#[derive(Debug)]
struct Streak {
    length: u32,
    wanted: u32,
}

impl Default for Streak {
    fn default() -> Self {
        Self { length: 0, wanted: LENGTH_MIN }
    }
}

impl Streak {
    fn is_long(&self) -> bool {
        self.length >= self.wanted
    }

    fn went_on(&mut self, as_mostly: bool) {
        self.length = if as_mostly { self.length.saturating_add(1) } else { 0 };
        // Having been right for long, it may be tried sooner after the next time it is wrong.
        if self.length / 4 > self.wanted {
            self.wanted = (self.wanted / 2).max(LENGTH_MIN);
        }
    }

    fn broke(&mut self) {
        *self = Self { length: 0, wanted: self.wanted.saturating_mul(2).min(LENGTH_MAX) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> HashSet<AccountId> {
        HashSet::from([AccountId(1)])
    }

    fn after(streaks: &mut Streaks, times: u32) -> bool {
        (0..times).for_each(|_| streaks.went_on(&shop(), true));
        streaks.are_long(&shop())
    }

    #[test]
    fn some_times_in_a_row_are_wanted_and_one_exception_starts_over() {
        let mut streaks = Streaks::default();
        assert!(!streaks.are_long(&shop()));
        assert!(!after(&mut streaks, LENGTH_MIN - 1));
        assert!(after(&mut streaks, 1));
        streaks.went_on(&shop(), false);
        assert!(!after(&mut streaks, LENGTH_MIN - 1));
        assert!(after(&mut streaks, 1));
    }

    #[test]
    fn all_accounts_of_a_batch_count_each_for_itself() {
        let both = HashSet::from([AccountId(1), AccountId(2)]);
        let mut streaks = Streaks::default();
        assert!(after(&mut streaks, LENGTH_MIN));
        assert!(!streaks.are_long(&both));
        (0..LENGTH_MIN).for_each(|_| streaks.went_on(&both, true));
        assert!(streaks.are_long(&both));
        streaks.broke(&shop());
        assert!(!streaks.are_long(&both));
        assert!(streaks.are_long(&HashSet::from([AccountId(2)])));
    }

    #[test]
    fn being_wrong_is_tried_less_and_less_often_and_forgiven_in_the_end() {
        let mut streaks = Streaks::default();
        (0..3).for_each(|_| streaks.broke(&shop()));
        assert!(!after(&mut streaks, LENGTH_MIN * 8 - 1));
        assert!(after(&mut streaks, 1));
        (0..20).for_each(|_| streaks.broke(&shop()));
        assert!(after(&mut streaks, LENGTH_MAX));
        assert!(after(&mut streaks, LENGTH_MAX * 8));
        streaks.broke(&shop());
        assert!(after(&mut streaks, LENGTH_MIN * 2));
    }
}
