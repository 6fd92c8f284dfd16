//! Sites: the shops' pages that call from browsers. A site key says whose they are and proves nothing; the list of origins says
//! from where calls count, and a secret that only the shop's own server has makes a call as good as the server's.

use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::Sha256;
use sqlx::PgConnection;

use super::{Account, keys, store};
use crate::db::{self, Fault};
use crate::types::ids::AccountId;
use crate::types::url::WebUrl;

/// Most origins of one account.
pub const ORIGINS_MAX: usize = 50;
/// Longest origin, in characters.
const ORIGIN_CHARS_MAX: usize = 255;

/// A site as its pages' calls meet it.
pub struct Site {
    pub account: Arc<Account>,
    pub origins: Vec<String>,
    pub signing_secret: Option<SecretString>,
}

impl Site {
    /// Whether calls from this origin count.
    pub fn admits(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known == origin)
    }

    /// Whether `signature` is the HMAC-SHA256 of `message` under the account's signing secret, in hexadecimal digits.
    pub fn has_signed(&self, message: &str, signature: &str) -> bool {
        let Some(secret) = &self.signing_secret else { return false };
        let Ok(signature) = HEXLOWER_PERMISSIVE.decode(signature.as_bytes()) else { return false };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
        mac.update(message.as_bytes());
        mac.verify_slice(&signature).is_ok()
    }
}

/// The settings of an account's site, as they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteSettings {
    pub account_id: AccountId,
    pub site_key: Option<SiteKey>,
    pub origins: Vec<String>,
    pub fallback_url: Option<String>,
    pub is_signing: bool,
}

/// Names an account on public endpoints: 1 to 64 visible ASCII characters without a slash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct SiteKey(String);

/// Why a text cannot be a site key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 64 visible ASCII characters, and no slash")]
pub struct InvalidSiteKey;

impl TryFrom<&str> for SiteKey {
    type Error = InvalidSiteKey;

    fn try_from(text: &str) -> Result<Self, InvalidSiteKey> {
        let is_good =
            (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
        if is_good { Ok(Self(text.to_owned())) } else { Err(InvalidSiteKey) }
    }
}

impl SiteKey {
    /// Makes one that nobody has.
    pub fn generate() -> Self {
        Self(keys::generate_site_key())
    }

    /// The key as pages carry it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a page comes from: scheme, host and port, spelt as browsers do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no origin; it needs the form https://shop.example.com, without a path")]
pub struct InvalidOrigin;

impl TryFrom<&str> for Origin {
    type Error = InvalidOrigin;

    fn try_from(text: &str) -> Result<Self, InvalidOrigin> {
        let url =
            WebUrl::try_from(text).ok().and_then(|url| ::url::Url::parse(url.as_str()).ok()).ok_or(InvalidOrigin)?;
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let origin = url.origin().ascii_serialization();
        if is_bare && origin.len() <= ORIGIN_CHARS_MAX { Ok(Self(origin)) } else { Err(InvalidOrigin) }
    }
}

impl Origin {
    /// The origin as browsers send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is to be changed of an account's site; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct SiteChange {
    pub site_key: Option<SiteKey>,
    /// All of them.
    pub origins: Option<Vec<Origin>>,
    pub fallback_url: Option<WebUrl>,
    pub signing_secret: Option<SecretString>,
}

/// Why a site was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("this site key is another account's; choose another")]
    SiteKeyTaken,
    #[error(transparent)]
    Database(#[from] Fault),
}

/// Changes the site of an account. To be run in a transaction, which an error must end.
pub async fn change(conn: &mut PgConnection, account: AccountId, change: &SiteChange) -> Result<(), ChangeError> {
    if let Some(site_key) = &change.site_key {
        store::put_site_key(conn, account, site_key).await.map_err(|error| match db::constraint(&error) {
            Some("site_keys_pkey") => ChangeError::SiteKeyTaken,
            _ => ChangeError::Database(error.into()),
        })?;
    }
    Ok(store::put_site(conn, account, change).await.map_err(Fault::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_pages_carry() {
        for good in ["site-8c5e0b4f-www.shop.com", "www.shop.com", "!", SiteKey::generate().as_str()] {
            assert!(SiteKey::try_from(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(SiteKey::try_from(bad), Err(InvalidSiteKey), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_spelt_as_browsers_do() {
        let spelt = |text: &str| Origin::try_from(text).map(|origin| origin.as_str().to_owned());
        assert_eq!(spelt("https://Shop.Example.com:443/"), Ok("https://shop.example.com".to_owned()));
        assert_eq!(spelt("http://localhost:3000"), Ok("http://localhost:3000".to_owned()));
        for bad in ["", "shop.example.com", "https://shop.example.com/a", "https://a.b?c", "null", "ftp://a.b"] {
            assert_eq!(spelt(bad), Err(InvalidOrigin), "{bad}");
        }
    }
}
