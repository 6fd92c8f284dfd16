//! The SQL of campaigns: one statement a function.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Campaign, CampaignChange, NewCampaign};
use crate::types::ids::{AccountId, CampaignId};
use crate::types::page::PageRequest;
use crate::types::text::Name;
use crate::types::url::WebUrl;

/// Inserts a campaign. Nothing when its id is taken, be it the given one or the next of the sequence.
pub async fn insert(
    conn: &mut PgConnection,
    account: AccountId,
    new: &NewCampaign,
    now: OffsetDateTime,
) -> sqlx::Result<Option<Campaign>> {
    sqlx::query_as!(
        Campaign,
        r#"insert into campaigns (account_id, id, name, destination_url, archived, created_at)
        values ($1, coalesce($2, nextval(pg_get_serial_sequence('campaigns', 'id'))), $3, $4, $5, $6)
        on conflict on constraint campaigns_pkey do nothing
        returning account_id, id, name, destination_url, archived, created_at"#,
        account.0,
        new.id.map(|id| id.0),
        new.name.as_str(),
        new.destination_url.as_str(),
        new.archived,
        now
    )
    .fetch_optional(conn)
    .await
}

/// Changes what is given and gives the campaign as it is then. Nothing when there is none.
pub async fn update(
    conn: &mut PgConnection,
    account: AccountId,
    id: CampaignId,
    change: &CampaignChange,
) -> sqlx::Result<Option<Campaign>> {
    sqlx::query_as!(
        Campaign,
        r#"update campaigns
        set name = coalesce($3, name), destination_url = coalesce($4, destination_url), archived = coalesce($5, archived)
        where account_id = $1 and id = $2
        returning account_id, id, name, destination_url, archived, created_at"#,
        account.0,
        id.0,
        change.name.as_ref().map(Name::as_str),
        change.destination_url.as_ref().map(WebUrl::as_str),
        change.archived
    )
    .fetch_optional(conn)
    .await
}

/// Finds the campaigns behind pairs of account and id. Unknown pairs are simply missing.
pub async fn find_all(
    conn: &mut PgConnection,
    accounts: &[AccountId],
    ids: &[CampaignId],
) -> sqlx::Result<Vec<Campaign>> {
    sqlx::query_as!(
        Campaign,
        r#"select distinct c.account_id, c.id, c.name, c.destination_url, c.archived, c.created_at
        from unnest($1::bigint[], $2::bigint[]) as wanted (account_id, id)
        join campaigns c on c.account_id = wanted.account_id and c.id = wanted.id"#,
        accounts as &[AccountId],
        ids as &[CampaignId]
    )
    .fetch_all(conn)
    .await
}

/// Lists an account's campaigns by id, those after one id.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    after: CampaignId,
    page: PageRequest,
) -> sqlx::Result<Vec<Campaign>> {
    sqlx::query_as!(
        Campaign,
        r#"select account_id, id, name, destination_url, archived, created_at from campaigns
        where account_id = $1 and id > $2
        order by id
        limit $3 offset $4"#,
        account.0,
        after.0,
        page.limit,
        page.offset
    )
    .fetch_all(conn)
    .await
}

/// Counts an account's campaigns.
pub async fn count_all(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from campaigns where account_id = $1"#, account.0)
        .fetch_one(conn)
        .await
}
