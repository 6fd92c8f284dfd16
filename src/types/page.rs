//! One page of a list: what is asked for, and the envelope it is answered in.

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

/// A page of rows, with the number of rows that the whole list has.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub total: i64,
    pub offset: i64,
    pub rows: Vec<T>,
}

impl<T> Page<T> {
    /// The same page with each row turned into something else.
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Page<U> {
        Page { total: self.total, offset: self.offset, rows: self.rows.into_iter().map(each).collect() }
    }
}
