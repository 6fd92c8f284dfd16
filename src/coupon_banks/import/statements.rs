//! The SQL of loading a file: one statement a function.

use sqlx::PgConnection;
use sqlx::postgres::PgCopyIn;

use super::Load;
use super::spool::SpooledRow;
use crate::types::ids::CouponBankId;

/// How `copy ... (format binary)` begins: signature, flags, no extension.
const COPY_HEAD: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// How it ends.
const COPY_END: [u8; 2] = (-1_i16).to_be_bytes();
const COPY_COLUMNS: i16 = 6;
/// So much is encoded before it is sent.
const COPY_BYTES: usize = 64 * 1024;

/// Frees the session from the limits of a single request. Waiting for another load of the account may take as long as
/// that one.
pub async fn open(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(
        "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; set local lock_timeout = '10min'",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes loads of one account wait for each other, so that what they find about codes stays true.
pub async fn lock_account(conn: &mut PgConnection, load: &Load) -> sqlx::Result<()> {
    let lock = sqlx::query!("select id from accounts where id = $1 for no key update", load.account_id.0);
    lock.fetch_optional(conn).await?;
    Ok(())
}

/// Whether the account has coupons, and whether it has referral codes: what it lacks need not be looked into.
pub async fn find_rivals(conn: &mut PgConnection, load: &Load) -> sqlx::Result<(bool, bool)> {
    let found = sqlx::query!(
        r#"select exists (select from coupon_segments where account_id = $1) as "coupons!",
            exists (select from referral_codes where account_id = $1) as "referral_codes!""#,
        load.account_id.0
    )
    .fetch_one(conn)
    .await?;
    Ok((found.coupons, found.referral_codes))
}

/// Finds which of these folded codes are in a bank of the account, by bank. Counted from 1. Code by code: planned as a
/// join while the account has few coupons, it would compare each of them with each code.
pub async fn find_coupons(
    conn: &mut PgConnection,
    load: &Load,
    keys: &[&str],
) -> sqlx::Result<Vec<(CouponBankId, Vec<i64>)>> {
    // Grouped before segments are asked for their bank: that is done a few times, not once a code.
    let found = sqlx::query!(
        r#"select g.bank_id as "bank_id: CouponBankId", f.nths as "nths!"
        from (
            select c.segment_id, array_agg(k.nth) as nths
            from unnest($2::text[]) with ordinality as k (code_key, nth)
            cross join lateral (
                select c.segment_id from coupons c where c.account_id = $1 and c.code_key = k.code_key limit 1) c
            group by c.segment_id) f
        join coupon_segments g on g.account_id = $1 and g.id = f.segment_id"#,
        load.account_id.0,
        keys as &[&str]
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(|row| (row.bank_id, row.nths)).collect())
}

/// Finds which of these folded codes are referral codes of the account. Counted from 1.
pub async fn find_referral_codes(conn: &mut PgConnection, load: &Load, keys: &[&str]) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar!(
        r#"select k.nth as "nth!"
        from unnest($2::text[]) with ordinality as k (code_key, nth)
        cross join lateral (
            select r.id from referral_codes r where r.account_id = $1 and r.code_key = k.code_key limit 1) r"#,
        load.account_id.0,
        keys as &[&str]
    )
    .fetch_all(conn)
    .await
}

/// Draws the id of a segment that is to be inserted when its coupons are there.
pub async fn next_segment_id(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select nextval(pg_get_serial_sequence('coupon_segments', 'id')) as "id!""#)
        .fetch_one(conn)
        .await
}

/// Inserts a segment.
pub async fn insert_segment(conn: &mut PgConnection, load: &Load, segment: i64, size: i32) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into coupon_segments (account_id, id, bank_id, size, created_at) values ($1, $2, $3, $4, $5)",
        load.account_id.0,
        segment,
        load.bank_id.0,
        size,
        load.now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Tells the planner how many coupons there are now. Without it other sessions go on with plans for as many as there
/// were, until the database notices by itself, which can take a minute.
pub async fn analyze(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("analyze coupons; analyze coupon_segments").execute(conn).await?;
    Ok(())
}

/// A copy into the coupons that is under way.
pub struct CouponCopy<'c> {
    copy: PgCopyIn<&'c mut PgConnection>,
    encoded: Vec<u8>,
    account: i64,
    segment: i64,
}

impl<'c> CouponCopy<'c> {
    /// Begins to copy coupons into a segment.
    pub async fn begin(conn: &'c mut PgConnection, load: &Load, segment: i64) -> sqlx::Result<Self> {
        let into = "copy coupons (account_id, segment_id, position, code, code_key, pin) from stdin (format binary)";
        let copy = conn.copy_in_raw(into).await?;
        Ok(Self { copy, encoded: COPY_HEAD.to_vec(), account: load.account_id.0, segment })
    }

    /// Copies one coupon.
    pub async fn push(&mut self, position: i32, row: SpooledRow<'_>) -> sqlx::Result<()> {
        self.encoded.extend_from_slice(&COPY_COLUMNS.to_be_bytes());
        let numbers = [self.account.to_be_bytes(), self.segment.to_be_bytes()];
        numbers.iter().try_for_each(|number| push_field(&mut self.encoded, Some(number)))?;
        push_field(&mut self.encoded, Some(&position.to_be_bytes()))?;
        for text in [Some(row.code), Some(row.key), row.pin] {
            push_field(&mut self.encoded, text.map(str::as_bytes))?;
        }
        if self.encoded.len() >= COPY_BYTES {
            self.copy.send(self.encoded.as_slice()).await?;
            self.encoded.clear();
        }
        Ok(())
    }

    /// Ends the copy. The constraints have been asked about every row when this returns.
    pub async fn finish(mut self) -> sqlx::Result<()> {
        self.encoded.extend_from_slice(&COPY_END);
        self.copy.send(self.encoded.as_slice()).await?;
        self.copy.finish().await?;
        Ok(())
    }
}

fn push_field(encoded: &mut Vec<u8>, field: Option<&[u8]>) -> sqlx::Result<()> {
    let length =
        field.map_or(Ok(-1), |field| i32::try_from(field.len())).map_err(|fault| sqlx::Error::Encode(fault.into()))?;
    encoded.extend_from_slice(&length.to_be_bytes());
    encoded.extend_from_slice(field.unwrap_or_default());
    Ok(())
}
