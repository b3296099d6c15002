//! The transitions of an endpoint's health that the operator is told of, and the log of
//! the last ones, which the endpoint's item has.
//!
//! The log has two uses. A transition is written to it in the same update as the health
//! itself, so that one whose notice could not be sent is told when its message comes back.
//! And it bounds what is told: an endpoint that keeps changing between success and failure
//! would otherwise send a notice for every change.

use std::time::Duration;

use jiff::Timestamp;

use super::endpoint::{DisabledReason, Endpoint};
use super::health::Health;
use super::id::DeliveryId;

/// How long after a notice an endpoint may begin to fail again without another one. If it
/// keeps failing, the pause is told.
const QUIET: Duration = Duration::from_secs(10 * 60);

/// Transitions that are kept: more than can follow one another before a message comes
/// back, because a pause takes a while and nothing follows a disabling by itself.
pub const KEPT: usize = 3;

/// What became of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransitionKind {
    /// It has begun to fail.
    Failing,
    /// It was paused.
    Paused,
    /// It works again.
    Recovered,
    /// The service disabled it.
    Disabled(DisabledReason),
}

/// A transition that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// What became of the endpoint.
    pub kind: TransitionKind,
    /// When.
    pub at: Timestamp,
    /// When the first of the failures began that belong to it, if there were any.
    pub failing_since: Option<Timestamp>,
    /// The delivery whose attempt brought it about.
    pub by: DeliveryId,
}

/// The last transitions of an endpoint that were told, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transitions(Vec<Transition>);

impl Transitions {
    /// The last of these.
    #[must_use]
    pub fn last_of(mut all: Vec<Transition>) -> Self {
        let known = all.len().saturating_sub(KEPT);
        all.drain(..known);
        Self(all)
    }

    /// These, and then this one.
    #[must_use]
    pub fn with(&self, transition: Transition) -> Self {
        let all = self.0.iter().copied().chain([transition]);
        Self::last_of(all.collect())
    }

    /// All of them, the newest last.
    pub fn iter(&self) -> impl Iterator<Item = &Transition> {
        self.0.iter()
    }

    /// Whether the last thing told was bad news.
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

/// An attempt that changes the health of its endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Cause {
    /// The delivery.
    pub by: DeliveryId,
    /// When the attempt ended.
    pub at: Timestamp,
    /// Whether it succeeded.
    pub succeeded: bool,
}

/// The transition to tell of when an attempt changes the health of an endpoint to `new`.
/// Nothing is told of the reserved app, whose own failures would be told to itself.
#[must_use]
pub fn to_health(endpoint: &Endpoint, new: &Health, cause: Cause) -> Option<Transition> {
    let (old, told) = (&endpoint.health, &endpoint.transitions);
    let kind = if old.pause.is_none() && new.pause.is_some() {
        TransitionKind::Paused
    } else if old.failing.is_none() && new.failing.is_some() && !told.is_quiet(cause.at) {
        TransitionKind::Failing
    } else if new.failing.is_none()
        && new.pause.is_none()
        && cause.succeeded
        && endpoint.active
        && told.end_in_trouble()
    {
        TransitionKind::Recovered
    } else {
        return None;
    };
    let failing = new.failing.or(old.failing);
    told_of(endpoint, kind, failing.map(|failing| failing.since), cause)
}

/// The transition to tell of when an attempt disables an endpoint.
#[must_use]
pub fn to_disabled(
    endpoint: &Endpoint,
    reason: DisabledReason,
    cause: Cause,
) -> Option<Transition> {
    let failing_since = endpoint.health.failing.map(|failing| failing.since);
    let kind = TransitionKind::Disabled(reason);
    told_of(endpoint, kind, failing_since, cause)
}

fn told_of(
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
