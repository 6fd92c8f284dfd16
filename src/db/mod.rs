//! The way to PostgreSQL: sessions with limits, and the one door for transactions outside lanes.
//!
//! `Pool::begin` is not cancel-safe: a request dropped half-way could hand the pool a connection inside an open
//! transaction. So each transaction here runs whole, begin to commit, on a task of its own. Knows no domain.

pub mod embedded;
pub mod migrations;
pub mod safety;

use std::str::FromStr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rand::RngExt;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
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
    /// The five characters by which PostgreSQL names the error, if it was PostgreSQL that refused.
    pub fn sql_state(&self) -> Option<String> {
        match &self.abort {
            Abort::Database(sqlx::Error::Database(refusal)) => refusal.code().map(Into::into),
            _ => None,
        }
    }
}

/// The sessions' settings: limits that free what a lost client or a cut network would hold for ever.
pub fn session_options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(with_session_limits(PgConnectOptions::from_str(url)?))
}

/// Adds the sessions' settings to options that lead to a database.
pub fn with_session_limits(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("goodword").options([
        ("statement_timeout", "5s"),
        ("lock_timeout", "2s"),
        ("idle_in_transaction_session_timeout", "5s"),
        ("synchronous_commit", "on"),
        ("client_connection_check_interval", "1s"),
        ("tcp_keepalives_idle", "5"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
        ("timezone", "UTC"),
        // Statements over arrays are planned once: planning them anew costs more than running them. Every look-up
        // goes by an index, also by a plan that was made while the tables were small.
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
    ])
}

/// Opens the pool. Connections are made when first needed, so this succeeds while the database is away.
pub fn open_pool(options: PgConnectOptions, connections_max: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(Duration::from_secs(2))
        // A ping before each use would cost a round trip; one after a second of rest finds what a restart left dead.
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                if meta.idle_for < Duration::from_secs(1) {
                    return Ok(true);
                }
                Ok(tokio::time::timeout(Duration::from_secs(1), conn.ping()).await.is_ok_and(|ping| ping.is_ok()))
            })
        })
        .connect_lazy_with(options)
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

/// Runs `work` like [`transact`], again from the start when it lost to a rival or its connection broke. Only for work
/// that finds what it stored before by a natural key: then the second run also settles a commit whose answer was lost.
pub async fn transact_idempotent<T, F>(pool: &PgPool, work: F) -> Result<T, Fault>
where
    F: for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Abort>> + Send + Sync + 'static,
    T: Send + 'static,
{
    let pool = pool.clone();
    let task = tokio::spawn(async move {
        let mut commit_was_lost = false;
        let mut tries = 0;
        loop {
            tries += 1;
            let mut fault: Fault = match attempt(&pool, &work).await {
                Ok(outcome) => return Ok(outcome),
                Err(fault) => fault,
            };
            let is_open = fault.applied == Applied::Unknown;
            commit_was_lost |= is_open;
            if tries == TRIES_MAX || !(is_open || is_worth_another_try(&fault.abort)) {
                if commit_was_lost {
                    fault.applied = Applied::Unknown;
                }
                return Err(fault);
            }
            tracing::debug!(tries, error = %fault.abort, "doing a transaction again");
            let pause_ms = rand::rng().random_range(1..=10_u64 << tries);
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
    });
    joined(task).await
}

/// Begins, works and commits, once. Work that fails is rolled back when the transaction is dropped.
async fn attempt<T, W, E, F>(pool: &PgPool, work: F) -> Result<T, E>
where
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, W>>,
    E: From<W> + From<Fault>,
{
    let mut conn = pool.acquire().await.map_err(Fault::from)?;
    let mut transaction = conn.begin().await.map_err(Fault::from)?;
    let outcome = work(&mut transaction).await?;
    transaction.commit().await.map_err(commit_fault)?;
    Ok(outcome)
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

/// What a failed commit left behind. Only a refusal that names a conflict or a limit is a sure rollback: a server that
/// dies of a broken disk reports its error after the commit record may have been written.
fn commit_fault(error: sqlx::Error) -> Fault {
    let is_rolled_back =
        |code: &str| matches!(code.get(..2), Some("23" | "25" | "40")) || matches!(code, "55P03" | "57014");
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
            let code = refusal.code();
            matches!(code.as_deref(), Some("40001" | "40P01")) || is_shutdown_code(code.as_deref())
        }
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// Whether the server is ending this session, or starting up: class 08 and 57P0x.
fn is_shutdown_code(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("08") || code.starts_with("57P0"))
}

/// The name of the constraint that an error came from, if it came from one.
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(|refusal| refusal.constraint())
}
