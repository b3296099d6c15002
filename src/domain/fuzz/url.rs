//! Endpoint URLs, under each address policy.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use hyper::Uri;
use url::Url;

use super::egress_rules::is_public;
use super::must;
use crate::domain::address::AddressPolicy;
use crate::domain::egress_rules::{Blocks, EgressRules, Ports, PrivateBlocks};
use crate::domain::target_url::{MAX_URL_BYTES, TargetUrl};

static DEFAULT: LazyLock<EgressRules> = LazyLock::new(|| {
    let (blocked, opened) = (Blocks::default(), PrivateBlocks::default());
    EgressRules::new(Ports::default(), blocked, opened)
});

/// Rules that open a private network, and block a part of it and a public network.
static OPENING: LazyLock<EgressRules> = LazyLock::new(|| {
    let blocked = must("1.1.0.0/16,10.1.9.0/24".parse());
    EgressRules::new(must("80,443".parse()), blocked, must("10.1.0.0/16".parse()))
});

pub(crate) fn run(text: &str) {
    let local = accepted(text, AddressPolicy::PublicAndLoopback);
    let public = accepted(text, AddressPolicy::PublicOnly);
    let opening = accepted(text, AddressPolicy::Operated(&OPENING));
    assert_eq!(public, accepted(text, AddressPolicy::Operated(&DEFAULT)));
    if let Some(url) = &local
        && let Some(address) = address_of(url.url())
    {
        assert!(is_public(address) || address.is_loopback(), "{url}");
    }
    if let Some(url) = &public {
        assert_eq!(local.as_ref(), Some(url));
        assert!(url.url().port().is_none_or(|port| port >= 1024), "{url}");
        let address = address_of(url.url());
        let is_fit = |address: IpAddr| address.is_ipv4() && is_public(address);
        assert!(address.is_none_or(is_fit), "{url}");
        assert!(!is_private_name(url.url()), "{url}");
    }
    if let Some(url) = &opening {
        let port = url.url().port_or_known_default();
        assert!(matches!(port, Some(80 | 443)), "{url}");
        let is_fit = |address| match address {
            IpAddr::V4(address) => match address.octets() {
                [1, 1, ..] | [10, 1, 9, _] => false,
                [10, 1, ..] => true,
                _ => is_public(address.into()),
            },
            IpAddr::V6(_) => false,
        };
        assert!(address_of(url.url()).is_none_or(is_fit), "{url}");
    }
}

/// Parses a URL. If it is accepted, so are the form that is shown and the form that is used
/// for requests, and they mean the same.
fn accepted(text: &str, policy: AddressPolicy) -> Option<TargetUrl> {
    let url = TargetUrl::parse(text, policy).ok()?;
    let shown = url.as_str();
    assert!(shown.is_ascii() && shown.len() <= MAX_URL_BYTES);
    assert!(shown == text || !text.is_ascii());
    assert_eq!(TargetUrl::parse(shown, policy).as_ref(), Ok(&url));
    assert_eq!(TargetUrl::registered(shown).as_ref(), Ok(&url));
    let used = url.url();
    if used.as_str().len() <= MAX_URL_BYTES {
        let again = must(TargetUrl::parse(used.as_str(), policy));
        assert_eq!(again.url(), used);
    }
    assert!(used.username().is_empty() && used.password().is_none());
    assert_eq!(used.fragment(), None);
    assert!(used.scheme() == "https" || policy == AddressPolicy::PublicAndLoopback);
    let uri: Uri = must(used.as_str().parse());
    assert_eq!(uri.host(), used.host_str());
    assert_eq!(uri.port_u16(), used.port());
    Some(url)
}

/// The IP address in a URL. C resolvers know more notations than the standard library. They
/// must not read an address in a host name that we took for a name.
fn address_of(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    if let Some(v6) = host.strip_prefix('[') {
        return Some(must(v6.trim_end_matches(']').parse()));
    }
    let address: Option<IpAddr> = host.parse().ok();
    let of_c = inet_aton(host.trim_end_matches('.')).map(IpAddr::V4);
    assert_eq!(address, of_c, "{host}");
    address
}

/// Parses an address like the C function: one to four numbers, decimal, octal or
/// hexadecimal, of which the last one fills the rest of the address.
fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let number = |text: &str| match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    };
    let numbers: Option<Vec<_>> = text.split('.').map(number).collect();
    let numbers = numbers?;
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|number| *number > 255) {
        return None;
    }
    let room = 32 - 8 * first.len();
    let fits = u64::from(*last) < 1 << room;
    let first = first.iter().zip([24, 16, 8]);
    let first: u32 = first.map(|(number, shift)| number << shift).sum();
    fits.then(|| Ipv4Addr::from_bits(first | last))
}

/// Whether a host name can't belong to a public receiver.
fn is_private_name(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    let host = format!(".{}", host.strip_suffix('.').unwrap_or(&host));
    let domains = [
        "localhost",
        "local",
        "internal",
        "home.arpa",
        "onion",
        "invalid",
        "alt",
    ];
    domains
        .iter()
        .any(|domain| host.ends_with(&format!(".{domain}")))
}
