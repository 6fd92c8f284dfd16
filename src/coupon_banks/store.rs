//! The SQL of coupon banks: one statement a function. Who holds a coupon stands on the referral code's row.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::export::Selection;
use super::stock::{AvailableThreshold, DaysThreshold, ShareThreshold};
use super::{Counts, Coupon, CouponBank, CouponBankChange, CouponStatus, ListedCoupon, NewCouponBank};
use crate::customers::Customer;
use crate::types::codes::{CodeKey, CouponCode};
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, CouponBankId, CouponPlace, CustomerId, SegmentId};
use crate::types::page::{PageRequest, Span};
use crate::types::text::{Name, OpaqueId};

/// Inserts a bank. Nothing when its id is taken, be it the given one or the next of the sequence.
pub async fn insert(
    conn: &mut PgConnection,
    account: AccountId,
    new: &NewCouponBank,
    now: OffsetDateTime,
) -> sqlx::Result<Option<CouponBank>> {
    sqlx::query_as!(
        CouponBank,
        r#"insert into coupon_banks (account_id, id, name, low_stock_available, low_stock_share, low_stock_days_left, created_at)
        values ($1, coalesce($2, nextval(pg_get_serial_sequence('coupon_banks', 'id'))), $3, $4, $5, $6, $7)
        on conflict on constraint coupon_banks_pkey do nothing
        returning account_id, id, name, low_stock_available, low_stock_share, low_stock_days_left, created_at"#,
        account.0,
        new.id.map(|id| id.0),
        new.name.as_str(),
        new.low_stock.available.map(AvailableThreshold::get),
        new.low_stock.share.map(ShareThreshold::get),
        new.low_stock.days_left.map(DaysThreshold::get),
        now
    )
    .fetch_optional(conn)
    .await
}

/// Changes what is given and gives the bank as it is then. Nothing when there is none.
pub async fn update(
    conn: &mut PgConnection,
    account: AccountId,
    id: CouponBankId,
    change: &CouponBankChange,
) -> sqlx::Result<Option<CouponBank>> {
    let (sets_available, available) = change.low_stock.available.replaces();
    let (sets_share, share) = change.low_stock.share.replaces();
    let (sets_days_left, days_left) = change.low_stock.days_left.replaces();
    sqlx::query_as!(
        CouponBank,
        r#"update coupon_banks
        set name = coalesce($3, name),
            low_stock_available = case when $4 then $5 else low_stock_available end,
            low_stock_share = case when $6 then $7 else low_stock_share end,
            low_stock_days_left = case when $8 then $9 else low_stock_days_left end
        where account_id = $1 and id = $2
        returning account_id, id, name, low_stock_available, low_stock_share, low_stock_days_left, created_at"#,
        account.0,
        id.0,
        change.name.as_ref().map(Name::as_str),
        sets_available,
        available.map(AvailableThreshold::get),
        sets_share,
        share.map(ShareThreshold::get),
        sets_days_left,
        days_left.map(DaysThreshold::get)
    )
    .fetch_optional(conn)
    .await
}

/// Finds the banks behind pairs of account and id. Unknown pairs are simply missing.
pub async fn find_all(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    ids: &[CouponBankId],
) -> sqlx::Result<Vec<CouponBank>> {
    sqlx::query_as!(
        CouponBank,
        r#"select distinct b.account_id, b.id, b.name, b.low_stock_available, b.low_stock_share, b.low_stock_days_left, b.created_at
        from unnest($1::bigint[], $2::bigint[]) as wanted (account_id, id)
        join coupon_banks b on b.account_id = wanted.account_id and b.id = wanted.id"#,
        accounts as &[AccountId],
        ids as &[CouponBankId]
    )
    .fetch_all(conn)
    .await
}

/// Lists an account's banks by id, those after a place.
pub async fn list(conn: &mut PgConnection, account: AccountId, span: &Span) -> sqlx::Result<Vec<CouponBank>> {
    sqlx::query_as!(
        CouponBank,
        r#"select account_id, id, name, low_stock_available, low_stock_share, low_stock_days_left, created_at from coupon_banks
        where account_id = $1 and id > $2 and created_at >= $3 and created_at < $4
        order by id
        limit $5 offset $6"#,
        account.0,
        span.after.id,
        span.from,
        span.until,
        span.limit,
        span.offset
    )
    .fetch_all(conn)
    .await
}

/// Counts an account's banks, whatever place they stand at.
pub async fn count_all(conn: &mut PgConnection, account: AccountId, span: &Span) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from coupon_banks where account_id = $1 and created_at >= $2 and created_at < $3"#,
        account.0,
        span.from,
        span.until
    )
    .fetch_one(conn)
    .await
}

/// A bank with what it holds.
pub struct BankCounts {
    pub bank_id: CouponBankId,
    pub total: i64,
    pub issued: i64,
    pub retired: i64,
}

impl BankCounts {
    /// The counts, with what is left.
    pub fn counts(&self) -> Counts {
        Counts {
            total: self.total,
            issued: self.issued,
            retired: self.retired,
            available: self.total - self.issued - self.retired,
        }
    }
}

/// Counts what banks hold, from the facts in one snapshot.
pub async fn count(conn: &mut PgConnection, account: AccountId, ids: &[CouponBankId]) -> sqlx::Result<Vec<BankCounts>> {
    sqlx::query_as!(
        BankCounts,
        r#"select b.id as bank_id,
            coalesce(sum(s.size), 0)::bigint as "total!",
            coalesce(sum((select count(*) from referral_codes r where r.account_id = s.account_id and r.segment_id = s.id)), 0)::bigint as "issued!",
            coalesce(sum((select count(*) from coupon_retirements t where t.account_id = s.account_id and t.segment_id = s.id)), 0)::bigint as "retired!"
        from coupon_banks b
        left join coupon_segments s on s.account_id = b.account_id and s.bank_id = b.id
        where b.account_id = $1 and b.id = any($2::bigint[])
        group by b.id"#,
        account.0,
        ids as &[CouponBankId]
    )
    .fetch_all(conn)
    .await
}

/// Finds the coupons behind folded codes. Unknown codes are simply missing.
pub async fn find_by_keys(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    keys: &[CodeKey],
) -> sqlx::Result<Vec<Coupon>> {
    let rows = sqlx::query!(
        r#"select distinct c.account_id as "account_id: AccountId", c.segment_id as "segment_id: SegmentId", c.position,
            s.bank_id as "bank_id: CouponBankId", c.code_key as "code_key: CodeKey"
        from unnest($1::bigint[], $2::text[]) as wanted (account_id, code_key)
        join coupons c on c.account_id = wanted.account_id and c.code_key = wanted.code_key
        join coupon_segments s on s.account_id = c.account_id and s.id = c.segment_id"#,
        accounts as &[AccountId],
        keys as &[CodeKey]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Coupon {
            account_id: row.account_id,
            place: CouponPlace { segment_id: row.segment_id, position: row.position },
            bank_id: row.bank_id,
            code_key: row.code_key,
        })
        .collect())
}

/// Lists a bank's coupons after a place, segment by segment in the order of the draw.
pub async fn list_coupons(
    conn: &mut PgConnection,
    selection: Selection,
    after: CouponPlace,
    page: PageRequest,
) -> sqlx::Result<Vec<(CouponPlace, ListedCoupon)>> {
    let rows = sqlx::query!(
        r#"select s.id as "segment_id: SegmentId", k.position as "position!", k.code as "code!: CouponCode", k.status as "status!: CouponStatus",
            k.coupon_issued_at as "coupon_issued_at?", k.referral_code as "referral_code?", k.campaign_id as "campaign_id?: CampaignId",
            u.id as "customer_id?: CustomerId", u.external_id as "external_id?: OpaqueId", u.email as "email?: Email",
            u.first_name as "first_name?", u.last_name as "last_name?"
        from coupon_segments s
        cross join lateral (
            select c.position, c.code, r.coupon_issued_at, r.code as referral_code, r.campaign_id, r.customer_id,
                case when r.id is not null then 'issued' when t.position is not null then 'retired' else 'available' end as status
            from coupons c
            left join referral_codes r on r.account_id = c.account_id and r.segment_id = c.segment_id and r.position = c.position
            left join coupon_retirements t on t.account_id = c.account_id and t.segment_id = c.segment_id and t.position = c.position
            where c.account_id = s.account_id and c.segment_id = s.id and c.position > case when s.id = $4 then $5 else -1 end
                and ($3::text is null
                    or $3 = case when r.id is not null then 'issued' when t.position is not null then 'retired' else 'available' end)
            order by c.position
            limit $6::bigint + $7::bigint) k
        left join customers u on u.account_id = s.account_id and u.id = k.customer_id
        where s.account_id = $1 and s.bank_id = $2 and s.id >= $4
        order by s.id, k.position
        limit $6::bigint offset $7::bigint"#,
        selection.account_id.0,
        selection.bank_id.0,
        selection.status.map(CouponStatus::as_str),
        after.segment_id.0,
        after.position,
        page.limit,
        page.offset
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let customer = row.customer_id.map(|id| Customer {
                account_id: selection.account_id,
                id,
                external_id: row.external_id,
                email: row.email,
                first_name: row.first_name,
                last_name: row.last_name,
            });
            let coupon = ListedCoupon {
                code: row.code,
                status: row.status,
                issued_at: row.coupon_issued_at,
                referral_code: row.referral_code,
                campaign_id: row.campaign_id,
                customer,
            };
            (CouponPlace { segment_id: row.segment_id, position: row.position }, coupon)
        })
        .collect())
}
