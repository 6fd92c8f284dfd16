//! Explanations on the wire.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::{Candidate, ExplainedConversion, Explanation, RulesInForce};
use crate::accounts::Caller;
use crate::attribution::{EvidenceKind, Fraud, LEGACY_PRECEDENCE};
use crate::conversions::evaluation::rules::Ruling;
use crate::conversions::history::http::EntryOut;
use crate::customers::CustomerOut;
use crate::purchases::PurchaseToRecord;
use crate::purchases::http::show::AttributionOut;
use crate::purchases::http::{not_found, read_key};
use crate::referral_codes::http::CampaignName;
use crate::types::ids::ConversionId;
use crate::types::unit::{Number, Unit};
use crate::web::error::ApiError;
use crate::web::extract::{Params, PathTexts};
use crate::web::state::App;

/// Whether an order is only asked about: `?dry_run=true`.
pub struct DryRun(pub bool);

impl<S: Send + Sync> FromRequestParts<S> for DryRun {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // Nearly every order comes without a query.
        if parts.uri.query().is_none_or(str::is_empty) {
            return Ok(Self(false));
        }
        let params = Params::from_request_parts(parts, state).await?;
        params.read(|fields| Some(Self(fields.flag("dry_run").unwrap_or(false))))
    }
}

/// An explanation as it is answered.
#[derive(Serialize)]
pub struct ExplanationOut {
    order_id: String,
    source: String,
    dry_run: bool,
    attribution: Option<AttributionOut>,
    reason: Option<String>,
    /// Which kind of code goes before which.
    precedence: &'static [EvidenceKind],
    candidates: Vec<CandidateOut>,
    rules_in_force: Option<RulesOut>,
    conversion: Option<ConversionOut>,
}

#[derive(Serialize)]
struct CandidateOut {
    kind: String,
    code: String,
    verdict: String,
    why: &'static str,
    referral_code: Option<String>,
    coupon_code: Option<String>,
    campaign: Option<CampaignName>,
    advocate: Option<CustomerOut>,
}

#[derive(Serialize)]
struct RulesOut {
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    rules: Box<RawValue>,
}

#[derive(Serialize)]
struct ConversionOut {
    id: Option<ConversionId>,
    status: &'static str,
    held: bool,
    possible_self_referral: bool,
    fraud: Fraud,
    fraud_checks: Box<RawValue>,
    #[serde(with = "time::serde::rfc3339")]
    due_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    evaluated_at: Option<OffsetDateTime>,
    evaluation: Option<EvaluationOut>,
    history: Vec<EntryOut>,
}

/// What the rules say of a conversion now.
#[derive(Serialize)]
struct EvaluationOut {
    outcome: &'static str,
    findings: Vec<&'static str>,
    reward: Option<OwedOut>,
}

#[derive(Serialize)]
struct OwedOut {
    amount: Number,
    #[serde(rename = "type")]
    unit: Unit,
}

/// `GET /v1/purchases/{order_id}/attribution`
pub async fn explain(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
) -> Result<Json<ExplanationOut>, ApiError> {
    let key = read_key(caller.account.id, &path, &params)?;
    let mut conn = app.pool.acquire().await?;
    let explanation = super::explain(&mut conn, &key).await?.ok_or_else(not_found)?;
    Ok(Json(explanation.into()))
}

/// `POST /v1/purchases?dry_run=true`
pub async fn foretell(app: &App, order: &PurchaseToRecord) -> Result<Json<ExplanationOut>, ApiError> {
    let mut conn = app.pool.acquire().await?;
    let explanation = super::foretell(&mut conn, order, app.clock.now()).await?;
    Ok(Json(explanation.into()))
}

impl From<Explanation> for ExplanationOut {
    fn from(explanation: Explanation) -> Self {
        Self {
            order_id: explanation.key.order_id.as_str().to_owned(),
            source: explanation.key.source,
            dry_run: explanation.is_dry_run,
            attribution: explanation.attribution.map(AttributionOut::from),
            reason: explanation.reason,
            precedence: LEGACY_PRECEDENCE,
            candidates: explanation.candidates.into_iter().map(CandidateOut::from).collect(),
            rules_in_force: explanation.rules.map(|RulesInForce { since, rules }| RulesOut { since, rules }),
            conversion: explanation.conversion.map(ConversionOut::from),
        }
    }
}

impl From<Candidate> for CandidateOut {
    fn from(candidate: Candidate) -> Self {
        let why = why(&candidate.verdict);
        let (referral_code, coupon_code, campaign, advocate) = match candidate.holder {
            Some(holder) => (
                Some(holder.code.as_str().to_owned()),
                holder.coupon.map(|coupon| coupon.code.as_str().to_owned()),
                Some(CampaignName { id: holder.campaign_id, name: holder.campaign_name }),
                Some(holder.advocate.into()),
            ),
            None => (None, None, None, None),
        };
        let Candidate { kind, code, verdict, .. } = candidate;
        Self { kind, code, verdict, why, referral_code, coupon_code, campaign, advocate }
    }
}

/// What a verdict means, for people.
fn why(verdict: &str) -> &'static str {
    match verdict {
        "decided" => "it names an advocate, and no code that goes before it does",
        "outranked" => "it names an advocate too, but another code goes before it",
        "unbound_code" => "it is a coupon that nobody held when the order came; one that is bound later does not count",
        "blocked_code" => "it names an advocate, but is blocked",
        "blocked_customer" => "it names an advocate who is blocked",
        "invalid_visit" => "it is no visit that this service signed for the account",
        "expired_visit" => "the link was clicked too long before the order, or after it",
        _ => "it is no code of the account",
    }
}

impl From<ExplainedConversion> for ConversionOut {
    fn from(conversion: ExplainedConversion) -> Self {
        let ExplainedConversion { id, case, checks, ruling, history } = conversion;
        let fraud = case.facts.fraud;
        Self {
            id,
            status: case.status.as_str(),
            held: case.is_held(),
            possible_self_referral: fraud.is_seen(),
            fraud,
            fraud_checks: checks,
            due_at: case.due_at(),
            evaluated_at: case.evaluated_at,
            evaluation: ruling.map(EvaluationOut::from),
            history: history.into_iter().map(EntryOut::from).collect(),
        }
    }
}

impl From<Ruling> for EvaluationOut {
    fn from(ruling: Ruling) -> Self {
        let (outcome, findings, reward) = match ruling {
            Ruling::Approved(owed) => ("approved", Vec::new(), owed),
            Ruling::Rejected(findings) => ("rejected", findings, None),
            Ruling::Held(findings) => ("held", findings, None),
        };
        let reward = reward.map(|owed| OwedOut { amount: Number(owed.amount), unit: owed.unit });
        Self { outcome, findings: findings.into_iter().map(|finding| finding.as_str()).collect(), reward }
    }
}
