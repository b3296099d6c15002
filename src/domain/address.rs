//! The addresses that webhooks may be sent to, which is the protection against server-side
//! request forgery (SSRF).
//!
//! Refused are all blocks in the IANA IPv4 and IPv6 special-purpose address registries (RFC
//! 6890), multicast, and IPv6 addresses that embed a refused IPv4 address. That includes the
//! few special-purpose blocks that are globally reachable (anycast relays, AS112), because
//! they don't host webhook receivers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::egress_rules::EgressRules;

/// Decides which addresses deliveries may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Public unicast addresses only.
    PublicOnly,
    /// Public unicast and loopback addresses, and every port, for local development.
    PublicAndLoopback,
    /// Public unicast addresses, modified by the operator's rules. The rules are leaked once at
    /// the start, so that the policy is `Copy`.
    Operated(&'static EgressRules),
}

impl AddressPolicy {
    /// Whether a connection to `address` is allowed.
    #[must_use]
    pub fn permits(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::PublicOnly => is_public(address),
            Self::PublicAndLoopback => is_public(address) || address.is_loopback(),
            Self::Operated(rules) => is_permitted_by(rules, address),
        }
    }

    /// Whether deliveries can reach any private network.
    #[must_use]
    pub fn opens_private_networks(self) -> bool {
        match self {
            Self::PublicOnly => false,
            Self::PublicAndLoopback => true,
            Self::Operated(rules) => rules.open_any(),
        }
    }

    /// Checks that URLs may have this port.
    ///
    /// # Errors
    /// A message for the caller.
    pub fn check_port(self, port: u16) -> Result<(), &'static str> {
        match self {
            Self::PublicAndLoopback => Ok(()),
            Self::PublicOnly if port == 443 || port >= 1024 => Ok(()),
            Self::PublicOnly => Err("must use port 443 or one from 1024 to 65535"),
            Self::Operated(rules) => rules.check_port(port),
        }
    }
}

/// The IPv4 special-purpose address registry, and multicast.
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

/// The blocks of the IPv6 special-purpose address registry within global unicast.
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

/// The IPv4 address that an IPv4-mapped or NAT64 address embeds, or the address itself.
fn embedded(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        address => address,
    }
}

/// Whether an operator's rules allow connections to this address, which is canonical.
pub(super) fn is_permitted_by(rules: &EgressRules, address: IpAddr) -> bool {
    // A NAT64 gateway would forward to the embedded address, so blocking that one blocks
    // both. Opening it opens only the address itself.
    let blocked = rules.block(address) || rules.block(embedded(address));
    !blocked && (is_public(address) || rules.open(address))
}

/// Whether `address` is public unicast. IPv4-mapped and NAT64 addresses are as public as the
/// IPv4 address that they embed.
fn is_public(address: IpAddr) -> bool {
    match embedded(address) {
        IpAddr::V4(address) => !REFUSED_V4.iter().any(|net| net.contains(&address)),
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
    fn operators_block_and_open_exactly_the_listed_blocks() {
        let rules = EgressRules::new(
            "443".parse().unwrap(),
            "203.0.112.0/24, 2600::/12, 10.1.9.0/24".parse().unwrap(),
            "10.1.0.0/16".parse().unwrap(),
        );
        let policy = AddressPolicy::Operated(Box::leak(Box::new(rules)));
        for permitted in ["1.1.1.1", "203.0.111.255", "10.1.0.0", "10.1.255.255"] {
            assert!(permits(policy, permitted), "{permitted}");
        }
        assert!(permits(policy, "::ffff:10.1.0.1"));
        for refused in [
            "203.0.112.0",
            "203.0.112.255",
            "::ffff:203.0.112.1",
            "64:ff9b::203.0.112.1",
            "2600::1",
            "10.1.9.1",
            "10.0.255.255",
            "10.2.0.0",
            "64:ff9b::10.1.0.1",
            "fd12::1",
            "127.0.0.1",
            "0.0.0.0",
            "169.254.169.254",
            "fd00:ec2::254",
            "192.168.0.1",
        ] {
            assert!(!permits(policy, refused), "{refused}");
        }
    }

    #[test]
    fn ports_below_1024_are_refused_except_443() {
        for port in [443, 1024, 8443, 65535] {
            assert_eq!(AddressPolicy::PublicOnly.check_port(port), Ok(()));
        }
        for port in [1, 22, 25, 80, 442, 444, 1023] {
            assert!(AddressPolicy::PublicOnly.check_port(port).is_err());
            assert!(AddressPolicy::PublicAndLoopback.check_port(port).is_ok());
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
