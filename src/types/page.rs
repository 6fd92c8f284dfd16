//! One page of a list: what is asked for, where its rows stand, and what was found.

use time::OffsetDateTime;
use time::macros::datetime;

/// Most rows that one page may hold.
pub const LIMIT_MAX: i64 = 10_000;
/// Rows of a page when nothing is said.
pub const LIMIT_DEFAULT: i64 = 100;

/// The part of a list that is wanted: at most `limit` rows after the first `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    pub limit: i64,
    pub offset: i64,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: LIMIT_DEFAULT, offset: 0 }
    }
}

/// Where a row stands in a list that is ordered by when its rows were stored, and by id where that is the same. No two
/// rows share a place, and none ever moves: so a walk from place to place meets each row once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub at: OffsetDateTime,
    pub id: i64,
}

impl Place {
    /// Before everything that was stored at `at` or later. Ids begin at 1.
    pub fn before(at: OffsetDateTime) -> Self {
        Self { at, id: 0 }
    }

    /// The place of a row in a list that is ordered by id alone.
    pub fn of_id(id: i64) -> Self {
        Self { at: Dates::ALL.from, id }
    }
}

/// A stretch of time: from its first moment to just before its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    pub from: OffsetDateTime,
    pub until: OffsetDateTime,
}

impl Dates {
    /// Everything that is stored.
    pub const ALL: Self = Self { from: datetime!(0000-01-01 0:00 UTC), until: datetime!(9999-12-31 23:59 UTC) };
}

/// What a statement reads of a list: the rows after `after` and before `until`, without the first `offset` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub after: Place,
    /// What was stored before this is left out, for lists that are not ordered by when their rows were stored.
    pub from: OffsetDateTime,
    pub until: OffsetDateTime,
    /// One row more than a page shows tells whether another page follows.
    pub limit: i64,
    pub offset: i64,
    /// Whether it is asked how many rows there are altogether.
    pub counts: bool,
}

impl Span {
    /// The first rows of a list, whatever their dates. Nothing is counted.
    pub fn first(limit: i64) -> Self {
        let Dates { from, until } = Dates::ALL;
        Self { after: Place::before(from), from, until, limit, offset: 0, counts: false }
    }

    /// Whether nothing can be left to read of a list with so many rows.
    pub fn is_past(&self, total: Option<i64>) -> bool {
        total.is_some_and(|total| self.offset >= total)
    }
}

/// One row of a page as its list finds it: where it stands, and which row is to be shown there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub at: OffsetDateTime,
    pub id: i64,
    pub row_id: i64,
}

impl Step {
    /// Where the row stands.
    pub fn place(&self) -> Place {
        Place { at: self.at, id: self.id }
    }
}

/// What was read of a list, with the number of rows it has, if that was asked.
#[derive(Clone, Debug)]
pub struct Found<T> {
    pub total: Option<i64>,
    pub rows: Vec<(Place, T)>,
}

impl<T> Found<T> {
    /// Puts loaded rows, which come in any order, where their steps stand.
    pub fn new(total: Option<i64>, steps: &[Step], loaded: impl IntoIterator<Item = (i64, T)>) -> Self {
        let mut by_id: std::collections::HashMap<i64, T> = loaded.into_iter().collect();
        let rows = steps.iter().filter_map(|step| Some((step.place(), by_id.remove(&step.row_id)?))).collect();
        Self { total, rows }
    }

    /// A list without rows.
    pub fn nothing(span: &Span) -> Self {
        Self { total: span.counts.then_some(0), rows: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaded_rows_stand_where_their_steps_do() {
        let at = Dates::ALL.from;
        let steps = [(1, 30), (2, 10), (3, 20)].map(|(id, row_id)| Step { at, id, row_id });
        let found = Found::new(None, &steps, [(10, "b"), (20, "c"), (30, "a")]);
        assert_eq!(found.rows, [(1, "a"), (2, "b"), (3, "c")].map(|(id, row)| (Place { at, id }, row)));
    }
}
