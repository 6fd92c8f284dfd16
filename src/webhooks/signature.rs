//! Secrets of endpoints, and what a message is signed with: Standard Webhooks' headers, and the one that clients of Friendbuy's
//! webhooks check. Pure but for the making of a secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

const PREFIX: &str = "whsec_";
/// Bytes of a new secret.
const BYTES: usize = 32;
/// How far a message's time may lie from ours, in seconds.
pub const TOLERANCE_S: i64 = 300;

/// What an endpoint's messages are signed with: `whsec_` and base64. Never printed by accident.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret")
    }
}

impl From<String> for Secret {
    /// A stored one.
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

impl Secret {
    /// Makes one that nobody has.
    pub fn generate() -> Self {
        let mut bytes = [0_u8; BYTES];
        rand::rng().fill(&mut bytes);
        Self(format!("{PREFIX}{}", STANDARD.encode(bytes)))
    }

    /// Reads one that somebody typed. Nothing, when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let secret = Self(text.trim().to_owned());
        secret.key().map(|_| ())?;
        Some(secret)
    }

    /// For its owner's eyes.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn key(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.0.strip_prefix(PREFIX)?).ok().filter(|key| !key.is_empty())
    }

    /// One signature as Standard Webhooks writes it: of id, time and body, under the decoded secret.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let message = format!("{id}.{timestamp}.{body}");
        format!("v1,{}", hmac::<Hmac<Sha256>>(&self.key().unwrap_or_default(), message.as_bytes()))
    }

    /// The signature that clients of Friendbuy's webhooks check: of the body alone, under the secret as it is written.
    pub fn sign_as_friendbuy(&self, algorithm: Algorithm, body: &str) -> String {
        let (key, message) = (self.0.as_bytes(), body.as_bytes());
        match algorithm {
            Algorithm::Sha1 => hmac::<Hmac<Sha1>>(key, message),
            Algorithm::Sha256 => hmac::<Hmac<Sha256>>(key, message),
        }
    }

    /// Whether one of the signatures in a header is ours, and recent.
    pub fn verify(&self, header: &str, id: &str, timestamp: &str, body: &str, now: i64) -> bool {
        let Ok(at) = timestamp.parse::<i64>() else { return false };
        let wanted = self.sign(id, at, body);
        let is_ours = |given: &str| bool::from(given.as_bytes().ct_eq(wanted.as_bytes()));
        (now - at).abs() <= TOLERANCE_S && header.split(' ').any(is_ours)
    }
}

fn hmac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> String {
    // A key of any length will do for HMAC.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return String::new() };
    mac.update(message);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// What `X-FRIENDBUY-SIGNATURE` is made with: their documents say one, their clients the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    #[default]
    Sha1,
    Sha256,
}

impl Algorithm {
    /// The algorithm's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// The algorithm of this spelling.
    pub fn named(text: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256].into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

impl From<String> for Algorithm {
    /// A stored one.
    fn from(stored: String) -> Self {
        Self::named(&stored).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_vector_of_standard_webhooks_is_met() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_library_of_its_inventors_agrees() {
        let secret = Secret::generate();
        let theirs = standardwebhooks::Webhook::new(secret.reveal()).expect("a secret of the right form");
        for body in ["", "{}", "{\"name\":\"Zoë\"}"] {
            let signed = theirs.sign("evt_1_1", 1_614_265_330, body.as_bytes()).expect("a signature");
            assert_eq!(secret.sign("evt_1_1", 1_614_265_330, body), signed);
        }
    }

    /// RFC 2202 and RFC 4231, test case 2.
    #[test]
    fn friendbuys_signature_is_a_plain_hmac_under_the_written_secret() {
        let secret = Secret("Jefe".to_owned());
        let body = "what do ya want for nothing?";
        assert_eq!(secret.sign_as_friendbuy(Algorithm::Sha1, body), "7/zfauXrL6LSdBbV8YTfnCWafHk=");
        let sha256 = "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=";
        assert_eq!(secret.sign_as_friendbuy(Algorithm::Sha256, body), sha256);
    }

    #[test]
    fn a_message_is_believed_only_as_it_was_signed_and_only_for_a_while() {
        let (secret, now) = (Secret::generate(), 1_700_000_000);
        let good = secret.sign("evt_1_1", now, "{}");
        let both = format!("{} {good}", Secret::generate().sign("evt_1_1", now, "{}"));
        let at = now.to_string();
        assert!(secret.verify(&good, "evt_1_1", &at, "{}", now));
        assert!(secret.verify(&both, "evt_1_1", &at, "{}", now + TOLERANCE_S));
        for (header, id, timestamp, body, now) in [
            (good.as_str(), "evt_1_2", at.as_str(), "{}", now),
            (&good, "evt_1_1", &at, "{ }", now),
            (&good, "evt_1_1", "1700000001", "{}", now),
            (&good, "evt_1_1", "", "{}", now),
            (&good, "evt_1_1", &at, "{}", now + TOLERANCE_S + 1),
            (&good[1..], "evt_1_1", &at, "{}", now),
            ("", "evt_1_1", &at, "{}", now),
        ] {
            assert!(!secret.verify(header, id, timestamp, body, now), "{header} {id} {timestamp} {body}");
        }
    }

    #[test]
    fn a_secret_is_told_from_other_text_and_does_not_print() {
        for bad in ["", "whsec_", "whsec_*", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert_eq!(Secret::parse(bad), None, "{bad}");
        }
        assert_eq!(format!("{:?}", Secret::generate()), "Secret");
    }
}
