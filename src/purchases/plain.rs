//! Orders that come alone and are plain: all they bring is a coupon, and its advocate surely did not buy from himself. One statement
//! finds him and stores the order; who is alone waits for each way to the database.
//!
//! Decides nothing of its own: what it stores is what [`attribution::decide`] says of any advocate without a sign of fraud. An order
//! that might not be plain is not stored here.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::insert::{self, Ids};
use super::{Product, PurchaseToRecord};
use crate::attribution::{self, Buyer, Considered, Decision, Evidence, EvidenceKind, Finding, Holder};
use crate::conversions::Status;
use crate::customers::Person;
use crate::referral_codes::holders::CouponRow;
use crate::types::codes::{CodeKey, RecordedCode};
use crate::types::email::Email;
use crate::types::ids::{CampaignId, CustomerId, ReferralCodeId};
use crate::types::self_referral::SelfReferral;
use crate::types::text::{OpaqueId, UserAgent};

/// An order that is plain if its coupon leads to somebody who is not the buyer.
pub struct PlainOrder<'a> {
    row: &'a PurchaseToRecord,
    key: CodeKey,
    /// What is decided if it is plain, of an advocate who has no number yet.
    decision: Decision,
    /// Whoever has an address at one of these may be the buyer.
    domains: Vec<String>,
}

/// What was found behind the coupon.
pub struct Found {
    /// Nothing where there is no such coupon.
    pub coupon: Option<CouponRow>,
    /// Whether that made the order a plain one, and so it is stored.
    pub is_stored: bool,
}

impl<'a> PlainOrder<'a> {
    /// The order, if it can be plain.
    pub fn of(row: &'a PurchaseToRecord, buyer: &Buyer) -> Option<Self> {
        if row.customer != Person::default() || row.visit.is_some() || row.referral_code.is_some() {
            return None;
        }
        let domains = buyer.emails.iter().map(Email::domains_of_mailbox).collect::<Option<Vec<_>>>()?;
        let key = row.coupon_code.as_ref()?.key()?;
        let finding = Finding::Names(Holder {
            referral_code_id: ReferralCodeId(0),
            campaign_id: CampaignId(0),
            external_id: None,
            email: None,
            self_referral: SelfReferral::default(),
        });
        let evidence = [Evidence { kind: EvidenceKind::CouponCode, finding, clicked_at: None }];
        let decision = attribution::decide(buyer, &evidence, attribution::LEGACY_PRECEDENCE);
        if decision.outcome.is_err() {
            return None;
        }
        Some(Self { row, key, decision, domains: domains.concat() })
    }

    /// Whether this was decided of it, but for the advocate's numbers.
    pub fn is_as(&self, decision: &Decision) -> bool {
        let facts = |decision: &Decision| {
            let found = decision.outcome.as_ref().map(|found| (found.via, found.fraud, found.visited_at)).ok();
            (found, decision.conflicting_codes, decision.considered.len())
        };
        facts(decision) == facts(&self.decision)
    }

    /// Finds whom the coupon leads to and, if that makes the order plain, stores it with its conversion and their events, under
    /// these names. Gives nothing if the order was recorded before, and then has not looked. All in one statement.
    pub async fn store(&self, conn: &mut PgConnection, ids: Ids, now: OffsetDateTime) -> sqlx::Result<Option<Found>> {
        match self.run(conn, ids, now).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if insert::is_known_order(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn run(&self, conn: &mut PgConnection, ids: Ids, now: OffsetDateTime) -> sqlx::Result<Found> {
        let Self { row, key, decision, domains } = self;
        let credited = decision.outcome.as_ref().ok();
        let found = sqlx::query_file!(
            "src/purchases/sql/insert_plain.sql",
            row.key.account_id.0,
            key as &CodeKey,
            domains,
            &row.key.source,
            row.key.order_id.as_str(),
            row.total.amount(),
            row.total.currency().code(),
            row.email.as_ref().map(Email::as_str),
            row.new_customer,
            row.date.unwrap_or(now),
            Json(row.products.as_deref().unwrap_or_default()) as Json<&[Product]>,
            row.ip_address.map(|ip| ip.to_string()),
            row.coupon_code.as_ref().map(RecordedCode::as_str),
            credited.map(|credited| credited.via.as_str()),
            decision.conflicting_codes,
            Json(decision.considered.as_slice()) as Json<&[Considered]>,
            now,
            row.user_agent.as_ref().map(UserAgent::as_str),
            row.channel.as_str(),
            credited.map(|credited| Status::initial(credited, row.channel).as_str()),
            ids.purchase.0,
            ids.conversion.map(|id| id.0)
        )
        .fetch_optional(conn)
        .await?;
        let Some(found) = found else { return Ok(Found { coupon: None, is_stored: false }) };
        let coupon = CouponRow {
            account_id: row.key.account_id,
            key: key.clone(),
            coupon_code: found.coupon_code,
            referral_code_id: found.referral_code_id,
            referral_code: found.referral_code,
            campaign_id: found.campaign_id,
            campaign_name: found.campaign_name,
            self_referral: found.self_referral,
            is_code_blocked: found.is_code_blocked,
            is_customer_blocked: found.is_customer_blocked,
            customer_id: found.customer_id,
            external_id: found.external_id,
            email: found.email,
            first_name: found.first_name,
            last_name: found.last_name,
        };
        Ok(Found { coupon: Some(coupon), is_stored: found.is_plain })
    }
}
