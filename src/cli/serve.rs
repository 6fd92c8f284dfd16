//! `goodword serve`: opens the database, makes it ready, serves, and on a signal goes in the opposite order.

use std::net::{SocketAddr, TcpListener};

use axum_server::Handle;
use tokio_util::sync::CancellationToken;

use super::database::{Database, Hold, stop_token};
use super::exit::Failure;
use crate::config::{DatabaseArgs, ServeArgs, local_url};
use crate::serve::{self, Timeouts};
use crate::telemetry;
use crate::types::clock::Clock;
use crate::web::state::{App, Limits};

/// `goodword serve`
pub async fn run(args: &DatabaseArgs, serve: &ServeArgs, no_migrate: bool) -> Result<(), Failure> {
    with_owned(args, async |database, stop| {
        let ready = stop.run_until_cancelled(make_ready(database, args, no_migrate)).await;
        let Some(()) = ready.transpose()? else { return Ok(()) };
        let service = Service::bind(database, serve)?;
        let (url, place) = (service.local_url.clone(), database.place.clone());
        service
            .run(&stop, || {
                tracing::info!(database = place, "Goodword listens on {url}");
                Ok(())
            })
            .await
    })
    .await
}

async fn make_ready(database: &Database, args: &DatabaseArgs, no_migrate: bool) -> Result<(), Failure> {
    database.check_safety(args).await?;
    if no_migrate { database.check_migrated().await } else { database.migrate().await }
}

/// Does `work` as the owner of the database, and closes it whatever comes of it. `work` must end soon after the token
/// is cancelled. To be told to stop is no failure.
pub async fn with_owned(
    args: &DatabaseArgs,
    work: impl AsyncFnOnce(&Database, CancellationToken) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let stop = stop_token();
    let Some(opened) = stop.run_until_cancelled(Database::open(args, Hold::Own)).await else { return Ok(()) };
    let database = opened?;
    let outcome = work(&database, stop).await;
    let closed = database.close().await;
    outcome.and(closed)
}

/// A server that is about to start: it has its port.
pub struct Service {
    app: App,
    listener: TcpListener,
    timeouts: Timeouts,
    /// How programs on this machine reach it.
    pub local_url: String,
    /// How the world reaches it.
    pub public_url: String,
    /// Where it listens.
    pub bound: SocketAddr,
}

impl Service {
    /// Takes the port.
    pub fn bind(database: &Database, args: &ServeArgs) -> Result<Self, Failure> {
        let listener = serve::bind(args.listen)?;
        let bound = listener.local_addr()?;
        let public_url = args.public_url(bound);
        let app =
            App::new(database.pool.clone(), Clock::System, &public_url, Limits::from(args), telemetry::metrics()?);
        Ok(Self { app, listener, timeouts: Timeouts::from(args), local_url: local_url(bound), public_url, bound })
    }

    /// Serves until told to stop, then answers what it accepted. `started` is called once it answers.
    pub async fn run(
        self,
        stop: &CancellationToken,
        started: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let handle = Handle::<SocketAddr>::new();
        let serving = serve::serve(&self.app, self.listener, self.timeouts, handle.clone());
        let watching = async {
            if handle.listening().await.is_none() {
                return Ok(()); // It ended before it began, and says why itself.
            }
            let told = started();
            if told.is_ok() {
                stop.cancelled().await;
                tracing::info!("told to stop: answering what was accepted");
            }
            self.app.stopping.cancel();
            handle.graceful_shutdown(Some(self.timeouts.shutdown));
            told
        };
        tokio::pin!(serving);
        tokio::select! {
            served = &mut serving => Ok(served?),
            told = watching => {
                serving.await?;
                told
            }
        }
    }
}
