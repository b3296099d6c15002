//! The URLs that receive deliveries.

use std::fmt;

use url::{Host, ParseError, Url};

use super::address::AddressPolicy;
use super::host_name::{self, CHARACTERS};

/// Maximum length of a URL, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// An absolute `https` URL without credentials and without a fragment.
///
/// Literal addresses are checked against the policy here. Host names are checked by the
/// resolver, on every new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUrl {
    shown: String,
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
        // The parser silently drops or rewrites these (WHATWG URL, "basic URL parser"), so the
        // service would show one URL and use another.
        if given.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err("must not contain whitespace, control characters or backslashes");
        }
        let url = Self::registered(given)?;
        if url.shown.len() > MAX_URL_BYTES {
            return Err("must be at most 2,048 bytes once it is percent-encoded");
        }
        // The parser also repairs `https:host` and `https:///host`.
        let after_scheme = given.get(url.parsed.scheme().len()..).unwrap_or_default();
        if !after_scheme.starts_with("://") || after_scheme.starts_with(":///") {
            return Err(ABSOLUTE);
        }
        // These checks use the text as it was written, because the parser drops empty
        // credentials and an empty port, and percent-decodes the host.
        let authority = after_scheme.trim_start_matches("://");
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(CREDENTIALS);
        }
        if authority.contains('%') {
            return Err(ENCODED);
        }
        if authority.ends_with(':') {
            return Err(PORT);
        }
        if url.parsed.fragment().is_some() {
            return Err("must not contain a fragment");
        }
        if url.parsed.port() == Some(0) {
            return Err(PORT);
        }
        url.check(policy)?;
        Ok(url)
    }

    /// Parses a stored URL. It may have been registered under earlier rules, so it does not
    /// necessarily pass [`TargetUrl::check`].
    ///
    /// # Errors
    /// Returns a message for the caller.
    pub fn registered(text: &str) -> Result<Self, &'static str> {
        let parsed = Url::parse(text).map_err(|error| match error {
            ParseError::InvalidPort => PORT,
            ParseError::IdnaError | ParseError::InvalidDomainCharacter => CHARACTERS,
            ParseError::InvalidIpv4Address | ParseError::InvalidIpv6Address => ADDRESS,
            _ => ABSOLUTE,
        })?;
        // Look-alike letters, and characters that change the direction of text, could make a
        // URL look like a different one. So URLs that are not ASCII are shown encoded.
        let shown = if text.is_ascii() {
            text.to_owned()
        } else {
            parsed.to_string()
        };
        Ok(Self { shown, parsed })
    }

    /// Checks the scheme, port and host against the policy, without resolving the host name.
    /// Repeated before every attempt, because the policy may have changed since registration.
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
        // Both schemes have a default port.
        policy.check_port(self.parsed.port_or_known_default().unwrap_or_default())?;
        let permitted = match self.parsed.host() {
            None => return Err(ABSOLUTE),
            Some(Host::Ipv4(address)) => policy.permits(address.into()),
            Some(Host::Ipv6(address)) if policy.permits(address.into()) && !local => {
                return Err("must not have an IPv6 address: deliveries go out over IPv4");
            }
            Some(Host::Ipv6(address)) => policy.permits(address.into()),
            Some(Host::Domain(name)) => {
                host_name::check(name, policy)?;
                local || !host_name::is_localhost(name)
            }
        };
        if permitted {
            Ok(())
        } else {
            Err("must not have a private, local or reserved address")
        }
    }

    /// The URL to show: exactly as registered, or in the form used for requests if it was not
    /// ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// The normalized URL that is used for requests.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.parsed
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

const ABSOLUTE: &str = "must be an absolute https URL with a host";
const ADDRESS: &str = "must have a valid IP address or host name";
const CREDENTIALS: &str =
    "must not contain credentials: set an Authorization header in `headers` instead";
const ENCODED: &str = "must not have percent-encoded characters in the host";
const PORT: &str = "must have a port from 1 to 65535";

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: AddressPolicy = AddressPolicy::PublicOnly;

    #[test]
    fn ascii_urls_are_kept_verbatim() {
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
    fn unreachable_addresses_are_rejected_with_the_reason() {
        for (host, reason) in [
            ("1.2.3.4.5", ADDRESS),
            ("example.0x1f", ADDRESS),
            ("256.1.1.1", ADDRESS),
            ("[1::2::3]", ADDRESS),
            (
                "[2606:4700:4700::1111]",
                "must not have an IPv6 address: deliveries go out over IPv4",
            ),
            ("example.com:65536", PORT),
            ("example.com:0", PORT),
            ("example.com:00", PORT),
        ] {
            let refused = TargetUrl::parse(&format!("https://{host}/"), PUBLIC);
            assert_eq!(refused, Err(reason), "{host}");
        }
    }

    #[test]
    fn text_that_the_parser_would_rewrite_is_rejected() {
        const UNPRINTED: &str = "must not contain whitespace, control characters or backslashes";
        for (given, reason) in [
            ("https://@example.com/", CREDENTIALS),
            ("https://:@example.com/", CREDENTIALS),
            ("https://user@example.com/", CREDENTIALS),
            ("https://:password@example.com/", CREDENTIALS),
            ("https://@@example.com/", CREDENTIALS),
            ("https://example.com%40@example.com/", CREDENTIALS),
            ("https://@example.com:0/", CREDENTIALS),
            ("https://@example.com?a", CREDENTIALS),
            ("https://@example.com", CREDENTIALS),
            ("https://ex%61mple.com/", ENCODED),
            ("https://%65xample.com", ENCODED),
            ("https://example%2Ecom/", ENCODED),
            ("https://%31%30.0.0.1/", ENCODED),
            ("https://b%C3%BCcher.example/", ENCODED),
            ("https://ex\u{ff05}61mple.com/", CHARACTERS), // a full-width percent sign
            ("https://a\u{ff20}example.com/", CHARACTERS), // a full-width @
            ("https://example.com:/", PORT),
            ("https://example.com:", PORT),
            ("https://example.com:?a", PORT),
            ("https://1.1.1.1:/", PORT),
            ("https://exam\tple.com/", UNPRINTED),
            ("https://example.com/\n", UNPRINTED),
            ("https://example.com\r/", UNPRINTED),
            ("\u{0}https://example.com/", UNPRINTED),
            ("https:\\\\example.com/", UNPRINTED),
            ("https://example.com\\path", UNPRINTED),
            ("https://example.com/a\\b", UNPRINTED),
        ] {
            assert_eq!(TargetUrl::parse(given, PUBLIC), Err(reason), "{given}");
        }
        // After the host, the same characters are up to the receiver.
        for taken in [
            "https://example.com/@user:/%61",
            "https://example.com?to=a@example.com:",
            "https://example.com:0443/",
        ] {
            let url = TargetUrl::parse(taken, PUBLIC);
            assert_eq!(url.as_ref().map(TargetUrl::as_str), Ok(taken));
        }
    }

    #[test]
    fn non_ascii_urls_are_shown_encoded() {
        for (given, shown) in [
            (
                "https://münchen.example/grüße?q=ß",
                "https://xn--mnchen-3ya.example/gr%C3%BC%C3%9Fe?q=%C3%9F",
            ),
            // A Cyrillic letter that looks like a Latin `a`.
            ("https://ex\u{430}mple.com/", "https://xn--exmple-4nf.com/"),
            // U+202E makes the following text run from right to left.
            (
                "https://example.com/\u{202e}moc.live",
                "https://example.com/%E2%80%AEmoc.live",
            ),
            (
                "https://example.com/?\u{2066}\u{200b}",
                "https://example.com/?%E2%81%A6%E2%80%8B",
            ),
            ("HTTPS://EXAMPLE.com:443/é", "https://example.com/%C3%A9"),
        ] {
            let url = TargetUrl::parse(given, PUBLIC).unwrap();
            assert_eq!(url.as_str(), shown, "{given}");
            assert_eq!(TargetUrl::parse(shown, PUBLIC).as_ref(), Ok(&url));
        }
        let longest = format!("https://example.com/{}", "é".repeat(338));
        assert!(TargetUrl::parse(&longest, PUBLIC).is_ok());
        assert!(TargetUrl::parse(&format!("{longest}é"), PUBLIC).is_err());
    }

    #[test]
    fn urls_of_earlier_rules_can_be_read_but_not_used() {
        for old in [
            "https://a{b}.example.com/",
            "https://[2606:4700:4700::1111]/",
            "https://receiver.onion/",
            "http://a.b/",
        ] {
            let url = TargetUrl::registered(old).unwrap();
            assert_eq!(url.as_str(), old);
            assert!(url.check(PUBLIC).is_err(), "{old}");
        }
    }

    #[test]
    fn development_policy_accepts_http_and_loopback() {
        let local = AddressPolicy::PublicAndLoopback;
        for taken in [
            "http://127.0.0.1:3001/",
            "http://localhost:3001/x",
            "http://[::1]:3001/",
            "https://example.com",
        ] {
            assert!(TargetUrl::parse(taken, local).is_ok(), "{taken}");
        }
        assert!(TargetUrl::parse("http://10.0.0.1/", local).is_err());
        let url = TargetUrl::parse("http://127.0.0.1:3001/", local).unwrap();
        assert!(url.check(PUBLIC).is_err());
    }
}
