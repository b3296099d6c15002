//! The prefix in the names of the Standard Webhooks headers.

use std::str::FromStr;

use crate::domain::header_name::HeaderName;

const MAX_BYTES: usize = 32;

/// A prefix, as the three names that it forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderPrefix([String; 3]);

/// The text is not a valid prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "1 to {MAX_BYTES} lower-case letters and digits, with hyphens only in between, that do not \
     begin a name of HTTP's own headers"
)]
pub struct InvalidPrefix;

impl Default for HeaderPrefix {
    /// `webhook`, the prefix of Standard Webhooks.
    fn default() -> Self {
        Self::of("webhook")
    }
}

impl HeaderPrefix {
    fn of(prefix: &str) -> Self {
        Self(["id", "timestamp", "signature"].map(|name| format!("{prefix}-{name}")))
    }

    /// The names of the headers for the id, the timestamp and the signature, in this order.
    #[must_use]
    pub fn names(&self) -> [&str; 3] {
        self.0.each_ref().map(String::as_str)
    }
}

impl FromStr for HeaderPrefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let mut parts = text.split('-');
        if text.len() > MAX_BYTES
            || !parts.all(|part| !part.is_empty() && part.bytes().all(is_plain))
        {
            return Err(InvalidPrefix);
        }
        let prefix = Self::of(text);
        let is_free = |name: &&str| HeaderName::parse(name).is_ok();
        match prefix == Self::default() || prefix.names().iter().all(is_free) {
            true => Ok(prefix),
            false => Err(InvalidPrefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_form_three_names() {
        let prefix: HeaderPrefix = "svix".parse().unwrap();
        assert_eq!(
            prefix.names(),
            ["svix-id", "svix-timestamp", "svix-signature"]
        );
        assert_eq!("webhook".parse(), Ok(HeaderPrefix::default()));
        assert!("x-acme-2".parse::<HeaderPrefix>().is_ok());
        assert!("x".repeat(MAX_BYTES).parse::<HeaderPrefix>().is_ok());
    }

    #[test]
    fn malformed_and_reserved_prefixes_are_rejected() {
        let long = "x".repeat(MAX_BYTES + 1);
        for text in [
            "",
            "-",
            "svix-",
            "-svix",
            "a--b",
            "Svix",
            "a_b",
            "a b",
            "é",
            "proxy",
            "content",
            "webhook-x",
            &long,
        ] {
            assert_eq!(text.parse::<HeaderPrefix>(), Err(InvalidPrefix), "{text:?}");
        }
    }
}
