//! The SQL of conversions: one statement a function.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::NewConversion;
use crate::types::ids::{AccountId, CampaignId, ConversionId, PurchaseId, ReferralCodeId};

/// Inserts conversions of purchases that this very transaction inserted, and gives their ids.
pub async fn insert_all(
    conn: &mut PgConnection,
    new: &[NewConversion],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<((AccountId, PurchaseId), ConversionId)>> {
    let accounts: Vec<AccountId> = new.iter().map(|new| new.account_id).collect();
    let purchases: Vec<PurchaseId> = new.iter().map(|new| new.purchase_id).collect();
    let campaigns: Vec<CampaignId> = new.iter().map(|new| new.campaign_id).collect();
    let referral_codes: Vec<ReferralCodeId> = new.iter().map(|new| new.referral_code_id).collect();
    let statuses: Vec<&str> = new.iter().map(|new| new.status.as_str()).collect();
    let same_email: Vec<bool> = new.iter().map(|new| new.fraud.same_email).collect();
    let fuzzy_email: Vec<bool> = new.iter().map(|new| new.fraud.fuzzy_email).collect();
    let same_customer: Vec<bool> = new.iter().map(|new| new.fraud.same_customer).collect();
    let same_shopper: Vec<bool> = new.iter().map(|new| new.fraud.same_shopper).collect();
    let rows = sqlx::query!(
        r#"insert into conversions (account_id, purchase_id, campaign_id, referral_code_id, status,
            same_email, fuzzy_email, same_customer, same_shopper, created_at)
        select account_id, purchase_id, campaign_id, referral_code_id, status, same_email, fuzzy_email, same_customer, same_shopper, $10
        from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bool[], $7::bool[], $8::bool[], $9::bool[])
            as new (account_id, purchase_id, campaign_id, referral_code_id, status, same_email, fuzzy_email, same_customer, same_shopper)
        returning account_id as "account_id: AccountId", purchase_id as "purchase_id: PurchaseId", id as "id: ConversionId""#,
        &accounts as &[AccountId],
        &purchases as &[PurchaseId],
        &campaigns as &[CampaignId],
        &referral_codes as &[ReferralCodeId],
        &statuses as &[&str],
        &same_email,
        &fuzzy_email,
        &same_customer,
        &same_shopper,
        now
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.account_id, row.purchase_id), row.id)).collect())
}
