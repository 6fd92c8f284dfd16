//! What a load comes to, row by row and in any order: counts, the first refusals, the first good codes. Memory is flat.

use std::collections::BTreeMap;

use super::super::guessable;
use super::super::upload::{RefusalReason, Refused};
use super::RefusedRow;

/// Refused rows that a report lists; the others are only counted.
const REFUSALS_LISTED_MAX: usize = 1_000;

/// Counts of a load.
#[derive(Debug)]
pub struct Tally {
    pub loaded: u64,
    refused_by_reason: BTreeMap<&'static str, i64>,
    refusals: First<RefusedRow>,
    sample: First<String>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let (refusals, sample) = (First::new(REFUSALS_LISTED_MAX), First::new(guessable::SAMPLE_MAX));
        Self { loaded: 0, refused_by_reason: BTreeMap::new(), refusals, sample }
    }

    /// Counts a row that the reading refused.
    pub fn refuse_unread(&mut self, refused: Refused) {
        *self.refused_by_reason.entry(refused.reason.as_str()).or_default() += 1;
        self.refusals.offer(refused.line, |line| RefusedRow {
            line,
            reason: refused.reason.as_str().to_owned(),
            message: refused.explain().into_owned(),
            code: refused.code,
        });
    }

    /// Counts a row that is refused for what else there is.
    pub fn refuse(&mut self, line: u64, code: &str, reason: RefusalReason) {
        *self.refused_by_reason.entry(reason.as_str()).or_default() += 1;
        self.refusals.offer(line, |line| RefusedRow {
            line,
            code: Some(code.to_owned()),
            reason: reason.as_str().to_owned(),
            message: reason.explain().into_owned(),
        });
    }

    /// Counts a row that can be loaded.
    pub fn accept(&mut self, line: u64, key: &str) {
        self.loaded += 1;
        self.sample.offer(line, |_| key.to_owned());
    }

    /// How many rows were refused.
    pub fn refused(&self) -> i64 {
        self.refused_by_reason.values().sum()
    }

    /// How many rows were refused for which reason.
    pub fn refused_by_reason(&self) -> BTreeMap<String, i64> {
        self.refused_by_reason.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
    }

    /// The first refused rows, by line, and the first codes that can be loaded, folded, by line.
    pub fn into_firsts(self) -> (Vec<RefusedRow>, Vec<String>) {
        (self.refusals.into_values(), self.sample.into_values())
    }
}

/// The first things by line, in whatever order they come.
#[derive(Debug)]
struct First<T> {
    max: usize,
    by_line: BTreeMap<u64, T>,
}

impl<T> First<T> {
    fn new(max: usize) -> Self {
        Self { max, by_line: BTreeMap::new() }
    }

    fn offer(&mut self, line: u64, make: impl FnOnce(i64) -> T) {
        let is_full = self.by_line.len() >= self.max;
        if is_full && self.by_line.last_key_value().is_some_and(|(last, _)| *last < line) {
            return;
        }
        self.by_line.insert(line, make(i64::try_from(line).unwrap_or(i64::MAX)));
        if self.by_line.len() > self.max {
            self.by_line.pop_last();
        }
    }

    fn into_values(self) -> Vec<T> {
        self.by_line.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_by_line_are_kept_in_whatever_order_they_come() {
        for order in [[5, 1, 4, 2, 3], [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]] {
            let mut first = First::new(3);
            for line in order {
                first.offer(line, |line| line);
            }
            assert_eq!(first.into_values(), [1, 2, 3], "{order:?}");
        }
    }
}
