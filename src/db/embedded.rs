//! The private PostgreSQL: a server that belongs to this program, for people who have no database at hand.
//!
//! It finds the PostgreSQL programs of the machine, makes a cluster below the data directory, runs it on a Unix
//! socket, brings it back when it dies, and stops it in the end. One process owns the directory (a lock says which);
//! short-lived commands attach to the owner's server or run one for as long as they last.
//!
//! It may assume a local file system with working locks. It never downloads anything, never opens another major
//! version's cluster, never runs PostgreSQL as root, and never logs the password.

mod binaries;
mod error;
mod files;
mod initdb;
mod server;
mod site;
mod sizes;
mod supervisor;
mod user;

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

pub use error::EmbeddedError;
use files::Layout;
use site::Site;
use supervisor::{Farewell, Supervisor};

/// The superuser of the cluster and the name of our database.
const NAME: &str = "goodword";

/// How long a command waits for another process that owns the directory to have its server ready.
const ATTACH_LIMIT: Duration = Duration::from_mins(1);

/// Whether a committed transaction must survive a power cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// What was acknowledged is on disk.
    Durable,
    /// For tests and throw-away demos: fast, and a power cut may ruin the cluster.
    Ephemeral,
}

/// Where and how the private server runs.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Everything of ours lies below it; made when missing.
    pub data_dir: PathBuf,
    /// The directory of `postgres` and `initdb`; searched for when `None`.
    pub bin_dir: Option<PathBuf>,
    pub durability: Durability,
    /// Also listens on 127.0.0.1 at this port; `None` means the Unix socket only.
    pub tcp_port: Option<u16>,
}

/// Whether the owned server accepts connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    Up,
    /// It died and is being started again.
    Down,
}

/// `/var/lib/goodword` for root, else `goodword` in the user's XDG data directory.
pub fn default_data_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/goodword");
    }
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let share = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .or_else(|| user::home().map(|home| home.join(".local/share")));
    share.unwrap_or_default().join("goodword")
}

/// A running private server: owned, or another process's that we are attached to.
///
/// Dropping an owned one asks the server to shut down but does not wait for it; `stop` does.
#[derive(Debug)]
pub struct Cluster {
    address: Address,
    hold: Hold,
}

#[derive(Debug)]
enum Hold {
    Owned {
        stop: oneshot::Sender<()>,
        supervisor: JoinHandle<Result<(), EmbeddedError>>,
        status: watch::Receiver<Status>,
    },
    Attached {
        status: watch::Sender<Status>,
        _guest: files::Lock,
    },
}

impl Cluster {
    /// Becomes the one owner of the directory and returns when its server accepts connections.
    ///
    /// Makes the cluster when there is none, and takes over a server whose owner was killed.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let layout = Layout::make(&options.data_dir)?;
        match files::Lock::take(&layout)? {
            files::Taken::Ours(lock) => Self::own(options, layout, lock, Farewell::AtOnce).await,
            files::Taken::Theirs { pid } => Err(EmbeddedError::in_use(&layout.base, pid)),
        }
    }

    /// Attaches to the running server when another process owns the directory, else becomes its owner.
    ///
    /// Such an owner's `stop` first waits a while for others who have attached meanwhile.
    pub async fn start_or_attach(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let layout = Layout::make(&options.data_dir)?;
        let give_up = Instant::now() + ATTACH_LIMIT;
        loop {
            // The owner may leave, or still be making the cluster, while we wait for it.
            let pid = match files::Lock::take(&layout)? {
                files::Taken::Ours(lock) => return Self::own(options, layout, lock, Farewell::AfterGuests).await,
                files::Taken::Theirs { pid } => pid,
            };
            if let Some(guest) = files::Lock::join_guests(&layout)?
                && let Some(address) = site::running_elsewhere(&layout)?
                && address.is_ready().await
            {
                let (status, _) = watch::channel(Status::Up);
                return Ok(Self { address, hold: Hold::Attached { status, _guest: guest } });
            }
            if Instant::now() > give_up {
                return Err(EmbeddedError::OwnerNotReady { pid: error::named(pid), dir: layout.base });
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn own(
        options: EmbeddedOptions,
        layout: Layout,
        lock: files::Lock,
        farewell: Farewell,
    ) -> Result<Self, EmbeddedError> {
        let site = Site::prepare(&options, layout).await?;
        let server = site.bring_up().await?;
        site.address.create_database().await?;
        let address = site.address.clone();
        let (supervisor, status) = Supervisor::new(server, site, lock, farewell);
        let (stop, stopped) = oneshot::channel();
        let supervisor = tokio::spawn(supervisor.run(stopped));
        Ok(Self { address, hold: Hold::Owned { stop, supervisor, status } })
    }

    /// How to reach our database, password included.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.address.options(NAME)
    }

    /// The same as a `DATABASE_URL` for psql and sqlx. It holds the password: not for logs.
    pub fn url(&self) -> String {
        self.address.url()
    }

    /// Follows the owned server's state. It is restarted without our help; for an attached one this stays `Up`.
    pub fn status(&self) -> watch::Receiver<Status> {
        match &self.hold {
            Hold::Owned { status, .. } => status.clone(),
            Hold::Attached { status, .. } => status.subscribe(),
        }
    }

    /// Shuts the owned server down and returns when it is gone; does nothing when merely attached.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        let Hold::Owned { stop, supervisor, .. } = self.hold else { return Ok(()) };
        drop(stop);
        supervisor.await.unwrap_or(Err(EmbeddedError::SupervisorLost))
    }
}

/// Where a server listens, and the password that opens it.
#[derive(Clone, Debug)]
struct Address {
    socket_dir: PathBuf,
    port: u16,
    password: SecretString,
}

impl Address {
    fn options(&self, database: &str) -> PgConnectOptions {
        // Every field that sqlx would otherwise take from PG* variables of the environment is set.
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket_dir)
            .port(self.port)
            .username(NAME)
            .password(self.password.expose_secret())
            .database(database)
            .application_name(NAME)
            .ssl_mode(PgSslMode::Disable)
    }

    fn url(&self) -> String {
        let host = percent_encoded(&self.socket_dir);
        let (port, password) = (self.port, self.password.expose_secret());
        // The host parameter overrides `localhost`, which is there because URL parsers want a host.
        format!("postgres://{NAME}:{password}@localhost:{port}/{NAME}?host={host}&sslmode=disable")
    }
}

fn percent_encoded(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let encode = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    path.as_os_str().as_bytes().iter().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_leads_back_to_the_socket() {
        let address = Address { socket_dir: "/a b/ü&c".into(), port: 5433, password: "0af".into() };
        let parsed: PgConnectOptions = address.url().parse().unwrap();
        assert_eq!(parsed.get_socket(), Some(&PathBuf::from("/a b/ü&c")));
        assert_eq!((parsed.get_port(), parsed.get_database()), (5433, Some("goodword")));
    }
}
