//! Recording purchases: each order once, attributed on the evidence that came with it.
//!
//! Everything is a batch. What was stored before under an order's id is found first, so a repeat writes nothing; a
//! rival who stores it meanwhile is noticed by the unique key, and the batch is done again.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::store::{self, NewPurchase};
use super::{OrderKey, Purchase, PurchaseToRecord, Recorded, facts};
use crate::attribution::{self, Buyer, Decision, Evidence, EvidenceKind, Finding, Holder};
use crate::conversions::{self, NewConversion, Status};
use crate::coupon_banks;
use crate::customers;
use crate::db::Abort;
use crate::referral_codes::store::{self as referral_codes, CodeHolder};
use crate::types::codes::{CodeKey, RecordedCode};
use crate::types::ids::{AccountId, CustomerId, PurchaseId};

/// Records purchases, all rows in one transaction of the caller's. Answers in the order of `rows`. Aborts when a rival
/// stored one of the same orders first: the caller runs it again.
pub async fn record_batch(
    conn: &mut PgConnection,
    rows: &[PurchaseToRecord],
    now: OffsetDateTime,
) -> Result<Vec<Recorded>, Abort> {
    let keys: Vec<&OrderKey> = rows.iter().map(|row| &row.key).collect();
    let mut seen: HashSet<OrderKey> = store::find_known(conn, &keys).await?.into_iter().collect();
    // Of several reports of one new order in the batch the first is stored and the others are repeats of it.
    let new: Vec<&PurchaseToRecord> = rows.iter().filter(|row| seen.insert(row.key.clone())).collect();
    let stored = if new.is_empty() { HashSet::new() } else { store_new(conn, &new, now).await? };
    let found = store::find_all(conn, &keys).await?;
    let after: HashMap<&OrderKey, &Purchase> = found.iter().map(|purchase| (&purchase.key, purchase)).collect();

    let mut answered_as_new = HashSet::new();
    rows.iter()
        .map(|row| {
            let purchase = *after.get(&row.key).ok_or(Abort::LostRace)?;
            if stored.contains(&purchase.id) && answered_as_new.insert(purchase.id) {
                return Ok(Recorded::New(Box::new(purchase.clone())));
            }
            let fields = facts::differences(purchase, row);
            Ok(if fields.is_empty() {
                Recorded::Replayed(Box::new(purchase.clone()))
            } else {
                Recorded::Conflict(fields)
            })
        })
        .collect()
}

async fn store_new(
    conn: &mut PgConnection,
    rows: &[&PurchaseToRecord],
    now: OffsetDateTime,
) -> Result<HashSet<PurchaseId>, Abort> {
    let evidence = CodeBook::load(conn, rows).await?;
    let friends = recognise(conn, rows).await?;
    let decisions: Vec<Decision> = rows
        .iter()
        .map(|row| attribution::decide(&buyer(row), &evidence.about(row), attribution::LEGACY_PRECEDENCE))
        .collect();
    let new: Vec<NewPurchase> = rows
        .iter()
        .zip(&friends)
        .zip(&decisions)
        .map(|((row, customer_id), decision)| NewPurchase { row, customer_id: *customer_id, decision })
        .collect();
    let ids = store::insert_all(conn, &new, now).await?;
    if ids.len() < rows.len() {
        return Err(Abort::LostRace);
    }
    let conversions: Vec<NewConversion> = rows
        .iter()
        .zip(&decisions)
        .filter_map(|(row, decision)| {
            let attribution = decision.outcome.as_ref().ok()?;
            Some(NewConversion {
                account_id: row.key.account_id,
                purchase_id: *ids.get(&row.key)?,
                campaign_id: attribution.holder.campaign_id,
                referral_code_id: attribution.holder.referral_code_id,
                status: Status::initial(attribution.fraud),
                fraud: attribution.fraud,
            })
        })
        .collect();
    if !conversions.is_empty() {
        conversions::store::insert_all(conn, &conversions, now).await?;
    }
    Ok(ids.into_values().collect())
}

fn buyer(row: &PurchaseToRecord) -> Buyer {
    Buyer {
        external_id: row.customer.external_id.clone(),
        emails: row.email.iter().chain(&row.customer.email).cloned().collect(),
    }
}

/// The customers who bought, where they are known. Of most buyers an order says only an address.
async fn recognise(conn: &mut PgConnection, rows: &[&PurchaseToRecord]) -> sqlx::Result<Vec<Option<CustomerId>>> {
    let is_named = |row: &PurchaseToRecord| row.customer.external_id.is_some() || row.customer.email.is_some();
    let people: Vec<_> =
        rows.iter().filter(|row| is_named(row)).map(|row| (row.key.account_id, &row.customer)).collect();
    let mut recognised = customers::recognise(conn, &people).await?.into_iter();
    Ok(rows.iter().map(|row| if is_named(row) { recognised.next().flatten() } else { None }).collect())
}

/// What the codes in a batch lead to.
struct CodeBook {
    referral_codes: HashMap<(AccountId, CodeKey), CodeHolder>,
    coupons: HashMap<(AccountId, CodeKey), CodeHolder>,
    unbound: HashSet<(AccountId, CodeKey)>,
}

impl CodeBook {
    async fn load(conn: &mut PgConnection, rows: &[&PurchaseToRecord]) -> sqlx::Result<Self> {
        let presented = |code: fn(&PurchaseToRecord) -> Option<&RecordedCode>| -> (Vec<AccountId>, Vec<CodeKey>) {
            rows.iter().filter_map(|row| Some((row.key.account_id, code(row)?.key()?))).unzip()
        };
        let by_key = |holders: Vec<CodeHolder>| {
            holders.into_iter().map(|holder| ((holder.account_id, holder.key.clone()), holder)).collect()
        };
        let (accounts, keys) = presented(|row| row.referral_code.as_ref());
        let referral_codes =
            if keys.is_empty() { Vec::new() } else { referral_codes::find_holders(conn, &accounts, &keys).await? };
        let (accounts, keys) = presented(|row| row.coupon_code.as_ref());
        let coupons: HashMap<_, _> = if keys.is_empty() {
            HashMap::new()
        } else {
            by_key(referral_codes::find_coupon_holders(conn, &accounts, &keys).await?)
        };
        // Only codes that nobody holds need the second look: is it a coupon at all?
        let (accounts, keys): (Vec<_>, Vec<_>) = accounts
            .into_iter()
            .zip(keys)
            .filter(|(account, key)| !coupons.contains_key(&(*account, key.clone())))
            .unzip();
        let unbound = if keys.is_empty() {
            Vec::new()
        } else {
            coupon_banks::store::find_by_keys(conn, &accounts, &keys).await?
        };
        Ok(Self {
            referral_codes: by_key(referral_codes),
            coupons,
            unbound: unbound.into_iter().map(|coupon| (coupon.account_id, coupon.code_key)).collect(),
        })
    }

    /// The evidence that one purchase carries. A blank code is none.
    fn about(&self, row: &PurchaseToRecord) -> Vec<Evidence> {
        let account = row.key.account_id;
        let key_of = |code: &Option<RecordedCode>| code.as_ref().and_then(RecordedCode::key).map(|key| (account, key));
        let found = |holder: &CodeHolder| Finding::Names(holder.into());
        let by_referral_code = key_of(&row.referral_code).map(|key| Evidence {
            kind: EvidenceKind::ReferralCode,
            finding: self.referral_codes.get(&key).map_or(Finding::Unknown, found),
        });
        let by_coupon = key_of(&row.coupon_code).map(|key| Evidence {
            kind: EvidenceKind::CouponCode,
            finding: match self.coupons.get(&key) {
                Some(holder) => found(holder),
                None if self.unbound.contains(&key) => Finding::Unbound,
                None => Finding::Unknown,
            },
        });
        by_referral_code.into_iter().chain(by_coupon).collect()
    }
}

impl From<&CodeHolder> for Holder {
    fn from(holder: &CodeHolder) -> Self {
        Self {
            referral_code_id: holder.referral_code_id,
            campaign_id: holder.campaign_id,
            external_id: holder.external_id.clone(),
            email: holder.email.clone(),
        }
    }
}
