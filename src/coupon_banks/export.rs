//! Listing a bank: which code went to whom, as a page or as a CSV file of everything. Never with PINs.

use bytes::Bytes;
use sqlx::{PgConnection, PgPool};
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;

use super::{CouponStatus, ListedCoupon, store};
use crate::types::codes::FORMULA_STARTS;
use crate::types::ids::{AccountId, CouponBankId, CouponPlace, SegmentId};
use crate::types::page::{Found, PageRequest, Place, Span};

/// Rows read at once for a file.
const CHUNK_ROWS: i64 = 5_000;
/// The first line of a file.
const HEADER: [&str; 10] = [
    "code",
    "status",
    "issued_at",
    "referral_code",
    "campaign_id",
    "customer_id",
    "account_id",
    "email",
    "first_name",
    "last_name",
];

/// A bank, or the part of it in one status.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    pub account_id: AccountId,
    pub bank_id: CouponBankId,
    pub status: Option<CouponStatus>,
}

/// A part of a bank's coupons, segment by segment.
pub async fn list(conn: &mut PgConnection, selection: Selection, span: &Span) -> sqlx::Result<Found<ListedCoupon>> {
    let total = if span.counts { Some(count(conn, selection).await?) } else { None };
    let page = PageRequest { limit: span.limit, offset: span.offset };
    let rows = if span.is_past(total) {
        Vec::new()
    } else {
        store::list_coupons(conn, selection, coupon_at(span.after.id), page).await?
    };
    let rows = rows.into_iter().map(|(place, coupon)| (Place::of_id(number_of(place)), coupon));
    Ok(Found { total, rows: rows.collect() })
}

async fn count(conn: &mut PgConnection, selection: Selection) -> sqlx::Result<i64> {
    let counts = store::count(conn, selection.account_id, &[selection.bank_id]).await?;
    Ok(counts.first().map_or(0, |bank| {
        let counts = bank.counts();
        match selection.status {
            None => counts.total,
            Some(CouponStatus::Available) => counts.available,
            Some(CouponStatus::Issued) => counts.issued,
            Some(CouponStatus::Retired) => counts.retired,
        }
    }))
}

/// Bits of a coupon's position in its segment, which is never negative.
const POSITION_BITS: u32 = 31;

/// A coupon's place as one number, in the same order.
fn number_of(place: CouponPlace) -> i64 {
    (place.segment_id.0 << POSITION_BITS) | i64::from(place.position)
}

/// The place behind such a number; before every coupon for zero, as segments are numbered from one.
fn coupon_at(number: i64) -> CouponPlace {
    let position = i32::try_from(number & i64::from(i32::MAX)).unwrap_or(i32::MAX);
    CouponPlace { segment_id: SegmentId(number >> POSITION_BITS), position }
}

/// Before every coupon of a bank.
const FIRST: CouponPlace = CouponPlace { segment_id: SegmentId(0), position: -1 };

/// Writes the whole selection as CSV, piece by piece. Stops early when nobody receives any more; an error ends the
/// stream in the receiver's sight.
pub async fn stream_csv(pool: PgPool, selection: Selection, pieces: mpsc::Sender<Result<Bytes, sqlx::Error>>) {
    if let Err(fault) = write_csv(&pool, selection, &pieces).await {
        tracing::warn!(error = %fault, "an export broke off");
        // The receiver may be gone already.
        let _ = pieces.send(Err(fault)).await;
    }
}

async fn write_csv(
    pool: &PgPool,
    selection: Selection,
    pieces: &mpsc::Sender<Result<Bytes, sqlx::Error>>,
) -> sqlx::Result<()> {
    let mut after = FIRST;
    let mut first = true;
    loop {
        // A connection is held for one chunk at a time: a slow reader must not keep it.
        let rows = {
            let mut conn = pool.acquire().await?;
            store::list_coupons(&mut conn, selection, after, PageRequest { limit: CHUNK_ROWS, offset: 0 }).await?
        };
        let is_last = rows.len() < usize::try_from(CHUNK_ROWS).unwrap_or(usize::MAX);
        after = rows.last().map_or(after, |(place, _)| *place);
        let piece = csv_of(rows.into_iter().map(|(_, coupon)| coupon), first).map_err(sqlx::Error::decode)?;
        first = false;
        if pieces.send(Ok(piece)).await.is_err() || is_last {
            return Ok(());
        }
    }
}

fn csv_of(
    rows: impl Iterator<Item = ListedCoupon>,
    with_header: bool,
) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if with_header {
        writer.write_record(HEADER)?;
    }
    for row in rows {
        let customer = row.customer.as_ref();
        let issued_at = row.issued_at.map(|at| at.format(&Rfc3339)).transpose()?;
        writer.write_record([
            guarded(row.code.as_str()),
            row.status.as_str().to_owned(),
            issued_at.unwrap_or_default(),
            guarded(row.referral_code.as_deref().unwrap_or_default()),
            row.campaign_id.map(|id| id.to_string()).unwrap_or_default(),
            customer.map(|customer| customer.id.to_string()).unwrap_or_default(),
            guarded(customer.and_then(|customer| customer.external_id.as_ref()).map_or("", |id| id.as_str())),
            guarded(customer.and_then(|customer| customer.email.as_ref()).map_or("", |email| email.as_str())),
            guarded(customer.and_then(|customer| customer.first_name.as_deref()).unwrap_or_default()),
            guarded(customer.and_then(|customer| customer.last_name.as_deref()).unwrap_or_default()),
        ])?;
    }
    Ok(writer.into_inner().map_err(|error| error.into_error())?.into())
}

/// A cell that no spreadsheet takes for a formula.
fn guarded(cell: &str) -> String {
    let is_formula = cell.starts_with(FORMULA_STARTS) || cell.starts_with(['\t', '\r', '\n']);
    if is_formula { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_guarded() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", "＝1"] {
            assert_eq!(guarded(formula), format!("'{formula}"));
        }
        assert_eq!(guarded("Clooney1"), "Clooney1");
    }
}
