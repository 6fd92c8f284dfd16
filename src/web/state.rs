//! What every handler may use. Defined below the features, so that nobody imports the router to get it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::types::clock::Clock;

/// Limits on what one client may ask of the server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest JSON body, in bytes.
    pub body_bytes_max: usize,
    /// Largest file of coupons, in bytes.
    pub upload_bytes_max: usize,
    /// How long a JSON body may take to arrive.
    pub body_timeout: Duration,
    /// How long a file of coupons may take to arrive. Its pieces must not be further apart than a JSON body may take.
    pub upload_timeout: Duration,
    /// How many files of coupons may arrive at once.
    pub uploads_in_flight_max: usize,
    /// How many requests are worked on at once; the next is asked to come again.
    pub requests_in_flight_max: usize,
    pub lanes: LaneLimits,
    pub visitors: VisitorLimits,
    /// How long the evaluation of conversions rests between two batches. Without it this process evaluates none.
    pub evaluation_interval: Option<Duration>,
    /// How long those who send events out rest between two looks. Without it this process sends none.
    pub webhook_interval: Option<Duration>,
    /// Whether webhooks may lead to private addresses, and go without TLS.
    pub webhooks_may_be_private: bool,
}

/// What a stranger may ask, address by address.
#[derive(Clone, Debug)]
pub struct VisitorLimits {
    /// How many calls pages in browsers may make from one address in a minute.
    pub calls_per_minute: NonZeroU32,
    /// How many referral codes the widget gives to one address in an hour.
    pub codes_per_hour: NonZeroU32,
    /// How many unknown codes of links are looked up for one address in an hour.
    pub unknown_codes_per_hour: NonZeroU32,
    /// Proxies whose word counts on where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for VisitorLimits {
    fn default() -> Self {
        let at_most = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Self {
            calls_per_minute: at_most(120),
            codes_per_hour: at_most(30),
            unknown_codes_per_hour: at_most(20),
            trusted_proxies: Vec::new(),
        }
    }
}

/// How requests that store are gathered into batches.
#[derive(Clone, Copy, Debug)]
pub struct LaneLimits {
    /// How many transactions record purchases side by side.
    pub purchase_writers: usize,
    /// How many transactions issue referral codes side by side. Those of one account never do.
    pub referral_code_writers: usize,
    /// Most rows that wait for one writer; the next is asked to come again.
    pub queue_max: usize,
    /// Most rows of one transaction.
    pub batch_max: usize,
}

impl Default for LaneLimits {
    /// A writer keeps a core of the database busy while it waits for it. More of them make smaller batches.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let writers = cores.clamp(1, 4);
        Self { purchase_writers: writers, referral_code_writers: writers, queue_max: 1024, batch_max: 256 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            upload_bytes_max: 64 << 20,
            body_timeout: Duration::from_secs(15),
            upload_timeout: Duration::from_secs(600),
            uploads_in_flight_max: 8,
            requests_in_flight_max: 1024,
            lanes: LaneLimits::default(),
            visitors: VisitorLimits::default(),
            evaluation_interval: None,
            webhook_interval: None,
            webhooks_may_be_private: false,
        }
    }
}

/// The app's state, cheap to clone: handlers and layers do so at every request.
#[derive(Clone)]
pub struct App(Arc<Shared>);

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// What the app's state holds.
pub struct Shared {
    pub pool: PgPool,
    pub clock: Clock,
    /// Where the world reaches this server, without a slash at the end. Trackable links start with it.
    pub public_url: String,
    pub limits: Limits,
    pub metrics: PrometheusHandle,
    pub in_flight: Semaphore,
    /// Counted by itself: what arrives for long holds its place on tasks of its own.
    pub uploads_in_flight: Arc<Semaphore>,
    /// Places in the lanes' queues that lines of bulk requests may take. The others are for single calls.
    pub bulk_rows_in_lanes: Semaphore,
    /// Cancelled when the server is told to stop: long requests read no more then.
    pub stopping: CancellationToken,
}

impl App {
    /// The state of a server that is about to start.
    pub fn new(pool: PgPool, clock: Clock, public_url: &str, limits: Limits, metrics: PrometheusHandle) -> Self {
        let (in_flight, bulk) = (limits.requests_in_flight_max, (limits.lanes.queue_max / 2).max(1));
        let uploads = limits.uploads_in_flight_max;
        Self(Arc::new(Shared {
            pool,
            clock,
            public_url: public_url.trim_end_matches('/').to_owned(),
            limits,
            metrics,
            in_flight: Semaphore::new(in_flight),
            uploads_in_flight: Arc::new(Semaphore::new(uploads)),
            bulk_rows_in_lanes: Semaphore::new(bulk),
            stopping: CancellationToken::new(),
        }))
    }
}
