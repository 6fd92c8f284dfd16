//! The database under all of it: settings, counts, checkpoints.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Serialize;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use tokio::time::sleep;

use crate::seed::ACCOUNT_ID;

/// How long requests may go on after their clients left.
const SETTLE_LIMIT: Duration = Duration::from_mins(1);

/// The way to the private PostgreSQL.
#[derive(Debug)]
pub struct Database {
    pub pool: PgPool,
    socket_dir: String,
    port: String,
    password: String,
    started: String,
}

/// A setting that durability hangs on, or speed.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct Setting {
    pub name: String,
    pub value: String,
}

/// A session that holds a snapshot, as a report or a backup does.
#[derive(Debug)]
pub struct Snapshot(PgConnection);

/// Rows that a run stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    Purchases,
    ReferralCodes,
}

impl Rows {
    /// How many there are, and how many of them lead to an advocate or hold a coupon.
    fn count(self) -> &'static str {
        match self {
            Self::Purchases => {
                "select count(*), count(attributed_referral_code_id) from purchases where account_id = $1 and created_at >= $2::timestamptz"
            }
            Self::ReferralCodes => {
                "select count(*), count(position) from referral_codes where account_id = $1 and created_at >= $2::timestamptz"
            }
        }
    }
}

impl Database {
    /// Opens the private PostgreSQL of a data directory, and refuses one that does not bring commits to the disk.
    pub async fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let pid_file = tokio::fs::read_to_string(data_dir.join("postgres/postmaster.pid")).await?;
        let line = |index: usize| pid_file.lines().nth(index).map(|line| line.trim().to_owned());
        let (port, socket_dir) = (line(3).context("no port")?, line(4).context("no socket")?);
        let password = tokio::fs::read_to_string(data_dir.join("password")).await?.trim().to_owned();
        let options = PgConnectOptions::new_without_pgpass()
            .socket(&socket_dir)
            .port(port.parse()?)
            .username("goodword")
            .password(&password)
            .database("goodword");
        let pool = PgPoolOptions::new().max_connections(3).connect_with(options).await?;
        let started = start_time(&pool).await?;
        let database = Self { pool, socket_dir, port, password, started };
        for Setting { name, value } in database.settings().await? {
            if matches!(name.as_str(), "fsync" | "full_page_writes" | "synchronous_commit") && value != "on" {
                bail!("{name} is {value}: the figures would be of a database that loses orders");
            }
        }
        Ok(database)
    }

    /// For other processes of this program.
    pub fn url(&self) -> String {
        let Self { socket_dir, port, password, .. } = self;
        format!("postgres://goodword:{password}@localhost:{port}/goodword?host={socket_dir}&sslmode=disable")
    }

    /// For PostgreSQL's own programs.
    pub fn environment(&self) -> [(&'static str, &str); 5] {
        [
            ("PGHOST", &self.socket_dir),
            ("PGPORT", &self.port),
            ("PGUSER", "goodword"),
            ("PGDATABASE", "goodword"),
            ("PGPASSWORD", &self.password),
        ]
    }

    /// Where the programs of the running server are.
    pub async fn programs(&self) -> anyhow::Result<PathBuf> {
        let dir: String =
            sqlx::query_scalar("select setting from pg_config where name = 'BINDIR'").fetch_one(&self.pool).await?;
        Ok(dir.into())
    }

    /// The time of day, in ISO 8601.
    pub async fn now(&self) -> anyhow::Result<String> {
        let now = r#"select to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"#;
        Ok(sqlx::query_scalar(now).fetch_one(&self.pool).await?)
    }

    /// Settings worth knowing.
    pub async fn settings(&self) -> anyhow::Result<Vec<Setting>> {
        Ok(sqlx::query_as(
            "select name, current_setting(name) as value from pg_settings
            where name in ('server_version', 'fsync', 'full_page_writes', 'synchronous_commit', 'wal_sync_method',
                'shared_buffers', 'max_wal_size', 'wal_compression', 'data_checksums', 'autovacuum', 'max_connections')
            order by name",
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Fails when PostgreSQL is not the one that was opened: the server brings a dead one back, and may lose nothing by
    /// it, but the figures would be of a crash.
    pub async fn check_alive(&self) -> anyhow::Result<()> {
        let alive = start_time(&self.pool).await.context("PostgreSQL was lost")?;
        if alive == self.started { Ok(()) } else { bail!("PostgreSQL died and was started again during the run") }
    }

    /// Waits for requests whose clients are gone, and brings to the disk what the last run left in memory, so that the
    /// next does not pay for it.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let give_up = Instant::now() + SETTLE_LIMIT;
        let mut quiet = 0;
        while quiet < 5 {
            let busy = self.count_busy().await?;
            quiet = if busy == 0 { quiet + 1 } else { 0 };
            if Instant::now() > give_up {
                bail!("{busy} statements still run {SETTLE_LIMIT:?} after the last run");
            }
            sleep(Duration::from_millis(10)).await;
        }
        sqlx::raw_sql("checkpoint").execute(&self.pool).await?;
        Ok(())
    }

    /// How many sessions are at something.
    pub async fn count_busy(&self) -> sqlx::Result<i64> {
        sqlx::query_scalar(
            "select count(*) from pg_stat_activity
            where backend_type = 'client backend' and pid <> pg_backend_pid() and state <> 'idle'
                and application_name <> 'snapshot'",
        )
        .fetch_one(&self.pool)
        .await
    }

    /// The present moment. Not the newest row's id: who draws ids ahead of need does not use them in their order.
    pub async fn moment(&self) -> anyhow::Result<String> {
        Ok(sqlx::query_scalar("select clock_timestamp()::text").fetch_one(&self.pool).await?)
    }

    /// Rows stored since that moment: all, and those with an advocate or coupon.
    pub async fn count_since(&self, rows: Rows, moment: &str) -> anyhow::Result<(u64, u64)> {
        let (all, part): (i64, i64) =
            sqlx::query_as(rows.count()).bind(ACCOUNT_ID).bind(moment).fetch_one(&self.pool).await?;
        Ok((all.cast_unsigned(), part.cast_unsigned()))
    }

    /// Begins a transaction that sees the present until it is dropped.
    pub async fn hold_snapshot(&self) -> anyhow::Result<Snapshot> {
        let mut conn =
            PgConnection::connect_with(&(*self.pool.connect_options()).clone().application_name("snapshot")).await?;
        sqlx::raw_sql("begin isolation level repeatable read; select count(*) from accounts")
            .execute(&mut conn)
            .await?;
        Ok(Snapshot(conn))
    }
}

async fn start_time(pool: &PgPool) -> sqlx::Result<String> {
    sqlx::query_scalar("select pg_postmaster_start_time()::text").fetch_one(pool).await
}

impl Snapshot {
    /// Lets go of it. Fails when the server ended the session meanwhile.
    pub async fn release(mut self) -> anyhow::Result<()> {
        sqlx::raw_sql("commit").execute(&mut self.0).await.context("the session that held the snapshot was lost")?;
        Ok(self.0.close().await?)
    }
}
