//! The way to PostgreSQL: sessions with limits, and the doors through which transactions go. Knows no domain.

pub mod embedded;
pub mod lists;
pub mod migrations;
pub mod numbers;
pub mod safety;
mod session;
mod transact;

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};

pub use session::{Alone, Session};
pub use transact::{Abort, Applied, Fault, transact};

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
        // goes row by row by an index, also by a plan that was made while the tables were small, or by guesses: a merge
        // with all referral codes of a bank once took the place of a look at its next ten positions.
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("max_parallel_workers_per_gather", "0"),
        // What is switched off above makes some plans look so dear that PostgreSQL would compile them first: 150 ms in which
        // a core is taken from those who wait for an answer.
        ("jit", "off"),
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

/// The name of the constraint that an error came from, if it came from one.
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(|refusal| refusal.constraint())
}
