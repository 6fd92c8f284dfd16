//! Looks at a database before it is trusted with money: version, encoding, durability. Changes nothing.

use sqlx::PgConnection;

/// Oldest PostgreSQL that is supported, as `server_version_num` writes it.
const VERSION_MIN: i32 = 140_000;

/// One thing that was looked at.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// What was found.
    pub found: String,
    /// What is wrong with it and what to do, or nothing.
    pub problem: Option<String>,
}

/// Reads the settings on which our promises rest.
pub async fn check(conn: &mut PgConnection) -> sqlx::Result<Vec<Check>> {
    let settings = sqlx::query!(
        r#"select current_setting('server_version') as "version!", current_setting('server_version_num')::int as "version_num!",
            current_setting('server_encoding') as "encoding!", current_setting('fsync') as "fsync!",
            current_setting('full_page_writes') as "full_page_writes!", current_setting('synchronous_commit') as "synchronous_commit!""#
    )
    .fetch_one(conn)
    .await?;
    let unsafe_unless_on = |name: &'static str, found: String| {
        let problem = (found == "off").then(|| {
            format!("a crash can lose orders that were acknowledged; set {name} = on in postgresql.conf and reload")
        });
        Check { name, found, problem }
    };
    Ok(vec![
        Check {
            name: "database version",
            problem: (settings.version_num < VERSION_MIN).then(|| "too old; upgrade to PostgreSQL 14 or later".to_owned()),
            found: settings.version,
        },
        Check {
            name: "encoding",
            problem: (settings.encoding != "UTF8")
                .then(|| "cannot hold every name; create the database again with: createdb --encoding=UTF8 --template=template0".to_owned()),
            found: settings.encoding,
        },
        unsafe_unless_on("fsync", settings.fsync),
        unsafe_unless_on("full_page_writes", settings.full_page_writes),
        unsafe_unless_on("synchronous_commit", settings.synchronous_commit),
    ])
}
