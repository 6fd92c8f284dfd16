//! Listing conversions, and reading one with all that belongs to it.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::list_store as store;
use crate::attribution::Fraud;
use crate::campaigns::Terms;
use crate::customers::Customer;
use crate::referral_codes::list::{Codes, Nobodys, resolve};
use crate::rewards::Reward;
use crate::types::codes::RecordedCode;
use crate::types::email::{Email, EmailKey};
use crate::types::ids::{AccountId, CampaignId, ConversionId, CustomerId, PurchaseId, ReferralCodeId};
use crate::types::money::{Money, Price};
use crate::types::page::{Found, Span};
use crate::types::text::OpaqueId;

/// Which conversions are wanted: those of which all of this is true.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub codes: Codes,
    pub choice: Choice,
}

/// What is left to look for once codes have become numbers. The list is read along the first of these that is said.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Of these advocates' conversions: asked for alone, or with a campaign and a status.
    pub advocate_id: Option<CustomerId>,
    pub order_id: Option<OpaqueId>,
    /// The friend's.
    pub email: Option<EmailKey>,
    pub referral_code_id: Option<ReferralCodeId>,
    pub campaign_id: Option<CampaignId>,
    pub status: Option<&'static str>,
}

/// A conversion with its campaign, its advocate, its purchase and its rewards.
#[derive(Clone, Debug)]
pub struct ListedConversion {
    pub id: ConversionId,
    pub status: String,
    pub fraud: Fraud,
    pub created_at: OffsetDateTime,
    pub campaign: Terms,
    pub referral_code: String,
    /// The coupon that the referral code holds.
    pub coupon_code: Option<String>,
    pub advocate: Customer,
    pub purchase: ConvertedPurchase,
    pub rewards: Vec<Reward>,
}

/// The purchase that a conversion was made of.
#[derive(Clone, Debug)]
pub struct ConvertedPurchase {
    pub id: PurchaseId,
    pub source: String,
    pub order_id: OpaqueId,
    pub ordered_at: OffsetDateTime,
    pub total: Money,
    pub email: Option<Email>,
    pub new_customer: Option<bool>,
    pub ip_address: Option<String>,
    pub coupon_code: Option<RecordedCode>,
    pub referral_code: Option<RecordedCode>,
    /// The buyer as the order named him, with our number for him if he is a customer we know.
    pub customer_id: Option<CustomerId>,
    pub customer_external_id: Option<OpaqueId>,
    pub customer_email: Option<Email>,
    pub customer_first_name: Option<String>,
    pub customer_last_name: Option<String>,
    pub products: Vec<BoughtProduct>,
}

/// A line of the order. Stored as it was read, so it can be shown as it is.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct BoughtProduct {
    pub sku: Option<String>,
    pub name: Option<String>,
    pub price: Option<Price>,
    pub quantity: Option<i64>,
}

/// Reads a part of the list.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    wanted: &Wanted,
    span: &Span,
) -> sqlx::Result<Found<ListedConversion>> {
    let mut choice = wanted.choice.clone();
    match resolve(conn, account, &wanted.codes).await? {
        Ok(id) => choice.referral_code_id = id,
        Err(Nobodys) => return Ok(Found::nothing(span)),
    }
    let total = if span.counts { Some(count(conn, account, &choice, span).await?) } else { None };
    let steps = if span.is_past(total) {
        Vec::new()
    } else if choice.advocate_id.is_some() {
        store::list_of_advocate(conn, account, &choice, span).await?
    } else if choice.order_id.is_some() {
        store::list_by_order(conn, account, &choice, span).await?
    } else if choice.email.is_some() {
        store::list_by_email(conn, account, &choice, span).await?
    } else if choice.referral_code_id.is_some() {
        store::list_by_referral_code(conn, account, &choice, span).await?
    } else if choice.campaign_id.is_some() {
        store::list_by_campaign(conn, account, &choice, span).await?
    } else if choice.status.is_some() {
        store::list_by_status(conn, account, &choice, span).await?
    } else {
        store::list_all(conn, account, &choice, span).await?
    };
    let ids: Vec<ConversionId> = steps.iter().map(|step| ConversionId(step.row_id)).collect();
    let rows = find_all(conn, account, &ids).await?;
    Ok(Found::new(total, &steps, rows.into_iter().map(|row| (row.id.0, row))))
}

/// Finds conversions by their numbers, in any order. Unknown ones are simply missing.
pub async fn find_all(
    conn: &mut PgConnection,
    account: AccountId,
    ids: &[ConversionId],
) -> sqlx::Result<Vec<ListedConversion>> {
    if ids.is_empty() { Ok(Vec::new()) } else { store::find_all(conn, account, ids).await }
}

async fn count(conn: &mut PgConnection, account: AccountId, choice: &Choice, span: &Span) -> sqlx::Result<i64> {
    if choice.advocate_id.is_some() {
        store::count_of_advocate(conn, account, choice, span).await
    } else if choice.order_id.is_some() {
        store::count_by_order(conn, account, choice, span).await
    } else if choice.email.is_some() {
        store::count_by_email(conn, account, choice, span).await
    } else if choice.referral_code_id.is_some() {
        store::count_by_referral_code(conn, account, choice, span).await
    } else if choice.campaign_id.is_some() {
        store::count_by_campaign(conn, account, choice, span).await
    } else if choice.status.is_some() {
        store::count_by_status(conn, account, choice, span).await
    } else {
        store::count_all(conn, account, choice, span).await
    }
}
