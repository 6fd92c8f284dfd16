//! Taking coupons out of a bank before anybody holds them. One that is issued stays its advocate's.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::claim::Want;
use super::{Counts, claim_store, store};
use crate::db::Fault;
use crate::types::codes::{self, CodeKey, RecordedCode};
use crate::types::ids::{AccountId, CouponBankId, CouponPlace, SegmentId};

/// Most characters of a request that are repeated in its answer.
const ECHO_CHARS_MAX: usize = 64;

/// Why a coupon was not retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    CouponNotFound,
    CouponIssued,
}

/// A code that was not retired, as it was sent, cut at 64 characters.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Refused {
    pub code: String,
    pub reason: Refusal,
}

/// What became of the codes.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    pub retired: usize,
    pub already_retired: usize,
    pub refused: Vec<Refused>,
    pub counts: Counts,
}

/// Retires the coupons behind codes, as many as can be. Nothing when there is no such bank.
pub async fn retire(
    conn: &mut PgConnection,
    account: AccountId,
    bank: CouponBankId,
    codes: &[RecordedCode],
    now: OffsetDateTime,
) -> Result<Option<Report>, Fault> {
    if store::find_all(conn, &[account], &[bank]).await?.is_empty() {
        return Ok(None);
    }
    let keys: Vec<CodeKey> = codes.iter().map(|code| codes::fold(code.as_str())).collect();
    let found = store::find_by_keys(conn, &vec![account; keys.len()], &keys).await?;
    let found: HashMap<CodeKey, CouponPlace> = found
        .into_iter()
        .filter(|coupon| coupon.bank_id == bank)
        .map(|coupon| (coupon.code_key, coupon.place))
        .collect();
    let wants: Vec<(AccountId, Want)> = found.values().map(|place| (account, Want::This(*place))).collect();
    claim_store::lock_segments(conn, &wants).await?;
    let places: Vec<(AccountId, CouponPlace)> = found.values().map(|place| (account, *place)).collect();
    let gone: HashMap<CouponPlace, bool> =
        claim_store::find_gone(conn, &places).await?.into_iter().map(|gone| (gone.place(), gone.retired)).collect();

    let mut report = Report { retired: 0, already_retired: 0, refused: Vec::new(), counts: Counts::default() };
    let mut retiring = HashSet::new();
    for (code, key) in codes.iter().zip(&keys) {
        let refuse = |reason| Refused { code: code.as_str().chars().take(ECHO_CHARS_MAX).collect(), reason };
        match found.get(key).map(|place| (place, gone.get(place))) {
            None => report.refused.push(refuse(Refusal::CouponNotFound)),
            Some((_, Some(false))) => report.refused.push(refuse(Refusal::CouponIssued)),
            Some((_, Some(true))) => report.already_retired += 1,
            Some((place, None)) if retiring.insert(*place) => report.retired += 1,
            Some((_, None)) => report.already_retired += 1,
        }
    }
    let segments: HashSet<SegmentId> = retiring.iter().map(|place| place.segment_id).collect();
    claim_store::count_revisions(conn, account, &segments.into_iter().collect::<Vec<_>>()).await?;
    claim_store::insert_retirements(conn, account, &retiring.into_iter().collect::<Vec<_>>(), now).await?;
    report.counts =
        store::count(conn, account, &[bank]).await?.first().map(store::BankCounts::counts).unwrap_or_default();
    Ok(Some(report))
}
