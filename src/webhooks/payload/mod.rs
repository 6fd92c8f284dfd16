//! What an event says: what happened, in the shape in which it is answered elsewhere, and the names of all that belongs to it.
//!
//! It is put into words when it is first sent or read, and kept: so every attempt and the feed say the same, letter by letter. States
//! and sums are those of the moment of the event; what people and campaigns are called is as it was known when it was first said.

mod load;
mod store;

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use sqlx::PgConnection;
use time::OffsetDateTime;

use self::load::Loaded;
use self::store::LedgerEntry;
use crate::accounts::Account;
use crate::conversions::history::http::EntryOut as DecisionOut;
use crate::conversions::http::ConversionOut;
use crate::conversions::list::ListedConversion;
use crate::coupon_banks::alerts::Alert;
use crate::customers::Customer;
use crate::events::{Event, EventId, Kind};
use crate::purchases::Purchase;
use crate::purchases::http::PurchaseOut;
use crate::referral_codes::Issued;
use crate::referral_codes::http::ReferralCodeOut;
use crate::rewards::Reward;
use crate::rewards::http::RewardOut;
use crate::types::ids::{CampaignId, ConversionId, CouponBankId, CustomerId, PurchaseId, RewardId};
use crate::types::unit::{Number, Unit};

/// Whose events are put into words, and where this server is reached.
#[derive(Clone, Copy)]
pub struct Teller<'a> {
    pub account: &'a Account,
    pub public_url: &'a str,
}

/// Whether an account's events are only tests: those of sandboxes are.
fn is_test(account: &Account) -> bool {
    account.live_account_id.is_some()
}

/// An event in words.
#[derive(Serialize)]
struct Body<'a> {
    id: String,
    #[serde(rename = "type")]
    event_type: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    sequence: i64,
    test: bool,
    data: &'a Data,
}

/// What happened, and the names of what belongs to it: all of them, null where there is none.
#[derive(Default, Serialize)]
struct Data {
    order_id: Option<String>,
    source: Option<String>,
    referral_code: Option<String>,
    coupon_code: Option<String>,
    campaign_id: Option<CampaignId>,
    purchase_id: Option<PurchaseId>,
    conversion_id: Option<ConversionId>,
    reward_id: Option<RewardId>,
    coupon_bank_id: Option<CouponBankId>,
    advocate: Option<Who>,
    friend: Option<Who>,
    object: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Box<RawValue>>,
}

/// A person: `id` is ours, `account_id` the merchant's.
#[derive(Serialize)]
struct Who {
    id: Option<CustomerId>,
    account_id: Option<String>,
    email: Option<String>,
}

impl From<&Customer> for Who {
    fn from(customer: &Customer) -> Self {
        Self {
            id: Some(customer.id),
            account_id: customer.external_id.as_ref().map(|id| id.as_str().to_owned()),
            email: customer.email.as_ref().map(|email| email.as_str().to_owned()),
        }
    }
}

/// Puts events of one account into words, or finds the words that were used before. One that is about nothing any more is missing.
pub async fn bodies(
    conn: &mut PgConnection,
    teller: Teller<'_>,
    events: &[Event],
) -> sqlx::Result<HashMap<EventId, String>> {
    let account = teller.account.id;
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let mut bodies: HashMap<EventId, String> = store::find_bodies(conn, account, &ids).await?.into_iter().collect();
    let untold: Vec<Event> = events.iter().filter(|event| !bodies.contains_key(&event.id)).copied().collect();
    if untold.is_empty() {
        return Ok(bodies);
    }
    let loaded = Loaded::load(conn, account, &untold).await?;
    let told: Vec<(EventId, String)> =
        untold.iter().filter_map(|event| Some((event.id, teller.tell(event, &loaded)?))).collect();
    store::insert_bodies(conn, account, &told).await?;
    // A rival may have been first; then his words count. A second statement sees them.
    let told: Vec<EventId> = told.iter().map(|(id, _)| *id).collect();
    bodies.extend(store::find_bodies(conn, account, &told).await?);
    Ok(bodies)
}

/// What an endpoint is sent to see that it is there. It is no event and stands in no feed.
pub fn ping(teller: Teller<'_>, id: &str, now: OffsetDateTime) -> String {
    let data = Data::default();
    let (created_at, test) = (now, is_test(teller.account));
    let body = Body { id: id.to_owned(), event_type: "webhook.ping", created_at, sequence: 0, test, data: &data };
    serde_json::to_string(&body).unwrap_or_default()
}

impl Teller<'_> {
    fn tell(self, event: &Event, loaded: &Loaded) -> Option<String> {
        let data = self.data(event, loaded)?;
        let body = Body {
            id: event.id.to_string(),
            event_type: event.kind.event_type(),
            created_at: event.created_at,
            sequence: event.place,
            test: is_test(self.account),
            data: &data,
        };
        serde_json::to_string(&body).ok()
    }

    fn data(self, event: &Event, loaded: &Loaded) -> Option<Data> {
        match event.kind {
            Kind::PurchaseRecorded => loaded.purchase(event.subject).and_then(of_purchase),
            Kind::ConversionCreated | Kind::ConversionRefused => {
                let conversion = loaded.first_conversion(event.subject)?;
                Some(Data { object: self.conversion(conversion.clone()), ..Data::of_conversion(&conversion) })
            }
            Kind::ConversionApproved | Kind::ConversionRejected => {
                let (conversion, decision, reward_id) = loaded.decided_conversion(event.subject)?;
                Some(Data {
                    reward_id,
                    decision: to_raw_value(&DecisionOut::from(decision)).ok(),
                    object: self.conversion(conversion.clone()),
                    ..Data::of_conversion(&conversion)
                })
            }
            Kind::RewardCreated => of_reward(loaded.first_reward(event.subject)?, None, loaded),
            Kind::RewardReversed | Kind::RewardRestored => {
                let (reward, entry) = loaded.booked_reward(event.subject)?;
                of_reward(reward, Some(entry), loaded)
            }
            Kind::ReferralCodeCreated => self.of_code(loaded.referral_code(event.subject)?),
            Kind::CouponBankLow | Kind::CouponBankExhausted => of_alert(loaded.alert(event.subject)?),
        }
    }

    fn conversion(self, conversion: ListedConversion) -> Option<Box<RawValue>> {
        to_raw_value(&ConversionOut::new(conversion, self.public_url, self.account)).ok()
    }

    fn of_code(self, issued: Issued) -> Option<Data> {
        Some(Data {
            referral_code: Some(issued.code.as_str().to_owned()),
            coupon_code: issued.coupon.as_ref().map(|coupon| coupon.code.as_str().to_owned()),
            coupon_bank_id: issued.coupon.as_ref().map(|coupon| coupon.bank_id),
            campaign_id: Some(issued.campaign_id),
            advocate: Some(Who::from(&issued.advocate)),
            object: Some(to_raw_value(&ReferralCodeOut::listed(issued, self.public_url, self.account)).ok()?),
            ..Data::default()
        })
    }
}

fn of_purchase(purchase: Purchase) -> Option<Data> {
    let to = purchase.attribution.as_ref();
    let sent = |code: &Option<crate::types::codes::RecordedCode>| code.as_ref().map(|code| code.as_str().to_owned());
    Some(Data {
        order_id: Some(purchase.key.order_id.as_str().to_owned()),
        source: Some(purchase.key.source.clone()),
        referral_code: to.map(|to| to.referral_code.clone()).or_else(|| sent(&purchase.referral_code)),
        coupon_code: to.map_or_else(|| sent(&purchase.coupon_code), |to| to.coupon_code.clone()),
        campaign_id: to.map(|to| to.campaign_id),
        purchase_id: Some(purchase.id),
        conversion_id: purchase.conversion.as_ref().map(|conversion| conversion.id),
        advocate: to.map(|to| Who::from(&to.advocate)),
        friend: Some(Who {
            id: purchase.customer_id,
            account_id: purchase.customer_external_id.as_ref().map(|id| id.as_str().to_owned()),
            email: purchase.email.as_ref().or(purchase.customer_email.as_ref()).map(|email| email.as_str().to_owned()),
        }),
        object: Some(to_raw_value(&PurchaseOut::from(purchase)).ok()?),
        ..Data::default()
    })
}

fn of_reward(reward: Reward, entry: Option<LedgerEntry>, loaded: &Loaded) -> Option<Data> {
    let names = Data::of_conversion(loaded.conversion_of(&reward)?);
    let unit = reward.unit.clone();
    Some(Data {
        reward_id: Some(reward.id),
        object: Some(to_raw_value(&RewardOut::from(reward)).ok()?),
        entry: entry.and_then(|entry| to_raw_value(&EntryOut::new(entry, &unit)).ok()),
        ..names
    })
}

fn of_alert(alert: &Alert) -> Option<Data> {
    let object = AlertOut {
        id: alert.bank_id,
        name: &alert.bank_name,
        counts: CountsOut {
            total: alert.total,
            issued: alert.issued,
            retired: alert.retired,
            available: alert.available,
        },
        reasons: &alert.reasons,
    };
    Some(Data { coupon_bank_id: Some(alert.bank_id), object: Some(to_raw_value(&object).ok()?), ..Data::default() })
}

impl Data {
    /// The names of what belongs to a conversion.
    fn of_conversion(conversion: &ListedConversion) -> Self {
        let purchase = &conversion.purchase;
        Self {
            order_id: Some(purchase.order_id.as_str().to_owned()),
            source: Some(purchase.source.clone()),
            referral_code: Some(conversion.referral_code.clone()),
            coupon_code: conversion.coupon_code.clone(),
            campaign_id: Some(conversion.campaign.campaign.id),
            purchase_id: Some(purchase.id),
            conversion_id: Some(conversion.id),
            advocate: Some(Who::from(&conversion.advocate)),
            friend: Some(Who {
                id: purchase.customer_id,
                account_id: purchase.customer_external_id.as_ref().map(|id| id.as_str().to_owned()),
                email: (purchase.email.as_ref().or(purchase.customer_email.as_ref()))
                    .map(|email| email.as_str().to_owned()),
            }),
            ..Self::default()
        }
    }
}

/// An entry of a reward's ledger.
#[derive(Serialize)]
struct EntryOut {
    kind: String,
    amount: Number,
    cause: String,
    refund_id: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl EntryOut {
    fn new(entry: LedgerEntry, unit: &Unit) -> Self {
        Self {
            kind: entry.kind,
            amount: Number(unit.round(entry.amount)),
            cause: entry.cause,
            refund_id: entry.refund_id,
            created_at: entry.created_at,
        }
    }
}

/// A bank as an alert found it.
#[derive(Serialize)]
struct AlertOut<'a> {
    id: CouponBankId,
    name: &'a str,
    counts: CountsOut,
    reasons: &'a [String],
}

#[derive(Serialize)]
struct CountsOut {
    total: i64,
    issued: i64,
    retired: i64,
    available: i64,
}
