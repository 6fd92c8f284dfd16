//! The SQL of coupon banks: one statement a function. Who holds a coupon stands on the referral code's row.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::claim::Want;
use super::export::Selection;
use super::{Counts, Coupon, CouponBank, CouponStatus, ListedCoupon, NewCouponBank};
use crate::customers::Customer;
use crate::types::codes::{CodeKey, CouponCode};
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, CouponBankId, CouponPlace, CustomerId, SegmentId};
use crate::types::page::PageRequest;
use crate::types::text::OpaqueId;

/// Inserts a bank. Nothing when its id is taken, be it the given one or the next of the sequence.
pub async fn insert(
    conn: &mut PgConnection,
    account: AccountId,
    new: &NewCouponBank,
    now: OffsetDateTime,
) -> sqlx::Result<Option<CouponBank>> {
    sqlx::query_as!(
        CouponBank,
        r#"insert into coupon_banks (account_id, id, name, created_at)
        values ($1, coalesce($2, nextval(pg_get_serial_sequence('coupon_banks', 'id'))), $3, $4)
        on conflict on constraint coupon_banks_pkey do nothing
        returning account_id, id, name, created_at"#,
        account.0,
        new.id.map(|id| id.0),
        new.name.as_str(),
        now
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
        r#"select distinct b.account_id, b.id, b.name, b.created_at
        from unnest($1::bigint[], $2::bigint[]) as wanted (account_id, id)
        join coupon_banks b on b.account_id = wanted.account_id and b.id = wanted.id"#,
        accounts as &[AccountId],
        ids as &[CouponBankId]
    )
    .fetch_all(conn)
    .await
}

/// Lists an account's banks by id.
pub async fn list(conn: &mut PgConnection, account: AccountId, page: PageRequest) -> sqlx::Result<Vec<CouponBank>> {
    sqlx::query_as!(
        CouponBank,
        r#"select account_id, id, name, created_at from coupon_banks
        where account_id = $1
        order by id
        limit $2 offset $3"#,
        account.0,
        page.limit,
        page.offset
    )
    .fetch_all(conn)
    .await
}

/// Counts an account's banks.
pub async fn count_all(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from coupon_banks where account_id = $1"#, account.0)
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

/// A segment and its cursor.
pub struct Segment {
    pub account_id: AccountId,
    pub id: SegmentId,
    pub bank_id: CouponBankId,
    pub size: i32,
    pub next_position: i32,
}

/// Locks the segments that may serve what is wanted, in the order of their ids, until the transaction ends.
pub async fn lock_segments(conn: &mut PgConnection, wants: &[(AccountId, Want)]) -> sqlx::Result<Vec<Segment>> {
    let (mut bank_accounts, mut banks, mut segment_accounts, mut segments) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (account, want) in wants {
        match want {
            Want::AnyOf(bank) => {
                bank_accounts.push(*account);
                banks.push(*bank);
            }
            Want::This(place) => {
                segment_accounts.push(*account);
                segments.push(place.segment_id);
            }
        }
    }
    sqlx::query_as!(
        Segment,
        r#"select account_id, id, bank_id, size, next_position from coupon_segments
        where (account_id, id) in (
            select s.account_id, s.id
            from unnest($1::bigint[], $2::bigint[]) as wanted (account_id, bank_id)
            join coupon_segments s on s.account_id = wanted.account_id and s.bank_id = wanted.bank_id and s.next_position < s.size
            union all
            select account_id, id from unnest($3::bigint[], $4::bigint[]) as named (account_id, id))
        order by account_id, id
        for no key update"#,
        &bank_accounts as &[AccountId],
        &banks as &[CouponBankId],
        &segment_accounts as &[AccountId],
        &segments as &[SegmentId]
    )
    .fetch_all(conn)
    .await
}

/// A coupon that is not free.
pub struct GoneCoupon {
    pub account_id: AccountId,
    pub segment_id: SegmentId,
    pub position: i32,
    pub retired: bool,
}

impl GoneCoupon {
    /// Where the coupon lies.
    pub fn place(&self) -> CouponPlace {
        CouponPlace { segment_id: self.segment_id, position: self.position }
    }
}

/// Finds which of these coupons are held by somebody or retired.
pub async fn find_gone(conn: &mut PgConnection, places: &[(AccountId, CouponPlace)]) -> sqlx::Result<Vec<GoneCoupon>> {
    let accounts: Vec<AccountId> = places.iter().map(|(account, _)| *account).collect();
    let segments: Vec<SegmentId> = places.iter().map(|(_, place)| place.segment_id).collect();
    let positions: Vec<i32> = places.iter().map(|(_, place)| place.position).collect();
    sqlx::query_as!(
        GoneCoupon,
        r#"select w.account_id as "account_id!", w.segment_id as "segment_id!", w.position as "position!", t.position is not null as "retired!"
        from unnest($1::bigint[], $2::bigint[], $3::int[]) as w (account_id, segment_id, position)
        left join referral_codes r on r.account_id = w.account_id and r.segment_id = w.segment_id and r.position = w.position
        left join coupon_retirements t on t.account_id = w.account_id and t.segment_id = w.segment_id and t.position = w.position
        where r.id is not null or t.position is not null"#,
        &accounts as &[AccountId],
        &segments as &[SegmentId],
        &positions
    )
    .fetch_all(conn)
    .await
}

/// Some positions of a segment, from the first until before the last.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub account_id: AccountId,
    pub segment_id: SegmentId,
    pub from: i32,
    pub until: i32,
}

impl Window {
    /// A window of a segment.
    pub fn of(account_id: AccountId, segment_id: SegmentId, (from, until): (i32, i32)) -> Self {
        Self { account_id, segment_id, from, until }
    }
}

/// A position that is not free.
pub struct Taken {
    pub account_id: AccountId,
    pub segment_id: SegmentId,
    pub position: i32,
}

/// Finds the positions inside windows that are held or retired.
pub async fn find_taken(conn: &mut PgConnection, windows: &[Window]) -> sqlx::Result<Vec<Taken>> {
    let accounts: Vec<AccountId> = windows.iter().map(|window| window.account_id).collect();
    let segments: Vec<SegmentId> = windows.iter().map(|window| window.segment_id).collect();
    let from: Vec<i32> = windows.iter().map(|window| window.from).collect();
    let until: Vec<i32> = windows.iter().map(|window| window.until).collect();
    sqlx::query_as!(
        Taken,
        r#"select r.account_id as "account_id!", r.segment_id as "segment_id!", r.position as "position!"
        from unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[]) as w (account_id, segment_id, starts, ends)
        join referral_codes r on r.account_id = w.account_id and r.segment_id = w.segment_id and r.position >= w.starts and r.position < w.ends
        union all
        select t.account_id, t.segment_id, t.position
        from unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[]) as w (account_id, segment_id, starts, ends)
        join coupon_retirements t on t.account_id = w.account_id and t.segment_id = w.segment_id and t.position >= w.starts and t.position < w.ends"#,
        &accounts as &[AccountId],
        &segments as &[SegmentId],
        &from,
        &until
    )
    .fetch_all(conn)
    .await
}

/// Moves the cursors of locked segments on.
pub async fn advance_cursors(conn: &mut PgConnection, cursors: &[(AccountId, CouponPlace)]) -> sqlx::Result<()> {
    if cursors.is_empty() {
        return Ok(());
    }
    let accounts: Vec<AccountId> = cursors.iter().map(|(account, _)| *account).collect();
    let segments: Vec<SegmentId> = cursors.iter().map(|(_, place)| place.segment_id).collect();
    let positions: Vec<i32> = cursors.iter().map(|(_, place)| place.position).collect();
    sqlx::query!(
        r#"update coupon_segments s set next_position = moved.next_position
        from unnest($1::bigint[], $2::bigint[], $3::int[]) as moved (account_id, id, next_position)
        where s.account_id = moved.account_id and s.id = moved.id"#,
        &accounts as &[AccountId],
        &segments as &[SegmentId],
        &positions
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Retires coupons of locked segments.
pub async fn insert_retirements(
    conn: &mut PgConnection,
    account: AccountId,
    places: &[CouponPlace],
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let segments: Vec<SegmentId> = places.iter().map(|place| place.segment_id).collect();
    let positions: Vec<i32> = places.iter().map(|place| place.position).collect();
    sqlx::query!(
        r#"insert into coupon_retirements (account_id, segment_id, position, retired_at)
        select $1, segment_id, position, $4 from unnest($2::bigint[], $3::int[]) as gone (segment_id, position)"#,
        account.0,
        &segments as &[SegmentId],
        &positions,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
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
