//! What works beside the requests: the writers of the lanes, the one who listens for changed keys, and the one who evaluates
//! conversions that fall due. They start before the first request and end after the last.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::accounts::cache::KeyCache;
use crate::accounts::changes::Listening;
use crate::conversions::evaluation::{self, Aside};
use crate::coupon_banks::watch::Watch;
use crate::purchases::lane::{self as purchases, PurchaseLane};
use crate::referral_codes::lane::{self as referral_codes, ReferralCodeLane};
use crate::web::state::App;

/// Starts all who work for this app.
pub fn start(app: &App) -> (Running, Crew) {
    let (keys, listening) = KeyCache::start(&app.pool);
    let (purchases, referral_codes) = (purchases::start(app), referral_codes::start(app));
    let low_banks = Watch::new(app.pool.clone());
    let ways = Ways { app: app.clone(), keys, purchases, referral_codes, low_banks };
    let running = Running(Arc::new(ways));
    let evaluating = app.limits.evaluation_interval.map(|interval| Evaluating::start(app, interval));
    (running.clone(), Crew { running, listening, evaluating })
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
    evaluating: Option<Evaluating>,
}

/// The one who evaluates conversions, one small batch at each tick: so that a backlog, such as that of an import, takes little from
/// the orders of the day.
struct Evaluating {
    stopping: CancellationToken,
    task: JoinHandle<()>,
}

impl Evaluating {
    fn start(app: &App, interval: Duration) -> Self {
        let stopping = CancellationToken::new();
        let (app, stop) = (app.clone(), stopping.clone());
        let task = tokio::spawn(async move {
            let mut aside = Aside::default();
            while stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
                // A batch that was begun is finished. What failed is still due at the next tick.
                if let Err(fault) = evaluation::tick(&app.pool, &mut aside, app.clock.now()).await {
                    tracing::warn!(error = %fault, "conversions that are due could not be evaluated");
                }
            }
        });
        Self { stopping, task }
    }

    async fn stop(self) {
        self.stopping.cancel();
        // A panic was logged by its hook.
        let _ = self.task.await;
    }
}

impl Crew {
    /// Returns when all that was taken on is stored and answered, and no connection of theirs is left.
    pub async fn stop(self) {
        if let Some(evaluating) = self.evaluating {
            evaluating.stop().await;
        }
        tokio::join!(self.running.purchases.drain(), self.running.referral_codes.drain(), self.listening.stop());
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
