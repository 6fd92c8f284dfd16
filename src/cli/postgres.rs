//! `goodword postgres`: the private PostgreSQL alone, for tests. One run of them starts it, all of them share it, and
//! it ends by itself when nobody has used it for a while.

use std::time::Duration;

use clap::Args;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, sleep};

use super::database::{embedded_options, stop_token};
use super::exit::Failure;
use super::output;
use crate::config::DatabaseArgs;
use crate::db::embedded::{Cluster, Durability};

/// How often it is asked who is there.
const POLL: Duration = Duration::from_secs(1);

/// What `postgres` takes.
#[derive(Debug, Args)]
pub struct PostgresArgs {
    /// Do not wait for the disk: fast, and a power cut may ruin the data.
    #[arg(long)]
    ephemeral: bool,
    /// Stop when nobody was connected for this many seconds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    idle_exit_s: Option<u64>,
}

/// `goodword postgres`
pub async fn run(args: &DatabaseArgs, postgres: &PostgresArgs) -> Result<(), Failure> {
    let durability = if postgres.ephemeral { Durability::Ephemeral } else { Durability::Durable };
    let stop = stop_token();
    let starting = Cluster::start(embedded_options(args, durability));
    let Some(started) = stop.run_until_cancelled(starting).await else { return Ok(()) };
    let cluster = started?;
    let told = output::print(&format!("DATABASE_URL={}", cluster.url()));
    if told.is_ok() {
        let options = cluster.connect_options();
        match postgres.idle_exit_s {
            Some(seconds) => {
                stop.run_until_cancelled(left_alone(options, Duration::from_secs(seconds))).await;
            }
            None => stop.cancelled().await,
        }
    }
    cluster.stop().await?;
    told
}

/// Returns when nobody was connected for so long.
async fn left_alone(options: PgConnectOptions, limit: Duration) {
    // In a database of its own, so that ours can serve as a template meanwhile.
    let options = options.database("postgres").disable_statement_logging();
    let mut last_used = Instant::now();
    while last_used.elapsed() < limit {
        sleep(POLL.min(limit)).await;
        // No answer may mean that all connections are taken.
        if is_used(&options).await.unwrap_or(true) {
            last_used = Instant::now();
        }
    }
}

async fn is_used(options: &PgConnectOptions) -> sqlx::Result<bool> {
    let mut conn = options.connect().await?;
    let used = sqlx::query_scalar(
        "select exists (select from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid())",
    )
    .fetch_one(&mut conn)
    .await?;
    conn.close().await?;
    Ok(used)
}
