//! Loading a file into a bank: read to its end first, then one short transaction; flat memory, all that is refused
//! reported by line.
//!
//! A slow sender must hold neither a connection nor a transaction, so rows are spooled to a temporary file while they
//! arrive. They come out of it batch by batch in a random order, codes that stand twice side by side; each batch is
//! looked up and what remains is copied into the table. The segment's own row comes last.

mod spool;
mod statements;
mod tally;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use tokio::task::JoinHandle;

use spool::{Batch, Spool};
use statements::CouponCopy;
use tally::Tally;

use super::upload::{self, FileFault, Format, ReadError, RefusalReason, SinkClosed, Summary};
use super::{Counts, CouponBank, guessable, store};
use crate::db::{self, Fault};
use crate::types::ids::{AccountId, CouponBankId};

/// From how many loaded rows on the planner is told of them.
const ANALYZED_ROWS_MIN: i64 = 1_000;

/// A file that is to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub account_id: AccountId,
    pub bank_id: CouponBankId,
    pub format: Format,
    /// Load nothing when a row is refused.
    pub strict: bool,
    pub now: OffsetDateTime,
}

/// What a load came to.
#[derive(Clone, Debug)]
pub struct Report {
    pub bank: CouponBank,
    /// What the bank holds now.
    pub counts: Counts,
    pub loaded: i64,
    pub refused: i64,
    pub refused_by_reason: BTreeMap<String, i64>,
    /// The first refused rows, by line.
    pub refusals: Vec<RefusedRow>,
    pub summary: Summary,
    /// What the merchant should know about codes that were loaded all the same.
    pub warnings: Vec<String>,
}

/// A row that was not loaded, and why.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RefusedRow {
    pub line: i64,
    pub code: Option<String>,
    pub reason: String,
    pub message: String,
}

/// Why nothing was loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("there is no such coupon bank")]
    BankNotFound,
    /// The file is refused as a whole.
    #[error(transparent)]
    File(#[from] FileFault),
    /// Rows were refused, and the load was to be strict.
    #[error("{} rows are refused, so nothing was loaded", .0.refused)]
    RefusedRows(Box<Report>),
    /// The file did not arrive whole.
    #[error("the file could not be read to its end: {0}")]
    Read(io::Error),
    /// The temporary file could not be written.
    #[error("the file could not be set aside while it arrived: {0}")]
    Spool(io::Error),
    #[error(transparent)]
    Database(#[from] Fault),
}

impl From<sqlx::Error> for LoadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// What a load is doing, once the file is read. Rows are counted by batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Another load of the account goes first.
    Waiting,
    /// A strict load looks all rows up before it stores one.
    Checking {
        rows: u64,
        of: u64,
    },
    Storing {
        rows: u64,
        of: u64,
    },
    Committing,
}

/// Is told what a load is doing.
pub type Watch = Arc<dyn Fn(Stage) + Send + Sync>;

/// Loads what `input` holds into a bank. On any error nothing is loaded.
pub async fn load<R: Read + Send + 'static>(pool: &PgPool, load: Load, input: R) -> Result<Report, LoadError> {
    load_watched(pool, load, input, Arc::new(|_| ())).await
}

/// Like [`load`], and tells `watch` how far it is.
pub async fn load_watched<R: Read + Send + 'static>(
    pool: &PgPool,
    load: Load,
    input: R,
    watch: Watch,
) -> Result<Report, LoadError> {
    let bank = {
        let mut conn = pool.acquire().await?;
        store::find_all(&mut conn, &[load.account_id], &[load.bank_id]).await?.into_iter().next()
    };
    let bank = bank.ok_or(LoadError::BankNotFound)?;
    let spooling = tokio::task::spawn_blocking(move || spool(input, load.format));
    let (spool, tally, summary) = spooling.await.map_err(|lost| LoadError::Spool(io::Error::other(lost)))??;
    let loading = Loading { load, spool: Arc::new(spool), tally, segment: None, watch };
    let report = db::transact(pool, move |conn| Box::pin(loading.run(conn, bank, summary))).await?;
    metrics::counter!("goodword_coupons_loaded_total").increment(report.loaded.unsigned_abs());
    if report.loaded >= ANALYZED_ROWS_MIN {
        // The coupons are loaded whether or not this is allowed and done.
        let analyzed = async { statements::analyze(&mut *pool.acquire().await?).await };
        if let Err(error) = analyzed.await {
            tracing::warn!(error.cause = %error, "the planner could not be told of loaded coupons");
        }
    }
    Ok(report)
}

/// Reads and checks the whole file, row by row, and sets the good rows aside.
fn spool(input: impl Read, format: Format) -> Result<(Spool, Tally, Summary), LoadError> {
    let mut spool = Spool::create().map_err(LoadError::Spool)?;
    let mut tally = Tally::new();
    let mut broken = None;
    let read = upload::read(input, format, &mut |row| {
        match row {
            Ok(row) => spool.push(&row).map_err(|error| broken = Some(error)),
            Err(refused) => {
                tally.refuse_unread(refused);
                Ok(())
            }
        }
        .map_err(|()| SinkClosed)
    });
    let summary = read.map_err(|fault| match fault {
        ReadError::Fault(fault) => LoadError::File(fault),
        ReadError::Io(error) => LoadError::Read(error),
        ReadError::SinkClosed(closed) => LoadError::Spool(broken.unwrap_or_else(|| io::Error::other(closed))),
    })?;
    Ok((spool, tally, summary))
}

/// A load inside its transaction.
struct Loading {
    load: Load,
    spool: Arc<Spool>,
    tally: Tally,
    /// The new segment, once there is a coupon in it.
    segment: Option<i64>,
    watch: Watch,
}

/// What is done with each batch.
#[derive(Clone, Copy, PartialEq)]
enum Pass {
    /// Find what must be refused.
    Check,
    /// Store what another pass has checked.
    Store,
    CheckAndStore,
}

impl Loading {
    async fn run(mut self, conn: &mut PgConnection, bank: CouponBank, summary: Summary) -> Result<Report, LoadError> {
        (self.watch)(Stage::Waiting);
        statements::open(conn).await?;
        statements::lock_account(conn, &self.load).await?;
        if self.load.strict {
            // Nothing may have been written when a row in the last batch is refused: it would have to be cleared away.
            self.pass(conn, Pass::Check).await?;
            if self.tally.refused() > 0 {
                let report = self.report(conn, bank, summary, 0).await?;
                return Err(LoadError::RefusedRows(Box::new(report)));
            }
            self.pass(conn, Pass::Store).await?;
        } else {
            self.pass(conn, Pass::CheckAndStore).await?;
        }
        let loaded = i32::try_from(self.tally.loaded).map_err(too_many)?;
        if let Some(segment) = self.segment {
            statements::insert_segment(conn, &self.load, segment, loaded).await?;
        }
        let watch = Arc::clone(&self.watch);
        let report = self.report(conn, bank, summary, loaded.into()).await?;
        watch(Stage::Committing);
        Ok(report)
    }

    async fn pass(&mut self, conn: &mut PgConnection, pass: Pass) -> Result<(), LoadError> {
        let mut next_position = 0;
        let mut rows = 0;
        let mut batches = self.spool.batches().into_iter();
        let mut coming = batches.next().map(|drawers| self.fetch(drawers));
        while let Some(fetched) = coming {
            self.tell(pass, rows);
            let (batch, order) = fetched.await.map_err(io::Error::other).flatten().map_err(LoadError::Spool)?;
            // The next one is fetched and sorted while the database works on this one.
            coming = batches.next().map(|drawers| self.fetch(drawers));
            rows += batch.len() as u64;
            let refused = self.judge(conn, pass, &batch, &order).await?;
            if pass != Pass::Check {
                next_position = self.store(conn, &batch, &order, &refused, next_position).await?;
            }
        }
        self.tell(pass, rows);
        Ok(())
    }

    fn tell(&self, pass: Pass, rows: u64) {
        let of = self.spool.rows();
        (self.watch)(if pass == Pass::Check { Stage::Checking { rows, of } } else { Stage::Storing { rows, of } });
    }

    /// Takes a batch out, with its order by folded code.
    fn fetch(&self, drawers: Range<usize>) -> JoinHandle<io::Result<(Batch, Vec<usize>)>> {
        let spool = Arc::clone(&self.spool);
        tokio::task::spawn_blocking(move || {
            let batch = spool.read(&drawers)?;
            let order = batch.by_key();
            Ok((batch, order))
        })
    }

    /// Says of each row of a batch whether it is refused, and counts it.
    async fn judge(
        &mut self,
        conn: &mut PgConnection,
        pass: Pass,
        batch: &Batch,
        order: &[usize],
    ) -> Result<Vec<bool>, LoadError> {
        // A pass that only stores follows one that found nothing to refuse.
        let mut refused = vec![false; batch.len()];
        if pass == Pass::Store {
            return Ok(refused);
        }
        let mut refuse = |index: usize, reason: RefusalReason, tally: &mut Tally| {
            if !std::mem::replace(&mut refused[index], true) {
                let row = batch.row(index);
                tally.refuse(row.line, row.code, reason);
            }
        };
        for index in (0..batch.len()).filter(|index| batch.is_repeated(*index)) {
            refuse(index, RefusalReason::DuplicateInFile, &mut self.tally);
        }
        // In the order of the index, so that neighbours are found on one page.
        let asked: Vec<usize> = order.iter().copied().filter(|index| !batch.is_repeated(*index)).collect();
        let keys: Vec<&str> = asked.iter().map(|index| batch.row(*index).key).collect();
        let nth = |nth: i64| usize::try_from(nth - 1).ok().and_then(|nth| asked.get(nth)).copied();
        let (has_coupons, has_referral_codes) = statements::find_rivals(conn, &self.load).await?;
        if has_coupons {
            for (bank, found) in statements::find_coupons(conn, &self.load, &keys).await? {
                let here = bank == self.load.bank_id;
                let reason = if here { RefusalReason::ExistsInBank } else { RefusalReason::ExistsElsewhere };
                found.into_iter().filter_map(nth).for_each(|index| refuse(index, reason, &mut self.tally));
            }
        }
        if has_referral_codes {
            let found = statements::find_referral_codes(conn, &self.load, &keys).await?;
            let reason = RefusalReason::CollidesWithReferralCode;
            found.into_iter().filter_map(nth).for_each(|index| refuse(index, reason, &mut self.tally));
        }
        for index in (0..batch.len()).filter(|index| !refused[*index]) {
            let row = batch.row(index);
            self.tally.accept(row.line, row.key);
        }
        Ok(refused)
    }

    /// Copies what is not refused: positions in the order of digests, rows in the order of `order`, which lets
    /// neighbours in the index of codes be inserted together. Gives the next position.
    async fn store(
        &mut self,
        conn: &mut PgConnection,
        batch: &Batch,
        order: &[usize],
        refused: &[bool],
        mut next_position: i32,
    ) -> Result<i32, LoadError> {
        let mut positions = Vec::with_capacity(refused.len());
        for refused in refused {
            positions.push(next_position);
            next_position = next_position.checked_add(i32::from(!refused)).ok_or_else(|| too_many("positions"))?;
        }
        let mut coupons = order.iter().copied().filter(|index| !refused[*index]).peekable();
        if coupons.peek().is_none() {
            return Ok(next_position);
        }
        let segment = match self.segment {
            Some(segment) => segment,
            None => *self.segment.insert(statements::next_segment_id(conn).await?),
        };
        let mut copy = CouponCopy::begin(conn, &self.load, segment).await?;
        for index in coupons {
            copy.push(positions[index], batch.row(index)).await?;
        }
        copy.finish().await?;
        Ok(next_position)
    }

    async fn report(
        self,
        conn: &mut PgConnection,
        bank: CouponBank,
        summary: Summary,
        loaded: i64,
    ) -> sqlx::Result<Report> {
        let counted = store::count(conn, self.load.account_id, &[self.load.bank_id]).await?;
        let (refused, refused_by_reason) = (self.tally.refused(), self.tally.refused_by_reason());
        let (refusals, sample) = self.tally.into_firsts();
        Ok(Report {
            bank,
            counts: counted.first().map(store::BankCounts::counts).unwrap_or_default(),
            loaded,
            refused,
            refused_by_reason,
            refusals,
            summary,
            warnings: guessable::warnings(&sample),
        })
    }
}

fn too_many(cause: impl std::fmt::Display) -> LoadError {
    LoadError::Spool(io::Error::other(format!("it holds more coupons than one load can take ({cause})")))
}
