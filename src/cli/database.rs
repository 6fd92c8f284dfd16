//! The database of a command: the one that `DATABASE_URL` names, or the private PostgreSQL of the data directory.
//! Whoever opens it here also closes it, so that an interrupted command leaves no process behind.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgPool};
use tokio_util::sync::CancellationToken;

use super::exit::{Exit, Failure, cause};
use super::output;
use crate::config::DatabaseArgs;
use crate::db::embedded::{Cluster, Durability, EmbeddedOptions, default_data_dir};
use crate::db::{self, migrations, safety};
use crate::{MIGRATOR, serve};

/// The private PostgreSQL takes a hundred connections: some are for psql, backups and short commands.
const EMBEDDED_CONNECTIONS_MAX: u32 = 80;
/// How long a database may take to answer the first time.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long what is under way may take when the pool is closed. No statement takes longer.
const CLOSE_LIMIT: Duration = Duration::from_secs(6);
/// The same, after an interruption.
const ABANDON_LIMIT: Duration = Duration::from_millis(200);

/// What a process wants of the private PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// To be its only owner.
    Own,
    /// To use the one that runs, or to run it for a while.
    Share,
}

/// An open database.
pub struct Database {
    pub pool: PgPool,
    /// Where the data is, for people.
    pub place: String,
    cluster: Option<Cluster>,
}

impl Database {
    /// Opens the database and makes sure that it answers.
    pub async fn open(args: &DatabaseArgs, hold: Hold) -> Result<Self, Failure> {
        let Some(url) = &args.database_url else {
            return Self::open_embedded(args, hold).await;
        };
        if url.expose_secret().trim().is_empty() {
            let message = "DATABASE_URL is empty; give it a value, or unset it to use a private PostgreSQL";
            return Err(Failure::new(Exit::Config, message));
        }
        let options = read_url(url.expose_secret())?;
        let place = named(&options);
        greet(&options, &place).await?;
        Ok(Self { pool: db::open_pool(options, args.database_connections_max), place, cluster: None })
    }

    async fn open_embedded(args: &DatabaseArgs, hold: Hold) -> Result<Self, Failure> {
        let options = embedded_options(args, Durability::Durable);
        let place = format!("private PostgreSQL in {}", options.data_dir.display());
        let cluster = match hold {
            Hold::Own => Cluster::start(options).await?,
            Hold::Share => Cluster::start_or_attach(options).await?,
        };
        let connections_max = args.database_connections_max.min(EMBEDDED_CONNECTIONS_MAX);
        let pool = db::open_pool(db::with_session_limits(cluster.connect_options()), connections_max);
        Ok(Self { pool, place, cluster: Some(cluster) })
    }

    /// Whether it is the private PostgreSQL, started by this process or by another of ours.
    pub fn is_private(&self) -> bool {
        self.cluster.is_some()
    }

    /// Refuses a database that can lose acknowledged orders, unless that is allowed.
    pub async fn check_safety(&self, args: &DatabaseArgs) -> Result<(), Failure> {
        let checks = safety::check(&mut *self.pool.acquire().await?).await?;
        let problems: Vec<String> = checks
            .into_iter()
            .filter_map(|check| Some(format!("{} is {}: {}", check.name, check.found, check.problem?)))
            .collect();
        if problems.is_empty() {
            return Ok(());
        }
        let problems = problems.join("; ");
        if args.allow_unsafe_database {
            tracing::warn!("working with an unsafe database, as allowed: {problems}");
            return Ok(());
        }
        Err(Failure::new(
            Exit::Config,
            format!("the database is not safe to work with: {problems}; or allow it with --allow-unsafe-database"),
        ))
    }

    /// Applies the migrations that are missing.
    pub async fn migrate(&self) -> Result<(), Failure> {
        Ok(migrations::apply(&self.pool, &MIGRATOR).await?)
    }

    /// How many migrations are missing.
    pub async fn pending(&self) -> Result<usize, Failure> {
        Ok(migrations::count_pending(&mut *self.pool.acquire().await?, &MIGRATOR).await?)
    }

    /// Refuses a database that lacks migrations.
    pub async fn check_migrated(&self) -> Result<(), Failure> {
        match self.pending().await? {
            0 => Ok(()),
            missing => Err(Failure::new(
                Exit::Config,
                format!("the database lacks {missing} migrations; back it up and run: goodword migrate"),
            )),
        }
    }

    /// Closes the connections and stops the private PostgreSQL if it is ours.
    pub async fn close(self) -> Result<(), Failure> {
        self.close_within(CLOSE_LIMIT).await
    }

    async fn close_within(self, limit: Duration) -> Result<(), Failure> {
        if tokio::time::timeout(limit, self.pool.close()).await.is_err() {
            tracing::debug!("connections are cut that were still in use");
        }
        match self.cluster {
            Some(cluster) => Ok(cluster.stop().await?),
            None => Ok(()),
        }
    }
}

/// Where our files lie when nothing else is said.
pub fn data_dir(args: &DatabaseArgs) -> PathBuf {
    args.data_dir.clone().unwrap_or_else(default_data_dir)
}

/// How the private PostgreSQL is to run.
pub fn embedded_options(args: &DatabaseArgs, durability: Durability) -> EmbeddedOptions {
    EmbeddedOptions { data_dir: data_dir(args), bin_dir: args.pg_bin.clone(), durability, tcp_port: args.pg_port }
}

fn read_url(url: &str) -> Result<PgConnectOptions, Failure> {
    let form = "it needs the form postgres://user:password@host:5432/name";
    let unreadable = |why: &str| Failure::new(Exit::Config, format!("DATABASE_URL {why}; {form}"));
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(unreadable("does not begin with postgres://"));
    }
    db::session_options(url).map_err(|error| unreadable(&format!("cannot be read ({})", cause(&error))))
}

/// Connects once, because a pool tells that it got no connection but not why.
async fn greet(options: &PgConnectOptions, place: &str) -> Result<(), Failure> {
    let why = match tokio::time::timeout(CONNECT_LIMIT, options.connect()).await {
        Ok(Ok(connection)) => return Ok(connection.close().await?),
        Ok(Err(error)) if error.as_database_error().is_some_and(|e| e.code().as_deref() == Some("42704")) => {
            let message =
                format!("{place} does not know a setting of ours ({error}); upgrade to PostgreSQL 14 or later");
            return Err(Failure::new(Exit::Config, message));
        }
        Ok(Err(error)) => cause(&error),
        Err(_elapsed) => format!("no answer within {} seconds", CONNECT_LIMIT.as_secs()),
    };
    let message = format!("cannot connect to {place}: {why}; check DATABASE_URL and that PostgreSQL runs there");
    Err(Failure::new(Exit::Unavailable, message))
}

/// Which database that is, without user and password.
fn named(options: &PgConnectOptions) -> String {
    let name = options.get_database().unwrap_or("(default)");
    match options.get_socket() {
        Some(socket) => format!("the database {name} at {}", socket.display()),
        None => format!("the database {name} at {}:{}", options.get_host(), options.get_port()),
    }
}

/// A token that is cancelled when we are told to stop.
pub fn stop_token() -> CancellationToken {
    let token = CancellationToken::new();
    let told = token.clone();
    tokio::spawn(async move {
        match serve::stop_signal().await {
            Ok(()) => told.cancel(),
            Err(error) => tracing::warn!(%error, "signals cannot be heard; stop this process with kill -9"),
        }
    });
    token
}

/// Does `work` with the database open, and closes it whatever comes of it. The schema is there: on the private
/// PostgreSQL it is made, elsewhere that is for `migrate` or `serve` to do.
pub async fn with<T>(
    args: &DatabaseArgs,
    work: impl AsyncFnOnce(&Database) -> Result<T, Failure>,
) -> Result<T, Failure> {
    with_any(args, async |database| {
        if database.is_private() {
            database.migrate().await?;
        } else {
            database.check_migrated().await?;
        }
        work(database).await
    })
    .await
}

/// Like [`with`], but whatever state the schema is in.
pub async fn with_any<T>(
    args: &DatabaseArgs,
    work: impl AsyncFnOnce(&Database) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let stop = stop_token();
    let opening = stop.run_until_cancelled(Database::open(args, Hold::Share)).await;
    let database = opening.unwrap_or_else(|| Err(Failure::interrupted()))?;
    let (outcome, limit) = match stop.run_until_cancelled(work(&database)).await {
        Some(outcome) => (outcome, CLOSE_LIMIT),
        None => (Err(Failure::interrupted()), ABANDON_LIMIT),
    };
    let closed = database.close_within(limit).await;
    let value = outcome?;
    closed.map(|()| value)
}

/// `goodword migrate`
pub async fn migrate(args: &DatabaseArgs) -> Result<(), Failure> {
    with_any(args, async |database| {
        let missing = database.pending().await?;
        database.migrate().await?;
        output::print(&match missing {
            0 => "There was nothing to do: the database has all migrations.".to_owned(),
            1 => "Applied 1 migration.".to_owned(),
            missing => format!("Applied {missing} migrations."),
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_fault_nor_a_name_shows_the_password() {
        for bad in
            ["u:sekret@host/x", "mysql://u:sekret@host/x", "postgres://u:sekret@host:port/x", "postgres://u:sekret@[/x"]
        {
            let failure = read_url(bad).map(drop).expect_err(bad);
            assert!(!failure.message().contains("sekret"), "{}", failure.message());
        }
        let options = read_url("postgres://u:sekret@host:5433/x").expect("a good address");
        assert_eq!(named(&options), "the database x at host:5433");
    }
}
