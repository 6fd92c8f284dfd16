//! Visits that come with orders: whether we signed them, and whose code was clicked. Orders without a visit cost nothing here.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::PurchaseToRecord;
use crate::attribution::{Evidence, EvidenceKind, Finding};
use crate::referral_codes::holders::CodeHolder;
use crate::referral_codes::visits;
use crate::types::codes::CodeKey;
use crate::types::ids::AccountId;
use crate::types::visit::{Visit, VisitToken};

/// The visits of a batch that we signed for the accounts that report them, and the keys of the codes that were clicked.
#[derive(Default)]
pub(super) struct Visits(HashMap<(AccountId, String), (Visit, CodeKey)>);

impl Visits {
    /// Checks the visits of a batch.
    pub(super) async fn load(conn: &mut PgConnection, rows: &[&PurchaseToRecord]) -> sqlx::Result<Self> {
        let presented: Vec<(AccountId, &VisitToken)> =
            rows.iter().filter_map(|row| Some((row.key.account_id, row.visit.as_ref()?))).collect();
        if presented.is_empty() {
            return Ok(Self::default());
        }
        let key = visits::find_key(conn).await?;
        let signed: Vec<(&VisitToken, Visit)> = presented
            .into_iter()
            .filter_map(|(account, token)| Some((token, Visit::verify(token, &key)?, account)))
            .filter(|(_, visit, account)| visit.account_id == *account)
            .map(|(token, visit, _)| (token, visit))
            .collect();
        let (accounts, ids): (Vec<_>, Vec<_>) =
            signed.iter().map(|(_, visit)| (visit.account_id, visit.referral_code_id)).unzip();
        let keys: HashMap<_, _> = visits::find_code_keys(conn, &accounts, &ids).await?.into_iter().collect();
        let known = signed.into_iter().filter_map(|(token, visit)| {
            let key = keys.get(&(visit.account_id, visit.referral_code_id))?;
            Some(((visit.account_id, token.as_str().to_owned()), (visit, key.clone())))
        });
        Ok(Self(known.collect()))
    }

    /// The codes that were clicked.
    pub(super) fn codes(&self) -> impl Iterator<Item = (AccountId, CodeKey)> {
        self.0.values().map(|(visit, key)| (visit.account_id, key.clone()))
    }

    /// The click that a purchase came from, if it names one of ours.
    pub(super) fn find(&self, row: &PurchaseToRecord) -> Option<&(Visit, CodeKey)> {
        self.0.get(&(row.key.account_id, row.visit.as_ref()?.as_str().to_owned()))
    }

    /// What a purchase's visit is evidence of, where its code leads to `holder`. Nothing when there is no visit.
    pub(super) fn evidence(
        &self,
        row: &PurchaseToRecord,
        holder: Option<&CodeHolder>,
        now: OffsetDateTime,
    ) -> Option<Evidence> {
        row.visit.as_ref()?;
        let (finding, clicked_at) = match (self.find(row), holder) {
            (Some((visit, _)), Some(_)) if !visit.covers(row.date.unwrap_or(now)) => {
                (Finding::OutsideWindow(visit.referral_code_id), Some(visit.clicked_at))
            }
            (Some((visit, _)), Some(holder)) => (holder.into(), Some(visit.clicked_at)),
            _ => (Finding::Forged, None),
        };
        Some(Evidence { kind: EvidenceKind::Visit, finding, clicked_at })
    }
}
