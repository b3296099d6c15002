//! SDK clients that are created on first use.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use aws_config::SdkConfig;

type Make<C> = Box<dyn FnOnce() -> C + Send>;

/// An SDK client that is created on first use. Creating one takes half a millisecond, and
/// not every cold start needs all three. Cheap to clone; clones share the client.
pub struct LazyClient<C>(Arc<LazyLock<C, Make<C>>>);

impl<C: 'static> LazyClient<C> {
    /// A client that `make` will create from this configuration.
    pub fn of(sdk: &SdkConfig, make: fn(&SdkConfig) -> C) -> Self {
        let sdk = sdk.clone();
        Self::made_by(move || make(&sdk))
    }

    fn made_by(make: impl FnOnce() -> C + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }
}

impl<C: Send + 'static> From<C> for LazyClient<C> {
    fn from(client: C) -> Self {
        Self::made_by(move || client)
    }
}

impl<C> Clone for LazyClient<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Deref for LazyClient<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C> fmt::Debug for LazyClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LazyClient")
    }
}
