//! An endpoint's health (well, slow, failing, paused or disabled), and how attempts change
//! it. Only changes are written, so a healthy endpoint costs no writes.

use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng, RngExt};

use super::delivery::{Attempt, Verdict};
use super::endpoint::DisabledReason;
use super::retry::MAX_WAIT;

/// Failures further apart than this do not belong together. Otherwise, an endpoint that gets
/// one event a week and fails two of them would count as failing for a week.
const MAX_GAP: Duration = Duration::from_secs(24 * 60 * 60);

/// The least number of failures that disables an endpoint.
const MIN_FAILURES: u32 = 10;

/// The longest wait for a probe before jitter, unless a receiver asks for more with
/// `Retry-After`.
const MAX_PROBE: Duration = Duration::from_secs(15 * 60);

/// Each wait for a probe is shortened or lengthened at random by up to this fraction, so that
/// endpoints that failed together are not probed together.
const JITTER: f64 = 0.2;

/// The configurable thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthPolicy {
    /// How long an attempt may take before the endpoint counts as slow.
    pub slow_after: Duration,
    /// How long an endpoint has to fail without a success before it is paused.
    pub pause_after: Duration,
    /// The wait for a paused endpoint's first probe. It doubles with each failed probe.
    pub first_probe: Duration,
    /// How long an endpoint has to fail without a success before it is disabled.
    pub disable_after: Duration,
}

impl HealthPolicy {
    /// The wait for the next probe after this many have failed, without jitter.
    fn probe_wait(&self, probes: u32) -> Duration {
        // Saturates: an endpoint can be probed more than 32 times before it is disabled.
        let factor = 1_u32.checked_shl(probes).unwrap_or(u32::MAX);
        self.first_probe.saturating_mul(factor).min(MAX_PROBE)
    }
}

impl Default for HealthPolicy {
    /// Slow after 3 s, paused after a minute, probed after 30 s, disabled after five days.
    fn default() -> Self {
        Self {
            slow_after: Duration::from_secs(3),
            pause_after: Duration::from_secs(60),
            first_probe: Duration::from_secs(30),
            disable_after: Duration::from_secs(5 * 24 * 60 * 60),
        }
    }
}

/// The stored health of an endpoint. Every field is `None` while the endpoint is well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// When an attempt was first found to take too long.
    pub slow_since: Option<Timestamp>,
    /// The failures since the last success.
    pub failing: Option<Failing>,
    /// The current pause.
    pub pause: Option<Pause>,
}

/// An uninterrupted series of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// When the first failed attempt began. Identifies the series.
    pub since: Timestamp,
    /// When the last recorded one ended.
    pub last: Timestamp,
    /// How many were recorded. Failures within [`HealthPolicy::pause_after`] of the first one
    /// are not, so that a burst of failures costs one write.
    pub failures: u32,
}

/// A pause. All deliveries wait, except for one probe at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// When the pause began. Identifies it.
    pub since: Timestamp,
    /// When the next probe is due. `None` while no delivery waits that could be sent as one.
    pub probe_at: Option<Timestamp>,
    /// How many probes have failed so far.
    pub probes: u32,
}

/// A [`Health`] in one word, ordered from worst to best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Deliveries wait until an attempt succeeds, usually a probe.
    Paused,
    /// The last attempt failed.
    Failing,
    /// An attempt took too long.
    Slow,
    /// None of the above.
    Well,
}

/// The least number of slow endpoints that makes an app slow, see [`is_app_slow`].
const MIN_SLOW: usize = 5;

/// Whether so many of an app's active endpoints are slow that the others probably are too:
/// at least five, and at least a tenth.
///
/// An endpoint turns out to be slow only after an attempt has held a slot of the fast lane.
/// An app with 100 endpoints that hang could do that 100 times. Paused endpoints don't count,
/// because they take no slots.
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

/// The kind of an attempt, as far as health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A delivery of an event.
    Delivery,
    /// A probe of a paused endpoint.
    Probe,
    /// A test ping. Its duration shows whether the endpoint is slow, and its success ends a
    /// pause. Its failures don't count: customers ping endpoints that are still being built.
    Ping,
}

/// How an attempt changes an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Not at all, so nothing is written.
    Unchanged,
    /// This is its new health.
    Health(Health),
    /// It is disabled, and gets no more deliveries.
    Disable(DisabledReason),
}

impl Health {
    /// The worst state that applies.
    #[must_use]
    pub fn state(&self) -> State {
        // Worst first: a paused endpoint usually has failures, and may be slow too.
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

    /// How an attempt changes this health. That an attempt is slow is noted while it is still
    /// under way, so only the way back is here.
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
        // Half of the limit, so that an endpoint close to it does not change back and forth.
        // Without a response, a quick end says nothing: the connection may have been refused.
        if attempt.verdict.response_status().is_some() && took < policy.slow_after / 2 {
            health.slow_since = None;
        }
        let ends_pause = attempt.verdict.is_success() && self.pause.is_some();
        // Before the 410: a ping must not disable an endpoint either.
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
            // Negative if the first recorded failure began after this attempt ended.
            let lasted = Duration::try_from(since_first).unwrap_or_default();
            // Both conditions, so that a few failures far apart do not disable an endpoint.
            if lasted >= policy.disable_after && failing.failures >= MIN_FAILURES {
                return Change::Disable(DisabledReason::Failing);
            }
            let pauses = self.pause.is_none() && lasted >= policy.pause_after;
            // A failed probe continues the pause, unless the pause had ended before the probe
            // began: another attempt has succeeded then.
            let goes_on = self.pause.is_some() && kind == Kind::Probe;
            if pauses || goes_on {
                health.pause = Some(self.pause_after(policy, attempt, rng));
            }
            // Not every failure is written: only the first of a series, and those that begin a
            // pause or are probes. All others would be one write each.
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

    /// The series of failures including this one. A new series begins if the last failure is
    /// more than [`MAX_GAP`] ago.
    fn failing_after(&self, attempt: &Attempt) -> Failing {
        let belongs = |known: &Failing| {
            let gap = attempt.started_at.duration_since(known.last);
            Duration::try_from(gap).unwrap_or_default() <= MAX_GAP
        };
        let last = attempt.ended_at();
        match self.failing.filter(belongs) {
            // Attempts overlap, so a later failure may already be recorded.
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

    /// The pause after this failure: a new one, or the current one with its next probe.
    fn pause_after(&self, policy: &HealthPolicy, attempt: &Attempt, rng: &mut impl Rng) -> Pause {
        let now = attempt.ended_at();
        let (since, probes) = match self.pause {
            Some(pause) => (pause.since, pause.probes + 1),
            None => (now, 0),
        };
        // The receiver's `Retry-After` can only lengthen the wait.
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

    /// Merges a success with a concurrent failure. The success was about to change `old` into
    /// `new`, but its conditional write failed, because a failure had changed `old` into
    /// `self`. Returns what to write instead: the success still ends this series of failures.
    /// `None` if the series has already ended, or another one has begun.
    #[must_use]
    pub fn after_success_on(&self, old: &Self, new: &Self) -> Option<Self> {
        // A series is identified by its beginning, which does not change as failures are added.
        let begin = |health: &Self| health.failing.map(|failing| failing.since);
        if begin(self).is_none() || begin(self) != begin(old) {
            return None;
        }
        // Keep a concurrent change of slowness, unless the success itself changed it.
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

    /// Schedules a probe when a delivery begins to wait that can be sent as one. It is due
    /// now, or once the usual wait since the last failure is over. `None` if the endpoint is
    /// not paused, or a probe is already scheduled.
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

    /// Cancels the next probe, because no delivery waits that could be sent as one.
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
