//! Showing a purchase: every field always there, null when unknown.

use serde::Serialize;
use time::OffsetDateTime;

use crate::customers::CustomerOut;
use crate::purchases::{AttributedTo, Conversion, Product, Purchase};
use crate::referral_codes::http::CampaignName;
use crate::types::channel::Channel;
use crate::types::codes::RecordedCode;
use crate::types::email::Email;
use crate::types::ids::{ConversionId, PurchaseId};
use crate::types::money::{Currency, Money};

/// A purchase as it is answered.
#[derive(Serialize)]
pub struct PurchaseOut {
    id: PurchaseId,
    order_id: String,
    source: String,
    #[serde(with = "time::serde::rfc3339")]
    date: OffsetDateTime,
    total: Money,
    currency: Currency,
    email: Option<Email>,
    new_customer: Option<bool>,
    customer: Option<CustomerOut>,
    products: Vec<Product>,
    coupon_code: Option<RecordedCode>,
    referral_code: Option<RecordedCode>,
    ip_address: Option<String>,
    /// A page is a page, signed or not.
    channel: &'static str,
    verified: bool,
    attribution: Option<AttributionOut>,
    reason: Option<String>,
    conversion: Option<ConversionOut>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// Who referred a purchase, as it is answered.
#[derive(Serialize)]
pub struct AttributionOut {
    via: String,
    referral_code: String,
    coupon_code: Option<String>,
    campaign: CampaignName,
    advocate: CustomerOut,
    conflicting_codes: bool,
}

#[derive(Serialize)]
struct ConversionOut {
    id: ConversionId,
    status: String,
    fraud: FraudOut,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

#[derive(Serialize)]
struct FraudOut {
    same_email: bool,
    fuzzy_email: bool,
    same_customer: bool,
    same_shopper: bool,
}

impl From<Purchase> for PurchaseOut {
    fn from(purchase: Purchase) -> Self {
        Self {
            customer: customer(&purchase),
            id: purchase.id,
            order_id: purchase.key.order_id.as_str().to_owned(),
            source: purchase.key.source,
            date: purchase.ordered_at,
            total: purchase.total,
            currency: purchase.total.currency(),
            email: purchase.email,
            new_customer: purchase.new_customer,
            products: purchase.products,
            coupon_code: purchase.coupon_code,
            referral_code: purchase.referral_code,
            ip_address: purchase.ip_address,
            channel: if purchase.channel.is_tracker() { Channel::Tracker } else { purchase.channel }.as_str(),
            verified: !purchase.channel.is_unverified(),
            attribution: purchase.attribution.map(AttributionOut::from),
            reason: purchase.reason,
            conversion: purchase.conversion.map(ConversionOut::from),
            created_at: purchase.created_at,
        }
    }
}

/// The friend as the order named him, with our number for him.
fn customer(purchase: &Purchase) -> Option<CustomerOut> {
    let shown = CustomerOut {
        id: purchase.customer_id,
        account_id: purchase.customer_external_id.as_ref().map(|id| id.as_str().to_owned()),
        email: purchase.customer_email.as_ref().map(|email| email.as_str().to_owned()),
        first_name: purchase.customer_first_name.clone(),
        last_name: purchase.customer_last_name.clone(),
    };
    let texts = [&shown.account_id, &shown.email, &shown.first_name, &shown.last_name];
    let is_said = texts.into_iter().any(Option::is_some);
    is_said.then_some(shown)
}

impl From<AttributedTo> for AttributionOut {
    fn from(to: AttributedTo) -> Self {
        Self {
            via: to.via,
            referral_code: to.referral_code,
            coupon_code: to.coupon_code,
            campaign: CampaignName { id: to.campaign_id, name: to.campaign_name },
            advocate: to.advocate.into(),
            conflicting_codes: to.conflicting_codes,
        }
    }
}

impl From<Conversion> for ConversionOut {
    fn from(conversion: Conversion) -> Self {
        Self {
            id: conversion.id,
            status: conversion.status,
            fraud: FraudOut {
                same_email: conversion.same_email,
                fuzzy_email: conversion.fuzzy_email,
                same_customer: conversion.same_customer,
                same_shopper: conversion.same_shopper,
            },
            created_at: conversion.created_at,
        }
    }
}
