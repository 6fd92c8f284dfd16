//! The listener: it closes slow and silent clients, and on a signal answers what it accepted before it goes.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum_server::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tower::ServiceBuilder;

use crate::config::ServeArgs;
use crate::web::state::{App, LaneLimits, Limits, VisitorLimits};
use crate::web::visitor::Peer;
use crate::web::{frame, paths};
use crate::{router, worker};

/// Longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub first_head: Duration,
    pub idle: Duration,
    pub shutdown: Duration,
}

impl From<&ServeArgs> for Timeouts {
    fn from(args: &ServeArgs) -> Self {
        Self {
            first_head: Duration::from_secs(args.head_timeout_s),
            idle: Duration::from_secs(args.idle_timeout_s),
            shutdown: Duration::from_secs(args.shutdown_timeout_s),
        }
    }
}

impl From<&ServeArgs> for Limits {
    fn from(args: &ServeArgs) -> Self {
        let lanes = LaneLimits::default();
        Self {
            body_timeout: Duration::from_secs(args.body_timeout_s),
            upload_timeout: Duration::from_secs(args.upload_timeout_s),
            requests_in_flight_max: args.requests_in_flight_max as usize,
            lanes: LaneLimits {
                purchase_writers: args.purchase_writers.map_or(lanes.purchase_writers, |count| count as usize),
                referral_code_writers: args
                    .referral_code_writers
                    .map_or(lanes.referral_code_writers, |count| count as usize),
                queue_max: args.queue_max as usize,
                batch_max: args.batch_max as usize,
            },
            visitors: VisitorLimits {
                calls_per_minute: args.visitor_calls_per_minute,
                codes_per_hour: args.visitor_codes_per_hour,
                trusted_proxies: args.trusted_proxies.clone(),
                ..VisitorLimits::default()
            },
            evaluation_interval: Some(args.evaluation_interval_ms)
                .filter(|interval_ms| *interval_ms > 0)
                .map(Duration::from_millis),
            webhook_interval: Some(args.webhook_interval_ms)
                .filter(|interval_ms| *interval_ms > 0)
                .map(Duration::from_millis),
            webhooks_may_be_private: args.webhook_allow_private_addresses,
            ..Self::default()
        }
    }
}

/// A socket that is bound: connections queue from now on.
pub fn bind(address: SocketAddr) -> anyhow::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}; choose another address with --listen or GOODWORD_LISTEN")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves until `handle` is told to stop.
pub async fn serve(
    app: &App,
    listener: std::net::TcpListener,
    timeouts: Timeouts,
    handle: Handle<SocketAddr>,
) -> anyhow::Result<()> {
    let (running, crew) = worker::start(app);
    let router: Router = router::router(&running);
    // Outside the router: what changes where a request is routed, and what the router adds last.
    let service = ServiceBuilder::new()
        .map_request(|request: Request<_>| paths::tidy(request.map(Body::new), &router::VERSIONED))
        .map_response(frame::hush)
        .service(router);
    let mut server =
        axum_server::from_tcp(listener)?.http1_only().first_request_timeout(timeouts.first_head).handle(handle);
    server
        .http_builder()
        .http1()
        // This also ends idle connections, so it is the longer of the two.
        .header_read_timeout(timeouts.idle.max(timeouts.first_head))
        .max_buf_size(HEAD_BYTES_MAX);
    let from_peer = tower::service_fn(move |peer: SocketAddr| {
        std::future::ready(Ok::<_, Infallible>(Peer(peer.ip()).sign(service.clone())))
    });
    let served = server.serve(from_peer).await;
    // Also what a client no longer waits for is stored before we go.
    crew.stop().await;
    Ok(served?)
}

/// Returns at the first SIGINT or SIGTERM, or when our terminal is closed. Another one, a second or more later, ends
/// the process at once.
pub async fn stop_signal() -> anyhow::Result<()> {
    signalled().await?;
    tokio::spawn(async {
        // Wrappers such as `timeout` send one signal twice; that is not a person losing patience.
        tokio::time::sleep(Duration::from_secs(1)).await;
        if signalled().await.is_ok() {
            tracing::warn!("told to stop again: leaving at once");
            std::process::exit(130);
        }
    });
    Ok(())
}

async fn signalled() -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // Under nohup, which wants us to outlive the terminal, standard error is none.
    let mut hangup = if std::io::stderr().is_terminal() { Some(signal(SignalKind::hangup())?) } else { None };
    let hung_up = async {
        match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hung_up => {}
    }
    Ok(())
}
