//! Customers: people the account knows by its own id for them, by e-mail address, or both. Either finds the customer.
//!
//! [`registry`] decides who is meant without IO; [`store`] reads and writes. Callers hold the transaction.

pub mod registry;
pub mod store;

use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::db::{self, Abort};
use crate::types::email::Email;
use crate::types::ids::{AccountId, CustomerId};
use crate::types::text::{Name, OpaqueId};
use registry::{Entry, Registry};

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
#[derive(Clone, Debug, Default)]
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

/// Loads and locks the customers that `people` may name.
pub async fn load(conn: &mut PgConnection, people: &[(AccountId, &Person)]) -> sqlx::Result<Registry> {
    if people.is_empty() {
        return Ok(Registry::default());
    }
    Ok(Registry::new(store::find_and_lock(conn, people).await?))
}

/// Stores the entries that are new and gives them their ids. A rival who stored one of them first aborts the work.
pub async fn insert_new(
    conn: &mut PgConnection,
    registry: &mut Registry,
    entries: &[Entry],
    now: OffsetDateTime,
) -> Result<Vec<Entry>, Abort> {
    let new = registry.unstored(entries);
    if new.is_empty() {
        return Ok(new);
    }
    let known: Vec<_> = new.iter().map(|entry| registry.get(*entry)).collect();
    let inserted = store::insert_all(conn, &known, now).await?;
    if inserted.len() < new.len() {
        return Err(Abort::LostRace);
    }
    registry.learn_ids(&inserted);
    Ok(new)
}

/// Stores what the entries say that the database does not: changes of the kept, and the removal of those in `inserted`
/// that no kept row needs.
pub async fn settle(
    conn: &mut PgConnection,
    registry: &Registry,
    inserted: &[Entry],
    kept: &[Entry],
) -> Result<(), Abort> {
    let gone: Vec<_> =
        inserted.iter().filter(|entry| !kept.contains(entry)).map(|entry| registry.get(*entry)).collect();
    if !gone.is_empty() {
        let accounts: Vec<_> = gone.iter().map(|known| known.account_id).collect();
        let ids: Vec<_> = gone.iter().filter_map(|known| known.id).collect();
        store::delete_all(conn, &accounts, &ids).await?;
    }
    let changed = registry.changed(kept, inserted);
    if !changed.is_empty() {
        store::update_all(conn, &changed).await.map_err(lost_race)?;
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
