//! What a writer saw a moment ago of what callers name, so that it need not look again for each batch.
//!
//! Nothing here is relied on: who stores what was planned on it asks the database whether it still is as it was seen.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::store::NamedThings;
use crate::coupon_banks::seen::SeenBanks;
use crate::types::ids::{AccountId, CampaignId, CouponBankId};
use crate::types::streak::Streaks;

/// How long names are remembered.
const MEMORY: Duration = Duration::from_secs(1);
/// Most pairs of a campaign and a bank that are remembered.
const PAIRS_MAX: usize = 1024;

/// A campaign that a caller names, with a bank or without.
pub type Pair = (AccountId, CampaignId, Option<CouponBankId>);

/// A writer's memory.
#[derive(Debug, Default)]
pub struct Desk {
    pub banks: SeenBanks,
    /// How many batches of each account in a row were of nobody but new people.
    pub newcomers: Streaks,
    names: HashMap<Pair, (NamedThings, Instant)>,
}

impl Desk {
    /// What is remembered of all these pairs; nothing when one of them is not.
    pub fn recall(&self, pairs: &[Pair]) -> Option<Vec<NamedThings>> {
        let fresh = |pair| self.names.get(pair).filter(|(_, seen_at)| seen_at.elapsed() < MEMORY);
        pairs.iter().map(|pair| fresh(pair).map(|(things, _)| things.clone())).collect()
    }

    /// Remembers pairs that are there and may be used. What is not there is looked for each time.
    pub fn remember(&mut self, pairs: &[Pair], found: &[NamedThings]) {
        if self.names.len() + pairs.len() > PAIRS_MAX {
            self.names.clear();
        }
        let now = Instant::now();
        for things in found.iter().filter(|things| things.campaign.as_ref().is_some_and(|terms| !terms.archived)) {
            let pair = (things.account_id, things.campaign_id, things.bank.as_ref().map(|(bank, _)| *bank));
            if pairs.contains(&pair) {
                self.names.insert(pair, (things.clone(), now));
            }
        }
    }

    /// Forgets what was seen of accounts: something may not be as it was.
    pub fn forget(&mut self, accounts: &HashSet<AccountId>) {
        self.names.retain(|(account, ..), _| !accounts.contains(account));
        self.banks.forget(accounts);
    }
}
