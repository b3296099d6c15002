//! The health of an endpoint: well, slow, failing, paused or disabled; and what an
//! attempt changes about it. Only changes are written, so an endpoint that is well
//! costs nothing.

use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng, RngExt};

use super::delivery::{Attempt, Verdict};
use super::endpoint::DisabledReason;
use super::retry::MAX_WAIT;

/// Failures that are further apart than this do not belong together: an endpoint
/// that gets an event a week and fails once has not been failing for a week.
const MAX_GAP: Duration = Duration::from_secs(24 * 60 * 60);

/// Failures that it takes to disable an endpoint.
const MIN_FAILURES: u32 = 10;

/// The longest wait for a probe that no receiver asks for.
const MAX_PROBE: Duration = Duration::from_secs(15 * 60);

/// Fraction by which the wait for a probe is shortened or lengthened at random, so
/// that endpoints which failed together are not probed together.
const JITTER: f64 = 0.2;

/// What an operator can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthPolicy {
    /// How long an attempt may be under way before the endpoint counts as slow.
    pub slow_after: Duration,
    /// How long an endpoint has to fail, without a success, before it is paused.
    pub pause_after: Duration,
    /// The first wait for a probe of a paused endpoint. It doubles with each probe.
    pub first_probe: Duration,
    /// How long an endpoint has to keep failing before it is disabled.
    pub disable_after: Duration,
}

impl HealthPolicy {
    /// The wait for a probe after so many have failed.
    fn probe_wait(&self, probes: u32) -> Duration {
        let factor = 1_u32.checked_shl(probes).unwrap_or(u32::MAX);
        self.first_probe.saturating_mul(factor).min(MAX_PROBE)
    }
}

impl Default for HealthPolicy {
    /// 3 s, a minute, 30 s, and five days.
    fn default() -> Self {
        Self {
            slow_after: Duration::from_secs(3),
            pause_after: Duration::from_secs(60),
            first_probe: Duration::from_secs(30),
            disable_after: Duration::from_secs(5 * 24 * 60 * 60),
        }
    }
}

/// What is recorded of an endpoint's health. All of it is `None` while the endpoint
/// is well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Since when an attempt has taken too long.
    pub slow_since: Option<Timestamp>,
    /// The failures since the last success.
    pub failing: Option<Failing>,
    /// The pause, while there is one.
    pub pause: Option<Pause>,
}

/// Failures since the last success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// When the first one began.
    pub since: Timestamp,
    /// When the last one that was recorded ended.
    pub last: Timestamp,
    /// How many were recorded. Those within [`HealthPolicy::pause_after`] of the
    /// first one are not.
    pub failures: u32,
}

/// A pause: deliveries wait, and one probe at a time goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// When it began.
    pub since: Timestamp,
    /// When the next probe is due. `None` while no delivery waits that could be one.
    pub probe_at: Option<Timestamp>,
    /// How many probes have failed.
    pub probes: u32,
}

/// The state that a [`Health`] amounts to, the worst one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Deliveries wait until a probe succeeds.
    Paused,
    /// The last attempt failed.
    Failing,
    /// An attempt has taken too long.
    Slow,
    /// None of these.
    Well,
}

/// Slow endpoints from which on an app is kept apart, see [`is_app_slow`].
const MIN_SLOW: usize = 5;

/// Whether so many of an app's endpoints are slow that the others are likely to be:
/// at least five, and at least a tenth of those that are active.
///
/// An endpoint is only known to be slow once an attempt at it has held a slot of the
/// fast lane. With 100 endpoints that hang, an app could do that 100 times. Paused
/// endpoints don't count, as they take no slot.
#[must_use]
pub fn is_app_slow<'a>(active: impl IntoIterator<Item = &'a Health>) -> bool {
    let (mut slow, mut all) = (0, 0);
    for health in active {
        all += 1;
        if health.slow_since.is_some() && health.pause.is_none() {
            slow += 1;
        }
    }
    slow >= MIN_SLOW && slow * 10 >= all
}

/// How an attempt came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A delivery of an event.
    Delivery,
    /// The probe of a paused endpoint.
    Probe,
    /// A test ping. It shows whether the endpoint is slow and can end a pause. Its
    /// failures don't count: customers ping endpoints that are still being built.
    Ping,
}

/// What follows for the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Unchanged,
    /// Its health is now this.
    Health(Health),
    /// It gets no more deliveries.
    Disable(DisabledReason),
}

impl Health {
    /// The state that this amounts to.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Self { pause: Some(_), .. } => State::Paused,
            Self {
                failing: Some(_), ..
            } => State::Failing,
            Self {
                slow_since: Some(_),
                ..
            } => State::Slow,
            _ => State::Well,
        }
    }

    /// What an attempt changes.
    #[must_use]
    pub fn after(
        &self,
        policy: &HealthPolicy,
        kind: Kind,
        attempt: &Attempt,
        rng: &mut impl Rng,
    ) -> Change {
        let mut health = *self;
        let took = Duration::from_millis(attempt.duration_ms.into());
        if attempt.verdict.response_status().is_some() && took < policy.slow_after / 2 {
            health.slow_since = None;
        }
        let ends_pause = attempt.verdict.is_success() && self.pause.is_some();
        if kind == Kind::Ping && !ends_pause {
            return self.changed_to(health);
        }
        if attempt.verdict.response_status() == Some(410) {
            return Change::Disable(DisabledReason::Gone);
        }
        if attempt.verdict.is_success() {
            health.failing = None;
            health.pause = None;
        } else {
            let failing = self.failing_after(attempt);
            let since_first = attempt.ended_at().duration_since(failing.since);
            let lasted = Duration::try_from(since_first).unwrap_or_default();
            if lasted >= policy.disable_after && failing.failures >= MIN_FAILURES {
                return Change::Disable(DisabledReason::Failing);
            }
            let pauses = self.pause.is_none() && lasted >= policy.pause_after;
            // A probe that began as its pause ended begins no other one.
            let goes_on = self.pause.is_some() && kind == Kind::Probe;
            if pauses || goes_on {
                health.pause = Some(self.pause_after(policy, attempt, rng));
            }
            let is_first = self.failing.map(|known| known.since) != Some(failing.since);
            if is_first || health.pause != self.pause {
                health.failing = Some(failing);
            }
        }
        self.changed_to(health)
    }

    fn changed_to(&self, new: Self) -> Change {
        if new == *self {
            Change::Unchanged
        } else {
            Change::Health(new)
        }
    }

    /// The failures, with this one.
    fn failing_after(&self, attempt: &Attempt) -> Failing {
        let belongs = |known: &Failing| {
            let gap = attempt.started_at.duration_since(known.last);
            Duration::try_from(gap).unwrap_or_default() <= MAX_GAP
        };
        let last = attempt.ended_at();
        match self.failing.filter(belongs) {
            Some(known) => Failing {
                last: last.max(known.last),
                failures: known.failures + 1,
                ..known
            },
            None => Failing {
                since: attempt.started_at,
                last,
                failures: 1,
            },
        }
    }

    /// The pause after this failure: one that begins, or goes on with a later probe.
    fn pause_after(&self, policy: &HealthPolicy, attempt: &Attempt, rng: &mut impl Rng) -> Pause {
        let now = attempt.ended_at();
        let (since, probes) = match self.pause {
            Some(pause) => (pause.since, pause.probes + 1),
            None => (now, 0),
        };
        let wait = policy.probe_wait(probes);
        let wait = wait.mul_f64(rng.random_range(1.0 - JITTER..=1.0 + JITTER));
        let asked = match &attempt.verdict {
            Verdict::Answered(answer) => answer.retry_after.unwrap_or_default(),
            Verdict::Failed(_) => Duration::ZERO,
        };
        Pause {
            since,
            probe_at: Some(now + wait.max(asked.min(MAX_WAIT))),
            probes,
        }
    }

    /// This health after a success that was to change `old` into `new`, and could not
    /// because a failure changed `old` into this. `None` if the failures that the success
    /// ends have ended otherwise.
    #[must_use]
    pub fn after_success_on(&self, old: &Self, new: &Self) -> Option<Self> {
        let begin = |health: &Self| health.failing.map(|failing| failing.since);
        if begin(self).is_none() || begin(self) != begin(old) {
            return None;
        }
        let slow_since = match old.slow_since == new.slow_since {
            true => self.slow_since,
            false => new.slow_since,
        };
        Some(Self {
            slow_since,
            failing: None,
            pause: None,
        })
    }

    /// This health with a probe that is due now, or as soon as the last failure is
    /// long enough ago: a delivery waits that can be it. `None` if there is nothing
    /// to change.
    #[must_use]
    pub fn with_probe(&self, policy: &HealthPolicy, now: Timestamp) -> Option<Self> {
        let pause = self.pause.filter(|pause| pause.probe_at.is_none())?;
        let last = self.failing.map_or(pause.since, |failing| failing.last);
        let probe_at = now.max(last + policy.probe_wait(pause.probes));
        Some(Self {
            pause: Some(Pause {
                probe_at: Some(probe_at),
                ..pause
            }),
            ..*self
        })
    }

    /// This health without a probe, because no delivery waits that could be one.
    #[must_use]
    pub fn without_probe(&self) -> Self {
        let pause = self.pause.map(|pause| Pause {
            probe_at: None,
            ..pause
        });
        Self { pause, ..*self }
    }
}

#[cfg(test)]
mod tests;
