//! Listing purchases.

use sqlx::PgConnection;

use super::{OrderKey, Purchase, list_store, store};
use crate::referral_codes::list::{Codes, Nobodys, resolve};
use crate::types::email::EmailKey;
use crate::types::ids::{AccountId, CampaignId, PurchaseId, ReferralCodeId};
use crate::types::page::{Found, Span, Step};
use crate::types::text::OpaqueId;

/// Which purchases are wanted: those of which all of this is true.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of the referral code to whose advocate they are credited.
    pub codes: Codes,
    pub choice: Choice,
}

/// What is left to look for once codes have become numbers. The list is read along the first of these that is said.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub order_id: Option<OpaqueId>,
    /// The order's address, or its customer's where it has none.
    pub email: Option<EmailKey>,
    /// The merchant's number for the buyer.
    pub external_id: Option<OpaqueId>,
    pub referral_code_id: Option<ReferralCodeId>,
    pub campaign_id: Option<CampaignId>,
}

/// Reads a part of the list.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    wanted: &Wanted,
    span: &Span,
) -> sqlx::Result<Found<Purchase>> {
    let mut choice = wanted.choice.clone();
    match resolve(conn, account, &wanted.codes).await? {
        Ok(id) => choice.referral_code_id = id,
        Err(Nobodys) => return Ok(Found::nothing(span)),
    }
    let total = if span.counts { Some(count(conn, account, &choice, span).await?) } else { None };
    let steps = if span.is_past(total) {
        Vec::new()
    } else if choice.order_id.is_some() {
        list_store::list_by_order(conn, account, &choice, span).await?
    } else if choice.email.is_some() {
        list_store::list_by_email(conn, account, &choice, span).await?
    } else if choice.external_id.is_some() {
        list_store::list_by_external_id(conn, account, &choice, span).await?
    } else if choice.referral_code_id.is_some() {
        list_store::list_by_referral_code(conn, account, &choice, span).await?
    } else if choice.campaign_id.is_some() {
        list_store::list_by_campaign(conn, account, &choice, span).await?
    } else {
        list_store::list_all(conn, account, &choice, span).await?
    };
    load(conn, account, total, &steps).await
}

/// Reads the purchases of steps.
pub async fn load(
    conn: &mut PgConnection,
    account: AccountId,
    total: Option<i64>,
    steps: &[Step],
) -> sqlx::Result<Found<Purchase>> {
    let ids: Vec<PurchaseId> = steps.iter().map(|step| PurchaseId(step.row_id)).collect();
    let keys = if ids.is_empty() { Vec::new() } else { list_store::find_keys(conn, account, &ids).await? };
    let keys: Vec<&OrderKey> = keys.iter().collect();
    let purchases = if keys.is_empty() { Vec::new() } else { store::find_all(conn, &keys).await? };
    Ok(Found::new(total, steps, purchases.into_iter().map(|purchase| (purchase.id.0, purchase))))
}

async fn count(conn: &mut PgConnection, account: AccountId, choice: &Choice, span: &Span) -> sqlx::Result<i64> {
    if choice.order_id.is_some() {
        list_store::count_by_order(conn, account, choice, span).await
    } else if choice.email.is_some() {
        list_store::count_by_email(conn, account, choice, span).await
    } else if choice.external_id.is_some() {
        list_store::count_by_external_id(conn, account, choice, span).await
    } else if choice.referral_code_id.is_some() {
        list_store::count_by_referral_code(conn, account, choice, span).await
    } else if choice.campaign_id.is_some() {
        list_store::count_by_campaign(conn, account, choice, span).await
    } else {
        list_store::count_all(conn, account, choice, span).await
    }
}
