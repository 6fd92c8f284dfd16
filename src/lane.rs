//! Group commit: concurrent requests become batches.
//!
//! Callers push a row with a way to answer it into a bounded queue. A writer takes whatever is waiting, up to a cap, runs
//! it as one transaction and answers every caller after the commit. While one batch commits the next one gathers, so an
//! idle lane answers at once and a busy one stores hundreds of rows with one fsync; nobody waits for a timer. A row with
//! nobody beside it need not wake a writer at all. A caller who goes away disturbs nothing. Knows neither the database nor
//! what a row means: that is its [`Work`].

mod seen_through;

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::FutureExt;
use metrics::{Gauge, Histogram};
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::seen_through::SeenThrough;

/// What a lane does with its rows.
pub trait Work: Send + 'static {
    /// What callers push.
    type Row: Send + Sync + 'static;
    /// What they get.
    type Answer: Send + 'static;
    /// Why a batch was not stored.
    type Fault: Send + Sync + 'static;

    /// Runs all rows in one transaction, and answers them in their order after its commit.
    fn run(&mut self, rows: &[Self::Row]) -> impl Future<Output = Result<Vec<Self::Answer>, Self::Fault>> + Send;

    /// Where a batch that failed may be cut, so that only the guilty rows fail in the end.
    fn cut(fault: &Self::Fault) -> Cut;

    /// Rows of one kin need the same thing, which may be held by somebody. A batch has them side by side.
    fn kin(_row: &Self::Row) -> u64 {
        0
    }

    /// Lets go of what is held.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// How a batch that failed goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is nobody's fault: all rows fail.
    Nowhere,
    /// Any row may be to blame.
    Anywhere,
    /// All rows of one kin are.
    BetweenKin,
}

/// Runs `rows`, and again in parts when they failed together. `answer` is told of each row, by its index.
pub async fn run_parts<W: Work>(
    work: &mut W,
    rows: &[W::Row],
    mut answer: impl FnMut(usize, Result<W::Answer, Arc<W::Fault>>) + Send,
) {
    let mut parts = Vec::from([Range { start: 0, end: rows.len() }]);
    while let Some(part) = parts.pop() {
        match work.run(&rows[part.clone()]).await {
            Ok(answers) => part.zip(answers).for_each(|(index, done)| answer(index, Ok(done))),
            Err(fault) => match middle::<W>(&rows[part.clone()], W::cut(&fault)) {
                Some(middle) => {
                    parts.push(part.start + middle..part.end);
                    parts.push(part.start..part.start + middle);
                }
                None => {
                    let fault = Arc::new(fault);
                    part.for_each(|index| answer(index, Err(Arc::clone(&fault))));
                }
            },
        }
    }
}

/// Where to cut rows, as near to their middle as may be.
fn middle<W: Work>(rows: &[W::Row], cut: Cut) -> Option<usize> {
    let middle = rows.len() / 2;
    match cut {
        Cut::Nowhere => None,
        Cut::Anywhere => Some(middle).filter(|middle| *middle > 0),
        Cut::BetweenKin => (1..rows.len())
            .filter(|index| W::kin(&rows[index - 1]) != W::kin(&rows[*index]))
            .min_by_key(|index| index.abs_diff(middle)),
    }
}

/// Where a writer works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Among the tasks of the runtime that started it.
    AmongTasks,
    /// On a thread of its own: an answer of the database need not wait behind all requests that are ready to be read,
    /// which happened at every step of a batch.
    OwnThread,
}

/// Runs a writer on a thread of its own, or among the tasks if there is no thread to be had.
fn run_on_own_thread(name: String, written: impl Future<Output = ()> + Send + 'static) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            // A thread that is not made drops the writer with it, and the lane says that it is closed.
            let made = std::thread::Builder::new().name(name).spawn(move || runtime.block_on(written));
            if let Err(error) = made {
                tracing::error!(error.cause = %error, "a writer got no thread");
            }
        }
        Err(error) => {
            tracing::warn!(error.cause = %error, "a writer works among the requests");
            tokio::spawn(written);
        }
    }
}

/// How a lane is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// What metrics call it.
    pub name: &'static str,
    /// How many writers work side by side. Each has a queue of its own.
    pub writers: usize,
    /// Most rows waiting for one writer.
    pub queue_max: usize,
    /// Most rows of one transaction.
    pub batch_max: usize,
    pub place: Place,
    /// Whether a row that comes when no other is in the lane is stored by the task that brings it, without waking a writer: two threads'
    /// sleep and waking are a good part of what a caller who is alone waits for. The next row goes to its writer, so for a moment
    /// two transactions may be about the same thing.
    pub spares_writers: bool,
}

/// Why a row was not answered.
#[derive(Clone, Debug)]
pub enum Refused<F> {
    /// The queue is full: nothing was stored.
    Full,
    /// The lane is closing: nothing was stored.
    Closed,
    /// The batch failed.
    Failed(Arc<F>),
    /// The batch went down with a panic: nobody knows what was stored.
    Lost,
}

/// The answer to one row.
pub type Reply<W> = Result<<W as Work>::Answer, Refused<<W as Work>::Fault>>;

struct Job<W: Work> {
    row: W::Row,
    reply: oneshot::Sender<Reply<W>>,
    queued_at: Instant,
}

/// A way to the writers, cheap to clone.
pub struct Lane<W: Work>(Arc<Shared<W>>);

struct Shared<W: Work> {
    queues: Vec<mpsc::Sender<Job<W>>>,
    writer_of: fn(&W::Row) -> u64,
    stop: CancellationToken,
    writers: TaskTracker,
    /// Rows whose callers wait for an answer.
    waited_for: AtomicUsize,
    /// What stores rows that come alone, if writers are spared.
    lone: Option<Lone<W>>,
}

/// Stores single rows, one at a time, until the lane is drained.
struct Lone<W> {
    work: Arc<Mutex<Option<W>>>,
    gauges: Gauges,
}

/// What stores single rows, while nobody else has it.
type LoneWork<W> = OwnedMappedMutexGuard<Option<W>, W>;

/// A caller who waits.
struct Waiting<'l>(&'l AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<W: Work> Clone for Lane<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Work> Lane<W> {
    /// Starts the writers, each with its own work. Rows of which `writer_of` says the same go to the same writer, so
    /// they are never in two transactions of this process at once, unless writers are spared.
    pub fn start(layout: Layout, writer_of: fn(&W::Row) -> u64, work: impl Fn() -> W) -> Self {
        let (stop, writers) = (CancellationToken::new(), TaskTracker::new());
        let queues = (0..layout.writers.max(1))
            .map(|number| {
                let (queue, waiting) = mpsc::channel(layout.queue_max.max(1));
                let writer = Writer {
                    waiting,
                    work: work(),
                    batch_max: layout.batch_max,
                    gauges: Gauges::of(layout.name, number),
                };
                let written = writers.track_future(writer.write(stop.clone()));
                match layout.place {
                    Place::AmongTasks => drop(tokio::spawn(written)),
                    Place::OwnThread => run_on_own_thread(format!("{}-{number}", layout.name), written),
                }
                queue
            })
            .collect();
        writers.close();
        let lone = layout
            .spares_writers
            .then(|| Lone { work: Arc::new(Mutex::new(Some(work()))), gauges: Gauges::of(layout.name, 0) });
        Self(Arc::new(Shared { queues, writer_of, stop, writers, waited_for: AtomicUsize::new(0), lone }))
    }

    /// Has one row stored, and gives its answer after the commit. Once this was polled the row is stored whether or
    /// not anybody waits for the answer. Who does not wait any more must drop it: what is neither polled nor dropped may hold up
    /// the lane's drain.
    pub async fn submit(&self, row: W::Row) -> Reply<W> {
        let (_waiting, is_alone) = self.wait();
        if is_alone && let Some((lone, work)) = self.lone() {
            let stored = self.0.writers.track_future(store_one(work, row, lone.gauges.clone()));
            return SeenThrough::new(stored).await.unwrap_or(Err(Refused::Lost));
        }
        let (queue, job, answered) = self.job(row);
        queue.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Refused::Full,
            mpsc::error::TrySendError::Closed(_) => Refused::Closed,
        })?;
        answered.await.unwrap_or(Err(Refused::Lost))
    }

    /// As [`submit`](Self::submit), but waits for a place in the queue, after those who came before.
    pub async fn submit_in_turn(&self, row: W::Row) -> Reply<W> {
        let _waiting = self.wait();
        let (queue, job, answered) = self.job(row);
        queue.send(job).await.map_err(|_closed| Refused::Closed)?;
        answered.await.unwrap_or(Err(Refused::Lost))
    }

    /// Counts a caller for as long as he waits, and says whether he is alone.
    fn wait(&self) -> (Waiting<'_>, bool) {
        let others = self.0.waited_for.fetch_add(1, Ordering::Relaxed);
        (Waiting(&self.0.waited_for), others == 0)
    }

    /// What stores a row that is alone, if it is free and the lane is open.
    fn lone(&self) -> Option<(&Lone<W>, LoneWork<W>)> {
        let lone = self.0.lone.as_ref().filter(|_| !self.0.stop.is_cancelled())?;
        let work = Arc::clone(&lone.work).try_lock_owned().ok()?;
        Some((lone, OwnedMutexGuard::try_map(work, Option::as_mut).ok()?))
    }

    /// What goes into which queue, and where its answer comes out.
    fn job(&self, row: W::Row) -> (&mpsc::Sender<Job<W>>, Job<W>, oneshot::Receiver<Reply<W>>) {
        let Shared { queues, writer_of, .. } = &*self.0;
        let writer = writer_of(&row) % queues.len() as u64;
        let (reply, answered) = oneshot::channel();
        (&queues[writer as usize], Job { row, reply, queued_at: Instant::now() }, answered)
    }

    /// Takes no more rows, and returns when all that were taken are answered.
    pub async fn drain(&self) {
        self.0.stop.cancel();
        self.0.writers.wait().await;
        if let Some(lone) = &self.0.lone
            && let Some(work) = lone.work.lock().await.take()
        {
            work.close().await;
        }
    }
}

/// Stores a row that came alone.
async fn store_one<W: Work>(mut work: LoneWork<W>, row: W::Row, gauges: Gauges) -> Reply<W> {
    gauges.batch.record(1.0);
    gauges.wait.record(0.0);
    let (started, mut reply) = (Instant::now(), Err(Refused::Lost));
    run_parts(&mut *work, std::slice::from_ref(&row), |_, done| reply = done.map_err(Refused::Failed)).await;
    gauges.commit.record(started.elapsed().as_secs_f64());
    reply
}

/// What operators see of a lane.
#[derive(Clone)]
struct Gauges {
    depth: Gauge,
    batch: Histogram,
    wait: Histogram,
    commit: Histogram,
}

impl Gauges {
    fn of(lane: &'static str, writer: usize) -> Self {
        Self {
            depth: metrics::gauge!("goodword_lane_queue_rows", "lane" => lane, "writer" => writer.to_string()),
            batch: metrics::histogram!("goodword_lane_batch_rows", "lane" => lane),
            wait: metrics::histogram!("goodword_lane_wait_seconds", "lane" => lane),
            commit: metrics::histogram!("goodword_lane_commit_seconds", "lane" => lane),
        }
    }
}

struct Writer<W: Work> {
    waiting: mpsc::Receiver<Job<W>>,
    work: W,
    batch_max: usize,
    gauges: Gauges,
}

impl<W: Work> Writer<W> {
    async fn write(mut self, stop: CancellationToken) {
        let mut jobs = Vec::with_capacity(self.batch_max);
        while self.gather(&mut jobs, &stop).await {
            jobs.sort_by_cached_key(|job| W::kin(&job.row));
            let (mut rows, mut replies) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
            for job in jobs.drain(..) {
                self.gauges.wait.record(job.queued_at.elapsed().as_secs_f64());
                rows.push(job.row);
                replies.push(Some(job.reply));
            }
            self.store(&rows, replies).await;
        }
        self.work.close().await;
    }

    /// Takes what is waiting, at least one row. When told to stop it lets nobody in any more, and ends when nothing
    /// is left.
    async fn gather(&mut self, jobs: &mut Vec<Job<W>>, stop: &CancellationToken) -> bool {
        let told = tokio::select! {
            biased;
            () = stop.cancelled(), if !self.waiting.is_closed() => true,
            count = self.waiting.recv_many(jobs, self.batch_max) => return count > 0,
        };
        debug_assert!(told, "only a stop comes here");
        self.waiting.close();
        self.waiting.recv_many(jobs, self.batch_max).await > 0
    }

    async fn store(&mut self, rows: &[W::Row], mut replies: Vec<Option<oneshot::Sender<Reply<W>>>>) {
        let (batch, left) = (rows.len() as f64, self.waiting.len() as f64);
        self.gauges.batch.record(batch);
        self.gauges.depth.set(left);
        let started = Instant::now();
        let answer = |index: usize, done: Result<W::Answer, Arc<W::Fault>>| {
            if let Some(reply) = replies.get_mut(index).and_then(Option::take) {
                // A caller who went away has no use for it.
                let _ = reply.send(done.map_err(Refused::Failed));
            }
        };
        // A panic was logged by its hook. Who has no answer yet gets `Lost`, and the lane goes on.
        let _ = AssertUnwindSafe(run_parts(&mut self.work, rows, answer)).catch_unwind().await;
        self.gauges.commit.record(started.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests;
