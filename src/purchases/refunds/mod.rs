//! Refunds and cancellations: what was given back of an order, and what that takes from its reward. A refund is named by the
//! merchant's id of it and counts once; the reward follows in the same transaction.

pub mod http;
pub mod store;

use rust_decimal::Decimal;
use sqlx::PgConnection;
use time::OffsetDateTime;

use self::store::Locked;
use super::OrderKey;
use crate::rewards::amount::Left;
use crate::rewards::{self, Cause, Change, Reward};
use crate::types::ids::{AccountId, PurchaseId};
use crate::types::money::{Currency, Money};
use crate::types::page::{Found, Span};
use crate::types::text::{Name, OpaqueId};

/// A refund that is to be recorded.
#[derive(Clone, Debug)]
pub struct RefundToRecord {
    pub id: OpaqueId,
    /// Without it all that is left.
    pub amount: Option<Decimal>,
    pub reason: Option<Name>,
}

/// A refund as stored.
#[derive(Clone, Debug)]
pub struct Refund {
    pub id: OpaqueId,
    pub amount: Decimal,
    pub reason: Option<String>,
    pub created_at: OffsetDateTime,
}

/// What is left of an order, and the reward that follows it.
#[derive(Clone, Debug)]
pub struct Balance {
    pub key: OrderKey,
    pub currency: Currency,
    pub left: Left,
    pub cancelled_at: Option<OffsetDateTime>,
    pub reward: Option<Reward>,
}

/// What became of a refund.
#[derive(Clone, Debug)]
pub enum Refunded {
    New(Refund, Box<Balance>),
    /// It was recorded before.
    Replayed(Refund, Box<Balance>),
    /// Another refund was recorded under this id. The fields that differ.
    Conflict(Vec<&'static str>),
    /// So much is left, which is less than was to be given back.
    TooMuch(Money),
    /// The amount has more decimals than the currency, which has so many.
    TooManyDecimals(u32),
    PurchaseNotFound,
}

/// Records a refund.
pub async fn refund(
    conn: &mut PgConnection,
    key: &OrderKey,
    new: &RefundToRecord,
    now: OffsetDateTime,
) -> sqlx::Result<Refunded> {
    let Some(order) = store::lock(conn, key).await? else { return Ok(Refunded::PurchaseNotFound) };
    let currency = order.currency();
    let decimals = currency.decimals();
    if new.amount.is_some_and(|amount| amount != amount.round_dp(decimals)) {
        return Ok(Refunded::TooManyDecimals(decimals));
    }
    if let Some(known) = store::find(conn, key.account_id, order.id, &new.id).await? {
        let fields = differences(&known, new);
        if !fields.is_empty() {
            return Ok(Refunded::Conflict(fields));
        }
        let balance = balance(conn, key, &order).await?;
        return Ok(Refunded::Replayed(known, Box::new(balance)));
    }
    let left = left(conn, key.account_id, &order).await?.amount();
    let amount = new.amount.unwrap_or(left);
    if amount > left || left.is_zero() {
        return Ok(Refunded::TooMuch(Money::stored(left, currency)));
    }
    let reason = new.reason.as_ref().map(|reason| reason.as_str().to_owned());
    let refund = Refund { id: new.id.clone(), amount, reason, created_at: now };
    store::insert(conn, key.account_id, order.id, &refund).await?;
    let change = Change { cause: Cause::Refund, refund_id: Some(new.id.as_str().to_owned()) };
    let balance = follow(conn, key, &order, &change, now).await?;
    Ok(Refunded::New(refund, Box::new(balance)))
}

/// Facts in which a repeated refund differs. One that it leaves out never does.
fn differences(known: &Refund, said: &RefundToRecord) -> Vec<&'static str> {
    let reason = said.reason.as_ref().map(Name::as_str);
    [
        ("amount", said.amount.is_some_and(|amount| amount != known.amount)),
        ("reason", reason.is_some() && reason != known.reason.as_deref()),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect()
}

/// Calls an order off: nothing is left of it, whatever was given back before. Nothing when there is no such order; once more
/// does no harm.
pub async fn cancel(conn: &mut PgConnection, key: &OrderKey, now: OffsetDateTime) -> sqlx::Result<Option<Balance>> {
    let Some(mut order) = store::lock(conn, key).await? else { return Ok(None) };
    if order.cancelled_at.is_some() {
        return balance(conn, key, &order).await.map(Some);
    }
    store::cancel(conn, key.account_id, order.id, now).await?;
    order.cancelled_at = Some(now);
    let change = Change { cause: Cause::Cancellation, refund_id: None };
    follow(conn, key, &order, &change, now).await.map(Some)
}

/// Reads a part of an order's refunds.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    purchase: PurchaseId,
    span: &Span,
) -> sqlx::Result<Found<Refund>> {
    let total = if span.counts { Some(store::count(conn, account, purchase, span).await?) } else { None };
    let steps = if span.is_past(total) { Vec::new() } else { store::list(conn, account, purchase, span).await? };
    let ids: Vec<i64> = steps.iter().map(|step| step.row_id).collect();
    let rows = if ids.is_empty() { Vec::new() } else { store::find_all(conn, account, purchase, &ids).await? };
    Ok(Found::new(total, &steps, rows))
}

/// Takes from the order's reward what is not left any more. A conversion that is not evaluated yet is locked too, so that who
/// evaluates it sees what was given back.
async fn follow(
    conn: &mut PgConnection,
    key: &OrderKey,
    order: &Locked,
    change: &Change,
    now: OffsetDateTime,
) -> sqlx::Result<Balance> {
    if let Some(conversion) = store::lock_conversion(conn, key.account_id, order.id).await?
        && conversion.is_approved
    {
        let left = left(conn, key.account_id, order).await?;
        rewards::follow(conn, key.account_id, conversion.id, Some(left), change, now).await?;
    }
    balance(conn, key, order).await
}

async fn left(conn: &mut PgConnection, account: AccountId, order: &Locked) -> sqlx::Result<Left> {
    let refunded = store::sum(conn, account, order.id).await?;
    Ok(Left { total: order.amount, refunded, is_cancelled: order.cancelled_at.is_some() })
}

async fn balance(conn: &mut PgConnection, key: &OrderKey, order: &Locked) -> sqlx::Result<Balance> {
    let reward = store::find_reward(conn, key.account_id, order.id).await?;
    let reward = match reward {
        Some(id) => rewards::store::find_all(conn, key.account_id, &[id]).await?.pop(),
        None => None,
    };
    Ok(Balance {
        key: key.clone(),
        currency: order.currency(),
        left: left(conn, key.account_id, order).await?,
        cancelled_at: order.cancelled_at,
        reward,
    })
}
