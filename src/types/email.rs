//! E-mail addresses: one that is kept as sent, the key that finds a customer, and the canonical form that shows when
//! two spellings reach one mailbox.

use email_address::{EmailAddress, Options};
use serde::Serialize;

/// Longest address, in characters.
const CHARS_MAX: usize = 320;
/// Providers that ignore dots before the `@`.
const DOTLESS: [&str; 2] = ["gmail.com", "googlemail.com"];
/// Names of one and the same provider.
const SAME_PROVIDER: [(&str, &str); 5] = [
    ("googlemail.com", "gmail.com"),
    ("me.com", "icloud.com"),
    ("mac.com", "icloud.com"),
    ("protonmail.com", "proton.me"),
    ("pm.me", "proton.me"),
];

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an e-mail address; it needs the form name@example.com")]
pub struct InvalidEmail;

/// An e-mail address, kept as sent but for spaces around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Email(String);

impl TryFrom<&str> for Email {
    type Error = InvalidEmail;

    fn try_from(text: &str) -> Result<Self, InvalidEmail> {
        let address = text.trim_matches(' ');
        let options = Options::default().without_display_text().without_domain_literal();
        let well_formed = address.chars().count() <= CHARS_MAX
            && !address.chars().any(super::text::is_invisible)
            && EmailAddress::parse_with_options(address, options).is_ok();
        if well_formed { Ok(Self(address.to_owned())) } else { Err(InvalidEmail) }
    }
}

/// The form in which addresses are compared for identity: letters A to Z in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct EmailKey(String);

impl EmailKey {
    /// The folded address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Email {
    /// The address as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What finds the customer behind this address, however its letters are cased.
    pub fn key(&self) -> EmailKey {
        EmailKey(self.0.to_ascii_lowercase())
    }

    /// The domains at which another spelling of this mailbox can be, in lower case, some of them twice; nothing if that cannot be told by comparing
    /// letters, for the domain has some that are written in several ways.
    pub fn domains_of_mailbox(&self) -> Option<Vec<String>> {
        let folded = self.0.to_ascii_lowercase();
        let (_, domain) = folded.rsplit_once('@').filter(|(_, domain)| is_plain(domain))?;
        let provider = provider(domain);
        let aliases = SAME_PROVIDER.iter().filter(|(_, main)| *main == provider).map(|(alias, _)| *alias);
        Some(aliases.chain([provider, domain]).map(str::to_owned).collect())
    }

    /// The mailbox behind the address: case, and what its provider is known to ignore, taken away. Only for telling
    /// whether two addresses are one person's, never for sending or for identity.
    pub fn mailbox(&self) -> String {
        let folded = self.0.to_lowercase();
        let Some((local, domain)) = folded.rsplit_once('@') else { return folded };
        // To read a domain takes longer than all the rest, and of one in plain letters nothing else becomes.
        let domain = match (!is_plain(domain)).then(|| ::url::Host::parse(domain)) {
            Some(Ok(::url::Host::Domain(ascii))) => ascii,
            _ => domain.to_owned(),
        };
        // Hardly anybody has a plus in his name, and nearly every provider delivers name+tag to name.
        let untagged = match local.split_once('+') {
            Some((name, _tag)) if !name.is_empty() => name,
            _ => local,
        };
        let name = if DOTLESS.contains(&domain.as_str()) { untagged.replace('.', "") } else { untagged.to_owned() };
        format!("{name}@{}", provider(&domain))
    }
}

/// Whether a folded domain has no letters that could be written otherwise.
fn is_plain(domain: &str) -> bool {
    domain.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
}

/// The one name of those that a provider has.
fn provider(domain: &str) -> &str {
    SAME_PROVIDER.iter().find(|(alias, _)| *alias == domain).map_or(domain, |(_, main)| main)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_that_cannot_be_are_refused() {
        let long = format!("{}@example.com", "a".repeat(310));
        for bad in
            ["", " ", "a", "a@", "@b", "a@b@c", &long, "a@b\r\nBcc: x", "a@-b.c", "a@b..c", "a b@c.de", "<a@b.de>"]
        {
            assert_eq!(Email::try_from(bad), Err(InvalidEmail), "{bad:?}");
        }
    }

    #[test]
    fn spellings_of_one_mailbox_are_recognised() {
        let same = [
            ("Ada@Example.com", "ada@example.COM"),
            ("a.d.a@gmail.com", "ada@googlemail.com"),
            ("ada+shop@gmail.com", "ada@gmail.com"),
            ("ada+1@example.mil", "ada@example.mil"),
            ("ada@bücher.de", "ada@xn--bcher-kva.de"),
            ("ada@g%6dail.com", "ada@gmail.com"),
        ];
        for (one, other) in same {
            let mailbox = |text: &str| Email::try_from(text).expect(text).mailbox();
            assert_eq!(mailbox(one), mailbox(other), "{one} {other}");
        }
    }

    fn domain() -> impl Strategy<Value = String> {
        let known = SAME_PROVIDER.iter().flat_map(|(alias, main)| [*alias, *main]);
        let odd =
            ["GMail.com", "example.com", "Example.COM", "bücher.de", "xn--bcher-kva.de", "BÜCHER.de", "g%6dail.com"];
        prop::sample::select(known.chain(odd).map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn other_mailboxes_stay_apart() {
        for (one, other) in [
            ("a.da@example.com", "ada@example.com"),
            ("ada@example.com", "ada@example.org"),
            ("ada@gmail.com", "bob@gmail.com"),
        ] {
            let mailbox = |text: &str| Email::try_from(text).expect(text).mailbox();
            assert_ne!(mailbox(one), mailbox(other));
        }
    }

    proptest! {
        #[test]
        fn one_mailbox_is_only_at_the_domains_it_tells(
            names in ("[a-b.]{0,2}[a-b]\\+?[a-b]", "[a-b.]{0,2}[a-b]\\+?[a-b]"),
            domains in (domain(), domain()),
        ) {
            let address = |name: &str, domain: &str| Email::try_from(format!("{name}@{domain}").as_str());
            if let (Ok(one), Ok(other)) = (address(&names.0, &domains.0), address(&names.1, &domains.1)) {
                let told = one.domains_of_mailbox().unwrap_or_default();
                let is_told = !is_plain(&domains.1.to_ascii_lowercase()) || told.contains(&domains.1.to_ascii_lowercase());
                prop_assert!(told.is_empty() || is_told || one.mailbox() != other.mailbox());
            }
        }

        #[test]
        fn the_key_never_depends_on_case(name in "[a-zA-Z]{1,12}", domain in "[a-zA-Z]{1,12}") {
            let lower = Email::try_from(format!("{name}@{domain}.com").to_ascii_lowercase().as_str()).unwrap();
            let upper = Email::try_from(format!("{name}@{domain}.com").to_ascii_uppercase().as_str()).unwrap();
            prop_assert_eq!(lower.key(), upper.key());
            prop_assert_eq!(lower.mailbox(), upper.mailbox());
        }
    }
}
