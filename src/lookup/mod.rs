//! The look-up: one text that is an e-mail address, the merchant's id of a customer, a referral code, a coupon code or an
//! order id, and who and what is behind it. For the person at the counter or on the phone.
//!
//! Only reads, and never more than a bounded number of rows, the newest first.

pub mod http;
mod store;

use std::collections::BTreeSet;

use sqlx::PgConnection;

use crate::conversions::list::ListedConversion;
use crate::coupon_banks::CouponStatus;
use crate::customers::list::ListedCustomer;
use crate::customers::{self, Person};
use crate::purchases::{self, Purchase};
use crate::referral_codes::{self, Issued};
use crate::types::codes::{CodeKey, CouponCode, fold};
use crate::types::email::Email;
use crate::types::ids::{AccountId, ConversionId, CouponBankId, CustomerId};
use crate::types::page::{Dates, Found, Place, Span, Step};
use crate::types::text::OpaqueId;

/// Most rows of each kind.
const ROWS_MAX: usize = 25;
/// Most people: an order id may be one of each till.
const PEOPLE_MAX: usize = 10;
/// One row more tells whether there are more.
const ROWS_READ: i64 = ROWS_MAX as i64 + 1;

/// What a text turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Email,
    CustomerId,
    ReferralCode,
    CouponCode,
    OrderId,
}

/// The newest rows of a kind.
#[derive(Clone, Debug)]
pub struct Newest<T> {
    pub rows: Vec<T>,
    pub has_more: bool,
}

/// A coupon and where it is.
#[derive(Clone, Debug)]
pub struct LookedUpCoupon {
    pub code: CouponCode,
    pub status: CouponStatus,
    pub bank_id: CouponBankId,
    pub bank_name: String,
    /// Of the advocate who holds it.
    pub referral_code: Option<String>,
    pub holder_id: Option<CustomerId>,
}

/// A customer with what belongs to him.
#[derive(Clone, Debug)]
pub struct LookedUpPerson {
    pub customer: ListedCustomer,
    pub referral_codes: Newest<Issued>,
    /// Those he is the advocate of.
    pub conversions: Newest<ListedConversion>,
    /// Those he made himself.
    pub purchases: Newest<Purchase>,
}

/// Who and what is behind a text.
#[derive(Clone, Debug)]
pub struct LookedUp {
    pub found_as: BTreeSet<Kind>,
    pub coupon: Option<LookedUpCoupon>,
    pub people: Vec<LookedUpPerson>,
    /// The orders with this id, or of the buyer with this id or address, customer or not.
    pub purchases: Newest<Purchase>,
}

/// What a text could be.
struct Readings {
    email: Option<Email>,
    id: Option<OpaqueId>,
    code: CodeKey,
}

impl Readings {
    fn of(text: &str) -> Self {
        Self { email: Email::try_from(text.trim()).ok(), id: OpaqueId::try_from(text).ok(), code: fold(text) }
    }
}

/// Looks a text up in every way it can be read.
pub async fn look_up(conn: &mut PgConnection, account: AccountId, text: &str) -> sqlx::Result<LookedUp> {
    let readings = Readings::of(text);
    let mut found_as = BTreeSet::new();
    let mut people = find_people(conn, account, &readings, &mut found_as).await?;
    let coupon = store::find_coupon(conn, account, &readings.code).await?;
    if let Some(coupon) = &coupon {
        found_as.insert(Kind::CouponCode);
        people.extend(coupon.holder_id);
    }
    let purchases = find_purchases(conn, account, &readings, &mut found_as).await?;
    for purchase in &purchases.rows {
        people.extend(purchase.attribution.as_ref().map(|attribution| attribution.advocate.id));
        people.extend(purchase.customer_id);
    }
    let mut seen = BTreeSet::new();
    people.retain(|id| seen.insert(*id));
    people.truncate(PEOPLE_MAX);
    Ok(LookedUp { found_as, coupon, people: show_people(conn, account, &people).await?, purchases })
}

/// Who has this address, this id or this referral code, the likeliest first.
async fn find_people(
    conn: &mut PgConnection,
    account: AccountId,
    readings: &Readings,
    found_as: &mut BTreeSet<Kind>,
) -> sqlx::Result<Vec<CustomerId>> {
    let mut people = Vec::new();
    if let Some(email) = &readings.email {
        let person = Person { email: Some(email.clone()), ..Person::default() };
        let known = customers::recognise(conn, &[(account, &person)]).await?.into_iter().flatten().next();
        people.extend(known.inspect(|_| {
            found_as.insert(Kind::Email);
        }));
    }
    if let Some(id) = &readings.id {
        let person = Person { external_id: Some(id.clone()), ..Person::default() };
        let known = customers::recognise(conn, &[(account, &person)]).await?.into_iter().flatten().next();
        people.extend(known.inspect(|_| {
            found_as.insert(Kind::CustomerId);
        }));
    }
    let holders = referral_codes::store::find_holders(conn, &[account], std::slice::from_ref(&readings.code)).await?;
    people.extend(holders.into_iter().map(|(_, holder)| {
        found_as.insert(Kind::ReferralCode);
        holder.advocate.id
    }));
    Ok(people)
}

/// The orders that a text names.
async fn find_purchases(
    conn: &mut PgConnection,
    account: AccountId,
    readings: &Readings,
    found_as: &mut BTreeSet<Kind>,
) -> sqlx::Result<Newest<Purchase>> {
    let mut steps = Vec::new();
    if let Some(id) = &readings.id {
        let orders = purchases::list_store::latest_by_order(conn, account, id, ROWS_READ).await?;
        found_as.extend((!orders.is_empty()).then_some(Kind::OrderId));
        steps.extend(orders);
    }
    let of_buyer = steps_of_buyer(conn, account, readings.id.as_ref(), readings.email.as_ref(), found_as).await?;
    steps.extend(of_buyer);
    load_purchases(conn, account, steps).await
}

async fn steps_of_buyer(
    conn: &mut PgConnection,
    account: AccountId,
    id: Option<&OpaqueId>,
    email: Option<&Email>,
    found_as: &mut BTreeSet<Kind>,
) -> sqlx::Result<Vec<Step>> {
    let mut steps = Vec::new();
    if let Some(id) = id {
        steps.extend(purchases::list_store::latest_by_external_id(conn, account, id, ROWS_READ).await?);
        found_as.extend((!steps.is_empty()).then_some(Kind::CustomerId));
    }
    if let Some(email) = email {
        let by_email = purchases::list_store::latest_by_email(conn, account, &email.key(), ROWS_READ).await?;
        found_as.extend((!by_email.is_empty()).then_some(Kind::Email));
        steps.extend(by_email);
    }
    Ok(steps)
}

async fn load_purchases(
    conn: &mut PgConnection,
    account: AccountId,
    steps: Vec<Step>,
) -> sqlx::Result<Newest<Purchase>> {
    let (steps, has_more) = newest(steps);
    let found = purchases::list::load(conn, account, None, &steps).await?;
    Ok(Newest { rows: rows(found), has_more })
}

async fn show_people(
    conn: &mut PgConnection,
    account: AccountId,
    ids: &[CustomerId],
) -> sqlx::Result<Vec<LookedUpPerson>> {
    let known = if ids.is_empty() { Vec::new() } else { customers::list_store::find_all(conn, account, ids).await? };
    let mut people = Vec::new();
    for id in ids {
        let Some(customer) = known.iter().find(|known| known.customer.id == *id).cloned() else { continue };
        let named = &customer.customer;
        let bought =
            steps_of_buyer(conn, account, named.external_id.as_ref(), named.email.as_ref(), &mut BTreeSet::new())
                .await?;
        people.push(LookedUpPerson {
            referral_codes: find_referral_codes(conn, account, *id).await?,
            conversions: find_conversions(conn, account, *id).await?,
            purchases: load_purchases(conn, account, bought).await?,
            customer,
        });
    }
    Ok(people)
}

async fn find_referral_codes(
    conn: &mut PgConnection,
    account: AccountId,
    advocate: CustomerId,
) -> sqlx::Result<Newest<Issued>> {
    let wanted = referral_codes::list::Wanted { customer_id: Some(advocate), ..Default::default() };
    let Dates { from, until } = Dates::ALL;
    let span = Span { after: Place::before(from), from, until, limit: ROWS_READ, offset: 0, counts: false };
    let mut found = rows(referral_codes::list::list(conn, account, &wanted, &span).await?);
    let has_more = found.len() > ROWS_MAX;
    found.truncate(ROWS_MAX);
    Ok(Newest { rows: found, has_more })
}

async fn find_conversions(
    conn: &mut PgConnection,
    account: AccountId,
    advocate: CustomerId,
) -> sqlx::Result<Newest<ListedConversion>> {
    use crate::conversions::{list, list_store};
    let (steps, has_more) = newest(list_store::latest_of_advocate(conn, account, advocate, ROWS_READ).await?);
    let ids: Vec<ConversionId> = steps.iter().map(|step| ConversionId(step.row_id)).collect();
    let loaded = list::find_all(conn, account, &ids).await?;
    let found = Found::new(None, &steps, loaded.into_iter().map(|row| (row.id.0, row)));
    Ok(Newest { rows: rows(found), has_more })
}

/// The newest of steps that were found in several ways, each once, and whether there are more of them.
fn newest(mut steps: Vec<Step>) -> (Vec<Step>, bool) {
    steps.sort_by_key(|step| std::cmp::Reverse(step.place()));
    steps.dedup();
    let has_more = steps.len() > ROWS_MAX;
    steps.truncate(ROWS_MAX);
    (steps, has_more)
}

fn rows<T>(found: Found<T>) -> Vec<T> {
    found.rows.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    #[test]
    fn what_was_found_twice_is_shown_once_and_the_newest_first() {
        let step = |n: i64| Step { at: Dates::ALL.from + Duration::seconds(n), id: n, row_id: n };
        let (steps, has_more) = newest([3, 1, 2, 3, 1].map(step).to_vec());
        assert_eq!((steps, has_more), ([3, 2, 1].map(step).to_vec(), false));
        let (steps, has_more) = newest((0..26).map(step).collect());
        assert_eq!((steps.len(), steps[0], has_more), (25, step(25), true));
    }
}
