//! The checks for an advocate who buys from himself, each with what it saw. Pure: the same people give the same verdicts.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Buyer, Fraud};
use crate::types::email::Email;
use crate::types::text::OpaqueId;

/// What tells who refers.
#[derive(Clone, Debug, Default)]
pub struct Advocate {
    pub external_id: Option<OpaqueId>,
    pub email: Option<Email>,
    pub shopper: Shopper,
}

/// Where somebody sat, and with what browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shopper {
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
}

/// One check: what it compared, and whether it found a sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub check: &'static str,
    pub seen: bool,
    /// What was known of the buyer. Nothing means that there was nothing to compare.
    pub buyer: Vec<String>,
    /// What was known of the advocate.
    pub advocate: Vec<String>,
    /// Of `fuzzy_email`: how many letters may differ, and how many do at the nearest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edits_allowed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edits: Option<u32>,
}

impl Check {
    fn new(check: &'static str, seen: bool, buyer: Vec<String>, advocate: Vec<String>) -> Self {
        Self { check, seen, buyer, advocate, edits_allowed: None, edits: None }
    }
}

/// Makes every check. `edits_allowed` is the campaign's: without it spelling is not compared.
pub fn check(buyer: &Buyer, shopper: &Shopper, advocate: &Advocate, edits_allowed: Option<u32>) -> Vec<Check> {
    let id = |id: &Option<OpaqueId>| id.iter().map(|id| id.as_str().to_owned()).collect();
    let texts = |emails: &[Email]| emails.iter().map(|email| email.as_str().to_owned()).collect();
    let known = advocate.email.as_slice();
    let same_email = buyer.emails.iter().any(|email| known.iter().any(|known| known.key() == email.key()));
    let same_customer = advocate.external_id.is_some() && buyer.external_id == advocate.external_id;
    let sight = |shopper: &Shopper| shopper.ip_address.iter().chain(&shopper.user_agent).cloned().collect();
    let is_whole = shopper.ip_address.is_some() && shopper.user_agent.is_some();
    vec![
        Check::new("same_email", same_email, texts(&buyer.emails), texts(known)),
        fuzzy_email(buyer, known, same_email, edits_allowed),
        Check::new("same_customer", same_customer, id(&buyer.external_id), id(&advocate.external_id)),
        Check::new("same_shopper", is_whole && *shopper == advocate.shopper, sight(shopper), sight(&advocate.shopper)),
    ]
}

/// The signs that checks found.
pub fn signs(checks: &[Check]) -> Fraud {
    let seen = |name: &str| checks.iter().any(|check| check.check == name && check.seen);
    Fraud {
        same_email: seen("same_email"),
        fuzzy_email: seen("fuzzy_email"),
        same_customer: seen("same_customer"),
        same_shopper: seen("same_shopper"),
    }
}

/// Compares mailboxes: what their providers ignore is taken away first.
fn fuzzy_email(buyer: &Buyer, known: &[Email], same_email: bool, edits_allowed: Option<u32>) -> Check {
    let mailboxes = |emails: &[Email]| emails.iter().map(Email::mailbox).collect::<BTreeSet<_>>();
    let (ours, theirs) = (mailboxes(&buyer.emails), mailboxes(known));
    let edits = ours.iter().flat_map(|ours| theirs.iter().filter_map(|theirs| edits_between(ours, theirs))).min();
    // Without a setting another spelling of one mailbox is all that counts.
    let seen = !same_email && edits.is_some_and(|edits| edits <= edits_allowed.unwrap_or_default());
    let check = Check::new("fuzzy_email", seen, ours.into_iter().collect(), theirs.into_iter().collect());
    Check { edits_allowed, edits: edits.filter(|_| edits_allowed.is_some()), ..check }
}

/// In how many letters two mailboxes of one provider differ: put in, left out, exchanged, or swapped with its neighbour. Nothing
/// when the providers differ, or when so short a name would be like any other.
fn edits_between(one: &str, other: &str) -> Option<u32> {
    let ((one, provider), (other, provider_of_other)) = (one.rsplit_once('@')?, other.rsplit_once('@')?);
    if provider != provider_of_other {
        return None;
    }
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let edits = distance(&one, &other);
    let shorter = one.len().min(other.len());
    (edits == 0 || (edits as usize) * 4 <= shorter).then_some(edits)
}

/// The least number of single edits that turn one text into the other, each letter edited once at most.
fn distance(one: &[char], other: &[char]) -> u32 {
    let width = other.len() + 1;
    // Three rows of the table are enough: the last two, and the one that is filled.
    let mut before_last: Vec<u32> = vec![0; width];
    let mut last: Vec<u32> = (0..).take(width).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut current = vec![last[0] + 1];
        for (column, others) in other.iter().enumerate() {
            let exchanged = last[column] + u32::from(letter != others);
            let mut least = exchanged.min(last[column + 1] + 1).min(current[column] + 1);
            let is_swapped =
                row > 0 && column > 0 && one[row - 1] == *others && other[column - 1] == *letter && letter != others;
            if is_swapped {
                least = least.min(before_last[column - 1] + 1);
            }
            current.push(least);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::super::inspect;
    use super::*;
    use proptest::prelude::*;

    fn email(text: &str) -> Email {
        Email::try_from(text).expect(text)
    }

    fn seen(buyer: &str, advocate: &str, edits_allowed: Option<u32>) -> Fraud {
        let buyer = Buyer { external_id: None, emails: vec![email(buyer)] };
        let advocate = Advocate { email: Some(email(advocate)), ..Advocate::default() };
        signs(&check(&buyer, &Shopper::default(), &advocate, edits_allowed))
    }

    #[test]
    fn close_spelling_is_a_sign_only_where_the_campaign_says_how_close() {
        // The buyer's address, the advocate's, and the least setting that sees it.
        let table = [
            ("ada.lovelace@example.com", "ada.lovelacr@example.com", Some(1)),
            ("ada.lovelace@example.com", "ada.lovelac@example.com", Some(1)),
            ("ada.lovelace@example.com", "adaa.lovelace@example.com", Some(1)),
            ("ada.lovelace@example.com", "ada.loevlace@example.com", Some(1)),
            ("ada.lovelace@example.com", "ada-lovelace1@example.com", Some(2)),
            ("adalovelace@gmail.com", "ada.lovelace1@googlemail.com", Some(1)),
            ("ada.lovelace@example.com", "ada.lovelacr@example.org", None),
            ("ada.lovelace@example.com", "charles.babbage@example.com", None),
            // Of three letters one is too much.
            ("ada@example.com", "ida@example.com", None),
            ("info@example.com", "inf0@example.com", Some(1)),
        ];
        for (buyer, advocate, least) in table {
            for allowed in [None, Some(1), Some(2), Some(3)] {
                let wanted = least.is_some_and(|least| allowed.is_some_and(|allowed| allowed >= least));
                assert_eq!(seen(buyer, advocate, allowed).fuzzy_email, wanted, "{buyer} {advocate} {allowed:?}");
            }
        }
    }

    #[test]
    fn one_browser_at_one_address_is_a_sign_and_half_of_it_is_none() {
        let shopper = |ip: &str, agent: &str| Shopper {
            ip_address: Some(ip.to_owned()).filter(|ip| !ip.is_empty()),
            user_agent: Some(agent.to_owned()).filter(|agent| !agent.is_empty()),
        };
        let table = [
            (("203.0.113.7", "Mozilla"), ("203.0.113.7", "Mozilla"), true),
            (("203.0.113.7", "Mozilla"), ("203.0.113.8", "Mozilla"), false),
            (("203.0.113.7", "Mozilla"), ("203.0.113.7", "curl"), false),
            (("203.0.113.7", ""), ("203.0.113.7", ""), false),
            (("", "Mozilla"), ("", "Mozilla"), false),
            (("", ""), ("", ""), false),
        ];
        for (buyer, advocate, wanted) in table {
            let advocate = Advocate { shopper: shopper(advocate.0, advocate.1), ..Advocate::default() };
            let checks = check(&Buyer::default(), &shopper(buyer.0, buyer.1), &advocate, None);
            assert_eq!(signs(&checks).same_shopper, wanted, "{checks:?}");
        }
    }

    proptest! {
        #[test]
        fn without_the_settings_the_checks_see_what_was_seen_at_first(
            id in "[AB]?", advocate_id in "[AB]?", emails in proptest::collection::vec("[ab]\\.?[ab](\\+x)?@(gmail|example)\\.com", 0..3),
            known in "[ab]\\.?[ab](\\+x)?@(gmail|example)\\.com",
        ) {
            let buyer = Buyer {
                external_id: OpaqueId::try_from(id.as_str()).ok(),
                emails: emails.iter().map(|text| email(text)).collect(),
            };
            let advocate = Advocate {
                external_id: OpaqueId::try_from(advocate_id.as_str()).ok(),
                email: Some(email(&known)),
                shopper: Shopper::default(),
            };
            let later = signs(&check(&buyer, &Shopper::default(), &advocate, None));
            prop_assert_eq!(later, inspect(&buyer, advocate.external_id.as_ref(), advocate.email.as_ref()));
        }

        #[test]
        fn the_distance_is_the_same_both_ways_and_at_most_the_longer_text(one in "[abc]{0,8}", other in "[abc]{0,8}") {
            let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
            prop_assert_eq!(distance(&one, &other), distance(&other, &one));
            prop_assert!(distance(&one, &other) as usize <= one.len().max(other.len()));
            prop_assert_eq!(distance(&one, &other) == 0, one == other);
        }
    }
}
