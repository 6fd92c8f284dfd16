//! Conversions with all that belongs to them, as rows: one select list for whoever shows one.

use std::collections::{BTreeSet, HashMap};

use rust_decimal::Decimal;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::list::{BoughtProduct, ConvertedPurchase, ListedConversion};
use crate::attribution::Fraud;
use crate::campaigns::{self, Terms};
use crate::customers::Customer;
use crate::rewards::{self, Reward};
use crate::types::codes::{CouponCode, RecordedCode, ReferralCode};
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, ConversionId, CustomerId, PurchaseId};
use crate::types::money::{Currency, Money};
use crate::types::text::OpaqueId;

/// Finds conversions by their numbers, in any order. Unknown ones are simply missing.
pub async fn find_all(
    conn: &mut PgConnection,
    account: AccountId,
    ids: &[ConversionId],
) -> sqlx::Result<Vec<ListedConversion>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select v.account_id as "account_id: AccountId", v.id as "id: ConversionId", v.status, v.same_email, v.fuzzy_email,
            v.same_customer, v.same_shopper, v.created_at, v.campaign_id as "campaign_id: CampaignId", r.code as "held_referral_code: ReferralCode", c.code as "held_coupon_code?: CouponCode",
            u.id as "advocate_id: CustomerId", u.external_id as "advocate_external_id: OpaqueId", u.email as "advocate_email: Email",
            u.first_name as advocate_first_name, u.last_name as advocate_last_name,
            p.id as "purchase_id: PurchaseId", p.source, p.order_id as "order_id: OpaqueId", p.ordered_at, p.amount, p.currency,
            p.email as "email: Email", p.new_customer, p.ip_address, p.coupon_code as "coupon_code: RecordedCode",
            p.referral_code as "referral_code: RecordedCode", p.customer_id as "customer_id: CustomerId",
            p.customer_external_id as "customer_external_id: OpaqueId", p.customer_email as "customer_email: Email",
            p.customer_first_name, p.customer_last_name, p.products as "products: Json<Vec<BoughtProduct>>"
        from unnest($2::bigint[]) as wanted (id)
        join conversions v on v.account_id = $1 and v.id = wanted.id
        join purchases p on p.account_id = v.account_id and p.id = v.purchase_id
        join referral_codes r on r.account_id = v.account_id and r.id = v.referral_code_id
        join customers u on u.account_id = r.account_id and u.id = r.customer_id
        left join coupons c on c.account_id = r.account_id and c.segment_id = r.segment_id and c.position = r.position"#,
        account.0,
        ids as &[ConversionId]
    )
    .fetch_all(&mut *conn)
    .await?;
    let wanted: BTreeSet<CampaignId> = rows.iter().map(|row| row.campaign_id).collect();
    let campaigns = campaigns::store::find_terms(conn, account, &wanted.into_iter().collect::<Vec<_>>()).await?;
    let campaigns: HashMap<CampaignId, Terms> = campaigns.into_iter().map(|terms| (terms.campaign.id, terms)).collect();
    let granted = rewards::store::find_of_conversions(conn, account, ids).await?;
    let mut rewards: HashMap<ConversionId, Vec<Reward>> = HashMap::new();
    if !granted.is_empty() {
        for reward in rewards::store::find_all(conn, account, &granted).await? {
            rewards.entry(reward.conversion.id).or_default().push(reward);
        }
    }
    // A conversion names a campaign that is there; one is never deleted.
    let listed = rows.into_iter().filter_map(|row| {
        let campaign = campaigns.get(&row.campaign_id)?.clone();
        let rewards = rewards.remove(&row.id).unwrap_or_default();
        Some(row.listed(campaign, rewards))
    });
    Ok(listed.collect())
}

struct Row {
    account_id: AccountId,
    id: ConversionId,
    status: String,
    same_email: bool,
    fuzzy_email: bool,
    same_customer: bool,
    same_shopper: bool,
    created_at: OffsetDateTime,
    campaign_id: CampaignId,
    held_referral_code: ReferralCode,
    held_coupon_code: Option<CouponCode>,
    advocate_id: CustomerId,
    advocate_external_id: Option<OpaqueId>,
    advocate_email: Option<Email>,
    advocate_first_name: Option<String>,
    advocate_last_name: Option<String>,
    purchase_id: PurchaseId,
    source: String,
    order_id: OpaqueId,
    ordered_at: OffsetDateTime,
    amount: Decimal,
    currency: String,
    email: Option<Email>,
    new_customer: Option<bool>,
    ip_address: Option<String>,
    coupon_code: Option<RecordedCode>,
    referral_code: Option<RecordedCode>,
    customer_id: Option<CustomerId>,
    customer_external_id: Option<OpaqueId>,
    customer_email: Option<Email>,
    customer_first_name: Option<String>,
    customer_last_name: Option<String>,
    products: Json<Vec<BoughtProduct>>,
}

impl Row {
    fn listed(self, campaign: Terms, rewards: Vec<Reward>) -> ListedConversion {
        let row = self;
        ListedConversion {
            campaign,
            rewards,
            id: row.id,
            status: row.status,
            fraud: Fraud {
                same_email: row.same_email,
                fuzzy_email: row.fuzzy_email,
                same_customer: row.same_customer,
                same_shopper: row.same_shopper,
            },
            created_at: row.created_at,
            referral_code: row.held_referral_code.as_str().to_owned(),
            coupon_code: row.held_coupon_code.map(|code| code.as_str().to_owned()),
            advocate: Customer {
                account_id: row.account_id,
                id: row.advocate_id,
                external_id: row.advocate_external_id,
                email: row.advocate_email,
                first_name: row.advocate_first_name,
                last_name: row.advocate_last_name,
            },
            purchase: ConvertedPurchase {
                id: row.purchase_id,
                source: row.source,
                order_id: row.order_id,
                ordered_at: row.ordered_at,
                total: Money::stored(row.amount, Currency::from(row.currency)),
                email: row.email,
                new_customer: row.new_customer,
                ip_address: row.ip_address,
                coupon_code: row.coupon_code,
                referral_code: row.referral_code,
                customer_id: row.customer_id,
                customer_external_id: row.customer_external_id,
                customer_email: row.customer_email,
                customer_first_name: row.customer_first_name,
                customer_last_name: row.customer_last_name,
                products: row.products.0,
            },
        }
    }
}
