//! The public URL of the customer portal.

use std::str::FromStr;

use url::{Host, Url};

/// The portal's base URL, without `/portal/` and without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalUrl(String);

/// The text is not a valid base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an https URL without credentials, query and fragment, such as https://webhooks.example.com"
)]
pub struct InvalidPortalUrl;

impl PortalUrl {
    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PortalUrl {
    type Err = InvalidPortalUrl;

    /// Parses a URL. The page handles customers' tokens, so `http` is allowed only on loopback.
    fn from_str(text: &str) -> Result<Self, InvalidPortalUrl> {
        let url = Url::parse(text).map_err(|_| InvalidPortalUrl)?;
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let is_encrypted = url.scheme() == "https" || (url.scheme() == "http" && is_loopback);
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        // Rejects whatever the parser rewrites, such as `/a/../b`, backslashes or upper case:
        // people would not recognize the URL.
        let whole = url.as_str().trim_end_matches('/');
        let is_unchanged = whole == text.trim_end_matches('/');
        if is_encrypted && is_bare && is_unchanged {
            return Ok(Self(whole.to_owned()));
        }
        Err(InvalidPortalUrl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_urls_lose_only_their_trailing_slash() {
        for (text, base) in [
            ("https://example.com", "https://example.com"),
            ("https://example.com/", "https://example.com"),
            (
                "https://example.com:8443/a/b/",
                "https://example.com:8443/a/b",
            ),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            let url: PortalUrl = text.parse().unwrap();
            assert_eq!(url.as_str(), base);
        }
    }

    #[test]
    fn urls_that_could_leak_a_token_are_rejected() {
        for wrong in [
            "",
            "example.com",
            "//example.com",
            "http://example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "https://user@example.com",
            "https://user:password@example.com",
            "https://@example.com",
            "https://example.com?a=b",
            "https://example.com/?",
            "https://example.com/#a",
            "https://example.com/a/../b",
            "https://EXAMPLE.com",
            "https://example.com\\@evil.example",
            " https://example.com",
        ] {
            assert!(wrong.parse::<PortalUrl>().is_err(), "{wrong}");
        }
    }
}
