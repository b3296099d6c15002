//! The health transitions that the operator is told of, and the log of the latest ones in the
//! endpoint's item.
//!
//! The log has two uses. A transition is written to it in the same update as the health
//! itself, so if the notice can't be sent, the message that comes back finds it there and
//! sends it again. It also limits the notices: an endpoint that alternates between success and
//! failure would otherwise cause one for every change.

use std::time::Duration;

use jiff::Timestamp;

use super::endpoint::{DisabledReason, Endpoint};
use super::health::Health;
use super::id::DeliveryId;

/// An endpoint that begins to fail within this time after a notice causes no other one. If it
/// keeps failing, the operator is told of the pause.
const QUIET: Duration = Duration::from_secs(10 * 60);

/// The number of transitions in the log. They have to stay until a message whose notice failed
/// comes back. Three are enough, because a pause takes a while, and nothing follows a
/// disabling by itself.
pub const KEPT: usize = 3;

/// The kind of a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransitionKind {
    /// The endpoint began to fail.
    Failing,
    /// The endpoint was paused.
    Paused,
    /// The endpoint works again.
    Recovered,
    /// The service disabled the endpoint.
    Disabled(DisabledReason),
}

/// A transition that the operator is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// What changed.
    pub kind: TransitionKind,
    /// When the attempt that caused it ended.
    pub at: Timestamp,
    /// When the failures began that led to it, or that it ends.
    pub failing_since: Option<Timestamp>,
    /// The delivery whose attempt caused it.
    pub by: DeliveryId,
}

/// The log: an endpoint's last [`KEPT`] transitions, newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transitions(Vec<Transition>);

impl Transitions {
    /// Keeps the last [`KEPT`] of these.
    #[must_use]
    pub fn last_of(mut all: Vec<Transition>) -> Self {
        let excess = all.len().saturating_sub(KEPT);
        all.drain(..excess);
        Self(all)
    }

    /// The log with one more transition.
    #[must_use]
    pub fn with(&self, transition: Transition) -> Self {
        let all = self.0.iter().copied().chain([transition]);
        Self::last_of(all.collect())
    }

    /// The transitions, newest last.
    pub fn iter(&self) -> impl Iterator<Item = &Transition> {
        self.0.iter()
    }

    /// Whether the last transition was anything but a recovery.
    #[must_use]
    pub fn end_in_trouble(&self) -> bool {
        let last = self.0.last().map(|last| last.kind);
        last.is_some_and(|kind| kind != TransitionKind::Recovered)
    }

    fn is_quiet(&self, at: Timestamp) -> bool {
        let last = self.0.last();
        last.is_some_and(|last| at.duration_since(last.at) < signed(QUIET))
    }
}

/// The attempt that causes a transition.
#[derive(Debug, Clone, Copy)]
pub struct Cause {
    /// The attempt's delivery.
    pub by: DeliveryId,
    /// When the attempt ended.
    pub at: Timestamp,
    /// Whether it succeeded.
    pub succeeded: bool,
}

/// The transition to report when an attempt changes an endpoint's health to `new`. `None` for
/// endpoints of the reserved app: they receive the notices, so a failing one would be told of
/// its own failures.
#[must_use]
pub fn to_health(endpoint: &Endpoint, new: &Health, cause: Cause) -> Option<Transition> {
    let (old, log) = (&endpoint.health, &endpoint.transitions);
    // A pause comes first and is always reported, even shortly after another notice. It takes a
    // series of failures without a success, so pauses can't come in quick succession.
    let kind = if old.pause.is_none() && new.pause.is_some() {
        TransitionKind::Paused
    } else if old.failing.is_none() && new.failing.is_some() && !log.is_quiet(cause.at) {
        TransitionKind::Failing
    } else if new.failing.is_none()
        && new.pause.is_none()
        && cause.succeeded
        && endpoint.active
        && log.end_in_trouble()
    {
        // The log decides, not the old health, which a new URL or an activation may have cleared.
        TransitionKind::Recovered
    } else {
        return None;
    };
    // A recovery has cleared the failures, so it reports those that it ended.
    let failing = new.failing.or(old.failing);
    reported(endpoint, kind, failing.map(|failing| failing.since), cause)
}

/// The transition to report when an attempt disables an endpoint.
#[must_use]
pub fn to_disabled(
    endpoint: &Endpoint,
    reason: DisabledReason,
    cause: Cause,
) -> Option<Transition> {
    let failing_since = endpoint.health.failing.map(|failing| failing.since);
    let kind = TransitionKind::Disabled(reason);
    reported(endpoint, kind, failing_since, cause)
}

fn reported(
    endpoint: &Endpoint,
    kind: TransitionKind,
    failing_since: Option<Timestamp>,
    cause: Cause,
) -> Option<Transition> {
    let transition = Transition {
        kind,
        at: cause.at,
        failing_since,
        by: cause.by,
    };
    (!endpoint.key.app_id.is_operational()).then_some(transition)
}

fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::from_secs(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
