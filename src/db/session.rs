//! A connection that a long-lived task owns: a lane's writer, a bulk load. The task is never dropped half-way, so its
//! transactions need no task of their own. A broken connection is replaced, and what it was doing is done again.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout};

use super::numbers::{Ahead, Wanted};
use super::transact::{Abort, Applied, Fault, Tries, commit_fault, is_ending_session};

/// How long the database may be away before work is given back to its sender.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// The pause between two tries to connect.
const CONNECT_PAUSE: Duration = Duration::from_millis(20);
/// No transaction takes longer unless the way to the server is dead: its statements have limits of their own.
const TRANSACTION_LIMIT: Duration = Duration::from_secs(15);

/// A batch function: does its work for all rows inside the caller's transaction. It finds what it stored before by a
/// natural key, so it may be run again.
pub type Batch<R, T> =
    for<'c> fn(&'c mut PgConnection, &'c [R], OffsetDateTime) -> BoxFuture<'c, Result<Vec<T>, Abort>>;

/// Does work without a transaction around it: one statement stores all of it. It finds what it stored before by a natural
/// key, so it may be run again. `W` is what it works on, and stays good for another try whatever happens to this one; `O` is all
/// answers, or none when it is not for this.
pub type Unwrapped<W, O> = for<'c> fn(&'c mut Alone, &'c mut W, OffsetDateTime) -> BoxFuture<'c, Result<O, Abort>>;

/// A connection outside of any transaction, where each statement is committed by itself: what one statement can store
/// need not wait for a beginning and an end.
#[derive(Debug)]
pub struct Alone {
    own: Own,
    stored: Progress,
}

/// How far work without a transaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Nothing,
    /// The statement that stores was sent.
    Sent,
    /// It answered that it stored something.
    Something,
}

impl Alone {
    /// For statements that store nothing.
    pub fn reading(&mut self) -> &mut PgConnection {
        &mut self.own.conn
    }

    /// Takes numbers for rows that are to be stored. No other rows get them, whether or not these are stored.
    pub async fn numbers<const N: usize>(&mut self, wanted: [Wanted; N]) -> sqlx::Result<[Vec<i64>; N]> {
        self.own.ahead.take(&mut self.own.conn, wanted).await
    }

    /// For the one statement that stores, all of it or nothing, or for the next try after it answered that it stored nothing. From now
    /// on a fault may come after its commit.
    pub fn storing(&mut self) -> &mut PgConnection {
        if self.stored == Progress::Nothing {
            self.stored = Progress::Sent;
        }
        &mut self.own.conn
    }

    /// The statement answered whether it stored something. What fails after that takes nothing of it back, nor do statements after it
    /// that store nothing.
    pub fn answered(&mut self, has_stored: bool) {
        if has_stored {
            self.stored = Progress::Something;
        } else if self.stored == Progress::Sent {
            self.stored = Progress::Nothing;
        }
    }

    /// What a fault at this point leaves behind.
    fn fault(&self, abort: Abort) -> Fault {
        match (self.stored, abort) {
            (Progress::Something, abort) => Fault { applied: Applied::Unknown, abort },
            (Progress::Sent, Abort::Database(error)) => commit_fault(error),
            (_, abort) => abort.into(),
        }
    }
}

/// One connection, made when it is first needed.
#[derive(Debug)]
pub struct Session {
    options: PgConnectOptions,
    own: Option<Own>,
}

/// A connection, and the numbers that it drew.
#[derive(Debug)]
struct Own {
    conn: PgConnection,
    ahead: Ahead,
}

impl Session {
    /// A session that leads where `options` lead.
    pub fn new(options: PgConnectOptions) -> Self {
        Self { options, own: None }
    }

    /// Runs a batch in one transaction, and again from the start when it lost to a rival or the connection broke: so a
    /// commit whose answer was lost is looked up, on a new connection, before anything is said about it.
    pub async fn transact<R, T>(
        &mut self,
        batch: Batch<R, T>,
        rows: &[R],
        now: OffsetDateTime,
    ) -> Result<Vec<T>, Fault> {
        let mut tries = Tries::default();
        loop {
            match self.attempt(batch, rows, now).await {
                Ok(outcome) => return Ok(outcome),
                Err(fault) => tries.again_after(fault).await?,
            }
        }
    }

    /// Runs work that needs no transaction, and again from the start when [`transact`](Self::transact) would.
    pub async fn alone<W, O>(&mut self, work: Unwrapped<W, O>, on: &mut W, now: OffsetDateTime) -> Result<O, Fault> {
        let mut tries = Tries::default();
        loop {
            match self.attempt_alone(work, on, now).await {
                Ok(outcome) => return Ok(outcome),
                Err(fault) => tries.again_after(fault).await?,
            }
        }
    }

    /// Runs work that needs no transaction, and in one where that work finds that it is not for this. Again from the start
    /// as [`transact`](Self::transact): what an earlier try may have left behind is remembered whichever way it took.
    pub async fn alone_or_transact<W, R, T>(
        &mut self,
        work: Unwrapped<W, Option<Vec<T>>>,
        on: &mut W,
        batch: Batch<R, T>,
        rows: &[R],
        now: OffsetDateTime,
    ) -> Result<Vec<T>, Fault> {
        let mut tries = Tries::default();
        loop {
            let done = match self.attempt_alone(work, on, now).await {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => self.attempt(batch, rows, now).await,
                Err(fault) => Err(fault),
            };
            match done {
                Ok(outcome) => return Ok(outcome),
                Err(fault) => tries.again_after(fault).await?,
            }
        }
    }

    /// Works once. As in a transaction, the connection is not ours meanwhile.
    async fn attempt_alone<W, O>(
        &mut self,
        work: Unwrapped<W, O>,
        on: &mut W,
        now: OffsetDateTime,
    ) -> Result<O, Fault> {
        let mut alone = Alone { own: self.take().await?, stored: Progress::Nothing };
        let done = timeout(TRANSACTION_LIMIT, work(&mut alone, on, now)).await;
        let (outcome, is_usable) = match done {
            Ok(Ok(outcome)) => (Ok(outcome), true),
            Ok(Err(abort)) => {
                let is_usable = leaves_session(&abort);
                (Err(alone.fault(abort)), is_usable)
            }
            Err(_elapsed) => (Err(alone.fault(fell_silent().into())), false),
        };
        self.own = Some(alone.own).filter(|_| is_usable);
        outcome
    }

    /// The connection, for as long as its work goes on.
    async fn take(&mut self) -> Result<Own, Fault> {
        match self.own.take() {
            Some(own) => Ok(own),
            None => Ok(Own { conn: connect(&self.options).await?, ahead: Ahead::default() }),
        }
    }

    /// Begins, works and commits, once. While that goes on the connection is not ours: whatever ends it early, a panic
    /// too, ends the connection with it.
    async fn attempt<R, T>(&mut self, batch: Batch<R, T>, rows: &[R], now: OffsetDateTime) -> Result<Vec<T>, Fault> {
        let mut own = self.take().await?;
        let mut is_committing = false;
        let done = timeout(TRANSACTION_LIMIT, run(&mut own.conn, batch, rows, now, &mut is_committing)).await;
        let (outcome, is_usable) = match done {
            Ok(Ok(outcome)) => (Ok(outcome), true),
            Ok(Err(Failed { fault, is_rolled_back })) => (Err(fault), is_rolled_back),
            Err(_elapsed) => {
                let applied = if is_committing { Applied::Unknown } else { Applied::None };
                (Err(Fault { applied, abort: fell_silent().into() }), false)
            }
        };
        self.own = Some(own).filter(|_| is_usable);
        outcome
    }

    /// Takes leave of the server.
    pub async fn close(self) {
        if let Some(own) = self.own {
            // A server that is gone needs no farewell.
            let _ = timeout(CONNECT_LIMIT, own.conn.close()).await;
        }
    }
}

/// Whether the server is ready for the next statement: after a refusal it is, unless it is ending the session. After
/// anything else nobody knows.
fn leaves_session(abort: &Abort) -> bool {
    match abort {
        Abort::LostRace => true,
        Abort::Database(error @ sqlx::Error::Database(_)) => !is_ending_session(error),
        Abort::Database(_) => false,
    }
}

fn fell_silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database fell silent"))
}

/// A fault, and whether the connection is known to be outside of any transaction.
struct Failed {
    fault: Fault,
    is_rolled_back: bool,
}

async fn run<R, T>(
    conn: &mut PgConnection,
    batch: Batch<R, T>,
    rows: &[R],
    now: OffsetDateTime,
    is_committing: &mut bool,
) -> Result<Vec<T>, Failed> {
    let broken = |fault: Fault| Failed { fault, is_rolled_back: false };
    let mut transaction = conn.begin().await.map_err(|error| broken(error.into()))?;
    match batch(&mut transaction, rows, now).await {
        Ok(outcome) => {
            *is_committing = true;
            transaction.commit().await.map_err(|error| broken(commit_fault(error)))?;
            Ok(outcome)
        }
        Err(abort) => {
            // At once: what the transaction locked must not wait for our next work.
            let is_rolled_back = transaction.rollback().await.is_ok();
            Err(Failed { fault: abort.into(), is_rolled_back })
        }
    }
}

/// Connects. A server that is just restarting is waited for.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Fault> {
    let deadline = Instant::now() + CONNECT_LIMIT;
    loop {
        match tokio::time::timeout_at(deadline, PgConnection::connect_with(options)).await {
            Ok(Ok(conn)) => return Ok(conn),
            Ok(Err(_)) if Instant::now() + CONNECT_PAUSE < deadline => tokio::time::sleep(CONNECT_PAUSE).await,
            Ok(Err(error)) => return Err(away(error)),
            Err(_elapsed) => return Err(away(sqlx::Error::PoolTimedOut)),
        }
    }
}

/// A database that could not be reached in all that time is not worth another try, whatever it said.
fn away(last: sqlx::Error) -> Fault {
    tracing::debug!(error = %last, "the database cannot be reached");
    sqlx::Error::PoolTimedOut.into()
}
