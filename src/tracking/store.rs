//! The SQL of links and widgets: one statement a function.

use sqlx::PgConnection;

use super::clicks::Click;
use crate::types::codes::{CodeKey, ReferralCode};
use crate::types::email::{Email, EmailKey};
use crate::types::ids::{AccountId, CampaignId, ReferralCodeId};
use crate::types::text::UserAgent;

/// What a link is, and how the account and the campaign want it to behave. Without a code it is unknown.
pub struct LinkRow {
    pub account_id: AccountId,
    pub account_fallback_url: Option<String>,
    pub referral_code_id: Option<ReferralCodeId>,
    pub code: Option<ReferralCode>,
    pub is_blocked: bool,
    pub campaign_id: Option<CampaignId>,
    pub campaign_name: Option<String>,
    pub destination_url: Option<String>,
    pub is_archived: bool,
    pub window_days: Option<i32>,
    pub utm_source: Option<String>,
    pub utm_medium: Option<String>,
    pub utm_campaign: Option<String>,
    pub fallback_url: Option<String>,
    pub keeps_first_click: bool,
    pub is_used_up: bool,
}

/// Finds the link of this alias and code. Nothing when no account has the alias. Clicks are counted only where there is a limit, and no
/// further than it.
pub async fn find_link(conn: &mut PgConnection, alias: &str, key: &CodeKey) -> sqlx::Result<Option<LinkRow>> {
    sqlx::query_as!(
        LinkRow,
        r#"select d.account_id as "account_id: AccountId", s.fallback_url as "account_fallback_url?",
            r.id as "referral_code_id?: ReferralCodeId", r.code as "code?: ReferralCode",
            r.blocked_at is not null or u.blocked_at is not null as "is_blocked!", g.id as "campaign_id?: CampaignId",
            g.name as "campaign_name?", g.destination_url as "destination_url?", coalesce(g.archived, false) as "is_archived!",
            g.attribution_window_days as "window_days?", l.utm_source as "utm_source?", l.utm_medium as "utm_medium?",
            l.utm_campaign as "utm_campaign?", l.fallback_url as "fallback_url?", coalesce(l.keeps_first_click, false) as "keeps_first_click!",
            case when l.clicks_max is null then false else (
                select count(*) from (
                    select from clicks c
                    where c.account_id = r.account_id and c.referral_code_id = r.id and not c.is_bot
                    limit l.clicks_max
                ) counted
            ) >= l.clicks_max end as "is_used_up!"
        from account_aliases d
        left join account_sites s on s.account_id = d.account_id
        left join referral_codes r on r.account_id = d.account_id and r.code_key = $2
        left join customers u on u.account_id = r.account_id and u.id = r.customer_id
        left join campaigns g on g.account_id = r.account_id and g.id = r.campaign_id
        left join campaign_links l on l.account_id = g.account_id and l.campaign_id = g.id
        where d.alias = $1"#,
        alias,
        key as &CodeKey
    )
    .fetch_optional(conn)
    .await
}

/// Finds the secret of this name.
pub async fn find_secret(conn: &mut PgConnection, name: &str) -> sqlx::Result<[u8; 32]> {
    let secret = sqlx::query_scalar!("select secret from server_secrets where name = $1", name).fetch_one(conn).await?;
    secret.try_into().map_err(|_long| sqlx::Error::RowNotFound)
}

/// Inserts clicks.
pub async fn insert_clicks(conn: &mut PgConnection, clicks: &[Click]) -> sqlx::Result<()> {
    let accounts: Vec<AccountId> = clicks.iter().map(|click| click.account_id).collect();
    let codes: Vec<ReferralCodeId> = clicks.iter().map(|click| click.referral_code_id).collect();
    let campaigns: Vec<CampaignId> = clicks.iter().map(|click| click.campaign_id).collect();
    let moments: Vec<_> = clicks.iter().map(|click| click.clicked_at).collect();
    let bots: Vec<bool> = clicks.iter().map(|click| click.is_bot).collect();
    let agents: Vec<Option<&str>> =
        clicks.iter().map(|click| click.user_agent.as_ref().map(UserAgent::as_str)).collect();
    let digests: Vec<&[u8]> = clicks.iter().map(|click| click.address_digest.as_slice()).collect();
    sqlx::query!(
        "insert into clicks (account_id, referral_code_id, campaign_id, clicked_at, is_bot, user_agent, address_digest)
        select unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::bigint[]), unnest($4::timestamptz[]), unnest($5::bool[]),
            unnest($6::text[]), unnest($7::bytea[])",
        &accounts as &[AccountId],
        &codes as &[ReferralCodeId],
        &campaigns as &[CampaignId],
        &moments,
        &bots,
        &agents as &[Option<&str>],
        &digests as &[&[u8]]
    )
    .execute(conn)
    .await?;
    Ok(())
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
