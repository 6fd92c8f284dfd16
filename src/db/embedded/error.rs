//! What can go wrong with the private PostgreSQL. Each message says what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// A refusal or failure of the private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "no PostgreSQL found on this machine (looked in PATH, /usr/lib/postgresql, /usr/pgsql-*, Homebrew, Postgres.app). \
         Install it:\n  Debian, Ubuntu:  apt-get install postgresql\n  Fedora, RHEL:    dnf install postgresql-server\n  \
         Alpine:          apk add postgresql\n  macOS:           brew install postgresql@17\n\
         or name its directory with --pg-bin / GOODWORD_PG_BIN, or use a database of your own with DATABASE_URL"
    )]
    NoBinaries,

    #[error("{} does not hold both `postgres` and `initdb`; name PostgreSQL's bin directory with --pg-bin / GOODWORD_PG_BIN", .0.display())]
    NotABinDir(PathBuf),

    #[error(
        "the data in {} was made by PostgreSQL {wanted}, but only {found} was found. Install PostgreSQL {wanted}, or name \
         its directory with --pg-bin / GOODWORD_PG_BIN, or choose another directory with --data-dir / GOODWORD_DATA_DIR",
        .dir.display()
    )]
    OtherMajor { dir: PathBuf, wanted: u32, found: String },

    #[error("{} is there but is no PostgreSQL cluster; move it away, or choose another directory with --data-dir / GOODWORD_DATA_DIR", .0.display())]
    NotACluster(PathBuf),

    #[error(
        "{} is in use by {owner}. Stop that one first, or choose another directory with --data-dir / GOODWORD_DATA_DIR",
        .dir.display()
    )]
    InUse { dir: PathBuf, owner: String },

    #[error("{pid} owns {} but its PostgreSQL does not answer; look at postgres.log there, or stop that process", .dir.display())]
    OwnerNotReady { dir: PathBuf, pid: String },

    #[error(
        "PostgreSQL refuses to run as root, so it would run as user {user}, who may not enter {}. Choose a directory \
         outside it with --data-dir / GOODWORD_DATA_DIR, for instance /var/lib/goodword",
        .closed.display()
    )]
    Closed { user: String, closed: PathBuf },

    #[error(
        "PostgreSQL refuses to run as root, and this machine has no user postgres, _postgres or nobody to run it as. \
         Make one (useradd --system postgres), or run this program as an ordinary user"
    )]
    NoUser,

    #[error(
        "this process is root but may not become user {user} (capabilities SETUID and SETGID are missing). \
         Run it as an ordinary user, or grant them"
    )]
    CannotBecome { user: String },

    #[error("{} is not a directory of user {user} alone; remove it", .dir.display())]
    ForeignSocketDir { dir: PathBuf, user: String },

    #[error("initdb failed ({status}); set right what it says and start again:\n{output}")]
    Initdb { status: String, output: String },

    #[error("PostgreSQL ended while starting. Set right what the end of {} says and start again:\n{tail}", .log.display())]
    Died { log: PathBuf, tail: String },

    #[error("PostgreSQL does not accept connections ({cause}); look at {}", .log.display())]
    NotReady { log: PathBuf, cause: String },

    #[error(
        "PostgreSQL refuses the password in {}; restore that file from the same backup as the data, it cannot be made anew",
        .0.display()
    )]
    WrongPassword(PathBuf),

    #[error("{} is missing or empty; restore it from the same backup as the data, it cannot be made anew", .0.display())]
    PasswordLost(PathBuf),

    #[error("PostgreSQL (process {pid}) did not stop; see what holds it, and as a last resort kill it")]
    StillRunning { pid: i32 },

    #[error("the task that watches PostgreSQL was lost; start again, which takes the server over")]
    SupervisorLost,

    #[error("the database goodword could not be made in the private PostgreSQL: {0}; look at postgres.log")]
    CreateDatabase(sqlx::Error),

    #[error("cannot {doing} {}: {source}. Check its permissions and the disk, or choose another place", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl EmbeddedError {
    pub(super) fn in_use(dir: &Path, pid: Option<u32>) -> Self {
        Self::InUse { dir: dir.to_owned(), owner: named(pid) }
    }
}

pub(super) fn named(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// Names what was being done to which path.
pub(super) trait While<T> {
    fn while_doing(self, doing: &'static str, path: &Path) -> Result<T, EmbeddedError>;
}

impl<T> While<T> for io::Result<T> {
    fn while_doing(self, doing: &'static str, path: &Path) -> Result<T, EmbeddedError> {
        self.map_err(|source| EmbeddedError::Io { doing, path: path.to_owned(), source })
    }
}
