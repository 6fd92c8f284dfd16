//! What works beside the requests: the writers of the lanes. They start before the first request and end after the
//! last. Holds them together with the app's state, which is all that handlers see.

use axum::extract::FromRef;

use crate::purchases::lane::{self as purchases, PurchaseLane};
use crate::referral_codes::lane::{self as referral_codes, ReferralCodeLane};
use crate::web::state::App;

/// A running service: the state, and the ways to those who work for it.
#[derive(Clone)]
pub struct Running {
    pub app: App,
    purchases: PurchaseLane,
    referral_codes: ReferralCodeLane,
}

impl Running {
    /// Starts all of it.
    pub fn start(app: &App) -> Self {
        Self { app: app.clone(), purchases: purchases::start(app), referral_codes: referral_codes::start(app) }
    }

    /// Returns when all that was taken on is stored and answered, and no connection is left.
    pub async fn stop(&self) {
        tokio::join!(self.purchases.drain(), self.referral_codes.drain());
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
