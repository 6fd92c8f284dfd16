//! CSV: the first line names the columns, each further row becomes an object. Commas, semicolons or tabs.
//!
//! A blank cell says nothing. A row with more cells than there are columns is refused, because then no cell is surely
//! where it belongs.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::ops::ControlFlow;
use std::rc::Rc;

use csv::{ByteRecord, ReaderBuilder, Terminator};

use super::{Column, FileFault, Layout, ROW_BYTES_MAX};
use crate::web::error::{ApiError, Code};
use crate::web::json::Node;

const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// Reads the rows, and gives the names of the columns that were not read.
pub fn read(
    mut text: impl BufRead,
    layout: &Layout,
    sink: &mut impl FnMut(u64, Result<Node, ApiError>) -> ControlFlow<()>,
) -> Result<Vec<String>, FileFault> {
    let mut rows = Rows::new(text.fill_buf().map(sniff)?, text);
    let mut head: Option<Head> = None;
    while let Some((line, record)) = rows.next()? {
        if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
            continue;
        }
        match &head {
            None => head = Some(Head::read(&record, layout)?),
            Some(head) if sink(line, head.row(&record)).is_break() => break,
            Some(_) => {}
        }
    }
    Ok(head.ok_or(FileFault::Empty)?.not_read)
}

/// The rows of a table, each with the line it begins in.
struct Rows<R> {
    reader: csv::Reader<Tidied<R>>,
    left: Rc<Cell<usize>>,
    /// One that was read already.
    ahead: Option<(u64, ByteRecord)>,
}

impl<R: Read> Rows<R> {
    fn new(delimiter: u8, input: R) -> Self {
        let left = Rc::new(Cell::new(0));
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(Tidied { input, left: Rc::clone(&left), before: b'\n' });
        Self { reader, left, ahead: None }
    }

    fn next(&mut self) -> Result<Option<(u64, ByteRecord)>, FileFault> {
        let Some((line, record)) = self.ahead.take().map_or_else(|| self.parse(), |row| Ok(Some(row)))? else {
            return Ok(None);
        };
        // A quotation mark that is not closed takes all that follows it, down to the last line feed: nothing is left.
        if record.iter().next_back().is_some_and(|cell| cell.ends_with(b"\n")) {
            self.ahead = self.parse()?;
            if self.ahead.is_none() {
                // It was counted as if a line feed stood behind it.
                return Err(FileFault::EndlessRow(line + 1));
            }
        }
        Ok(Some((line, record)))
    }

    fn parse(&mut self) -> Result<Option<(u64, ByteRecord)>, FileFault> {
        let mut record = ByteRecord::new();
        let begins_after = self.reader.position().line();
        self.left.set(ROW_BYTES_MAX);
        let is_there = self.reader.read_byte_record(&mut record).map_err(|error| fault(error, begins_after))?;
        let line_feeds = record.as_slice().iter().filter(|byte| **byte == b'\n').count();
        // The parser does not count the empty lines before a row, so its line is found from its end.
        let line = self.reader.position().line().saturating_sub(1 + line_feeds as u64);
        Ok(is_there.then_some((line, record)))
    }
}

fn fault(error: csv::Error, line: u64) -> FileFault {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<TooLong>()) => {
            FileFault::EndlessRow(line)
        }
        csv::ErrorKind::Io(error) => FileFault::Io(error),
        // Nothing else can come up: rows are bytes, and may differ in length.
        _ => FileFault::Io(io::Error::other("the CSV parser failed")),
    }
}

/// The one that parts the first line into the most cells.
fn sniff(text: &[u8]) -> u8 {
    let first = text.trim_ascii_start().split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let count = |delimiter: &u8| first.iter().filter(|byte| *byte == delimiter).count();
    DELIMITERS.into_iter().rev().max_by_key(count).unwrap_or(b',')
}

/// A row took more bytes than a row may have.
#[derive(Debug, thiserror::Error)]
#[error("the row is too long")]
struct TooLong;

/// A reader in which every line ends with a line feed, the last one too. It gives out a number of bytes at most, until it
/// is told to go on: the parser would hold a row of any length.
struct Tidied<R> {
    input: R,
    left: Rc<Cell<usize>>,
    /// The byte that came last, as it was.
    before: u8,
}

impl<R: Read> Read for Tidied<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.input.read(buffer)?;
            if length == 0 {
                let needs_end = !buffer.is_empty() && !matches!(self.before, b'\n' | b'\r');
                if needs_end {
                    (buffer[0], self.before) = (b'\n', b'\n');
                }
                return Ok(usize::from(needs_end));
            }
            let left = self.left.get().checked_sub(length).ok_or_else(|| io::Error::other(TooLong))?;
            self.left.set(left);
            let mut kept = 0;
            for at in 0..length {
                let byte = buffer[at];
                // The line feed of a carriage return before it is there already.
                if !(byte == b'\n' && self.before == b'\r') {
                    buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
                self.before = byte;
            }
            if kept > 0 {
                return Ok(kept);
            }
        }
    }
}

/// Which column is which field.
struct Head {
    /// Each field that a column is there for, with the column's place.
    fields: Vec<(&'static str, usize)>,
    columns: usize,
    not_read: Vec<String>,
}

impl Head {
    fn read(record: &ByteRecord, layout: &Layout) -> Result<Self, FileFault> {
        let names: Vec<String> = record.iter().map(|cell| normal(&String::from_utf8_lossy(cell))).collect();
        let place = |(field, others): &Column| {
            let mut spellings = std::iter::once(field).chain(*others);
            let place = spellings.find_map(|spelling| names.iter().position(|name| name == spelling))?;
            Some((*field, place))
        };
        let fields: Vec<(&'static str, usize)> = layout.columns.iter().filter_map(place).collect();
        let is_there = |wanted: &&str| fields.iter().any(|(field, _)| field == wanted);
        if let Some(missing) = layout.required.iter().find(|group| !group.iter().any(is_there)) {
            let known: Vec<&str> = layout.columns.iter().map(|(field, _)| *field).collect();
            return Err(FileFault::NoColumn(missing.join(" or "), known.join(", ")));
        }
        let is_read = |at: usize| fields.iter().any(|(_, place)| *place == at);
        let not_read = names.iter().enumerate().filter(|(at, name)| !is_read(*at) && !name.is_empty());
        let not_read = not_read.map(|(_, name)| name.clone()).collect();
        Ok(Self { fields, columns: names.len(), not_read })
    }

    fn row(&self, record: &ByteRecord) -> Result<Node, ApiError> {
        if record.iter().skip(self.columns).any(|cell| !cell.trim_ascii().is_empty()) {
            let message =
                "the row has more cells than the first line has names; put cells that hold the delimiter in quotes";
            return Err(ApiError::new(Code::InvalidValue, message));
        }
        let mut pairs: Vec<(String, Node)> = Vec::new();
        for (field, place) in &self.fields {
            let cell = record.get(*place).unwrap_or_default();
            let cell = str::from_utf8(cell).map_err(|_invalid| {
                ApiError::new(Code::InvalidUtf8, "the cell is not UTF-8 text; save the file as \"CSV UTF-8\"")
                    .at(*field)
            })?;
            let cell = cell.trim();
            if !cell.is_empty() {
                put(&mut pairs, field, cell);
            }
        }
        Ok(Node::Object(pairs))
    }
}

/// As people spell the names of columns: `Order ID` is `order_id`.
fn normal(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace([' ', '-'], "_")
}

/// Puts a text under a path of one or two keys.
fn put(pairs: &mut Vec<(String, Node)>, path: &str, text: &str) {
    let text = Node::Text(text.to_owned());
    let Some((object, key)) = path.split_once('.') else {
        return pairs.push((path.to_owned(), text));
    };
    let inner = (key.to_owned(), text);
    match pairs.iter_mut().find(|(name, _)| name == object) {
        Some((_, Node::Object(members))) => members.push(inner),
        _ => pairs.push((object.to_owned(), Node::Object(vec![inner]))),
    }
}
