//! A webhook endpoint: the URL that receives an app's events.

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

/// Maximum number of endpoints per app.
pub const MAX_ENDPOINTS_PER_APP: u32 = 100;

/// Identifies an endpoint. An endpoint is only ever looked up together with its
/// app, so that no caller can reach another app's endpoint by its id alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointKey {
    /// The app that owns the endpoint.
    pub app_id: AppId,
    /// The endpoint's id, unique across all apps.
    pub endpoint_id: EndpointId,
}

/// A request to register an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    /// Where to send deliveries.
    pub url: TargetUrl,
    /// Which events to deliver.
    pub events: Subscriptions,
    /// Whether to deliver events from the start.
    pub active: bool,
    /// How many deliveries a second it takes, if it has a limit.
    pub rate_limit: Option<RateLimit>,
    /// What is noted about it.
    pub labels: Labels,
    /// The channels whose events it gets. None for all events.
    pub channels: Channels,
    /// What the data of its events has to match.
    pub filter: Option<Filter>,
}

impl NewEndpoint {
    /// The new endpoint as stored, with its first secret.
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
    /// The app and the endpoint's id.
    pub key: EndpointKey,
    /// Where to send deliveries.
    pub url: TargetUrl,
    /// Which events to deliver.
    pub events: Subscriptions,
    /// Whether to deliver events. Test pings are always sent.
    pub active: bool,
    /// Since when it has been inactive, if it is.
    pub inactive_since: Option<Timestamp>,
    /// The signing secret in use.
    pub secret: KeptSecret,
    /// The one before it, if it was rotated with an overlap. It stays here when that is
    /// over; see [`Endpoint::previous_secret_at`].
    pub previous_secret: Option<PreviousSecret>,
    /// Its own headers, if it has any.
    pub headers: Option<KeptHeaders>,
    /// When the endpoint was registered.
    pub created_at: Timestamp,
    /// When the endpoint last changed. Secret rotations count as changes.
    pub updated_at: Timestamp,
    /// Set if the service disabled the endpoint.
    pub disabled: Option<Disabled>,
    /// How many deliveries a second it takes, if it has a limit.
    pub rate_limit: Option<RateLimit>,
    /// What is noted about it.
    pub labels: Labels,
    /// The channels whose events it gets. None for all events.
    pub channels: Channels,
    /// What the data of its events has to match.
    pub filter: Option<Filter>,
    /// The next turn that is free, if it has a limit and one was taken.
    pub next_turn: Option<u64>,
    /// Whether its receiver works.
    pub health: Health,
    /// What the operator was told of it last.
    pub transitions: Transitions,
    /// Its place in the schedule. `None` if no delivery waits for it.
    pub place: Option<Place>,
    /// What it uses of its budgets.
    pub usage: Usage,
}

impl Endpoint {
    /// Whether a delivery is recorded for it if there is an event of this type: as long
    /// as it is active, or has not been inactive for as long as deliveries are kept.
    #[must_use]
    pub fn is_owed(&self, event_type: &EventType, kept_for: Duration, now: Timestamp) -> bool {
        let long_inactive = |since: Timestamp| since + kept_for <= now;
        self.events.matches(event_type) && !self.inactive_since.is_some_and(long_inactive)
    }

    /// Whether deliveries wait for their turns, so that later ones wait behind them. The
    /// last look that ends this comes later than any that read the endpoint before.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        let claim = self.place.and_then(|place| place.claim);
        self.rate_limit.is_some() && matches!(claim, Some(Claim::Drain | Claim::Backlog))
    }

    /// The previous secret, if it still signs at this time.
    #[must_use]
    pub fn previous_secret_at(&self, now: Timestamp) -> Option<&PreviousSecret> {
        let previous = self.previous_secret.as_ref();
        previous.filter(|previous| previous.until > now)
    }

    /// The key pairs that something of it is sealed to.
    pub fn sealing_keys(&self) -> impl Iterator<Item = SealingKeyId> {
        let previous = self.previous_secret.as_ref();
        let previous = previous.and_then(|previous| previous.secret.sealing_key());
        let headers = self.headers.as_ref();
        let headers = headers.map(|headers| headers.sealed.key_id);
        let secret = self.secret.sealing_key().into_iter();
        secret.chain(previous).chain(headers)
    }

    /// The lane for what nobody has tried yet.
    #[must_use]
    pub fn lane(&self) -> Lane {
        match self.health.state() {
            State::Well => Lane::Fast,
            State::Slow | State::Failing | State::Paused => Lane::Slow,
        }
    }
}

/// An endpoint's place in the schedule, for as long as deliveries may wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When its waiting deliveries are seen to next.
    pub at: Timestamp,
    /// What is under way until then.
    pub claim: Option<Claim>,
}

/// What is done about waiting deliveries by one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A probe.
    Probe,
    /// Sending some of them. Others wait behind.
    Drain,
    /// Sending the last of them. Once that is over, there is another look.
    LastOfDrain,
    /// Nothing: they wait until turns are free at an endpoint that limits its rate.
    Backlog,
}

impl Claim {
    const ALL: [Self; 4] = [Self::Probe, Self::Drain, Self::LastOfDrain, Self::Backlog];
}

impl Place {
    /// A place that nobody has claimed.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self { at, claim: None }
    }

    /// Whether this is under way.
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

/// Records that the service, not the app, deactivated an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disabled {
    /// Why the endpoint was disabled.
    pub reason: DisabledReason,
    /// When the endpoint was disabled.
    pub at: Timestamp,
}

/// Why the service disables an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// The receiver answered 410 Gone, which asks the sender to stop (Standard
    /// Webhooks, "Deliverability and reliability").
    Gone,
    /// All attempts failed for longer than the configured time.
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
    /// The new limit, or none.
    pub rate_limit: Option<Option<RateLimit>>,
    /// The new description, or none.
    pub description: Option<Option<String>>,
    /// What replaces all metadata.
    pub metadata: Option<Metadata>,
    /// The new channels, or none.
    pub channels: Option<Channels>,
    /// The new filter, or none.
    pub filter: Option<Option<Filter>>,
}

impl EndpointPatch {
    /// Whether the patch changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A version of an endpoint's secret: the `VersionId` by which Secrets Manager stored it,
/// or a random id. Not confidential.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretVersion(String);

impl SecretVersion {
    /// Wraps a version id.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// A version that no secret has yet.
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
