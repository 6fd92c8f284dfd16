//! Better reports of orders that a page has reported: the shop's server or a till confirms what a page said, and what it says takes
//! the page's place. One order stays one order, with one conversion.
//!
//! What referred the order is decided anew, on what both reports brought: pages know of clicks, servers of coupons. Where the two name
//! two e-mail addresses, though, nothing of the page's counts: somebody may have guessed the order's number. What was ruled on for good
//! stays as it is.

use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;

use super::record::{repeated, rule};
use super::replace::{self, NewConversion, Standing};
use super::{OrderKey, Purchase, PurchaseToRecord, Recorded, store};
use crate::attribution::Decision;
use crate::customers::Person;
use crate::db::Abort;
use crate::referral_codes::visits;
use crate::types::codes::RecordedCode;
use crate::types::text::Name;
use crate::types::visit::{Visit, VisitToken};

/// Whether a report takes the place of what is known of its order.
pub(super) fn is_better(row: &PurchaseToRecord, known: &Purchase) -> bool {
    row.channel.replaces(known.channel)
}

/// Puts a report in the place of what a page said, in a transaction; or answers it as a repeat if somebody did so first.
pub(super) async fn confirm(
    conn: &mut PgConnection,
    row: &PurchaseToRecord,
    now: OffsetDateTime,
) -> Result<Recorded, Abort> {
    let mut transaction = conn.begin().await?;
    match confirm_locked(&mut transaction, row, now).await {
        Ok(recorded) => {
            transaction.commit().await?;
            Ok(recorded)
        }
        Err(abort) => {
            // At once: what it locked must not wait for the session's next work. Why it failed matters more than a rollback that does.
            let _ = transaction.rollback().await;
            Err(abort)
        }
    }
}

async fn confirm_locked(
    conn: &mut PgConnection,
    row: &PurchaseToRecord,
    now: OffsetDateTime,
) -> Result<Recorded, Abort> {
    let standing = replace::lock(conn, &row.key).await?.ok_or(Abort::LostRace)?;
    let known = find(conn, &row.key).await?;
    if !is_better(row, &known) {
        return Ok(repeated(known, row));
    }
    let is_one_buyer = is_one_buyer(&known, row);
    let merged = if is_one_buyer {
        merge(&known, row, clicked(conn, &known, &standing).await?)
    } else {
        PurchaseToRecord { date: row.date.or(Some(known.ordered_at)), ..row.clone() }
    };
    let has_refunds = !standing.refunded.is_zero();
    if has_refunds && merged.total.currency() != known.total.currency() {
        return Ok(Recorded::Conflict(vec!["order.currency"]));
    }
    if standing.refunded > merged.total.amount() {
        return Ok(Recorded::Conflict(vec!["order.amount"]));
    }
    let (decision, customer_id) = rule(conn, &merged, now).await?;
    replace::insert_replacement(conn, &known, now).await?;
    replace::update_facts(conn, &known, &merged, customer_id, is_one_buyer).await?;
    follow(conn, &known, &standing, &decision, now).await?;
    Ok(Recorded::Replayed(Box::new(find(conn, &row.key).await?)))
}

async fn find(conn: &mut PgConnection, key: &OrderKey) -> Result<Purchase, Abort> {
    store::find_all(conn, &[key]).await?.pop().ok_or(Abort::LostRace)
}

/// Whether the two reports are of one buyer's. Of what only a page said, anybody can guess an order's number: it must name the address
/// that the better report names. What the shop's server has signed needs only not to name another.
fn is_one_buyer(known: &Purchase, row: &PurchaseToRecord) -> bool {
    let page = known.email.as_ref().or(known.customer_email.as_ref());
    let better = row.email.as_ref().or(row.customer.email.as_ref());
    match page.zip(better) {
        Some((page, better)) => page.key() == better.key(),
        None => !known.channel.is_unverified(),
    }
}

/// The click that the page's report came with, signed anew.
async fn clicked(conn: &mut PgConnection, known: &Purchase, standing: &Standing) -> sqlx::Result<Option<VisitToken>> {
    let Some((clicked_at, referral_code_id)) = standing.visited_at.zip(standing.referral_code_id) else {
        return Ok(None);
    };
    // That it came in time was decided when the page reported.
    let visit = Visit { account_id: known.key.account_id, referral_code_id, clicked_at, window_days: u16::MAX };
    Ok(Some(visit.sign(&visits::find_key(conn).await?)))
}

/// What the better report says, and what else the page's said, but for what rules ask of the buyer: whether he is new, and whose
/// customer he is.
fn merge(known: &Purchase, row: &PurchaseToRecord, visit: Option<VisitToken>) -> PurchaseToRecord {
    let name = |name: &Option<String>| name.as_deref().and_then(|name| Name::try_from(name).ok());
    let code = |code: &Option<RecordedCode>| code.clone().filter(|code| code.key().is_some());
    let customer = &row.customer;
    PurchaseToRecord {
        email: row.email.clone().or_else(|| known.email.clone()),
        date: row.date.or(Some(known.ordered_at)),
        customer: Person {
            first_name: customer.first_name.clone().or_else(|| name(&known.customer_first_name)),
            last_name: customer.last_name.clone().or_else(|| name(&known.customer_last_name)),
            ..customer.clone()
        },
        products: row.products.clone().or_else(|| Some(known.products.clone())),
        ip_address: row.ip_address.or_else(|| known.ip_address.as_deref()?.parse().ok()),
        coupon_code: code(&row.coupon_code).or_else(|| known.coupon_code.clone()),
        referral_code: code(&row.referral_code).or_else(|| known.referral_code.clone()),
        visit: row.visit.clone().or(visit),
        ..row.clone()
    }
}

/// Lets the conversion follow from the decision. One that was approved, or rejected by rule or by hand, stays as it is, and so does
/// to whom it is credited.
async fn follow(
    conn: &mut PgConnection,
    known: &Purchase,
    standing: &Standing,
    decision: &Decision,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    let found = decision.outcome.as_ref().ok();
    match (&standing.conversion, found) {
        (None, None) => replace::update_attribution(conn, known, decision).await,
        (None, Some(found)) => {
            replace::update_attribution(conn, known, decision).await?;
            replace::insert_conversion(conn, known, &NewConversion::of(found), now).await
        }
        (Some(held), _) if held.is_settled => Ok(()),
        (Some(held), None) => replace::reject(conn, known, held, now).await,
        (Some(held), Some(found)) => {
            replace::update_attribution(conn, known, decision).await?;
            replace::reopen(conn, known, held, &NewConversion::of(found), now).await
        }
    }
}
