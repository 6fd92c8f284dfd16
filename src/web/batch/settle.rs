//! Stores what was read of a request of many lines, and hands over the answers in the order of the lines.
//!
//! Takes whatever has arrived, at most [`ROWS_MAX`] lines, and waits for no more: a client that sends one line gets its
//! answer. While one batch is being stored, the next is read and the one before is written.

use std::collections::VecDeque;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::timeout;

use super::receive::{Read, ReadLine};
use super::{Answer, ROWS_MAX, Store, ToWrite, is_nowhere};
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
    /// The last line that arrived.
    reached: u64,
    end: Option<End>,
    /// The last line of which storing has begun.
    begun: u64,
    /// Why no more is begun.
    stop: End,
    under_way: FuturesOrdered<BoxFuture<'static, Vec<Answer<S::Body>>>>,
    answers: mpsc::Sender<ToWrite<S::Body>>,
    /// How long a client may take to read an answer.
    patience: Duration,
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
        let (waiting, under_way, counts) = (VecDeque::new(), FuturesOrdered::new(), Counts::default());
        let (reached, end, begun, stop) = (0, None, 0, None);
        Self { store, arriving, waiting, reached, end, begun, stop, under_way, answers, patience, request_id, counts }
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
        while let Some(batch) = self.next_batch().await {
            let is_nowhere = is_nowhere(batch.iter().map(|answer| &answer.outcome));
            self.log_failures(&batch);
            self.counts.add(&batch);
            self.hand_over(ToWrite::Answers(batch)).await?;
            if is_nowhere && self.stop.is_none() {
                let message = "nothing can be stored at present; what was not answered was not read, send it again";
                self.stop = Some((self.begun + 1, ApiError::new(Code::Unavailable, message)));
            }
        }
        let stop = self.stop.take().or_else(|| self.end.take().flatten());
        let code = stop.as_ref().map(|(_, why)| why.code());
        if let Some((line, why)) = stop {
            self.hand_over(ToWrite::Answers(vec![Answer { line, outcome: Err(why), stopped: true }])).await?;
        }
        self.hand_over(ToWrite::End).await?;
        Ok(code)
    }

    /// The answers to the next lines, or nothing when all are answered. Begins what can be begun while it waits.
    async fn next_batch(&mut self) -> Option<Vec<Answer<S::Body>>> {
        loop {
            self.take_arrived();
            let has_room = self.stop.is_none() && self.under_way.len() < S::BATCHES_MAX;
            if has_room && !self.waiting.is_empty() {
                self.begin();
                continue;
            }
            let wants_more = has_room && self.end.is_none();
            let read = if self.under_way.is_empty() {
                if !wants_more {
                    return None;
                }
                at_leisure(&mut self.store, self.arriving.recv()).await
            } else {
                tokio::select! {
                    batch = self.under_way.next() => return batch,
                    read = self.arriving.recv(), if wants_more => read,
                }
            };
            self.take(read);
        }
    }

    fn take_arrived(&mut self) {
        while self.end.is_none() && self.waiting.len() < ROWS_MAX {
            match self.arriving.try_recv() {
                Ok(read) => self.take(Some(read)),
                Err(TryRecvError::Disconnected) => self.take(None),
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    fn take(&mut self, read: Option<Read<S::Row>>) {
        match read {
            Some(Read::Lines(lines)) => {
                self.reached = lines.last().map_or(self.reached, |last| last.line);
                self.waiting.extend(lines);
            }
            Some(Read::End(end)) => self.end = Some(end),
            // Whoever receives always says when it ends, unless it panicked.
            None => self.end = Some(Some((self.reached + 1, ApiError::internal("the reading of lines panicked")))),
        }
    }

    /// Has the lines stored that wait longest.
    fn begin(&mut self) {
        let count = self.waiting.len().min(ROWS_MAX);
        let (mut outcomes, mut rows) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for ReadLine { line, row } in self.waiting.drain(..count) {
            self.begun = line;
            let refusal = match row {
                Ok(row) => {
                    rows.push(row);
                    None
                }
                Err(refusal) => Some(refusal),
            };
            outcomes.push((line, refusal));
        }
        let storing = if rows.is_empty() { None } else { Some(self.store.store(rows)) };
        self.under_way.push_back(Box::pin(async move {
            let mut stored = match storing {
                Some(storing) => storing.await.into_iter(),
                None => Vec::new().into_iter(),
            };
            let mut answer = |refusal: Option<ApiError>| match refusal {
                Some(refusal) => Err(refusal),
                None => stored.next().unwrap_or_else(|| Err(ApiError::internal("a line was left without an answer"))),
            };
            let answers = outcomes.into_iter();
            answers.map(|(line, refusal)| Answer { line, outcome: answer(refusal), stopped: false }).collect()
        }));
    }

    /// The first cause of a failure that is not the client's goes to the log.
    fn log_failures(&self, batch: &[Answer<S::Body>]) {
        let refusals = || batch.iter().filter_map(|answer| answer.outcome.as_ref().err());
        if let Some((error, cause)) = refusals().find_map(|error| Some((error, error.cause()?))) {
            let (id, code, lines) = (self.request_id.get(), error.code().as_str(), refusals().count());
            tracing::error!(request.id = id, lines, error.code = code, error.cause = cause, "lines failed");
        }
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
