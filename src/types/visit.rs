//! The visits of friends: what a click on a link leaves with the shop's page, signed, so that an order may bring it back.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use time::{Duration, OffsetDateTime};

use super::ids::{AccountId, ReferralCodeId};

/// For how long a visit counts where its campaign says nothing, in days.
pub const WINDOW_DAYS: u16 = 90;
/// How far clocks may be apart: an order that is dated a little before its click may still come from it.
const CLOCKS_APART_MAX: Duration = Duration::minutes(10);
/// Longest token that is looked at, in characters.
const TOKEN_CHARS_MAX: usize = 255;
const VERSION: u8 = 1;
const BODY_BYTES: usize = 27;
const MAC_BYTES: usize = 16;

/// The key that signs visits, the same for all servers on one database.
#[derive(Clone)]
pub struct VisitKey(pub [u8; 32]);

/// A visit as it was presented, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitToken(String);

impl TryFrom<&str> for VisitToken {
    type Error = super::text::InvalidText;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let length = text.chars().count();
        if length > TOKEN_CHARS_MAX {
            return Err(super::text::InvalidText::TooLong(length, TOKEN_CHARS_MAX));
        }
        Ok(Self(text.to_owned()))
    }
}

impl VisitToken {
    /// The token as it stands in addresses.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A click on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    pub account_id: AccountId,
    pub referral_code_id: ReferralCodeId,
    /// To the second.
    pub clicked_at: OffsetDateTime,
    /// For how long after that it counts.
    pub window_days: u16,
}

impl Visit {
    /// Whether an order of this moment may come from it.
    pub fn covers(&self, ordered_at: OffsetDateTime) -> bool {
        let age = ordered_at - self.clicked_at;
        age >= -CLOCKS_APART_MAX && age <= Duration::days(i64::from(self.window_days))
    }

    /// The visit for the address of the shop's page.
    pub fn sign(&self, key: &VisitKey) -> VisitToken {
        let mut bytes = Vec::with_capacity(BODY_BYTES + MAC_BYTES);
        bytes.push(VERSION);
        bytes.extend(self.account_id.0.to_be_bytes());
        bytes.extend(self.referral_code_id.0.to_be_bytes());
        bytes.extend(self.clicked_at.unix_timestamp().to_be_bytes());
        bytes.extend(self.window_days.to_be_bytes());
        let mac = mac(key, &bytes).map(|mac| mac.finalize().into_bytes());
        bytes.extend(mac.iter().flat_map(|mac| &mac[..MAC_BYTES]));
        VisitToken(BASE64URL_NOPAD.encode(&bytes))
    }

    /// Reads what was signed with this key. Nothing when it was not.
    pub fn verify(token: &VisitToken, key: &VisitKey) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(token.0.trim().as_bytes()).ok()?;
        if bytes.len() != BODY_BYTES + MAC_BYTES || bytes.first() != Some(&VERSION) {
            return None;
        }
        let (body, signature) = bytes.split_at(BODY_BYTES);
        mac(key, body)?.verify_truncated_left(signature).ok()?;
        let number = |start: usize| body.get(start..start + 8)?.try_into().ok().map(i64::from_be_bytes);
        Some(Self {
            account_id: AccountId(number(1)?),
            referral_code_id: ReferralCodeId(number(9)?),
            clicked_at: OffsetDateTime::from_unix_timestamp(number(17)?).ok()?,
            window_days: u16::from_be_bytes(body.get(25..27)?.try_into().ok()?),
        })
    }
}

fn mac(key: &VisitKey, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).ok()?;
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const CLICK: OffsetDateTime = datetime!(2026-08-01 12:00 UTC);

    fn visit() -> Visit {
        Visit { account_id: AccountId(1001), referral_code_id: ReferralCodeId(7), clicked_at: CLICK, window_days: 30 }
    }

    #[test]
    fn a_visit_is_read_as_it_was_signed_and_by_its_key_alone() {
        let (key, other) = (VisitKey([7; 32]), VisitKey([8; 32]));
        let token = visit().sign(&key);
        assert_eq!(Visit::verify(&token, &key), Some(visit()));
        assert_eq!(Visit::verify(&token, &other), None);
        assert!(
            token.as_str().len() < 64
                && token.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
    }

    #[test]
    fn no_letter_of_a_visit_can_be_changed() {
        let key = VisitKey([7; 32]);
        let token = visit().sign(&key).as_str().to_owned();
        for place in 0..token.len() - 1 {
            let mut forged = token.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("ASCII");
            assert_eq!(Visit::verify(&VisitToken(forged.clone()), &key), None, "{forged}");
        }
        for bad in ["", "A", "%", &token[1..], &format!("{token}AA")] {
            assert_eq!(Visit::verify(&VisitToken(bad.to_owned()), &key), None, "{bad}");
        }
    }

    #[test]
    fn a_visit_covers_its_window_and_clocks_that_are_a_little_apart() {
        let minutes = |minutes| CLICK + Duration::minutes(minutes);
        let table = [(-11, false), (-10, true), (0, true), (30 * 24 * 60, true), (30 * 24 * 60 + 1, false)];
        for (after, covered) in table {
            assert_eq!(visit().covers(minutes(after)), covered, "{after} minutes");
        }
    }
}
