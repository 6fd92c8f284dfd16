//! Customers: people the account knows by its own id for them, by e-mail address, or both. Either finds the customer.
//!
//! [`registry`] decides who is meant without IO; [`store`] reads and writes. Callers hold the transaction.

pub mod blocks;
pub mod http;
pub mod list;
pub mod list_store;
pub mod opt_out_store;
pub mod opt_outs;
pub mod registry;
pub mod store;

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::db::{self, Abort};
use crate::types::email::Email;
use crate::types::ids::{AccountId, CustomerId};
use crate::types::text::{Name, OpaqueId};
use registry::{Entry, Known, Registry};

/// A customer as stored.
#[derive(Clone, Debug)]
pub struct Customer {
    pub account_id: AccountId,
    pub id: CustomerId,
    /// The account's own id for him.
    pub external_id: Option<OpaqueId>,
    pub email: Option<Email>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
}

/// What a request says of a customer. At least one of `external_id` and `email` is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    pub external_id: Option<OpaqueId>,
    pub email: Option<Email>,
    pub first_name: Option<Name>,
    pub last_name: Option<Name>,
}

/// A customer on the wire: `id` is ours, `account_id` the merchant's (contract.md 1.2).
#[derive(Clone, Debug, Serialize)]
pub struct CustomerOut {
    pub id: Option<CustomerId>,
    pub account_id: Option<String>,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
}

impl From<Customer> for CustomerOut {
    fn from(customer: Customer) -> Self {
        Self {
            id: Some(customer.id),
            account_id: customer.external_id.map(|id| id.as_str().to_owned()),
            email: customer.email.map(|email| email.as_str().to_owned()),
            first_name: customer.first_name,
            last_name: customer.last_name,
        }
    }
}

/// Loads and locks the customers whom `people` may mean.
pub async fn load(conn: &mut PgConnection, people: &[(AccountId, &Person)]) -> sqlx::Result<Registry> {
    let named = if people.is_empty() { Vec::new() } else { store::find_named(conn, people).await? };
    if named.is_empty() {
        return Ok(Registry::with_room_for(people.len()));
    }
    let (accounts, ids): (Vec<_>, Vec<_>) = named.iter().map(|named| (named.account_id, named.id)).unzip();
    Ok(Registry::new(store::lock_all(conn, &accounts, &ids).await?))
}

/// Loads the customers whom `people` may mean, and locks nobody.
pub async fn look_up(conn: &mut PgConnection, people: &[(AccountId, &Person)]) -> sqlx::Result<Registry> {
    let named = if people.is_empty() { Vec::new() } else { store::find_named(conn, people).await? };
    if named.is_empty() {
        return Ok(Registry::with_room_for(people.len()));
    }
    let (accounts, ids): (Vec<_>, Vec<_>) = named.iter().map(|named| (named.account_id, named.id)).unzip();
    Ok(Registry::new(store::find_all(conn, &accounts, &ids).await?))
}

/// Says which known customers these people are, by id before e-mail. Stores nothing: an order is no proof of identity,
/// and a guest's address must not become somebody's.
pub async fn recognise(
    conn: &mut PgConnection,
    people: &[(AccountId, &Person)],
) -> sqlx::Result<Vec<Option<CustomerId>>> {
    let named = if people.is_empty() { Vec::new() } else { store::find_named(conn, people).await? };
    let (mut by_external_id, mut by_email) = (HashMap::new(), HashMap::new());
    for found in named {
        by_external_id.extend(found.external_id.map(|id| ((found.account_id, id), found.id)));
        by_email.extend(found.email_key.map(|key| ((found.account_id, key), found.id)));
    }
    let recognised = people.iter().map(|(account, person)| match (&person.external_id, &person.email) {
        (Some(id), _) => by_external_id.get(&(*account, id.clone())).copied(),
        (None, Some(email)) => by_email.get(&(*account, email.key())).copied(),
        (None, None) => None,
    });
    Ok(recognised.collect())
}

/// What was stored of a registry, so that it can be taken back.
#[derive(Debug, Default)]
pub struct Stored {
    inserted: Vec<Entry>,
    updated: Vec<Entry>,
}

/// Stores what `entries` say that the database does not: new customers, who get their ids, and changes. A rival who
/// took one of their names first aborts the work.
pub async fn store_entries(
    conn: &mut PgConnection,
    registry: &mut Registry,
    entries: &[Entry],
    now: OffsetDateTime,
) -> Result<Stored, Abort> {
    let (updated, inserted): (Vec<Entry>, Vec<Entry>) =
        entries.iter().partition(|entry| registry.get(**entry).id.is_some());
    let updated: Vec<Entry> = updated.into_iter().filter(|entry| registry.get(*entry).stored.is_some()).collect();
    if !updated.is_empty() {
        let known: Vec<_> = updated.iter().map(|entry| registry.get(*entry)).collect();
        store::update_all(conn, &known).await.map_err(lost_race)?;
    }
    if !inserted.is_empty() {
        let known: Vec<_> = inserted.iter().map(|entry| registry.get(*entry)).collect();
        let rows = store::insert_all(conn, &known, now).await?;
        if rows.len() < inserted.len() {
            return Err(Abort::LostRace);
        }
        registry.learn_ids(&rows);
    }
    Ok(Stored { inserted, updated })
}

/// Takes back what was stored for `refused` entries: a refusal leaves no trace.
pub async fn take_back(
    conn: &mut PgConnection,
    registry: &Registry,
    stored: &Stored,
    refused: &[Entry],
) -> sqlx::Result<()> {
    let refused: HashSet<&Entry> = refused.iter().collect();
    let gone: Vec<_> =
        stored.inserted.iter().filter(|entry| refused.contains(entry)).map(|entry| registry.get(*entry)).collect();
    if !gone.is_empty() {
        let accounts: Vec<_> = gone.iter().map(|known| known.account_id).collect();
        let ids: Vec<_> = gone.iter().filter_map(|known| known.id).collect();
        store::delete_all(conn, &accounts, &ids).await?;
    }
    let before: Vec<Known> = stored
        .updated
        .iter()
        .filter(|entry| refused.contains(entry))
        .filter_map(|entry| registry.get(*entry).before())
        .collect();
    if !before.is_empty() {
        store::update_all(conn, &before.iter().collect::<Vec<_>>()).await?;
    }
    Ok(())
}

fn lost_race(error: sqlx::Error) -> Abort {
    if db::constraint(&error).is_some_and(|name| name.starts_with("customers_")) {
        Abort::LostRace
    } else {
        error.into()
    }
}
