//! Rewards on the wire. `amount`, `type`, `status`, `evaluate_at` and `rejected_reasons` are what clients of the compatible API
//! read; the rest is ours.

use axum::Json;
use axum::extract::State;
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{Entry, Payout, Reward, RewardedConversion, store};
use crate::accounts::Caller;
use crate::customers::{self, CustomerOut};
use crate::db;
use crate::types::ids::{AccountId, CampaignId, ConversionId, RewardId};
use crate::types::money::{Currency, InvalidAmount, Money};
use crate::types::unit::{Number, Unit, parse_balance};
use crate::web::error::{ApiError, Code};
use crate::web::extract::{Body, Params, PathTexts};
use crate::web::fields::Fields;
use crate::web::lists::{List, Owned, PageOut};
use crate::web::state::App;
use crate::web::values::NumberText;

const REWARDS: List = List { name: "rewards", filters: &[] };
const OF_CUSTOMER: List = List { name: "customers/rewards", filters: &[] };

/// A reward as it is answered.
#[derive(Serialize)]
pub struct RewardOut {
    id: RewardId,
    amount: Number,
    #[serde(rename = "type")]
    unit: Unit,
    status: &'static str,
    rejected_reasons: Option<FraudOut>,
    earned: Number,
    reversed: Number,
    paid: Number,
    outstanding: Number,
    #[serde(with = "time::serde::rfc3339::option")]
    paid_at: Option<OffsetDateTime>,
    customer: CustomerOut,
    campaign: CampaignName,
    referral_code: String,
    conversion: ConversionOut,
    #[serde(with = "time::serde::rfc3339::option")]
    evaluate_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

#[derive(Serialize)]
struct CampaignName {
    id: CampaignId,
    name: String,
}

#[derive(Clone, Copy, Serialize)]
struct FraudOut {
    same_email: bool,
    fuzzy_email: bool,
    same_customer: bool,
    same_shopper: bool,
}

#[derive(Serialize)]
struct ConversionOut {
    id: ConversionId,
    status: String,
    possible_self_referral: bool,
    fraud: FraudOut,
    purchase: PurchaseOut,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

#[derive(Serialize)]
struct PurchaseOut {
    order_id: String,
    source: String,
    total: Money,
    currency: Currency,
    #[serde(with = "time::serde::rfc3339")]
    date: OffsetDateTime,
}

impl From<RewardedConversion> for ConversionOut {
    fn from(conversion: RewardedConversion) -> Self {
        let fraud = FraudOut {
            same_email: conversion.same_email,
            fuzzy_email: conversion.fuzzy_email,
            same_customer: conversion.same_customer,
            same_shopper: conversion.same_shopper,
        };
        let marks = [fraud.same_email, fraud.fuzzy_email, fraud.same_customer, fraud.same_shopper];
        Self {
            id: conversion.id,
            status: conversion.status,
            possible_self_referral: marks.contains(&true),
            fraud,
            purchase: PurchaseOut {
                order_id: conversion.order_id.as_str().to_owned(),
                source: conversion.source,
                total: conversion.total,
                currency: conversion.total.currency(),
                date: conversion.ordered_at,
            },
            created_at: conversion.created_at,
        }
    }
}

impl From<Reward> for RewardOut {
    fn from(reward: Reward) -> Self {
        let amount = reward.earned + reward.reversed;
        let shown = |amount| Number(reward.unit.round(amount));
        let evaluate_at = reward.conversion.evaluated_at;
        let conversion = ConversionOut::from(reward.conversion);
        Self {
            id: reward.id,
            amount: shown(amount),
            status: if amount.is_zero() { "invalid" } else { "valid" },
            rejected_reasons: (conversion.status == "rejected").then_some(conversion.fraud),
            earned: shown(reward.earned),
            reversed: shown(reward.reversed),
            paid: shown(reward.paid),
            outstanding: shown(amount - reward.paid),
            unit: reward.unit,
            paid_at: reward.paid_at,
            customer: reward.advocate.into(),
            campaign: CampaignName { id: reward.campaign_id, name: reward.campaign_name },
            referral_code: reward.referral_code,
            conversion,
            evaluate_at,
            created_at: reward.created_at,
        }
    }
}

/// A reward with its ledger.
#[derive(Serialize)]
pub struct RewardWithEntries {
    #[serde(flatten)]
    reward: RewardOut,
    entries: Vec<EntryOut>,
}

#[derive(Serialize)]
struct EntryOut {
    kind: String,
    amount: Number,
    cause: String,
    refund_id: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl RewardWithEntries {
    fn new(reward: Reward, entries: Vec<Entry>) -> Self {
        let unit = reward.unit.clone();
        let entries = entries.into_iter().map(|entry| EntryOut {
            kind: entry.kind,
            amount: Number(unit.round(entry.amount)),
            cause: entry.cause,
            refund_id: entry.refund_id,
            created_at: entry.created_at,
        });
        Self { entries: entries.collect(), reward: reward.into() }
    }
}

/// `GET /v1/rewards`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    params: Params,
) -> Result<Json<PageOut<RewardOut>>, ApiError> {
    let account = &*caller.account;
    let owned = Owned { account: account.id, zone: &account.zone, within: 0 };
    let walk = params.read(|fields| REWARDS.read(fields, owned))?;
    let mut conn = app.pool.acquire().await?;
    let found = super::list::list(&mut conn, account.id, None, &walk.span()).await?;
    Ok(Json(walk.page(found, RewardOut::from)))
}

/// `GET /v1/customers/{id}/rewards`
pub async fn list_of_customer(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    params: Params,
) -> Result<Json<PageOut<RewardOut>>, ApiError> {
    let account = &*caller.account;
    let owned = Owned { account: account.id, zone: &account.zone, within: path.id(0).unwrap_or(0) };
    let walk = params.read(|fields| OF_CUSTOMER.read(fields, owned))?;
    let mut conn = app.pool.acquire().await?;
    let customer = customers::http::find_named(&mut conn, account.id, &path).await?;
    let found = super::list::list(&mut conn, account.id, Some(customer), &walk.span()).await?;
    Ok(Json(walk.page(found, RewardOut::from)))
}

/// `GET /v1/rewards/{id}`
pub async fn find(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
) -> Result<Json<RewardWithEntries>, ApiError> {
    let id = RewardId(path.id(0).ok_or_else(not_found)?);
    let mut conn = app.pool.acquire().await?;
    let reward = store::find_all(&mut conn, caller.account.id, &[id]).await?.pop().ok_or_else(not_found)?;
    with_entries(&mut conn, caller.account.id, reward).await.map(Json)
}

/// `POST /v1/rewards/{id}/pay`
pub async fn pay(
    State(app): State<App>,
    caller: Caller,
    path: PathTexts,
    body: Option<Body>,
) -> Result<Json<RewardWithEntries>, ApiError> {
    let expected = body.map_or(Ok(None), |body| body.read(|fields| Some(read_expected(fields))))?;
    let id = RewardId(path.id(0).ok_or_else(not_found)?);
    let (account, now) = (caller.account.id, app.clock.now());
    // All that is answered is read before the commit: what fails after it would be said not to be stored.
    let paid = db::transact(&app.pool, move |conn| {
        Box::pin(async move {
            match super::pay(conn, account, id, expected, now).await? {
                Payout::Paid(reward) => with_entries(conn, account, *reward).await,
                Payout::Differs(outstanding) => Err(amount_differs(Number(outstanding))),
                Payout::NotFound => Err(not_found()),
            }
        })
    });
    paid.await.map(Json)
}

fn read_expected(fields: &Fields<'_>) -> Option<Decimal> {
    let NumberText(text) = fields.parse("amount")?;
    let refuse = |fault: InvalidAmount| match fault {
        InvalidAmount::OutOfRange => fields.fault("amount", "out_of_range", "must lie within 99999999999.99 of 0"),
        _ => fields.fault("amount", "invalid_amount", "is not an amount; write digits with a point, such as 12.50"),
    };
    parse_balance(&text).map_err(refuse).ok()
}

fn amount_differs(outstanding: Number) -> ApiError {
    let message = format!("{outstanding} is outstanding now; nothing was marked as paid, look at the reward again");
    ApiError::new(Code::AmountDiffers, message).at("amount").with("outstanding", serde_json::json!(outstanding))
}

async fn with_entries(
    conn: &mut PgConnection,
    account: AccountId,
    reward: Reward,
) -> Result<RewardWithEntries, ApiError> {
    let entries = store::list_entries(conn, account, reward.id).await?;
    Ok(RewardWithEntries::new(reward, entries))
}

fn not_found() -> ApiError {
    ApiError::new(Code::RewardNotFound, "there is no such reward; GET /v1/rewards lists yours")
}
