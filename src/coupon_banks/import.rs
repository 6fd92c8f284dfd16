//! Loading a file into a bank: read to its end first, then one short transaction; flat memory, all that is refused
//! reported by line.
//!
//! A slow sender must hold neither a connection nor a transaction, so rows are spooled to a temporary file while they
//! arrive. Duplicates are found in a staging table, and what remains becomes a segment.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek};

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::upload::{self, FileFault, Format, ReadError, Refused, Row, SinkClosed, Summary};
use super::{Counts, CouponBank, guessable, staging, store};
use crate::db::{self, Fault};
use crate::types::ids::{AccountId, CouponBankId};

/// Refused rows that a report lists; the others are only counted.
const REFUSALS_LISTED_MAX: i64 = 1_000;

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
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
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

/// Loads what `input` holds into a bank. On any error nothing is loaded.
pub async fn load<R: Read + Send + 'static>(pool: &PgPool, load: Load, input: R) -> Result<Report, LoadError> {
    let bank = {
        let mut conn = pool.acquire().await?;
        store::find_all(&mut conn, &[load.account_id], &[load.bank_id]).await?.into_iter().next()
    };
    let bank = bank.ok_or(LoadError::BankNotFound)?;
    let spooling = tokio::task::spawn_blocking(move || spool(input, load.format));
    let (spooled, summary) = spooling.await.map_err(|lost| LoadError::Spool(io::Error::other(lost)))??;
    let report = db::transact(pool, move |conn| Box::pin(store_spooled(conn, load, bank, spooled, summary))).await?;
    metrics::counter!("goodword_coupons_loaded_total").increment(report.loaded.unsigned_abs());
    Ok(report)
}

/// Reads and checks the whole file, row by row, into a temporary one that has no name and goes with its handle.
fn spool(input: impl Read, format: Format) -> Result<(File, Summary), LoadError> {
    let file = tempfile::tempfile().map_err(LoadError::Spool)?;
    let mut writer = csv::Writer::from_writer(BufWriter::new(file));
    let mut broken = None;
    let read = upload::read(input, format, &mut |row| {
        write_row(&mut writer, &row).map_err(|error| {
            broken = Some(error);
            SinkClosed
        })
    });
    let summary = read.map_err(|fault| match fault {
        ReadError::Fault(fault) => LoadError::File(fault),
        ReadError::Io(error) => LoadError::Read(error),
        ReadError::SinkClosed(closed) => {
            LoadError::Spool(broken.map_or_else(|| io::Error::other(closed), io::Error::other))
        }
    })?;
    let buffered = writer.into_inner().map_err(|error| LoadError::Spool(error.into_error()))?;
    let mut file = buffered.into_inner().map_err(|error| LoadError::Spool(error.into_error()))?;
    file.rewind().map_err(LoadError::Spool)?;
    Ok((file, summary))
}

fn write_row(writer: &mut csv::Writer<BufWriter<File>>, row: &Result<Row, Refused>) -> csv::Result<()> {
    match row {
        Ok(Row { line, code, pin }) => writer.write_record([
            line.to_string().as_str(),
            code.as_str(),
            code.key().as_str(),
            pin.as_ref().map_or("", |pin| pin.expose()),
            "",
            "",
        ]),
        Err(refused) => writer.write_record([
            refused.line.to_string().as_str(),
            refused.code.as_deref().unwrap_or_default(),
            "",
            "",
            refused.reason.as_str(),
            &refused.explain(),
        ]),
    }
}

async fn store_spooled(
    conn: &mut PgConnection,
    load: Load,
    bank: CouponBank,
    spooled: File,
    summary: Summary,
) -> Result<Report, LoadError> {
    staging::open(conn).await?;
    staging::fill(conn, spooled.into()).await?;
    staging::analyze(conn).await?;
    staging::lock_account(conn, &load).await?;
    staging::refuse_duplicates(conn).await?;
    staging::refuse_existing(conn, &load).await?;
    staging::refuse_referral_codes(conn, &load).await?;
    let mut report = report(conn, bank, summary).await?;
    let is_refused = load.strict && report.refused > 0;
    if is_refused {
        report.loaded = 0;
    } else if report.loaded > 0 {
        let segment = staging::insert_segment(conn, &load, report.loaded).await?;
        staging::insert_coupons(conn, &load, segment).await?;
    }
    let counted = store::count(conn, load.account_id, &[load.bank_id]).await?;
    report.counts = counted.first().map(store::BankCounts::counts).unwrap_or_default();
    if is_refused { Err(LoadError::RefusedRows(Box::new(report))) } else { Ok(report) }
}

async fn report(conn: &mut PgConnection, bank: CouponBank, summary: Summary) -> sqlx::Result<Report> {
    let counted = staging::count(conn).await?;
    let loaded = counted.iter().find(|(reason, _)| reason.is_none()).map_or(0, |(_, count)| *count);
    let refused_by_reason: BTreeMap<String, i64> =
        counted.into_iter().filter_map(|(reason, count)| Some((reason?, count))).collect();
    Ok(Report {
        bank,
        counts: Counts::default(),
        loaded,
        refused: refused_by_reason.values().sum(),
        refused_by_reason,
        refusals: staging::list_refused(conn, REFUSALS_LISTED_MAX).await?,
        summary,
        warnings: guessable::warnings(&staging::sample(conn, guessable::SAMPLE_MAX).await?),
    })
}
