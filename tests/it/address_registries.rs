//! Checks the address guard against the IANA special-purpose address registries.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use webhook_endpoints::domain::address::AddressPolicy;

/// All entries of the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC
/// 8190), with whether each is globally reachable, and the multicast blocks, which have
/// their own registries.
const REGISTRIES: [(&str, &str, bool); 53] = [
    ("0.0.0.0/8", "This network", false),
    ("0.0.0.0/32", "This host on this network", false),
    ("10.0.0.0/8", "Private-Use", false),
    ("100.64.0.0/10", "Shared Address Space", false),
    ("127.0.0.0/8", "Loopback", false),
    ("169.254.0.0/16", "Link Local", false),
    ("172.16.0.0/12", "Private-Use", false),
    ("192.0.0.0/24", "IETF Protocol Assignments", false),
    ("192.0.0.0/29", "IPv4 Service Continuity Prefix", false),
    ("192.0.0.8/32", "IPv4 dummy address", false),
    ("192.0.0.9/32", "Port Control Protocol Anycast", true),
    (
        "192.0.0.10/32",
        "Traversal Using Relays around NAT Anycast",
        true,
    ),
    ("192.0.0.170/32", "NAT64/DNS64 Discovery", false),
    ("192.0.0.171/32", "NAT64/DNS64 Discovery", false),
    ("192.0.2.0/24", "Documentation (TEST-NET-1)", false),
    ("192.31.196.0/24", "AS112-v4", true),
    ("192.52.193.0/24", "AMT", true),
    ("192.88.99.0/24", "Deprecated (6to4 Relay Anycast)", true),
    ("192.88.99.2/32", "6a44-relay anycast address", false),
    ("192.168.0.0/16", "Private-Use", false),
    ("192.175.48.0/24", "Direct Delegation AS112 Service", true),
    ("198.18.0.0/15", "Benchmarking", false),
    ("198.51.100.0/24", "Documentation (TEST-NET-2)", false),
    ("203.0.113.0/24", "Documentation (TEST-NET-3)", false),
    ("224.0.0.0/4", "Multicast", false),
    ("240.0.0.0/4", "Reserved", false),
    ("255.255.255.255/32", "Limited Broadcast", false),
    ("::1/128", "Loopback Address", false),
    ("::/128", "Unspecified Address", false),
    ("::ffff:0:0/96", "IPv4-mapped Address", false),
    ("64:ff9b::/96", "IPv4-IPv6 Translat.", true),
    ("64:ff9b:1::/48", "IPv4-IPv6 Translat.", false),
    ("100::/64", "Discard-Only Address Block", false),
    ("100:0:0:1::/64", "Dummy IPv6 Prefix", false),
    ("2001::/23", "IETF Protocol Assignments", false),
    ("2001::/32", "TEREDO", false),
    ("2001:1::1/128", "Port Control Protocol Anycast", true),
    (
        "2001:1::2/128",
        "Traversal Using Relays around NAT Anycast",
        true,
    ),
    (
        "2001:1::3/128",
        "DNS-SD Service Registration Protocol Anycast",
        true,
    ),
    ("2001:2::/48", "Benchmarking", false),
    ("2001:3::/32", "AMT", true),
    ("2001:4:112::/48", "AS112-v6", true),
    ("2001:10::/28", "Deprecated (previously ORCHID)", false),
    ("2001:20::/28", "ORCHIDv2", true),
    ("2001:30::/28", "Drone Remote ID Protocol Entity Tags", true),
    ("2001:db8::/32", "Documentation", false),
    ("2002::/16", "6to4", false),
    ("2620:4f:8000::/48", "Direct Delegation AS112 Service", true),
    ("3fff::/20", "Documentation", false),
    ("5f00::/16", "Segment Routing (SRv6) SIDs", false),
    ("fc00::/7", "Unique-Local", false),
    ("fe80::/10", "Link-Local Unicast", false),
    ("ff00::/8", "Multicast", false),
];

/// Blocks whose addresses embed an IPv4 address, which decides.
const EMBEDDING: [&str; 2] = ["::ffff:0:0/96", "64:ff9b::/96"];

fn permitted(address: IpAddr) -> bool {
    AddressPolicy::PublicOnly.permits(address)
}

/// The first, last and middle address of a block.
fn samples(block: IpNet) -> [IpAddr; 3] {
    let middle = match (block.network(), block.broadcast()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            Ipv4Addr::from_bits(first.to_bits() / 2 + last.to_bits() / 2).into()
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            std::net::Ipv6Addr::from_bits(first.to_bits() / 2 + last.to_bits() / 2).into()
        }
        _ => unreachable!("a block has one family"),
    };
    [block.network(), middle, block.broadcast()]
}

#[test]
fn special_purpose_addresses_are_refused() {
    let mut checked = 0;
    for (block, name, _) in REGISTRIES {
        if EMBEDDING.contains(&block) {
            continue;
        }
        let net: IpNet = block.parse().unwrap();
        for address in samples(net) {
            assert!(!permitted(address), "{address} of {block}, {name}");
            checked += 1;
        }
    }
    assert_eq!(checked, (REGISTRIES.len() - EMBEDDING.len()) * 3);
}

#[test]
fn embedded_ipv4_addresses_follow_the_ipv4_rules() {
    let public = ["1.1.1.1", "8.8.8.8", "223.255.255.254"];
    let special = REGISTRIES
        .iter()
        .filter_map(|(block, _, _)| block.parse::<IpNet>().ok())
        .filter(|net| matches!(net, IpNet::V4(_)))
        .flat_map(samples);
    let addresses = public.into_iter().map(|text| text.parse().unwrap());
    for address in addresses.chain(special) {
        let IpAddr::V4(v4) = address else {
            panic!("not IPv4");
        };
        let [a, b, c, d] = v4.octets();
        let mapped: IpAddr = v4.to_ipv6_mapped().into();
        let nat64: IpAddr = format!("64:ff9b::{a:x}{b:02x}:{c:x}{d:02x}")
            .parse()
            .unwrap();
        assert_eq!(permitted(mapped), permitted(address), "{mapped}");
        assert_eq!(permitted(nat64), permitted(address), "{nat64}");
    }
}

#[test]
fn addresses_next_to_a_special_block_are_permitted() {
    for outside in [
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2003::",
        "3ffe:ffff::",
        "3fff:1000::",
    ] {
        assert!(permitted(outside.parse().unwrap()), "{outside}");
    }
}
