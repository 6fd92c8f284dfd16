//! Issuing referral codes without a transaction. Most calls come from new advocates, who want a code, perhaps with a coupon
//! of a bank: whom they mean is read without a lock, or not at all as long as all who came were new; coupons are drawn from what was
//! seen of their bank, and one statement stores all of it, provided that nothing has changed meanwhile and nobody was known.
//!
//! Decides nothing that is unusual. That is for [`issue`], which locks what it reads: a customer to be changed, a coupon
//! asked for by its name, a bank that may be empty, a rival who was faster.

use std::collections::HashSet;

use time::OffsetDateTime;

use super::desk::Desk;
use super::insert::{self, Ids, NewIssue, SeenNames};
use super::issue::{self, Meant, Plan, Reading, Round, Stored};
use super::{HeldCoupon, Outcome, ReferralCodeToIssue, Wish};
use crate::coupon_banks::claim::Want;
use crate::coupon_banks::seen::{BankKey, Coupon, Moved};
use crate::db::{self, Abort, Alone};
use crate::types::codes::ReferralCode;
use crate::types::email::Email;
use crate::types::ids::{AccountId, CouponPlace};

/// Rows of a batch, and what their writer saw before.
pub struct Few<'r> {
    pub rows: &'r [ReferralCodeToIssue],
    pub desk: &'r mut Desk,
}

/// Issues referral codes if all rows are usual ones, and answers in their order. Nothing when they are not, or when a rival
/// was faster: then nothing was stored either.
pub async fn issue_few(
    alone: &mut Alone,
    few: &mut Few<'_>,
    now: OffsetDateTime,
) -> Result<Option<Vec<Outcome>>, Abort> {
    let issued = try_few(alone, few, now).await;
    if !matches!(issued, Ok(Some(_))) {
        // What locks is about to change what was seen, or somebody has.
        few.desk.forget(&few.rows.iter().map(|row| row.account_id).collect());
    }
    issued
}

async fn try_few(alone: &mut Alone, few: &mut Few<'_>, now: OffsetDateTime) -> Result<Option<Vec<Outcome>>, Abort> {
    if few.rows.iter().any(|row| row.code.is_some() || matches!(row.wish, Wish::Named(_))) {
        return Ok(None);
    }
    let accounts: HashSet<AccountId> = few.rows.iter().map(|row| row.account_id).collect();
    if few.desk.newcomers.are_long(&accounts) {
        match attempt(alone, few, &accounts, Whom::AllNew, now).await? {
            Attempt::Issued(outcomes) => return Ok(Some(outcomes)),
            Attempt::NotForThis => return Ok(None),
            Attempt::SomebodyIsKnown => few.desk.newcomers.broke(&accounts),
            Attempt::WhoMatters => {}
        }
    }
    match attempt(alone, few, &accounts, Whom::LookedFor, now).await? {
        Attempt::Issued(outcomes) => Ok(Some(outcomes)),
        Attempt::NotForThis | Attempt::SomebodyIsKnown | Attempt::WhoMatters => Ok(None),
    }
}

/// Who the callers are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    /// New people. The unique keys refuse those who are not.
    AllNew,
    /// Those whom the database knows by what they say.
    LookedFor,
}

/// What became of a batch.
enum Attempt {
    Issued(Vec<Outcome>),
    /// Something is unusual, or a rival was faster: nothing was stored.
    NotForThis,
    /// A customer's unique key refused all of it.
    SomebodyIsKnown,
    /// A row would be refused that somebody who is known may be answered with what he has.
    WhoMatters,
}

/// Issues referral codes as [`issue_few`], to callers who are taken for new or looked for.
async fn attempt(
    alone: &mut Alone,
    few: &mut Few<'_>,
    accounts: &HashSet<AccountId>,
    whom: Whom,
    now: OffsetDateTime,
) -> Result<Attempt, Abort> {
    let Few { rows, desk } = few;
    let rows: Vec<&ReferralCodeToIssue> = rows.iter().collect();
    let reading = if whom == Whom::AllNew { Reading::Unseen(desk) } else { Reading::Unlocked(desk) };
    let (mut round, plans) = Round::plan(alone.reading(), &rows, reading).await?;
    let everybody_is_new = whom == Whom::AllNew || is_nobody_known(&round);
    if !everybody_is_new {
        desk.newcomers.went_on(accounts, false);
    }
    if whom == Whom::AllNew && plans.iter().zip(&round.meant).any(|(plan, meant)| depends_on_whom(plan, meant)) {
        return Ok(Attempt::WhoMatters);
    }
    if !plans.iter().enumerate().all(|(index, plan)| is_usual(&round, index, plan)) {
        return Ok(Attempt::NotForThis);
    }
    let (indexes, wanted): (Vec<usize>, Vec<Option<BankKey>>) = opened(&round, &plans).into_iter().unzip();
    let banks: Vec<BankKey> = wanted.iter().copied().flatten().collect();
    let Some(mut drawn) = desk.banks.draw(alone.reading(), &banks).await? else {
        return Ok(if whom == Whom::AllNew { Attempt::WhoMatters } else { Attempt::NotForThis });
    };
    let mut coupons = std::mem::take(&mut drawn.coupons).into_iter();
    let coupons = wanted.iter().map(|bank| bank.and_then(|_of_this| coupons.next()));
    let opened: Vec<(usize, Option<(CouponPlace, Coupon)>)> = indexes.into_iter().zip(coupons).collect();
    let new = match store_new(alone, &mut round, opened, &drawn.moved, now).await? {
        Ok(new) => new,
        Err(First::SamePerson) if whom == Whom::AllNew => return Ok(Attempt::SomebodyIsKnown),
        Err(_) => {
            desk.banks.contest(&banks);
            return Ok(Attempt::NotForThis);
        }
    };
    desk.banks.keep(drawn);
    if everybody_is_new && !new.is_empty() {
        desk.newcomers.went_on(accounts, true);
    }
    let mut stored: Vec<Option<Stored>> = plans.iter().map(satisfied).collect();
    new.into_iter().for_each(|(index, new)| stored[index] = Some(new));
    let outcomes: Option<Vec<Outcome>> =
        issue::answer(alone.reading(), &round, &plans, &stored, now).await?.into_iter().collect();
    Ok(outcomes.map_or(Attempt::NotForThis, Attempt::Issued))
}

/// Whether nobody of those whom the rows mean is known.
fn is_nobody_known(round: &Round<'_>) -> bool {
    round.meant.iter().flatten().all(|(entry, _)| round.registry.get(*entry).id.is_none())
}

/// Whether a refusal depends on who is meant: what he has is answered even where nothing new is given out.
fn depends_on_whom(plan: &Plan, meant: &Meant) -> bool {
    matches!(plan, Plan::Refused(_)) && meant.is_ok()
}

/// Whether a row needs no lock: it stores nothing, or something new for somebody who stays as he is known.
fn is_usual(round: &Round<'_>, index: usize, plan: &Plan) -> bool {
    let is_changed = || {
        let entry = round.meant[index].as_ref().ok().map(|(entry, _)| *entry);
        entry.is_none_or(|entry| round.registry.get(entry).stored.is_some())
    };
    match plan {
        Plan::Refused(_) => true,
        Plan::Satisfied(_) | Plan::Open { existing: None, .. } => !is_changed(),
        Plan::Open { existing: Some(_), .. } | Plan::Waits => false,
    }
}

/// The rows for which something is to be stored, sorted so that two batches cannot wait for each other, and the banks that
/// they want a coupon of.
fn opened(round: &Round<'_>, plans: &[Plan]) -> Vec<(usize, Option<BankKey>)> {
    let mut opened: Vec<_> = plans
        .iter()
        .enumerate()
        .filter_map(|(index, plan)| match plan {
            Plan::Open { want: Some(Want::AnyOf(bank)), .. } => {
                Some((index, Some((round.rows[index].account_id, *bank))))
            }
            Plan::Open { .. } => Some((index, None)),
            _ => None,
        })
        .collect();
    opened.sort_by_cached_key(|(index, _)| {
        let row = round.rows[*index];
        (row.account_id, row.advocate.external_id.clone(), row.advocate.email.as_ref().map(Email::key))
    });
    opened
}

fn satisfied(plan: &Plan) -> Option<Stored> {
    if let Plan::Satisfied(id) = plan { Some(Stored::Before(*id)) } else { None }
}

/// Who was there first, so that a statement was refused.
enum First {
    /// Who stored one of the same people.
    SamePerson,
    /// Who drew from the same segment, got the same code, or changed what was named.
    Rival,
}

/// Stores what is new in one statement, all of it or nothing.
async fn store_new(
    alone: &mut Alone,
    round: &mut Round<'_>,
    opened: Vec<(usize, Option<(CouponPlace, Coupon)>)>,
    moved: &[Moved],
    now: OffsetDateTime,
) -> Result<Result<Vec<(usize, Stored)>, First>, Abort> {
    let mut new = Vec::with_capacity(opened.len());
    let mut coupons: Vec<Option<Coupon>> = round.rows.iter().map(|_| None).collect();
    for (index, coupon) in opened {
        let Ok((entry, _)) = round.meant[index] else { return Err(Abort::LostRace) };
        let (row, code) = (round.rows[index], ReferralCode::generate(&mut rand::rng()));
        let place = coupon.as_ref().map(|(place, _)| *place);
        new.push(NewIssue { index, row, advocate: round.registry.get(entry), code, place });
        coupons[index] = coupon.map(|(_, coupon)| coupon);
    }
    if new.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let names = SeenNames::of(&new, &round.named);
    let ids = Ids::give(&new, alone.numbers(Ids::wanted(&new)).await?).ok_or(sqlx::Error::RowNotFound)?;
    if let Err(error) = insert::insert_new(alone.storing(), &new, &ids, &names, moved, now).await {
        let first = who_was_first(&error).ok_or(error)?;
        alone.answered(false);
        return Ok(Err(first));
    }
    alone.answered(true);
    let codes: Vec<(usize, ReferralCode)> = new.into_iter().map(|new| (new.index, new.code)).collect();
    let mut stored = Vec::with_capacity(ids.len());
    for ((index, code), ids) in codes.into_iter().zip(ids) {
        if let Ok((entry, want)) = round.meant[index] {
            round.registry.learn_id(entry, ids.advocate);
            let coupon = coupons[index].take().and_then(|coupon| held(round, index, want, coupon));
            stored.push((index, Stored::Now { id: ids.code, code, coupon }));
        }
    }
    Ok(Ok(stored))
}

/// Who was there first, if that is why the statement was refused.
fn who_was_first(error: &sqlx::Error) -> Option<First> {
    match db::constraint(error)? {
        "customers_external_id_key" | "customers_email_key_key" => Some(First::SamePerson),
        name if name.starts_with("customers_") || name.starts_with("referral_codes_") => Some(First::Rival),
        _ => None,
    }
}

/// The coupon that goes out with a row.
fn held(round: &Round<'_>, index: usize, want: Option<Want>, coupon: Coupon) -> Option<HeldCoupon> {
    let Some(Want::AnyOf(bank_id)) = want else { return None };
    let bank_name = round.named.bank_name(round.rows[index].account_id, bank_id)?.to_owned();
    Some(HeldCoupon { code: coupon.code, pin: coupon.pin, bank_id, bank_name })
}
