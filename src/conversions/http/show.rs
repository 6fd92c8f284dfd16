//! Showing a conversion: every field always there, null when unknown.

use serde::Serialize;
use time::OffsetDateTime;

use crate::accounts::Account;
use crate::attribution::Fraud;
use crate::campaigns::http::CampaignOut;
use crate::conversions::list::{BoughtProduct, ConvertedPurchase, ListedConversion};
use crate::customers::{Customer, CustomerOut};
use crate::referral_codes::http::trackable_link;
use crate::rewards::http::RewardOut;
use crate::types::codes::RecordedCode;
use crate::types::email::Email;
use crate::types::ids::{ConversionId, PurchaseId};
use crate::types::money::{Currency, Money};

/// A conversion as it is answered.
#[derive(Serialize)]
pub struct ConversionOut {
    id: ConversionId,
    #[serde(rename = "type")]
    kind: &'static str,
    status: String,
    detail_uri: String,
    possible_self_referral: bool,
    fraud: FraudOut,
    campaign: CampaignOut,
    personal_url: PersonalUrlOut,
    coupon_code: Option<String>,
    referrer: ReferrerOut,
    purchase: ConvertedPurchaseOut,
    rewards: Vec<RewardOut>,
    /// Links and codes are not shares: there is never one.
    share: Option<()>,
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

#[derive(Serialize)]
struct PersonalUrlOut {
    referral_code: String,
    trackable_link: String,
    destination_url: String,
}

/// The advocate. Nothing counts his friends and followers elsewhere, so these are always null.
#[derive(Serialize)]
struct ReferrerOut {
    email: Option<String>,
    name: Option<String>,
    facebook_friends_count: Option<i64>,
    twitter_followers_count: Option<i64>,
    customer: CustomerOut,
}

#[derive(Serialize)]
struct ConvertedPurchaseOut {
    id: PurchaseId,
    order_id: String,
    source: String,
    #[serde(with = "time::serde::rfc3339")]
    date: OffsetDateTime,
    total: Money,
    currency: Currency,
    email: Option<Email>,
    new_customer: Option<bool>,
    ip_address: Option<String>,
    coupon_code: Option<RecordedCode>,
    referral_code: Option<RecordedCode>,
    customer: Option<CustomerOut>,
    products: Vec<BoughtProduct>,
}

impl ConversionOut {
    /// Shows a conversion; `public_url` is where this server is reached.
    pub fn new(conversion: ListedConversion, public_url: &str, account: &Account) -> Self {
        Self {
            detail_uri: format!("{public_url}/v1/conversions/{}", conversion.id),
            id: conversion.id,
            kind: "personal_url",
            possible_self_referral: conversion.fraud.is_seen(),
            fraud: conversion.fraud.into(),
            personal_url: PersonalUrlOut {
                trackable_link: trackable_link(public_url, account, &conversion.referral_code),
                referral_code: conversion.referral_code,
                destination_url: conversion.campaign.campaign.destination_url.clone(),
            },
            campaign: conversion.campaign.into(),
            coupon_code: conversion.coupon_code,
            referrer: conversion.advocate.into(),
            purchase: conversion.purchase.into(),
            rewards: conversion.rewards.into_iter().map(RewardOut::from).collect(),
            share: None,
            status: conversion.status,
            created_at: conversion.created_at,
        }
    }
}

impl From<Fraud> for FraudOut {
    fn from(fraud: Fraud) -> Self {
        let Fraud { same_email, fuzzy_email, same_customer, same_shopper } = fraud;
        Self { same_email, fuzzy_email, same_customer, same_shopper }
    }
}

impl From<Customer> for ReferrerOut {
    fn from(advocate: Customer) -> Self {
        let customer = CustomerOut::from(advocate);
        let names: Vec<&str> = [&customer.first_name, &customer.last_name]
            .into_iter()
            .flatten()
            .map(|name| name.trim())
            .filter(|name| !name.is_empty())
            .collect();
        Self {
            email: customer.email.clone(),
            name: (!names.is_empty()).then(|| names.join(" ")),
            facebook_friends_count: None,
            twitter_followers_count: None,
            customer,
        }
    }
}

impl From<ConvertedPurchase> for ConvertedPurchaseOut {
    fn from(purchase: ConvertedPurchase) -> Self {
        Self {
            customer: buyer(&purchase),
            id: purchase.id,
            order_id: purchase.order_id.as_str().to_owned(),
            source: purchase.source,
            date: purchase.ordered_at,
            total: purchase.total,
            currency: purchase.total.currency(),
            email: purchase.email,
            new_customer: purchase.new_customer,
            ip_address: purchase.ip_address,
            coupon_code: purchase.coupon_code,
            referral_code: purchase.referral_code,
            products: purchase.products,
        }
    }
}

/// The friend as the order named him, with our number for him.
fn buyer(purchase: &ConvertedPurchase) -> Option<CustomerOut> {
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
