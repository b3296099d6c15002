//! Names of headers that operators and customers add to deliveries, and the names that are
//! reserved.

use std::fmt;

/// In bytes, which are characters: names are ASCII.
const MAX_BYTES: usize = 64;

/// The name of a header that an operator adds to all deliveries, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderName(String);

/// Why a delivery can't have a header of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeaderName {
    /// It is too long, or has characters that the service does not accept in names. RFC 9110
    /// (5.6.2) allows more of them.
    #[error("must be a header name of 1 to {MAX_BYTES} letters, digits, hyphens and underscores")]
    Malformed,
    /// HTTP needs it to route and frame the request, so a wrong value would break it.
    #[error("must not be a header that HTTP itself needs")]
    OfHttp,
    /// The service sets it itself.
    #[error("must not be a header that the service sets")]
    OfService,
}

impl HeaderName {
    /// Parses a name, case-insensitively.
    ///
    /// # Errors
    /// [`InvalidHeaderName`] says why deliveries can't have a header of this name.
    pub fn parse(text: &str) -> Result<Self, InvalidHeaderName> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if text.is_empty() || text.len() > MAX_BYTES || !text.bytes().all(is_token) {
            return Err(InvalidHeaderName::Malformed);
        }
        match reserved(text) {
            Some(Reserved::Http | Reserved::Body) => Err(InvalidHeaderName::OfHttp),
            Some(Reserved::Service | Reserved::Signature) => Err(InvalidHeaderName::OfService),
            // An operator, unlike a customer, may know where its requests come from.
            Some(Reserved::Origin) | None => Ok(Self(text.to_ascii_lowercase())),
        }
    }

    /// The name in lower case.
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

/// Why the service does not let others set a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserved {
    /// It controls where the request goes, and how its connection and body are framed
    /// (RFC 9110 and 9112).
    Http,
    /// It describes the body. The body is what is signed, and always JSON.
    Body,
    /// The service sets it, or deliberately does not: responses are not decompressed, and a
    /// fixed date would be wrong.
    Service,
    /// Receivers would verify it.
    Signature,
    /// A receiver may trust it to say where a request comes from.
    Origin,
}

/// A name that ends in `*` covers every name with that prefix.
const RESERVED: [(Reserved, &[&str]); 5] = [
    (
        Reserved::Http,
        &[
            "connection",
            "expect",
            "host",
            "http2-settings",
            "keep-alive",
            "proxy-*",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ],
    ),
    (Reserved::Body, &["content-*"]),
    (
        Reserved::Service,
        &["accept", "accept-encoding", "date", "user-agent"],
    ),
    (Reserved::Signature, &["webhook-*"]),
    (
        Reserved::Origin,
        &[
            "cf-connecting-ip",
            "fastly-client-ip",
            "forwarded",
            "true-client-ip",
            "via",
            "x-client-ip",
            "x-cluster-client-ip",
            "x-forwarded-*",
            "x-real-ip",
        ],
    ),
];

/// Why a header of this name is reserved, if it is.
pub(super) fn reserved(name: &str) -> Option<Reserved> {
    // CGI turns hyphens into underscores, so a receiver built on it sees `Webhook_Id` and
    // `Webhook-Id` as the same header.
    let name = name.to_ascii_lowercase().replace('_', "-");
    let covers = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => *pattern == name,
    };
    let mut groups = RESERVED.iter();
    let group = groups.find(|(_, patterns)| patterns.iter().any(covers));
    group.map(|(why, _)| *why)
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
        assert!(HeaderName::parse("X-Forwarded-Host").is_ok());
    }

    #[test]
    fn reserved_and_malformed_names_are_refused_with_the_reason() {
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
            ("Date", OfService),
            ("Accept-Encoding", OfService),
            ("Webhook-Signature", OfService),
            ("webhook-", OfService),
            ("Webhook_Id", OfService),
        ] {
            assert_eq!(HeaderName::parse(name), Err(reason), "{name:?}");
        }
    }
}
