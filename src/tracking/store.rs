//! The SQL of links: one statement a function.

use sqlx::PgConnection;

use crate::types::codes::{CodeKey, ReferralCode};
use crate::types::email::{Email, EmailKey};
use crate::types::ids::AccountId;

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

/// Finds the address of a customer as it is known, by its key.
pub async fn find_known_email(
    conn: &mut PgConnection,
    account: AccountId,
    key: &EmailKey,
) -> sqlx::Result<Option<Email>> {
    let found = sqlx::query_scalar!(
        r#"select email as "email: Email" from customers where account_id = $1 and email_key = $2"#,
        account.0,
        key.as_str()
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.flatten())
}
