//! Places in the feed. A row of the outbox gets its place when it is committed and seen, never by the number it was given while its
//! transaction went on: so a reader who has passed a place misses nothing that was stored late. Safe with several processes: the
//! row of an account's feed is held by whoever gives places.

use sqlx::PgConnection;

use super::store::Limits;
use super::{Kind, store};
use crate::types::ids::AccountId;

/// What is placed in one transaction: each event may become a delivery for each endpoint in it.
const AT_ONCE: Limits = Limits { rows: 500, events: 2_000 };

/// A row of the outbox that has its place now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub row: i64,
    pub kind: Kind,
}

/// Gives places to the next rows of an account, in the caller's transaction. None, when somebody else is at it.
pub async fn place(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Placed>> {
    store::insert_feed(conn, account).await?;
    let Some(last_place) = store::lock_feed(conn, account).await? else { return Ok(Vec::new()) };
    let rows = store::place(conn, account, last_place, AT_ONCE).await?;
    Ok(rows.into_iter().filter_map(|row| Some(Placed { row: row.id, kind: Kind::stored(&row.kind)? })).collect())
}
