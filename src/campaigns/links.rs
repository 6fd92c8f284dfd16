//! How a campaign's links and its widget behave: what they add to the page's address, where spent ones lead, what the widget gives.

pub mod http;

use sqlx::PgConnection;

use crate::db;
use crate::types::ids::{AccountId, CampaignId, CouponBankId};
use crate::types::text::Name;
use crate::types::url::WebUrl;

/// Most clicks that a limit can allow.
pub const CLICKS_MAX: i64 = 1_000_000;

/// The settings of a campaign's links. Those of a campaign that has said nothing are all absent.
#[derive(Clone, Debug, Default)]
pub struct LinkSettings {
    pub utm_source: Option<Name>,
    pub utm_medium: Option<Name>,
    pub utm_campaign: Option<Name>,
    /// Where links lead that are blocked or used up, or whose campaign is archived.
    pub fallback_url: Option<WebUrl>,
    /// After how many clicks a code is used up.
    pub clicks_max: Option<i32>,
    /// Whether a page keeps the first link that somebody came by, and not the newest.
    pub keeps_first_click: bool,
    /// Where the widget's coupons come from.
    pub widget_coupon_bank_id: Option<CouponBankId>,
}

/// The settings as they are stored.
#[derive(Clone, Debug, Default)]
pub struct StoredSettings {
    pub utm_source: Option<String>,
    pub utm_medium: Option<String>,
    pub utm_campaign: Option<String>,
    pub fallback_url: Option<String>,
    pub clicks_max: Option<i32>,
    pub keeps_first_click: bool,
    pub widget_coupon_bank_id: Option<CouponBankId>,
}

/// What became of a change.
#[derive(Debug)]
pub enum Put {
    Done(StoredSettings),
    CampaignNotFound,
    CouponBankNotFound,
}

/// Sets all settings of a campaign's links. To be run in a transaction.
pub async fn put(
    conn: &mut PgConnection,
    account: AccountId,
    campaign: CampaignId,
    settings: &LinkSettings,
) -> sqlx::Result<Put> {
    let text = |name: &Option<Name>| name.as_ref().map(|name| name.as_str().to_owned());
    let stored = StoredSettings {
        utm_source: text(&settings.utm_source),
        utm_medium: text(&settings.utm_medium),
        utm_campaign: text(&settings.utm_campaign),
        fallback_url: settings.fallback_url.as_ref().map(|url| url.as_str().to_owned()),
        clicks_max: settings.clicks_max,
        keeps_first_click: settings.keeps_first_click,
        widget_coupon_bank_id: settings.widget_coupon_bank_id,
    };
    match upsert(conn, account, campaign, &stored).await {
        Ok(()) => Ok(Put::Done(stored)),
        Err(error) => match db::constraint(&error) {
            Some("campaign_links_campaign_id_fkey") => Ok(Put::CampaignNotFound),
            Some("campaign_links_widget_coupon_bank_id_fkey") => Ok(Put::CouponBankNotFound),
            _ => Err(error),
        },
    }
}

async fn upsert(
    conn: &mut PgConnection,
    account: AccountId,
    campaign: CampaignId,
    settings: &StoredSettings,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into campaign_links (account_id, campaign_id, utm_source, utm_medium, utm_campaign, fallback_url, clicks_max,
            keeps_first_click, widget_coupon_bank_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        on conflict on constraint campaign_links_pkey do update
        set utm_source = excluded.utm_source, utm_medium = excluded.utm_medium, utm_campaign = excluded.utm_campaign,
            fallback_url = excluded.fallback_url, clicks_max = excluded.clicks_max, keeps_first_click = excluded.keeps_first_click,
            widget_coupon_bank_id = excluded.widget_coupon_bank_id",
        account.0,
        campaign.0,
        settings.utm_source,
        settings.utm_medium,
        settings.utm_campaign,
        settings.fallback_url,
        settings.clicks_max,
        settings.keeps_first_click,
        settings.widget_coupon_bank_id.map(|id| id.0)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds the settings of a campaign's links. Nothing when there is no such campaign.
pub async fn find(
    conn: &mut PgConnection,
    account: AccountId,
    campaign: CampaignId,
) -> sqlx::Result<Option<StoredSettings>> {
    sqlx::query_as!(
        StoredSettings,
        r#"select l.utm_source as "utm_source?", l.utm_medium as "utm_medium?", l.utm_campaign as "utm_campaign?",
            l.fallback_url as "fallback_url?", l.clicks_max as "clicks_max?", coalesce(l.keeps_first_click, false) as "keeps_first_click!",
            l.widget_coupon_bank_id as "widget_coupon_bank_id?: CouponBankId"
        from campaigns g
        left join campaign_links l on l.account_id = g.account_id and l.campaign_id = g.id
        where g.account_id = $1 and g.id = $2"#,
        account.0,
        campaign.0
    )
    .fetch_optional(conn)
    .await
}

/// What a campaign's widget gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widget {
    pub campaign_id: CampaignId,
    /// Without it there are no coupons, and the link is all.
    pub coupon_bank_id: Option<CouponBankId>,
}

/// Finds the widget of this campaign, or of the account's first. Archived ones have none.
pub async fn find_widget(
    conn: &mut PgConnection,
    account: AccountId,
    campaign: Option<CampaignId>,
) -> sqlx::Result<Option<Widget>> {
    sqlx::query_as!(
        Widget,
        r#"select g.id as "campaign_id: CampaignId", l.widget_coupon_bank_id as "coupon_bank_id?: CouponBankId"
        from campaigns g
        left join campaign_links l on l.account_id = g.account_id and l.campaign_id = g.id
        where g.account_id = $1 and ($2::bigint is null or g.id = $2) and not g.archived
        order by g.id
        limit 1"#,
        account.0,
        campaign.map(|id| id.0)
    )
    .fetch_optional(conn)
    .await
}
