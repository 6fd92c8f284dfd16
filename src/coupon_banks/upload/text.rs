//! CSV and TXT: the code in the first column, its PIN in the second if there is one, further columns for nobody.
//!
//! Assumes records watched over by [`Records`]. A line without anything in any cell is no row. Never guesses at a
//! header: only the words in [`HEADERS`] make the first line one.

use std::io::{self, Read};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Terminator};

use super::decode::Text;
use super::quotes::{Place, Records};
use super::rows::{judge, refuse};
use super::{COLUMNS_MAX, Layout, Outlet, ReadError, RefusalReason, Refused, Row};

/// First cells that make the first line a header, in any case.
const HEADERS: [&str; 4] = ["code", "coupon", "coupon_code", "coupon code"];

pub(super) fn read<R: Read>(text: &mut Text<R>, outlet: &mut Outlet<'_>) -> Result<Layout, ReadError> {
    let records = Records::new(text)?;
    let delimiter = records.delimiter();
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .terminator(Terminator::Any(b'\n'))
        .from_reader(records);
    let mut record = StringRecord::new();
    let mut first = true;
    let mut header_skipped = false;
    while reader.read_record(&mut record).map_err(cause)? {
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if std::mem::take(&mut first) && is_header(&record) {
            header_skipped = true;
            continue;
        }
        outlet.push(row(&record, reader.get_ref().place()))?;
    }
    Ok(Layout { header_skipped, delimiter: Some(char::from(delimiter)) })
}

fn is_header(record: &StringRecord) -> bool {
    let cell = record.get(0).unwrap_or_default().trim();
    HEADERS.iter().any(|header| header.eq_ignore_ascii_case(cell))
}

fn row(record: &StringRecord, Place { line, stray_text }: Place) -> Result<Row, Refused> {
    let code = record.get(0).unwrap_or_default();
    if record.len() > COLUMNS_MAX {
        return Err(refuse(line, code, RefusalReason::TooManyColumns));
    }
    if stray_text {
        return Err(refuse(line, code, RefusalReason::InvalidCode));
    }
    judge(line, code, record.get(1).unwrap_or_default())
}

fn cause(error: csv::Error) -> ReadError {
    match error.into_kind() {
        ErrorKind::Io(error) => error.into(),
        // Nothing else can come up: the text is UTF-8 and records may differ in length.
        _ => ReadError::Io(io::Error::other("the CSV parser failed")),
    }
}
