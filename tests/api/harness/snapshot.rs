//! All that a database holds, for "nothing was changed".

use sqlx::{AssertSqlSafe, PgPool};

/// Every row of every table as text, sorted.
pub async fn everything(pool: &PgPool) -> Vec<String> {
    let rows_of_all_tables: String = sqlx::query_scalar(
        "select string_agg(format('select %L || t::text from %I t', table_name || ' ', table_name), ' union all ') || ' order by 1'
        from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
    )
    .fetch_one(pool)
    .await
    .expect("the tables");
    sqlx::query_scalar(AssertSqlSafe(rows_of_all_tables)).fetch_all(pool).await.expect("their rows")
}
