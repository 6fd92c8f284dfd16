//! What the rows of a batch name: campaigns, banks, coupons, and codes to keep; loaded together, then asked row by row.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;

use super::desk::{Desk, Pair};
use super::{ReferralCodeToIssue, Refusal, Wish, store};
use crate::coupon_banks::claim::Want;
use crate::coupon_banks::{self, Coupon};
use crate::types::codes::CodeKey;
use crate::types::ids::{AccountId, CampaignId, CouponBankId};

/// What issuing asks of a campaign.
#[derive(Clone, Debug)]
pub struct Terms {
    pub name: String,
    pub destination_url: String,
    pub archived: bool,
}

/// The campaigns, banks, coupons and codes to keep that the rows name.
pub struct Named {
    campaigns: HashMap<(AccountId, CampaignId), Terms>,
    /// The names of the banks.
    banks: HashMap<(AccountId, CouponBankId), String>,
    coupons: HashMap<(AccountId, CodeKey), Coupon>,
    /// Of the codes to keep, those that are referral codes already, and those that are coupons.
    codes_in_use: HashSet<(AccountId, CodeKey)>,
    codes_of_coupons: HashMap<(AccountId, CodeKey), Coupon>,
}

impl Named {
    /// Loads what the rows name, each thing once. What the desk remembers is not looked for.
    pub async fn load(
        conn: &mut PgConnection,
        rows: &[&ReferralCodeToIssue],
        desk: Option<&mut Desk>,
    ) -> sqlx::Result<Self> {
        // A batch is often about one campaign and one bank.
        let named: HashSet<_> = rows
            .iter()
            .map(|row| {
                let bank = if let Wish::FromBank(bank) = row.wish { Some(bank) } else { None };
                (row.account_id, row.campaign_id, bank)
            })
            .collect();
        let (mut campaigns, mut banks) = (HashMap::new(), HashMap::new());
        let pairs: Vec<Pair> = named.into_iter().collect();
        let found = match desk.as_deref().and_then(|desk| desk.recall(&pairs)) {
            Some(found) => found,
            None => {
                let found = store::find_named(conn, &pairs).await?;
                if let Some(desk) = desk {
                    desk.remember(&pairs, &found);
                }
                found
            }
        };
        for found in found {
            banks.extend(found.bank.map(|(bank, name)| ((found.account_id, bank), name)));
            campaigns.extend(found.campaign.map(|campaign| ((found.account_id, found.campaign_id), campaign)));
        }
        let (coupon_accounts, keys): (Vec<_>, Vec<_>) = rows
            .iter()
            .filter_map(|row| if let Wish::Named(code) = &row.wish { Some((row.account_id, code.key())) } else { None })
            .unzip();
        let coupons = if keys.is_empty() {
            Vec::new()
        } else {
            coupon_banks::store::find_by_keys(conn, &coupon_accounts, &keys).await?
        };
        let (accounts, kept): (Vec<_>, Vec<_>) =
            rows.iter().filter_map(|row| Some((row.account_id, row.code.as_ref()?.key()))).unzip();
        let (in_use, of_coupons) = if kept.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            let in_use = store::find_codes_in_use(conn, &accounts, &kept).await?;
            (in_use, coupon_banks::store::find_by_keys(conn, &accounts, &kept).await?)
        };
        let by_key = |coupons: Vec<Coupon>| {
            coupons.into_iter().map(|coupon| ((coupon.account_id, coupon.code_key.clone()), coupon)).collect()
        };
        Ok(Self {
            codes_in_use: in_use.into_iter().collect(),
            codes_of_coupons: by_key(of_coupons),
            campaigns,
            banks,
            coupons: by_key(coupons),
        })
    }

    /// The campaign that a row names, if there is one.
    pub fn campaign(&self, row: &ReferralCodeToIssue) -> Option<&Terms> {
        self.campaigns.get(&(row.account_id, row.campaign_id))
    }

    /// What the bank that a row names is called, if there is one.
    pub fn bank_name(&self, account: AccountId, bank: CouponBankId) -> Option<&str> {
        self.banks.get(&(account, bank)).map(String::as_str)
    }

    /// Whether the code that the row brings is somebody's. As the text of his own coupon it still names one person.
    pub fn is_taken(&self, row: &ReferralCodeToIssue, want: Option<Want>) -> bool {
        let Some(code) = &row.code else { return false };
        let key = (row.account_id, code.key());
        let is_anothers_coupon =
            || self.codes_of_coupons.get(&key).is_some_and(|coupon| want != Some(Want::This(coupon.place)));
        self.codes_in_use.contains(&key) || is_anothers_coupon()
    }

    /// What coupon the row wants, or which of the things it names is unknown.
    pub fn resolve(&self, row: &ReferralCodeToIssue) -> Result<Option<Want>, Refusal> {
        if self.campaign(row).is_none() {
            return Err(Refusal::CampaignNotFound);
        }
        match &row.wish {
            Wish::Nothing => Ok(None),
            Wish::FromBank(bank) if self.banks.contains_key(&(row.account_id, *bank)) => Ok(Some(Want::AnyOf(*bank))),
            Wish::FromBank(_) => Err(Refusal::CouponBankNotFound),
            Wish::Named(code) => match self.coupons.get(&(row.account_id, code.key())) {
                Some(coupon) => Ok(Some(Want::This(coupon.place))),
                None => Err(Refusal::CouponNotFound),
            },
        }
    }
}
