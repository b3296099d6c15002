//! Where customers open the portal.

use std::str::FromStr;

use url::{Host, Url};

/// Base URL of the portal, without `/portal/` and without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortalUrl(String);

/// The text is not such an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an https URL without credentials, query and fragment, such as https://webhooks.example.com"
)]
pub struct InvalidPortalUrl;

impl PortalUrl {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PortalUrl {
    type Err = InvalidPortalUrl;

    /// The page handles a customer's token, so only this machine may serve it by `http`.
    fn from_str(text: &str) -> Result<Self, InvalidPortalUrl> {
        let url = Url::parse(text).map_err(|_| InvalidPortalUrl)?;
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback);
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        // What a parser drops or decodes was no address that people would recognize.
        let whole = url.as_str().trim_end_matches('/');
        let is_plain = whole == text.trim_end_matches('/');
        if is_safe && is_bare && is_plain {
            return Ok(Self(whole.to_owned()));
        }
        Err(InvalidPortalUrl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_only_the_slash_at_their_end() {
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
    fn addresses_that_could_leak_a_token_are_refused() {
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
