//! The only place that resolves host names, so that we never connect to an address
//! that the policy refuses.
//!
//! The check applies to the addresses that the client then connects to. It
//! therefore also stops DNS rebinding, where a name resolves to a public address at
//! first and to a private one later.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

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
    /// We had no file descriptor left to ask with.
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

/// A resolver that fails if the policy refuses any address of a name.
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
    fn resolve(&self, name: Name) -> Resolving {
        let resolving = self.inner.resolve(name);
        let policy = self.policy;
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = resolving.await?.collect();
            if addresses.is_empty() {
                return Err(EgressError::NotResolved.into());
            }
            if !addresses.iter().all(|address| policy.permits(address.ip())) {
                return Err(EgressError::Refused.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The resolver of the operating system (`getaddrinfo`).
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The client replaces this port.
            let addresses: Vec<_> = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(|_| lookup_error())?
                .collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Why a lookup failed. `getaddrinfo` reports a lack of descriptors as a name that
/// does not resolve, so see whether a file can be opened.
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
    struct Fixed(Vec<SocketAddr>);

    impl Resolve for Fixed {
        fn resolve(&self, _: Name) -> Resolving {
            let addresses = self.0.clone();
            Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
        }
    }

    async fn resolve(addresses: &[&str]) -> Result<usize, EgressError> {
        let addresses = addresses
            .iter()
            .map(|text| SocketAddr::new(text.parse().unwrap(), 0))
            .collect();
        let guard = GuardedResolver::new(Arc::new(Fixed(addresses)), AddressPolicy::PublicOnly);
        match guard.resolve("example.com".parse().unwrap()).await {
            Ok(addresses) => Ok(addresses.count()),
            Err(error) => Err(*error.downcast::<EgressError>().unwrap()),
        }
    }

    #[tokio::test]
    async fn names_resolve_only_if_all_addresses_are_public() {
        assert_eq!(resolve(&["1.1.1.1", "2606:4700::1"]).await, Ok(2));
        assert_eq!(resolve(&["10.0.0.1"]).await, Err(EgressError::Refused));
        assert_eq!(
            resolve(&["1.1.1.1", "169.254.169.254"]).await,
            Err(EgressError::Refused)
        );
        assert_eq!(resolve(&[]).await, Err(EgressError::NotResolved));
    }
}
