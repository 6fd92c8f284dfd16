//! Bringing a database to the shape that this program needs. Which changes there are is the caller's to say.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection, PgConnection, PgPool};

/// Applies what is missing, on a connection of its own: a change may take longer than any request may.
pub async fn apply(pool: &PgPool, migrator: &Migrator) -> Result<(), MigrateError> {
    let mut conn = pool.acquire().await?.detach();
    sqlx::raw_sql("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set lock_timeout = '10s'")
        .execute(&mut conn)
        .await?;
    migrator.run(&mut conn).await?;
    conn.close().await?;
    Ok(())
}

/// How many changes are missing.
pub async fn count_pending(conn: &mut PgConnection, migrator: &Migrator) -> sqlx::Result<usize> {
    let exists: bool =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(&mut *conn).await?;
    let applied: Vec<i64> = if exists {
        sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(conn).await?
    } else {
        Vec::new()
    };
    Ok(migrator.iter().filter(|migration| !applied.contains(&migration.version)).count())
}
