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
use crate::attribution::{self, Attribution, Buyer, Considered, Decision, Evidence, EvidenceKind, Finding, Holder};
use crate::conversions::Status;
use crate::customers::Customer;
use crate::referral_codes::holders::CodeHolder;
use crate::types::codes::{CodeKey, RecordedCode};
use crate::types::email::Email;
use crate::types::ids::{AccountId, CampaignId, ConversionId, CustomerId, PurchaseId, ReferralCodeId};
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

/// What was found behind the coupon, and what the order is called if it was plain.
pub struct Found {
    /// Nothing where there is no such coupon, nobody where it is free.
    pub coupon: Option<Option<CodeHolder>>,
    pub stored: Option<Ids>,
}

impl<'a> PlainOrder<'a> {
    /// The order, if it can be plain.
    pub fn of(row: &'a PurchaseToRecord, buyer: &Buyer) -> Option<Self> {
        let person = &row.customer;
        let names_buyer = [person.external_id.is_some(), person.email.is_some()].contains(&true);
        let has_more = names_buyer || person.first_name.is_some() || person.last_name.is_some();
        if has_more || row.visit.is_some() || row.referral_code.is_some() {
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
        Some(Self { row, key, decision, domains: domains.concat() })
    }

    /// Whose order it is.
    pub fn account(&self) -> AccountId {
        self.row.key.account_id
    }

    /// Whether this was decided of it, but for the advocate's numbers.
    pub fn is_as(&self, decision: &Decision) -> bool {
        let facts = |decision: &Decision| {
            let found = decision.outcome.as_ref().map(|found| (found.via, found.fraud, found.visited_at)).ok();
            (found, decision.conflicting_codes, decision.considered.len())
        };
        facts(decision) == facts(&self.decision)
    }

    /// Its coupon.
    pub fn coupon(&self) -> &CodeKey {
        &self.key
    }

    /// Finds whom the coupon leads to and, if that makes the order plain, stores it with its conversion and their events. Gives
    /// nothing if the order was recorded before, and then has not looked. All in one statement.
    pub async fn store(&self, conn: &mut PgConnection, now: OffsetDateTime) -> sqlx::Result<Option<Found>> {
        let Ok(attribution) = &self.decision.outcome else { return Ok(Some(Found { coupon: None, stored: None })) };
        match self.run(conn, attribution, now).await {
            Ok(row) => Ok(Some(row.map_or(Found { coupon: None, stored: None }, |row| row.found(self.row)))),
            Err(error) if insert::is_known_order(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn run(
        &self,
        conn: &mut PgConnection,
        attribution: &Attribution,
        now: OffsetDateTime,
    ) -> sqlx::Result<Option<FoundRow>> {
        let Self { row, key, decision, domains } = self;
        sqlx::query_file_as!(
            FoundRow,
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
            attribution.via.as_str(),
            decision.conflicting_codes,
            Json(decision.considered.as_slice()) as Json<&[Considered]>,
            now,
            row.user_agent.as_ref().map(UserAgent::as_str),
            row.channel.as_str(),
            Status::initial(attribution, row.channel).as_str()
        )
        .fetch_optional(conn)
        .await
    }
}

/// A coupon, who holds it, and what was stored.
struct FoundRow {
    coupon_code: String,
    referral_code_id: Option<ReferralCodeId>,
    referral_code: Option<String>,
    campaign_id: Option<CampaignId>,
    campaign_name: Option<String>,
    self_referral: Option<String>,
    is_code_blocked: bool,
    is_customer_blocked: bool,
    customer_id: Option<CustomerId>,
    external_id: Option<OpaqueId>,
    email: Option<Email>,
    first_name: Option<String>,
    last_name: Option<String>,
    purchase: Option<PurchaseId>,
    conversion: Option<ConversionId>,
}

impl FoundRow {
    fn found(self, row: &PurchaseToRecord) -> Found {
        let stored = self.purchase.map(|purchase| Ids { purchase, conversion: self.conversion });
        Found { coupon: Some(self.holder(row)), stored }
    }

    fn holder(self, row: &PurchaseToRecord) -> Option<CodeHolder> {
        let advocate = Customer {
            account_id: row.key.account_id,
            id: self.customer_id?,
            external_id: self.external_id,
            email: self.email,
            first_name: self.first_name,
            last_name: self.last_name,
        };
        Some(CodeHolder {
            referral_code_id: self.referral_code_id?,
            referral_code: self.referral_code?,
            coupon_code: Some(self.coupon_code),
            campaign_id: self.campaign_id?,
            campaign_name: self.campaign_name?,
            self_referral: self.self_referral.map(SelfReferral::from).unwrap_or_default(),
            is_code_blocked: self.is_code_blocked,
            is_customer_blocked: self.is_customer_blocked,
            advocate,
        })
    }
}
