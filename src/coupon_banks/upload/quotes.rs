//! The text of a CSV file, record by record, watched for what a CSV parser swallows without a word.
//!
//! The `csv` crate takes an open quote for a field that runs to the end of the file, and reads text behind a closing
//! quote as part of the field; either would load wrong codes. This reader stands before it, knows the line of each
//! record and bounds its length. It hands out at most one record a `read`, so that while the parser, which asks only
//! when it has nothing left, works on a record, [`Records::place`] speaks of that one.
//!
//! Assumes line feeds only. Never changes the text, beyond leaving out empty lines between records.

use std::io::{self, BufRead, Read};

use super::decode::Text;
use super::{FileFault, LINE_BYTES_MAX};

const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// Where the latest record starts, and whether text stands behind one of its closing quotes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) stray_text: bool,
}

/// A reader that errs with [`FileFault::UnbalancedQuote`] and [`FileFault::LineTooLong`].
pub(super) struct Records<'a, R> {
    text: &'a mut Text<R>,
    delimiter: u8,
    line: u64,
    place: Place,
    /// Bytes handed out of the current record; 0 between records.
    length: usize,
    field: Field,
    quote: Quote,
}

/// What is read of the current field.
#[derive(Clone, Copy, PartialEq)]
enum Field {
    Start,
    Plain,
    Quoted,
    /// Behind a quote that closes the field, or is the first of a doubled one.
    QuoteSeen,
    /// Behind spaces after the closing quote.
    Closed,
}

impl Field {
    /// The state after `byte`, which is no line feed that ends the record. `delimits` says what parts fields.
    fn after(self, byte: u8, delimits: impl Fn(u8) -> bool) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::QuoteSeen,
            (Self::Start | Self::QuoteSeen, b'"') | (Self::Quoted, _) => Self::Quoted,
            _ if delimits(byte) => Self::Start,
            (Self::QuoteSeen | Self::Closed, b' ' | b'\t') => Self::Closed,
            _ => Self::Plain,
        }
    }
}

/// The latest opening quote.
struct Quote {
    line: u64,
    spans_lines: bool,
}

impl<'a, R: Read> Records<'a, R> {
    /// Looks at the first line to find the delimiter.
    pub(super) fn new(text: &'a mut Text<R>) -> io::Result<Self> {
        let delimiter = sniff(text.fill_buf()?);
        let place = Place { line: 1, stray_text: false };
        let quote = Quote { line: 1, spans_lines: false };
        Ok(Self { text, delimiter, line: 1, place, length: 0, field: Field::Start, quote })
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Of the record handed out last.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    fn skip_empty_lines(&mut self) -> io::Result<()> {
        loop {
            let chunk = self.text.fill_buf()?;
            let empty = chunk.iter().take_while(|byte| **byte == b'\n').count();
            if empty == 0 {
                return Ok(());
            }
            self.text.consume(empty);
            self.line += empty as u64;
        }
    }

    /// Takes note of one byte; true when it ends the record.
    fn step(&mut self, byte: u8) -> Result<bool, FileFault> {
        if byte == b'\n' {
            self.line += 1;
            if self.field != Field::Quoted {
                self.field = Field::Start;
                return Ok(true);
            }
            self.quote.spans_lines = true;
        }
        let delimiter = self.delimiter;
        let next = self.field.after(byte, |byte| byte == delimiter);
        match (self.field, next) {
            (Field::Start, Field::Quoted) => self.quote = Quote { line: self.line, spans_lines: false },
            // The quote that seems to close the field was meant to open one further down.
            (Field::QuoteSeen | Field::Closed, Field::Plain) if self.quote.spans_lines => {
                return Err(FileFault::UnbalancedQuote { line: self.quote.line });
            }
            (Field::QuoteSeen | Field::Closed, Field::Plain) => self.place.stray_text = true,
            _ => {}
        }
        self.field = next;
        Ok(false)
    }

    fn too_long(&self) -> FileFault {
        // A quote left open swallows the lines below it: the fault is up there.
        if self.field == Field::Quoted && self.quote.spans_lines {
            FileFault::UnbalancedQuote { line: self.quote.line }
        } else {
            FileFault::LineTooLong { line: self.place.line }
        }
    }
}

impl<R: Read> Read for Records<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.length == 0 {
            self.skip_empty_lines()?;
            self.place = Place { line: self.line, stray_text: false };
        }
        // To the end of the line at most: what lies behind the record would be copied in vain, over and over.
        let chunk = self.text.fill_buf()?;
        let mut line = chunk.iter().position(|byte| *byte == b'\n').map_or(chunk, |end| &chunk[..=end]);
        let mut bytes = line.read(buffer)?;
        if bytes == 0 && self.field == Field::Quoted {
            return Err(FileFault::UnbalancedQuote { line: self.quote.line }.into());
        }
        let mut ended = false;
        for (at, byte) in buffer[..bytes].iter().enumerate() {
            if self.step(*byte)? {
                (bytes, ended) = (at + 1, true);
                break;
            }
        }
        self.text.consume(bytes);
        self.length += bytes;
        if self.length - usize::from(ended) > LINE_BYTES_MAX {
            return Err(self.too_long().into());
        }
        if ended {
            self.length = 0;
        }
        Ok(bytes)
    }
}

/// The first of comma, semicolon, tab that parts fields in the first line; a comma if none does.
fn sniff(text: &[u8]) -> u8 {
    let mut found = [false; DELIMITERS.len()];
    let mut field = Field::Start;
    for byte in text.trim_ascii_start() {
        if *byte == b'\n' && field != Field::Quoted {
            break;
        }
        let kind = DELIMITERS.iter().position(|delimiter| delimiter == byte);
        field = field.after(*byte, |_| kind.is_some());
        if let Some(kind) = kind.filter(|_| field == Field::Start) {
            found[kind] = true;
        }
    }
    DELIMITERS.into_iter().zip(found).find(|(_, found)| *found).map_or(b',', |(delimiter, _)| delimiter)
}
