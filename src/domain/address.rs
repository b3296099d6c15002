//! Which addresses webhooks may be sent to. This protects against server-side
//! request forgery (SSRF).
//!
//! We refuse every block in the IANA IPv4 and IPv6 special-purpose address
//! registries (RFC 6890), multicast, and IPv6 addresses that embed a refused IPv4
//! address. That includes the few special-purpose blocks that are globally
//! reachable (anycast relays, AS112), because they don't host webhook receivers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Which addresses deliveries may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Public unicast addresses only.
    PublicOnly,
    /// Public unicast and loopback addresses, for local development.
    PublicAndLoopback,
}

impl AddressPolicy {
    /// Whether a connection to `address` is allowed.
    #[must_use]
    pub fn permits(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || (self == Self::PublicAndLoopback && address.is_loopback())
    }
}

/// The IPv4 special-purpose registry, and multicast.
const REFUSED_V4: [Ipv4Net; 18] = [
    v4([0, 0, 0, 0], 8),       // "this network", RFC 791
    v4([10, 0, 0, 0], 8),      // private use, RFC 1918
    v4([100, 64, 0, 0], 10),   // shared address space, RFC 6598
    v4([127, 0, 0, 0], 8),     // loopback, RFC 1122
    v4([169, 254, 0, 0], 16),  // link local with instance metadata, RFC 3927
    v4([172, 16, 0, 0], 12),   // private use, RFC 1918
    v4([192, 0, 0, 0], 24),    // IETF protocol assignments, RFC 6890
    v4([192, 0, 2, 0], 24),    // documentation, RFC 5737
    v4([192, 31, 196, 0], 24), // AS112, RFC 7535
    v4([192, 52, 193, 0], 24), // AMT, RFC 7450
    v4([192, 88, 99, 0], 24),  // 6to4 relay anycast, RFC 7526
    v4([192, 168, 0, 0], 16),  // private use, RFC 1918
    v4([192, 175, 48, 0], 24), // AS112, RFC 7534
    v4([198, 18, 0, 0], 15),   // benchmarking, RFC 2544
    v4([198, 51, 100, 0], 24), // documentation, RFC 5737
    v4([203, 0, 113, 0], 24),  // documentation, RFC 5737
    v4([224, 0, 0, 0], 4),     // multicast, RFC 5771
    v4([240, 0, 0, 0], 4),     // reserved and limited broadcast, RFC 1112
];

/// Global unicast, RFC 4291. It contains all public IPv6 addresses.
const GLOBAL_UNICAST_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Blocks of the IPv6 special-purpose registry that lie within global unicast.
const REFUSED_V6: [Ipv6Net; 5] = [
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), // IETF protocol assignments with Teredo, RFC 2928
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation, RFC 3849
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), // 6to4, which embeds IPv4, RFC 3056
    v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), // AS112, RFC 7534
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), // documentation, RFC 9637
];

/// The well-known NAT64 prefix, RFC 6052. The last 32 bits are an IPv4 address.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

const fn v4(address: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = address;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(s: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(
        Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]),
        prefix,
    )
}

/// Whether `address` is public unicast. For IPv4-mapped and NAT64 addresses, the
/// embedded IPv4 address decides.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !REFUSED_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            is_public(Ipv4Addr::new(a, b, c, d).into())
        }
        IpAddr::V6(address) => {
            GLOBAL_UNICAST_V6.contains(&address)
                && !REFUSED_V6.iter().any(|net| net.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(policy: AddressPolicy, text: &str) -> bool {
        policy.permits(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_permitted() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00::1",
            "2001:200::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(permits(AddressPolicy::PublicOnly, public), "{public}");
        }
    }

    #[test]
    fn first_and_last_addresses_of_every_special_block_are_refused() {
        for net in REFUSED_V4 {
            for address in [net.network(), net.broadcast()] {
                let mapped = address.to_ipv6_mapped();
                let nat64 =
                    Ipv6Addr::from_bits(NAT64.network().to_bits() | u128::from(address.to_bits()));
                for form in [address.into(), IpAddr::from(mapped), IpAddr::from(nat64)] {
                    assert!(!AddressPolicy::PublicOnly.permits(form), "{form} of {net}");
                }
            }
        }
        for net in REFUSED_V6 {
            for address in [net.network(), net.broadcast()] {
                assert!(
                    !AddressPolicy::PublicOnly.permits(address.into()),
                    "{address} of {net}"
                );
            }
        }
    }

    #[test]
    fn ipv6_outside_global_unicast_is_refused() {
        for refused in [
            "::",
            "::1",
            "::7f00:1",      // IPv4-compatible, deprecated
            "64:ff9b:1::1",  // local-use NAT64, RFC 8215
            "100::1",        // discard only
            "5f00::1",       // segment routing
            "fc00::1",       // unique local
            "fd00:ec2::254", // instance metadata over IPv6
            "fe80::1",       // link local
            "fec0::1",       // site local, deprecated
            "ff02::1",       // multicast
            "4000::1",       // not assigned
        ] {
            assert!(!permits(AddressPolicy::PublicOnly, refused), "{refused}");
        }
    }

    #[test]
    fn development_policy_adds_only_loopback() {
        let policy = AddressPolicy::PublicAndLoopback;
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(permits(policy, loopback), "{loopback}");
        }
        for refused in ["10.0.0.1", "169.254.169.254", "0.0.0.0", "fd00::1"] {
            assert!(!permits(policy, refused), "{refused}");
        }
    }
}
