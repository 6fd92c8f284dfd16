//! Issuing referral codes: get-or-create by campaign and customer, with a coupon where one is asked for.
//!
//! Everything is a batch. Locks are taken in one order: customers, then segments, then referral codes. Rows that end
//! in a refusal leave nothing behind.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::desk::Desk;
use super::named::Named;
use super::store::{self, Existing, NewReferralCode, StoredReferralCode};
use super::{HeldCoupon, Issued, Outcome, ReferralCodeToIssue, Refusal};
use crate::coupon_banks::claim::{self, ClaimRefusal, Cursors, Want};
use crate::coupon_banks::claim_store;
use crate::customers;
use crate::customers::registry::{Entry, Registry, Unclear};
use crate::db::Abort;
use crate::types::codes::ReferralCode;
use crate::types::ids::{AccountId, CampaignId, CouponPlace, ReferralCodeId};

/// Issues referral codes, all rows in one transaction of the caller's. Answers in the order of `rows`. Aborts when a
/// rival stored one of the same customers first: the caller runs it again.
pub async fn issue_batch(
    conn: &mut PgConnection,
    rows: &[ReferralCodeToIssue],
    now: OffsetDateTime,
) -> Result<Vec<Outcome>, Abort> {
    let mut outcomes: Vec<Option<Outcome>> = vec![None; rows.len()];
    loop {
        // Two rows that may mean one person cannot be decided side by side: the second waits for the next round.
        let waiting: Vec<usize> = (0..rows.len()).filter(|index| outcomes[*index].is_none()).collect();
        if waiting.is_empty() {
            return Ok(outcomes.into_iter().flatten().collect());
        }
        let these: Vec<&ReferralCodeToIssue> = waiting.iter().map(|index| &rows[*index]).collect();
        for (index, outcome) in waiting.into_iter().zip(issue_round(conn, &these, now).await?) {
            outcomes[index] = outcome;
        }
    }
}

/// What has been decided of a row so far.
pub(super) enum Plan {
    /// An earlier row may mean the same person.
    Waits,
    Refused(Refusal),
    /// The advocate's referral code answers the call as it is.
    Satisfied(ReferralCodeId),
    /// Something is to be stored: a referral code, or a coupon on the one that exists.
    Open {
        existing: Option<ReferralCodeId>,
        want: Option<Want>,
        place: Option<CouponPlace>,
    },
}

/// Who is meant by a row and what coupon he wants, or why the row goes no further in this round.
pub(super) type Meant = Result<(Entry, Option<Want>), Stop>;

#[derive(Clone, Copy)]
pub(super) enum Stop {
    Refused(Refusal),
    Waits,
}

async fn issue_round(
    conn: &mut PgConnection,
    rows: &[&ReferralCodeToIssue],
    now: OffsetDateTime,
) -> Result<Vec<Option<Outcome>>, Abort> {
    let (mut round, mut plans) = Round::plan(conn, rows, Reading::Locking).await?;
    keep_each_code_once(rows, &mut plans);
    // Customers before segments: the order of locks.
    let kept = entries(&plans, &round.meant, is_kept);
    let stored_people = customers::store_entries(conn, &mut round.registry, &kept, now).await?;
    let cursors = claim_coupons(conn, rows, &mut plans).await?;
    let refused = entries(&plans, &round.meant, |plan| !is_kept(plan));
    customers::take_back(conn, &round.registry, &stored_people, &refused).await?;
    let stored = store_plans(conn, &round, &plans, &cursors, now).await?;
    answer(conn, &round, &plans, &stored, now).await
}

/// How customers and what is named are read.
pub(super) enum Reading<'d> {
    /// Customers stay as they are until the transaction ends.
    Locking,
    /// Nobody is locked, and what the desk remembers is not read.
    Unlocked(&'d mut Desk),
    /// Nor is anybody looked for: all are taken for new.
    Unseen(&'d mut Desk),
}

/// The rows of a round, what they name, and who is meant by them.
pub(super) struct Round<'a> {
    pub rows: &'a [&'a ReferralCodeToIssue],
    pub named: Named,
    pub registry: Registry,
    pub meant: Vec<Meant>,
}

impl<'a> Round<'a> {
    /// Loads what the rows name and whom they mean, and plans what becomes of each.
    pub async fn plan(
        conn: &mut PgConnection,
        rows: &'a [&'a ReferralCodeToIssue],
        mut reading: Reading<'_>,
    ) -> sqlx::Result<(Self, Vec<Plan>)> {
        let desk = match &mut reading {
            Reading::Locking => None,
            Reading::Unlocked(desk) | Reading::Unseen(desk) => Some(&mut **desk),
        };
        let named = Named::load(conn, rows, desk).await?;
        let wants: Vec<Result<Option<Want>, Refusal>> = rows.iter().map(|row| named.resolve(row)).collect();
        let people: Vec<_> = rows
            .iter()
            .zip(&wants)
            .filter(|(_, want)| want.is_ok())
            .map(|(row, _)| (row.account_id, &row.advocate))
            .collect();
        let mut registry = match reading {
            Reading::Locking => customers::load(conn, &people).await?,
            Reading::Unlocked(_) => customers::look_up(conn, &people).await?,
            Reading::Unseen(_) => Registry::with_room_for(people.len()),
        };
        let meant: Vec<Meant> = rows.iter().zip(wants).map(|(row, want)| identify(row, want, &mut registry)).collect();
        let existing = find_existing(conn, rows, &registry, &meant).await?;
        let plans = rows.iter().zip(&meant).map(|(row, meant)| plan(row, meant, &existing, &named)).collect();
        Ok((Self { rows, named, registry, meant }, plans))
    }
}

/// The referral code that answers a row.
pub(super) enum Stored {
    /// It was there, perhaps without its coupon.
    Before(ReferralCodeId),
    Now {
        id: ReferralCodeId,
        code: ReferralCode,
        coupon: Option<HeldCoupon>,
    },
}

fn identify(row: &ReferralCodeToIssue, want: Result<Option<Want>, Refusal>, registry: &mut Registry) -> Meant {
    let want = want.map_err(Stop::Refused)?;
    let entry = registry.maintain(row.account_id, &row.advocate).map_err(|unclear| match unclear {
        Unclear::Conflict => Stop::Refused(Refusal::IdentityConflict),
        Unclear::NamedBefore => Stop::Waits,
    })?;
    Ok((entry, want))
}

fn is_kept(plan: &Plan) -> bool {
    matches!(plan, Plan::Satisfied(_) | Plan::Open { .. })
}

/// Who is meant by the rows with such plans.
fn entries(plans: &[Plan], meant: &[Meant], which: fn(&Plan) -> bool) -> Vec<Entry> {
    plans
        .iter()
        .zip(meant)
        .filter(|(plan, _)| which(plan))
        .filter_map(|(_, meant)| meant.as_ref().ok().map(|(entry, _)| *entry))
        .collect()
}

/// Of several rows that bring one code, the first stores it; the others see it in the next round.
fn keep_each_code_once(rows: &[&ReferralCodeToIssue], plans: &mut [Plan]) {
    let mut kept = HashSet::new();
    for (row, plan) in rows.iter().zip(plans) {
        if let (Plan::Open { existing: None, .. }, Some(code)) = (&*plan, &row.code)
            && !kept.insert((row.account_id, code.key()))
        {
            *plan = Plan::Waits;
        }
    }
}

type ExistingBySlot = HashMap<(AccountId, CampaignId, Entry), Existing>;

async fn find_existing(
    conn: &mut PgConnection,
    rows: &[&ReferralCodeToIssue],
    registry: &Registry,
    meant: &[Meant],
) -> sqlx::Result<ExistingBySlot> {
    let mut by_slot = HashMap::new();
    for (row, meant) in rows.iter().zip(meant) {
        if let Ok((entry, _)) = meant
            && let Some(customer) = registry.get(*entry).id
        {
            by_slot.insert((row.account_id, row.campaign_id, customer), *entry);
        }
    }
    if by_slot.is_empty() {
        return Ok(HashMap::new());
    }
    let slots: Vec<_> = by_slot.keys().copied().collect();
    let found = store::find_by_slots(conn, &slots).await?;
    Ok(found
        .into_iter()
        .filter_map(|existing| {
            let entry = by_slot.get(&(existing.account_id, existing.campaign_id, existing.customer_id))?;
            Some(((existing.account_id, existing.campaign_id, *entry), existing))
        })
        .collect())
}

/// The order of refusals is part of the contract: what satisfies comes before what forbids.
fn plan(row: &ReferralCodeToIssue, meant: &Meant, existing: &ExistingBySlot, named: &Named) -> Plan {
    let (entry, want) = match meant {
        Ok(found) => *found,
        Err(Stop::Refused(refusal)) => return Plan::Refused(*refusal),
        Err(Stop::Waits) => return Plan::Waits,
    };
    let existing = existing.get(&(row.account_id, row.campaign_id, entry));
    if let (Some(existing), Some(code)) = (existing, &row.code)
        && existing.code_key != code.key()
    {
        return Plan::Refused(Refusal::AdvocateHasReferralCode);
    }
    if let Some(existing) = existing {
        let satisfied = match want {
            None => true,
            Some(Want::AnyOf(bank)) => existing.bank_id == Some(bank),
            Some(Want::This(place)) => existing.place() == Some(place),
        };
        if satisfied {
            return Plan::Satisfied(existing.id);
        }
        if existing.place().is_some() {
            return Plan::Refused(Refusal::AdvocateHasCoupon);
        }
    }
    if named.campaign(row).is_none_or(|campaign| campaign.archived) {
        return Plan::Refused(Refusal::CampaignInactive);
    }
    if existing.is_none() && named.is_taken(row, want) {
        return Plan::Refused(Refusal::ReferralCodeTaken);
    }
    Plan::Open { existing: existing.map(|existing| existing.id), want, place: None }
}

async fn claim_coupons(
    conn: &mut PgConnection,
    rows: &[&ReferralCodeToIssue],
    plans: &mut [Plan],
) -> sqlx::Result<Cursors> {
    let (indexes, wants): (Vec<usize>, Vec<(AccountId, Want)>) = plans
        .iter()
        .enumerate()
        .filter_map(|(index, plan)| {
            if let Plan::Open { want: Some(want), .. } = plan {
                Some((index, (rows[index].account_id, *want)))
            } else {
                None
            }
        })
        .unzip();
    if wants.is_empty() {
        return Ok(Cursors::new());
    }
    let (all, cursors) = claim::claim(conn, &wants).await?;
    for (index, claimed) in indexes.into_iter().zip(all) {
        match (claimed, &mut plans[index]) {
            (Ok(claimed), Plan::Open { place, .. }) => *place = Some(claimed),
            (Err(refusal), plan) => *plan = Plan::Refused(refusal.into()),
            (Ok(_), _) => {}
        }
    }
    Ok(cursors)
}

impl From<ClaimRefusal> for Refusal {
    fn from(refusal: ClaimRefusal) -> Self {
        match refusal {
            ClaimRefusal::Exhausted => Self::BankExhausted,
            ClaimRefusal::Taken => Self::CouponTaken,
            ClaimRefusal::Retired => Self::CouponRetired,
        }
    }
}

/// Stores what is planned and gives, row by row, the referral code to answer with.
async fn store_plans(
    conn: &mut PgConnection,
    round: &Round<'_>,
    plans: &[Plan],
    cursors: &Cursors,
    now: OffsetDateTime,
) -> Result<Vec<Option<Stored>>, Abort> {
    let Round { rows, registry, meant, .. } = round;
    let mut stored: Vec<Option<Stored>> = rows.iter().map(|_| None).collect();
    let (mut new, mut new_rows, mut bindings) = (Vec::new(), Vec::new(), Vec::new());
    for (index, plan) in plans.iter().enumerate() {
        let (Plan::Open { existing, place, .. }, Ok((entry, _))) = (plan, &meant[index]) else {
            if let Plan::Satisfied(id) = plan {
                stored[index] = Some(Stored::Before(*id));
            }
            continue;
        };
        let row = rows[index];
        match (existing, registry.get(*entry).id) {
            (Some(id), _) => {
                stored[index] = Some(Stored::Before(*id));
                bindings.extend(place.map(|place| (row.account_id, *id, place)));
            }
            (None, Some(customer)) => {
                let slot = (row.account_id, row.campaign_id, customer);
                let code = row.code.clone().unwrap_or_else(|| ReferralCode::generate(&mut rand::rng()));
                new_rows.push((slot, index, code.clone()));
                new.push(NewReferralCode { slot, code, place: *place, row });
            }
            (None, None) => return Err(Abort::LostRace),
        }
    }
    if !bindings.is_empty() {
        store::bind_all(conn, &bindings, now).await?;
    }
    if new.is_empty() {
        claim_store::advance_cursors(conn, cursors).await?;
        return Ok(stored);
    }
    let inserted = store::insert_all(conn, &new, cursors, now).await?;
    let mut inserted: HashMap<_, _> = inserted.into_iter().map(|stored| (stored.slot, stored)).collect();
    for (slot, index, code) in new_rows {
        // A code in use already: rare as a lottery win, or brought by a rival. Doing it again draws another, or sees
        // whose it is.
        let StoredReferralCode { id, coupon, .. } = inserted.remove(&slot).ok_or(Abort::LostRace)?;
        stored[index] = Some(Stored::Now { id, code, coupon });
    }
    Ok(stored)
}

/// What the callers are told: of what was stored just now as it was stored, of the rest as it is read.
pub(super) async fn answer(
    conn: &mut PgConnection,
    round: &Round<'_>,
    plans: &[Plan],
    stored: &[Option<Stored>],
    now: OffsetDateTime,
) -> Result<Vec<Option<Outcome>>, Abort> {
    let Round { rows, .. } = round;
    let (accounts, ids): (Vec<_>, Vec<_>) = rows
        .iter()
        .zip(stored)
        .filter_map(|(row, stored)| match stored {
            Some(Stored::Before(id)) => Some((row.account_id, *id)),
            _ => None,
        })
        .unzip();
    let issued = if ids.is_empty() { Vec::new() } else { store::find_issued(conn, &accounts, &ids).await? };
    let issued: HashMap<_, _> = issued.into_iter().map(|issued| ((issued.account_id, issued.id), issued)).collect();
    rows.iter()
        .zip(plans)
        .enumerate()
        .map(|(index, (row, plan))| match (plan, &stored[index]) {
            (Plan::Waits, _) => Ok(None),
            (Plan::Refused(refusal), _) => Ok(Some(Outcome::Refused(*refusal))),
            (_, Some(Stored::Before(id))) => {
                let shown = issued.get(&(row.account_id, *id)).cloned().ok_or(Abort::LostRace)?;
                Ok(Some(Outcome::Existing(Box::new(shown))))
            }
            (Plan::Open { .. }, Some(Stored::Now { id, code, coupon })) => {
                let shown = round.show(index, *id, code, coupon.clone(), now).ok_or(Abort::LostRace)?;
                Ok(Some(Outcome::Created(Box::new(shown))))
            }
            _ => Err(Abort::LostRace),
        })
        .collect()
}

impl Round<'_> {
    /// A referral code stored just now.
    fn show(
        &self,
        index: usize,
        id: ReferralCodeId,
        code: &ReferralCode,
        coupon: Option<HeldCoupon>,
        now: OffsetDateTime,
    ) -> Option<Issued> {
        let row = self.rows[index];
        let campaign = self.named.campaign(row)?;
        let (entry, _) = self.meant[index].as_ref().ok()?;
        Some(Issued {
            account_id: row.account_id,
            id,
            code: code.clone(),
            campaign_id: row.campaign_id,
            campaign_name: campaign.name.clone(),
            destination_url: campaign.destination_url.clone(),
            advocate: self.registry.get(*entry).customer()?,
            coupon,
            created_at: now,
        })
    }
}
