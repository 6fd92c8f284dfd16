//! Lists on the wire: the envelope that clients of the compatible API read (contract.md 0, fact 6).

use serde::Serialize;

use super::fields::{FieldValue, Fields, Invalid, Scalar};
use crate::types::page::{LIMIT_DEFAULT, LIMIT_MAX, Page, PageRequest};

/// A page of a list.
#[derive(Serialize)]
pub struct PageOut<T> {
    this_page_results_count: usize,
    total_results_count: i64,
    offset: i64,
    results: Vec<T>,
}

impl<T> From<Page<T>> for PageOut<T> {
    fn from(page: Page<T>) -> Self {
        Self {
            this_page_results_count: page.rows.len(),
            total_results_count: page.total,
            offset: page.offset,
            results: page.rows,
        }
    }
}

/// Reads `limit` and `offset`.
pub fn read_page(fields: &Fields<'_>) -> Option<PageRequest> {
    let limit = fields.parse::<Whole>("limit").map_or(LIMIT_DEFAULT, |limit| limit.0);
    let offset = fields.parse::<Whole>("offset").map_or(0, |offset| offset.0);
    if !(1..=LIMIT_MAX).contains(&limit) {
        fields.fault("limit", "invalid_parameter", format!("must be a whole number from 1 to {LIMIT_MAX}"));
    }
    Some(PageRequest { limit, offset })
}

/// A whole number of a query, at least zero.
struct Whole(i64);

impl FieldValue for Whole {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        let digits = scalar.text_or_digits()?;
        let is_whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let number = if is_whole { digits.parse().ok() } else { None };
        number.map(Self).ok_or_else(|| Invalid::new("invalid_parameter", "must be a whole number, at least 0"))
    }
}
