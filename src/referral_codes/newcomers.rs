//! Whether it pays to take an account's callers for new people, as those before them were: then nobody need be looked for, and
//! the unique keys tell when one of them was known after all.
//!
//! Only advice: knows nobody, and decides nothing.

use std::collections::{HashMap, HashSet};

use crate::types::ids::AccountId;
use crate::types::streak::Streak;

/// Most accounts that are remembered.
const ACCOUNTS_MAX: usize = 1024;

/// How many batches of each account in a row were of nobody but new people.
#[derive(Debug, Default)]
pub struct Newcomers(HashMap<AccountId, Streak>);

impl Newcomers {
    /// Whether the callers of all these accounts are likely to be new.
    pub fn are_likely(&self, accounts: &HashSet<AccountId>) -> bool {
        accounts.iter().all(|account| self.0.get(account).is_some_and(Streak::is_long))
    }

    /// A batch for which something was stored was of new people only, or somebody in a batch was known.
    pub fn learn(&mut self, accounts: &HashSet<AccountId>, all_new: bool) {
        let unknown = accounts.iter().filter(|account| !self.0.contains_key(account)).count();
        if self.0.len() + unknown > ACCOUNTS_MAX {
            self.0.clear();
        }
        for account in accounts {
            self.0.entry(*account).or_default().went_on(all_new);
        }
    }

    /// Somebody of these accounts was taken for new and is not: that cost a statement, and a look at the bank, so it is tried less
    /// often.
    pub fn were_not(&mut self, accounts: &HashSet<AccountId>) {
        for account in accounts {
            self.0.entry(*account).or_default().broke();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_accounts_of_a_batch_must_be_known_for_new_people() {
        let (shop, other) = (HashSet::from([AccountId(1)]), HashSet::from([AccountId(1), AccountId(2)]));
        let mut newcomers = Newcomers::default();
        assert!(!newcomers.are_likely(&shop));
        (0..10).for_each(|_| newcomers.learn(&shop, true));
        assert!(newcomers.are_likely(&shop));
        assert!(!newcomers.are_likely(&other));
        (0..10).for_each(|_| newcomers.learn(&other, true));
        assert!(newcomers.are_likely(&other));
        newcomers.were_not(&shop);
        assert!(!newcomers.are_likely(&other));
    }
}
