//! The URL that receives an endpoint's deliveries.

use std::fmt;

use url::{Host, Url};

use super::address::AddressPolicy;

/// Maximum length of a URL, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// An absolute `https` URL with a host and without credentials or a fragment.
///
/// Parsing checks literal addresses against the policy. The resolver checks host
/// names, for every new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUrl {
    given: String,
    parsed: Url,
}

impl TargetUrl {
    /// Parses a URL. [`AddressPolicy::PublicAndLoopback`] also allows `http`.
    ///
    /// # Errors
    /// Returns a message for the caller.
    pub fn parse(given: &str, policy: AddressPolicy) -> Result<Self, &'static str> {
        if given.len() > MAX_URL_BYTES {
            return Err("must be at most 2,048 bytes");
        }
        // The parser silently drops or rewrites these (WHATWG URL, "basic URL
        // parser"). We would then show one URL and use another.
        if given.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err("must not contain whitespace, control characters or backslashes");
        }
        let parsed = Url::parse(given).map_err(|_| ABSOLUTE)?;
        // The parser also repairs `https:host` and `https:///host`.
        let after_scheme = given.get(parsed.scheme().len()..).unwrap_or_default();
        if !after_scheme.starts_with("://") || after_scheme.starts_with(":///") {
            return Err(ABSOLUTE);
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err("must not contain credentials");
        }
        if parsed.fragment().is_some() {
            return Err("must not contain a fragment");
        }
        if parsed.port() == Some(0) {
            return Err("must not use port 0");
        }
        let url = Self {
            given: given.to_owned(),
            parsed,
        };
        url.check(policy)?;
        Ok(url)
    }

    /// Checks the scheme and host against the policy, without resolving host names.
    /// Runs again before every attempt, because the policy may have changed since
    /// registration.
    ///
    /// # Errors
    /// Returns a message for the caller.
    pub fn check(&self, policy: AddressPolicy) -> Result<(), &'static str> {
        let local = policy == AddressPolicy::PublicAndLoopback;
        match self.parsed.scheme() {
            "https" => {}
            "http" if local => {}
            _ => return Err(ABSOLUTE),
        }
        let permitted = match self.parsed.host() {
            None => return Err(ABSOLUTE),
            Some(Host::Ipv4(address)) => policy.permits(address.into()),
            Some(Host::Ipv6(address)) => policy.permits(address.into()),
            Some(Host::Domain(name)) => local || !is_localhost(name),
        };
        if permitted {
            Ok(())
        } else {
            Err("must not have a private, local or reserved address")
        }
    }

    /// The URL exactly as registered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// The parsed and normalized URL, as used for requests.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.parsed
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

const ABSOLUTE: &str = "must be an absolute https URL with a host";

/// `localhost` and its subdomains are loopback by definition (RFC 6761, 6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: AddressPolicy = AddressPolicy::PublicOnly;

    #[test]
    fn registered_url_is_kept_verbatim() {
        let given = "https://Example.com:8443/a%20b?c=d";
        let url = TargetUrl::parse(given, PUBLIC).unwrap();
        assert_eq!(url.as_str(), given);
        assert_eq!(url.url().host_str(), Some("example.com"));
        let longest = format!("https://example.com/{}", "a".repeat(2028));
        assert_eq!(longest.len(), MAX_URL_BYTES);
        assert!(TargetUrl::parse(&longest, PUBLIC).is_ok());
        assert!(TargetUrl::parse(&format!("{longest}a"), PUBLIC).is_err());
    }

    #[test]
    fn only_absolute_https_urls_are_accepted() {
        for refused in [
            "",
            "example.com",
            "/path",
            "//example.com",
            "https:",
            "https://",
            "https:///example.com",
            "https:example.com",
            "https:/example.com",
            "http://example.com",
            "ftp://example.com",
            "https://user@example.com",
            "https://user:pass@example.com",
            "https://:pass@example.com",
            "https://example.com/#fragment",
            "https://example.com/#",
            "https://example.com:0/",
            "https://example.com:65536/",
            "https://exa mple.com",
            " https://example.com",
            "https://example.com/a\nb",
            "https://example.com\\@evil.example",
            "https://[::1",
        ] {
            assert!(TargetUrl::parse(refused, PUBLIC).is_err(), "{refused}");
        }
    }

    #[test]
    fn private_addresses_are_refused_in_every_notation() {
        for refused in [
            "https://127.0.0.1/",
            "https://2130706433/", // decimal
            "https://0x7f000001/", // hexadecimal
            "https://0177.0.0.1/", // octal
            "https://127.1/",      // short
            "https://127.0.0.1./", // trailing dot
            "https://①②⑦.0.0.1/",  // circled digits, mapped by IDNA
            "https://10.0.0.8/",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00:ec2::254]/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
        ] {
            assert!(TargetUrl::parse(refused, PUBLIC).is_err(), "{refused}");
        }
        assert!(TargetUrl::parse("https://1.1.1.1/", PUBLIC).is_ok());
        assert!(TargetUrl::parse("https://localhost.example.com/", PUBLIC).is_ok());
    }

    #[test]
    fn development_policy_accepts_http_and_loopback() {
        let local = AddressPolicy::PublicAndLoopback;
        for taken in [
            "http://127.0.0.1:3001/",
            "http://localhost:3001/x",
            "https://example.com",
        ] {
            assert!(TargetUrl::parse(taken, local).is_ok(), "{taken}");
        }
        assert!(TargetUrl::parse("http://10.0.0.1/", local).is_err());
        let url = TargetUrl::parse("http://127.0.0.1:3001/", local).unwrap();
        assert!(url.check(PUBLIC).is_err());
    }
}
