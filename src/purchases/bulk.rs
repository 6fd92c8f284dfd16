//! Recording many purchases for one sender, who brings them faster than one transaction at a time could take.
//!
//! Beside the lanes, not through them: a migration must not stand in the way of the orders of the day.

use std::sync::Arc;

use sqlx::PgPool;

use super::lane::{Recorder, writer_of};
use super::{PurchaseToRecord, Recorded};
use crate::db::Fault;
use crate::lane::{Work, run_parts};
use crate::types::clock::Clock;

/// From how many rows on two transactions do better than one.
const ROWS_FOR_TWO: usize = 64;

/// Records batch after batch, on connections of its own, which are made when they are needed.
pub struct BulkRecorder {
    pool: PgPool,
    clock: Clock,
    recorders: Option<[Recorder; 2]>,
}

impl BulkRecorder {
    /// One that works on the database that `pool` leads to. Takes no connection of the pool's.
    pub fn new(pool: PgPool, clock: Clock) -> Self {
        Self { pool, clock, recorders: None }
    }

    /// Records rows and answers them in their order. While the database works on one half, we prepare the other. Of
    /// several reports of one order the first in `rows` is the one that counts, for they are in the same half.
    pub async fn record(&mut self, rows: Vec<PurchaseToRecord>) -> Vec<Result<Recorded, Arc<Fault>>> {
        let [one, other] =
            self.recorders.get_or_insert_with(|| [(); 2].map(|()| Recorder::on(&self.pool, self.clock.clone())));
        let mut answers: Vec<Option<Result<Recorded, Arc<Fault>>>> = vec![None; rows.len()];
        if rows.len() < ROWS_FOR_TWO {
            run_parts(one, &rows, |index, answer| answers[index] = Some(answer)).await;
        } else {
            let (mut halves, mut places) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
            for (place, row) in rows.into_iter().enumerate() {
                let half = usize::from(writer_of(&row) % 2 == 1);
                halves[half].push(row);
                places[half].push(place);
            }
            let (mut first, mut second) = (Vec::with_capacity(places[0].len()), Vec::with_capacity(places[1].len()));
            tokio::join!(
                run_parts(one, &halves[0], |index, answer| first.push((places[0][index], answer))),
                run_parts(other, &halves[1], |index, answer| second.push((places[1][index], answer))),
            );
            for (place, answer) in first.into_iter().chain(second) {
                answers[place] = Some(answer);
            }
        }
        // Every row is answered.
        answers.into_iter().flatten().collect()
    }

    /// Lets go of the connections, until they are needed again.
    pub async fn rest(&mut self) {
        if let Some([one, other]) = self.recorders.take() {
            tokio::join!(one.close(), other.close());
        }
    }
}
