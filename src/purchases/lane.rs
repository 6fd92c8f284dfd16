//! The lane of purchases: what its writers do with the orders they gathered.

use std::hash::{DefaultHasher, Hash, Hasher};

use sqlx::PgPool;

use super::record::{self, Few};
use super::{PurchaseToRecord, Recorded};
use crate::db::{Fault, Session};
use crate::lane::{Cut, Lane, Layout, Place, Work};
use crate::types::clock::Clock;
use crate::types::streak::Streaks;
use crate::web::state::App;

/// A way to have purchases recorded, many in one transaction.
pub type PurchaseLane = Lane<Recorder>;

/// Starts the lane. Reports of one order go to one writer, so in this process they race only when one of them came alone;
/// then, as between processes, the unique key decides.
pub fn start(app: &App) -> PurchaseLane {
    let limits = app.limits.lanes;
    let layout = Layout {
        name: "purchases",
        writers: limits.purchase_writers,
        queue_max: limits.queue_max,
        batch_max: limits.batch_max,
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
        let (session, now) = (&mut self.session, self.clock.now());
        if rows.len() <= record::FEW {
            let mut few = Few { rows, news: &mut self.news };
            return session.alone(|alone, few, now| Box::pin(record::record_few(alone, few, now)), &mut few, now).await;
        }
        session.transact(|conn, rows, now| Box::pin(record::record_batch(conn, rows, now)), rows, now).await
    }

    fn cut(fault: &Fault) -> Cut {
        if fault.may_be_one_rows() { Cut::Anywhere } else { Cut::Nowhere }
    }

    async fn close(self) {
        self.session.close().await;
    }
}
