//! `goodword doctor`: looks at what our promises rest on, and says what to do. Changes nothing.

use clap::Args;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::database::{Database, data_dir, with_any};
use super::exit::{Exit, Failure};
use super::output::{self, Line, OutputArgs};
use crate::MIGRATOR;
use crate::config::{self, DatabaseArgs};
use crate::db::safety::{self, Check};
use crate::types::clock::Clock;

/// More difference between the two clocks than this can put an order on the wrong side of a deadline.
const CLOCK_DIFFERENCE_MAX: Duration = Duration::seconds(2);

/// What `doctor` takes.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// How the world reaches the server, as given to `serve`.
    #[arg(long, env = "GOODWORD_PUBLIC_URL", value_parser = config::parse_public_url)]
    public_url: Option<String>,
}

impl Line for Check {
    const HEADS: &'static [&'static str] = &["CHECK", "", "FOUND", "WHAT TO DO"];
    const WRAPS: bool = true;

    fn cells(&self) -> Vec<String> {
        let verdict = if self.problem.is_some() { "PROBLEM" } else { "ok" };
        let to_do = self.problem.clone().unwrap_or_default();
        vec![self.name.to_owned(), verdict.to_owned(), self.found.clone(), to_do]
    }
}

/// `goodword doctor`
pub async fn run(args: &DatabaseArgs, doctor: &DoctorArgs) -> Result<(), Failure> {
    let mut checks = match nothing_there(args) {
        Some(check) => vec![check],
        None => examine_database(args).await,
    };
    checks.push(public_url(doctor));
    output::list(doctor.output, &checks)?;
    if checks.iter().any(|check| check.problem.is_some()) { Err(Failure::told(Exit::Failure)) } else { Ok(()) }
}

/// To look is not to make: a private PostgreSQL that does not exist yet is not begun here.
fn nothing_there(args: &DatabaseArgs) -> Option<Check> {
    let dir = data_dir(args);
    let missing = args.database_url.is_none() && !dir.join("postgres").exists();
    missing.then(|| Check {
        name: "database",
        found: format!("no DATABASE_URL, and no private PostgreSQL in {}", dir.display()),
        problem: Some("run goodword demo to try it, or goodword serve, or set DATABASE_URL".to_owned()),
    })
}

async fn examine_database(args: &DatabaseArgs) -> Vec<Check> {
    let mut checks = Vec::new();
    let examined = with_any(args, async |database| {
        checks.push(Check { name: "database", found: database.place.clone(), problem: None });
        let mut conn = database.pool.acquire().await?;
        checks.extend(safety::check(&mut conn).await?);
        checks.push(migrations(database).await?);
        checks.push(clock(&mut conn).await?);
        Ok(())
    })
    .await;
    if let Err(failure) = examined {
        let found = if checks.is_empty() { "not available" } else { "failed while it was looked at" };
        checks.push(Check { name: "database", found: found.to_owned(), problem: Some(failure.message().to_owned()) });
    }
    checks
}

async fn migrations(database: &Database) -> Result<Check, Failure> {
    let (missing, all) = (database.pending().await?, MIGRATOR.iter().count());
    Ok(Check {
        name: "migrations",
        found: format!("{} of {all} applied", all - missing),
        problem: (missing > 0).then(|| "run: goodword migrate (goodword serve does it by itself)".to_owned()),
    })
}

async fn clock(conn: &mut PgConnection) -> Result<Check, Failure> {
    let before = Clock::System.now();
    let theirs: OffsetDateTime = sqlx::query_scalar("select clock_timestamp()").fetch_one(conn).await?;
    let after = Clock::System.now();
    // The database read its clock at some moment between the two.
    let difference: Duration = theirs - (before + (after - before) / 2);
    let ms = difference.whole_milliseconds();
    Ok(Check {
        name: "clock",
        found: format!("the database's differs by {ms} ms"),
        problem: (difference.abs() > CLOCK_DIFFERENCE_MAX)
            .then(|| "set both clocks by NTP: timedatectl set-ntp true".to_owned()),
    })
}

fn public_url(doctor: &DoctorArgs) -> Check {
    let hint = || "not set: links start with the listen address; set GOODWORD_PUBLIC_URL before friends get them";
    Check { name: "public URL", found: doctor.public_url.clone().unwrap_or_else(|| hint().to_owned()), problem: None }
}
