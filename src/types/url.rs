//! Addresses on the web that a merchant gives us to send people to.

/// Longest address, in characters.
const CHARS_MAX: usize = 2_000;

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a web address; it needs the form https://shop.example.com/page, with at most 2000 characters")]
pub struct InvalidUrl;

/// An absolute http or https address without credentials in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebUrl(String);

impl TryFrom<&str> for WebUrl {
    type Error = InvalidUrl;

    fn try_from(text: &str) -> Result<Self, InvalidUrl> {
        let text = text.trim_matches(' ');
        let url = ::url::Url::parse(text).map_err(|_| InvalidUrl)?;
        let good = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && text.chars().count() <= CHARS_MAX;
        if good { Ok(Self(text.to_owned())) } else { Err(InvalidUrl) }
    }
}

impl WebUrl {
    /// The address as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_pass() {
        assert!(WebUrl::try_from("https://shop.example.com/a?b=c#d").is_ok());
        for bad in ["", "shop.example.com", "ftp://a.b", "javascript:alert(1)", "https://", "https://u:p@a.b/", "//a.b"]
        {
            assert_eq!(WebUrl::try_from(bad), Err(InvalidUrl), "{bad}");
        }
    }
}
