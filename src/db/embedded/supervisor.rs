//! Keeps the owned server up: starts it again when it dies, until it is told to stop.

use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::Status;
use super::error::EmbeddedError;
use super::files::Lock;
use super::server::Server;
use super::site::Site;

const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// A server that stayed up this long has earned a quick restart again.
const CALM: Duration = Duration::from_mins(1);

/// How long a short-lived owner stays for the sake of other commands that use its server.
const GUESTS_LIMIT: Duration = Duration::from_mins(1);

/// Whether stopping waits for those who are attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Farewell {
    AtOnce,
    AfterGuests,
}

/// Owns the server and the directory. Fields are dropped in this order: the lock goes last.
#[derive(Debug)]
pub struct Supervisor {
    server: Server,
    site: Site,
    status: watch::Sender<Status>,
    farewell: Farewell,
    _lock: Lock,
}

impl Supervisor {
    /// Takes a server that accepts connections.
    pub fn new(server: Server, site: Site, lock: Lock, farewell: Farewell) -> (Self, watch::Receiver<Status>) {
        let (status, receiver) = watch::channel(Status::Up);
        (Self { server, site, status, farewell, _lock: lock }, receiver)
    }

    /// Runs until the other end of `stop` is dropped, then shuts the server down.
    pub async fn run(mut self, stop: oneshot::Receiver<()>) -> Result<(), EmbeddedError> {
        tokio::select! {
            biased;
            _ = stop => {}
            () = self.keep_up() => {}
        }
        let _no_new_guests = match self.farewell {
            Farewell::AtOnce => None,
            Farewell::AfterGuests => timeout(GUESTS_LIMIT, self.site.guests_gone()).await.ok(),
        };
        self.server.stop().await?;
        // A restart may have been under way; its server is not yet in our hands.
        match self.site.leftover() {
            Some(mut server) => server.stop().await,
            None => Ok(()),
        }
    }

    async fn keep_up(&mut self) {
        let mut backoff = BACKOFF_MIN;
        loop {
            let since = Instant::now();
            let ended = self.server.wait().await;
            self.status.send_replace(Status::Down);
            tracing::warn!(status = ended, "PostgreSQL ended unexpectedly; it is started again");
            if since.elapsed() > CALM {
                backoff = BACKOFF_MIN;
            }
            loop {
                sleep(backoff).await;
                backoff = BACKOFF_MAX.min(backoff * 2);
                match self.site.bring_up().await {
                    Ok(server) => break self.server = server,
                    // Never given up: a full disk is emptied some day, and until then requests get a 503.
                    Err(error) => tracing::error!(%error, "PostgreSQL could not be started again; trying on"),
                }
            }
            self.status.send_replace(Status::Up);
            tracing::warn!(pid = self.server.pid(), "PostgreSQL is up again");
        }
    }
}
