//! The SQL of links: one statement a function.

use sqlx::PgConnection;

use crate::types::codes::{CodeKey, ReferralCode};

/// Where a link leads.
pub struct Destination {
    pub code: ReferralCode,
    pub url: String,
}

/// Finds where the link of this alias and code leads.
pub async fn find_destination(
    conn: &mut PgConnection,
    alias: &str,
    key: &CodeKey,
) -> sqlx::Result<Option<Destination>> {
    sqlx::query_as!(
        Destination,
        r#"select r.code as "code: ReferralCode", g.destination_url as url
        from account_aliases d
        join referral_codes r on r.account_id = d.account_id and r.code_key = $2
        join campaigns g on g.account_id = r.account_id and g.id = r.campaign_id
        where d.alias = $1"#,
        alias,
        key as &CodeKey
    )
    .fetch_optional(conn)
    .await
}
