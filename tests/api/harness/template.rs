//! The database that every test's own is a copy of: migrated once for each state of the migrations.

use goodword::MIGRATOR;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::sync::OnceCell;

use super::cluster;

/// Any number that nobody else locks.
const LOCK: i64 = 0x600d_30bd;

/// The name of the template, which exists from now on.
pub async fn name() -> &'static str {
    static NAME: OnceCell<String> = OnceCell::const_new();
    NAME.get_or_init(async || make().await.expect("the migrations make a template")).await
}

async fn make() -> Result<String, sqlx::Error> {
    let name = format!("gw_template_{}", fingerprint());
    let options = cluster::options().await;
    let mut admin = options.connect().await?;
    // Ends with the connection; meanwhile neighbours wait here and then find the template made.
    sqlx::query("select pg_advisory_lock($1)").bind(LOCK).execute(&mut admin).await?;
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&mut admin)
        .await?;
    if !exists {
        let half = format!("{name}_half");
        admin.execute(AssertSqlSafe(format!("drop database if exists {half} with (force)"))).await?;
        admin.execute(AssertSqlSafe(format!("create database {half} template template0"))).await?;
        let mut conn = options.database(&half).connect().await?;
        MIGRATOR.run(&mut conn).await?;
        conn.close().await?;
        // Under its own name it is whole: one that a killed test left half-made is never used.
        admin.execute(AssertSqlSafe(format!("alter database {half} rename to {name}"))).await?;
    }
    admin.close().await?;
    Ok(name)
}

fn fingerprint() -> String {
    let mut hash = Sha256::new();
    for migration in MIGRATOR.iter() {
        hash.update(migration.version.to_be_bytes());
        hash.update(&migration.checksum);
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
