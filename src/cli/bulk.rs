//! Importing a file row by row: reads it on a thread of its own while the rows before are being stored, shows how far it
//! is, and tells what was refused. Whole batches are stored, so an import that was interrupted can be run again.

mod report;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use clap::Args;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use tokio::sync::mpsc;

use self::report::Report;
use super::accounts::AccountChoice;
use super::coupons::open;
use super::exit::{Exit, Failure};
use super::output::OutputArgs;
use super::progress::Progress;
use super::rows::{self, FileFault, Layout};
use crate::web::batch::{ROWS_MAX, ReadLine, Store, Stored, is_nowhere};
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
    let mut under_way = FuturesOrdered::new();
    let mut stored_all = Ok(());
    while let Some(batch) = arriving.recv().await {
        under_way.push_back(begin(batch, store));
        if under_way.len() == S::BATCHES_MAX
            && let Some(outcomes) = under_way.next().await
        {
            stored_all = note(outcomes, &mut report);
        }
        if stored_all.is_err() {
            break;
        }
    }
    while let Some(outcomes) = under_way.next().await {
        // After a failure nothing is worth a word any more.
        if stored_all.is_ok() {
            stored_all = note(outcomes, &mut report);
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

/// What became of a line: whether it is new, or why it was refused.
type Outcomes<B> = Vec<(u64, Stored<B>)>;

/// Has a batch stored.
fn begin<S: Store>(batch: Vec<ReadLine<S::Row>>, store: &mut S) -> BoxFuture<'static, Outcomes<S::Body>> {
    let (mut rows, mut lines, mut outcomes) =
        (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()), Vec::new());
    for ReadLine { line, row } in batch {
        match row {
            Ok(row) => {
                rows.push(row);
                lines.push(line);
            }
            Err(refusal) => outcomes.push((line, Err(refusal))),
        }
    }
    let storing = if rows.is_empty() { None } else { Some(store.store(rows)) };
    Box::pin(async move {
        if let Some(storing) = storing {
            outcomes.extend(lines.into_iter().zip(storing.await));
        }
        outcomes.sort_by_key(|(line, _)| *line);
        outcomes
    })
}

fn note<B>(outcomes: Outcomes<B>, report: &mut Report) -> Result<(), Failure> {
    if is_nowhere(outcomes.iter().map(|(_, outcome)| outcome)) {
        let failed = outcomes.iter().find_map(|(line, outcome)| Some((line, outcome.as_ref().err()?.cause()?)));
        let (line, why) = failed.unwrap_or((&0, "it did not answer"));
        let message = format!("the database failed at line {line}: {why}; run the command again to go on");
        return Err(Failure::new(Exit::Unavailable, message));
    }
    for (line, outcome) in outcomes {
        match outcome {
            Ok((status, _)) => report.add(status == StatusCode::CREATED),
            Err(refusal) => report.refuse(line, &refusal)?,
        }
    }
    Ok(())
}
