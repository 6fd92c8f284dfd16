//! How a command ends: exit codes that a script can use, and one line that says what went wrong and what to do.
//!
//! A message never holds a secret: of a database's address only host, port and name are shown.

use std::process::ExitCode;

use sqlx::migrate::MigrateError;

use crate::db::embedded::EmbeddedError;
use crate::db::{Abort, Applied, Fault};

/// What `--help` says about exit codes.
pub const HELP: &str = "\
Exit codes:
    0  done
    1  failed (doctor: a problem was found)
    2  the command line cannot be understood
   65  refused input: a taken or malformed alias, an unknown account or bank, refused rows, an unreadable file
   69  the database is not available
   75  the data directory is in use by another process
   78  the database or the configuration is not safe to work with
  130  interrupted

Without DATABASE_URL a private PostgreSQL is started in the data directory; it needs PostgreSQL's programs, nothing else.";

/// An exit code. Those above 2 are those of sysexits.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Failure = 1,
    Refused = 65,
    Unavailable = 69,
    InUse = 75,
    Config = 78,
    Interrupted = 130,
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    /// What is wrong and what to do. Nothing when the output says it all.
    message: Option<String>,
}

impl Failure {
    /// A failure with the line that explains it.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: Some(message.into()) }
    }

    /// Input that cannot be used.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// A failure that the output has told already.
    pub fn told(exit: Exit) -> Self {
        Self { exit, message: None }
    }

    /// Told to stop before it was done.
    pub fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted before it was done")
    }

    /// What is wrong and what to do.
    pub fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }

    /// Writes the line to standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        use std::io::Write;
        if let Some(message) = &self.message {
            // Standard error may be gone with the terminal; the exit code still speaks.
            let _ = writeln!(std::io::stderr(), "error: {message}");
        }
        ExitCode::from(self.exit as u8)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::new(
                Exit::Unavailable,
                "the database has no connection free or does not answer; see: goodword doctor",
            ),
            error => {
                Self::new(Exit::Unavailable, format!("the database failed: {}; see: goodword doctor", cause(&error)))
            }
        }
    }
}

/// The cause of an error in the words of whoever found it.
pub fn cause(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(refusal) => refusal.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Configuration(error) => error.to_string(),
        other => other.to_string(),
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let unknown = fault.applied == Applied::Unknown;
        let mut failure = match fault.abort {
            Abort::Database(error) => Self::from(error),
            Abort::LostRace => Self::new(Exit::Failure, format!("{}; do it again", fault.abort)),
        };
        if let Some(message) = failure.message.as_mut().filter(|_| unknown) {
            message.push_str("; it may have been done all the same: look before you repeat it");
        }
        failure
    }
}

impl From<EmbeddedError> for Failure {
    fn from(error: EmbeddedError) -> Self {
        use EmbeddedError as E;
        let exit = match &error {
            E::InUse { .. } => Exit::InUse,
            E::NotABinDir(_)
            | E::OtherMajor { .. }
            | E::NotACluster(_)
            | E::Closed { .. }
            | E::NoUser
            | E::CannotBecome { .. }
            | E::ForeignSocketDir { .. }
            | E::WrongPassword(_)
            | E::PasswordLost(_) => Exit::Config,
            _ => Exit::Unavailable,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<MigrateError> for Failure {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => error.into(),
            MigrateError::VersionMissing(version) => Self::new(
                Exit::Config,
                format!(
                    "the database has migration {version}, which this goodword does not know; use the newer goodword that applied it"
                ),
            ),
            MigrateError::VersionMismatch(version) => Self::new(
                Exit::Config,
                format!(
                    "the database was made by another build, whose migration {version} differs; use that build, or another database"
                ),
            ),
            error => Self::new(Exit::Failure, format!("the database could not be migrated: {error}")),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failure, format!("{error:#}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Failure, error.to_string())
    }
}
