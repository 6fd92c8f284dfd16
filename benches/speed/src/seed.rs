//! What is there before anything is measured: an account, codes, advocates who hold some of them, and the table of the
//! shuffle-key yardstick.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum_extra::headers::{Authorization, HeaderMapExt};
use serde::Deserialize;
use sqlx::PgConnection;

use crate::database::Database;
use crate::site::Site;

/// The account that everything belongs to: the first of a new database.
pub const ACCOUNT_ID: i64 = 1001;
/// The campaign that everything belongs to.
pub const CAMPAIGN_ID: i64 = 1001;
/// Advocates inserted with one statement.
const CHUNK: i64 = 20_000;

/// How much there is of everything.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Codes of a large bank, and rows of the shuffle-key table.
    pub large: i64,
    /// Codes of a small bank.
    pub small: i64,
    /// Codes of a huge bank, if there is to be one.
    pub huge: Option<i64>,
    /// Codes that advocates hold: orders come with these.
    pub held: i64,
    /// Codes of each of the eight banks that are claimed from together.
    pub eighth: i64,
    /// Rows of one NDJSON batch.
    pub batch: u64,
}

impl Sizes {
    /// The sizes of the three forms of the benchmark.
    pub fn chosen(quick: bool, full: bool) -> Self {
        if quick {
            return Self { large: 50_000, small: 5_000, huge: None, held: 10_000, eighth: 10_000, batch: 20_000 };
        }
        let huge = full.then_some(10_000_000);
        Self { large: 1_000_000, small: 10_000, huge, held: 200_000, eighth: 100_000, batch: 200_000 }
    }
}

/// The nth code, from 1 on. Scattered, and computed in the same way by the scripts of pgbench.
pub fn code(number: i64) -> String {
    let offset_basis = 0xcbf2_9ce4_8422_2325_u64;
    let hash = number
        .to_le_bytes()
        .iter()
        .fold(offset_basis, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("GW{}", hash & ((1 << 52) - 1))
}

/// Writes codes to a file, one a line.
pub fn write_codes(path: &Path, from: i64, count: i64) -> anyhow::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    for number in from..from + count {
        writeln!(file, "{}", code(number))?;
    }
    Ok(file.flush()?)
}

#[derive(Deserialize)]
struct AccountLine {
    id: i64,
}

#[derive(Deserialize)]
struct PairLine {
    access_key: String,
    secret_key: String,
}

/// Makes the account, its campaign and a key, as anybody does. Gives the header that opens it.
pub async fn make_account(site: &Site) -> anyhow::Result<String> {
    let account: AccountLine =
        site.goodword_json(&["account", "create", "--name", "Speed", "--alias", "speed", "--json"]).await?;
    if account.id != ACCOUNT_ID {
        bail!("the first account has the id {}, not {ACCOUNT_ID}", account.id);
    }
    let id = CAMPAIGN_ID.to_string();
    let url = "https://shop.example.com/";
    site.goodword(&["campaign", "create", "--name", "Speed", "--destination-url", url, "--id", &id, "--json"]).await?;
    let pair: PairLine = site.goodword_json(&["key", "create", "--name", "speed", "--json"]).await?;
    let mut headers = HeaderMap::new();
    headers.typed_insert(Authorization::basic(&pair.access_key, &pair.secret_key));
    Ok(headers.get(AUTHORIZATION).context("no credentials")?.to_str()?.to_owned())
}

/// Gives the `held` codes after the first `after` to advocates: the rows are those that the server stores for a chosen
/// code.
pub async fn hold_codes(database: &Database, after: i64, held: i64) -> anyhow::Result<()> {
    let mut conn = database.pool.acquire().await?;
    let mut from = after + 1;
    while from <= after + held {
        let until = (after + held).min(from + CHUNK - 1);
        hold(&mut conn, from, until).await.context("codes could not be given to advocates")?;
        from = until + 1;
    }
    drop(conn);
    sqlx::raw_sql("vacuum (analyze)").execute(&database.pool).await?;
    Ok(())
}

async fn hold(conn: &mut PgConnection, from: i64, until: i64) -> anyhow::Result<()> {
    let numbers: Vec<i64> = (from..=until).collect();
    let keys: Vec<String> = numbers.iter().map(|number| code(*number).to_ascii_lowercase()).collect();
    let stored = sqlx::query(
        "with chosen as (select n, code_key from unnest($3::bigint[], $4::text[]) as chosen (n, code_key)),
        advocates as (
            insert into customers (account_id, external_id, email, email_key, first_name, last_name, created_at)
            select $1, 'holder-' || n, 'holder-' || n || '@example.org', 'holder-' || n || '@example.org', 'Ada', 'Shaw', now()
            from chosen
            returning id, external_id
        )
        insert into referral_codes (account_id, code, code_key, campaign_id, customer_id, segment_id, position, coupon_issued_at, created_at)
        select $1, 'hold' || n, 'hold' || n, $2, advocates.id, c.segment_id, c.position, now(), now()
        from chosen
        join coupons c on c.account_id = $1 and c.code_key = chosen.code_key
        join advocates on advocates.external_id = 'holder-' || n",
    )
    .bind(ACCOUNT_ID)
    .bind(CAMPAIGN_ID)
    .bind(&numbers)
    .bind(&keys)
    .execute(conn)
    .await?;
    if stored.rows_affected() != u64::try_from(numbers.len())? {
        bail!("of {} codes only {} were found", numbers.len(), stored.rows_affected());
    }
    Ok(())
}

/// Makes and fills the table of the shuffle-key yardstick.
pub async fn make_shuffle_key_table(database: &Database, rows: i64) -> anyhow::Result<()> {
    let mut conn = database.pool.acquire().await?;
    sqlx::raw_sql(include_str!("../sql/shuffle_key_table.sql")).execute(&mut *conn).await?;
    sqlx::query(
        "insert into yardstick.coupons (account_id, id, code, code_key, shuffle_key)
        select $1, n, 'GW' || n, 'gw' || n, hashint8extended(n, 7) from generate_series(1, $2) as n",
    )
    .bind(ACCOUNT_ID)
    .bind(rows)
    .execute(&mut *conn)
    .await?;
    sqlx::raw_sql(
        "create index coupons_free_idx on yardstick.coupons (account_id, shuffle_key) include (id) where holder is null;
        alter table yardstick.coupons set (autovacuum_vacuum_scale_factor = 0.01)",
    )
    .execute(&mut *conn)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_that_pgbench_computes() {
        // pgbench: \set code hash_fnv1a(1, 0) & 4503599627370495
        assert_eq!(code(1), "GW3713227350011812");
        assert_eq!(code(200_000), "GW862273979106989");
    }
}
