//! Claiming coupons, random ones of a bank or ones chosen by name, inside the caller's transaction.
//!
//! The segments' rows are locked first, so nobody else can take or retire a coupon of theirs until the transaction
//! ends, and *exhausted* is exact. The cursors move in the same transaction: a crash leaks nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::PgConnection;

use super::claim_store;
use super::draw::{Draw, Step, Walk};
use crate::types::ids::{AccountId, CouponBankId, CouponPlace};

/// Positions looked at beyond those wanted, to pass over ones taken by name.
const LOOK_AHEAD: i32 = 32;
/// Most positions looked at in one statement.
const LOOK_MAX: i32 = 65_536;

/// A coupon that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Want {
    /// Any free one of the bank.
    AnyOf(CouponBankId),
    /// This very one.
    This(CouponPlace),
}

/// Why a coupon cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimRefusal {
    Exhausted,
    Taken,
    Retired,
}

/// What a claim came to.
pub type Claimed = Result<CouponPlace, ClaimRefusal>;

/// Where the cursors of segments stand after claims.
pub type Cursors = Vec<(AccountId, CouponPlace)>;

/// Claims what is wanted, in order. The caller must store the holders and the cursors in the same transaction.
pub async fn claim(conn: &mut PgConnection, wants: &[(AccountId, Want)]) -> sqlx::Result<(Vec<Claimed>, Cursors)> {
    let segments = claim_store::lock_segments(conn, wants).await?;
    let mut gone = Gone::load(conn, wants).await?;
    let named: Vec<Option<Claimed>> = wants.iter().map(|(account, want)| gone.claim_named(*account, *want)).collect();
    let mut draws = open_draws(segments, wants, &gone);
    look_ahead(conn, &mut draws, wants).await?;

    let mut claimed = Vec::with_capacity(wants.len());
    for ((account, want), named) in wants.iter().zip(named) {
        claimed.push(match (named, want) {
            (Some(done), _) => done,
            (None, Want::AnyOf(bank)) => match draws.get_mut(&(*account, *bank)) {
                Some(draw) => draw_one(conn, *account, *bank, draw).await?,
                None => Err(ClaimRefusal::Exhausted),
            },
            (None, Want::This(_)) => Err(ClaimRefusal::Taken),
        });
    }
    Ok((claimed, moved(&draws)))
}

type Draws = BTreeMap<(AccountId, CouponBankId), Draw>;

/// Coupons wanted by name that cannot be had, and those had by name just now.
struct Gone {
    refused: HashMap<(AccountId, CouponPlace), ClaimRefusal>,
    claimed: HashSet<(AccountId, CouponPlace)>,
}

impl Gone {
    async fn load(conn: &mut PgConnection, wants: &[(AccountId, Want)]) -> sqlx::Result<Self> {
        let places: Vec<_> = wants
            .iter()
            .filter_map(|(account, want)| match want {
                Want::This(place) => Some((*account, *place)),
                Want::AnyOf(_) => None,
            })
            .collect();
        let refused = if places.is_empty() { Vec::new() } else { claim_store::find_gone(conn, &places).await? };
        let refused = refused
            .into_iter()
            .map(|gone| {
                (
                    (gone.account_id, gone.place()),
                    if gone.retired { ClaimRefusal::Retired } else { ClaimRefusal::Taken },
                )
            })
            .collect();
        Ok(Self { refused, claimed: HashSet::new() })
    }

    fn claim_named(&mut self, account: AccountId, want: Want) -> Option<Claimed> {
        let Want::This(place) = want else { return None };
        Some(match self.refused.get(&(account, place)) {
            Some(refusal) => Err(*refusal),
            None if self.claimed.insert((account, place)) => Ok(place),
            None => Err(ClaimRefusal::Taken),
        })
    }
}

fn open_draws(segments: Vec<claim_store::Segment>, wants: &[(AccountId, Want)], gone: &Gone) -> Draws {
    let mut draws: Draws = wants
        .iter()
        .filter_map(|(account, want)| match want {
            Want::AnyOf(bank) => Some(((*account, *bank), Draw::default())),
            Want::This(_) => None,
        })
        .collect();
    for segment in segments {
        let Some(draw) = draws.get_mut(&(segment.account_id, segment.bank_id)) else { continue };
        let mut walk = Walk::new(segment.id, segment.size, segment.next_position);
        for (_, place) in gone
            .claimed
            .iter()
            .filter(|(account, place)| *account == segment.account_id && place.segment_id == segment.id)
        {
            walk.take(place.position);
        }
        draw.walks.push(walk);
    }
    draws
}

/// Looks at as many positions of each segment as its bank's claims may need, in one statement.
async fn look_ahead(conn: &mut PgConnection, draws: &mut Draws, wants: &[(AccountId, Want)]) -> sqlx::Result<()> {
    let mut windows = Vec::new();
    for ((account, bank), draw) in draws.iter() {
        let wanted = wants.iter().filter(|(a, want)| a == account && *want == Want::AnyOf(*bank)).count();
        let length = i32::try_from(wanted).unwrap_or(LOOK_MAX).saturating_add(LOOK_AHEAD).min(LOOK_MAX);
        windows.extend(
            draw.walks.iter().map(|walk| claim_store::Window::of(*account, walk.segment_id, walk.unseen(length))),
        );
    }
    if windows.is_empty() {
        return Ok(());
    }
    let taken = claim_store::find_taken(conn, &windows).await?;
    for ((account, _), draw) in draws.iter_mut() {
        for walk in &mut draw.walks {
            let Some(window) =
                windows.iter().find(|window| window.account_id == *account && window.segment_id == walk.segment_id)
            else {
                continue;
            };
            let here = taken.iter().filter(|gone| gone.account_id == *account && gone.segment_id == window.segment_id);
            walk.learn(window.until, here.map(|gone| gone.position));
        }
    }
    Ok(())
}

async fn draw_one(
    conn: &mut PgConnection,
    account: AccountId,
    bank: CouponBankId,
    draw: &mut Draw,
) -> sqlx::Result<Claimed> {
    let mut length = LOOK_AHEAD;
    loop {
        let step = draw.draw(&mut rand::rng());
        let index = match step {
            Step::Drawn(place) => return Ok(Ok(place)),
            Step::Exhausted if find_top_up(conn, account, bank, draw).await? => continue,
            Step::Exhausted => return Ok(Err(ClaimRefusal::Exhausted)),
            Step::Look(index) => index,
        };
        // A long run of retired coupons is passed in steps that grow.
        length = length.saturating_mul(4).min(LOOK_MAX);
        let walk = &mut draw.walks[index];
        let window = claim_store::Window::of(account, walk.segment_id, walk.unseen(length));
        let taken = claim_store::find_taken(conn, std::slice::from_ref(&window)).await?;
        walk.learn(window.until, taken.iter().map(|gone| gone.position));
    }
}

/// Adds segments that were loaded while we waited for the others' locks. Gives whether there were any.
async fn find_top_up(
    conn: &mut PgConnection,
    account: AccountId,
    bank: CouponBankId,
    draw: &mut Draw,
) -> sqlx::Result<bool> {
    let segments = claim_store::lock_segments(conn, &[(account, Want::AnyOf(bank))]).await?;
    let before = draw.walks.len();
    for segment in segments {
        if draw.walks.iter().all(|walk| walk.segment_id != segment.id) {
            draw.walks.push(Walk::new(segment.id, segment.size, segment.next_position));
        }
    }
    Ok(draw.walks.len() > before)
}

fn moved(draws: &Draws) -> Cursors {
    draws
        .iter()
        .flat_map(|((account, _), draw)| {
            draw.walks.iter().filter_map(|walk| {
                let position = walk.moved_to()?;
                Some((*account, CouponPlace { segment_id: walk.segment_id, position }))
            })
        })
        .collect()
}
