//! The SQL of loading a file: one statement a function. The staging table lives for one transaction, so these
//! statements cannot be checked when the program is compiled.

use sqlx::PgConnection;
use tokio::fs::File;

use super::import::{Load, RefusedRow};
use super::upload::RefusalReason;

/// Makes the staging table, and sets the session to large work: no limits of a single request, plans that know how much
/// there is. Waiting for another load of the account may take as long as that one.
pub async fn open(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(
        "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0; set local lock_timeout = '10min';
        set local plan_cache_mode = auto; set local enable_seqscan = on;
        create temporary table staged_coupons (line bigint, code text, code_key text, pin text, reason text, message text) on commit drop",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Copies the rows of a spooled file, in CSV, into the table.
pub async fn fill(conn: &mut PgConnection, spooled: File) -> sqlx::Result<()> {
    let mut copy = conn.copy_in_raw("copy staged_coupons from stdin (format csv)").await?;
    copy.read_from(spooled).await?;
    copy.finish().await?;
    Ok(())
}

/// Tells the planner how much there is.
pub async fn analyze(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("analyze staged_coupons").execute(conn).await?;
    Ok(())
}

/// Makes loads of one account wait for each other, so that what they find about codes stays true.
pub async fn lock_account(conn: &mut PgConnection, load: &Load) -> sqlx::Result<()> {
    sqlx::query("select id from accounts where id = $1 for no key update").bind(load.account_id).execute(conn).await?;
    Ok(())
}

/// Refuses codes that stand earlier in the file.
pub async fn refuse_duplicates(conn: &mut PgConnection) -> sqlx::Result<()> {
    let reason = RefusalReason::DuplicateInFile;
    sqlx::query(
        "update staged_coupons s set reason = $1, message = $2
        from (select line, row_number() over (partition by code_key order by line) as nth from staged_coupons where reason is null) d
        where d.line = s.line and d.nth > 1 and s.reason is null",
    )
    .bind(reason.as_str())
    .bind(reason.explain())
    .execute(conn)
    .await?;
    Ok(())
}

/// Refuses codes that are in a bank of the account already, this one or another.
pub async fn refuse_existing(conn: &mut PgConnection, load: &Load) -> sqlx::Result<()> {
    let (here, elsewhere) = (RefusalReason::ExistsInBank, RefusalReason::ExistsElsewhere);
    sqlx::query(
        "update staged_coupons s
        set reason = case when g.bank_id = $2 then $3 else $5 end, message = case when g.bank_id = $2 then $4 else $6 end
        from coupons c join coupon_segments g on g.account_id = c.account_id and g.id = c.segment_id
        where s.reason is null and c.account_id = $1 and c.code_key = s.code_key",
    )
    .bind(load.account_id)
    .bind(load.bank_id)
    .bind(here.as_str())
    .bind(here.explain())
    .bind(elsewhere.as_str())
    .bind(elsewhere.explain())
    .execute(conn)
    .await?;
    Ok(())
}

/// Refuses codes that are somebody's referral code: one text must not name two people.
pub async fn refuse_referral_codes(conn: &mut PgConnection, load: &Load) -> sqlx::Result<()> {
    let reason = RefusalReason::CollidesWithReferralCode;
    sqlx::query(
        "update staged_coupons s set reason = $2, message = $3
        from referral_codes r
        where s.reason is null and r.account_id = $1 and r.code_key = s.code_key",
    )
    .bind(load.account_id)
    .bind(reason.as_str())
    .bind(reason.explain())
    .execute(conn)
    .await?;
    Ok(())
}

/// Counts the rows by reason; no reason stands for those that can be loaded.
pub async fn count(conn: &mut PgConnection) -> sqlx::Result<Vec<(Option<String>, i64)>> {
    sqlx::query_as("select reason, count(*) from staged_coupons group by reason").fetch_all(conn).await
}

/// The first refused rows, by line.
pub async fn list_refused(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<RefusedRow>> {
    sqlx::query_as(
        "select line, code, reason, message from staged_coupons where reason is not null order by line limit $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// The first codes that can be loaded, folded, by line.
pub async fn sample(conn: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("select code_key from staged_coupons where reason is null order by line limit $1")
        .bind(limit)
        .fetch_all(conn)
        .await
}

/// Inserts a segment and gives its id.
pub async fn insert_segment(conn: &mut PgConnection, load: &Load, size: i64) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "insert into coupon_segments (account_id, bank_id, size, created_at) values ($1, $2, $3::bigint::int, $4) returning id",
    )
    .bind(load.account_id)
    .bind(load.bank_id)
    .bind(size)
    .bind(load.now)
    .fetch_one(conn)
    .await
}

/// Moves what can be loaded into a segment, in an order drawn now and never changed.
pub async fn insert_coupons(conn: &mut PgConnection, load: &Load, segment: i64) -> sqlx::Result<()> {
    sqlx::query(
        "insert into coupons (account_id, segment_id, position, code, code_key, pin)
        select $1, $2, row_number() over (order by gen_random_uuid()) - 1, code, code_key, pin
        from staged_coupons
        where reason is null",
    )
    .bind(load.account_id)
    .bind(segment)
    .execute(conn)
    .await?;
    Ok(())
}
