//! Importing a file row by row: reads it on a thread of its own while the rows before are being stored, shows how far it
//! is, and tells what was refused. Whole batches are stored, so an import that was interrupted can be run again.

mod report;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use clap::Args;
use tokio::sync::mpsc;

use self::report::Report;
use super::accounts::AccountChoice;
use super::coupons::open;
use super::exit::{Exit, Failure};
use super::output::OutputArgs;
use super::progress::Progress;
use super::rows::{self, FileFault, Layout};
use crate::web::batch::{ROWS_MAX, ReadLine, Store, Stored};
use crate::web::fields::Fields;

/// Batches that may have been read and not stored.
const BATCHES_AHEAD: usize = 4;

/// What every import of rows takes.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// CSV with a first line that names the columns, or one JSON object a line; `-` reads standard input.
    file: PathBuf,
    /// Write the refused rows with their line, code and reason to this file: JSON lines if it ends in .jsonl or
    /// .ndjson, else CSV.
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    #[command(flatten)]
    pub account: AccountChoice,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl FileArgs {
    /// The file, or `-`.
    pub fn path(&self) -> &Path {
        &self.file
    }
}

/// Imports the rows of a file. `verb` says what becomes of a new one: "recorded".
pub async fn import<S: Store>(
    args: &FileArgs,
    layout: Layout,
    read: impl Fn(&Fields<'_>) -> Option<S::Row> + Send + 'static,
    store: &mut S,
    verb: &'static str,
) -> Result<(), Failure> {
    let (input, bytes) = open(&args.file)?;
    let mut report = Report::start(verb, args.refused.as_deref())?;
    let progress = Progress::start(bytes);
    let watched = progress.watch(input);
    let (batches, mut arriving) = mpsc::channel(BATCHES_AHEAD);
    let reading = tokio::task::spawn_blocking(move || read_batches(watched, &layout, &read, &batches));
    let mut stored_all = Ok(());
    while let Some(batch) = arriving.recv().await {
        stored_all = store_batch(batch, store, &mut report).await;
        if stored_all.is_err() {
            break;
        }
    }
    drop(arriving);
    store.rest().await;
    progress.finish();
    stored_all?;
    let read = reading.await.map_err(anyhow::Error::from)?;
    let (not_read, fault) = match read {
        Ok(not_read) => (not_read, None),
        Err(fault) => (Vec::new(), Some(fault)),
    };
    if let Some(fault) = fault {
        let stored = if report.rows() > 0 {
            " What stands above that is imported; mend the file and import it again."
        } else {
            ""
        };
        return Err(Failure::refused(format!("{}: {fault}.{stored}", args.file.display())));
    }
    report.finish(args.output, not_read)
}

fn read_batches<R>(
    input: impl std::io::Read + 'static,
    layout: &Layout,
    read: &impl Fn(&Fields<'_>) -> Option<R>,
    batches: &mpsc::Sender<Vec<ReadLine<R>>>,
) -> Result<Vec<String>, FileFault> {
    let mut batch = Vec::with_capacity(ROWS_MAX);
    let outcome = rows::read(input, layout, read, &mut |row| {
        batch.push(row);
        if batch.len() < ROWS_MAX {
            return ControlFlow::Continue(());
        }
        let full = std::mem::replace(&mut batch, Vec::with_capacity(ROWS_MAX));
        // Nobody stores any more.
        batches.blocking_send(full).map_or(ControlFlow::Break(()), |()| ControlFlow::Continue(()))
    });
    // What was read before a fault is good.
    let _ = batches.blocking_send(batch);
    outcome
}

async fn store_batch<S: Store>(
    batch: Vec<ReadLine<S::Row>>,
    store: &mut S,
    report: &mut Report,
) -> Result<(), Failure> {
    let (mut rows, mut lines, mut refused) =
        (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()), Vec::new());
    for ReadLine { line, row } in batch {
        match row {
            Ok(row) => {
                rows.push(row);
                lines.push(line);
            }
            Err(refusal) => refused.push((line, refusal)),
        }
    }
    let stored = if rows.is_empty() { Vec::new() } else { store.store(rows).await };
    if !stored.is_empty() && stored.iter().all(is_lost) {
        let line = lines.first().copied().unwrap_or_default();
        let why = stored.iter().find_map(|one| one.as_ref().err()?.cause().map(str::to_owned)).unwrap_or_default();
        let message = format!(
            "the database failed at line {line}: {why}; all lines before it are imported, run the command again to go on"
        );
        return Err(Failure::new(Exit::Unavailable, message));
    }
    for (line, outcome) in lines.into_iter().zip(stored) {
        match outcome {
            Ok((status, _)) => report.add(status == StatusCode::CREATED),
            Err(refusal) => refused.push((line, refusal)),
        }
    }
    refused.sort_by_key(|(line, _)| *line);
    for (line, refusal) in refused {
        report.refuse(line, &refusal)?;
    }
    Ok(())
}

fn is_lost<B>(outcome: &Stored<B>) -> bool {
    outcome.as_ref().err().is_some_and(|error| error.code().status() == StatusCode::SERVICE_UNAVAILABLE)
}
