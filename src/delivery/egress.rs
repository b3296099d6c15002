//! The only place that resolves host names, so that we never connect to an address
//! that the policy refuses.
//!
//! The client connects to exactly the addresses that were checked. So the check also
//! stops DNS rebinding, where a name first resolves to a public address and later to a
//! private one.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::domain::address::AddressPolicy;

/// Why a host name was not resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The name has no addresses.
    #[error("the name does not resolve")]
    NotResolved,
    /// The policy refuses at least one address. One is enough: filtering the list
    /// would let an attacker influence which of the addresses we use.
    #[error("the name has a refused address")]
    Refused,
    /// The name has no IPv4 address. Lambda functions reach the internet over IPv4 only,
    /// unless they are in a dual-stack VPC.
    #[error("the name has only IPv6 addresses")]
    Ipv6Only,
    /// We had no file descriptor left for the lookup.
    #[error("out of file descriptors")]
    OutOfDescriptors,
}

/// Whether the process (`EMFILE`) or the system (`ENFILE`) has run out of file
/// descriptors. The numbers are the same on all Unix systems.
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// A lookup in progress.
pub type Resolving = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, EgressError>> + Send>>;

/// Resolves host names.
pub trait Resolve: Send + Sync {
    /// Looks up the addresses of a host name. The caller checks them.
    fn resolve(&self, host: String) -> Resolving;
}

/// A resolver that fails if the policy refuses any address of a name. Of public
/// addresses, it returns only IPv4 ones, because a Lambda function can't reach others.
pub struct GuardedResolver {
    inner: Arc<dyn Resolve>,
    policy: AddressPolicy,
}

impl GuardedResolver {
    /// Wraps `inner` and checks the addresses that it returns.
    #[must_use]
    pub fn new(inner: Arc<dyn Resolve>, policy: AddressPolicy) -> Self {
        Self { inner, policy }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, host: String) -> Resolving {
        let resolving = self.inner.resolve(host);
        let policy = self.policy;
        Box::pin(async move {
            let addresses = resolving.await?;
            if addresses.is_empty() {
                return Err(EgressError::NotResolved);
            }
            if !addresses.iter().all(|address| policy.permits(*address)) {
                return Err(EgressError::Refused);
            }
            // Local development can reach both.
            if policy == AddressPolicy::PublicAndLoopback {
                return Ok(addresses);
            }
            // An IPv4-mapped IPv6 address counts as IPv4.
            let reachable = addresses.iter().map(IpAddr::to_canonical);
            let reachable: Vec<_> = reachable.filter(IpAddr::is_ipv4).collect();
            if reachable.is_empty() {
                return Err(EgressError::Ipv6Only);
            }
            Ok(reachable)
        })
    }
}

/// The resolver of the operating system (`getaddrinfo`).
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: String) -> Resolving {
        Box::pin(async move {
            // The lookup takes a port, which does not matter here.
            let found = tokio::net::lookup_host((host, 0)).await;
            let addresses = found.map_err(|_| lookup_error())?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }
}

/// Why a lookup failed. `getaddrinfo` reports a lack of descriptors as a name that does
/// not resolve, so check whether a file can still be opened.
fn lookup_error() -> EgressError {
    match std::fs::File::open("/dev/null") {
        Err(error) if is_out_of_descriptors(&error) => EgressError::OutOfDescriptors,
        _ => EgressError::NotResolved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resolves every name to these addresses.
    struct Fixed(Vec<IpAddr>);

    impl Resolve for Fixed {
        fn resolve(&self, _: String) -> Resolving {
            let addresses = self.0.clone();
            Box::pin(async move { Ok(addresses) })
        }
    }

    async fn resolve(addresses: &[&str]) -> Result<Vec<String>, EgressError> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let guard = GuardedResolver::new(Arc::new(Fixed(addresses)), AddressPolicy::PublicOnly);
        let resolved = guard.resolve("example.com".to_owned()).await?;
        Ok(resolved.iter().map(IpAddr::to_string).collect())
    }

    #[tokio::test]
    async fn names_with_a_private_address_are_refused() {
        let both = resolve(&["1.1.1.1", "1.0.0.1"]).await.unwrap();
        assert_eq!(both, ["1.1.1.1", "1.0.0.1"]);
        assert_eq!(resolve(&["10.0.0.1"]).await, Err(EgressError::Refused));
        assert_eq!(
            resolve(&["1.1.1.1", "169.254.169.254"]).await,
            Err(EgressError::Refused)
        );
        assert_eq!(resolve(&[]).await, Err(EgressError::NotResolved));
    }

    #[tokio::test]
    async fn public_names_resolve_to_their_ipv4_addresses() {
        let found = resolve(&["2606:4700::1", "1.1.1.1"]).await.unwrap();
        assert_eq!(found, ["1.1.1.1"]);
        let mapped = resolve(&["::ffff:1.1.1.1"]).await.unwrap();
        assert_eq!(mapped, ["1.1.1.1"]);
        assert_eq!(resolve(&["2606:4700::1"]).await, Err(EgressError::Ipv6Only));
        assert_eq!(
            resolve(&["2606:4700::1", "::1"]).await,
            Err(EgressError::Refused)
        );
    }
}
