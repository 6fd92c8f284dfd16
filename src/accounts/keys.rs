//! API keys: how they are made and how a presented one is checked. Of a secret only its SHA-256 is kept: with 200
//! random bits it cannot be guessed, so a slow hash would only slow the honest.
//!
//! Prefix and check digits let secret scanners know a leaked key for what it is.

use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ACCESS_PREFIX: &str = "gwk_live_";
const SECRET_PREFIX: &str = "gws_live_";
const SITE_PREFIX: &str = "gwp_";
const SIGNING_PREFIX: &str = "gwh_live_";
/// Random characters of five bits each.
const ACCESS_CHARS: usize = 20;
const SECRET_CHARS: usize = 40;

/// A fresh pair of credentials. The secret is shown once and never stored.
pub struct Credentials {
    pub access_key: String,
    pub secret_key: SecretString,
}

/// Makes a pair that nobody has.
pub fn generate() -> Credentials {
    Credentials {
        access_key: with_check_digits(ACCESS_PREFIX, ACCESS_CHARS),
        secret_key: with_check_digits(SECRET_PREFIX, SECRET_CHARS).into(),
    }
}

/// Makes a site key that nobody has. It is public.
pub fn generate_site_key() -> String {
    with_check_digits(SITE_PREFIX, ACCESS_CHARS)
}

/// Makes a secret for signing what pages report. Unlike that of a pair it must be kept as it is.
pub fn generate_signing_secret() -> SecretString {
    with_check_digits(SIGNING_PREFIX, SECRET_CHARS).into()
}

/// What is stored of a secret.
pub fn digest(secret: &SecretString) -> [u8; 32] {
    Sha256::digest(secret.expose_secret().as_bytes()).into()
}

/// Whether a presented secret is the one behind `stored`. Takes the same time when there is nothing stored.
pub fn matches(presented: &SecretString, stored: Option<&[u8]>) -> bool {
    let nobody = [0_u8; 32];
    let same = digest(presented).ct_eq(stored.unwrap_or(&nobody));
    bool::from(same) & stored.is_some()
}

fn with_check_digits(prefix: &str, random_chars: usize) -> String {
    let mut rng = rand::rng();
    let mut text = prefix.to_owned();
    text.extend((0..random_chars).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])));
    let mut rest = crc32fast::hash(text.as_bytes());
    for _ in 0..7 {
        text.push(char::from(ALPHABET[(rest % 32) as usize]));
        rest /= 32;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_secret_matches() {
        let made = generate();
        let stored = digest(&made.secret_key);
        assert!(matches(&made.secret_key, Some(&stored)));
        assert!(!matches(&made.secret_key, None));
        assert!(!matches(&generate().secret_key, Some(&stored)));
        assert!(!matches(&"".into(), Some(&stored)));
    }

    #[test]
    fn keys_survive_being_part_of_an_address() {
        let made = generate();
        for text in [made.access_key.as_str(), made.secret_key.expose_secret()] {
            assert!(text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{text}");
        }
    }
}
