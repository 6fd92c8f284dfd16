//! The lane's stories, told with a book instead of a database.

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
    stored: Arc<std::sync::Mutex<Vec<Vec<u32>>>>,
    gate: Arc<Semaphore>,
    /// Another one, for rows that come alone.
    lone_gate: Arc<Semaphore>,
    /// Rows that came alone and spared the writer.
    stored_alone: Arc<std::sync::Mutex<Vec<u32>>>,
    is_for_lone_rows: bool,
}

impl Book {
    fn open() -> Self {
        Self::with(Semaphore::MAX_PERMITS)
    }

    fn closed() -> Self {
        Self::with(0)
    }

    fn with(permits: usize) -> Self {
        Self {
            stored: Arc::default(),
            gate: Arc::new(Semaphore::new(permits)),
            lone_gate: Arc::new(Semaphore::new(permits)),
            stored_alone: Arc::default(),
            is_for_lone_rows: false,
        }
    }

    fn lane(&self, queue_max: usize, batch_max: usize) -> Lane<Self> {
        let place = Place::AmongTasks;
        let layout = Layout { name: "test", writers: 1, queue_max, batch_max, place, spares_writers: false };
        Lane::start(layout, |_| 0, || self.clone())
    }

    /// A lane whose writer is spared. Its work is made first.
    fn sparing_lane(&self) -> Lane<Self> {
        let place = Place::AmongTasks;
        let layout = Layout { name: "test", writers: 1, queue_max: 100, batch_max: 100, place, spares_writers: true };
        let made = AtomicUsize::new(0);
        Lane::start(
            layout,
            |_| 0,
            || Self { is_for_lone_rows: made.fetch_add(1, Ordering::Relaxed) > 0, ..self.clone() },
        )
    }

    fn lone_rows(&self) -> Vec<u32> {
        self.stored_alone.lock().expect("no panics").clone()
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
        let gate = if self.is_for_lone_rows { &self.lone_gate } else { &self.gate };
        gate.acquire().await.expect("it stays open").forget();
        assert!(!rows.contains(&PANIC), "as planned");
        if let Some(guilty) = rows.iter().find(|row| [POISON, LOCKED].contains(&(**row % 100))) {
            return Err(*guilty % 100);
        }
        self.stored.lock().expect("no panics").push(rows.to_vec());
        if self.is_for_lone_rows {
            self.stored_alone.lock().expect("no panics").extend(rows);
        }
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

#[tokio::test]
async fn a_row_that_is_alone_spares_the_writer_and_those_who_come_meanwhile_do_not() {
    let book = Book::closed();
    let lane = book.sparing_lane();
    let first = queued(&lane, &[1]).await;
    let others = queued(&lane, &[2, 3]).await;
    book.gate.add_permits(1);
    book.lone_gate.add_permits(2);
    let answers = join_all(first.into_iter().chain(others)).await;
    assert_eq!(answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [10, 20, 30]);
    assert_eq!(lane.submit(4).await.expect("it is stored"), 40);
    assert_eq!((book.lone_rows(), book.rows()), (vec![1, 4], vec![1, 2, 3, 4]));
    assert!(book.transactions().contains(&vec![2, 3]));
}

#[tokio::test]
async fn a_lone_row_whose_caller_left_is_stored_and_holds_up_nobody() {
    let book = Book::closed();
    let lane = book.sparing_lane();
    drop(queued(&lane, &[1]).await);
    let second = queued(&lane, &[2]).await;
    book.gate.add_permits(1);
    assert!(join_all(second).await.iter().all(Result::is_ok));
    book.lone_gate.add_permits(1);
    lane.drain().await;
    assert_eq!((book.lone_rows(), book.rows()), (vec![1], vec![1, 2]));
}

#[tokio::test]
async fn a_lone_row_fails_alone_and_the_lane_goes_on() {
    let book = Book::open();
    let lane = book.sparing_lane();
    assert!(matches!(lane.submit(POISON).await, Err(Refused::Failed(fault)) if *fault == POISON));
    assert!(matches!(lane.submit(PANIC).await, Err(Refused::Lost)));
    assert_eq!(lane.submit(1).await.expect("the lane goes on"), 10);
    assert_eq!(book.lone_rows(), [1]);
}

#[tokio::test]
async fn a_lane_that_is_drained_stores_the_row_that_was_alone_and_takes_no_more() {
    let book = Book::closed();
    let lane = book.sparing_lane();
    let replies = queued(&lane, &[1]).await;
    let mut drained = Box::pin(lane.drain());
    // The writer, who has nothing to do, ends meanwhile.
    for _ in 0..10 {
        assert!(matches!(poll!(&mut drained), Poll::Pending));
        tokio::task::yield_now().await;
    }
    book.lone_gate.add_permits(1);
    let (answers, ()) = tokio::join!(join_all(replies), drained);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(book.rows(), [1]);
    assert!(matches!(lane.submit(2).await, Err(Refused::Closed)));
}
