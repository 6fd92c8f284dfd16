//! A merchant's file, row by row: as CSV whose columns are named like the fields of the API, or as one JSON object a line.
//!
//! Each row becomes the tree that the body of a call becomes, so the same rules read it, with the same messages. What is
//! wrong with a row is told of that row; a file of which nothing can be made is a [`FileFault`]. Memory is flat.

mod decode;
mod table;

use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::web::batch::ReadLine;
use crate::web::batch::lines::{Line, Lines};
use crate::web::error::{ApiError, Code};
use crate::web::fields::Fields;
use crate::web::json::{self, Node};

/// Longest row, in bytes: that of a body over HTTP.
const ROW_BYTES_MAX: usize = 1 << 20;
const PIECE_BYTES: usize = 64 * 1024;

/// What may stand in a file, and what is added to its rows.
pub struct Layout {
    pub columns: &'static [Column],
    /// Of each of these groups a CSV file must have a column.
    pub required: &'static [&'static [&'static str]],
    pub defaults: Vec<Default>,
}

/// A field, and the names that its column may have beside its own, the likelier first.
pub type Column = (&'static str, &'static [&'static str]);

/// What a row says that does not say it itself.
pub struct Default {
    pub field: &'static str,
    /// Other fields that say it too.
    pub unless: &'static [&'static str],
    pub value: Node,
}

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    #[error("it is empty; its first line names the columns, or each line is a JSON object")]
    Empty,
    #[error("it is one JSON list; put each object on a line of its own, as jq -c '.[]' does")]
    JsonList,
    #[error("its first line names no column {0}; the columns that are read: {1}")]
    NoColumn(String, String),
    #[error("the row that begins in line {0} does not end; a quotation mark is not closed there")]
    EndlessRow(u64),
    #[error("it could not be read to its end: {0}")]
    Io(#[from] io::Error),
}

/// Reads a file to its end, or until `sink` wants no more, and hands over its rows in their order. Gives the names of
/// the columns that were not read. Blocks.
pub fn read<R>(
    input: impl Read + 'static,
    layout: &Layout,
    read: &impl Fn(&Fields<'_>) -> Option<R>,
    sink: &mut impl FnMut(ReadLine<R>) -> ControlFlow<()>,
) -> Result<Vec<String>, FileFault> {
    let mut text = BufReader::with_capacity(PIECE_BYTES, decode::text(input)?);
    let first = *text.fill_buf()?.iter().find(|byte| !byte.is_ascii_whitespace()).ok_or(FileFault::Empty)?;
    let mut hand_over = |line, node: Result<Node, ApiError>| {
        let row = node.and_then(|node| {
            let node = layout.complete(node);
            Ok(Fields::read(&node, read)?)
        });
        sink(ReadLine { line, row })
    };
    match first {
        b'{' => read_lines(text, &mut hand_over).map(|()| Vec::new()),
        b'[' => Err(FileFault::JsonList),
        _ => table::read(text, layout, &mut hand_over),
    }
}

fn read_lines(
    mut text: impl BufRead,
    sink: &mut impl FnMut(u64, Result<Node, ApiError>) -> ControlFlow<()>,
) -> Result<(), FileFault> {
    let mut lines = Lines::new(ROW_BYTES_MAX);
    let mut flow = ControlFlow::Continue(());
    loop {
        let piece = Bytes::copy_from_slice(text.fill_buf()?);
        text.consume(piece.len());
        let is_last = piece.is_empty();
        let each = |number, line: Line<'_>| {
            if flow.is_continue() {
                flow = sink(number, parse(number, &line));
            }
        };
        if is_last {
            lines.finish(each)
        } else {
            lines.take(piece, each)
        }
        if is_last || flow.is_break() {
            return Ok(());
        }
    }
}

fn parse(number: u64, line: &Line<'_>) -> Result<Node, ApiError> {
    match line {
        Line::Text(text) => Ok(json::parse_line(text, number)?),
        Line::TooLong => {
            Err(ApiError::new(Code::PayloadTooLarge, format!("the line is longer than {ROW_BYTES_MAX} bytes")))
        }
    }
}

impl Layout {
    /// The row with what was said for all rows.
    fn complete(&self, mut node: Node) -> Node {
        let Node::Object(pairs) = &mut node else { return node };
        for Default { field, unless, value } in &self.defaults {
            let says = |(key, value): &(String, Node)| {
                (key == field || unless.contains(&key.as_str())) && !matches!(value, Node::Null)
            };
            if !pairs.iter().any(says) {
                pairs.retain(|(key, _)| key != field);
                pairs.push(((*field).to_owned(), value.clone()));
            }
        }
        node
    }
}
