//! Shares: what advocates sent to friends through the widget, as its pages report it.

pub mod http;
pub mod store;

use std::net::IpAddr;

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::customers::Customer;
use crate::types::codes::{CodeKey, ReferralCode};
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, CustomerId, ShareId};
use crate::types::page::{Found, Span};
use crate::types::text::Name;

/// The ways in which a widget shares.
pub const NETWORKS: [&str; 7] = ["copy", "email", "facebook", "twitter", "whatsapp", "sms", "native"];

/// A share that a page reports.
#[derive(Clone, Debug)]
pub struct NewShare {
    pub account_id: AccountId,
    /// Nothing that could be a code.
    pub key: Option<CodeKey>,
    /// One of [`NETWORKS`].
    pub network: String,
    pub message: Option<Name>,
    /// To whom it was sent.
    pub email: Option<Email>,
    pub ip_address: IpAddr,
}

/// A share as it is stored, and whose it is.
#[derive(Clone, Debug)]
pub struct Share {
    pub id: ShareId,
    pub referral_code: ReferralCode,
    pub campaign_id: CampaignId,
    pub campaign_name: String,
    pub advocate: Customer,
    pub network: String,
    pub message: Option<String>,
    pub email: Option<Email>,
    pub ip_address: String,
    pub created_at: OffsetDateTime,
}

/// Which shares are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice {
    pub customer_id: Option<CustomerId>,
}

/// Reads a part of the list.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    choice: &Choice,
    span: &Span,
) -> sqlx::Result<Found<Share>> {
    let is_one = choice.customer_id.is_some();
    let total = match (span.counts, is_one) {
        (false, _) => None,
        (true, true) => Some(store::count_by_customer(conn, account, choice, span).await?),
        (true, false) => Some(store::count_all(conn, account, choice, span).await?),
    };
    let steps = match (span.is_past(total), is_one) {
        (true, _) => Vec::new(),
        (false, true) => store::list_by_customer(conn, account, choice, span).await?,
        (false, false) => store::list_all(conn, account, choice, span).await?,
    };
    let ids: Vec<ShareId> = steps.iter().map(|step| ShareId(step.row_id)).collect();
    let rows = if ids.is_empty() { Vec::new() } else { store::find_all(conn, account, &ids).await? };
    Ok(Found::new(total, &steps, rows.into_iter().map(|row| (row.id.0, row))))
}
