//! Rulings by hand: a person approves or rejects a conversion, or overrides a rejection, whatever the rules say, and says why. What
//! the advocate is owed follows.

pub mod http;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::Status;
use super::evaluation::rules::Ruling;
use super::evaluation::{self, Case, Outcome, store};
use super::history::{By, Event};
use crate::rewards::{self, Cause, Change, amount};
use crate::types::ids::{AccountId, ConversionId};

/// What a person wants to become of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Of one that is pending.
    Approve,
    /// Of one that is pending or approved; what it earned is taken back.
    Reject,
    /// Approves one that was rejected.
    Override,
}

/// What became of the wish.
#[derive(Debug)]
pub enum Reviewed {
    /// It is as it was wished, perhaps since before.
    Done(Box<Case>),
    /// There is no such conversion.
    NotFound,
    /// Only one that is pending can be approved.
    NotPending,
    /// Only a rejection can be overridden.
    NotRejected,
}

/// What is to be done about a wish: nothing, something, or a refusal. Pure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Approve(Event),
    Reject,
    RefuseAsNotPending,
    RefuseAsNotRejected,
}

fn step(wish: Wish, status: Status) -> Step {
    match (wish, status) {
        (Wish::Approve | Wish::Override, Status::Approved) | (Wish::Reject, Status::Rejected) => Step::Nothing,
        (Wish::Approve, Status::Pending) => Step::Approve(Event::Approved),
        (Wish::Override, Status::Rejected) => Step::Approve(Event::Overridden),
        (Wish::Reject, Status::Pending | Status::Approved) => Step::Reject,
        (Wish::Approve, Status::Rejected) => Step::RefuseAsNotPending,
        (Wish::Override, Status::Pending) => Step::RefuseAsNotRejected,
    }
}

/// Does what a person wishes. Sending the same wish again does no harm.
pub async fn review(
    conn: &mut PgConnection,
    account: AccountId,
    id: ConversionId,
    wish: Wish,
    by: By,
    now: OffsetDateTime,
) -> sqlx::Result<Reviewed> {
    if !store::lock(conn, account, id).await? {
        return Ok(Reviewed::NotFound);
    }
    let Some(case) = store::find_cases(conn, &[account], &[id]).await?.pop().map(Case::from) else {
        return Ok(Reviewed::NotFound);
    };
    let (event, cause) = match step(wish, case.status) {
        Step::Nothing => return Ok(Reviewed::Done(Box::new(case))),
        Step::RefuseAsNotPending => return Ok(Reviewed::NotPending),
        Step::RefuseAsNotRejected => return Ok(Reviewed::NotRejected),
        Step::Approve(Event::Overridden) => (Event::Overridden, Cause::Override),
        Step::Approve(event) => (event, Cause::Approval),
        Step::Reject => (Event::Rejected, Cause::Rejection),
    };
    // One that was rewarded before keeps its reward's ledger: it rises again, or falls to nothing.
    let left = Some(case.facts.left).filter(|_| event != Event::Rejected);
    let change = Change { cause, refund_id: None };
    let has_reward = rewards::follow(conn, account, id, left, &change, now).await?;
    let ruling = match event {
        Event::Rejected => Ruling::Rejected(Vec::new()),
        _ if has_reward => Ruling::Approved(None),
        // A percentage in another currency stays for the merchant to reckon.
        _ => Ruling::Approved(case.rules.reward.as_ref().and_then(|rule| amount::whole(rule, case.facts.total).ok()?)),
    };
    let outcome = Outcome { case, ruling, event, by, cause };
    evaluation::settle(conn, std::slice::from_ref(&outcome), now).await?;
    let status = if event == Event::Rejected { Status::Rejected } else { Status::Approved };
    Ok(Reviewed::Done(Box::new(Case { status, evaluated_at: Some(now), ..outcome.case })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_that_is_fulfilled_is_nothing_to_do_and_the_others_have_their_place() {
        use Status as S;
        let table = [
            (Wish::Approve, S::Pending, Step::Approve(Event::Approved)),
            (Wish::Approve, S::Approved, Step::Nothing),
            (Wish::Approve, S::Rejected, Step::RefuseAsNotPending),
            (Wish::Reject, S::Pending, Step::Reject),
            (Wish::Reject, S::Approved, Step::Reject),
            (Wish::Reject, S::Rejected, Step::Nothing),
            (Wish::Override, S::Pending, Step::RefuseAsNotRejected),
            (Wish::Override, S::Approved, Step::Nothing),
            (Wish::Override, S::Rejected, Step::Approve(Event::Overridden)),
        ];
        for (wish, status, wanted) in table {
            assert_eq!(step(wish, status), wanted, "{wish:?} {status:?}");
        }
    }
}
