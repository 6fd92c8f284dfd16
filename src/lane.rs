//! Group commit: concurrent requests become batches.
//!
//! Callers push a row with a way to answer it into a bounded queue. A writer takes whatever is waiting, up to a cap, runs
//! it as one transaction and answers every caller after the commit. While one batch commits the next one gathers, so an
//! idle lane answers at once and a busy one stores hundreds of rows with one fsync; nobody waits for a timer. A caller who
//! goes away disturbs nothing. Knows neither the database nor what a row means: that is its [`Work`].

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use metrics::{Gauge, Histogram};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
    let mut parts = vec![0..rows.len()];
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
}

impl<W: Work> Clone for Lane<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Work> Lane<W> {
    /// Starts the writers, each with its own work. Rows of which `writer_of` says the same go to the same writer, so
    /// they are never in two transactions of this process at once.
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
                writers.spawn(writer.write(stop.clone()));
                queue
            })
            .collect();
        writers.close();
        Self(Arc::new(Shared { queues, writer_of, stop, writers }))
    }

    /// Has one row stored, and gives its answer after the commit. Once this was polled the row is stored whether or
    /// not anybody waits for the answer.
    pub async fn submit(&self, row: W::Row) -> Reply<W> {
        let Shared { queues, writer_of, .. } = &*self.0;
        let writer = writer_of(&row) % queues.len() as u64;
        let (reply, answered) = oneshot::channel();
        let job = Job { row, reply, queued_at: Instant::now() };
        let queue = &queues[writer as usize];
        queue.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Refused::Full,
            mpsc::error::TrySendError::Closed(_) => Refused::Closed,
        })?;
        answered.await.unwrap_or(Err(Refused::Lost))
    }

    /// As [`submit`](Self::submit), but waits for a place in the queue, after those who came before.
    pub async fn submit_in_turn(&self, row: W::Row) -> Reply<W> {
        let Shared { queues, writer_of, .. } = &*self.0;
        let writer = writer_of(&row) % queues.len() as u64;
        let (reply, answered) = oneshot::channel();
        let job = Job { row, reply, queued_at: Instant::now() };
        queues[writer as usize].send(job).await.map_err(|_closed| Refused::Closed)?;
        answered.await.unwrap_or(Err(Refused::Lost))
    }

    /// Takes no more rows, and returns when all that were taken are answered.
    pub async fn drain(&self) {
        self.0.stop.cancel();
        self.0.writers.wait().await;
    }
}

/// What operators see of a lane.
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
mod tests {
    use std::sync::Mutex;
    use std::task::Poll;

    use futures_util::future::join_all;
    use futures_util::poll;
    use tokio::sync::Semaphore;

    use super::*;

    const POISON: u32 = 13;
    const LOCKED: u32 = 14;
    const PANIC: u32 = 666;

    /// What was stored, transaction by transaction. A transaction needs a permit of the gate.
    #[derive(Clone)]
    struct Book {
        stored: Arc<Mutex<Vec<Vec<u32>>>>,
        gate: Arc<Semaphore>,
    }

    impl Book {
        fn open() -> Self {
            Self { stored: Arc::default(), gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)) }
        }

        fn closed() -> Self {
            Self { stored: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
        }

        fn lane(&self, queue_max: usize, batch_max: usize) -> Lane<Self> {
            Lane::start(Layout { name: "test", writers: 1, queue_max, batch_max }, |_| 0, || self.clone())
        }

        fn transactions(&self) -> Vec<Vec<u32>> {
            self.stored.lock().expect("no panics").clone()
        }

        fn rows(&self) -> Vec<u32> {
            let mut rows = self.transactions().concat();
            rows.sort_unstable();
            rows
        }
    }

    impl Work for Book {
        type Row = u32;
        type Answer = u32;
        type Fault = u32;

        async fn run(&mut self, rows: &[u32]) -> Result<Vec<u32>, u32> {
            self.gate.acquire().await.expect("it stays open").forget();
            assert!(!rows.contains(&PANIC), "as planned");
            if let Some(guilty) = rows.iter().find(|row| [POISON, LOCKED].contains(&(**row % 100))) {
                return Err(*guilty % 100);
            }
            self.stored.lock().expect("no panics").push(rows.to_vec());
            Ok(rows.iter().map(|row| row * 10).collect())
        }

        fn cut(fault: &u32) -> Cut {
            if *fault == LOCKED { Cut::BetweenKin } else { Cut::Anywhere }
        }

        fn kin(row: &u32) -> u64 {
            u64::from(*row / 100)
        }

        async fn close(self) {}
    }

    /// Submits rows and gives their replies, all of them queued by now.
    async fn queued<'a>(
        lane: &'a Lane<Book>,
        rows: &[u32],
    ) -> Vec<std::pin::Pin<Box<dyn Future<Output = Reply<Book>> + 'a>>> {
        let mut replies = Vec::new();
        for row in rows {
            let mut reply: std::pin::Pin<Box<dyn Future<Output = _>>> = Box::pin(lane.submit(*row));
            assert!(matches!(poll!(&mut reply), Poll::Pending), "row {row} waits");
            replies.push(reply);
        }
        replies
    }

    #[tokio::test]
    async fn what_gathers_while_a_batch_commits_shares_the_next_one() {
        let book = Book::closed();
        let lane = book.lane(100, 4);
        let first = queued(&lane, &[1]).await;
        tokio::task::yield_now().await;
        let others = queued(&lane, &[2, 3, 4, 5, 6, 7]).await;
        book.gate.add_permits(3);
        let answers = join_all(first.into_iter().chain(others)).await;
        assert_eq!(answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [10, 20, 30, 40, 50, 60, 70]);
        assert_eq!(book.transactions(), [vec![1], vec![2, 3, 4, 5], vec![6, 7]]);
    }

    #[tokio::test]
    async fn only_the_guilty_row_fails() {
        let book = Book::open();
        let lane = book.lane(100, 100);
        let rows = [1, 2, POISON, 3, 4, 5, POISON, 6];
        let answers = join_all(queued(&lane, &rows).await).await;
        for (row, answer) in rows.iter().zip(answers) {
            match answer {
                Ok(tenfold) => assert_eq!(tenfold, row * 10),
                Err(Refused::Failed(fault)) => assert_eq!((*row, *fault), (POISON, POISON)),
                Err(other) => panic!("{row}: {other:?}"),
            }
        }
        assert_eq!(book.rows(), [1, 2, 3, 4, 5, 6]);
    }

    #[tokio::test]
    async fn what_somebody_holds_fails_for_its_kin_at_once_and_for_nobody_else() {
        let book = Book::closed();
        let lane = book.lane(100, 100);
        let replies = queued(&lane, &[201, 101, 202, 100 + LOCKED, 301, 102, 302]).await;
        // All together, the first kin alone, the middle one, the last.
        book.gate.add_permits(5);
        let answers = join_all(replies).await;
        let failed: Vec<bool> = answers.iter().map(Result::is_err).collect();
        assert_eq!(failed, [false, true, false, true, false, true, false]);
        assert_eq!(book.rows(), [201, 202, 301, 302]);
    }

    #[tokio::test]
    async fn a_full_queue_takes_nobody_in() {
        let book = Book::closed();
        let lane = book.lane(2, 1);
        let first = queued(&lane, &[1]).await;
        tokio::task::yield_now().await;
        let waiting = queued(&lane, &[2, 3]).await;
        assert!(matches!(lane.submit(4).await, Err(Refused::Full)));
        book.gate.add_permits(3);
        let answers = join_all(first.into_iter().chain(waiting)).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(book.rows(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_caller_who_leaves_disturbs_nobody() {
        let book = Book::closed();
        let lane = book.lane(100, 100);
        let mut replies = queued(&lane, &[1, 2, 3]).await;
        drop(replies.remove(1));
        book.gate.add_permits(1);
        assert!(join_all(replies).await.iter().all(Result::is_ok));
        assert_eq!(book.transactions(), [vec![1, 2, 3]]);
    }

    #[tokio::test]
    async fn after_a_panic_the_lane_goes_on() {
        let book = Book::open();
        let lane = book.lane(100, 100);
        let answers = join_all(queued(&lane, &[1, PANIC]).await).await;
        assert!(answers.iter().all(|answer| matches!(answer, Err(Refused::Lost))));
        assert_eq!(lane.submit(2).await.expect("the lane goes on"), 20);
    }

    #[tokio::test]
    async fn a_lane_that_is_drained_stores_what_it_took_and_takes_no_more() {
        let book = Book::closed();
        let lane = book.lane(100, 2);
        let replies = queued(&lane, &[1, 2, 3, 4, 5]).await;
        let mut drained = Box::pin(lane.drain());
        assert!(matches!(poll!(&mut drained), Poll::Pending));
        tokio::task::yield_now().await;
        book.gate.add_permits(10);
        let (answers, ()) = tokio::join!(join_all(replies), drained);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(book.rows(), [1, 2, 3, 4, 5]);
        assert!(matches!(lane.submit(6).await, Err(Refused::Closed)));
    }
}
