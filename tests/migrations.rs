//! Each migration is applied to a database that has data in it, and the constraints on which our invariants rest
//! bite. A migration that adds to the schema adds its data file and its cases here.
#![expect(clippy::expect_used, reason = "a test that cannot go on says what it missed")]

#[path = "api/harness/cluster.rs"]
mod cluster;

use std::collections::BTreeSet;
use std::path::Path;

use cluster::Database;
use goodword::MIGRATOR;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

/// Every check and unique constraint, with a statement that it must refuse.
const REFUSED: &str = include_str!("data/refused.sql");

#[tokio::test]
async fn each_migration_applies_to_a_database_with_data_in_it() {
    let (database, mut conn) = migrated_on_data().await;
    let accounts: i64 =
        sqlx::query_scalar("select count(*) from accounts").fetch_one(&mut conn).await.expect("a count");
    assert_eq!(accounts, 2, "the data survived the migrations after it");
    conn.close().await.expect("closed");
    database.drop().await;
}

#[test]
fn each_data_file_belongs_to_a_migration() {
    let named: BTreeSet<String> = MIGRATOR.iter().map(file_name).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = |directory: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(root.join(directory)).expect(directory);
        entries.map(|entry| entry.expect(directory).file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(listed("tests/data/migrations"), named, "a data file for each migration, and no other");
    assert_eq!(listed("migrations"), named);
}

#[test]
fn no_migration_makes_the_running_programs_inserts_fail() {
    for migration in MIGRATOR.iter() {
        assert_eq!(added_without_default(migration.sql.as_str()), Vec::<String>::new(), "{}", file_name(migration));
    }
}

#[test]
fn a_column_that_is_added_not_null_without_a_default_is_seen() {
    let bugs = [
        "alter table coupons add column kind text not null;",
        "ALTER TABLE coupons\n  ADD kind text\n  NOT NULL",
        "create table x (); alter table only coupons add column if not exists kind numeric(5, 2) not null check (kind > 0);",
        "alter table coupons add a int default 1, add b int not null, drop c",
        "alter table coupons -- default\n add b int not null",
    ];
    for bug in bugs {
        assert_eq!(added_without_default(bug).len(), 1, "{bug}");
    }
    let fine = "create table t (a int not null); alter table t add b int not null default 1, add c numeric(5, 2) default 0 not null,
        add d int; alter table t alter b set not null, add constraint b_check check (b is not null); -- alter table t add e int not null";
    assert_eq!(added_without_default(fine), Vec::<String>::new());
}

#[tokio::test]
async fn each_constraint_refuses_what_it_is_there_to_refuse() {
    let (database, mut conn) = migrated_on_data().await;
    let mut bitten = BTreeSet::new();
    for (constraint, statement) in refused() {
        let mut attempt = conn.begin().await.expect("a transaction");
        match attempt.execute(AssertSqlSafe(statement)).await {
            Ok(done) => panic!("{constraint} let it pass ({} rows): {statement}", done.rows_affected()),
            Err(fault) => {
                let found = fault.as_database_error().and_then(|refusal| refusal.constraint());
                assert_eq!(found, Some(constraint), "{statement}\n{fault}");
            }
        }
        attempt.rollback().await.expect("rolled back");
        bitten.insert(constraint.to_owned());
    }
    let all: Vec<String> = sqlx::query_scalar(
        "select conname::text from pg_constraint
        where connamespace = 'public'::regnamespace and contype in ('c', 'u') and not starts_with(conrelid::regclass::text, '_sqlx')",
    )
    .fetch_all(&mut conn)
    .await
    .expect("the constraints");
    assert_eq!(
        bitten,
        all.into_iter().collect(),
        "each constraint has its case in tests/data/refused.sql, and no other"
    );
    conn.close().await.expect("closed");
    database.drop().await;
}

#[tokio::test]
async fn the_account_comes_first_in_every_key_of_a_merchants_table() {
    let (database, mut conn) = migrated_on_data().await;
    let askew = "select format('%s: %s', t.conrelid::regclass, t.conname)
        from pg_constraint t
        join pg_attribute first on first.attrelid = t.conrelid and first.attnum = t.conkey[1]
        where t.connamespace = 'public'::regnamespace and t.contype in ('p', 'u', 'f') and first.attname <> 'account_id'
            -- the directories, keyed by what a request carries, and the accounts themselves
            and t.conrelid::regclass::text not in ('accounts', 'account_aliases', 'api_keys', 'site_keys', 'server_secrets', '_sqlx_migrations')
        order by 1";
    let found: Vec<String> = sqlx::query_scalar(askew).fetch_all(&mut conn).await.expect("the keys");
    assert_eq!(found, Vec::<String>::new());

    conn.execute("create table odd (account_id bigint, id bigint primary key)").await.expect("a table");
    let found: Vec<String> = sqlx::query_scalar(askew).fetch_all(&mut conn).await.expect("the keys");
    assert_eq!(found, ["odd: odd_pkey"], "a key without its account is seen");
    conn.close().await.expect("closed");
    database.drop().await;
}

/// A database on which each migration met the data of those before it.
async fn migrated_on_data() -> (Database, PgConnection) {
    let database = Database::create(None).await;
    let mut conn = database.options.connect().await.expect("the database answers");
    for migration in MIGRATOR.iter() {
        let name = file_name(migration);
        conn.execute(sqlx::raw_sql(migration.sql.clone())).await.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/migrations").join(&name);
        let data =
            std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{name} has no data in tests/data/migrations"));
        conn.execute(sqlx::raw_sql(AssertSqlSafe(data)))
            .await
            .unwrap_or_else(|fault| panic!("data of {name}: {fault}"));
    }
    (database, conn)
}

fn file_name(migration: &sqlx::migrate::Migration) -> String {
    format!("{:04}_{}.sql", migration.version, migration.description.replace(' ', "_"))
}

/// The cases: each statement stands under a comment that names its constraint.
fn refused() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut constraint = "";
    REFUSED.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("---")).filter_map(
        move |line| match line.strip_prefix("-- ") {
            Some(name) => {
                constraint = name.trim();
                None
            }
            None => Some((constraint, line)),
        },
    )
}

/// Additions of columns that rows of the running program could not fill.
fn added_without_default(sql: &str) -> Vec<String> {
    let bare: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let bare = bare.join(" ").to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let statements = bare.split(';').map(str::trim).filter(|statement| statement.starts_with("alter table"));
    statements
        .flat_map(top_level_parts)
        .filter(|part| {
            let adds = part.split_once(" add ").or_else(|| part.strip_prefix("add ").map(|rest| ("", rest)));
            adds.is_some_and(|(_, what)| {
                !what.starts_with("constraint") && what.contains("not null") && !what.contains(" default ")
            })
        })
        .collect()
}

/// What stands between the commas that are not inside brackets.
fn top_level_parts(statement: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in statement.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        match parts.last_mut() {
            Some(last) if c != ',' || depth > 0 => last.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}
