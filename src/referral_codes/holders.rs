//! The SQL behind codes that come with an order: whom they lead to, and what his campaign says of him.

use sqlx::PgConnection;

use crate::customers::Customer;
use crate::types::codes::CodeKey;
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, CustomerId, ReferralCodeId};
use crate::types::self_referral::SelfReferral;
use crate::types::text::OpaqueId;

/// Whom a code leads to.
#[derive(Clone, Debug)]
pub struct CodeHolder {
    pub referral_code_id: ReferralCodeId,
    pub referral_code: String,
    /// The coupon that the referral code holds, if it holds one.
    pub coupon_code: Option<String>,
    pub campaign_id: CampaignId,
    pub campaign_name: String,
    /// What the campaign says of advocates who buy from themselves.
    pub self_referral: SelfReferral,
    pub is_code_blocked: bool,
    pub is_customer_blocked: bool,
    pub advocate: Customer,
}

/// Finds the advocates behind folded referral codes. Unknown codes are simply missing.
pub async fn find_holders(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    keys: &[CodeKey],
) -> sqlx::Result<Vec<((AccountId, CodeKey), CodeHolder)>> {
    let rows = sqlx::query!(
        r#"select r.account_id as "account_id: AccountId", r.code_key as "key: CodeKey", r.id as "referral_code_id: ReferralCodeId",
            r.code as referral_code, c.code as "coupon_code?", g.id as "campaign_id: CampaignId", g.name as campaign_name, g.self_referral,
            r.blocked_at is not null as "is_code_blocked!", u.blocked_at is not null as "is_customer_blocked!",
            u.id as "customer_id: CustomerId", u.external_id as "external_id: OpaqueId", u.email as "email: Email", u.first_name, u.last_name
        from unnest($1::bigint[], $2::text[]) as wanted (account_id, code_key)
        join referral_codes r on r.account_id = wanted.account_id and r.code_key = wanted.code_key
        join campaigns g on g.account_id = r.account_id and g.id = r.campaign_id
        join customers u on u.account_id = r.account_id and u.id = r.customer_id
        left join coupons c on c.account_id = r.account_id and c.segment_id = r.segment_id and c.position = r.position"#,
        accounts as &[AccountId],
        keys as &[CodeKey]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let advocate = Customer {
                account_id: row.account_id,
                id: row.customer_id,
                external_id: row.external_id,
                email: row.email,
                first_name: row.first_name,
                last_name: row.last_name,
            };
            let holder = CodeHolder {
                referral_code_id: row.referral_code_id,
                referral_code: row.referral_code,
                coupon_code: row.coupon_code,
                campaign_id: row.campaign_id,
                campaign_name: row.campaign_name,
                self_referral: row.self_referral.into(),
                is_code_blocked: row.is_code_blocked,
                is_customer_blocked: row.is_customer_blocked,
                advocate,
            };
            ((row.account_id, row.key), holder)
        })
        .collect())
}

/// A coupon, and what belongs to who holds it: nothing, as long as it is free.
pub struct CouponRow {
    pub account_id: AccountId,
    pub key: CodeKey,
    pub coupon_code: String,
    pub referral_code_id: Option<ReferralCodeId>,
    pub referral_code: Option<String>,
    pub campaign_id: Option<CampaignId>,
    pub campaign_name: Option<String>,
    pub self_referral: Option<String>,
    pub is_code_blocked: bool,
    pub is_customer_blocked: bool,
    pub customer_id: Option<CustomerId>,
    pub external_id: Option<OpaqueId>,
    pub email: Option<Email>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
}

impl CouponRow {
    /// What names the coupon, and who holds it.
    pub fn entry(self) -> ((AccountId, CodeKey), Option<CodeHolder>) {
        ((self.account_id, self.key.clone()), self.holder())
    }

    fn holder(self) -> Option<CodeHolder> {
        let advocate = Customer {
            account_id: self.account_id,
            id: self.customer_id?,
            external_id: self.external_id,
            email: self.email,
            first_name: self.first_name,
            last_name: self.last_name,
        };
        Some(CodeHolder {
            referral_code_id: self.referral_code_id?,
            referral_code: self.referral_code?,
            coupon_code: Some(self.coupon_code),
            campaign_id: self.campaign_id?,
            campaign_name: self.campaign_name?,
            self_referral: self.self_referral.map(SelfReferral::from).unwrap_or_default(),
            is_code_blocked: self.is_code_blocked,
            is_customer_blocked: self.is_customer_blocked,
            advocate,
        })
    }
}

/// Finds who holds coupons: nobody, as long as they are free. Codes that are no coupons are simply missing.
pub async fn find_coupon_holders(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    keys: &[CodeKey],
) -> sqlx::Result<Vec<((AccountId, CodeKey), Option<CodeHolder>)>> {
    let rows = sqlx::query_as!(
        CouponRow,
        r#"select c.account_id as "account_id: AccountId", c.code_key as "key: CodeKey", c.code as coupon_code,
            r.id as "referral_code_id?: ReferralCodeId", r.code as "referral_code?", g.id as "campaign_id?: CampaignId",
            g.name as "campaign_name?", g.self_referral as "self_referral?",
            r.blocked_at is not null as "is_code_blocked!", u.blocked_at is not null as "is_customer_blocked!", u.id as "customer_id?: CustomerId", u.external_id as "external_id?: OpaqueId",
            u.email as "email?: Email", u.first_name as "first_name?", u.last_name as "last_name?"
        from unnest($1::bigint[], $2::text[]) as wanted (account_id, code_key)
        join coupons c on c.account_id = wanted.account_id and c.code_key = wanted.code_key
        left join referral_codes r on r.account_id = c.account_id and r.segment_id = c.segment_id and r.position = c.position
        left join campaigns g on g.account_id = r.account_id and g.id = r.campaign_id
        left join customers u on u.account_id = r.account_id and u.id = r.customer_id"#,
        accounts as &[AccountId],
        keys as &[CodeKey]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(CouponRow::entry).collect())
}
