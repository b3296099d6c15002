//! Checks of host names, without looking them up.

use super::address::AddressPolicy;

/// Maximum length of a host name as text, in bytes (RFC 1035, 3.1).
const MAX_HOST_BYTES: usize = 253;

/// Maximum length of a label of a host name, in bytes.
const MAX_LABEL_BYTES: usize = 63;

pub(super) const CHARACTERS: &str = "must have a host of letters, digits, hyphens and \
                                     underscores, in parts that neither begin nor end with \
                                     a hyphen";
const LABEL: &str = "must have a host whose parts are 1 to 63 characters long";
const LENGTH: &str = "must have a host of at most 253 characters";
const NOT_IN_DNS: &str = "must not have a host that ends in .alt, .invalid or .onion: DNS \
                          never has such names";
const PRIVATE: &str = "must not have a host that ends in .home.arpa, .internal or .local: \
                       such names exist in private networks only";

/// Domains that are never in DNS: RFC 9476, RFC 6761 (6.4) and RFC 7686, which asks
/// applications not even to look up the last one.
///
/// `test` and `example` are not on the list. RFC 6761 (6.2, 6.5) asks applications to treat
/// them like other domains, and people use them to test or document a setup.
const NEVER_IN_DNS: [&str; 3] = ["alt", "invalid", "onion"];

/// Domains that exist only in private networks: RFC 8375, ICANN's decision of 2024, and RFC
/// 6762, whose domain is meant for multicast DNS, but is also used for private zones.
const ONLY_PRIVATE: [&str; 3] = ["home.arpa", "internal", "local"];

/// Checks that a delivery to this host name could ever succeed: DNS and TLS allow it, and it is
/// not limited to private networks, unless the policy opens some. The URL parser accepts more
/// names, which would fail later, when the request is built, or in DNS or TLS.
pub(super) fn check(name: &str, policy: AddressPolicy) -> Result<(), &'static str> {
    if name.len() > MAX_HOST_BYTES {
        return Err(LENGTH);
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    for label in without_root(name).split('.') {
        if !label.chars().all(is_part) || label.starts_with('-') || label.ends_with('-') {
            return Err(CHARACTERS);
        }
        if !(1..=MAX_LABEL_BYTES).contains(&label.len()) {
            return Err(LABEL);
        }
    }
    let is_in = |domain: &&str| is_within(name, domain);
    if NEVER_IN_DNS.iter().any(is_in) {
        return Err(NOT_IN_DNS);
    }
    if !policy.opens_private_networks() && ONLY_PRIVATE.iter().any(is_in) {
        return Err(PRIVATE);
    }
    Ok(())
}

/// `localhost` and its subdomains are loopback by definition (RFC 6761, 6.3).
pub(super) fn is_localhost(name: &str) -> bool {
    is_within(name, "localhost")
}

/// Whether the name is this domain or one of its subdomains. Case-insensitive.
fn is_within(name: &str, domain: &str) -> bool {
    let mut labels = without_root(name).rsplit('.');
    domain.rsplit('.').all(|part| {
        labels
            .next()
            .is_some_and(|label| label.eq_ignore_ascii_case(part))
    })
}

fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::egress_rules::{Blocks, EgressRules, Ports, PrivateBlocks};
    use crate::domain::target_url::TargetUrl;

    const PUBLIC: AddressPolicy = AddressPolicy::PublicOnly;

    fn parsed(host: &str, policy: AddressPolicy) -> Result<(), &'static str> {
        TargetUrl::parse(&format!("https://{host}/"), policy).map(|_| ())
    }

    fn opening(blocks: &str) -> AddressPolicy {
        let opened: PrivateBlocks = blocks.parse().unwrap();
        let rules = EgressRules::new(Ports::default(), Blocks::default(), opened);
        AddressPolicy::Operated(Box::leak(Box::new(rules)))
    }

    #[test]
    fn hosts_invalid_in_dns_or_tls_are_rejected_with_the_reason() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(longest.len(), MAX_HOST_BYTES);
        for (host, reason) in [
            ("a{b}.example.com", CHARACTERS),
            ("a!b.example.com", CHARACTERS),
            ("*.example.com", CHARACTERS),
            ("a~b.example.com", CHARACTERS),
            ("a'b;c=d,e.example.com", CHARACTERS),
            ("-a.example.com", CHARACTERS),
            ("a-.example.com", CHARACTERS),
            ("xn--a.example.com", CHARACTERS), // invalid Punycode
            ("%00.example.com", CHARACTERS),
            (&format!("{label}a.example.com"), LABEL),
            ("a..example.com", LABEL),
            (".example.com", LABEL),
            ("example.com..", LABEL),
            ("example.com...", LABEL),
            (".", LABEL),
            (&format!("{longest}a"), LENGTH),
        ] {
            assert_eq!(parsed(host, PUBLIC), Err(reason), "{host}");
        }
        for host in [
            &longest,
            "example.com.",
            "_dmarc.a_b.example.com",
            "a--b.example.com",
            "1.example.com",
            "localhost.example.com",
            "intranet",
            "xn--mnchen-3ya.de",
        ] {
            assert_eq!(parsed(host, PUBLIC), Ok(()), "{host}");
        }
    }

    #[test]
    fn names_that_are_never_public_are_rejected_with_the_reason() {
        let local = AddressPolicy::PublicAndLoopback;
        for host in [
            "receiver.invalid",
            "receiver.onion",
            "a.b.Onion.",
            "receiver.alt",
            "invalid",
        ] {
            for policy in [PUBLIC, local, opening("10.0.0.0/8")] {
                assert_eq!(parsed(host, policy), Err(NOT_IN_DNS), "{host}");
            }
        }
        for host in [
            "receiver.local",
            "RECEIVER.LOCAL.",
            "a.b.internal",
            "router.home.arpa",
            "local",
        ] {
            for policy in [PUBLIC, opening("")] {
                assert_eq!(parsed(host, policy), Err(PRIVATE), "{host}");
            }
            for policy in [local, opening("10.0.0.0/8")] {
                assert_eq!(parsed(host, policy), Ok(()), "{host}");
            }
        }
        for host in [
            "receiver.test",
            "receiver.example",
            "example.com",
            "a.example.org",
            "onion.example.com",
            "myonion",
            "invalid.local.example.net",
            "arpa",
            "xhome.arpa",
        ] {
            assert_eq!(parsed(host, PUBLIC), Ok(()), "{host}");
        }
    }
}
