//! Campaigns: the terms under which referring is rewarded. On the compatible wire also called widgets.

pub mod http;
pub mod links;
pub mod rules;
pub mod store;

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::db::Fault;
use crate::types::ids::{AccountId, CampaignId};
use crate::types::page::{Found, Place, Span};
use crate::types::text::Name;
use crate::types::url::WebUrl;
use rules::Rules;

/// A campaign.
#[derive(Clone, Debug)]
pub struct Campaign {
    pub account_id: AccountId,
    pub id: CampaignId,
    pub name: String,
    /// Where its trackable links lead.
    pub destination_url: String,
    /// An archived campaign takes no new advocates. The codes it gave out stay good.
    pub archived: bool,
    pub created_at: OffsetDateTime,
}

/// A campaign with the rules by which its conversions are judged.
#[derive(Clone, Debug)]
pub struct Terms {
    pub campaign: Campaign,
    pub rules: Rules,
}

/// A campaign that is to be created. With an `id` the merchant keeps the one his code knows.
#[derive(Clone, Debug)]
pub struct NewCampaign {
    pub id: Option<CampaignId>,
    pub name: Name,
    pub destination_url: WebUrl,
    pub archived: bool,
    pub rules: Rules,
}

/// What is to be changed of a campaign; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct CampaignChange {
    pub name: Option<Name>,
    pub destination_url: Option<WebUrl>,
    pub archived: Option<bool>,
    /// All of them: what is left out of rules that are sent returns to its default.
    pub rules: Option<Rules>,
}

/// How often the next id is drawn when ids given by hand stand in the sequence's way.
const ID_TRIES_MAX: u32 = 1_000;

/// Creates a campaign. Nothing when its given id is taken.
pub async fn create(
    conn: &mut PgConnection,
    account: AccountId,
    new: NewCampaign,
    now: OffsetDateTime,
) -> Result<Option<Terms>, Fault> {
    for _ in 0..ID_TRIES_MAX {
        let inserted = store::insert(conn, account, &new, now).await?;
        if let Some(terms) = &inserted {
            store::insert_rules(conn, account, terms.campaign.id, &terms.rules, now).await?;
        }
        if inserted.is_some() || new.id.is_some() {
            return Ok(inserted);
        }
    }
    Ok(None)
}

/// Changes a campaign. Rules hold from now on, for conversions that are not evaluated yet. Nothing when there is none.
pub async fn change(
    conn: &mut PgConnection,
    account: AccountId,
    id: CampaignId,
    change: &CampaignChange,
    now: OffsetDateTime,
) -> Result<Option<Terms>, Fault> {
    let Some(changed) = store::update(conn, account, id, change).await? else { return Ok(None) };
    let Some(rules) = change.rules.clone().filter(|rules| *rules != changed.rules) else { return Ok(Some(changed)) };
    store::update_rules(conn, account, id, &rules).await?;
    store::insert_rules(conn, account, id, &rules, now).await?;
    Ok(Some(Terms { campaign: changed.campaign, rules }))
}

/// Reads a part of the list of an account's campaigns, which is in the order of their ids.
pub async fn list(conn: &mut PgConnection, account: AccountId, span: &Span) -> sqlx::Result<Found<Terms>> {
    let total = if span.counts { Some(store::count(conn, account, span).await?) } else { None };
    let rows = if span.is_past(total) { Vec::new() } else { store::list(conn, account, span).await? };
    Ok(Found { total, rows: rows.into_iter().map(|row| (Place::of_id(row.campaign.id.0), row)).collect() })
}
