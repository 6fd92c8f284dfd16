//! The SQL of shares: one statement a function.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Choice, NewShare, Share};
use crate::customers::Customer;
use crate::db::lists::list_statements;
use crate::types::codes::{CodeKey, ReferralCode};
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, CustomerId, ShareId};
use crate::types::text::{Name, OpaqueId};

list_statements! {
    /// Every share.
    list_all, count_all(_choice: &Choice)
    with []
    select r#"s.created_at as "at!", s.id as "id!", s.id as "row_id!""#
    from "shares s
        where s.account_id = $1 and (s.created_at, s.id) > ($2, $3) and s.created_at < $4"
    paged "order by s.created_at, s.id limit $5 offset $6"
}

list_statements! {
    /// The shares of one advocate.
    list_by_customer, count_by_customer(choice: &Choice)
    with [choice.customer_id.map(|id| id.0)]
    select r#"s.created_at as "at!", s.id as "id!", s.id as "row_id!""#
    from "shares s
        where s.account_id = $1 and s.customer_id = $5 and (s.created_at, s.id) > ($2, $3) and s.created_at < $4"
    paged "order by s.created_at, s.id limit $6 offset $7"
}

/// Inserts a share, if somebody has its code.
pub async fn insert(conn: &mut PgConnection, share: &NewShare, now: OffsetDateTime) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into shares (account_id, referral_code_id, customer_id, network, message, email, ip_address, created_at)
        select account_id, id, customer_id, $3, $4, $5, $6, $7 from referral_codes where account_id = $1 and code_key = $2",
        share.account_id.0,
        share.key.as_ref() as Option<&CodeKey>,
        share.network,
        share.message.as_ref().map(Name::as_str),
        share.email.as_ref().map(Email::as_str),
        share.ip_address.to_string(),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds shares by their numbers, in any order.
pub async fn find_all(conn: &mut PgConnection, account: AccountId, ids: &[ShareId]) -> sqlx::Result<Vec<Share>> {
    let rows = sqlx::query!(
        r#"select s.id as "id: ShareId", s.network, s.message, s.email as "email: Email", s.ip_address, s.created_at,
            r.code as "referral_code: ReferralCode", g.id as "campaign_id: CampaignId", g.name as campaign_name,
            u.id as "customer_id: CustomerId", u.external_id as "external_id: OpaqueId", u.email as "customer_email: Email",
            u.first_name, u.last_name
        from unnest($2::bigint[]) as wanted (id)
        join shares s on s.account_id = $1 and s.id = wanted.id
        join referral_codes r on r.account_id = s.account_id and r.id = s.referral_code_id
        join campaigns g on g.account_id = r.account_id and g.id = r.campaign_id
        join customers u on u.account_id = s.account_id and u.id = s.customer_id"#,
        account.0,
        ids as &[ShareId]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Share {
            id: row.id,
            referral_code: row.referral_code,
            campaign_id: row.campaign_id,
            campaign_name: row.campaign_name,
            advocate: Customer {
                account_id: account,
                id: row.customer_id,
                external_id: row.external_id,
                email: row.customer_email,
                first_name: row.first_name,
                last_name: row.last_name,
            },
            network: row.network,
            message: row.message,
            email: row.email,
            ip_address: row.ip_address,
            created_at: row.created_at,
        })
        .collect())
}
