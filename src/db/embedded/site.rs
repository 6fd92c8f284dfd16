//! A prepared data directory: everything a server needs to be started there, as often as necessary.

use std::process::Stdio;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::binaries::Binaries;
use super::error::{EmbeddedError, While};
use super::files::{self, Layout, Lock};
use super::server::{self, PidFile, Server};
use super::user::ServerUser;
use super::{Address, Durability, EmbeddedOptions, NAME, initdb, sizes};

/// How long a living server may refuse connections; time spent in crash recovery does not count.
const READY_LIMIT: Duration = Duration::from_mins(1);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long the backends of a killed postmaster may take to notice and let go of its memory.
const ORPHANS_LIMIT: Duration = Duration::from_secs(20);

const DEFAULT_PORT: u16 = 5432;

/// The sqlstate for "starting up", "shutting down" and "in recovery".
const CANNOT_CONNECT_NOW: &str = "57P03";

/// A data directory that is ours and ready for a server.
#[derive(Debug)]
pub struct Site {
    pub address: Address,
    layout: Layout,
    binaries: Binaries,
    user: ServerUser,
    durability: Durability,
    tcp_port: Option<u16>,
}

impl Site {
    /// Checks or makes everything below the data directory. The caller holds the lock.
    pub async fn prepare(options: &EmbeddedOptions, layout: Layout) -> Result<Self, EmbeddedError> {
        let major = layout.major()?;
        let user = ServerUser::choose(&layout.cluster)?;
        let binaries = Binaries::find(options.bin_dir.as_deref(), major, &layout.cluster, &user).await?;
        user.check_can_enter(&layout.base, &binaries.postgres).await?;
        let socket_dir = layout.socket_dir();
        files::make_socket_dir(&socket_dir, &user)?;
        let password = files::password(&layout, major.is_some())?;
        if major.is_none() {
            tracing::info!(path = %layout.cluster.display(), "making a new PostgreSQL cluster");
            initdb::make_cluster(&layout, &binaries, &user, &password, options.durability).await?;
        }
        let port = options.tcp_port.unwrap_or(DEFAULT_PORT);
        let address = Address { socket_dir, port, password };
        Ok(Self { address, layout, binaries, user, durability: options.durability, tcp_port: options.tcp_port })
    }

    /// Starts a server, or takes over the one that runs already, and returns when it accepts connections.
    pub async fn bring_up(&self) -> Result<Server, EmbeddedError> {
        let give_up = Instant::now() + ORPHANS_LIMIT;
        loop {
            let mut server = self.take_over_or_launch().await?;
            match self.wait_ready(&mut server).await {
                Ok(()) => return Ok(server),
                // It was shutting down already when we found it.
                Err(EmbeddedError::Died { .. }) if !server.is_child() => {}
                Err(EmbeddedError::Died { tail, .. }) if is_held_by_orphans(&tail) && Instant::now() < give_up => {
                    tracing::debug!("waiting for the last processes of a killed PostgreSQL");
                    sleep(Duration::from_millis(250)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn take_over_or_launch(&self) -> Result<Server, EmbeddedError> {
        let (log, offset) = self.layout.open_log()?;
        let mut command = self.command();
        if let Some(mut leftover) = self.leftover() {
            if leftover.runs_as(&command) {
                tracing::info!(pid = leftover.pid(), "taking over the PostgreSQL of an owner that was killed");
                return Ok(leftover);
            }
            tracing::info!(pid = leftover.pid(), "a PostgreSQL with other settings still runs here; it is restarted");
            leftover.stop().await?;
        }
        server::clear_stale_files(&self.layout.cluster, &self.address.socket_dir);
        command.stdout(log.try_clone().while_doing("open", &self.layout.log)?).stderr(log);
        Server::spawn(command, &self.layout.cluster, offset)
    }

    /// A server that runs here and is not our child, or no longer in our hands.
    pub fn leftover(&self) -> Option<Server> {
        Server::leftover(&self.layout.cluster, u64::MAX)
    }

    /// Returns when no other process uses the server any more, and keeps new ones out while the lock is held.
    pub async fn guests_gone(&self) -> Result<Lock, EmbeddedError> {
        loop {
            if let Some(closed) = Lock::close_to_guests(&self.layout)? {
                return Ok(closed);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn command(&self) -> Command {
        let on_disk = if self.durability == Durability::Durable { "on" } else { "off" };
        let listen = if self.tcp_port.is_some() { "127.0.0.1" } else { "" };
        let mut command = self.user.command(&self.binaries.postgres, &self.layout.base);
        command.arg("-D").arg(&self.layout.cluster).stdout(Stdio::null()).stderr(Stdio::null());
        let settings = [
            ("listen_addresses", listen.to_owned()),
            ("port", self.address.port.to_string()),
            ("unix_socket_directories", self.address.socket_dir.to_string_lossy().into_owned()),
            ("unix_socket_permissions", "0700".to_owned()),
            ("fsync", on_disk.to_owned()),
            ("full_page_writes", on_disk.to_owned()),
            ("synchronous_commit", on_disk.to_owned()),
            ("max_connections", "100".to_owned()),
            ("timezone", "UTC".to_owned()),
            ("log_timezone", "UTC".to_owned()),
            ("logging_collector", "off".to_owned()),
            ("log_destination", "stderr".to_owned()),
            // Statements and details of errors quote the data; e-mails and codes do not belong in a log.
            ("log_min_error_statement", "panic".to_owned()),
            ("log_error_verbosity", "terse".to_owned()),
        ];
        for (name, value) in settings.into_iter().chain(sizes::settings(self.durability)) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command
    }

    async fn wait_ready(&self, server: &mut Server) -> Result<(), EmbeddedError> {
        let log_offset = server.log_offset;
        let ended = async {
            let status = server.wait().await;
            let tail = format!("{}\n({status})", self.layout.log_since(log_offset));
            EmbeddedError::Died { log: self.layout.log.clone(), tail }
        };
        tokio::select! {
            biased;
            died = ended => Err(died),
            connected = self.wait_connected() => connected,
        }
    }

    async fn wait_connected(&self) -> Result<(), EmbeddedError> {
        let mut give_up = Instant::now() + READY_LIMIT;
        let mut pause = Duration::from_millis(20);
        loop {
            let cause = match self.address.connect("postgres").await {
                Ok(connection) => return connection.close().await.or(Ok(())),
                Err(cause) => cause,
            };
            match cause.as_database_error().and_then(|error| error.code()).as_deref() {
                // Recovery after a crash takes as long as it takes.
                Some(CANNOT_CONNECT_NOW) => give_up = Instant::now() + READY_LIMIT,
                Some("28P01" | "28000") => return Err(EmbeddedError::WrongPassword(self.layout.password.clone())),
                _ if Instant::now() > give_up => {
                    return Err(EmbeddedError::NotReady { log: self.layout.log.clone(), cause: cause.to_string() });
                }
                _ => {}
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(Duration::from_millis(250));
        }
    }
}

/// The address of the server that another process runs on this directory; `None` while there is none.
pub fn running_elsewhere(layout: &Layout) -> Result<Option<Address>, EmbeddedError> {
    let Some(PidFile { port, .. }) = PidFile::read(&layout.cluster).filter(|file| file.port != 0) else {
        return Ok(None);
    };
    let user = ServerUser::choose(&layout.cluster)?;
    let socket_dir = layout.socket_dir();
    files::check_socket_dir(&socket_dir, &user)?;
    let password = files::password(layout, true)?;
    Ok(Some(Address { socket_dir, port, password }))
}

impl Address {
    async fn connect(&self, database: &str) -> sqlx::Result<PgConnection> {
        let connecting = self.options(database).disable_statement_logging();
        timeout(CONNECT_LIMIT, PgConnection::connect_with(&connecting))
            .await
            .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
    }

    /// Whether our database can be used. Its owner creates it last.
    pub async fn is_ready(&self) -> bool {
        match self.connect(NAME).await {
            Ok(connection) => connection.close().await.is_ok(),
            Err(_) => false,
        }
    }

    /// Creates our database unless it is there.
    pub async fn create_database(&self) -> Result<(), EmbeddedError> {
        let create = async {
            let mut connection = self.connect("postgres").await?;
            let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = 'goodword')")
                .fetch_one(&mut connection)
                .await?;
            if !exists {
                sqlx::query("create database goodword").execute(&mut connection).await?;
            }
            connection.close().await
        };
        create.await.map_err(EmbeddedError::CreateDatabase)
    }
}

fn is_held_by_orphans(log: &str) -> bool {
    log.contains("pre-existing shared memory block")
}

#[cfg(test)]
mod tests {
    use super::is_held_by_orphans;

    #[test]
    fn a_busy_shared_memory_block_is_worth_waiting_for() {
        assert!(is_held_by_orphans("FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use"));
        assert!(!is_held_by_orphans("FATAL:  could not create any TCP/IP sockets"));
    }
}
