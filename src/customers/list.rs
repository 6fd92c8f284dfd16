//! Listing customers, all of them or the one that is named.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Customer, list_store as store};
use crate::types::email::EmailKey;
use crate::types::ids::{AccountId, CustomerId};
use crate::types::page::{Found, Span};
use crate::types::text::OpaqueId;

/// Which customers are wanted: those of whom all of this is true.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub id: Option<CustomerId>,
    pub external_id: Option<OpaqueId>,
    pub email: Option<EmailKey>,
}

/// A customer with the moment he was first known.
#[derive(Clone, Debug)]
pub struct ListedCustomer {
    pub customer: Customer,
    pub created_at: OffsetDateTime,
}

/// Reads a part of the list.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    choice: &Choice,
    span: &Span,
) -> sqlx::Result<Found<ListedCustomer>> {
    let total = if span.counts { Some(count(conn, account, choice, span).await?) } else { None };
    let steps = if span.is_past(total) {
        Vec::new()
    } else if choice.id.is_some() {
        store::list_by_id(conn, account, choice, span).await?
    } else if choice.external_id.is_some() {
        store::list_by_external_id(conn, account, choice, span).await?
    } else if choice.email.is_some() {
        store::list_by_email(conn, account, choice, span).await?
    } else {
        store::list_all(conn, account, choice, span).await?
    };
    let ids: Vec<CustomerId> = steps.iter().map(|step| CustomerId(step.row_id)).collect();
    let rows = if ids.is_empty() { Vec::new() } else { store::find_all(conn, account, &ids).await? };
    Ok(Found::new(total, &steps, rows.into_iter().map(|row| (row.customer.id.0, row))))
}

async fn count(conn: &mut PgConnection, account: AccountId, choice: &Choice, span: &Span) -> sqlx::Result<i64> {
    if choice.id.is_some() {
        store::count_by_id(conn, account, choice, span).await
    } else if choice.external_id.is_some() {
        store::count_by_external_id(conn, account, choice, span).await
    } else if choice.email.is_some() {
        store::count_by_email(conn, account, choice, span).await
    } else {
        store::count_all(conn, account, choice, span).await
    }
}
