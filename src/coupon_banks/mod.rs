//! Coupon banks: stocks of codes that a merchant made in his shop and loaded here. A coupon is free, then issued to one
//! advocate for ever, or retired before anybody held it.
//!
//! [`claim`] is the only way to a free coupon, [`import`] the only way in.

pub mod alerts;
pub mod claim;
pub mod claim_store;
pub mod draw;
pub mod export;
mod guessable;
pub mod http;
pub mod import;
pub mod retire;
pub mod seen;
pub mod stock;
pub mod stock_store;
pub mod store;
pub mod upload;
pub mod watch;

use std::collections::HashMap;

use rust_decimal::Decimal;
use sqlx::PgConnection;
use time::OffsetDateTime;

use self::stock::{AvailableThreshold, Change, DaysThreshold, LowStock, ShareThreshold, Stock};
use crate::db::Fault;
use crate::types::codes::{CodeKey, CouponCode};
use crate::types::ids::{AccountId, CampaignId, CouponBankId, CouponPlace};
use crate::types::page::{Found, Place, Span};
use crate::types::text::Name;

/// A coupon bank.
#[derive(Clone, Debug)]
pub struct CouponBank {
    pub account_id: AccountId,
    pub id: CouponBankId,
    pub name: String,
    pub low_stock_available: Option<i64>,
    pub low_stock_share: Option<Decimal>,
    pub low_stock_days_left: Option<i32>,
    pub created_at: OffsetDateTime,
}

impl CouponBank {
    /// From when on the bank counts as low.
    pub fn low_stock(&self) -> LowStock {
        LowStock::stored(self.low_stock_available, self.low_stock_share, self.low_stock_days_left)
    }
}

/// A bank that is to be created. With an `id` the merchant keeps the one his code knows.
#[derive(Clone, Debug)]
pub struct NewCouponBank {
    pub id: Option<CouponBankId>,
    pub name: Name,
    pub low_stock: LowStock,
}

/// What is to change of a bank.
#[derive(Clone, Debug)]
pub struct CouponBankChange {
    pub name: Option<Name>,
    pub low_stock: LowStockChange,
}

/// What is to change of a bank's thresholds.
#[derive(Clone, Copy, Debug, Default)]
pub struct LowStockChange {
    pub available: Change<AvailableThreshold>,
    pub share: Change<ShareThreshold>,
    pub days_left: Change<DaysThreshold>,
}

/// A bank with what it holds and how long that lasts.
#[derive(Clone, Debug)]
pub struct StockedBank {
    pub bank: CouponBank,
    pub counts: Counts,
    pub stock: Stock,
}

impl StockedBank {
    /// A bank that was created now.
    pub fn empty(bank: CouponBank, now: OffsetDateTime) -> Self {
        let counts = Counts::default();
        let stock = stock::judge(counts, stock::Pace::default(), bank.low_stock(), now);
        Self { bank, counts, stock }
    }
}

/// What a bank holds: `total` is the sum of the other three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    pub total: i64,
    pub issued: i64,
    pub retired: i64,
    pub available: i64,
}

/// A coupon as loaded: where it lies, and the folded code that finds it.
#[derive(Clone, Debug)]
pub struct Coupon {
    pub account_id: AccountId,
    pub place: CouponPlace,
    pub bank_id: CouponBankId,
    pub code_key: CodeKey,
}

/// What has become of a coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum CouponStatus {
    Available,
    Issued,
    Retired,
}

impl CouponStatus {
    /// The status with this spelling.
    pub fn named(text: &str) -> Option<Self> {
        match text {
            "available" => Some(Self::Available),
            "issued" => Some(Self::Issued),
            "retired" => Some(Self::Retired),
            _ => None,
        }
    }

    /// The status's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Issued => "issued",
            Self::Retired => "retired",
        }
    }
}

/// A line of a bank's list: a coupon and who holds it. Never with its PIN.
#[derive(Clone, Debug)]
pub struct ListedCoupon {
    pub code: CouponCode,
    pub status: CouponStatus,
    pub issued_at: Option<OffsetDateTime>,
    pub referral_code: Option<String>,
    pub campaign_id: Option<CampaignId>,
    pub customer: Option<crate::customers::Customer>,
}

/// How often the next id is drawn when ids given by hand stand in the sequence's way.
const ID_TRIES_MAX: u32 = 1_000;

/// Creates a bank. Nothing when its given id is taken.
pub async fn create(
    conn: &mut PgConnection,
    account: AccountId,
    new: NewCouponBank,
    now: OffsetDateTime,
) -> Result<Option<CouponBank>, Fault> {
    for _ in 0..ID_TRIES_MAX {
        let inserted = store::insert(conn, account, &new, now).await?;
        if inserted.is_some() || new.id.is_some() {
            return Ok(inserted);
        }
    }
    Ok(None)
}

/// Adds to an account's banks what they hold.
pub async fn take_stock(
    conn: &mut PgConnection,
    account: AccountId,
    banks: Vec<CouponBank>,
    now: OffsetDateTime,
) -> sqlx::Result<Vec<StockedBank>> {
    let ids: Vec<_> = banks.iter().map(|bank| bank.id).collect();
    let counted = store::count(conn, account, &ids).await?;
    let counted: HashMap<_, _> = counted.iter().map(|one| (one.bank_id, one.counts())).collect();
    let paces = stock_store::find_paces(conn, &vec![account; ids.len()], &ids, now).await?;
    let paces: HashMap<_, _> = paces.iter().map(|one| (one.bank_id, one.pace())).collect();
    let stocked = banks.into_iter().map(|bank| {
        let counts = counted.get(&bank.id).copied().unwrap_or_default();
        let pace = paces.get(&bank.id).copied().unwrap_or_default();
        let stock = stock::judge(counts, pace, bank.low_stock(), now);
        StockedBank { bank, counts, stock }
    });
    Ok(stocked.collect())
}

/// Reads a part of the list of an account's banks, which is in the order of their ids.
pub async fn list(conn: &mut PgConnection, account: AccountId, span: &Span) -> sqlx::Result<Found<CouponBank>> {
    let total = if span.counts { Some(store::count_all(conn, account, span).await?) } else { None };
    let rows = if span.is_past(total) { Vec::new() } else { store::list(conn, account, span).await? };
    Ok(Found { total, rows: rows.into_iter().map(|row| (Place::of_id(row.id.0), row)).collect() })
}
