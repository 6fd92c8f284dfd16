//! Referral codes on the wire, in the compatible spelling (contract.md 1.1).

mod batch;
mod list;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use time::OffsetDateTime;
use url::Url;

pub use self::batch::{BulkIssuer, issue_lines};
pub use self::list::{find, find_named, list, list_of_customer, read_campaign, read_codes};
use super::lane::ReferralCodeLane;
use super::{Issued, Outcome, ReferralCodeToIssue, Refusal, Wish};
use crate::accounts::{Account, Caller};
use crate::coupon_banks::http::BankName;
use crate::customers::{CustomerOut, Person};
use crate::telemetry::Counters;
use crate::types::ids::{CampaignId, CouponBankId};
use crate::web::error::{ApiError, Code};
use crate::web::extract::Body;
use crate::web::fields::{Fields, WireId};
use crate::web::state::App;

/// `POST /v1/referral_codes`
pub async fn issue(
    State(app): State<App>,
    State(lane): State<ReferralCodeLane>,
    caller: Caller,
    body: Body,
) -> Result<impl IntoResponse, ApiError> {
    let wanted = body.read(|fields| read(fields, &caller.account))?;
    let (status, issued) = answer(lane.submit(wanted).await?, &app.public_url, &caller.account)?;
    Ok((status, Json(issued)))
}

static REFERRAL_CODES: Counters = Counters::new("goodword_referral_codes_total", "outcome");

/// What a call is answered with, alone or among others. Counts it.
fn answer(outcome: Outcome, public_url: &str, account: &Account) -> Result<(StatusCode, ReferralCodeOut), ApiError> {
    REFERRAL_CODES.count(outcome.label());
    let (status, issued) = match outcome {
        Outcome::Created(issued) => (StatusCode::CREATED, issued),
        Outcome::Existing(issued) => (StatusCode::OK, issued),
        Outcome::Refused(refusal) => return Err(refusal.into()),
    };
    Ok((status, ReferralCodeOut::new(*issued, public_url, account)))
}

impl Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::Created(_) => "created",
            Self::Existing(_) => "existing",
            Self::Refused(refusal) => ApiError::from(*refusal).code().as_str(),
        }
    }
}

/// Reads the whole request; all faults are left with `fields`.
pub fn read(fields: &Fields<'_>, account: &Account) -> Option<ReferralCodeToIssue> {
    let campaign = fields.require_reference::<WireId>("campaign");
    let advocate = read_advocate(fields);
    let wish = read_wish(fields);
    let (ip_address, user_agent) = (fields.parse("ip_address"), fields.parse("user_agent"));
    Some(ReferralCodeToIssue {
        account_id: account.id,
        // An id that cannot be ours names nothing, as zero does.
        campaign_id: CampaignId(campaign?.known().unwrap_or(0)),
        advocate: advocate?,
        wish: wish?,
        code: None,
        ip_address,
        user_agent,
    })
}

/// Reads the same of an advocate who has his code from elsewhere, under `referral_code`.
pub fn read_held(fields: &Fields<'_>, account: &Account) -> Option<ReferralCodeToIssue> {
    let code = fields.parse("referral_code");
    Some(ReferralCodeToIssue { code, ..read(fields, account)? })
}

fn read_advocate(fields: &Fields<'_>) -> Option<Person> {
    let customer = fields.object("customer");
    let customer = customer.as_ref();
    let top_email = fields.parse("email");
    let own_email = customer.and_then(|customer| customer.parse("email"));
    if let (Some(top), Some(own)) = (&top_email, &own_email) {
        let (top, own): (&crate::types::email::Email, &crate::types::email::Email) = (top, own);
        if top.key() != own.key() {
            fields.fault("email", "conflicting_email", "differs from customer.email; send one of them");
        }
    }
    let person = Person {
        external_id: customer.and_then(|customer| customer.parse("id")),
        email: own_email.or(top_email),
        first_name: customer.and_then(|customer| customer.parse("first_name")),
        last_name: customer.and_then(|customer| customer.parse("last_name")),
    };
    let nobody_is_named = person.external_id.is_none() && person.email.is_none();
    // An identity that was sent but is wrong has its own fault already.
    let said_nothing = !fields.is_present("email")
        && customer.is_none_or(|customer| !customer.is_present("email") && !customer.is_present("id"));
    if nobody_is_named && said_nothing {
        fields.fault("customer.email", "missing", "is missing; send customer.email, customer.id or email");
    } else if nobody_is_named && !fields.has_faults() {
        fields.fault("customer.email", "missing", "is empty; send customer.email, customer.id or email");
    }
    Some(person)
}

fn read_wish(fields: &Fields<'_>) -> Option<Wish> {
    let banks = ["coupon_bank_id", "coupon_bank"].into_iter().filter(|key| fields.is_present(key)).collect::<Vec<_>>();
    let code = fields.parse("coupon_code");
    if let Some(bank) = banks.first().filter(|_| fields.is_present("coupon_code")) {
        fields.fault(bank, "mutually_exclusive", "cannot go with coupon_code; send one of them");
        return None;
    }
    if banks.len() > 1 {
        fields.fault("coupon_bank", "mutually_exclusive", "says the same as coupon_bank_id; send one of them");
        return None;
    }
    match (banks.first(), code) {
        (Some(key), _) => {
            let bank = fields.require_reference::<WireId>(key)?;
            Some(Wish::FromBank(CouponBankId(bank.known().unwrap_or(0))))
        }
        (None, Some(code)) => Some(Wish::Named(code)),
        (None, None) => Some(Wish::Nothing),
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        use Refusal as R;
        let (code, message, param) = match refusal {
            R::CampaignNotFound => {
                (Code::CampaignNotFound, "there is no such campaign; GET /v1/campaigns lists yours", "campaign.id")
            }
            R::CouponBankNotFound => (
                Code::CouponBankNotFound,
                "there is no such coupon bank; GET /v1/coupon_banks lists yours",
                "coupon_bank_id",
            ),
            R::CouponNotFound => {
                (Code::CouponNotFound, "this code is in none of your coupon banks; load it first", "coupon_code")
            }
            R::IdentityConflict => (
                Code::IdentityConflict,
                "customer.id and the e-mail address belong to two customers; send the one you mean",
                "customer",
            ),
            R::AdvocateHasCoupon => (
                Code::AdvocateHasCoupon,
                "this advocate has a coupon in this campaign, which stays his; ask again without a coupon to see it",
                "customer",
            ),
            R::CampaignInactive => {
                (Code::CampaignInactive, "this campaign is archived and takes no new advocates", "campaign.id")
            }
            R::CouponTaken => (Code::CouponTaken, "this code is taken; choose another", "coupon_code"),
            R::CouponRetired => {
                (Code::CouponRetired, "this code was taken out of its bank; choose another", "coupon_code")
            }
            R::BankExhausted => (
                Code::BankExhausted,
                "no unused code is left in this bank; load more and send the request again",
                "coupon_bank_id",
            ),
            R::ReferralCodeTaken => (
                Code::ReferralCodeTaken,
                "this referral code names another advocate, or is a coupon; one text must not name two people",
                "referral_code",
            ),
            R::AdvocateHasReferralCode => (
                Code::AdvocateHasReferralCode,
                "this advocate has another referral code in this campaign, which stays his",
                "referral_code",
            ),
        };
        Self::new(code, message).at(param)
    }
}

/// A referral code as it is answered.
#[derive(Serialize)]
pub struct ReferralCodeOut {
    referral_code: String,
    #[serde(rename = "type")]
    kind: &'static str,
    campaign: CampaignName,
    customer: CustomerOut,
    trackable_link: String,
    destination_url: String,
    coupon_code: Option<String>,
    /// Only where the code is handed out; nothing at all in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    coupon_pin: Option<Option<String>>,
    coupon_bank: Option<BankName>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// A campaign as it is named in other answers.
#[derive(Serialize)]
pub struct CampaignName {
    pub id: CampaignId,
    pub name: String,
}

impl ReferralCodeOut {
    fn new(issued: Issued, public_url: &str, account: &Account) -> Self {
        let (coupon_code, coupon_pin, coupon_bank) = match issued.coupon {
            Some(coupon) => (
                Some(coupon.code.as_str().to_owned()),
                coupon.pin,
                Some(BankName { id: coupon.bank_id, name: coupon.bank_name }),
            ),
            None => (None, None, None),
        };
        Self {
            trackable_link: trackable_link(public_url, account, issued.code.as_str()),
            referral_code: issued.code.as_str().to_owned(),
            kind: "personal_url",
            campaign: CampaignName { id: issued.campaign_id, name: issued.campaign_name },
            customer: issued.advocate.into(),
            destination_url: issued.destination_url,
            coupon_code,
            coupon_pin: Some(coupon_pin),
            coupon_bank,
            created_at: issued.created_at,
        }
    }

    /// The same where the code is only shown: without the coupon's PIN.
    pub fn listed(issued: Issued, public_url: &str, account: &Account) -> Self {
        Self { coupon_pin: None, ..Self::new(issued, public_url, account) }
    }
}

/// The link to share. Codes that we make need no escaping; those from elsewhere may hold anything that can be seen.
pub fn trackable_link(public_url: &str, account: &Account, code: &str) -> String {
    let alias = account.alias.as_str();
    let plain = format!("{public_url}/{alias}/{code}");
    if code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return plain;
    }
    let escaped = Url::parse(&format!("{public_url}/{alias}")).ok().and_then(|mut url| {
        url.path_segments_mut().ok()?.push(code);
        Some(url.into())
    });
    escaped.unwrap_or(plain)
}
