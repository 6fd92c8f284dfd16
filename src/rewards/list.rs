//! Listing rewards, all of them or an advocate's.

use sqlx::PgConnection;

use super::{Reward, list_store, store};
use crate::types::ids::{AccountId, CustomerId, RewardId};
use crate::types::page::{Found, Span};

/// Reads a part of the list: of `customer`'s rewards, or of all.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    customer: Option<CustomerId>,
    span: &Span,
) -> sqlx::Result<Found<Reward>> {
    let total = match (span.counts, customer) {
        (false, _) => None,
        (true, Some(_)) => Some(list_store::count_of_customer(conn, account, customer, span).await?),
        (true, None) => Some(list_store::count_all(conn, account, customer, span).await?),
    };
    let steps = match (span.is_past(total), customer) {
        (true, _) => Vec::new(),
        (false, Some(_)) => list_store::list_of_customer(conn, account, customer, span).await?,
        (false, None) => list_store::list_all(conn, account, customer, span).await?,
    };
    let ids: Vec<RewardId> = steps.iter().map(|step| RewardId(step.row_id)).collect();
    let rows = if ids.is_empty() { Vec::new() } else { store::find_all(conn, account, &ids).await? };
    Ok(Found::new(total, &steps, rows.into_iter().map(|row| (row.id.0, row))))
}
