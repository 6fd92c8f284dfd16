//! The SQL of claiming and retiring: segments with their cursors, and what is not free any more. One statement a function.

use std::collections::HashSet;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::claim::Want;
use crate::types::codes::CouponCode;
use crate::types::ids::{AccountId, CouponBankId, CouponPlace, SegmentId};

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
    // Many claims at once are mostly about one bank.
    for (account, want) in wants.iter().collect::<HashSet<_>>() {
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

/// A segment as it was seen without a lock: its cursor, how often its stock changed, and its next positions until one.
pub struct SeenSegment {
    pub account_id: AccountId,
    pub id: SegmentId,
    pub bank_id: CouponBankId,
    pub size: i32,
    pub next_position: i32,
    pub revision: i32,
    pub until: i32,
    pub positions: Vec<i32>,
    pub codes: Vec<CouponCode>,
    pub pins: Vec<Option<String>>,
    pub taken: Vec<i32>,
}

/// Looks at the segments of banks that have coupons left to draw. Where a bank has no more than two, as many of their next positions are
/// looked at as are given with it. Locks nothing.
pub async fn look_at_segments(
    conn: &mut PgConnection,
    banks: &[(AccountId, CouponBankId, i32)],
) -> sqlx::Result<Vec<SeenSegment>> {
    let accounts: Vec<AccountId> = banks.iter().map(|bank| bank.0).collect();
    let ids: Vec<CouponBankId> = banks.iter().map(|bank| bank.1).collect();
    let lengths: Vec<i32> = banks.iter().map(|bank| bank.2).collect();
    sqlx::query_as!(
        SeenSegment,
        r#"select s.account_id, s.id, s.bank_id, s.size, s.next_position, s.revision, s.until as "until!",
            coalesce(seen.positions, '{}') as "positions!", coalesce(seen.codes, '{}') as "codes!: Vec<CouponCode>",
            coalesce(seen.pins, '{}') as "pins!: Vec<Option<String>>",
            array(
                select r.position from referral_codes r
                where r.account_id = s.account_id and r.segment_id = s.id and r.position >= s.next_position and r.position < s.until
                union all
                select t.position from coupon_retirements t
                where t.account_id = s.account_id and t.segment_id = s.id and t.position >= s.next_position and t.position < s.until) as "taken!"
        from (
            select s.account_id, s.id, s.bank_id, s.size, s.next_position, s.revision,
                case when count(*) over (partition by s.account_id, s.bank_id) <= 2
                    then least(s.size, s.next_position::bigint + wanted.length)::int else s.next_position end as until
            from unnest($1::bigint[], $2::bigint[], $3::int[]) as wanted (account_id, bank_id, length)
            join coupon_segments s on s.account_id = wanted.account_id and s.bank_id = wanted.bank_id and s.next_position < s.size) s
        cross join lateral (
            select array_agg(c.position) as positions, array_agg(c.code) as codes, array_agg(c.pin) as pins from coupons c
            where c.account_id = s.account_id and c.segment_id = s.id and c.position >= s.next_position and c.position < s.until) seen"#,
        &accounts as &[AccountId],
        &ids as &[CouponBankId],
        &lengths
    )
    .fetch_all(conn)
    .await
}

/// The coupons inside a window, position by position, and the positions that are held or retired.
pub struct SeenWindow {
    /// The window's place among those that were asked for, from 1.
    pub number: i64,
    pub positions: Vec<i32>,
    pub codes: Vec<CouponCode>,
    pub pins: Vec<Option<String>>,
    pub taken: Vec<i32>,
}

/// Looks at the coupons inside windows. Locks nothing.
pub async fn look_at_windows(conn: &mut PgConnection, windows: &[Window]) -> sqlx::Result<Vec<SeenWindow>> {
    let (accounts, segments, from, until) = columns_of(windows);
    sqlx::query_as!(
        SeenWindow,
        r#"select w.number as "number!", coalesce(seen.positions, '{}') as "positions!",
            coalesce(seen.codes, '{}') as "codes!: Vec<CouponCode>", coalesce(seen.pins, '{}') as "pins!: Vec<Option<String>>",
            array(
                select r.position from referral_codes r
                where r.account_id = w.account_id and r.segment_id = w.segment_id and r.position >= w.starts and r.position < w.ends
                union all
                select t.position from coupon_retirements t
                where t.account_id = w.account_id and t.segment_id = w.segment_id and t.position >= w.starts and t.position < w.ends) as "taken!"
        from unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[]) with ordinality as w (account_id, segment_id, starts, ends, number)
        cross join lateral (
            select array_agg(c.position) as positions, array_agg(c.code) as codes, array_agg(c.pin) as pins from coupons c
            where c.account_id = w.account_id and c.segment_id = w.segment_id and c.position >= w.starts and c.position < w.ends) seen"#,
        &accounts as &[AccountId],
        &segments as &[SegmentId],
        &from,
        &until
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

fn columns_of(windows: &[Window]) -> (Vec<AccountId>, Vec<SegmentId>, Vec<i32>, Vec<i32>) {
    let accounts = windows.iter().map(|window| window.account_id).collect();
    let segments = windows.iter().map(|window| window.segment_id).collect();
    let from = windows.iter().map(|window| window.from).collect();
    (accounts, segments, from, windows.iter().map(|window| window.until).collect())
}

/// A position that is not free.
pub struct Taken {
    pub account_id: AccountId,
    pub segment_id: SegmentId,
    pub position: i32,
}

/// Finds the positions inside windows that are held or retired. Window by window: planned as a join, all positions of a
/// segment were read.
pub async fn find_taken(conn: &mut PgConnection, windows: &[Window]) -> sqlx::Result<Vec<Taken>> {
    let (accounts, segments, from, until) = columns_of(windows);
    sqlx::query_as!(
        Taken,
        r#"select w.account_id as "account_id!", w.segment_id as "segment_id!", taken.position as "position!"
        from unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[]) as w (account_id, segment_id, starts, ends)
        cross join lateral (
            select r.position from referral_codes r
            where r.account_id = w.account_id and r.segment_id = w.segment_id and r.position >= w.starts and r.position < w.ends
            union all
            select t.position from coupon_retirements t
            where t.account_id = w.account_id and t.segment_id = w.segment_id and t.position >= w.starts and t.position < w.ends
            offset 0) taken"#,
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

/// Has those who saw locked segments without a lock know that what they saw is old.
pub async fn count_revisions(conn: &mut PgConnection, account: AccountId, segments: &[SegmentId]) -> sqlx::Result<()> {
    sqlx::query!(
        r#"update coupon_segments set revision = revision + 1 where account_id = $1 and id = any($2::bigint[])"#,
        account.0,
        segments as &[SegmentId]
    )
    .execute(conn)
    .await?;
    Ok(())
}
