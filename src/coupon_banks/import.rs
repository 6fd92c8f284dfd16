//! Loading a file into a bank: one transaction, flat memory, all that is refused reported by line.
//!
//! Rows stream into a staging table; duplicates are found there, and what remains becomes a segment whose order is
//! drawn by PostgreSQL's cryptographic generator. Loads of one account wait for each other, so what they find stays true.

use std::collections::BTreeMap;
use std::io::Read;

use bytes::Bytes;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use tokio::sync::mpsc;

use super::upload::{self, FileFault, Format, ReadError, RefusalReason, Refused, Row, SinkClosed, Summary};
use super::{guessable, store};
use crate::db::{self, Fault};
use crate::types::ids::{AccountId, CouponBankId};

/// Refused rows that a report lists; the others are only counted.
const REFUSALS_LISTED_MAX: i64 = 1_000;
/// Size of the pieces that go to the staging table, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

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
    Read(std::io::Error),
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
    let report = db::transact(pool, move |conn| Box::pin(run(conn, load, input))).await?;
    metrics::counter!("goodword_coupons_loaded_total").increment(report.loaded.unsigned_abs());
    Ok(report)
}

async fn run<R: Read + Send + 'static>(conn: &mut PgConnection, load: Load, input: R) -> Result<Report, LoadError> {
    if store::find_all(conn, &[load.account_id], &[load.bank_id]).await?.is_empty() {
        return Err(LoadError::BankNotFound);
    }
    // A large file takes longer than any single request may.
    sqlx::raw_sql(
        "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; set local lock_timeout = '10min';
        create temporary table staged_coupons (line bigint, code text, code_key text, pin text, reason text, message text) on commit drop",
    )
    .execute(&mut *conn)
    .await?;
    let summary = stage(conn, load.format, input).await?;
    sqlx::query("select id from accounts where id = $1 for no key update")
        .bind(load.account_id)
        .execute(&mut *conn)
        .await?;
    sqlx::raw_sql("analyze staged_coupons").execute(&mut *conn).await?;
    refuse_duplicates(conn, &load).await?;
    let report = report(conn, summary).await?;
    if load.strict && report.refused > 0 {
        return Err(LoadError::RefusedRows(Box::new(report)));
    }
    store_segment(conn, &load, report.loaded).await?;
    Ok(report)
}

/// Streams the file into the staging table: a thread reads and checks, this task writes what it hands over.
async fn stage<R: Read + Send + 'static>(
    conn: &mut PgConnection,
    format: Format,
    input: R,
) -> Result<Summary, LoadError> {
    let (pieces, mut arriving) = mpsc::channel::<Bytes>(4);
    let reader = tokio::task::spawn_blocking(move || {
        let mut staging = Staging::new(pieces);
        let summary = upload::read(input, format, &mut |row| staging.push(row))?;
        staging.flush()?;
        Ok::<_, ReadError>(summary)
    });
    let mut copy = conn.copy_in_raw("copy staged_coupons from stdin (format csv)").await?;
    while let Some(piece) = arriving.recv().await {
        copy.send(piece).await?;
    }
    let read = reader.await.map_err(|lost| LoadError::Read(std::io::Error::other(lost)))?;
    match read {
        Ok(summary) => {
            copy.finish().await?;
            Ok(summary)
        }
        Err(fault) => {
            copy.abort("the file is refused").await?;
            Err(match fault {
                ReadError::Fault(fault) => LoadError::File(fault),
                ReadError::Io(error) => LoadError::Read(error),
                ReadError::SinkClosed(closed) => LoadError::Read(std::io::Error::other(closed)),
            })
        }
    }
}

/// Turns rows into pieces of CSV for `copy`.
struct Staging {
    writer: csv::Writer<Vec<u8>>,
    pieces: mpsc::Sender<Bytes>,
}

impl Staging {
    fn new(pieces: mpsc::Sender<Bytes>) -> Self {
        Self { writer: csv::Writer::from_writer(Vec::with_capacity(PIECE_BYTES)), pieces }
    }

    fn push(&mut self, row: Result<Row, Refused>) -> Result<(), SinkClosed> {
        let written = match &row {
            Ok(Row { line, code, pin }) => self.writer.write_record([
                line.to_string().as_str(),
                code.as_str(),
                code.key().as_str(),
                pin.as_ref().map_or("", |pin| pin.expose()),
                "",
                "",
            ]),
            Err(refused) => self.writer.write_record([
                refused.line.to_string().as_str(),
                refused.code.as_deref().unwrap_or_default(),
                "",
                "",
                refused.reason.as_str(),
                &refused.explain(),
            ]),
        };
        written.map_err(|_| SinkClosed)?;
        if self.writer.get_ref().len() >= PIECE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), SinkClosed> {
        let fresh = csv::Writer::from_writer(Vec::with_capacity(PIECE_BYTES));
        let full = std::mem::replace(&mut self.writer, fresh).into_inner().map_err(|_| SinkClosed)?;
        self.pieces.blocking_send(full.into()).map_err(|_| SinkClosed)
    }
}

async fn refuse_duplicates(conn: &mut PgConnection, load: &Load) -> sqlx::Result<()> {
    sqlx::query(
        "update staged_coupons s set reason = $1, message = $2
        from (select line, row_number() over (partition by code_key order by line) as nth from staged_coupons where reason is null) d
        where d.line = s.line and d.nth > 1 and s.reason is null",
    )
    .bind(RefusalReason::DuplicateInFile.as_str())
    .bind(RefusalReason::DuplicateInFile.explain())
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "update staged_coupons s
        set reason = case when g.bank_id = $2 then $3 else $5 end, message = case when g.bank_id = $2 then $4 else $6 end
        from coupons c join coupon_segments g on g.account_id = c.account_id and g.id = c.segment_id
        where s.reason is null and c.account_id = $1 and c.code_key = s.code_key",
    )
    .bind(load.account_id)
    .bind(load.bank_id)
    .bind(RefusalReason::ExistsInBank.as_str())
    .bind(RefusalReason::ExistsInBank.explain())
    .bind(RefusalReason::ExistsElsewhere.as_str())
    .bind(RefusalReason::ExistsElsewhere.explain())
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "update staged_coupons s set reason = $2, message = $3
        from referral_codes r
        where s.reason is null and r.account_id = $1 and r.code_key = s.code_key",
    )
    .bind(load.account_id)
    .bind(RefusalReason::CollidesWithReferralCode.as_str())
    .bind(RefusalReason::CollidesWithReferralCode.explain())
    .execute(&mut *conn)
    .await?;
    Ok(())
}

async fn report(conn: &mut PgConnection, summary: Summary) -> sqlx::Result<Report> {
    let counted: Vec<(Option<String>, i64)> =
        sqlx::query_as("select reason, count(*) from staged_coupons group by reason").fetch_all(&mut *conn).await?;
    let loaded = counted.iter().find(|(reason, _)| reason.is_none()).map_or(0, |(_, count)| *count);
    let refused_by_reason: BTreeMap<String, i64> =
        counted.into_iter().filter_map(|(reason, count)| Some((reason?, count))).collect();
    let refusals = sqlx::query_as(
        "select line, code, reason, message from staged_coupons where reason is not null order by line limit $1",
    )
    .bind(REFUSALS_LISTED_MAX)
    .fetch_all(&mut *conn)
    .await?;
    let sample: Vec<String> =
        sqlx::query_scalar("select code_key from staged_coupons where reason is null order by line limit $1")
            .bind(guessable::SAMPLE_MAX)
            .fetch_all(conn)
            .await?;
    Ok(Report {
        loaded,
        refused: refused_by_reason.values().sum(),
        refused_by_reason,
        refusals,
        summary,
        warnings: guessable::warnings(&sample),
    })
}

/// Makes a segment of the rows that remain, in an order drawn now and never changed.
async fn store_segment(conn: &mut PgConnection, load: &Load, size: i64) -> Result<(), LoadError> {
    if size == 0 {
        return Ok(());
    }
    let segment: i64 = sqlx::query_scalar(
        "insert into coupon_segments (account_id, bank_id, size, created_at) values ($1, $2, $3::bigint::int, $4) returning id",
    )
    .bind(load.account_id)
    .bind(load.bank_id)
    .bind(size)
    .bind(load.now)
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query(
        "insert into coupons (account_id, segment_id, position, code, code_key, pin)
        select $1, $2, row_number() over (order by gen_random_uuid()) - 1, code, code_key, pin
        from staged_coupons
        where reason is null",
    )
    .bind(load.account_id)
    .bind(segment)
    .execute(conn)
    .await?;
    Ok(())
}
