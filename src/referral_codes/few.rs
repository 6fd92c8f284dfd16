//! Issuing referral codes without a transaction. Most calls come from new advocates, who want a code, perhaps with a coupon
//! of a bank: what they name is read without a lock, the coupons are drawn, and one statement stores all of it, provided
//! that nothing has changed meanwhile.
//!
//! Decides nothing that is unusual. That is for [`issue`], which locks what it reads: a customer to be changed, a coupon
//! asked for by its name, a bank that may be empty, a rival who was faster.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::insert::{self, NewIssue};
use super::issue::{self, Plan, Reading, Round, Stored};
use super::{HeldCoupon, Outcome, ReferralCodeToIssue, Wish};
use crate::coupon_banks::claim::{self, Moved, Want};
use crate::db::{self, Abort, Alone};
use crate::types::codes::{CouponCode, ReferralCode};
use crate::types::email::Email;
use crate::types::ids::{AccountId, CouponBankId, CouponPlace};

/// Issues referral codes if all rows are usual ones, and answers in their order. Nothing when they are not, or when a rival
/// was faster: then nothing was stored either.
pub async fn issue_few(
    alone: &mut Alone,
    rows: &[ReferralCodeToIssue],
    now: OffsetDateTime,
) -> Result<Option<Vec<Outcome>>, Abort> {
    if rows.iter().any(|row| row.code.is_some() || matches!(row.wish, Wish::Named(_))) {
        return Ok(None);
    }
    let rows: Vec<&ReferralCodeToIssue> = rows.iter().collect();
    let (mut round, plans) = Round::plan(alone.reading(), &rows, Reading::Unlocked).await?;
    if !plans.iter().enumerate().all(|(index, plan)| is_usual(&round, index, plan)) {
        return Ok(None);
    }
    let (indexes, wanted): (Vec<usize>, Vec<Option<(AccountId, CouponBankId)>>) =
        opened(&round, &plans).into_iter().unzip();
    let banks: Vec<_> = wanted.iter().copied().flatten().collect();
    let Some((drawn, moved)) = claim::draw_unlocked(alone.reading(), &banks).await? else { return Ok(None) };
    let mut drawn = drawn.into_iter();
    let places = wanted.iter().map(|bank| bank.and_then(|_of_this| drawn.next()));
    let opened: Vec<(usize, Option<CouponPlace>)> = indexes.into_iter().zip(places).collect();
    let Some(new) = store_new(alone, &mut round, &opened, &moved, now).await? else { return Ok(None) };
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
fn opened(round: &Round<'_>, plans: &[Plan]) -> Vec<(usize, Option<(AccountId, CouponBankId)>)> {
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
    opened: &[(usize, Option<CouponPlace>)],
    moved: &[Moved],
    now: OffsetDateTime,
) -> Result<Option<Vec<(usize, Stored)>>, Abort> {
    let mut new: Vec<NewIssue<'_>> = Vec::with_capacity(opened.len());
    for (index, place) in opened {
        let Ok((entry, _)) = round.meant[*index] else { return Err(Abort::LostRace) };
        let (row, code) = (round.rows[*index], ReferralCode::generate(&mut rand::rng()));
        new.push(NewIssue { index: *index, row, advocate: round.registry.get(entry), code, place: *place });
    }
    if new.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let ids = match insert::insert_new(alone.storing(), &new, moved, now).await {
        Ok(ids) => ids,
        Err(error) if is_a_rivals(&error) => {
            alone.answered(false);
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    alone.answered(true);
    let codes: HashMap<usize, ReferralCode> = new.into_iter().map(|new| (new.index, new.code)).collect();
    let mut stored = Vec::with_capacity(ids.len());
    for new in ids {
        if let (Some(code), Ok((entry, want))) = (codes.get(&new.index), round.meant[new.index]) {
            round.registry.learn_id(entry, new.customer_id);
            let coupon = held(round, new.index, want, new.coupon);
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
fn held(
    round: &Round<'_>,
    index: usize,
    want: Option<Want>,
    coupon: Option<(CouponCode, Option<String>)>,
) -> Option<HeldCoupon> {
    let Some(Want::AnyOf(bank_id)) = want else { return None };
    let bank_name = round.named.bank_name(round.rows[index].account_id, bank_id)?.to_owned();
    let (code, pin) = coupon?;
    Some(HeldCoupon { code, pin, bank_id, bank_name })
}
