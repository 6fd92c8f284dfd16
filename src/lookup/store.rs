//! The SQL of the look-up: one statement a function.

use sqlx::PgConnection;

use super::LookedUpCoupon;
use crate::coupon_banks::CouponStatus;
use crate::types::codes::{CodeKey, CouponCode, ReferralCode};
use crate::types::ids::{AccountId, CouponBankId, CustomerId};

/// Finds the coupon with a folded code, and who holds it.
pub async fn find_coupon(
    conn: &mut PgConnection,
    account: AccountId,
    key: &CodeKey,
) -> sqlx::Result<Option<LookedUpCoupon>> {
    let row = sqlx::query!(
        r#"select c.code as "code: CouponCode", b.id as "bank_id: CouponBankId", b.name as bank_name, r.code as "referral_code?: ReferralCode",
            r.customer_id as "holder_id?: CustomerId",
            case when r.id is not null then 'issued' when t.position is not null then 'retired' else 'available' end as "status!: CouponStatus"
        from coupons c
        join coupon_segments s on s.account_id = c.account_id and s.id = c.segment_id
        join coupon_banks b on b.account_id = s.account_id and b.id = s.bank_id
        left join referral_codes r on r.account_id = c.account_id and r.segment_id = c.segment_id and r.position = c.position
        left join coupon_retirements t on t.account_id = c.account_id and t.segment_id = c.segment_id and t.position = c.position
        where c.account_id = $1 and c.code_key = $2"#,
        account.0,
        key as &CodeKey
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| LookedUpCoupon {
        code: row.code,
        status: row.status,
        bank_id: row.bank_id,
        bank_name: row.bank_name,
        referral_code: row.referral_code.map(|code| code.as_str().to_owned()),
        holder_id: row.holder_id,
    }))
}
