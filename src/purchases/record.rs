//! Recording purchases: each order once, attributed on the evidence that came with it.
//!
//! Everything is a batch. What the rows' codes lead to is loaded, decided, and inserted; the unique key passes over orders
//! that were recorded before, and only those are read. What was stored now is not read back: the answer is made of what
//! was stored.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::store::{self, NewPurchase};
use super::{AttributedTo, Conversion, OrderKey, Purchase, PurchaseToRecord, Recorded, facts};
use crate::attribution::{self, Attribution, Block, Buyer, Decision, Evidence, EvidenceKind, Finding, Holder};
use crate::conversions::{self, NewConversion, Status};
use crate::customers;
use crate::db::Abort;
use crate::referral_codes::store::{self as referral_codes, CodeHolder};
use crate::types::codes::{CodeKey, RecordedCode};
use crate::types::ids::{AccountId, ConversionId, CustomerId, PurchaseId};
use crate::types::text::Name;

/// Records purchases, all rows in one transaction of the caller's. Answers in the order of `rows`. Aborts when an order
/// is neither stored by us nor found: the caller runs it again.
pub async fn record_batch(
    conn: &mut PgConnection,
    rows: &[PurchaseToRecord],
    now: OffsetDateTime,
) -> Result<Vec<Recorded>, Abort> {
    // Of several reports of one order in the batch the first is stored, and the others are repeats of it.
    let mut first_of: HashMap<&OrderKey, usize> = HashMap::with_capacity(rows.len());
    let mut firsts: Vec<&PurchaseToRecord> = Vec::with_capacity(rows.len());
    for row in rows {
        first_of.entry(&row.key).or_insert_with(|| {
            firsts.push(row);
            firsts.len() - 1
        });
    }
    let mut purchases = store_new(conn, &firsts, now).await?;
    let mut is_new: Vec<bool> = purchases.iter().map(Option::is_some).collect();
    let known: Vec<&OrderKey> =
        firsts.iter().zip(&is_new).filter(|(_, is_new)| !**is_new).map(|(row, _)| &row.key).collect();
    if !known.is_empty() {
        for purchase in store::find_all(conn, &known).await? {
            let first = first_of.get(&purchase.key).copied();
            if let Some(place) = first.and_then(|first| purchases.get_mut(first)) {
                *place = Some(purchase);
            }
        }
    }
    rows.iter()
        .map(|row| {
            let first = *first_of.get(&row.key).ok_or(Abort::LostRace)?;
            let purchase = purchases[first].as_ref().ok_or(Abort::LostRace)?;
            if std::mem::take(&mut is_new[first]) {
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

/// Stores the orders that were not recorded before, and gives them as they are stored; nothing for the others.
async fn store_new(
    conn: &mut PgConnection,
    rows: &[&PurchaseToRecord],
    now: OffsetDateTime,
) -> Result<Vec<Option<Purchase>>, Abort> {
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
    let conversions = convert(conn, &new, &ids, now).await?;
    let stored = new.into_iter().map(|new| {
        let id = *ids.get(&new.row.key)?;
        let attribution = new.decision.outcome.as_ref().ok();
        let conversion = attribution.and_then(|attribution| {
            let id = *conversions.get(&(new.row.key.account_id, id))?;
            Some(conversion(id, attribution, now))
        });
        let attributed_to =
            attribution.and_then(|found| evidence.attributed_to(new.row, found.via, new.decision.conflicting_codes));
        Some(stored_purchase(&new, id, attributed_to, conversion, now))
    });
    Ok(stored.collect())
}

/// Stores the conversions that follow from purchases stored just now.
async fn convert(
    conn: &mut PgConnection,
    new: &[NewPurchase<'_>],
    ids: &HashMap<OrderKey, PurchaseId>,
    now: OffsetDateTime,
) -> sqlx::Result<HashMap<(AccountId, PurchaseId), ConversionId>> {
    let conversions: Vec<NewConversion> = new
        .iter()
        .filter_map(|new| {
            let attribution = new.decision.outcome.as_ref().ok()?;
            Some(NewConversion {
                account_id: new.row.key.account_id,
                purchase_id: *ids.get(&new.row.key)?,
                campaign_id: attribution.holder.campaign_id,
                referral_code_id: attribution.holder.referral_code_id,
                status: Status::initial(attribution),
                fraud: attribution.fraud,
            })
        })
        .collect();
    if conversions.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(conversions::store::insert_all(conn, &conversions, now).await?.into_iter().collect())
}

fn conversion(id: ConversionId, attribution: &Attribution, now: OffsetDateTime) -> Conversion {
    let fraud = attribution.fraud;
    Conversion {
        id,
        status: Status::initial(attribution).as_str().to_owned(),
        same_email: fraud.same_email,
        fuzzy_email: fraud.fuzzy_email,
        same_customer: fraud.same_customer,
        same_shopper: fraud.same_shopper,
        created_at: now,
    }
}

/// The purchase as [`store::find_all`] would read it.
fn stored_purchase(
    new: &NewPurchase<'_>,
    id: PurchaseId,
    attribution: Option<AttributedTo>,
    conversion: Option<Conversion>,
    now: OffsetDateTime,
) -> Purchase {
    let row = new.row;
    let text = |name: &Option<Name>| name.as_ref().map(|name| name.as_str().to_owned());
    Purchase {
        key: row.key.clone(),
        id,
        total: row.total,
        email: row.email.clone(),
        new_customer: row.new_customer,
        ordered_at: row.date.unwrap_or(now),
        customer_id: new.customer_id,
        customer_external_id: row.customer.external_id.clone(),
        customer_email: row.customer.email.clone(),
        customer_first_name: text(&row.customer.first_name),
        customer_last_name: text(&row.customer.last_name),
        products: row.products.clone().unwrap_or_default(),
        ip_address: row.ip_address.map(|ip| ip.to_string()),
        coupon_code: row.coupon_code.clone(),
        referral_code: row.referral_code.clone(),
        attribution,
        reason: new.decision.outcome.as_ref().err().map(|reason| reason.as_str().to_owned()),
        conversion,
        created_at: now,
    }
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

/// Decides who referred an order, and stores nothing. Gives the advocate too.
pub async fn decide(conn: &mut PgConnection, row: &PurchaseToRecord) -> sqlx::Result<(Decision, Option<AttributedTo>)> {
    let evidence = CodeBook::load(conn, &[row]).await?;
    let decision = attribution::decide(&buyer(row), &evidence.about(row), attribution::LEGACY_PRECEDENCE);
    let found = decision.outcome.as_ref().ok();
    let to = found.and_then(|found| evidence.attributed_to(row, found.via, decision.conflicting_codes));
    Ok((decision, to))
}

/// What the codes in a batch lead to.
struct CodeBook {
    referral_codes: HashMap<(AccountId, CodeKey), CodeHolder>,
    /// Nobody holds the coupons that are free.
    coupons: HashMap<(AccountId, CodeKey), Option<CodeHolder>>,
}

impl CodeBook {
    async fn load(conn: &mut PgConnection, rows: &[&PurchaseToRecord]) -> sqlx::Result<Self> {
        let presented = |code: fn(&PurchaseToRecord) -> Option<&RecordedCode>| -> (Vec<AccountId>, Vec<CodeKey>) {
            rows.iter().filter_map(|row| Some((row.key.account_id, code(row)?.key()?))).unzip()
        };
        let (accounts, keys) = presented(|row| row.referral_code.as_ref());
        let referral_codes =
            if keys.is_empty() { Vec::new() } else { referral_codes::find_holders(conn, &accounts, &keys).await? };
        let (accounts, keys) = presented(|row| row.coupon_code.as_ref());
        let coupons = if keys.is_empty() {
            Vec::new()
        } else {
            referral_codes::find_coupon_holders(conn, &accounts, &keys).await?
        };
        Ok(Self { referral_codes: referral_codes.into_iter().collect(), coupons: coupons.into_iter().collect() })
    }

    fn find(&self, row: &PurchaseToRecord, kind: EvidenceKind) -> Option<Option<&CodeHolder>> {
        let code = match kind {
            EvidenceKind::ReferralCode => &row.referral_code,
            EvidenceKind::CouponCode => &row.coupon_code,
        };
        let key = (row.key.account_id, code.as_ref()?.key()?);
        match kind {
            EvidenceKind::ReferralCode => self.referral_codes.get(&key).map(Some),
            EvidenceKind::CouponCode => self.coupons.get(&key).map(Option::as_ref),
        }
    }

    /// The evidence that one purchase carries. A blank code is none.
    fn about(&self, row: &PurchaseToRecord) -> Vec<Evidence> {
        let codes = [(EvidenceKind::ReferralCode, &row.referral_code), (EvidenceKind::CouponCode, &row.coupon_code)];
        codes
            .into_iter()
            .filter(|(_, code)| code.as_ref().and_then(RecordedCode::key).is_some())
            .map(|(kind, _)| {
                let finding = match self.find(row, kind) {
                    Some(Some(holder)) => holder.into(),
                    Some(None) => Finding::Unbound,
                    None => Finding::Unknown,
                };
                Evidence { kind, finding }
            })
            .collect()
    }

    /// The advocate to whom the evidence of this kind led.
    fn attributed_to(
        &self,
        row: &PurchaseToRecord,
        via: EvidenceKind,
        conflicting_codes: bool,
    ) -> Option<AttributedTo> {
        let holder = self.find(row, via)??;
        Some(AttributedTo {
            via: via.as_str().to_owned(),
            referral_code: holder.referral_code.clone(),
            coupon_code: holder.coupon_code.clone(),
            campaign_id: holder.campaign_id,
            campaign_name: holder.campaign_name.clone(),
            advocate: holder.advocate.clone(),
            conflicting_codes,
        })
    }
}

impl From<&CodeHolder> for Finding {
    fn from(holder: &CodeHolder) -> Self {
        if holder.is_customer_blocked {
            return Self::Blocked(Block::Customer, holder.referral_code_id);
        }
        if holder.is_code_blocked {
            return Self::Blocked(Block::Code, holder.referral_code_id);
        }
        Self::Names(Holder {
            referral_code_id: holder.referral_code_id,
            campaign_id: holder.campaign_id,
            external_id: holder.advocate.external_id.clone(),
            email: holder.advocate.email.clone(),
            self_referral: holder.self_referral,
        })
    }
}
