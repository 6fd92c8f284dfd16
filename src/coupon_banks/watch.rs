//! How many banks of all accounts are low, for the metrics: one number for all, since a series for each bank would let
//! clients make series without end. A sandbox may be emptied as its shop likes, and does not count. Never holds up or fails
//! whoever collects the metrics.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::stock;
use super::stock_store;

/// How long a count is good.
const GOOD_FOR: time::Duration = time::Duration::MINUTE;
/// How long somebody who asks waits for a new count.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many banks are low or exhausted. The exhausted ones are low too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LowBanks {
    pub low: u32,
    pub exhausted: u32,
}

/// Counts low banks, at most once a minute.
#[derive(Clone)]
pub struct Watch {
    pool: PgPool,
    last: Arc<Mutex<Last>>,
}

#[derive(Default)]
struct Last {
    tried_at: Option<OffsetDateTime>,
    counted: Option<LowBanks>,
}

impl Watch {
    /// A watch over the banks of a database, which is not asked yet.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, last: Arc::default() }
    }

    /// Counts if it is time to, sets the gauges, and gives what is known. A count that takes long goes on without whoever
    /// asked; after one that failed the numbers stay as they were for a minute.
    pub async fn refresh(&self, now: OffsetDateTime) -> Option<LowBanks> {
        let mut last = Arc::clone(&self.last).try_lock_owned().ok()?;
        if last.tried_at.is_some_and(|tried_at| (time::Duration::ZERO..GOOD_FOR).contains(&(now - tried_at))) {
            return last.counted;
        }
        let pool = self.pool.clone();
        let counting = tokio::spawn(async move {
            last.tried_at = Some(now);
            match counted(&pool, now).await {
                Ok(banks) => last.counted = Some(banks),
                Err(fault) => tracing::warn!(error.cause = %fault, "low coupon banks were not counted"),
            }
            publish(last.counted);
            last.counted
        });
        tokio::time::timeout(PATIENCE, counting).await.ok()?.ok()?
    }
}

async fn counted(pool: &PgPool, now: OffsetDateTime) -> sqlx::Result<LowBanks> {
    let mut conn = pool.acquire().await?;
    count(&mut conn, now).await
}

fn publish(counted: Option<LowBanks>) {
    if let Some(LowBanks { low, exhausted }) = counted {
        metrics::gauge!("goodword_coupon_banks_low").set(low);
        metrics::gauge!("goodword_coupon_banks_exhausted").set(exhausted);
    }
}

/// Counts the banks of all accounts but sandboxes that are low, as their lists would say.
pub async fn count(conn: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<LowBanks> {
    let mut counted = LowBanks::default();
    let judged = stock_store::judge_all(conn, now).await?;
    for (_, stock) in judged.iter().filter(|(level, _)| !level.is_test) {
        counted.low += u32::from(stock.is_low);
        counted.exhausted += u32::from(stock.reasons.contains(&stock::Reason::Exhausted));
    }
    Ok(counted)
}
