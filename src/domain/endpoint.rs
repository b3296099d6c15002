//! A webhook endpoint: where an app wants which events.

use std::fmt;

use jiff::Timestamp;

use super::event_type::Subscriptions;
use super::id::{AppId, EndpointId};
use super::target_url::TargetUrl;

/// Most endpoints that one app may have.
pub const MAX_ENDPOINTS_PER_APP: u32 = 100;

/// A registered endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// The app that owns it.
    pub app_id: AppId,
    /// Where deliveries go.
    pub url: TargetUrl,
    /// Which events are delivered.
    pub events: Subscriptions,
    /// Whether events are delivered at all. Test pings always are.
    pub active: bool,
    /// The version of the secret that signs from now on.
    pub secret_version: SecretVersion,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed; its secret's rotation counts.
    pub updated_at: Timestamp,
    /// Why and when the service itself made it inactive, if it did.
    pub disabled: Option<Disabled>,
    /// Since when every attempt fails, if the last one did.
    pub failing_since: Option<Timestamp>,
}

/// That the service made an endpoint inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disabled {
    /// Why.
    pub reason: DisabledReason,
    /// When.
    pub at: Timestamp,
}

/// Why the service makes an endpoint inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// The receiver answered 410 Gone (Standard Webhooks, "Deliverability and
    /// reliability": the receiver wants no more).
    Gone,
    /// Every delivery failed for too long.
    Failing,
}

impl DisabledReason {
    /// The name in the API and in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "GONE",
            Self::Failing => "FAILING",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Gone, Self::Failing]
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}

/// A change of an endpoint: what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointPatch {
    /// New URL.
    pub url: Option<TargetUrl>,
    /// New subscriptions, in place of all old ones.
    pub events: Option<Subscriptions>,
    /// New state.
    pub active: Option<bool>,
}

impl EndpointPatch {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Names one version of an endpoint's secret (in AWS, the Secrets Manager
/// `VersionId`). Not a secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretVersion(String);

impl SecretVersion {
    /// The version of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
