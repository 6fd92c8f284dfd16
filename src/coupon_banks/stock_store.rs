//! The SQL of stock: how fast banks are drawn from, and what is left in all of them. One statement a function.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::stock::{LowStock, Pace, Stock};
use super::{Counts, stock};
use crate::types::ids::{AccountId, CouponBankId};

/// A bank with its pace.
pub struct BankPace {
    pub account_id: AccountId,
    pub bank_id: CouponBankId,
    pub issued: i64,
    pub first_issued_at: Option<OffsetDateTime>,
}

impl BankPace {
    /// The pace.
    pub fn pace(&self) -> Pace {
        Pace { issued: self.issued, first_issued_at: self.first_issued_at }
    }
}

/// Finds how fast banks were drawn from of late, reading a few hundred rows of each segment however large it is.
///
/// A cursor moves in the order of time, so where the window begins is searched for by halves: what 16 holders from a
/// position on got before the window lies before it. The last 256 positions are read one by one; all from there to the cursor
/// were drawn within the window, but for those that are retired. Coupons chosen by name lie ahead of the cursor at random: the
/// first 200 stand for them all.
pub async fn find_paces(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    banks: &[CouponBankId],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<BankPace>> {
    sqlx::query_as!(
        BankPace,
        r#"with recursive narrowed (account_id, bank_id, segment_id, size, cursor, low, high) as (
            select s.account_id, s.bank_id, s.id, s.size, s.next_position,
                case when newest.issued_at > $3 then 0 else s.next_position end, s.next_position
            from unnest($1::bigint[], $2::bigint[]) as wanted (account_id, bank_id)
            join coupon_segments s on s.account_id = wanted.account_id and s.bank_id = wanted.bank_id
            cross join lateral (
                select max(held.coupon_issued_at) as issued_at
                from (
                    select r.coupon_issued_at from referral_codes r
                    where r.account_id = s.account_id and r.segment_id = s.id and r.position < s.next_position
                    order by r.position desc limit 16) held) newest
            union all
            select n.account_id, n.bank_id, n.segment_id, n.size, n.cursor,
                case when next.is_within then n.low else (n.low + n.high) / 2 end,
                case when next.is_within then (n.low + n.high) / 2 else n.high end
            from narrowed n
            cross join lateral (
                select coalesce(max(held.coupon_issued_at) > $3, true) as is_within
                from (
                    select r.coupon_issued_at from referral_codes r
                    where r.account_id = n.account_id and r.segment_id = n.segment_id
                        and r.position >= (n.low + n.high) / 2 and r.position < n.cursor
                    order by r.position limit 16) held) next
            where n.high - n.low > 256)
        select n.account_id as "account_id!", n.bank_id as "bank_id!",
            sum(few.issued + (n.cursor - least(n.high + 16, n.cursor)) - gone.retired + case
                when ahead.seen < 200 then ahead.issued
                else ahead.issued * (n.size - n.cursor)::bigint / (ahead.position - n.cursor + 1) end)::bigint as "issued!",
            min(least(first.issued_at, ahead.issued_at)) as "first_issued_at?"
        from narrowed n
        cross join lateral (
            select count(*) as issued from referral_codes r
            where r.account_id = n.account_id and r.segment_id = n.segment_id
                and r.position >= n.low and r.position < least(n.high + 16, n.cursor) and r.coupon_issued_at > $3) few
        cross join lateral (
            select count(*) as retired from coupon_retirements t
            where t.account_id = n.account_id and t.segment_id = n.segment_id
                and t.position >= least(n.high + 16, n.cursor) and t.position < n.cursor) gone
        cross join lateral (
            select count(*) as seen, count(*) filter (where held.coupon_issued_at > $3) as issued, max(held.position) as position,
                min(held.coupon_issued_at) as issued_at
            from (
                select r.position, r.coupon_issued_at from referral_codes r
                where r.account_id = n.account_id and r.segment_id = n.segment_id and r.position >= n.cursor
                order by r.position limit 200) held) ahead
        cross join lateral (
            select min(held.coupon_issued_at) as issued_at
            from (
                select r.coupon_issued_at from referral_codes r
                where r.account_id = n.account_id and r.segment_id = n.segment_id
                order by r.position limit 16) held) first
        where n.high - n.low <= 256
        group by n.account_id, n.bank_id"#,
        accounts as &[AccountId],
        banks as &[CouponBankId],
        now - stock::PACE_WINDOW
    )
    .fetch_all(conn)
    .await
}

/// A bank with its thresholds and what it holds.
pub struct Level {
    pub account_id: AccountId,
    pub bank_id: CouponBankId,
    /// It is a sandbox's.
    pub is_test: bool,
    pub low_stock: LowStock,
    pub counts: Counts,
}

/// Finds what is left in the banks of all accounts, sandboxes too. What lies behind the cursors is gone, so only what was chosen by name or
/// retired ahead of them is counted.
pub async fn list_levels(conn: &mut PgConnection) -> sqlx::Result<Vec<Level>> {
    let rows = sqlx::query!(
        r#"select b.account_id as "account_id: AccountId", b.id as "bank_id: CouponBankId",
            a.live_account_id is not null as "is_test!", b.low_stock_available, b.low_stock_share, b.low_stock_days_left,
            coalesce(sum(s.size), 0)::bigint as "total!",
            coalesce(sum(gone.retired), 0)::bigint as "retired!",
            coalesce(sum(s.size - s.next_position - ahead.held - ahead.retired), 0)::bigint as "available!"
        from accounts a
        join coupon_banks b on b.account_id = a.id
        left join coupon_segments s on s.account_id = b.account_id and s.bank_id = b.id
        left join lateral (
            select count(*) as retired from coupon_retirements t
            where t.account_id = s.account_id and t.segment_id = s.id) gone on true
        left join lateral (
            select
                (select count(*) from referral_codes r
                where r.account_id = s.account_id and r.segment_id = s.id and r.position >= s.next_position) as held,
                (select count(*) from coupon_retirements t
                where t.account_id = s.account_id and t.segment_id = s.id and t.position >= s.next_position) as retired
            ) ahead on true
        group by a.id, b.account_id, b.id"#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Level {
            account_id: row.account_id,
            bank_id: row.bank_id,
            is_test: row.is_test,
            low_stock: LowStock::stored(row.low_stock_available, row.low_stock_share, row.low_stock_days_left),
            counts: Counts {
                total: row.total,
                issued: row.total - row.retired - row.available,
                retired: row.retired,
                available: row.available,
            },
        })
        .collect())
}

/// Judges what is left in the banks of all accounts, as their lists would.
pub async fn judge_all(conn: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<Vec<(Level, Stock)>> {
    let levels = list_levels(conn).await?;
    // The pace is asked of banks for which it may decide.
    let paced = levels.iter().filter(|level| level.low_stock.days_left.is_some() && level.counts.available > 0);
    let (accounts, banks): (Vec<AccountId>, Vec<CouponBankId>) =
        paced.map(|level| (level.account_id, level.bank_id)).unzip();
    let paces = find_paces(conn, &accounts, &banks, now).await?;
    let paces: HashMap<_, Pace> = paces.iter().map(|paced| ((paced.account_id, paced.bank_id), paced.pace())).collect();
    let judged = levels.into_iter().map(|level| {
        let pace = paces.get(&(level.account_id, level.bank_id)).copied().unwrap_or_default();
        let stock = stock::judge(level.counts, pace, level.low_stock, now);
        (level, stock)
    });
    Ok(judged.collect())
}
