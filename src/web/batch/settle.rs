//! Stores what was read of a request of many lines, and hands over the answers in the order of the lines.
//!
//! Takes whatever has arrived, at most [`ROWS_MAX`] lines, and waits for no more: a client that sends one line gets its
//! answer. While one batch is being stored, the next is read and the one before is written.

use std::collections::VecDeque;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::receive::{Read, ReadLine};
use super::{Answer, ROWS_MAX, Store, Stored, ToWrite};
use crate::web::error::{ApiError, Code};
use crate::web::frame::RequestId;

/// How long the client may let us wait before the store rests.
const REST_AFTER: Duration = Duration::from_secs(1);

/// Why there are no more lines.
type End = Option<(u64, ApiError)>;

/// Stores the lines of one request.
pub struct Settling<S: Store> {
    store: S,
    arriving: mpsc::Receiver<Read<S::Row>>,
    waiting: VecDeque<ReadLine<S::Row>>,
    end: Option<End>,
    answers: mpsc::Sender<ToWrite<S::Body>>,
    /// How long a client may take to read an answer.
    patience: Duration,
    /// The last line that arrived.
    reached: u64,
    request_id: RequestId,
    counts: Counts,
}

/// How many lines ended how.
#[derive(Debug, Default)]
struct Counts {
    stored: u64,
    known: u64,
    refused: u64,
}

/// The client reads no answers, or is gone.
struct Abandoned;

impl<S: Store> Settling<S> {
    /// Stores in `store` what comes out of `arriving`, and hands the answers to `answers`.
    pub fn new(
        store: S,
        arriving: mpsc::Receiver<Read<S::Row>>,
        answers: mpsc::Sender<ToWrite<S::Body>>,
        patience: Duration,
        request_id: RequestId,
    ) -> Self {
        let (waiting, end, reached, counts) = (VecDeque::new(), None, 0, Counts::default());
        Self { store, arriving, waiting, end, answers, patience, reached, request_id, counts }
    }

    /// Stores and answers until all is done, or nobody wants to know any more. Lets go of everything.
    pub async fn settle(mut self) {
        let ended = self.settle_all().await;
        self.store.rest().await;
        let Counts { stored, known, refused } = self.counts;
        let how = match ended {
            Ok(None) => "lines answered",
            Ok(Some(_)) => "lines answered in part",
            Err(Abandoned) => "lines whose answers nobody reads",
        };
        let code = ended.ok().flatten().map(Code::as_str);
        tracing::info!(request.id = self.request_id.get(), stored, known, refused, error.code = code, "{how}");
    }

    /// Gives the code of what stopped the reading, if something did.
    async fn settle_all(&mut self) -> Result<Option<Code>, Abandoned> {
        let stop = loop {
            self.gather().await;
            let Some(last) = self.waiting.iter().take(ROWS_MAX).last().map(|line| line.line) else {
                break self.end.take().flatten();
            };
            if self.settle_batch().await? == Going::Nowhere {
                let message = "nothing can be stored at present; what was not answered was not read, send it again";
                break Some((last + 1, ApiError::new(Code::Unavailable, message)));
            }
        };
        let code = stop.as_ref().map(|(_, why)| why.code());
        if let Some((line, why)) = stop {
            self.hand_over(ToWrite::Answers(vec![Answer { line, outcome: Err(why), stopped: true }])).await?;
        }
        self.hand_over(ToWrite::End).await?;
        Ok(code)
    }

    /// Takes what has arrived. Waits only when nothing has.
    async fn gather(&mut self) {
        while self.end.is_none() && self.waiting.is_empty() {
            let read = at_leisure(&mut self.store, self.arriving.recv()).await;
            // Whoever receives always says when it ends, unless it panicked.
            let lost = || Read::End(Some((self.reached + 1, ApiError::internal("the reading of lines panicked"))));
            self.take(read.unwrap_or_else(lost));
        }
        while self.end.is_none() && self.waiting.len() < ROWS_MAX {
            let Ok(read) = self.arriving.try_recv() else { return };
            self.take(read);
        }
    }

    fn take(&mut self, read: Read<S::Row>) {
        match read {
            Read::Lines(lines) => {
                self.reached = lines.last().map_or(self.reached, |last| last.line);
                self.waiting.extend(lines);
            }
            Read::End(end) => self.end = Some(end),
        }
    }

    async fn settle_batch(&mut self) -> Result<Going, Abandoned> {
        let count = self.waiting.len().min(ROWS_MAX);
        let (mut answers, mut rows, mut places) = (Vec::with_capacity(count), Vec::with_capacity(count), Vec::new());
        for ReadLine { line, row } in self.waiting.drain(..count) {
            let outcome = match row {
                Ok(row) => {
                    rows.push(row);
                    places.push(answers.len());
                    None
                }
                Err(refusal) => Some(Err(refusal)),
            };
            answers.push((line, outcome));
        }
        let stored = if rows.is_empty() { Vec::new() } else { self.store.store(rows).await };
        let going = self.look(&stored);
        for (place, outcome) in places.into_iter().zip(stored) {
            answers[place].1 = Some(outcome);
        }
        let missing = || Err(ApiError::internal("a line was left without an answer"));
        let answers: Vec<_> = answers
            .into_iter()
            .map(|(line, outcome)| Answer { line, outcome: outcome.unwrap_or_else(missing), stopped: false })
            .collect();
        self.counts.add(&answers);
        self.hand_over(ToWrite::Answers(answers)).await?;
        Ok(going)
    }

    /// When of a whole batch nothing could be stored, the next would fare no better. The first cause goes to the log.
    fn look(&self, stored: &[Stored<S::Body>]) -> Going {
        let refusals = || stored.iter().filter_map(|outcome| outcome.as_ref().err());
        if let Some((error, cause)) = refusals().find_map(|error| Some((error, error.cause()?))) {
            let (id, code, lines) = (self.request_id.get(), error.code().as_str(), refusals().count());
            tracing::error!(request.id = id, lines, error.code = code, error.cause = cause, "lines failed");
        }
        let failed = refusals().filter(|error| error.code().status() == StatusCode::SERVICE_UNAVAILABLE).count();
        if failed > 0 && failed == stored.len() { Going::Nowhere } else { Going::On }
    }

    async fn hand_over(&mut self, what: ToWrite<S::Body>) -> Result<(), Abandoned> {
        let handing_over = timeout(self.patience, self.answers.send(what));
        match at_leisure(&mut self.store, handing_over).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Abandoned),
        }
    }
}

/// Waits for the client. What others may need is not kept for one who takes his time.
async fn at_leisure<S: Store, T>(store: &mut S, wait: impl Future<Output = T>) -> T {
    tokio::pin!(wait);
    if let Ok(done) = timeout(REST_AFTER, &mut wait).await {
        return done;
    }
    store.rest().await;
    wait.await
}

/// Whether it is worth going on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Going {
    On,
    Nowhere,
}

impl Counts {
    fn add<B>(&mut self, answers: &[Answer<B>]) {
        for answer in answers {
            match &answer.outcome {
                Ok((StatusCode::CREATED, _)) => self.stored += 1,
                Ok(_) => self.known += 1,
                Err(_) => self.refused += 1,
            }
        }
    }
}
