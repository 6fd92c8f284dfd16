//! The look-up on the wire (contract.md 5, User Lookup).

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::{Kind, LookedUp, LookedUpCoupon, LookedUpPerson, Newest};
use crate::accounts::{Account, Caller};
use crate::conversions::http::ConversionOut;
use crate::coupon_banks::CouponStatus;
use crate::coupon_banks::http::BankName;
use crate::customers::http::ListedCustomerOut;
use crate::purchases::http::PurchaseOut;
use crate::referral_codes::http::ReferralCodeOut;
use crate::web::error::ApiError;
use crate::web::extract::Params;
use crate::web::fields::{FieldValue, Invalid, Scalar};
use crate::web::state::App;

/// As long as the longest thing that can be looked up, an address.
const QUERY_CHARS_MAX: usize = 320;

/// What a look-up is answered with.
#[derive(Serialize)]
pub struct LookUpOut {
    query: String,
    found_as: Vec<&'static str>,
    coupon: Option<CouponOut>,
    customers: Vec<PersonOut>,
    purchases: NewestOut<PurchaseOut>,
}

#[derive(Serialize)]
struct CouponOut {
    code: String,
    status: CouponStatus,
    coupon_bank: BankName,
    referral_code: Option<String>,
}

#[derive(Serialize)]
struct PersonOut {
    customer: ListedCustomerOut,
    referral_codes: NewestOut<ReferralCodeOut>,
    conversions: NewestOut<ConversionOut>,
    purchases: NewestOut<PurchaseOut>,
}

#[derive(Serialize)]
struct NewestOut<T> {
    has_more: bool,
    results: Vec<T>,
}

/// `GET /v1/lookup`
pub async fn look_up(State(app): State<App>, caller: Caller, params: Params) -> Result<Json<LookUpOut>, ApiError> {
    let Query(text) = params.read(|fields| fields.require("q"))?;
    let mut conn = app.pool.acquire().await?;
    let found = super::look_up(&mut conn, caller.account.id, &text).await?;
    Ok(Json(LookUpOut::new(text, found, &app.public_url, &caller.account)))
}

/// A text that is looked up, as it was sent.
struct Query(String);

impl FieldValue for Query {
    const BLANK_IS_ABSENT: bool = true;

    fn read(scalar: Scalar<'_>) -> Result<Self, Invalid> {
        let text = scalar.text_or_digits()?;
        if text.chars().count() > QUERY_CHARS_MAX {
            return Err(Invalid::new("too_long", format!("must have at most {QUERY_CHARS_MAX} characters")));
        }
        Ok(Self(text.to_owned()))
    }
}

impl LookUpOut {
    fn new(query: String, found: LookedUp, public_url: &str, account: &Account) -> Self {
        Self {
            query,
            found_as: found.found_as.into_iter().map(Kind::as_str).collect(),
            coupon: found.coupon.map(CouponOut::from),
            customers: found.people.into_iter().map(|person| PersonOut::new(person, public_url, account)).collect(),
            purchases: NewestOut::new(found.purchases, PurchaseOut::from),
        }
    }
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::CustomerId => "customer_id",
            Self::ReferralCode => "referral_code",
            Self::CouponCode => "coupon_code",
            Self::OrderId => "order_id",
        }
    }
}

impl From<LookedUpCoupon> for CouponOut {
    fn from(coupon: LookedUpCoupon) -> Self {
        Self {
            code: coupon.code.as_str().to_owned(),
            status: coupon.status,
            coupon_bank: BankName { id: coupon.bank_id, name: coupon.bank_name },
            referral_code: coupon.referral_code,
        }
    }
}

impl PersonOut {
    fn new(person: LookedUpPerson, public_url: &str, account: &Account) -> Self {
        Self {
            customer: ListedCustomerOut::new(person.customer, public_url),
            referral_codes: NewestOut::new(person.referral_codes, |issued| {
                ReferralCodeOut::listed(issued, public_url, account)
            }),
            conversions: NewestOut::new(person.conversions, |conversion| {
                ConversionOut::new(conversion, public_url, account)
            }),
            purchases: NewestOut::new(person.purchases, PurchaseOut::from),
        }
    }
}

impl<T> NewestOut<T> {
    fn new<R>(newest: Newest<R>, show: impl FnMut(R) -> T) -> Self {
        Self { has_more: newest.has_more, results: newest.rows.into_iter().map(show).collect() }
    }
}
