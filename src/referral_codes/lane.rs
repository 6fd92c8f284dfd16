//! The lane of referral codes: what its writers do with the calls they gathered.

use std::hash::{DefaultHasher, Hash, Hasher};

use sqlx::PgPool;

use super::desk::Desk;
use super::few::{self, Few};
use super::{Outcome, ReferralCodeToIssue, Wish, issue};
use crate::db::{Fault, Session};
use crate::lane::{Cut, Lane, Layout, Place, Work};
use crate::types::clock::Clock;
use crate::web::state::App;

/// A way to have referral codes issued, many in one transaction.
pub type ReferralCodeLane = Lane<Issuer>;

/// Starts the lane. All calls of an account go to one writer: so this process never has two transactions at one bank,
/// where they would only wait for each other, nor two that may mean the same customer.
pub fn start(app: &App) -> ReferralCodeLane {
    let limits = app.limits.lanes;
    let layout = Layout {
        name: "referral_codes",
        writers: limits.referral_code_writers,
        queue_max: limits.queue_max,
        batch_max: limits.batch_max,
        place: Place::OwnThread,
        spares_writers: false,
    };
    Lane::start(layout, |row: &ReferralCodeToIssue| row.account_id.0.unsigned_abs(), || Issuer::new(app))
}

/// Issues batches on a connection of its own.
pub struct Issuer {
    session: Session,
    clock: Clock,
    desk: Desk,
}

impl Issuer {
    /// One that works for this app.
    pub fn new(app: &App) -> Self {
        Self::on(&app.pool, app.clock.clone())
    }

    /// One that works on the database that a pool leads to. Takes no connection of the pool's.
    pub fn on(pool: &PgPool, clock: Clock) -> Self {
        Self { session: Session::new((*pool.connect_options()).clone()), clock, desk: Desk::default() }
    }
}

impl Work for Issuer {
    type Row = ReferralCodeToIssue;
    type Answer = Outcome;
    type Fault = Fault;

    async fn run(&mut self, rows: &[ReferralCodeToIssue]) -> Result<Vec<Outcome>, Fault> {
        let now = self.clock.now();
        let mut few = Few { rows, desk: &mut self.desk };
        self.session
            .alone_or_transact(
                |alone, few, now| Box::pin(few::issue_few(alone, few, now)),
                &mut few,
                |conn, rows, now| Box::pin(issue::issue_batch(conn, rows, now)),
                rows,
                now,
            )
            .await
    }

    fn cut(fault: &Fault) -> Cut {
        if fault.is_timeout() {
            Cut::BetweenKin
        } else if fault.may_be_one_rows() {
            Cut::Anywhere
        } else {
            Cut::Nowhere
        }
    }

    /// Calls for one bank wait for the same lock. Which bank a chosen code lies in is not known yet.
    fn kin(row: &ReferralCodeToIssue) -> u64 {
        let bank = match &row.wish {
            Wish::Nothing => None,
            Wish::Named(_) => Some(None),
            Wish::FromBank(bank) => Some(Some(*bank)),
        };
        let mut hasher = DefaultHasher::new();
        (row.account_id, bank).hash(&mut hasher);
        hasher.finish()
    }

    async fn close(self) {
        self.session.close().await;
    }
}
