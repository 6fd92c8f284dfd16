//! Listing referral codes, and finding the one that a code names.

use sqlx::PgConnection;

use super::{Issued, list_store, store};
use crate::customers::{self, Person};
use crate::types::codes::CodeKey;
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, CustomerId, ReferralCodeId};
use crate::types::page::{Found, Span};
use crate::types::text::OpaqueId;

/// Which referral codes are wanted: those of which all of this is true.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub codes: Codes,
    /// Our number for the advocate.
    pub customer_id: Option<CustomerId>,
    /// The merchant's number for him.
    pub external_id: Option<OpaqueId>,
    pub email: Option<Email>,
    pub campaign_id: Option<CampaignId>,
}

/// A referral code named by itself, by the coupon it holds, or by both.
#[derive(Clone, Debug, Default)]
pub struct Codes {
    pub referral_code: Option<CodeKey>,
    pub coupon_code: Option<CodeKey>,
}

/// What is left to look for once names have become numbers.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub id: Option<ReferralCodeId>,
    pub customer_id: Option<CustomerId>,
    pub campaign_id: Option<CampaignId>,
}

/// Finds the referral code that is named, if one is. `Nobodys` when the name is none, or two names mean two.
pub async fn resolve(
    conn: &mut PgConnection,
    account: AccountId,
    codes: &Codes,
) -> sqlx::Result<Result<Option<ReferralCodeId>, Nobodys>> {
    let mut ids = Vec::new();
    if let Some(key) = &codes.referral_code {
        let found = store::find_holders(conn, &[account], std::slice::from_ref(key)).await?;
        ids.push(found.into_iter().next().map(|(_, holder)| holder.referral_code_id));
    }
    if let Some(key) = &codes.coupon_code {
        let found = store::find_coupon_holders(conn, &[account], std::slice::from_ref(key)).await?;
        ids.push(found.into_iter().next().and_then(|(_, holder)| holder).map(|holder| holder.referral_code_id));
    }
    Ok(agreed(&ids))
}

/// The one that all names mean, if any was said.
fn agreed<T: Copy + PartialEq>(ids: &[Option<T>]) -> Result<Option<T>, Nobodys> {
    let agree = ids.windows(2).all(|pair| pair[0] == pair[1]);
    match ids.first() {
        None => Ok(None),
        Some(Some(id)) if agree => Ok(Some(*id)),
        Some(_) => Err(Nobodys),
    }
}

/// A name that nobody of the account goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nobodys;

/// Reads a part of the list. The coupons' PINs come with it and must not be shown.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    wanted: &Wanted,
    span: &Span,
) -> sqlx::Result<Found<Issued>> {
    let Ok(id) = resolve(conn, account, &wanted.codes).await? else { return Ok(Found::nothing(span)) };
    let Ok(customer_id) = resolve_advocate(conn, account, wanted).await? else { return Ok(Found::nothing(span)) };
    let choice = Choice { id, customer_id, campaign_id: wanted.campaign_id };
    let total = if span.counts { Some(count(conn, account, &choice, span).await?) } else { None };
    let steps = if span.is_past(total) {
        Vec::new()
    } else if choice.id.is_some() {
        list_store::list_by_id(conn, account, &choice, span).await?
    } else if choice.customer_id.is_some() {
        list_store::list_by_customer(conn, account, &choice, span).await?
    } else if choice.campaign_id.is_some() {
        list_store::list_by_campaign(conn, account, &choice, span).await?
    } else {
        list_store::list_all(conn, account, &choice, span).await?
    };
    let ids: Vec<ReferralCodeId> = steps.iter().map(|step| ReferralCodeId(step.row_id)).collect();
    let issued = find_all(conn, account, &ids).await?;
    Ok(Found::new(total, &steps, issued.into_iter().map(|issued| (issued.id.0, issued))))
}

/// Finds referral codes by their numbers, in any order.
pub async fn find_all(
    conn: &mut PgConnection,
    account: AccountId,
    ids: &[ReferralCodeId],
) -> sqlx::Result<Vec<Issued>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    store::find_issued(conn, &vec![account; ids.len()], ids).await
}

async fn resolve_advocate(
    conn: &mut PgConnection,
    account: AccountId,
    wanted: &Wanted,
) -> sqlx::Result<Result<Option<CustomerId>, Nobodys>> {
    let mut ids: Vec<Option<CustomerId>> = wanted.customer_id.map(Some).into_iter().collect();
    let by_id = wanted.external_id.clone().map(|id| Person { external_id: Some(id), ..Person::default() });
    let by_email = wanted.email.clone().map(|email| Person { email: Some(email), ..Person::default() });
    let people: Vec<Person> = by_id.into_iter().chain(by_email).collect();
    let named: Vec<_> = people.iter().map(|person| (account, person)).collect();
    ids.extend(customers::recognise(conn, &named).await?);
    Ok(agreed(&ids))
}

async fn count(conn: &mut PgConnection, account: AccountId, choice: &Choice, span: &Span) -> sqlx::Result<i64> {
    if choice.id.is_some() {
        list_store::count_by_id(conn, account, choice, span).await
    } else if choice.customer_id.is_some() {
        list_store::count_by_customer(conn, account, choice, span).await
    } else if choice.campaign_id.is_some() {
        list_store::count_by_campaign(conn, account, choice, span).await
    } else {
        list_store::count_all(conn, account, choice, span).await
    }
}
