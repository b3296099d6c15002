//! The operator's rules for where deliveries may go, on top of the built-in ones.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// The ports that an operator allows, and the addresses that an operator blocks and opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressRules {
    ports: Ports,
    blocked: Blocks,
    opened: PrivateBlocks,
    /// The message for a refused port. Kept, because it lists the allowed ones.
    port_refusal: String,
}

/// Ports that URLs may have: `443,1024-65535`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(Vec<RangeInclusive<u16>>);

/// CIDR blocks: `198.51.100.0/24,2001:db8::/32`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blocks(Vec<IpNet>);

/// IPv4 blocks for private use. No others can be opened: link-local addresses (instance
/// metadata), loopback and the like never belong to a receiver, and deliveries do not use IPv6.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrivateBlocks(Vec<Ipv4Net>);

/// The text is not a list of ports. The message says what is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ports from 1 to 65535 and ranges of them, separated by commas, such as 443,1024-65535")]
pub struct InvalidPorts;

/// The text is not a list of blocks. The message says what is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("CIDR blocks separated by commas, such as 198.51.100.0/24,2001:db8::/32")]
pub struct InvalidBlocks;

/// The text is not a list of blocks for private use. The message says what is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "CIDR blocks within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10, separated \
     by commas"
)]
pub struct InvalidPrivateBlocks;

/// The blocks that can be opened: private use (RFC 1918) and the shared address space (RFC
/// 6598), which VPCs use too.
const PRIVATE_V4: [Ipv4Net; 4] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
];

impl EgressRules {
    /// Rules that allow these ports, block addresses even if they are public, and open private
    /// ones.
    #[must_use]
    pub fn new(ports: Ports, blocked: Blocks, opened: PrivateBlocks) -> Self {
        Self {
            port_refusal: format!("must use one of the ports {ports}"),
            ports,
            blocked,
            opened,
        }
    }

    /// Whether these are the rules of a deployment that sets none.
    #[must_use]
    pub fn are_default(&self) -> bool {
        self.ports == Ports::default() && self.blocked.0.is_empty() && self.opened.0.is_empty()
    }

    /// Checks that URLs may have this port.
    ///
    /// # Errors
    /// A message for the caller.
    pub fn check_port(&self, port: u16) -> Result<(), &str> {
        match self.ports.contain(port) {
            true => Ok(()),
            false => Err(&self.port_refusal),
        }
    }

    /// Whether the operator blocks this address.
    #[must_use]
    pub fn block(&self, address: IpAddr) -> bool {
        self.blocked.0.iter().any(|net| net.contains(&address))
    }

    /// Whether the operator opens any private address.
    #[must_use]
    pub fn open_any(&self) -> bool {
        !self.opened.0.is_empty()
    }

    /// Whether the operator opens this private address. [`Self::block`] takes precedence.
    #[must_use]
    pub fn open(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.opened.0.iter().any(|net| net.contains(&address)),
            IpAddr::V6(_) => false,
        }
    }
}

impl Ports {
    /// Whether the port is allowed.
    #[must_use]
    pub fn contain(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }
}

impl Default for Ports {
    /// 443 and the unprivileged ports. The other ones belong to services that are not webhook
    /// receivers, such as mail servers.
    fn default() -> Self {
        Self(vec![443..=443, 1024..=65535])
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match (range.start(), range.end()) {
                (one, same) if one == same => write!(f, "{comma}{one}")?,
                (first, last) => write!(f, "{comma}{first} to {last}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Ports {
    type Err = InvalidPorts;

    fn from_str(text: &str) -> Result<Self, InvalidPorts> {
        let port = |text: &str| match text.trim().parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(InvalidPorts),
        };
        let ranges = text.split(',').map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (u16, u16) = (port(first)?, port(last)?);
            match first <= last {
                true => Ok(first..=last),
                false => Err(InvalidPorts),
            }
        });
        ranges.collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Blocks {
    type Err = InvalidBlocks;

    /// Parses blocks separated by commas. An empty text is an empty list.
    fn from_str(text: &str) -> Result<Self, InvalidBlocks> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let nets = text
            .split(',')
            .map(|net| net.trim().parse().map_err(|_| InvalidBlocks));
        nets.collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for PrivateBlocks {
    type Err = InvalidPrivateBlocks;

    /// Parses blocks separated by commas. An empty text is an empty list.
    fn from_str(text: &str) -> Result<Self, InvalidPrivateBlocks> {
        let Blocks(nets) = text.parse().map_err(|_| InvalidPrivateBlocks)?;
        let private = nets.into_iter().map(|net| match net {
            IpNet::V4(net) if PRIVATE_V4.iter().any(|private| private.contains(&net)) => Ok(net),
            _ => Err(InvalidPrivateBlocks),
        });
        private.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_port_ranges_parse() {
        for (text, taken, refused) in [
            ("443", &[443][..], &[442, 444, 0][..]),
            ("443,1024-65535", &[443, 1024, 65535], &[80, 1023]),
            (" 80 , 8000 - 8002 ", &[80, 8000, 8002], &[443, 8003]),
        ] {
            let ports: Ports = text.parse().unwrap();
            assert!(taken.iter().all(|port| ports.contain(*port)), "{text}");
            assert!(!refused.iter().any(|port| ports.contain(*port)), "{text}");
        }
        assert_eq!("443,1024-65535".parse(), Ok(Ports::default()));
        for wrong in ["", "0", "65536", "443,", "a", "9-8", "1-2-3", "-1", "0-5"] {
            assert_eq!(wrong.parse::<Ports>(), Err(InvalidPorts), "{wrong}");
        }
    }

    #[test]
    fn refused_ports_come_with_the_allowed_ones() {
        let ports = "443,1024-65535".parse().unwrap();
        let rules = EgressRules::new(ports, Blocks::default(), PrivateBlocks::default());
        assert_eq!(rules.check_port(8443), Ok(()));
        let refusal = "must use one of the ports 443, 1024 to 65535";
        assert_eq!(rules.check_port(25), Err(refusal));
    }

    #[test]
    fn only_lists_of_cidr_blocks_parse() {
        for right in ["", " ", "1.2.3.0/24", "1.2.3.4/32, 2600::/12", "0.0.0.0/0"] {
            assert!(right.parse::<Blocks>().is_ok(), "{right}");
        }
        for wrong in [
            "1.2.3.4",
            "1.2.3.0/33",
            "1.2.3.0/24,",
            "x",
            "10.0.0.0-10.0.0.9",
        ] {
            assert_eq!(wrong.parse::<Blocks>(), Err(InvalidBlocks), "{wrong}");
        }
    }

    #[test]
    fn only_blocks_for_private_use_can_be_opened() {
        for private in [
            "",
            "10.0.0.0/8",
            "10.20.0.0/16,172.31.0.0/16,192.168.1.0/24",
            "100.64.0.0/10",
        ] {
            assert!(private.parse::<PrivateBlocks>().is_ok(), "{private}");
        }
        for other in [
            "0.0.0.0/0",
            "10.0.0.0/7",
            "172.0.0.0/8",
            "127.0.0.0/8",
            "127.0.0.1/32",
            "169.254.169.254/32",
            "169.254.0.0/16",
            "0.0.0.0/8",
            "192.0.2.0/24",
            "224.0.0.0/4",
            "8.8.8.8/32",
            "10.0.0.0/8,8.8.8.8/32",
            "::/0",
            "::1/128",
            "fe80::/10",
            "fc00::/7",
            "fd12:3456:789a::/48",
            "fd00:ec2::254/128",
            "2600::/12",
            "::ffff:10.0.0.0/104",
            "10.0.0.1",
        ] {
            let parsed = other.parse::<PrivateBlocks>();
            assert_eq!(parsed, Err(InvalidPrivateBlocks), "{other}");
        }
    }
}
