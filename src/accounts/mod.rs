//! Accounts (merchants), their API keys, and who is calling. An account owns every row of its merchant's data.

pub mod cache;
pub mod changes;
pub mod http;
pub mod keys;
pub mod sites;
pub mod store;

use std::sync::Arc;

use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::db::{self, Fault};
use crate::types::date::Zone;
use crate::types::ids::AccountId;
use crate::types::money::Currency;
use crate::types::text::Name;
use sites::SiteKey;

/// First segments of our own addresses, which an account's links may not begin with.
const RESERVED_ALIASES: [&str; 24] = [
    "account",
    "accounts",
    "admin",
    "api",
    "assets",
    "campaigns",
    "console",
    "conversions",
    "customers",
    "docs",
    "events",
    "healthz",
    "js",
    "lookup",
    "metrics",
    "openapi",
    "purchases",
    "readyz",
    "rewards",
    "shares",
    "static",
    "t",
    "v1",
    "v2",
];

/// A merchant.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    /// First segment of the account's trackable links.
    pub alias: Alias,
    /// What an order's amount is in when the order does not say.
    pub currency: Currency,
    /// What a date without an offset is meant in.
    pub zone: Zone,
    pub created_at: OffsetDateTime,
}

/// Who calls: proof that the request's credentials belong to this account.
#[derive(Clone, Debug)]
pub struct Caller {
    pub account: Arc<Account>,
}

/// The first segment of an account's links: 1 to 63 lower-case letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Alias(String);

/// Why a text cannot be an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAlias {
    #[error("an alias has 1 to 63 lower-case letters, digits and hyphens, and begins with a letter or digit")]
    Malformed,
    #[error("this alias is an address of the service's own; choose another")]
    Reserved,
}

impl TryFrom<&str> for Alias {
    type Error = InvalidAlias;

    fn try_from(text: &str) -> Result<Self, InvalidAlias> {
        let well_formed = (1..=63).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !well_formed {
            return Err(InvalidAlias::Malformed);
        }
        if RESERVED_ALIASES.contains(&text) { Err(InvalidAlias::Reserved) } else { Ok(Self(text.to_owned())) }
    }
}

impl Alias {
    /// The alias as it stands in an address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account that is to be created.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub name: String,
    pub alias: Alias,
    pub currency: Currency,
    pub zone: Zone,
}

/// An API key as it is listed: never with its secret.
#[derive(Clone, Debug, Serialize)]
pub struct ApiKey {
    pub access_key: String,
    pub name: String,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
}

/// Why an account was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("this alias is another account's; choose another")]
    AliasTaken,
    #[error(transparent)]
    Database(#[from] Fault),
}

/// Creates an account with its alias and a site key. To be run in a transaction, which an error must end.
pub async fn create(conn: &mut PgConnection, new: NewAccount, now: OffsetDateTime) -> Result<Account, CreateError> {
    let id = store::insert(conn, &new, now).await.map_err(Fault::from)?;
    store::insert_alias(conn, id, &new.alias).await.map_err(|error| match db::constraint(&error) {
        Some("account_aliases_pkey") => CreateError::AliasTaken,
        _ => CreateError::Database(error.into()),
    })?;
    store::put_site_key(conn, id, &SiteKey::generate()).await.map_err(Fault::from)?;
    let NewAccount { name, alias, currency, zone } = new;
    Ok(Account { id, name, alias, currency, zone, created_at: now })
}

/// Creates a key of an account. Its secret is in what this gives and nowhere else.
pub async fn create_key(
    conn: &mut PgConnection,
    account: AccountId,
    name: &Name,
    now: OffsetDateTime,
) -> Result<keys::Credentials, Fault> {
    let made = keys::generate();
    let digest = keys::digest(&made.secret_key);
    store::insert_key(conn, account, &made.access_key, &digest, name.as_str(), now).await?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_stay_clear_of_our_own_addresses() {
        assert!(Alias::try_from("acme-2").is_ok());
        for reserved in RESERVED_ALIASES {
            assert!(Alias::try_from(reserved).is_err(), "{reserved}");
        }
        for bad in ["", "-a", "Acme", "a/b", "a_b", "ä"] {
            assert_eq!(Alias::try_from(bad), Err(InvalidAlias::Malformed), "{bad}");
        }
    }
}
