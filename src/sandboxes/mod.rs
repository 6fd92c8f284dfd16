//! Sandboxes: where a shop tries out its integration on the server that it will use, without touching its numbers.
//!
//! A sandbox is an account of its own, the twin of a live one. Every key of every row begins with the account, so what is done
//! with the key of the one is neither seen nor counted in the other, and no code that serves requests knows which it serves. It
//! begins with the campaigns and the coupon banks of the live account, under the same ids, and with nobody in it. This room
//! knows all tables of merchants' data, because it fills and empties them; it never writes a row of a live account.

mod store;

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::accounts::sites::SiteKey;
use crate::accounts::{self, Account};
use crate::db::{self, Abort, Applied, Fault};
use crate::types::ids::AccountId;

/// How often a reset is tried. Requests to the sandbox may get in its way.
const TRIES_MAX: u32 = 5;
/// How often it is looked whether what was under way has ended, and with what pauses: ten seconds, in which a request has ended.
const LOOKS_MAX: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);
/// From how many copied coupons on the planner is told of them.
const ANALYZED_ROWS_MIN: u64 = 1_000;

/// What was copied into a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    pub campaigns: u64,
    pub banks: u64,
    pub coupons: u64,
}

/// Gives the sandbox of a live account, and what was copied into it if it was made just now.
pub async fn find_or_create(
    pool: &PgPool,
    live: Account,
    now: OffsetDateTime,
) -> Result<(Account, Option<Copied>), Fault> {
    let (sandbox, copied) = db::transact(pool, move |conn| Box::pin(found_or_created(conn, live, now))).await?;
    if let Some(copied) = copied {
        tell_planner(pool, copied).await;
    }
    Ok((sandbox, copied))
}

async fn found_or_created(
    conn: &mut PgConnection,
    live: Account,
    now: OffsetDateTime,
) -> Result<(Account, Option<Copied>), Fault> {
    store::lift_limits(conn).await?;
    // Whoever inserts the row first fills it, and his rivals wait here for his commit.
    let inserted = accounts::store::insert_sandbox(conn, live.id, now).await?;
    let copied = match inserted {
        Some(sandbox) => {
            enter_alias(conn, &live, sandbox).await?;
            accounts::store::put_site_key(conn, sandbox, &SiteKey::generate()).await?;
            Some(copy(conn, live.id, sandbox).await?)
        }
        None => None,
    };
    let sandbox = accounts::store::find_sandbox(conn, live.id).await?.ok_or(Abort::LostRace)?;
    Ok((sandbox, copied))
}

async fn enter_alias(conn: &mut PgConnection, live: &Account, sandbox: AccountId) -> sqlx::Result<()> {
    let mut nth = 1;
    while !accounts::store::insert_free_alias(conn, sandbox, &live.alias.of_sandbox(nth)).await? {
        nth += 1;
    }
    Ok(())
}

/// Empties a sandbox, but for its keys, its alias, its site and its webhooks' endpoints, and copies afresh what its live account has now. Another account is
/// left as it is: nothing.
pub async fn reset(pool: &PgPool, sandbox: AccountId) -> Result<Option<Copied>, Fault> {
    let mut tries = 1;
    loop {
        let outcome = db::transact(pool, move |conn| Box::pin(refill(conn, sandbox))).await;
        match outcome {
            Err(fault) if tries < TRIES_MAX && is_rivals(&fault) => tries += 1,
            Ok(Some(copied)) => {
                // The reset is committed. What a failed sweep leaves, the next reset takes.
                if let Err(fault) = sweep(pool, sandbox).await {
                    tracing::warn!(error.cause = %fault, "orders that arrived during the reset of a sandbox may be left in it");
                }
                tell_planner(pool, copied).await;
                return Ok(Some(copied));
            }
            other => return other,
        }
    }
}

async fn refill(conn: &mut PgConnection, sandbox: AccountId) -> Result<Option<Copied>, Fault> {
    store::lift_limits(conn).await?;
    let Some(live) = store::lock_sandbox(conn, sandbox).await? else { return Ok(None) };
    store::delete_all(conn, sandbox).await?;
    accounts::store::update_sandbox(conn, sandbox).await?;
    Ok(Some(copy(conn, live, sandbox).await?))
}

/// Deletes what was stored beside the emptying for codes and campaigns that are gone, once all that was under way has ended.
async fn sweep(pool: &PgPool, sandbox: AccountId) -> Result<(), Fault> {
    let emptied_at = store::read_clock(&mut *pool.acquire().await?).await?;
    for _ in 0..LOOKS_MAX {
        if !store::is_older_under_way(&mut *pool.acquire().await?, emptied_at).await? {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    db::transact(pool, move |conn| {
        Box::pin(async move {
            let codes = store::delete_stray_codes(conn, sandbox).await?;
            let orders = store::delete_stray_orders(conn, sandbox).await?;
            if codes + orders > 0 {
                store::delete_feed(conn, sandbox).await?;
                store::delete_stray_events(conn, sandbox).await?;
                store::take_places(conn, sandbox).await?;
            }
            Ok(())
        })
    })
    .await
}

/// Whether a request to the sandbox was in the way: it stored something beside what was being deleted, or held it.
fn is_rivals(fault: &Fault) -> bool {
    let state = fault.sql_state();
    fault.applied == Applied::None && matches!(state.as_deref(), Some("23503" | "23505" | "40001" | "40P01"))
}

/// Copies what a sandbox begins with. Nothing that it has may be in the way.
async fn copy(conn: &mut PgConnection, live: AccountId, sandbox: AccountId) -> sqlx::Result<Copied> {
    let campaigns = store::copy_campaigns(conn, live, sandbox).await?;
    store::copy_rules(conn, live, sandbox).await?;
    let banks = store::copy_banks(conn, live, sandbox).await?;
    store::copy_links(conn, live, sandbox).await?;
    store::copy_segments(conn, live, sandbox).await?;
    let coupons = store::copy_coupons(conn, live, sandbox).await?;
    store::copy_retirements(conn, live, sandbox).await?;
    Ok(Copied { campaigns, banks, coupons })
}

/// Tells the planner of copied coupons. They are there whether or not this is allowed and done.
async fn tell_planner(pool: &PgPool, copied: Copied) {
    if copied.coupons < ANALYZED_ROWS_MIN {
        return;
    }
    let analyzed = async { store::analyze(&mut *pool.acquire().await?).await };
    if let Err(error) = analyzed.await {
        tracing::warn!(error.cause = %error, "the planner could not be told of a sandbox's coupons");
    }
}
