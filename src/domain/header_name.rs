//! Names of headers that deliveries can have beside those that the service sets itself.

use std::fmt;

/// The longest name, in bytes.
const MAX_BYTES: usize = 64;

/// The name of a header, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderName(String);

/// Why a delivery can't have a header of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeaderName {
    /// It is not a header name (RFC 9110, 5.1), or too long.
    #[error("must be a header name of 1 to {MAX_BYTES} letters, digits, hyphens and underscores")]
    Malformed,
    /// HTTP gives it a meaning that a wrong value would break.
    #[error("must not be a header that HTTP itself needs")]
    OfHttp,
    /// The service sets it.
    #[error("must not be a header that the service sets")]
    OfService,
}

impl HeaderName {
    /// Parses a name in any letter case.
    ///
    /// # Errors
    /// If deliveries can't have a header of this name.
    pub fn parse(text: &str) -> Result<Self, InvalidHeaderName> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if text.is_empty() || text.len() > MAX_BYTES || !text.bytes().all(is_token) {
            return Err(InvalidHeaderName::Malformed);
        }
        let name = text.to_ascii_lowercase();
        match reserved(&name) {
            Some(reason) => Err(reason),
            None => Ok(Self(name)),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a name in lower case is not free, if so.
fn reserved(name: &str) -> Option<InvalidHeaderName> {
    match name {
        // Where the request goes, and how its connection and body are framed
        // (RFC 9110 and 9112).
        "connection" | "expect" | "host" | "http2-settings" | "keep-alive" | "te" | "trailer"
        | "transfer-encoding" | "upgrade" => Some(InvalidHeaderName::OfHttp),
        _ if name.starts_with("content-") || name.starts_with("proxy-") => {
            Some(InvalidHeaderName::OfHttp)
        }
        // Responses are read as they come, so they must not be compressed.
        "accept" | "accept-encoding" | "user-agent" => Some(InvalidHeaderName::OfService),
        _ if name.starts_with("webhook-") => Some(InvalidHeaderName::OfService),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_in_lower_case() {
        let name = HeaderName::parse("X-Hub-Signature-256").unwrap();
        assert_eq!(name.as_str(), "x-hub-signature-256");
        assert_eq!(Ok(name), HeaderName::parse("x-hub-signature-256"));
        assert!(HeaderName::parse(&"x".repeat(MAX_BYTES)).is_ok());
    }

    #[test]
    fn names_that_no_delivery_can_have_are_refused_with_the_reason() {
        use InvalidHeaderName::{Malformed, OfHttp, OfService};
        let long = "x".repeat(MAX_BYTES + 1);
        for (name, reason) in [
            ("", Malformed),
            ("x y", Malformed),
            ("x:", Malformed),
            ("x\r\ny", Malformed),
            ("é", Malformed),
            (&long, Malformed),
            ("Host", OfHttp),
            ("Content-Type", OfHttp),
            ("content-length", OfHttp),
            ("Transfer-Encoding", OfHttp),
            ("connection", OfHttp),
            ("Proxy-Authorization", OfHttp),
            ("Expect", OfHttp),
            ("User-Agent", OfService),
            ("Accept-Encoding", OfService),
            ("Webhook-Signature", OfService),
            ("webhook-", OfService),
        ] {
            assert_eq!(HeaderName::parse(name), Err(reason), "{name:?}");
        }
    }
}
