//! API keys: how they are made and how a presented one is checked. Of a secret only its SHA-256 is kept: with 200
//! random bits it cannot be guessed, so a slow hash would only slow the honest.
//!
//! Prefix and check digits let secret scanners know a leaked key for what it is. The prefix is for people and scanners:
//! whether a key leads to a sandbox, its account says.

use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How the two halves of a pair begin.
const LIVE_PREFIXES: [&str; 2] = ["gwk_live_", "gws_live_"];
const TEST_PREFIXES: [&str; 2] = ["gwk_test_", "gws_test_"];
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

/// Makes a pair that nobody has, for a live account.
pub fn generate() -> Credentials {
    begin_with(LIVE_PREFIXES)
}

/// Makes a pair that nobody has, for a sandbox.
pub fn generate_for_sandbox() -> Credentials {
    begin_with(TEST_PREFIXES)
}

fn begin_with([access, secret]: [&str; 2]) -> Credentials {
    Credentials {
        access_key: with_check_digits(access, ACCESS_CHARS),
        secret_key: with_check_digits(secret, SECRET_CHARS).into(),
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
        for made in [generate(), generate_for_sandbox()] {
            for text in [made.access_key.as_str(), made.secret_key.expose_secret()] {
                assert!(text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{text}");
            }
        }
    }

    #[test]
    fn the_prefix_tells_whether_a_key_is_a_sandboxs() {
        let (live, test) = (generate(), generate_for_sandbox());
        assert!(live.access_key.starts_with("gwk_live_") && live.secret_key.expose_secret().starts_with("gws_live_"));
        assert!(test.access_key.starts_with("gwk_test_") && test.secret_key.expose_secret().starts_with("gws_test_"));
    }
}
