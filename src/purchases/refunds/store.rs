//! The SQL of refunds and cancellations: one statement a function.

use rust_decimal::Decimal;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::Refund;
use crate::db::lists::list_statements;
use crate::purchases::OrderKey;
use crate::types::ids::{AccountId, ConversionId, PurchaseId, RewardId};
use crate::types::money::Currency;
use crate::types::text::OpaqueId;

/// An order that the transaction has locked.
pub struct Locked {
    pub id: PurchaseId,
    pub amount: Decimal,
    currency: String,
    pub cancelled_at: Option<OffsetDateTime>,
}

impl Locked {
    /// The currency of the order.
    pub fn currency(&self) -> Currency {
        Currency::from(self.currency.clone())
    }
}

/// Locks an order until the transaction ends. Nothing when there is none.
pub async fn lock(conn: &mut PgConnection, key: &OrderKey) -> sqlx::Result<Option<Locked>> {
    sqlx::query_as!(
        Locked,
        r#"select id as "id: PurchaseId", amount, currency, cancelled_at from purchases
        where account_id = $1 and source = $2 and order_id = $3
        for no key update"#,
        key.account_id.0,
        key.source,
        key.order_id.as_str()
    )
    .fetch_optional(conn)
    .await
}

/// Finds the number and the currency of an order. Nothing when there is none.
pub async fn find_purchase(conn: &mut PgConnection, key: &OrderKey) -> sqlx::Result<Option<(PurchaseId, Currency)>> {
    let found = sqlx::query!(
        r#"select id as "id: PurchaseId", currency from purchases where account_id = $1 and source = $2 and order_id = $3"#,
        key.account_id.0,
        key.source,
        key.order_id.as_str()
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|found| (found.id, found.currency.into())))
}

/// Calls an order off.
pub async fn cancel(
    conn: &mut PgConnection,
    account: AccountId,
    id: PurchaseId,
    now: OffsetDateTime,
) -> sqlx::Result<()> {
    sqlx::query!("update purchases set cancelled_at = $3 where account_id = $1 and id = $2", account.0, id.0, now)
        .execute(conn)
        .await?;
    Ok(())
}

/// A conversion that the transaction has locked.
pub struct LockedConversion {
    pub id: ConversionId,
    pub is_approved: bool,
}

/// Locks the conversion of an order until the transaction ends. Nothing when it has none.
pub async fn lock_conversion(
    conn: &mut PgConnection,
    account: AccountId,
    purchase: PurchaseId,
) -> sqlx::Result<Option<LockedConversion>> {
    sqlx::query_as!(
        LockedConversion,
        r#"select id as "id: ConversionId", status = 'approved' as "is_approved!" from conversions
        where account_id = $1 and purchase_id = $2
        for no key update"#,
        account.0,
        purchase.0
    )
    .fetch_optional(conn)
    .await
}

/// Finds the reward that an order led to.
pub async fn find_reward(
    conn: &mut PgConnection,
    account: AccountId,
    purchase: PurchaseId,
) -> sqlx::Result<Option<RewardId>> {
    sqlx::query_scalar!(
        r#"select r.id as "id: RewardId"
        from conversions v
        join rewards r on r.account_id = v.account_id and r.conversion_id = v.id
        where v.account_id = $1 and v.purchase_id = $2"#,
        account.0,
        purchase.0
    )
    .fetch_optional(conn)
    .await
}

/// Finds a refund of an order.
pub async fn find(
    conn: &mut PgConnection,
    account: AccountId,
    purchase: PurchaseId,
    id: &OpaqueId,
) -> sqlx::Result<Option<Refund>> {
    sqlx::query_as!(
        Refund,
        r#"select refund_id as "id: OpaqueId", amount, reason, created_at from refunds
        where account_id = $1 and purchase_id = $2 and refund_id = $3"#,
        account.0,
        purchase.0,
        id.as_str()
    )
    .fetch_optional(conn)
    .await
}

/// Inserts a refund of a locked order.
pub async fn insert(
    conn: &mut PgConnection,
    account: AccountId,
    purchase: PurchaseId,
    refund: &Refund,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into refunds (account_id, purchase_id, refund_id, amount, reason, created_at) values ($1, $2, $3, $4, $5, $6)",
        account.0,
        purchase.0,
        refund.id.as_str(),
        refund.amount,
        refund.reason,
        refund.created_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Sums up what was given back of an order.
pub async fn sum(conn: &mut PgConnection, account: AccountId, purchase: PurchaseId) -> sqlx::Result<Decimal> {
    sqlx::query_scalar!(
        r#"select coalesce(sum(amount), 0) as "sum!" from refunds where account_id = $1 and purchase_id = $2"#,
        account.0,
        purchase.0
    )
    .fetch_one(conn)
    .await
}

list_statements! {
    /// The refunds of an order.
    list, count(purchase: PurchaseId)
    with [purchase.0]
    select r#"f.created_at as "at!", f.id as "id!", f.id as "row_id!""#
    from "refunds f
        where f.account_id = $1 and f.purchase_id = $5 and (f.created_at, f.id) > ($2, $3) and f.created_at < $4"
    paged "order by f.created_at, f.id limit $6 offset $7"
}

/// Finds refunds of an order by their numbers, each with its number, in any order.
pub async fn find_all(
    conn: &mut PgConnection,
    account: AccountId,
    purchase: PurchaseId,
    ids: &[i64],
) -> sqlx::Result<Vec<(i64, Refund)>> {
    let rows = sqlx::query!(
        r#"select f.id, f.refund_id as "refund_id: OpaqueId", f.amount, f.reason, f.created_at from refunds f
        where f.account_id = $1 and f.purchase_id = $2 and f.id = any($3)"#,
        account.0,
        purchase.0,
        ids
    )
    .fetch_all(conn)
    .await?;
    let refund = rows.into_iter().map(|row| {
        let refund = Refund { id: row.refund_id, amount: row.amount, reason: row.reason, created_at: row.created_at };
        (row.id, refund)
    });
    Ok(refund.collect())
}
