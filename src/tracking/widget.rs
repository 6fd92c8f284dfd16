//! The widget: whoever gives an e-mail address gets the link of that advocate, and a coupon where the campaign's widget has a bank.
//!
//! A page can give any address, so nothing that is known of a customer changes, and the answer says nothing of him but his code.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::budgets::Budgets;
use super::page::{Page, TurnedAway, over_budget};
use super::store;
use crate::campaigns::links::{self, Widget};
use crate::customers::Person;
use crate::referral_codes::http::{CampaignName, trackable_link};
use crate::referral_codes::lane::ReferralCodeLane;
use crate::referral_codes::{Issued, Outcome, ReferralCodeToIssue, Refusal, Wish};
use crate::types::email::Email;
use crate::types::ids::CampaignId;
use crate::web::error::{ApiError, Code};
use crate::web::extract::PageBody;
use crate::web::fields::WireId;
use crate::web::state::App;

/// A referral code as a widget shows it.
#[derive(Serialize)]
struct WidgetOut {
    referral_code: String,
    trackable_link: String,
    coupon_code: Option<String>,
    campaign: CampaignName,
}

/// `POST /t/{site}/referral_codes`
pub async fn issue(
    State(app): State<App>,
    State(budgets): State<Budgets>,
    State(lane): State<ReferralCodeLane>,
    page: Result<Page, TurnedAway>,
    body: Result<PageBody, ApiError>,
) -> Response {
    let page = match page {
        Ok(page) => page,
        Err(turned_away) => return turned_away.aloud(),
    };
    if let Err(wait) = budgets.take_code(page.visitor.address) {
        return page.answer(Ok(over_budget(wait)));
    }
    page.answer(hand_out(&app, &lane, &page, body).await)
}

async fn hand_out(
    app: &App,
    lane: &ReferralCodeLane,
    page: &Page,
    body: Result<PageBody, ApiError>,
) -> Result<impl IntoResponse, ApiError> {
    let (campaign, email) = body?.read(|fields| {
        let campaign = fields.reference::<WireId>("campaign");
        let email = fields.required_object("customer").and_then(|customer| customer.require::<Email>("email"));
        Some((campaign, email?))
    })?;
    // An id that cannot be ours names nothing.
    let campaign = campaign.map(|id| CampaignId(id.known().unwrap_or(0)));
    let account = &page.site.account;
    let (widget, known) = {
        let mut conn = app.pool.acquire().await?;
        let widget = links::find_widget(&mut conn, account.id, campaign).await?;
        (widget, store::find_known_email(&mut conn, account.id, &email.key()).await?)
    };
    let widget = widget.ok_or_else(no_campaign)?;
    // Not even the spelling of an address that is known changes.
    let issued = issued(lane, page, &widget, known.unwrap_or(email)).await?;
    Ok(Json(WidgetOut {
        trackable_link: trackable_link(&app.public_url, account, issued.code.as_str()),
        referral_code: issued.code.as_str().to_owned(),
        coupon_code: issued.coupon.map(|coupon| coupon.code.as_str().to_owned()),
        campaign: CampaignName { id: issued.campaign_id, name: issued.campaign_name },
    }))
}

/// His code with a coupon of the widget's bank, or else as it is: one who has a coupon from elsewhere keeps that, and where the bank has
/// no more the link alone is better than nothing.
async fn issued(lane: &ReferralCodeLane, page: &Page, widget: &Widget, email: Email) -> Result<Issued, ApiError> {
    let wishes = widget.coupon_bank_id.map(Wish::FromBank).into_iter().chain([Wish::Nothing]);
    let mut refusal = Refusal::CampaignNotFound;
    for wish in wishes {
        let wanted = ReferralCodeToIssue {
            account_id: page.site.account.id,
            campaign_id: widget.campaign_id,
            advocate: Person { email: Some(email.clone()), ..Person::default() },
            wish,
            code: None,
            ip_address: Some(page.visitor.address),
            user_agent: page.user_agent.clone(),
        };
        match lane.submit(wanted).await? {
            Outcome::Created(issued) | Outcome::Existing(issued) => return Ok(*issued),
            Outcome::Refused(why) => refusal = why,
        }
    }
    match refusal {
        Refusal::CampaignNotFound | Refusal::CampaignInactive => Err(no_campaign()),
        other => Err(other.into()),
    }
}

fn no_campaign() -> ApiError {
    ApiError::new(Code::CampaignNotFound, "there is no such campaign, or it takes no new advocates").at("campaign.id")
}
