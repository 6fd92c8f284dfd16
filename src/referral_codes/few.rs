//! Issuing referral codes without a transaction. Most calls come from new advocates, who want a code, perhaps with a coupon
//! of a bank: whom they mean is read without a lock, coupons are drawn from what was seen of their bank, and one statement
//! stores all of it, provided that nothing has changed meanwhile.
//!
//! Decides nothing that is unusual. That is for [`issue`], which locks what it reads: a customer to be changed, a coupon
//! asked for by its name, a bank that may be empty, a rival who was faster.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::desk::Desk;
use super::insert::{self, NewIssue, SeenNames};
use super::issue::{self, Plan, Reading, Round, Stored};
use super::{HeldCoupon, Outcome, ReferralCodeToIssue, Wish};
use crate::coupon_banks::claim::Want;
use crate::coupon_banks::seen::{BankKey, Coupon, Moved};
use crate::db::{self, Abort, Alone};
use crate::types::codes::ReferralCode;
use crate::types::email::Email;
use crate::types::ids::CouponPlace;

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
    let Few { rows, desk } = few;
    if rows.iter().any(|row| row.code.is_some() || matches!(row.wish, Wish::Named(_))) {
        return Ok(None);
    }
    let rows: Vec<&ReferralCodeToIssue> = rows.iter().collect();
    let (mut round, plans) = Round::plan(alone.reading(), &rows, Reading::Unlocked(desk)).await?;
    if !plans.iter().enumerate().all(|(index, plan)| is_usual(&round, index, plan)) {
        return Ok(None);
    }
    let (indexes, wanted): (Vec<usize>, Vec<Option<BankKey>>) = opened(&round, &plans).into_iter().unzip();
    let banks: Vec<BankKey> = wanted.iter().copied().flatten().collect();
    let Some(mut drawn) = desk.banks.draw(alone.reading(), &banks).await? else { return Ok(None) };
    let mut coupons = std::mem::take(&mut drawn.coupons).into_iter();
    let coupons = wanted.iter().map(|bank| bank.and_then(|_of_this| coupons.next()));
    let opened: Vec<(usize, Option<(CouponPlace, Coupon)>)> = indexes.into_iter().zip(coupons).collect();
    let Some(new) = store_new(alone, &mut round, opened, &drawn.moved, now).await? else {
        desk.banks.contest(&banks);
        return Ok(None);
    };
    desk.banks.keep(drawn);
    let mut stored: Vec<Option<Stored>> = plans.iter().map(satisfied).collect();
    new.into_iter().for_each(|(index, new)| stored[index] = Some(new));
    Ok(issue::answer(alone.reading(), &round, &plans, &stored, now).await?.into_iter().collect())
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

/// Stores what is new in one statement. Nothing when a rival was faster: the statement refused all of it.
async fn store_new(
    alone: &mut Alone,
    round: &mut Round<'_>,
    opened: Vec<(usize, Option<(CouponPlace, Coupon)>)>,
    moved: &[Moved],
    now: OffsetDateTime,
) -> Result<Option<Vec<(usize, Stored)>>, Abort> {
    let (mut new, mut coupons) = (Vec::with_capacity(opened.len()), HashMap::with_capacity(opened.len()));
    for (index, coupon) in opened {
        let Ok((entry, _)) = round.meant[index] else { return Err(Abort::LostRace) };
        let (row, code) = (round.rows[index], ReferralCode::generate(&mut rand::rng()));
        let place = coupon.as_ref().map(|(place, _)| *place);
        new.push(NewIssue { index, row, advocate: round.registry.get(entry), code, place });
        coupons.extend(coupon.map(|(_, coupon)| (index, coupon)));
    }
    if new.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let names = SeenNames::of(&new, &round.named);
    let ids = match insert::insert_new(alone.storing(), &new, &names, moved, now).await {
        Ok(ids) => ids,
        Err(error) if is_a_rivals(&error) => {
            alone.answered(false);
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    alone.answered(true);
    let codes: HashMap<usize, ReferralCode> = new.into_iter().map(|new| (new.index, new.code)).collect();
    drop(names);
    let mut stored = Vec::with_capacity(ids.len());
    for new in ids {
        if let (Some(code), Ok((entry, want))) = (codes.get(&new.index), round.meant[new.index]) {
            round.registry.learn_id(entry, new.customer_id);
            let coupon = coupons.remove(&new.index).and_then(|coupon| held(round, new.index, want, coupon));
            stored.push((new.index, Stored::Now { id: new.id, code: code.clone(), coupon }));
        }
    }
    Ok(Some(stored))
}

/// Whether the statement was refused because somebody stored the same, or drew from the same segment, first.
fn is_a_rivals(error: &sqlx::Error) -> bool {
    db::constraint(error).is_some_and(|name| name.starts_with("customers_") || name.starts_with("referral_codes_"))
}

/// The coupon that goes out with a row.
fn held(round: &Round<'_>, index: usize, want: Option<Want>, coupon: Coupon) -> Option<HeldCoupon> {
    let Some(Want::AnyOf(bank_id)) = want else { return None };
    let bank_name = round.named.bank_name(round.rows[index].account_id, bank_id)?.to_owned();
    Some(HeldCoupon { code: coupon.code, pin: coupon.pin, bank_id, bank_name })
}
