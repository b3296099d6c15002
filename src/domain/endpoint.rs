//! Webhook endpoints: URLs that receive an app's events.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::app::Metadata;
use super::budget::Usage;
use super::channel::Channels;
use super::event_type::{EventType, Subscriptions};
use super::filter::Filter;
use super::health::{Health, State};
use super::id::{AppId, EndpointId, SealingKeyId};
use super::labels::Labels;
use super::message::Lane;
use super::rate_limit::RateLimit;
use super::secret::{KeptHeaders, KeptSecret, PreviousSecret};
use super::target_url::TargetUrl;
use super::transition::Transitions;

/// The most endpoints that an app can have.
pub const MAX_ENDPOINTS_PER_APP: u32 = 100;

/// Identifies an endpoint together with its app. Lookups always need both, so a caller can't
/// reach another app's endpoint by knowing its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointKey {
    /// The app that owns the endpoint.
    pub app_id: AppId,
    /// Unique across all apps.
    pub endpoint_id: EndpointId,
}

/// A validated request to register an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    /// Where to send deliveries.
    pub url: TargetUrl,
    /// Which event types to deliver.
    pub events: Subscriptions,
    /// Whether to deliver events from the start.
    pub active: bool,
    /// The maximum rate of deliveries.
    pub rate_limit: Option<RateLimit>,
    /// The description and metadata.
    pub labels: Labels,
    /// The channels whose events the endpoint gets. Empty: no restriction.
    pub channels: Channels,
    /// Which events to deliver by their data. `None`: all.
    pub filter: Option<Filter>,
}

impl NewEndpoint {
    /// The endpoint to store, with its first secret.
    #[must_use]
    pub fn registered(
        self,
        key: EndpointKey,
        secret: impl Into<KeptSecret>,
        now: Timestamp,
    ) -> Endpoint {
        Endpoint {
            key,
            url: self.url,
            events: self.events,
            active: self.active,
            inactive_since: (!self.active).then_some(now),
            secret: secret.into(),
            previous_secret: None,
            headers: None,
            created_at: now,
            updated_at: now,
            disabled: None,
            rate_limit: self.rate_limit,
            labels: self.labels,
            channels: self.channels,
            filter: self.filter,
            next_turn: None,
            health: Health::default(),
            transitions: Transitions::default(),
            place: None,
            usage: Usage::default(),
        }
    }
}

/// A registered endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The owning app and the endpoint's id.
    pub key: EndpointKey,
    /// Where to send deliveries.
    pub url: TargetUrl,
    /// Which event types to deliver.
    pub events: Subscriptions,
    /// Whether to deliver events. Test pings are always sent.
    pub active: bool,
    /// When the endpoint became inactive. `None` while it is active.
    pub inactive_since: Option<Timestamp>,
    /// The current signing secret.
    pub secret: KeptSecret,
    /// The secret before the last rotation, if that had an overlap. It is not removed when the
    /// overlap ends, so use [`Endpoint::previous_secret_at`].
    pub previous_secret: Option<PreviousSecret>,
    /// Additional headers that the customer set.
    pub headers: Option<KeptHeaders>,
    /// When the endpoint was registered.
    pub created_at: Timestamp,
    /// When the endpoint last changed. Secret rotations count as changes.
    pub updated_at: Timestamp,
    /// Set if the service disabled the endpoint.
    pub disabled: Option<Disabled>,
    /// The maximum rate of deliveries.
    pub rate_limit: Option<RateLimit>,
    /// The description and metadata.
    pub labels: Labels,
    /// The channels whose events the endpoint gets. Empty: no restriction.
    pub channels: Channels,
    /// Which events to deliver by their data. `None`: all.
    pub filter: Option<Filter>,
    /// The next free turn, see [`RateLimit`]. It may be in the past, or belong to an earlier
    /// limit.
    pub next_turn: Option<u64>,
    /// How well the receiver works.
    pub health: Health,
    /// The last transitions that the operator was told of.
    pub transitions: Transitions,
    /// The endpoint's place in the schedule, while deliveries may wait for it.
    pub place: Option<Place>,
    /// How much of its budgets the endpoint has used.
    pub usage: Usage,
}

impl Endpoint {
    /// Whether an event of this type makes a delivery for this endpoint. An inactive endpoint
    /// gets one too, marked as missed, so that a recovery can send it later. That ends once
    /// the endpoint has been inactive for `kept_for`, the retention of deliveries.
    #[must_use]
    pub fn is_owed(&self, event_type: &EventType, kept_for: Duration, now: Timestamp) -> bool {
        // Otherwise, an endpoint that was left behind would cost a write per event forever.
        let long_inactive = |since: Timestamp| since + kept_for <= now;
        self.events.matches(event_type) && !self.inactive_since.is_some_and(long_inactive)
    }

    /// Whether deliveries wait in the table for their turn, so that new ones have to wait
    /// behind them. [`Claim::LastOfDrain`] does not count: after it there is another look for
    /// waiting deliveries, late enough to find those of functions that read the endpoint
    /// before.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        let claim = self.place.and_then(|place| place.claim);
        self.rate_limit.is_some() && matches!(claim, Some(Claim::Drain | Claim::Backlog))
    }

    /// The previous secret, if its overlap is not over at this time.
    #[must_use]
    pub fn previous_secret_at(&self, now: Timestamp) -> Option<&PreviousSecret> {
        let previous = self.previous_secret.as_ref();
        previous.filter(|previous| previous.until > now)
    }

    /// The key pairs to which this endpoint's secrets and headers are sealed.
    pub fn sealing_keys(&self) -> impl Iterator<Item = SealingKeyId> {
        let previous = self.previous_secret.as_ref();
        let previous = previous.and_then(|previous| previous.secret.sealing_key());
        let headers = self.headers.as_ref();
        let headers = headers.map(|headers| headers.sealed.key_id);
        let secret = self.secret.sealing_key().into_iter();
        secret.chain(previous).chain(headers)
    }

    /// The lane for first attempts.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match self.health.state() {
            State::Well => Lane::Fast,
            State::Slow | State::Failing | State::Paused => Lane::Slow,
        }
    }
}

/// An endpoint's place in the schedule. The endpoint has one while deliveries may wait for it,
/// so that a sweep finds it even if a message about it is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the next step for its waiting deliveries is due.
    pub at: Timestamp,
    /// The step that is under way until then.
    pub claim: Option<Claim>,
}

/// A step for waiting deliveries that only one function may take at a time. Taking it moves
/// the endpoint's place with a conditional write, which only one of several can win.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A probe.
    Probe,
    /// Sending some of them. More are waiting.
    Drain,
    /// Sending the last ones that were found. Another look for stragglers follows.
    LastOfDrain,
    /// None: they wait until the rate limit has free turns.
    Backlog,
}

impl Claim {
    const ALL: [Self; 4] = [Self::Probe, Self::Drain, Self::LastOfDrain, Self::Backlog];
}

impl Place {
    /// An unclaimed place.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self { at, claim: None }
    }

    /// Whether this step is under way. A claim whose time has passed does not count: its
    /// function crashed or was cut off.
    #[must_use]
    pub fn is_claimed_for(self, claim: Claim, now: Timestamp) -> bool {
        self.claim == Some(claim) && self.at > now
    }
}

impl Claim {
    /// The name used in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "PROBE",
            Self::Drain => "DRAIN",
            Self::LastOfDrain => "LAST",
            Self::Backlog => "BACKLOG",
        }
    }

    /// Parses the output of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|claim| claim.as_str() == text)
    }
}

/// Why and when the service, not the app, deactivated an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disabled {
    /// The cause, as the API shows it.
    pub reason: DisabledReason,
    /// When the attempt ended that caused it.
    pub at: Timestamp,
}

/// Why the service disables an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// The receiver answered 410 Gone, which asks the sender to stop (Standard
    /// Webhooks, "Deliverability and reliability").
    Gone,
    /// Every attempt failed, for longer than the configured time.
    Failing,
}

impl DisabledReason {
    /// The name used in the API and the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "GONE",
            Self::Failing => "FAILING",
        }
    }

    /// Parses the output of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Gone, Self::Failing]
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}

/// A partial update of an endpoint. `None` leaves a field unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointPatch {
    /// The new URL.
    pub url: Option<TargetUrl>,
    /// The new subscriptions, which replace all existing ones.
    pub events: Option<Subscriptions>,
    /// Whether to deliver events.
    pub active: Option<bool>,
    /// The new limit. `Some(None)` removes it.
    pub rate_limit: Option<Option<RateLimit>>,
    /// The new description. `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// The new metadata, which replaces all existing entries.
    pub metadata: Option<Metadata>,
    /// The new channels, which replace all existing ones.
    pub channels: Option<Channels>,
    /// The new filter. `Some(None)` removes it.
    pub filter: Option<Option<Filter>>,
}

impl EndpointPatch {
    /// Whether the patch changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A version of an endpoint's secret or headers: the `VersionId` in Secrets Manager, or a
/// random id for one that is sealed. Not confidential.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretVersion(String);

impl SecretVersion {
    /// Wraps a version id.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// A new version, different from all others.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// The version id as text.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_count_until_their_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let place = Place {
            at: at(10),
            claim: Some(Claim::Drain),
        };
        assert!(place.is_claimed_for(Claim::Drain, at(9)));
        assert!(!place.is_claimed_for(Claim::Drain, at(10)));
        assert!(!place.is_claimed_for(Claim::Probe, at(9)));
        assert!(!Place::at(at(10)).is_claimed_for(Claim::Drain, at(9)));
    }
}
