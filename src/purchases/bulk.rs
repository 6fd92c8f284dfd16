//! Recording many purchases for one sender, who brings them faster than one transaction at a time could take.
//!
//! Beside the lanes, not through them: a migration must not stand in the way of the orders of the day.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::lane::{Recorder, writer_of};
use super::{PurchaseToRecord, Recorded};
use crate::db::{Applied, Fault};
use crate::lane::{Work, run_parts};
use crate::types::clock::Clock;

/// Transactions side by side. While the database works on one, the next is prepared; more would only make it slower.
const WRITERS: usize = 2;

/// What became of a row.
pub type Answer = Result<Recorded, Arc<Fault>>;

/// Rows for a writer, and where their answers go.
type Job = (Vec<PurchaseToRecord>, oneshot::Sender<Vec<Answer>>);

/// Records batch after batch, on connections of its own, which are made when they are needed.
pub struct BulkRecorder {
    pool: PgPool,
    clock: Clock,
    writers: Vec<Writer>,
}

struct Writer {
    jobs: mpsc::UnboundedSender<Job>,
    task: JoinHandle<()>,
}

impl BulkRecorder {
    /// One that works on the database that `pool` leads to. Takes no connection of the pool's.
    pub fn new(pool: PgPool, clock: Clock) -> Self {
        Self { pool, clock, writers: Vec::new() }
    }

    /// Begins to record rows, whether or not anybody waits for their answers, which come in the order of the rows. Of
    /// several reports of one order the first counts, in this batch or an earlier one: they go to the same writer.
    pub fn record(&mut self, rows: Vec<PurchaseToRecord>) -> BoxFuture<'static, Vec<Answer>> {
        if self.writers.is_empty() {
            self.writers.extend((0..WRITERS).map(|_| Writer::start(Recorder::on(&self.pool, self.clock.clone()))));
        }
        let count = rows.len();
        let mut parts: [(Vec<PurchaseToRecord>, Vec<usize>); WRITERS] = Default::default();
        for (place, row) in rows.into_iter().enumerate() {
            let (part, places) = &mut parts[writer_of(&row) as usize % WRITERS];
            part.push(row);
            places.push(place);
        }
        let under_way: Vec<_> = self
            .writers
            .iter()
            .zip(parts)
            .filter(|(_, (part, _))| !part.is_empty())
            .map(|(writer, (part, places))| (places, writer.take(part)))
            .collect();
        Box::pin(async move {
            let mut answers: Vec<Option<Answer>> = vec![None; count];
            for (places, answered) in under_way {
                for (place, answer) in places.into_iter().zip(answered.await.unwrap_or_default()) {
                    answers[place] = Some(answer);
                }
            }
            // Only a writer that panicked leaves rows without an answer.
            answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(Arc::new(lost())))).collect()
        })
    }

    /// Finishes what was begun and lets go of the connections, until they are needed again.
    pub async fn rest(&mut self) {
        for Writer { jobs, task } in std::mem::take(&mut self.writers) {
            drop(jobs);
            // A panic was logged by its hook.
            let _ = task.await;
        }
    }
}

impl Writer {
    fn start(mut recorder: Recorder) -> Self {
        let (jobs, mut waiting) = mpsc::unbounded_channel::<Job>();
        let task = tokio::spawn(async move {
            while let Some((rows, reply)) = waiting.recv().await {
                let mut answers = vec![None; rows.len()];
                run_parts(&mut recorder, &rows, |index, answer| answers[index] = Some(answer)).await;
                // Every row is answered; but a sender who went away has no use for it.
                let _ = reply.send(answers.into_iter().flatten().collect());
            }
            recorder.close().await;
        });
        Self { jobs, task }
    }

    /// Who began less work than one or two batches at a time needs no bound on what waits here.
    fn take(&self, rows: Vec<PurchaseToRecord>) -> oneshot::Receiver<Vec<Answer>> {
        let (reply, answered) = oneshot::channel();
        // Nobody is there only after a panic; then the answer does not come either.
        let _ = self.jobs.send((rows, reply));
        answered
    }
}

fn lost() -> Fault {
    let cause = std::io::Error::other("the batch of this row panicked");
    Fault { applied: Applied::Unknown, abort: sqlx::Error::Io(cause).into() }
}
