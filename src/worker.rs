//! What works beside the requests: the writers of the lanes, the one who listens for changed keys, the one who evaluates
//! conversions that fall due, the one who looks after coupon banks, and the one who sends events out. They start before the first
//! request and end after the last.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::accounts::cache::KeyCache;
use crate::accounts::changes::Listening;
use crate::conversions::evaluation::{self, Aside};
use crate::coupon_banks::alerts;
use crate::coupon_banks::watch::Watch;
use crate::purchases::lane::{self as purchases, PurchaseLane};
use crate::referral_codes::lane::{self as referral_codes, ReferralCodeLane};
use crate::tracking::budgets::Budgets;
use crate::tracking::clicks::ClickLane;
use crate::tracking::links::Links;
use crate::web::state::App;
use crate::webhooks::client::Client;
use crate::webhooks::dispatch::Dispatcher;

/// How often coupon banks are looked after.
const BANKS_INTERVAL: Duration = Duration::from_secs(60);

/// Starts all who work for this app.
pub fn start(app: &App) -> (Running, Crew) {
    let (keys, listening) = KeyCache::start(&app.pool);
    let (purchases, referral_codes) = (purchases::start(app), referral_codes::start(app));
    let low_banks = Watch::new(app.pool.clone());
    let budgets = Budgets::new(&app.limits.visitors);
    let (links, clicks) = (Links::new(app.pool.clone(), budgets.clone()), ClickLane::start(app));
    let webhooks = Client::new(app.limits.webhooks_may_be_private);
    let ways = Ways { app: app.clone(), keys, purchases, referral_codes, low_banks, budgets, links, clicks, webhooks };
    let running = Running(Arc::new(ways));
    let workers = start_workers(&running);
    (running.clone(), Crew { running, listening, workers })
}

fn start_workers(running: &Running) -> Vec<Worker> {
    let app = &running.app;
    let evaluating =
        app.limits.evaluation_interval.map(|interval| Worker::start(|stop| evaluate(app.clone(), interval, stop)));
    let sending = app.limits.webhook_interval.map(|interval| {
        let dispatcher = Dispatcher::new(app, running.webhooks.clone());
        [
            Worker::start(|stop| dispatcher.run(interval, stop)),
            Worker::start(|stop| look_after_banks(app.clone(), stop)),
        ]
    });
    evaluating.into_iter().chain(sending.into_iter().flatten()).collect()
}

/// A running service as its router sees it: the state, and the ways to those who work. Cheap to clone.
#[derive(Clone)]
pub struct Running(Arc<Ways>);

/// What a router needs.
pub struct Ways {
    pub app: App,
    pub keys: KeyCache,
    pub purchases: PurchaseLane,
    pub referral_codes: ReferralCodeLane,
    pub low_banks: Watch,
    pub budgets: Budgets,
    pub links: Links,
    pub clicks: ClickLane,
    pub webhooks: Client,
}

impl Deref for Running {
    type Target = Ways;

    fn deref(&self) -> &Ways {
        &self.0
    }
}

/// Those who work.
pub struct Crew {
    running: Running,
    listening: Listening,
    workers: Vec<Worker>,
}

/// One who works until he is told to stop. What he has begun he finishes.
struct Worker {
    stopping: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    fn start<F: Future<Output = ()> + Send + 'static>(work: impl FnOnce(CancellationToken) -> F) -> Self {
        let stopping = CancellationToken::new();
        Self { task: tokio::spawn(work(stopping.clone())), stopping }
    }

    async fn stop(self) {
        self.stopping.cancel();
        // A panic was logged by its hook.
        let _ = self.task.await;
    }
}

/// Evaluates conversions, one small batch at each tick: so that a backlog, such as that of an import, takes little from the orders
/// of the day. What failed is still due at the next tick.
async fn evaluate(app: App, interval: Duration, stop: CancellationToken) {
    let mut aside = Aside::default();
    while stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
        if let Err(fault) = evaluation::tick(&app.pool, &mut aside, app.clock.now()).await {
            tracing::warn!(error = %fault, "conversions that are due could not be evaluated");
        }
    }
}

/// Looks once a minute whether coupon banks have become low.
async fn look_after_banks(app: App, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(BANKS_INTERVAL)).await.is_some() {
        if let Err(fault) = alerts::tick(&app.pool, app.clock.now()).await {
            tracing::warn!(error = %fault, "coupon banks could not be looked after");
        }
    }
}

impl Crew {
    /// Returns when all that was taken on is stored and answered, and no connection of theirs is left.
    pub async fn stop(self) {
        futures_util::future::join_all(self.workers.into_iter().map(Worker::stop)).await;
        tokio::join!(
            self.running.purchases.drain(),
            self.running.referral_codes.drain(),
            self.running.clicks.drain(),
            self.listening.stop()
        );
    }
}

impl FromRef<Running> for App {
    fn from_ref(running: &Running) -> Self {
        running.app.clone()
    }
}

impl FromRef<Running> for PurchaseLane {
    fn from_ref(running: &Running) -> Self {
        running.purchases.clone()
    }
}

impl FromRef<Running> for ReferralCodeLane {
    fn from_ref(running: &Running) -> Self {
        running.referral_codes.clone()
    }
}

impl FromRef<Running> for Watch {
    fn from_ref(running: &Running) -> Self {
        running.low_banks.clone()
    }
}

impl FromRef<Running> for KeyCache {
    fn from_ref(running: &Running) -> Self {
        running.keys.clone()
    }
}

impl FromRef<Running> for Budgets {
    fn from_ref(running: &Running) -> Self {
        running.budgets.clone()
    }
}

impl FromRef<Running> for (Links, ClickLane) {
    fn from_ref(running: &Running) -> Self {
        (running.links.clone(), running.clicks.clone())
    }
}

impl FromRef<Running> for Client {
    fn from_ref(running: &Running) -> Self {
        running.webhooks.clone()
    }
}
