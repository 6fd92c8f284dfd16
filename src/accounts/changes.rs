//! Listens for changes of keys and accounts, which the database announces whoever makes them (migration 0007), on a
//! connection of its own. When that connection is lost nothing that was remembered counts any more, until there is
//! another one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Acquire, Connection, PgPool};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::cache::Epoch;

/// What the triggers of migration 0007 notify.
const CHANNEL: &str = "goodword_keys";
/// How long a connection may take until it listens.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the connection is tried. One that a cut network left half-open would be silent for ever.
const PING_EVERY: Duration = Duration::from_secs(1);
const PING_TIMEOUT: Duration = Duration::from_secs(1);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Pauses between tries to connect: each is twice the one before.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The task that listens. It ends soon after this is dropped.
pub struct Listening {
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Listening {
    /// Ends the task, and waits until its connection is closed, but no longer than a second.
    pub async fn stop(self) {
        let Self { stop, task } = self;
        drop(stop);
        if let Err(fault) = task.await {
            tracing::error!(error.cause = %fault, "listening for changed API keys failed");
        }
    }
}

/// Starts the task.
pub(super) fn listen(pool: &PgPool, epoch: Arc<Epoch>) -> Listening {
    let options = PgConnectOptions::clone(&pool.connect_options());
    let stop = CancellationToken::new();
    let task = tokio::spawn(keep_listening(options, epoch, stop.clone()));
    Listening { stop: stop.drop_guard(), task }
}

async fn keep_listening(options: PgConnectOptions, epoch: Arc<Epoch>, stop: CancellationToken) {
    let mut outage = None;
    loop {
        // The listener wants a pool to take its connection from. One for each connection: what is left of a broken one
        // must not stand in the way of the next.
        let of_one = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        let of_one = of_one.connect_lazy_with(options.clone());
        let ended = stop.run_until_cancelled(listen_once(&of_one, &epoch, &mut outage)).await;
        let _ = timeout(CLOSE_TIMEOUT, of_one.close()).await;
        let Some(Err(fault)) = ended else { return };
        let pause = match outage {
            None => {
                tracing::warn!(error.cause = %fault, "changes of API keys are not heard: each request asks the database");
                PAUSE_MIN
            }
            Some(pause) => {
                tracing::debug!(error.cause = %fault, "changes of API keys are still not heard");
                PAUSE_MAX.min(2 * pause)
            }
        };
        outage = Some(pause);
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Listens until the connection is lost. Ends the `outage` once it listens.
async fn listen_once(of_one: &PgPool, epoch: &Epoch, outage: &mut Option<Duration>) -> Result<Infallible, sqlx::Error> {
    let mut listener = timeout(CONNECT_TIMEOUT, connect(of_one)).await.map_err(late)??;
    let hearing = epoch.hear();
    if outage.take().is_some() {
        tracing::info!("changes of API keys are heard again");
    }
    let mut due = interval(PING_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            heard = listener.try_recv() => match heard? {
                Some(_) => hearing.forget(),
                None => return Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into()),
            },
            _ = due.tick() => {
                let ping = async { listener.acquire().await?.ping().await };
                timeout(PING_TIMEOUT, ping).await.map_err(late)??;
            }
        }
    }
}

async fn connect(of_one: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(of_one).await?;
    // It would connect again before it tells that anything was lost.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

fn late(_: tokio::time::error::Elapsed) -> sqlx::Error {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
