//! The lane of purchases: what its writers do with the orders they gathered.

use std::hash::{DefaultHasher, Hash, Hasher};

use sqlx::PgPool;

use super::insert;
use super::record::{self, Orders};
use super::{PurchaseToRecord, Recorded};
use crate::db::{Fault, Session};
use crate::lane::{Cut, Lane, Layout, Place, Work};
use crate::types::clock::Clock;
use crate::types::streak::Streaks;
use crate::web::state::App;

/// A way to have purchases recorded, many at once.
pub type PurchaseLane = Lane<Recorder>;

/// Starts the lane. Reports of one order go to one writer, so in this process they race only when one of them came alone;
/// then, as between processes, the unique key decides.
pub fn start(app: &App) -> PurchaseLane {
    let limits = app.limits.lanes;
    let layout = Layout {
        name: "purchases",
        writers: limits.purchase_writers,
        queue_max: limits.queue_max,
        batch_max: limits.batch_max.min(insert::ROWS_MAX),
        place: Place::OwnThread,
        spares_writers: true,
    };
    Lane::start(layout, writer_of, || Recorder::new(app))
}

/// Reports of one order give the same number.
pub(super) fn writer_of(purchase: &PurchaseToRecord) -> u64 {
    let mut hasher = DefaultHasher::new();
    purchase.key.hash(&mut hasher);
    hasher.finish()
}

/// Records batches on a connection of its own.
pub struct Recorder {
    session: Session,
    clock: Clock,
    /// How many batches in a row brought nothing but new orders.
    news: Streaks,
}

impl Recorder {
    /// One that works for this app.
    pub fn new(app: &App) -> Self {
        Self::on(&app.pool, app.clock.clone())
    }

    /// One that works on the database that a pool leads to. Takes no connection of the pool's.
    pub fn on(pool: &PgPool, clock: Clock) -> Self {
        Self { session: Session::new((*pool.connect_options()).clone()), clock, news: Streaks::default() }
    }
}

impl Work for Recorder {
    type Row = PurchaseToRecord;
    type Answer = Recorded;
    type Fault = Fault;

    async fn run(&mut self, rows: &[PurchaseToRecord]) -> Result<Vec<Recorded>, Fault> {
        let mut orders = Orders { rows, news: &mut self.news };
        let now = self.clock.now();
        self.session
            .alone(|alone, orders, now| Box::pin(record::record_batch(alone, orders, now)), &mut orders, now)
            .await
    }

    fn cut(fault: &Fault) -> Cut {
        if fault.may_be_one_rows() { Cut::Anywhere } else { Cut::Nowhere }
    }

    async fn close(self) {
        self.session.close().await;
    }
}
