//! The outbox: what happened to an account, stored in the transaction of the facts themselves, and placed in the account's feed
//! once it is committed. Orders and referral codes write it in the statement that stores them, by [`Rows`], or spell the `kind` there; all else
//! calls [`record`]. Knows what things are called and nothing of what they are.

pub mod feed;
pub mod store;

use std::collections::BTreeMap;
use std::fmt;

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::types::ids::AccountId;

/// Declares the kinds: variant, spelling in the database, spelling on the wire.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $stored:literal $wire:literal),+ $(,)?) => {
        /// What happened. The number that goes with each kind is that of its subject.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $variant),+ }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The kind's spelling in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $stored),+ }
            }

            /// The type of event that it is to the world.
            pub const fn event_type(self) -> &'static str {
                match self { $(Self::$variant => $wire),+ }
            }
        }
    };
}

kinds! {
    /// Of an order.
    PurchaseRecorded "purchase.recorded" "purchase.recorded",
    /// Of a conversion.
    ConversionCreated "conversion.created" "conversion.created",
    /// Of a conversion that was rejected when its order came.
    ConversionRefused "conversion.refused" "conversion.rejected",
    /// Of an entry in a conversion's history.
    ConversionApproved "conversion.approved" "conversion.approved",
    /// Of an entry in a conversion's history.
    ConversionRejected "conversion.rejected" "conversion.rejected",
    /// Of a reward.
    RewardCreated "reward.created" "reward.created",
    /// Of an entry in a reward's ledger.
    RewardReversed "reward.reversed" "reward.reversed",
    /// Of an entry in a reward's ledger: earned again after it was taken back.
    RewardRestored "reward.restored" "reward.restored",
    /// Of a referral code.
    ReferralCodeCreated "referral_code.created" "referral_code.created",
    /// Of an alert of a coupon bank.
    CouponBankLow "coupon_bank.low" "coupon_bank.low",
    /// Of an alert of a coupon bank.
    CouponBankExhausted "coupon_bank.exhausted" "coupon_bank.exhausted",
}

impl Kind {
    /// The kind that is stored under this spelling.
    pub fn stored(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

/// The types of event that somebody may ask for, each once.
pub fn event_types() -> Vec<&'static str> {
    let mut types: Vec<&str> = Kind::ALL.iter().map(|kind| kind.event_type()).collect();
    types.dedup();
    let mut seen = std::collections::HashSet::new();
    types.retain(|name| seen.insert(*name));
    types
}

/// What an event is called, for ever: a row of the outbox, and which of its subjects, from 1 on. On the wire `evt_1024_1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    pub row: i64,
    pub index: i32,
}

impl fmt::Display for EventId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "evt_{}_{}", self.row, self.index)
    }
}

impl EventId {
    /// Reads what [`Display`](fmt::Display) writes. Nothing, when no event can be called so.
    pub fn parse(text: &str) -> Option<Self> {
        let (row, index) = text.strip_prefix("evt_")?.split_once('_')?;
        let id = Self { row: row.parse().ok()?, index: index.parse().ok()? };
        (id.to_string() == text).then_some(id)
    }
}

/// An event that has its place in the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub kind: Kind,
    /// The number of what it happened to.
    pub subject: i64,
    /// Its place in the account's feed: 1, 2, 3 and so on, without a gap.
    pub place: i64,
    pub created_at: OffsetDateTime,
}

/// Something that happened, in the transaction that stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    pub account_id: AccountId,
    pub kind: Kind,
    pub subject: i64,
}

/// Rows of the outbox, column by column, for a statement that stores the facts too: one for each account and kind, in their order, so
/// what follows from a thing comes after it.
#[derive(Debug)]
pub struct Rows {
    pub accounts: Vec<AccountId>,
    pub kinds: Vec<&'static str>,
    /// Arrays of numbers as PostgreSQL spells them: it has no arrays of arrays that differ in length.
    pub subjects: Vec<String>,
}

impl Rows {
    /// The rows that tell these facts.
    pub fn of(facts: impl IntoIterator<Item = Fact>) -> Self {
        let mut rows: BTreeMap<(AccountId, Kind), String> = BTreeMap::new();
        for Fact { account_id, kind, subject } in facts {
            let subjects = rows.entry((account_id, kind)).or_default();
            subjects.push(if subjects.is_empty() { '{' } else { ',' });
            subjects.push_str(&subject.to_string());
        }
        let accounts = rows.keys().map(|(account, _)| *account).collect();
        let kinds = rows.keys().map(|(_, kind)| kind.as_str()).collect();
        Self { accounts, kinds, subjects: rows.into_values().map(|subjects| subjects + "}").collect() }
    }
}

/// Records what happened, in the caller's transaction.
pub async fn record(conn: &mut PgConnection, facts: &[Fact], now: OffsetDateTime) -> sqlx::Result<()> {
    if facts.is_empty() { Ok(()) } else { store::insert_all(conn, &Rows::of(facts.iter().copied()), now).await }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_spelling() {
        let id = EventId { row: 1024, index: 3 };
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
        for bad in
            ["", "evt_", "evt_1", "evt_1_", "evt_01_1", "evt_1_+1", "evt_1_1_1", "EVT_1_1", "1_1", "evt_1_99999999999"]
        {
            assert_eq!(EventId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn facts_become_one_row_for_each_account_and_kind() {
        let fact = |account, kind, subject| Fact { account_id: AccountId(account), kind, subject };
        let rows = Rows::of([
            fact(2, Kind::ConversionCreated, 7),
            fact(2, Kind::PurchaseRecorded, 30),
            fact(1, Kind::PurchaseRecorded, 4),
            fact(2, Kind::PurchaseRecorded, 5),
        ]);
        assert_eq!(rows.accounts, [AccountId(1), AccountId(2), AccountId(2)]);
        assert_eq!(rows.kinds, ["purchase.recorded", "purchase.recorded", "conversion.created"]);
        assert_eq!(rows.subjects, ["{4}", "{30,5}", "{7}"]);
    }

    #[test]
    fn kinds_are_spelt_once_and_types_are_noun_and_verb() {
        for kind in Kind::ALL {
            assert_eq!(Kind::stored(kind.as_str()), Some(*kind));
            assert_eq!(kind.event_type().split('.').count(), 2);
        }
        assert_eq!(event_types().len(), Kind::ALL.len() - 1, "a rejection at once is a rejection");
    }
}
