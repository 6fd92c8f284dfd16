//! What commands print: a table for people, JSON for programs. A reader who has seen enough and goes is no error.

use std::io::{ErrorKind, Write};

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::exit::Failure;

/// How results are printed.
#[derive(Clone, Copy, Debug, Args)]
pub struct OutputArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Something that is listed: one line of a table, or one object of JSON.
pub trait Line: Serialize {
    /// The heads of the columns.
    const HEADS: &'static [&'static str];
    /// Whether its text is for reading only, so that it may be broken to fit the terminal. What is copied is not.
    const WRAPS: bool = false;
    /// What stands below the heads.
    fn cells(&self) -> Vec<String>;
}

/// Prints a list.
pub fn list<L: Line>(args: OutputArgs, lines: &[L]) -> Result<(), Failure> {
    if args.json {
        return json(&lines);
    }
    let mut table = columns(lines.iter().map(Line::cells));
    table.set_header(L::HEADS);
    if L::WRAPS {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    print(&render(table))
}

/// Prints one thing, a line for each of its values.
pub fn one<L: Line>(args: OutputArgs, line: &L) -> Result<(), Failure> {
    if args.json {
        return json(line);
    }
    print(&render(columns(L::HEADS.iter().zip(line.cells()).map(|(head, cell)| vec![(*head).to_owned(), cell]))))
}

/// A table for the middle of other text.
pub fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = columns(rows);
    table.set_header(heads);
    render(table)
}

/// Columns without borders, which are easy to read and easy to cut.
fn columns(rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).add_rows(rows);
    table
}

fn render(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Prints a value as JSON.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
    print(&text)
}

/// Writes text and an end of line to standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::Error::from(error).context("cannot write to standard output").into())
        }
        _ => Ok(()),
    }
}

/// Writes a remark for the person at the terminal, who may be gone.
pub fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A moment as lists show it.
pub fn moment(moment: time::OffsetDateTime) -> String {
    moment.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}
