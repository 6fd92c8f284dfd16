//! Addresses whose owners want no more mail. Goodword sends none: whoever does reads them here.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::opt_out_store as store;
use crate::db::Fault;
use crate::types::email::{Email, EmailKey};
use crate::types::ids::{AccountId, OptOutId};
use crate::types::page::{Found, Span};
use crate::types::text::OpaqueId;

/// Which opt-outs are wanted.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub email: Option<EmailKey>,
}

/// An address that is to be left alone.
#[derive(Clone, Debug)]
pub struct NewOptOut {
    pub email: Email,
    pub ip_address: Option<String>,
    /// Where its owner said so.
    pub source: Option<OpaqueId>,
}

/// An address that is left alone.
#[derive(Clone, Debug)]
pub struct OptOut {
    pub id: OptOutId,
    pub email: Email,
    pub ip_address: Option<String>,
    pub source: Option<String>,
    pub created_at: OffsetDateTime,
}

/// Remembers an address, and says whether that is new. One that is known stays as it is.
pub async fn create(
    conn: &mut PgConnection,
    account: AccountId,
    new: &NewOptOut,
    now: OffsetDateTime,
) -> Result<(bool, OptOut), Fault> {
    if let Some(created) = store::insert(conn, account, new, now).await? {
        return Ok((true, created));
    }
    let known = store::find(conn, account, &new.email.key()).await?;
    known.map(|known| (false, known)).ok_or_else(|| Fault::from(sqlx::Error::RowNotFound))
}

/// Reads a part of the list.
pub async fn list(
    conn: &mut PgConnection,
    account: AccountId,
    choice: &Choice,
    span: &Span,
) -> sqlx::Result<Found<OptOut>> {
    let is_one = choice.email.is_some();
    let total = match (span.counts, is_one) {
        (false, _) => None,
        (true, true) => Some(store::count_by_email(conn, account, choice, span).await?),
        (true, false) => Some(store::count_all(conn, account, choice, span).await?),
    };
    let steps = match (span.is_past(total), is_one) {
        (true, _) => Vec::new(),
        (false, true) => store::list_by_email(conn, account, choice, span).await?,
        (false, false) => store::list_all(conn, account, choice, span).await?,
    };
    let ids: Vec<OptOutId> = steps.iter().map(|step| OptOutId(step.row_id)).collect();
    let rows = if ids.is_empty() { Vec::new() } else { store::find_all(conn, account, &ids).await? };
    Ok(Found::new(total, &steps, rows.into_iter().map(|row| (row.id.0, row))))
}
