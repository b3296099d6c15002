//! Names are resolved here and nowhere else, so that no connection is ever
//! made to an address that the policy refuses. The check is on the very
//! addresses that are connected to: a name that resolves to a public address
//! first and to a private one later (DNS rebinding) is refused later.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::address::AddressPolicy;

/// Why a name got no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// It does not resolve.
    #[error("the name does not resolve")]
    NotResolved,
    /// One of its addresses is refused. Refusing the name for one of several
    /// leaves an attacker no choice among them to play with.
    #[error("the name has a refused address")]
    Refused,
}

/// Lets a name through only if all its addresses are permitted.
pub struct GuardedResolver {
    inner: Arc<dyn Resolve>,
    policy: AddressPolicy,
}

impl GuardedResolver {
    /// Guards what `inner` resolves.
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
            // The port is a placeholder, which the client replaces.
            let addresses: Vec<_> = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(|_| EgressError::NotResolved)?
                .collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
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
    async fn a_name_passes_only_if_all_its_addresses_are_public() {
        assert_eq!(resolve(&["1.1.1.1", "2606:4700::1"]).await, Ok(2));
        assert_eq!(resolve(&["10.0.0.1"]).await, Err(EgressError::Refused));
        assert_eq!(
            resolve(&["1.1.1.1", "169.254.169.254"]).await,
            Err(EgressError::Refused)
        );
        assert_eq!(resolve(&[]).await, Err(EgressError::NotResolved));
    }
}
