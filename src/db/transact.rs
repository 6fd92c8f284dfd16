//! Transactions on the pool, and what their failure leaves behind.
//!
//! `Pool::begin` is not cancel-safe: a request dropped half-way could hand the pool a connection inside an open
//! transaction. So each transaction here runs whole, begin to commit, on a task of its own.

use std::time::Duration;

use futures_util::future::BoxFuture;
use rand::RngExt;
use sqlx::{Connection, PgConnection, PgPool};

/// How often work that lost to a rival, or whose connection broke, is done again.
const TRIES_MAX: u32 = 5;

/// Whether a failed request may have left something behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Surely nothing was stored.
    None,
    /// The connection broke while the commit was on its way.
    Unknown,
}

/// Why work inside a transaction stopped.
#[derive(Debug, thiserror::Error)]
pub enum Abort {
    /// A rival stored the same key first: the work must be done again from the start.
    #[error("a rival stored the same key first, again and again")]
    LostRace,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A fault of the database, and whether the work was applied.
#[derive(Debug, thiserror::Error)]
#[error("{abort}")]
pub struct Fault {
    pub applied: Applied,
    pub abort: Abort,
}

impl<E: Into<Abort>> From<E> for Fault {
    /// A fault before the commit: the transaction is gone, nothing was stored.
    fn from(abort: E) -> Self {
        Self { applied: Applied::None, abort: abort.into() }
    }
}

impl Fault {
    /// Whether a single row of a batch may be to blame: the server understood the batch and refused a value, or others
    /// stored something of it at the same time. What concerns the server as a whole is no row's fault. What the others' rows have stored
    /// already is found again by its natural keys.
    pub fn may_be_one_rows(&self) -> bool {
        match &self.abort {
            Abort::LostRace => self.applied != Applied::Unknown,
            Abort::Database(sqlx::Error::Encode(_)) => true,
            Abort::Database(_) => {
                self.sql_state().is_some_and(|state| matches!(state.get(..2), Some("22" | "23" | "40" | "54")))
            }
        }
    }

    /// Whether it was given up because somebody held a lock, or a statement took too long.
    pub fn is_timeout(&self) -> bool {
        self.sql_state().is_some_and(|state| matches!(state.as_str(), "55P03" | "57014"))
    }

    /// The five characters by which PostgreSQL names the error, if it was PostgreSQL that refused.
    pub fn sql_state(&self) -> Option<String> {
        match &self.abort {
            Abort::Database(sqlx::Error::Database(refusal)) => refusal.code().map(Into::into),
            _ => None,
        }
    }
}

/// Runs `work` in one transaction, begin to commit, on a task of its own. When it fails nothing is stored, except
/// that a commit whose answer was lost is reported as [`Applied::Unknown`].
pub async fn transact<T, E, F>(pool: &PgPool, work: F) -> Result<T, E>
where
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: From<Fault> + Send + 'static,
{
    let pool = pool.clone();
    joined(tokio::spawn(async move { attempt(&pool, work).await })).await
}

/// Counts how often work was tried, and remembers whether a commit of it may have gone through.
#[derive(Debug, Default)]
pub(super) struct Tries {
    count: u32,
    commit_was_lost: bool,
}

impl Tries {
    /// Returns after a short pause when the work is worth another try; else gives the fault to report.
    pub(super) async fn again_after(&mut self, mut fault: Fault) -> Result<(), Fault> {
        self.count += 1;
        let is_open = fault.applied == Applied::Unknown;
        self.commit_was_lost |= is_open;
        if self.count == TRIES_MAX || !(is_open || is_worth_another_try(&fault.abort)) {
            if self.commit_was_lost {
                fault.applied = Applied::Unknown;
            }
            return Err(fault);
        }
        tracing::debug!(tries = self.count, error = %fault.abort, "doing a transaction again");
        let pause_ms = rand::rng().random_range(1..=10_u64 << self.count);
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        Ok(())
    }
}

/// Begins, works and commits, once. Work that fails is rolled back.
async fn attempt<T, W, E, F>(pool: &PgPool, work: F) -> Result<T, E>
where
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, W>>,
    E: From<W> + From<Fault>,
{
    let mut conn = pool.acquire().await.map_err(Fault::from)?;
    let mut transaction = conn.begin().await.map_err(Fault::from)?;
    match work(&mut transaction).await {
        Ok(outcome) => {
            transaction.commit().await.map_err(commit_fault)?;
            Ok(outcome)
        }
        Err(error) => {
            // At once: what it locked must not wait for the connection's next use, nor be passed over meanwhile.
            let _ = transaction.rollback().await;
            Err(error.into())
        }
    }
}

async fn joined<T, E: From<Fault>>(task: tokio::task::JoinHandle<Result<T, E>>) -> Result<T, E> {
    match task.await {
        Ok(outcome) => outcome,
        // The task panicked or the runtime is going down. It may have been at its commit.
        Err(lost) => {
            Err(Fault { applied: Applied::Unknown, abort: sqlx::Error::Io(std::io::Error::other(lost)).into() }.into())
        }
    }
}

/// What a failed commit, or a statement that is committed by itself, left behind. Only a refusal that names a value, a
/// conflict or a limit is a sure rollback: a server that dies of a broken disk reports its error after the commit record
/// may have been written.
pub(super) fn commit_fault(error: sqlx::Error) -> Fault {
    let is_rolled_back = |code: &str| {
        matches!(code.get(..2), Some("22" | "23" | "25" | "40" | "42" | "54")) || matches!(code, "55P03" | "57014")
    };
    let code = error.as_database_error().and_then(|refusal| refusal.code());
    let applied = if code.is_some_and(|code| is_rolled_back(&code)) { Applied::None } else { Applied::Unknown };
    Fault { applied, abort: error.into() }
}

fn is_worth_another_try(abort: &Abort) -> bool {
    let error = match abort {
        Abort::LostRace => return true,
        Abort::Database(error) => error,
    };
    match error {
        sqlx::Error::Database(refusal) => {
            matches!(refusal.code().as_deref(), Some("40001" | "40P01")) || is_ending_session(error)
        }
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// Whether the server is ending this session, or starting up: class 08 and 57P0x.
pub(super) fn is_ending_session(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|refusal| refusal.code());
    code.is_some_and(|code| code.starts_with("08") || code.starts_with("57P0"))
}
