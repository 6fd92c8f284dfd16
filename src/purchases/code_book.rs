//! What the codes of a batch of orders lead to, as evidence of who referred each of them. Reads, and decides nothing.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::visits::Visits;
use super::{AttributedTo, PurchaseToRecord};
use crate::attribution::{Block, Evidence, EvidenceKind, Finding, Holder};
use crate::referral_codes::holders::{self, CodeHolder, CouponRow};
use crate::types::codes::{CodeKey, RecordedCode};
use crate::types::ids::AccountId;

/// What the codes in a batch lead to.
#[derive(Default)]
pub(super) struct CodeBook {
    referral_codes: HashMap<(AccountId, CodeKey), CodeHolder>,
    /// Nobody holds the coupons that are free.
    coupons: HashMap<(AccountId, CodeKey), Option<CodeHolder>>,
    visits: Visits,
}

impl CodeBook {
    /// Finds what all codes of these orders lead to.
    pub(super) async fn load(conn: &mut PgConnection, rows: &[&PurchaseToRecord]) -> sqlx::Result<Self> {
        let presented = |code: fn(&PurchaseToRecord) -> Option<&RecordedCode>| -> (Vec<AccountId>, Vec<CodeKey>) {
            rows.iter().filter_map(|row| Some((row.key.account_id, code(row)?.key()?))).unzip()
        };
        let visits = Visits::load(conn, rows).await?;
        let (mut accounts, mut keys) = presented(|row| row.referral_code.as_ref());
        for (account, key) in visits.codes() {
            accounts.push(account);
            keys.push(key);
        }
        let referral_codes =
            if keys.is_empty() { Vec::new() } else { holders::find_holders(conn, &accounts, &keys).await? };
        let (accounts, keys) = presented(|row| row.coupon_code.as_ref());
        let coupons =
            if keys.is_empty() { Vec::new() } else { holders::find_coupon_holders(conn, &accounts, &keys).await? };
        Ok(Self {
            referral_codes: referral_codes.into_iter().collect(),
            coupons: coupons.into_iter().collect(),
            visits,
        })
    }

    /// Learns what a coupon leads to.
    pub(super) fn learn(&mut self, coupon: CouponRow) {
        self.coupons.extend([coupon.entry()]);
    }

    fn find(&self, row: &PurchaseToRecord, kind: EvidenceKind) -> Option<Option<&CodeHolder>> {
        let code = match kind {
            EvidenceKind::ReferralCode => &row.referral_code,
            EvidenceKind::CouponCode => &row.coupon_code,
            EvidenceKind::Visit => {
                let (visit, key) = self.visits.find(row)?;
                return self.referral_codes.get(&(visit.account_id, key.clone())).map(Some);
            }
        };
        let key = (row.key.account_id, code.as_ref()?.key()?);
        if kind == EvidenceKind::CouponCode {
            self.coupons.get(&key).map(Option::as_ref)
        } else {
            self.referral_codes.get(&key).map(Some)
        }
    }

    /// The evidence that one purchase carries. A blank code is none.
    pub(super) fn about(&self, row: &PurchaseToRecord, now: OffsetDateTime) -> Vec<Evidence> {
        let visit = self.visits.evidence(row, self.find(row, EvidenceKind::Visit).flatten(), now);
        let codes = [(EvidenceKind::ReferralCode, &row.referral_code), (EvidenceKind::CouponCode, &row.coupon_code)];
        codes
            .into_iter()
            .filter(|(_, code)| code.as_ref().and_then(RecordedCode::key).is_some())
            .map(|(kind, _)| {
                let finding = match self.find(row, kind) {
                    Some(Some(holder)) => holder.into(),
                    Some(None) => Finding::Unbound,
                    None => Finding::Unknown,
                };
                Evidence { kind, finding, clicked_at: None }
            })
            .chain(visit)
            .collect()
    }

    /// The advocate to whom the evidence of this kind led.
    pub(super) fn attributed_to(
        &self,
        row: &PurchaseToRecord,
        via: EvidenceKind,
        conflicting_codes: bool,
    ) -> Option<AttributedTo> {
        let holder = self.find(row, via)??;
        Some(AttributedTo {
            via: via.as_str().to_owned(),
            referral_code: holder.referral_code.clone(),
            coupon_code: holder.coupon_code.clone(),
            campaign_id: holder.campaign_id,
            campaign_name: holder.campaign_name.clone(),
            advocate: holder.advocate.clone(),
            conflicting_codes,
        })
    }
}

impl From<&CodeHolder> for Finding {
    fn from(holder: &CodeHolder) -> Self {
        if holder.is_customer_blocked {
            return Self::Blocked(Block::Customer, holder.referral_code_id);
        }
        if holder.is_code_blocked {
            return Self::Blocked(Block::Code, holder.referral_code_id);
        }
        Self::Names(Holder {
            referral_code_id: holder.referral_code_id,
            campaign_id: holder.campaign_id,
            external_id: holder.advocate.external_id.clone(),
            email: holder.advocate.email.clone(),
            self_referral: holder.self_referral,
        })
    }
}
