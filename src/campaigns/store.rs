//! The SQL of campaigns: one statement a function.

use rust_decimal::Decimal;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::rules::{RuleColumns, Rules};
use super::{Campaign, CampaignChange, NewCampaign, Terms};
use crate::types::ids::{AccountId, CampaignId};
use crate::types::page::Span;
use crate::types::text::Name;
use crate::types::url::WebUrl;

/// A campaign with its rules, as one row.
struct TermsRow {
    account_id: i64,
    id: i64,
    name: String,
    destination_url: String,
    archived: bool,
    created_at: OffsetDateTime,
    attribution_window_days: Option<i32>,
    days_to_delay: i32,
    new_customers_only: bool,
    minimum_amount: Option<Decimal>,
    maximum_rewards: Option<i32>,
    self_referral: String,
    unverified_orders: String,
    similar_email_edits: Option<i32>,
    reward_type: Option<String>,
    reward_unit: Option<String>,
    reward_value: Option<Decimal>,
    reward_cap: Option<Decimal>,
}

impl From<TermsRow> for Terms {
    fn from(row: TermsRow) -> Self {
        let columns = RuleColumns {
            attribution_window_days: row.attribution_window_days,
            days_to_delay: row.days_to_delay,
            new_customers_only: row.new_customers_only,
            minimum_amount: row.minimum_amount,
            maximum_rewards: row.maximum_rewards,
            self_referral: row.self_referral,
            unverified_orders: row.unverified_orders,
            similar_email_edits: row.similar_email_edits,
            reward_type: row.reward_type,
            reward_unit: row.reward_unit,
            reward_value: row.reward_value,
            reward_cap: row.reward_cap,
        };
        Self {
            campaign: Campaign {
                account_id: AccountId(row.account_id),
                id: CampaignId(row.id),
                name: row.name,
                destination_url: row.destination_url,
                archived: row.archived,
                created_at: row.created_at,
            },
            rules: columns.into(),
        }
    }
}

/// Inserts a campaign. Nothing when its id is taken, be it the given one or the next of the sequence.
pub async fn insert(
    conn: &mut PgConnection,
    account: AccountId,
    new: &NewCampaign,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Terms>> {
    let rules = new.rules.columns();
    let inserted = sqlx::query_as!(
        TermsRow,
        r#"insert into campaigns (account_id, id, name, destination_url, archived, created_at,
            attribution_window_days, days_to_delay, new_customers_only, minimum_amount, maximum_rewards, self_referral,
            unverified_orders, similar_email_edits, reward_type, reward_unit, reward_value, reward_cap)
        values ($1, coalesce($2, nextval(pg_get_serial_sequence('campaigns', 'id'))), $3, $4, $5, $6,
            $7, $8, $9, $10, $11, $12, $18, $13, $14, $15, $16, $17)
        on conflict on constraint campaigns_pkey do nothing
        returning account_id, id, name, destination_url, archived, created_at,
            attribution_window_days, days_to_delay, new_customers_only, minimum_amount, maximum_rewards, self_referral,
            unverified_orders, similar_email_edits, reward_type, reward_unit, reward_value, reward_cap"#,
        account.0,
        new.id.map(|id| id.0),
        new.name.as_str(),
        new.destination_url.as_str(),
        new.archived,
        now,
        rules.attribution_window_days,
        rules.days_to_delay,
        rules.new_customers_only,
        rules.minimum_amount,
        rules.maximum_rewards,
        rules.self_referral,
        rules.similar_email_edits,
        rules.reward_type,
        rules.reward_unit,
        rules.reward_value,
        rules.reward_cap,
        rules.unverified_orders
    )
    .fetch_optional(conn)
    .await?;
    Ok(inserted.map(Terms::from))
}

/// Changes what is given but for the rules, and gives the campaign as it is then. Nothing when there is none.
pub async fn update(
    conn: &mut PgConnection,
    account: AccountId,
    id: CampaignId,
    change: &CampaignChange,
) -> sqlx::Result<Option<Terms>> {
    let updated = sqlx::query_as!(
        TermsRow,
        r#"update campaigns
        set name = coalesce($3, name), destination_url = coalesce($4, destination_url), archived = coalesce($5, archived)
        where account_id = $1 and id = $2
        returning account_id, id, name, destination_url, archived, created_at,
            attribution_window_days, days_to_delay, new_customers_only, minimum_amount, maximum_rewards, self_referral,
            unverified_orders, similar_email_edits, reward_type, reward_unit, reward_value, reward_cap"#,
        account.0,
        id.0,
        change.name.as_ref().map(Name::as_str),
        change.destination_url.as_ref().map(WebUrl::as_str),
        change.archived
    )
    .fetch_optional(conn)
    .await?;
    Ok(updated.map(Terms::from))
}

/// Sets all rules of a campaign.
pub async fn update_rules(
    conn: &mut PgConnection,
    account: AccountId,
    id: CampaignId,
    rules: &Rules,
) -> sqlx::Result<()> {
    let rules = rules.columns();
    sqlx::query!(
        r#"update campaigns
        set attribution_window_days = $3, days_to_delay = $4, new_customers_only = $5, minimum_amount = $6, maximum_rewards = $7,
            self_referral = $8, similar_email_edits = $9, reward_type = $10, reward_unit = $11, reward_value = $12, reward_cap = $13,
            unverified_orders = $14
        where account_id = $1 and id = $2"#,
        account.0,
        id.0,
        rules.attribution_window_days,
        rules.days_to_delay,
        rules.new_customers_only,
        rules.minimum_amount,
        rules.maximum_rewards,
        rules.self_referral,
        rules.similar_email_edits,
        rules.reward_type,
        rules.reward_unit,
        rules.reward_value,
        rules.reward_cap,
        rules.unverified_orders
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps since when rules are in force.
pub async fn insert_rules(
    conn: &mut PgConnection,
    account: AccountId,
    id: CampaignId,
    rules: &Rules,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into campaign_rules (account_id, campaign_id, rules, in_force_from) values ($1, $2, $3, $4)",
        account.0,
        id.0,
        Json(rules) as Json<&Rules>,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The rules that were in force at a moment, as JSON, and since when. Nothing before any were set: then they were the defaults.
pub async fn find_rules_at(
    conn: &mut PgConnection,
    account: AccountId,
    id: CampaignId,
    at: OffsetDateTime,
) -> sqlx::Result<Option<(OffsetDateTime, Box<RawValue>)>> {
    let found = sqlx::query!(
        r#"select in_force_from, rules as "rules: Json<Box<RawValue>>" from campaign_rules
        where account_id = $1 and campaign_id = $2 and in_force_from <= $3
        order by id desc
        limit 1"#,
        account.0,
        id.0,
        at
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|found| (found.in_force_from, found.rules.0)))
}

/// Finds a campaign with its rules.
pub async fn find(conn: &mut PgConnection, account: AccountId, id: CampaignId) -> sqlx::Result<Option<Terms>> {
    let found = sqlx::query_as!(
        TermsRow,
        r#"select account_id, id, name, destination_url, archived, created_at,
            attribution_window_days, days_to_delay, new_customers_only, minimum_amount, maximum_rewards, self_referral,
            unverified_orders, similar_email_edits, reward_type, reward_unit, reward_value, reward_cap
        from campaigns
        where account_id = $1 and id = $2"#,
        account.0,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(Terms::from))
}

/// Finds campaigns with their rules, in any order. Unknown ones are simply missing.
pub async fn find_terms(conn: &mut PgConnection, account: AccountId, ids: &[CampaignId]) -> sqlx::Result<Vec<Terms>> {
    let rows = sqlx::query_as!(
        TermsRow,
        r#"select g.account_id, g.id, g.name, g.destination_url, g.archived, g.created_at,
            g.attribution_window_days, g.days_to_delay, g.new_customers_only, g.minimum_amount, g.maximum_rewards, g.self_referral,
            g.unverified_orders, g.similar_email_edits, g.reward_type, g.reward_unit, g.reward_value, g.reward_cap
        from unnest($2::bigint[]) as wanted (id)
        join campaigns g on g.account_id = $1 and g.id = wanted.id"#,
        account.0,
        ids as &[CampaignId]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Terms::from).collect())
}

/// Lists an account's campaigns by id, those after a place.
pub async fn list(conn: &mut PgConnection, account: AccountId, span: &Span) -> sqlx::Result<Vec<Terms>> {
    let rows = sqlx::query_as!(
        TermsRow,
        r#"select account_id, id, name, destination_url, archived, created_at,
            attribution_window_days, days_to_delay, new_customers_only, minimum_amount, maximum_rewards, self_referral,
            unverified_orders, similar_email_edits, reward_type, reward_unit, reward_value, reward_cap
        from campaigns
        where account_id = $1 and id > $2 and created_at >= $3 and created_at < $4
        order by id
        limit $5 offset $6"#,
        account.0,
        span.after.id,
        span.from,
        span.until,
        span.limit,
        span.offset
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Terms::from).collect())
}

/// Counts an account's campaigns, whatever place they stand at.
pub async fn count(conn: &mut PgConnection, account: AccountId, span: &Span) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from campaigns where account_id = $1 and created_at >= $2 and created_at < $3"#,
        account.0,
        span.from,
        span.until
    )
    .fetch_one(conn)
    .await
}
