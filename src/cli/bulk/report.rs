//! What an import came to: counts, the first refused rows for people, all of them in a file for whoever asked for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{self, OutputArgs};
use crate::web::error::ApiError;

/// Refused rows that a summary lists.
const LISTED_MAX: usize = 20;

/// A refused row.
#[derive(Serialize)]
struct Refused {
    line: u64,
    code: &'static str,
    param: Option<String>,
    message: String,
}

/// Counts what becomes of rows.
pub struct Report {
    verb: &'static str,
    tally: Tally,
    file: Option<RefusedFile>,
}

/// What is printed as JSON.
#[derive(Default, Serialize)]
struct Tally {
    /// Rows that were read.
    rows: u64,
    new: u64,
    known: u64,
    refused: u64,
    refused_by_code: BTreeMap<&'static str, u64>,
    /// The first of them.
    refusals: Vec<Refused>,
    columns_not_read: Vec<String>,
}

impl Report {
    /// A report of nothing yet. Refused rows are also written to `file`.
    pub fn start(verb: &'static str, file: Option<&Path>) -> Result<Self, Failure> {
        let file = file.map(RefusedFile::create).transpose()?;
        Ok(Self { verb, tally: Tally::default(), file })
    }

    /// How many rows it knows of.
    pub fn rows(&self) -> u64 {
        self.tally.rows
    }

    /// Counts a row that is stored, now or before.
    pub fn add(&mut self, is_new: bool) {
        self.tally.rows += 1;
        if is_new {
            self.tally.new += 1;
        } else {
            self.tally.known += 1;
        }
    }

    /// Counts a row that is not.
    pub fn refuse(&mut self, line: u64, why: &ApiError) -> Result<(), Failure> {
        let body = why.body("");
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let details = body["error"]["details"].as_array();
        let faults: Vec<String> = details.into_iter().flatten().filter_map(|detail| text(&detail["message"])).collect();
        let message = if faults.is_empty() { text(&body["message"]).unwrap_or_default() } else { faults.join("; ") };
        let refused = Refused { line, code: why.code().as_str(), param: text(&body["error"]["param"]), message };
        self.tally.rows += 1;
        self.tally.refused += 1;
        *self.tally.refused_by_code.entry(refused.code).or_default() += 1;
        if let Some(file) = &mut self.file {
            file.write(&refused)?;
        }
        if self.tally.refusals.len() < LISTED_MAX {
            self.tally.refusals.push(refused);
        }
        Ok(())
    }

    /// Prints the summary. Refused rows make it a failure that the output has told already.
    pub fn finish(mut self, output: OutputArgs, columns_not_read: Vec<String>) -> Result<(), Failure> {
        self.tally.columns_not_read = columns_not_read;
        if let Some(file) = self.file.take() {
            file.finish()?;
        }
        if output.json {
            output::json(&self.tally)?;
        } else {
            output::print(&self.text())?;
        }
        if self.tally.refused == 0 { Ok(()) } else { Err(Failure::told(Exit::Refused)) }
    }

    fn text(&self) -> String {
        let Tally { rows, new, known, refused, refused_by_code, refusals, columns_not_read } = &self.tally;
        let mut text =
            format!("Of {rows} rows {new} were {}, {known} were there already, {refused} were refused.\n", self.verb);
        if !columns_not_read.is_empty() {
            text.push_str(&format!("\nColumns that were not read: {}\n", columns_not_read.join(", ")));
        }
        if *refused > 0 {
            let codes = refused_by_code.iter().map(|(code, rows)| vec![(*code).to_owned(), rows.to_string()]);
            text.push_str(&format!("\n{}\n", output::table(&["REFUSED FOR", "ROWS"], codes)));
            let rows = refusals.iter().map(|row| vec![row.line.to_string(), row.code.to_owned(), row.message.clone()]);
            text.push_str(&format!("\n{}\n", output::table(&["LINE", "CODE", "WHY"], rows)));
        }
        let hidden = refused - refusals.len() as u64;
        if hidden > 0 {
            text.push_str(&format!("and {hidden} more; --refused FILE writes all of them\n"));
        }
        text
    }
}

/// Where all refused rows are written.
enum RefusedFile {
    Csv(Box<csv::Writer<BufWriter<File>>>),
    JsonLines(BufWriter<File>),
}

impl RefusedFile {
    fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| {
            Failure::refused(format!("cannot write {}: {error}; choose another file with --refused", path.display()))
        })?;
        let file = BufWriter::new(file);
        let is_json = path.extension().is_some_and(|extension| {
            ["json", "jsonl", "ndjson"].iter().any(|json| extension.eq_ignore_ascii_case(json))
        });
        Ok(if is_json { Self::JsonLines(file) } else { Self::Csv(Box::new(csv::Writer::from_writer(file))) })
    }

    fn write(&mut self, refused: &Refused) -> Result<(), Failure> {
        match self {
            Self::Csv(file) => file.serialize(refused).map_err(anyhow::Error::from)?,
            Self::JsonLines(file) => {
                serde_json::to_writer(&mut *file, refused).map_err(anyhow::Error::from)?;
                file.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Csv(mut file) => Ok(file.flush()?),
            Self::JsonLines(mut file) => Ok(file.flush()?),
        }
    }
}
