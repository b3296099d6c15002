//! The operator's egress rules. The first three lines of the input are ports, blocked CIDR
//! blocks and opened CIDR blocks. Each further line is an address.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::must;
use crate::domain::address::{AddressPolicy, is_permitted_by};
use crate::domain::egress_rules::{Blocks, EgressRules, Ports, PrivateBlocks};

pub(crate) fn run(text: &str) {
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (ports, blocked, opened) = (next(), next(), next());
    let addresses: Vec<IpAddr> = lines.filter_map(|line| line.parse().ok()).collect();
    for address in &addresses {
        let address = address.to_canonical();
        let permits = |policy: AddressPolicy| policy.permits(address);
        assert_eq!(permits(AddressPolicy::PublicOnly), is_public(address));
        let local = is_public(address) || address.is_loopback();
        assert_eq!(permits(AddressPolicy::PublicAndLoopback), local);
    }
    let ports = ports_of(ports);
    if let (Ok(_), Ok(_)) = (blocked.parse::<Blocks>(), opened.parse::<PrivateBlocks>()) {
        check_blocks(ports.unwrap_or_default(), blocked, opened, &addresses);
    }
}

/// Parses ports. The list in an error message parses to the same ports.
fn ports_of(text: &str) -> Option<Ports> {
    let ports: Ports = text.parse().ok()?;
    assert!(!ports.contain(0));
    let again = ports.to_string().replace(" to ", "-");
    assert_eq!(must(again.parse::<Ports>()), ports);
    let no = EgressRules::new(ports.clone(), Blocks::default(), PrivateBlocks::default());
    for port in [0, 1, 22, 80, 443, 1023, 1024, 65535] {
        assert_eq!(no.check_port(port).is_ok(), ports.contain(port));
    }
    Some(ports)
}

fn check_blocks(ports: Ports, blocked: &str, opened: &str, addresses: &[IpAddr]) {
    let rules = EgressRules::new(ports, must(blocked.parse()), must(opened.parse()));
    let [blocked, opened] = [blocked, opened].map(nets);
    for net in &opened {
        for end in [net.network(), net.broadcast()] {
            assert!(is_private(end), "{net} is opened");
        }
    }
    assert_eq!(rules.open_any(), !opened.is_empty());
    let ends = blocked.iter().chain(&opened);
    let ends = ends.flat_map(|net| [net.network(), net.broadcast()]);
    for address in addresses.iter().copied().chain(ends) {
        let address = address.to_canonical();
        let is_in = |nets: &[IpNet], address: IpAddr| nets.iter().any(|net| net.contains(&address));
        let target = through_gateway(address).unwrap_or(address);
        let is_blocked = is_in(&blocked, address) || is_in(&blocked, target);
        let is_allowed = is_public(address) || is_in(&opened, address);
        let permitted = is_permitted_by(&rules, address);
        assert_eq!(permitted, is_allowed && !is_blocked, "{address}");
        assert!(
            !permitted || is_public(target) || is_private(target),
            "{address}"
        );
    }
}

fn nets(text: &str) -> Vec<IpNet> {
    let texts = text
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty());
    texts.map(|text| must(text.parse())).collect()
}

/// Whether the operator may open an address (RFC 1918 and RFC 6598).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || matches!(v4.octets(), [100, 64..=127, ..]),
        IpAddr::V6(_) => false,
    }
}

/// The IPv4 address that a NAT64 gateway forwards to.
fn through_gateway(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V6(v6) if v6.segments().starts_with(&[0x64, 0xff9b, 0, 0, 0, 0]) => {
            let [.., a, b, c, d] = v6.octets();
            Some([a, b, c, d].into())
        }
        _ => None,
    }
}

/// Whether an address is public, computed in another way than the code does it: with the
/// standard library, and by hand for the blocks that it does not know.
pub(super) fn is_public(address: IpAddr) -> bool {
    let address = address.to_canonical();
    match (through_gateway(address), address) {
        (Some(target), _) => is_public(target),
        (None, IpAddr::V4(v4)) => {
            let is_special = v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_documentation();
            let is_registered = match v4.octets() {
                [0 | 240..=255, ..] | [198, 18 | 19, ..] => true,
                [192, b, c, _] => {
                    [(0, 0), (31, 196), (52, 193), (88, 99), (175, 48)].contains(&(b, c))
                }
                _ => false,
            };
            !(is_special || is_registered || is_private(address))
        }
        (None, IpAddr::V6(v6)) => is_public_v6(v6),
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] => false,
        [0x2620, 0x4f, 0x8000, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first >> 13 == 1,
    }
}
