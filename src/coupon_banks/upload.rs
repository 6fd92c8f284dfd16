//! Reading a merchant's file of coupons, as it comes, into rows.
//!
//! A file is text (CSV, TXT) in UTF-8 or UTF-16, or JSON. A fault that makes the whole file doubtful, such as an
//! unbalanced quote, ends the reading; any other refuses its row alone, with the line and the reason. Rows go to a
//! sink one by one: memory stays flat whatever the size of the file, and a slow sink slows the reading.
//!
//! Assumes a thread that may block, and a caller who drops every row handed over when the reading ends in an error:
//! a fault may come to light only at the end. Never touches the database: rows that are there already, or twice in
//! the file, are found by the module that stores them. Never guesses: bytes that are no text are not replaced.

mod decode;
mod json;
mod quotes;
mod rows;
mod text;

use std::io;

pub use rows::{Pin, RefusalReason, Refused, Row};

/// Longest line of a text file, longest string of a JSON file, in bytes of UTF-8.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// Most columns of a row; more means that the file is no list of coupons.
pub const COLUMNS_MAX: usize = 100;
/// How many lines [`FileFault::Undecodable`] names at most.
pub const BAD_LINES_MAX: usize = 20;

/// How the merchant says the file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CSV or TXT: code, then optionally its PIN. Commas, else semicolons, else tabs.
    Text,
    /// A list of codes or of `{"code", "pin"}`, bare or under `"coupons"`.
    Json,
}

/// What was read. Rows refused later, by the database, are not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Rows handed over as good.
    pub rows: u64,
    /// Rows handed over as refused.
    pub refused: u64,
    /// Whether the first line was taken for a header.
    pub header_skipped: bool,
    /// `UTF-8`, `UTF-16LE` or `UTF-16BE`.
    pub encoding: &'static str,
    /// What stood between the columns; `None` for JSON.
    pub delimiter: Option<char>,
}

/// The receiver of rows wants no more, say because storing them failed. It knows why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the receiver of rows wants no more")]
pub struct SinkClosed;

/// Why reading ended before the end of the file. Rows handed over before must not be kept.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is refused as a whole: the merchant has to mend it.
    #[error(transparent)]
    Fault(#[from] FileFault),
    /// The file did not arrive whole.
    #[error("the file could not be read to its end")]
    Io(#[source] io::Error),
    #[error(transparent)]
    SinkClosed(#[from] SinkClosed),
}

/// A fault that makes the whole file doubtful. The messages are shown to the merchant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// `lines` are the first 20 bad ones, ascending.
    #[error("The file is not UTF-8 text; see {}. Save it as \"CSV UTF-8\" and upload it again.", listed(.lines))]
    Undecodable { lines: Vec<u64> },
    #[error("A quotation mark opened in line {line} is not closed. Close it, or double it within text.")]
    UnbalancedQuote { line: u64 },
    #[error("Line {line} is longer than {LINE_BYTES_MAX} bytes. Put one coupon on each line.")]
    LineTooLong { line: u64 },
    #[error("The file holds no coupons. Put one coupon on each line.")]
    EmptyFile,
    #[error("The file is no valid JSON at line {line}, column {column}: {message}.")]
    InvalidJson { line: u64, column: u64, message: String },
}

impl FileFault {
    /// The code on the wire.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Undecodable { .. } => "undecodable",
            Self::UnbalancedQuote { .. } => "unbalanced_quote",
            Self::LineTooLong { .. } => "line_too_long",
            Self::EmptyFile => "empty_file",
            Self::InvalidJson { .. } => "invalid_json",
        }
    }
}

/// Faults travel through the readers of libraries as I/O errors, and come out again here.
impl From<FileFault> for io::Error {
    fn from(fault: FileFault) -> Self {
        Self::other(fault)
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        error.downcast::<FileFault>().map_or_else(Self::Io, Self::Fault)
    }
}

fn listed(lines: &[u64]) -> String {
    let numbers = lines.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    if lines.len() == 1 { format!("line {numbers}") } else { format!("lines {numbers}") }
}

/// Reads a file to its end and hands each row to `sink`, in the order of the file. Blocks; memory is flat.
pub fn read(
    input: impl io::Read,
    format: Format,
    sink: &mut impl FnMut(Result<Row, Refused>) -> Result<(), SinkClosed>,
) -> Result<Summary, ReadError> {
    let mut outlet = Outlet { sink, rows: 0, refused: 0 };
    let mut text = decode::Text::new(input);
    let Layout { header_skipped, delimiter } = match format {
        Format::Text => text::read(&mut text, &mut outlet)?,
        Format::Json => json::read(&mut text, &mut outlet)?,
    };
    let Outlet { rows, refused, .. } = outlet;
    if rows + refused == 0 {
        return Err(FileFault::EmptyFile.into());
    }
    Ok(Summary { rows, refused, header_skipped, encoding: text.encoding(), delimiter })
}

/// What only the reader of one format knows.
struct Layout {
    header_skipped: bool,
    delimiter: Option<char>,
}

/// Hands rows to the sink and counts them.
struct Outlet<'a> {
    sink: &'a mut dyn FnMut(Result<Row, Refused>) -> Result<(), SinkClosed>,
    rows: u64,
    refused: u64,
}

impl Outlet<'_> {
    fn push(&mut self, row: Result<Row, Refused>) -> Result<(), SinkClosed> {
        match row {
            Ok(_) => self.rows += 1,
            Err(_) => self.refused += 1,
        }
        (self.sink)(row)
    }
}

#[cfg(test)]
mod tests;
