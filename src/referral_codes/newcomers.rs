//! Whether it pays to take an account's callers for new people, as those before them were: then nobody need be looked for, and
//! the unique keys tell when one of them was known after all.
//!
//! Only advice: knows nobody, and decides nothing.

use std::collections::{HashMap, HashSet};

use crate::types::ids::AccountId;

/// Batches of nobody but new people, one after the other, before the next one's are taken for new.
const STREAK_MIN: u32 = 4;
/// Most that are wanted, however often somebody was known after all.
const STREAK_MAX: u32 = 1024;
/// Most accounts that are remembered.
const ACCOUNTS_MAX: usize = 1024;

/// How the batches of each account have been of late.
#[derive(Debug, Default)]
pub struct Newcomers(HashMap<AccountId, Record>);

#[derive(Debug)]
struct Record {
    streak: u32,
    wanted: u32,
}

impl Default for Record {
    fn default() -> Self {
        Self { streak: 0, wanted: STREAK_MIN }
    }
}

impl Newcomers {
    /// Whether the callers of all these accounts are likely to be new.
    pub fn are_likely(&self, accounts: &HashSet<AccountId>) -> bool {
        accounts.iter().all(|account| self.0.get(account).is_some_and(|record| record.streak >= record.wanted))
    }

    /// A batch for which something was stored was of new people only, or somebody in a batch was known.
    pub fn learn(&mut self, accounts: &HashSet<AccountId>, all_new: bool) {
        let unknown = accounts.iter().filter(|account| !self.0.contains_key(account)).count();
        if self.0.len() + unknown > ACCOUNTS_MAX {
            self.0.clear();
        }
        for account in accounts {
            let record = self.0.entry(*account).or_default();
            record.streak = if all_new { record.streak.saturating_add(1) } else { 0 };
            // Having been right for long, it may be tried sooner after the next time it is wrong.
            if record.streak / 4 > record.wanted {
                record.wanted = (record.wanted / 2).max(STREAK_MIN);
            }
        }
    }

    /// Somebody of these accounts was taken for new and is not: that cost a statement, and a look at the bank, so it is tried less
    /// often.
    pub fn were_not(&mut self, accounts: &HashSet<AccountId>) {
        for account in accounts {
            let record = self.0.entry(*account).or_default();
            *record = Record { streak: 0, wanted: record.wanted.saturating_mul(2).min(STREAK_MAX) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> HashSet<AccountId> {
        HashSet::from([AccountId(1)])
    }

    fn after(newcomers: &mut Newcomers, batches: u32) -> bool {
        (0..batches).for_each(|_| newcomers.learn(&shop(), true));
        newcomers.are_likely(&shop())
    }

    #[test]
    fn some_batches_of_new_people_are_wanted_and_one_of_known_ones_starts_over() {
        let mut newcomers = Newcomers::default();
        assert!(!newcomers.are_likely(&shop()));
        assert!(!after(&mut newcomers, STREAK_MIN - 1));
        assert!(after(&mut newcomers, 1));
        assert!(!newcomers.are_likely(&HashSet::from([AccountId(1), AccountId(2)])));
        newcomers.learn(&shop(), false);
        assert!(!after(&mut newcomers, STREAK_MIN - 1));
    }

    #[test]
    fn being_wrong_is_tried_less_and_less_often_and_forgiven_in_the_end() {
        let mut newcomers = Newcomers::default();
        (0..3).for_each(|_| newcomers.were_not(&shop()));
        assert!(!after(&mut newcomers, STREAK_MIN * 8 - 1));
        assert!(after(&mut newcomers, 1));
        (0..20).for_each(|_| newcomers.were_not(&shop()));
        assert!(after(&mut newcomers, STREAK_MAX));
        assert!(after(&mut newcomers, STREAK_MAX * 8));
        newcomers.were_not(&shop());
        assert!(after(&mut newcomers, STREAK_MIN * 2));
    }
}
