//! Who is meant: matches the people named in a batch with the customers known, without IO.
//!
//! A batch loads the customers its rows may name, asks the registry row by row, decides, and then stores what changed.
//! Rows that end in a refusal leave no trace: only entries that a kept row touched are stored.

use std::collections::HashMap;

use super::store::Inserted;
use super::{Customer, Person};
use crate::types::email::EmailKey;
use crate::types::ids::{AccountId, CustomerId};
use crate::types::text::{Name, OpaqueId};

/// A place in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry(usize);

/// The account's id and the e-mail address name two known customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityConflict;

/// The customers that a batch may touch.
#[derive(Debug, Default)]
pub struct Registry {
    people: Vec<Known>,
    by_external_id: HashMap<(AccountId, OpaqueId), usize>,
    by_email: HashMap<(AccountId, EmailKey), usize>,
}

/// One customer of the registry: stored already when `id` is there.
#[derive(Clone, Debug)]
pub struct Known {
    pub account_id: AccountId,
    pub id: Option<CustomerId>,
    pub person: Person,
    /// Differs from what is stored.
    pub changed: bool,
}

impl Registry {
    /// A registry of the customers that were loaded.
    pub fn new(stored: Vec<Customer>) -> Self {
        let mut registry = Self::default();
        for customer in stored {
            let person = Person {
                external_id: customer.external_id,
                email: customer.email,
                // Stored names have passed these checks before.
                first_name: customer.first_name.and_then(|name| Name::try_from(name.as_str()).ok()),
                last_name: customer.last_name.and_then(|name| Name::try_from(name.as_str()).ok()),
            };
            registry.add(Known { account_id: customer.account_id, id: Some(customer.id), person, changed: false });
        }
        registry
    }

    /// The customer at a place.
    pub fn get(&self, entry: Entry) -> &Known {
        &self.people[entry.0]
    }

    /// Those of `entries` that are not stored yet, each once.
    pub fn unstored(&self, entries: &[Entry]) -> Vec<Entry> {
        let mut new: Vec<Entry> = entries.iter().copied().filter(|entry| self.get(*entry).id.is_none()).collect();
        new.sort_unstable();
        new.dedup();
        new
    }

    /// Those of `kept` that differ from what is stored, each once. What `inserted` says was stored just now.
    pub fn changed(&self, kept: &[Entry], inserted: &[Entry]) -> Vec<&Known> {
        let mut changed: Vec<Entry> =
            kept.iter().copied().filter(|entry| self.get(*entry).changed && !inserted.contains(entry)).collect();
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().map(|entry| self.get(entry)).collect()
    }

    /// Takes over the ids that the database gave.
    pub fn learn_ids(&mut self, inserted: &[Inserted]) {
        for row in inserted {
            let by_id = row.external_id.as_ref().and_then(|id| self.by_external_id.get(&(row.account_id, id.clone())));
            let by_email = row.email_key.as_ref().and_then(|key| self.by_email.get(&(row.account_id, key.clone())));
            if let Some(place) = by_id.or(by_email) {
                self.people[*place].id = Some(row.id);
            }
        }
    }

    /// Finds or adds the advocate that a referral code is asked for, and brings what is known of him up to date: a
    /// customer known by e-mail alone adopts an id, one known by id takes a new e-mail.
    pub fn maintain(&mut self, account: AccountId, person: &Person) -> Result<Entry, IdentityConflict> {
        let (by_id, by_email) = self.find(account, person);
        let place = match (by_id, by_email) {
            (None, None) => return Ok(self.add_new(account, person.clone())),
            (Some(one), Some(other)) if one != other => return Err(IdentityConflict),
            (None, Some(place)) if person.external_id.is_some() && self.people[place].person.external_id.is_some() => {
                return Err(IdentityConflict);
            }
            (Some(place), _) | (None, Some(place)) => place,
        };
        self.update(place, person);
        Ok(Entry(place))
    }

    /// Finds or adds the friend who bought. Never changes a customer who is known: an order is no proof of identity.
    /// Where id and e-mail name two customers, the id decides.
    pub fn recognise(&mut self, account: AccountId, person: &Person) -> Entry {
        let (by_id, by_email) = self.find(account, person);
        if let Some(place) = by_id {
            return Entry(place);
        }
        match (by_email, &person.external_id) {
            (Some(place), None) => Entry(place),
            // The address belongs to a customer with another id, or with none: the new id is somebody of his own.
            (Some(_), Some(_)) => self.add_new(account, Person { email: None, ..person.clone() }),
            (None, _) => self.add_new(account, person.clone()),
        }
    }

    fn find(&self, account: AccountId, person: &Person) -> (Option<usize>, Option<usize>) {
        let by_id = person.external_id.as_ref().and_then(|id| self.by_external_id.get(&(account, id.clone())).copied());
        let by_email = person.email.as_ref().and_then(|email| self.by_email.get(&(account, email.key())).copied());
        (by_id, by_email)
    }

    fn add_new(&mut self, account_id: AccountId, person: Person) -> Entry {
        Entry(self.add(Known { account_id, id: None, person, changed: true }))
    }

    fn add(&mut self, known: Known) -> usize {
        let place = self.people.len();
        if let Some(id) = &known.person.external_id {
            self.by_external_id.insert((known.account_id, id.clone()), place);
        }
        if let Some(email) = &known.person.email {
            self.by_email.insert((known.account_id, email.key()), place);
        }
        self.people.push(known);
        place
    }

    fn update(&mut self, place: usize, said: &Person) {
        let known = &mut self.people[place];
        if let (None, Some(id)) = (&known.person.external_id, &said.external_id) {
            self.by_external_id.insert((known.account_id, id.clone()), place);
            known.person.external_id = Some(id.clone());
            known.changed = true;
        }
        if let Some(email) = said.email.as_ref().filter(|email| known.person.email.as_ref() != Some(email)) {
            if let Some(old) = known.person.email.replace(email.clone()) {
                self.by_email.remove(&(known.account_id, old.key()));
            }
            self.by_email.insert((known.account_id, email.key()), place);
            known.changed = true;
        }
        known.changed |= take_name(&mut known.person.first_name, said.first_name.as_ref());
        known.changed |= take_name(&mut known.person.last_name, said.last_name.as_ref());
    }
}

/// Takes a name that says something new. A blank one says nothing.
fn take_name(known: &mut Option<Name>, said: Option<&Name>) -> bool {
    match said.filter(|name| !name.is_blank() && known.as_ref() != Some(*name)) {
        Some(name) => {
            *known = Some(name.clone());
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::email::Email;

    const SHOP: AccountId = AccountId(1);

    fn person(id: &str, email: &str) -> Person {
        Person { external_id: OpaqueId::try_from(id).ok(), email: Email::try_from(email).ok(), ..Person::default() }
    }

    fn stored(id: i64, external_id: &str, email: &str) -> Customer {
        let Person { external_id, email, .. } = person(external_id, email);
        Customer { account_id: SHOP, id: CustomerId(id), external_id, email, first_name: None, last_name: None }
    }

    fn id_of(registry: &Registry, entry: Entry) -> Option<i64> {
        registry.get(entry).id.map(|id| id.0)
    }

    #[test]
    fn either_identity_finds_the_customer() {
        let mut registry = Registry::new(vec![stored(7, "C1", "ada@example.com")]);
        for said in [person("C1", ""), person("", "ADA@example.com"), person("C1", "Ada@Example.com")] {
            let entry = registry.maintain(SHOP, &said).expect("known");
            assert_eq!(id_of(&registry, entry), Some(7));
        }
        let elsewhere = registry.maintain(AccountId(2), &person("C1", "")).expect("new");
        assert_eq!(id_of(&registry, elsewhere), None);
    }

    #[test]
    fn an_email_only_customer_adopts_an_id() {
        let mut registry = Registry::new(vec![stored(7, "", "ada@example.com")]);
        let entry = registry.maintain(SHOP, &person("C1", "ada@example.com")).expect("adopts");
        assert_eq!(id_of(&registry, entry), Some(7));
        assert!(registry.get(entry).changed);
        assert_eq!(registry.maintain(SHOP, &person("C1", "")), Ok(entry));
    }

    #[test]
    fn a_known_id_takes_a_new_email_unless_it_is_somebody_elses() {
        let mut registry = Registry::new(vec![stored(7, "C1", "ada@example.com"), stored(8, "C2", "bob@example.com")]);
        assert_eq!(registry.maintain(SHOP, &person("C1", "bob@example.com")), Err(IdentityConflict));
        assert_eq!(registry.maintain(SHOP, &person("C3", "bob@example.com")), Err(IdentityConflict));
        let entry = registry.maintain(SHOP, &person("C1", "new@example.com")).expect("takes it");
        assert_eq!(id_of(&registry, entry), Some(7));
        let old = registry.maintain(SHOP, &person("", "ada@example.com")).expect("free again");
        assert_eq!(id_of(&registry, old), None);
    }

    #[test]
    fn a_buyer_never_changes_who_is_known() {
        let mut registry = Registry::new(vec![stored(7, "C1", "ada@example.com"), stored(8, "", "bob@example.com")]);
        assert_eq!(registry.recognise(SHOP, &person("C1", "bob@example.com")), Entry(0));
        assert_eq!(registry.recognise(SHOP, &person("", "bob@example.com")), Entry(1));
        let new = registry.recognise(SHOP, &person("C9", "bob@example.com"));
        assert_eq!((id_of(&registry, new), registry.get(new).person.email.clone()), (None, None));
        assert!(!registry.get(Entry(0)).changed && !registry.get(Entry(1)).changed);
    }
}
