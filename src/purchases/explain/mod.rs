//! Why an order was decided as it was: every code that came with it and what became of each, the rules that were in force, what
//! the checks for fraud saw, and what followed. For an order that nobody has recorded, the same without storing anything.

pub mod http;
pub mod store;

use serde_json::value::{RawValue, to_raw_value};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{AttributedTo, OrderKey, PurchaseToRecord, record, store as purchases};
use crate::attribution::{Attribution, Decision, EvidenceKind};
use crate::campaigns::{self, rules::Rules};
use crate::conversions::Status;
use crate::conversions::evaluation::prospect::{self, Prospect};
use crate::conversions::evaluation::rules::Ruling;
use crate::conversions::evaluation::{self, Case};
use crate::conversions::history::{self, Entry};
use crate::referral_codes::{self, Issued};
use crate::types::codes::RecordedCode;
use crate::types::ids::{AccountId, CampaignId, ConversionId, ReferralCodeId};
use crate::types::page::{LIMIT_MAX, Span};
use crate::types::text::UserAgent;
use store::Weighed;

/// Why an order was decided as it was.
#[derive(Debug)]
pub struct Explanation {
    pub key: OrderKey,
    pub is_dry_run: bool,
    pub attribution: Option<AttributedTo>,
    pub reason: Option<String>,
    pub candidates: Vec<Candidate>,
    pub rules: Option<RulesInForce>,
    pub conversion: Option<ExplainedConversion>,
}

/// A code that came with the order, what became of it, and whose it is.
#[derive(Debug)]
pub struct Candidate {
    pub kind: String,
    /// As it was sent.
    pub code: String,
    pub verdict: String,
    pub holder: Option<Issued>,
}

/// The rules of the campaign that decided, as they were when the order came.
#[derive(Debug)]
pub struct RulesInForce {
    /// Nothing when none had been set yet.
    pub since: Option<OffsetDateTime>,
    pub rules: Box<RawValue>,
}

/// The conversion that followed, or would follow.
#[derive(Debug)]
pub struct ExplainedConversion {
    pub id: Option<ConversionId>,
    pub case: Case,
    /// What the checks for fraud saw: when it was evaluated, or else now.
    pub checks: Box<RawValue>,
    /// What the rules say now, of one that is not evaluated yet.
    pub ruling: Option<Ruling>,
    pub history: Vec<Entry>,
}

/// Explains an order that is recorded. Nothing when there is none.
pub async fn explain(conn: &mut PgConnection, key: &OrderKey) -> sqlx::Result<Option<Explanation>> {
    let account = key.account_id;
    let Some(purchase) = purchases::find_all(conn, &[key]).await?.pop() else { return Ok(None) };
    let weighed = store::find_weighed(conn, account, purchase.id).await?;
    let codes = Codes { referral_code: purchase.referral_code.as_ref(), coupon_code: purchase.coupon_code.as_ref() };
    let candidates = candidates(conn, account, weighed, codes).await?;
    let rules = match &purchase.attribution {
        Some(to) => Some(rules_at(conn, account, to.campaign_id, purchase.created_at).await?),
        None => None,
    };
    let conversion = match &purchase.conversion {
        Some(conversion) => explained(conn, account, conversion.id).await?,
        None => None,
    };
    Ok(Some(Explanation {
        key: purchase.key,
        is_dry_run: false,
        attribution: purchase.attribution,
        reason: purchase.reason,
        candidates,
        rules,
        conversion,
    }))
}

async fn explained(
    conn: &mut PgConnection,
    account: AccountId,
    id: ConversionId,
) -> sqlx::Result<Option<ExplainedConversion>> {
    let cases = evaluation::store::find_cases(conn, &[account], &[id]).await?;
    let Some(case) = cases.into_iter().next().map(Case::from) else { return Ok(None) };
    let seen = evaluation::store::find_checks(conn, account, id).await?;
    let ruling = match case.evaluated_at {
        Some(_) => None,
        None => Some(evaluation::preview(conn, &case).await?),
    };
    let history = history::list(conn, account, id, &Span::first(LIMIT_MAX)).await?;
    let history = history.rows.into_iter().map(|(_, entry)| entry).collect();
    Ok(Some(ExplainedConversion {
        id: Some(id),
        checks: seen.unwrap_or_else(|| raw(&case.checks)),
        case,
        ruling,
        history,
    }))
}

/// Says what would become of an order. Whether it was recorded before makes no difference, and nothing is stored.
pub async fn foretell(
    conn: &mut PgConnection,
    order: &PurchaseToRecord,
    now: OffsetDateTime,
) -> sqlx::Result<Explanation> {
    let account = order.key.account_id;
    let (decision, attribution) = record::decide(conn, order, now).await?;
    let weighed = decision.considered.iter().map(Weighed::from).collect();
    let codes = Codes { referral_code: order.referral_code.as_ref(), coupon_code: order.coupon_code.as_ref() };
    let candidates = candidates(conn, account, weighed, codes).await?;
    let Decision { outcome, .. } = decision;
    let reason = outcome.as_ref().err().map(|reason| reason.as_str().to_owned());
    let (rules, conversion) = match &outcome {
        Ok(found) => {
            let rules = rules_at(conn, account, found.holder.campaign_id, now).await?;
            (Some(rules), foretold(conn, order, found, now).await?)
        }
        Err(_) => (None, None),
    };
    Ok(Explanation { key: order.key.clone(), is_dry_run: true, attribution, reason, candidates, rules, conversion })
}

async fn foretold(
    conn: &mut PgConnection,
    order: &PurchaseToRecord,
    found: &Attribution,
    now: OffsetDateTime,
) -> sqlx::Result<Option<ExplainedConversion>> {
    let prospect = Prospect {
        account_id: order.key.account_id,
        source: order.key.source.clone(),
        order_id: order.key.order_id.clone(),
        total: order.total,
        ordered_at: order.date.unwrap_or(now),
        order_email: order.email.clone(),
        customer_email: order.customer.email.clone(),
        customer_external_id: order.customer.external_id.clone(),
        new_customer: order.new_customer,
        ip_address: order.ip_address.map(|ip| ip.to_string()),
        user_agent: order.user_agent.as_ref().map(UserAgent::as_str).map(str::to_owned),
        attributed_via: found.via.as_str(),
        visited_at: found.visited_at,
        channel: order.channel,
        referral_code_id: found.holder.referral_code_id,
        status: Status::initial(found, order.channel),
        fraud: found.fraud,
    };
    let Some(case) = prospect::find_case(conn, &prospect, now).await?.map(Case::from) else { return Ok(None) };
    let ruling = evaluation::preview(conn, &case).await?;
    let checks = raw(&case.checks);
    Ok(Some(ExplainedConversion { id: None, case, checks, ruling: Some(ruling), history: Vec::new() }))
}

/// The codes of an order, as they were sent.
#[derive(Clone, Copy)]
struct Codes<'a> {
    referral_code: Option<&'a RecordedCode>,
    coupon_code: Option<&'a RecordedCode>,
}

/// The codes that came with an order, in the order in which they were looked at, with those whom they name.
async fn candidates(
    conn: &mut PgConnection,
    account: AccountId,
    weighed: Vec<Weighed>,
    codes: Codes<'_>,
) -> sqlx::Result<Vec<Candidate>> {
    let ids: Vec<ReferralCodeId> =
        weighed.iter().filter_map(|weighed| weighed.referral_code_id).map(ReferralCodeId).collect();
    let accounts = vec![account; ids.len()];
    let holders =
        if ids.is_empty() { Vec::new() } else { referral_codes::store::find_issued(conn, &accounts, &ids).await? };
    let candidate = weighed.into_iter().map(|weighed| {
        let is_of = |kind: EvidenceKind| weighed.kind == kind.as_str();
        let code = match () {
            () if is_of(EvidenceKind::ReferralCode) => codes.referral_code,
            () if is_of(EvidenceKind::CouponCode) => codes.coupon_code,
            () => None,
        };
        let holder = holders.iter().find(|holder| Some(holder.id.0) == weighed.referral_code_id);
        // Of a visit the code that was clicked; a forged one has none.
        let clicked = holder.filter(|_| is_of(EvidenceKind::Visit)).map(|holder| holder.code.as_str().to_owned());
        Candidate {
            code: code.map(|code| code.as_str().to_owned()).or(clicked).unwrap_or_default(),
            kind: weighed.kind,
            verdict: weighed.verdict,
            holder: holder.cloned(),
        }
    });
    Ok(candidate.collect())
}

async fn rules_at(
    conn: &mut PgConnection,
    account: AccountId,
    campaign: CampaignId,
    at: OffsetDateTime,
) -> sqlx::Result<RulesInForce> {
    let found = campaigns::store::find_rules_at(conn, account, campaign, at).await?;
    Ok(match found {
        Some((since, rules)) => RulesInForce { since: Some(since), rules },
        None => RulesInForce { since: None, rules: raw(&Rules::default()) },
    })
}

fn raw(value: &impl serde::Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
