//! Lists on the wire: the envelope that clients of the compatible API read (contract.md 0, fact 6), and the cursor by
//! which a list is walked.

use serde::Serialize;

use super::cursor::{Cursor, Scope};
use super::fields::{FieldValue, Fields, Invalid, Scalar};
use super::json::Node;
use crate::types::date::{Zone, parse_stretch};
use crate::types::ids::AccountId;
use crate::types::page::{Dates, Found, LIMIT_DEFAULT, LIMIT_MAX, PageRequest, Place, Span};

/// Begins a walk that counts nothing.
const CURSOR_START: &str = "start";
const UNKNOWN_CURSOR: &str =
    "is none of this list; send next_cursor as it came, with the same parameters, or leave it out to begin anew";
/// No list is longer, and half of the numbers above it stay free for adding a limit.
const OFFSET_MAX: i64 = i64::MAX / 2;

/// A page of a list.
#[derive(Serialize)]
pub struct PageOut<T> {
    this_page_results_count: usize,
    total_results_count: Option<i64>,
    offset: i64,
    next_cursor: Option<String>,
    results: Vec<T>,
}

impl<T> PageOut<T> {
    /// All rows of a list that is never long.
    pub fn whole(results: Vec<T>) -> Self {
        Self {
            this_page_results_count: results.len(),
            total_results_count: i64::try_from(results.len()).ok(),
            offset: 0,
            next_cursor: None,
            results,
        }
    }
}

/// Reads `limit` and `offset`.
fn read_page(fields: &Fields<'_>) -> Option<PageRequest> {
    let limit = fields.parse::<Whole>("limit").map_or(LIMIT_DEFAULT, |limit| limit.0);
    let offset = fields.parse::<Whole>("offset").map_or(0, |offset| offset.0);
    if !(1..=LIMIT_MAX).contains(&limit) {
        fields.fault("limit", "invalid_parameter", format!("must be a whole number from 1 to {LIMIT_MAX}"));
    }
    Some(PageRequest { limit, offset })
}

/// A list that can be walked: what it is called, and the parameters that choose its rows.
#[derive(Clone, Copy, Debug)]
pub struct List {
    pub name: &'static str,
    pub filters: &'static [&'static str],
}

/// A list for one caller: his account's, in his account's time zone, within what the path names.
#[derive(Clone, Copy, Debug)]
pub struct Owned<'a> {
    pub account: AccountId,
    pub zone: &'a Zone,
    /// The id in the path, for a list that belongs to something; else 0.
    pub within: i64,
}

impl List {
    /// Reads which part of the list is wanted: `limit`, `offset`, `cursor`, `from_date` and `to_date`.
    pub fn read(&self, fields: &Fields<'_>, owned: Owned<'_>) -> Option<Walk> {
        let page = read_page(fields);
        let dates = read_dates(fields, owned.zone);
        let scope = self.scope(fields, owned);
        let (limit, offset) = page.map(|page| (page.limit, page.offset.min(OFFSET_MAX)))?;
        let mut walk = Walk { scope, limit, offset, dates: dates?, cursor: None, counts: true };
        let Some(CursorText(text)) = fields.parse("cursor") else { return Some(walk) };
        walk.counts = false;
        if fields.is_present("offset") {
            fields.fault("offset", "mutually_exclusive", "cannot go with cursor; send one of them");
        } else if text != CURSOR_START {
            walk.cursor = Cursor::read(&text, &scope);
            match walk.cursor {
                Some(cursor) => walk.offset = cursor.offset,
                None => fields.fault("cursor", "invalid_cursor", UNKNOWN_CURSOR),
            }
        }
        Some(walk)
    }

    fn scope(&self, fields: &Fields<'_>, owned: Owned<'_>) -> Scope {
        let said = |key: &&str| match fields.node(key) {
            Some(Node::Text(text)) => format!("{key}={text}"),
            _ => String::new(),
        };
        let chosen: Vec<String> = self.filters.iter().chain(&["from_date", "to_date"]).map(said).collect();
        let (account, within) = (owned.account.to_string(), owned.within.to_string());
        Scope::new([self.name, &account, &within].into_iter().chain(chosen.iter().map(String::as_str)))
    }
}

/// Reads `from_date` and `to_date`, both of which belong to the stretch. A day alone is all of it in the account's zone.
fn read_dates(fields: &Fields<'_>, zone: &Zone) -> Option<Dates> {
    let stretch = |key: &str| {
        let DateText(text) = fields.parse(key)?;
        parse_stretch(&text, zone).map_err(|fault| fields.fault(key, "invalid_date", fault.to_string())).ok()
    };
    let (from, to) = (stretch("from_date"), stretch("to_date"));
    Some(Dates {
        from: from.map_or(Dates::ALL.from, |from| from.from),
        until: to.map_or(Dates::ALL.until, |to| to.until),
    })
}

/// The part of a list that somebody asked for, by offset or by cursor.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    scope: Scope,
    limit: i64,
    offset: i64,
    dates: Dates,
    cursor: Option<Cursor>,
    counts: bool,
}

impl Walk {
    /// What is to be read.
    pub fn span(&self) -> Span {
        let after = self.cursor.map_or_else(|| Place::before(self.dates.from), |cursor| place(cursor.place));
        // Behind a cursor nothing is left out: that is what it is for.
        let offset = if self.cursor.is_some() { 0 } else { self.offset };
        Span {
            after,
            from: self.dates.from,
            until: self.dates.until,
            limit: self.limit + 1,
            offset,
            counts: self.counts,
        }
    }

    /// The answer made of what was read for [`span`](Self::span).
    pub fn page<R, T>(&self, found: Found<R>, mut show: impl FnMut(R) -> T) -> PageOut<T> {
        let total = found.total.or(self.cursor.and_then(|cursor| cursor.total));
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let is_last = found.rows.len() <= limit;
        let (mut results, mut last) = (Vec::new(), None);
        for (place, row) in found.rows.into_iter().take(limit) {
            last = Some(place);
            results.push(show(row));
        }
        let shown = i64::try_from(results.len()).unwrap_or(i64::MAX);
        let next = last.filter(|_| !is_last).map(|place| Cursor {
            place: numbers(place),
            offset: self.offset.saturating_add(shown),
            total,
        });
        PageOut {
            this_page_results_count: results.len(),
            total_results_count: total,
            offset: self.offset,
            next_cursor: next.map(|cursor| cursor.write(&self.scope)),
            results,
        }
    }
}

/// A place as a cursor carries it: microseconds since 1970, and the id.
fn numbers(place: Place) -> (i64, i64) {
    let micros = place.at.unix_timestamp_nanos() / 1_000;
    (i64::try_from(micros).unwrap_or(i64::MAX), place.id)
}

fn place((micros, id): (i64, i64)) -> Place {
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000);
    Place { at: at.unwrap_or(Dates::ALL.until), id }
}

/// A cursor as it was sent. A blank one is none: a client's first round may send it.
struct CursorText(String);

impl FieldValue for CursorText {
    const BLANK_IS_ABSENT: bool = true;

    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        scalar.text_or_digits().map(|text| Self(text.to_owned()))
    }
}

/// A date of a query as it was sent.
struct DateText(String);

impl FieldValue for DateText {
    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        scalar.text_or_digits().map(|text| Self(text.to_owned()))
    }
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
