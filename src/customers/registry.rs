//! Who is meant: matches the people named in a batch with the customers known, without IO.
//!
//! A batch loads the customers its rows may mean, asks the registry row by row, and then stores what is new or changed.
//! In one round each customer is asked for once: a row that may mean somebody of an earlier row has to wait for the next.

use std::collections::{HashMap, HashSet};

use super::store::Named;
use super::{Customer, Person};
use crate::types::email::EmailKey;
use crate::types::ids::{AccountId, CustomerId};
use crate::types::text::{Name, OpaqueId};

/// A place in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry(usize);

/// Why it cannot be said who is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// The account's id and the e-mail address name two known customers.
    Conflict,
    /// An earlier row of this round means him, or gave up the address that this row names.
    NamedBefore,
}

/// The customers that a batch may touch.
#[derive(Debug)]
pub struct Registry {
    people: Vec<Known>,
    by_external_id: HashMap<(AccountId, OpaqueId), usize>,
    by_email: HashMap<(AccountId, EmailKey), usize>,
    named: HashSet<usize>,
    given_up: HashSet<(AccountId, EmailKey)>,
}

/// One customer of the registry: in the database already when `id` is there.
#[derive(Clone, Debug)]
pub struct Known {
    pub account_id: AccountId,
    pub id: Option<CustomerId>,
    pub person: Person,
    /// What is stored of him, where that differs.
    pub stored: Option<Person>,
}

impl Known {
    /// The customer as he is stored; nothing as long as he is not.
    pub fn customer(&self) -> Option<Customer> {
        let text = |name: &Option<Name>| name.as_ref().map(|name| name.as_str().to_owned());
        Some(Customer {
            account_id: self.account_id,
            id: self.id?,
            external_id: self.person.external_id.clone(),
            email: self.person.email.clone(),
            first_name: text(&self.person.first_name),
            last_name: text(&self.person.last_name),
        })
    }

    /// The customer as he was before, if something changed.
    pub fn before(&self) -> Option<Self> {
        let person = self.stored.clone()?;
        Some(Self { person, stored: None, ..self.clone() })
    }
}

impl Registry {
    /// A registry of the customers that were loaded.
    pub fn new(stored: Vec<Customer>) -> Self {
        let mut registry = Self::with_room_for(stored.len());
        for customer in stored {
            let person = Person {
                external_id: customer.external_id,
                email: customer.email,
                // Stored names have passed these checks before.
                first_name: customer.first_name.and_then(|name| Name::try_from(name.as_str()).ok()),
                last_name: customer.last_name.and_then(|name| Name::try_from(name.as_str()).ok()),
            };
            registry.add(Known { account_id: customer.account_id, id: Some(customer.id), person, stored: None });
        }
        registry
    }

    /// A registry of nobody yet.
    pub fn with_room_for(people: usize) -> Self {
        Self {
            people: Vec::with_capacity(people),
            by_external_id: HashMap::with_capacity(people),
            by_email: HashMap::with_capacity(people),
            named: HashSet::with_capacity(people),
            given_up: HashSet::new(),
        }
    }

    /// The customer at a place.
    pub fn get(&self, entry: Entry) -> &Known {
        &self.people[entry.0]
    }

    /// Takes over the id that the database gave the customer at a place.
    pub fn learn_id(&mut self, entry: Entry, id: CustomerId) {
        self.people[entry.0].id = Some(id);
    }

    /// Takes over the ids that the database gave.
    pub fn learn_ids(&mut self, inserted: &[Named]) {
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
    pub fn maintain(&mut self, account: AccountId, person: &Person) -> Result<Entry, Unclear> {
        let external_id = person.external_id.clone().map(|id| (account, id));
        let email_key = person.email.as_ref().map(|email| (account, email.key()));
        let by_id = external_id.as_ref().and_then(|id| self.by_external_id.get(id).copied());
        let by_email = email_key.as_ref().and_then(|key| self.by_email.get(key).copied());
        let is_given_up = email_key.as_ref().is_some_and(|key| self.given_up.contains(key));
        if is_given_up || by_id.iter().chain(&by_email).any(|place| self.named.contains(place)) {
            return Err(Unclear::NamedBefore);
        }
        let place = match (by_id, by_email) {
            (None, None) => {
                let known = Known { account_id: account, id: None, person: person.clone(), stored: None };
                self.add_as(known, external_id, email_key)
            }
            (Some(one), Some(other)) if one != other => return Err(Unclear::Conflict),
            (None, Some(place)) if person.external_id.is_some() && self.people[place].person.external_id.is_some() => {
                return Err(Unclear::Conflict);
            }
            (Some(place), _) | (None, Some(place)) => {
                self.update(place, person);
                place
            }
        };
        self.named.insert(place);
        Ok(Entry(place))
    }

    fn add(&mut self, known: Known) -> usize {
        let external_id = known.person.external_id.clone().map(|id| (known.account_id, id));
        let email_key = known.person.email.as_ref().map(|email| (known.account_id, email.key()));
        self.add_as(known, external_id, email_key)
    }

    fn add_as(
        &mut self,
        known: Known,
        external_id: Option<(AccountId, OpaqueId)>,
        email_key: Option<(AccountId, EmailKey)>,
    ) -> usize {
        let place = self.people.len();
        self.by_external_id.extend(external_id.map(|id| (id, place)));
        self.by_email.extend(email_key.map(|key| (key, place)));
        self.people.push(known);
        place
    }

    fn update(&mut self, place: usize, said: &Person) {
        let known = &mut self.people[place];
        let before = known.person.clone();
        let mut changed = false;
        if let (None, Some(id)) = (&known.person.external_id, &said.external_id) {
            self.by_external_id.insert((known.account_id, id.clone()), place);
            known.person.external_id = Some(id.clone());
            changed = true;
        }
        if let Some(email) = said.email.as_ref().filter(|email| known.person.email.as_ref() != Some(email)) {
            if let Some(old) = known.person.email.replace(email.clone()).filter(|old| old.key() != email.key()) {
                self.by_email.remove(&(known.account_id, old.key()));
                self.given_up.insert((known.account_id, old.key()));
            }
            self.by_email.insert((known.account_id, email.key()), place);
            changed = true;
        }
        changed |= take_name(&mut known.person.first_name, said.first_name.as_ref());
        changed |= take_name(&mut known.person.last_name, said.last_name.as_ref());
        if changed {
            known.stored = Some(before);
        }
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

    /// Each on a registry of its own, as the rows of separate rounds.
    fn maintained(stored: &[Customer], said: &Person) -> Result<Known, Unclear> {
        let mut registry = Registry::new(stored.to_vec());
        registry.maintain(SHOP, said).map(|entry| registry.get(entry).clone())
    }

    fn id_of(found: Result<Known, Unclear>) -> Result<Option<i64>, Unclear> {
        found.map(|known| known.id.map(|id| id.0))
    }

    #[test]
    fn either_identity_finds_the_customer() {
        let ada = [stored(7, "C1", "ada@example.com")];
        for said in [person("C1", ""), person("", "ADA@example.com"), person("C1", "Ada@Example.com")] {
            assert_eq!(id_of(maintained(&ada, &said)), Ok(Some(7)));
        }
        let mut registry = Registry::new(ada.to_vec());
        let elsewhere = registry.maintain(AccountId(2), &person("C1", "")).expect("new");
        assert_eq!(registry.get(elsewhere).id, None);
    }

    #[test]
    fn an_email_only_customer_adopts_an_id() {
        let known = maintained(&[stored(7, "", "ada@example.com")], &person("C1", "ada@example.com")).expect("adopts");
        assert_eq!((known.id, known.person.external_id), (Some(CustomerId(7)), OpaqueId::try_from("C1").ok()));
        assert!(known.stored.is_some());
    }

    #[test]
    fn a_known_id_takes_a_new_email_unless_it_is_somebody_elses() {
        let both = [stored(7, "C1", "ada@example.com"), stored(8, "C2", "bob@example.com")];
        assert_eq!(id_of(maintained(&both, &person("C1", "bob@example.com"))), Err(Unclear::Conflict));
        assert_eq!(id_of(maintained(&both, &person("C3", "bob@example.com"))), Err(Unclear::Conflict));
        let known = maintained(&both, &person("C1", "new@example.com")).expect("takes it");
        assert_eq!(known.before().and_then(|before| before.person.email), Email::try_from("ada@example.com").ok());
    }

    #[test]
    fn rows_that_may_mean_one_person_wait_for_each_other() {
        let rows = [
            [person("C1", ""), person("", "ada@example.com")],
            [person("C1", "new@example.com"), person("", "ada@example.com")],
            [person("C1", "new@example.com"), person("", "new@example.com")],
            [person("C9", "nina@example.com"), person("", "Nina@example.com")],
            [person("C9", ""), person("C9", "other@example.com")],
        ];
        for [first, second] in rows {
            let mut registry = Registry::new(vec![stored(7, "C1", "ada@example.com")]);
            registry.maintain(SHOP, &first).expect("is meant");
            assert_eq!(registry.maintain(SHOP, &second), Err(Unclear::NamedBefore), "{first:?} {second:?}");
        }
    }
}
