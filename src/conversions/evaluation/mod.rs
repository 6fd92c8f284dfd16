//! Evaluating conversions that fall due, by the rules of their campaigns. [`rules`] decides without IO; this loads what it asks
//! about and stores what it says. Safe with several processes: what one has claimed the others pass over.

mod case;
mod due;
pub mod prospect;
pub mod rules;
pub mod store;

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;

pub use self::case::Case;
pub use self::due::{Aside, BATCH_MAX, Batch, evaluate_batch, tick};
use self::rules::{Finding, Ruling};
use super::Status;
use super::history::{self, By, Event, NewEvent};
use crate::events::{self, Fact, Kind};
use crate::rewards::amount::Owed;
use crate::rewards::{self, Cause, NewReward};
use crate::types::ids::{AccountId, ConversionId, ReferralCodeId};

/// Evaluates conversions that the transaction has claimed, and gives the rulings.
pub async fn evaluate(
    conn: &mut PgConnection,
    due: &[(AccountId, ConversionId)],
    now: OffsetDateTime,
) -> sqlx::Result<Vec<Ruling>> {
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let (accounts, ids): (Vec<_>, Vec<_>) = due.iter().copied().unzip();
    let cases: Vec<Case> = store::find_cases(conn, &accounts, &ids).await?.into_iter().map(Case::from).collect();
    let mut rewards = count_rewards(conn, &cases).await?;
    let mut outcomes = Vec::with_capacity(cases.len());
    for mut case in cases {
        let count = rewards.entry((case.account_id, case.referral_code_id)).or_default();
        case.facts.rewards = *count;
        let ruling = rule_on(&case);
        *count += i64::from(matches!(ruling, Ruling::Approved(Some(_))));
        outcomes.push(Outcome::by_rules(case, ruling));
    }
    settle(conn, &outcomes, now).await?;
    Ok(outcomes.into_iter().map(|outcome| outcome.ruling).collect())
}

/// One that was rejected when its order came stays rejected, whatever the rules are now: here it only gets its checks.
fn rule_on(case: &Case) -> Ruling {
    match case.status {
        Status::Rejected => Ruling::Rejected(vec![Finding::SelfReferral]),
        Status::Pending | Status::Approved => rules::judge(&case.facts, &case.rules),
    }
}

/// What the rules would say now. Nobody is locked and nothing is stored.
pub async fn preview(conn: &mut PgConnection, case: &Case) -> sqlx::Result<Ruling> {
    let mut case = case.clone();
    if case.rules.maximum_rewards_per_advocate.is_some() {
        let counted = rewards::store::count_of_codes(conn, &[case.account_id], &[case.referral_code_id]).await?;
        case.facts.rewards = counted.first().map_or(0, |(_, count)| *count);
    }
    Ok(rule_on(&case))
}

/// Counts the rewards of advocates where a maximum is set. Their codes stay locked, so nobody else counts meanwhile.
async fn count_rewards(
    conn: &mut PgConnection,
    cases: &[Case],
) -> sqlx::Result<HashMap<(AccountId, ReferralCodeId), i64>> {
    let limited: HashSet<_> = cases
        .iter()
        .filter(|case| case.rules.maximum_rewards_per_advocate.is_some())
        .map(|case| (case.account_id, case.referral_code_id))
        .collect();
    if limited.is_empty() {
        return Ok(HashMap::new());
    }
    let (accounts, codes): (Vec<_>, Vec<_>) = limited.into_iter().unzip();
    store::lock_codes(conn, &accounts, &codes).await?;
    Ok(rewards::store::count_of_codes(conn, &accounts, &codes).await?.into_iter().collect())
}

/// A ruling on a conversion, and whose it is.
#[derive(Debug)]
pub struct Outcome {
    pub case: Case,
    pub ruling: Ruling,
    pub event: Event,
    pub by: By,
    pub cause: Cause,
}

impl Outcome {
    fn by_rules(case: Case, ruling: Ruling) -> Self {
        let event = match ruling {
            Ruling::Approved(_) => Event::Approved,
            Ruling::Rejected(_) => Event::Rejected,
            Ruling::Held(_) => Event::Held,
        };
        Self { case, ruling, event, by: By::Rules, cause: Cause::Approval }
    }

    fn status(&self) -> Status {
        match self.ruling {
            Ruling::Approved(_) => Status::Approved,
            Ruling::Rejected(_) => Status::Rejected,
            Ruling::Held(_) => Status::Pending,
        }
    }

    fn findings(&self) -> Vec<&'static str> {
        match &self.ruling {
            Ruling::Approved(_) => Vec::new(),
            Ruling::Rejected(findings) | Ruling::Held(findings) => findings.iter().map(|one| one.as_str()).collect(),
        }
    }

    fn standing(&self) -> store::Standing {
        let fraud = self.case.facts.fraud;
        store::Standing {
            account_id: self.case.account_id,
            id: self.case.conversion_id,
            status: self.status().as_str(),
            same_email: fraud.same_email,
            fuzzy_email: fraud.fuzzy_email,
            same_customer: fraud.same_customer,
            same_shopper: fraud.same_shopper,
            checks: serde_json::to_string(&self.case.checks).unwrap_or_else(|_| "[]".to_owned()),
        }
    }

    fn record(&self) -> NewEvent<'_> {
        NewEvent {
            account_id: self.case.account_id,
            conversion_id: self.case.conversion_id,
            event: self.event,
            status_before: self.case.status,
            status: self.status(),
            by: &self.by,
            findings: self.findings(),
            rules: &self.case.rules,
        }
    }

    /// The reward that follows, if one does.
    fn reward(&self) -> Option<NewReward> {
        let Ruling::Approved(Some(whole)) = &self.ruling else { return None };
        Some(self.reward_of(whole))
    }

    fn reward_of(&self, whole: &Owed) -> NewReward {
        NewReward {
            account_id: self.case.account_id,
            conversion_id: self.case.conversion_id,
            campaign_id: self.case.campaign_id,
            referral_code_id: self.case.referral_code_id,
            customer_id: self.case.advocate_id,
            whole: whole.clone(),
            left: self.case.facts.left,
            cause: self.cause,
        }
    }
}

/// What an entry of the history means to the world: nothing, when the conversion stands where it stood.
fn fact(entry: &NewEvent<'_>, ids: &HashMap<(AccountId, ConversionId), i64>) -> Option<Fact> {
    let kind = match entry.status {
        status if status == entry.status_before => return None,
        Status::Pending => return None,
        Status::Approved => Kind::ConversionApproved,
        Status::Rejected => Kind::ConversionRejected,
    };
    let subject = *ids.get(&(entry.account_id, entry.conversion_id))?;
    Some(Fact { account_id: entry.account_id, kind, subject })
}

/// Stores rulings on conversions that the transaction has locked and that have no reward yet.
pub async fn settle(conn: &mut PgConnection, outcomes: &[Outcome], now: OffsetDateTime) -> sqlx::Result<()> {
    let standings: Vec<_> = outcomes.iter().map(Outcome::standing).collect();
    store::update_all(conn, &standings, now).await?;
    let entries: Vec<_> = outcomes.iter().map(Outcome::record).collect();
    let ids = history::store::insert_all(conn, &entries, now).await?;
    let facts: Vec<Fact> = entries.iter().filter_map(|entry| fact(entry, &ids)).collect();
    events::record(conn, &facts, now).await?;
    let rewards: Vec<_> = outcomes.iter().filter_map(Outcome::reward).collect();
    rewards::grant(conn, &rewards, now).await
}
