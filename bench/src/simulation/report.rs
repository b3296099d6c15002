//! The measurements of a run.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use webhook_endpoints::domain::message::Lane;

use super::receivers::Behaviour;

/// What happened in a run. Times are relative to its beginning.
#[derive(Debug, Default)]
pub(super) struct Report {
    healthy: Traffic,
    slow: Traffic,
    hanging: Traffic,
    fast_lane: Seconds,
    slow_lane: Seconds,
}

#[derive(Debug, Default)]
struct Traffic {
    /// When each event was published.
    published: Vec<Duration>,
    /// For each event with an attempt, when it was published and the delay until the first
    /// attempt.
    attempted: Vec<(Duration, Duration)>,
    /// When attempts were made, including retries.
    made: Vec<Duration>,
}

/// Slot seconds, by the second in which they were used.
#[derive(Debug, Default)]
struct Seconds(Vec<f64>);

impl Seconds {
    fn add(&mut self, from: Duration, to: Duration) {
        let mut from = from;
        while from < to {
            let second = from.as_secs();
            let until = to.min(Duration::from_secs(second + 1));
            let index = usize::try_from(second).unwrap_or(usize::MAX);
            if self.0.len() <= index {
                self.0.resize(index + 1, 0.0);
            }
            self.0[index] += (until - from).as_secs_f64();
            from = until;
        }
    }

    fn within(&self, span: &Range<Duration>) -> f64 {
        let index = |at: Duration| usize::try_from(at.as_secs()).unwrap_or(usize::MAX);
        let (from, to) = (index(span.start), index(span.end));
        let within = self.0.iter().take(to).skip(from);
        within.fold(0.0, |sum, used| sum + used)
    }
}

impl Report {
    fn of(&mut self, behaviour: Behaviour) -> &mut Traffic {
        match behaviour {
            Behaviour::Healthy => &mut self.healthy,
            Behaviour::Slow => &mut self.slow,
            Behaviour::Hangs => &mut self.hanging,
        }
    }

    pub(super) fn published(&mut self, behaviour: Behaviour, at: Duration) {
        self.of(behaviour).published.push(at);
    }

    /// Records the beginning of an event's first attempt.
    pub(super) fn attempted(&mut self, behaviour: Behaviour, published: Duration, at: Duration) {
        let delay = at.saturating_sub(published);
        self.of(behaviour).attempted.push((published, delay));
    }

    /// Records the beginning of any attempt.
    pub(super) fn made(&mut self, behaviour: Behaviour, at: Duration) {
        self.of(behaviour).made.push(at);
    }

    /// Records an invocation of the function.
    pub(super) fn invoked(&mut self, lane: Lane, from: Duration, to: Duration) {
        match lane {
            Lane::Fast => self.fast_lane.add(from, to),
            Lane::Slow => self.slow_lane.add(from, to),
        }
    }

    /// The delays of events that were published in `span` to receivers with this behaviour.
    pub(super) fn delays(&self, behaviour: Behaviour, span: &Range<Duration>) -> Delays {
        let traffic = match behaviour {
            Behaviour::Healthy => &self.healthy,
            Behaviour::Slow => &self.slow,
            Behaviour::Hangs => &self.hanging,
        };
        let published = traffic.published.iter().filter(|at| span.contains(*at));
        let attempted = traffic.attempted.iter();
        let attempted = attempted.filter(|(published, _)| span.contains(published));
        let mut attempted: Vec<_> = attempted.map(|(_, delay)| *delay).collect();
        attempted.sort_unstable();
        Delays {
            attempted,
            published: published.count(),
        }
    }

    /// When the last healthy event that had to wait for longer than `delay` was attempted.
    pub(super) fn last_beyond(&self, delay: Duration) -> Duration {
        let attempted = self.healthy.attempted.iter();
        let beyond = attempted.filter(|(_, waited)| *waited > delay);
        let ends = beyond.map(|(published, waited)| *published + *waited);
        ends.max().unwrap_or_default()
    }

    /// The number of attempts at hanging receivers.
    pub(super) fn hanging_attempts(&self, span: &Range<Duration>) -> usize {
        let made = self.hanging.made.iter();
        made.filter(|at| span.contains(*at)).count()
    }

    /// The number of published events.
    pub(super) fn events(&self, span: &Range<Duration>) -> usize {
        let all = [&self.healthy, &self.slow, &self.hanging];
        let of_all = all.iter().flat_map(|traffic| &traffic.published);
        of_all.filter(|at| span.contains(*at)).count()
    }

    /// The slot seconds that a lane used.
    pub(super) fn used(&self, lane: Lane, span: &Range<Duration>) -> f64 {
        match lane {
            Lane::Fast => self.fast_lane.within(span),
            Lane::Slow => self.slow_lane.within(span),
        }
    }
}

/// Times from publishing to the first attempt, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delays {
    attempted: Vec<Duration>,
    /// The number of events, including those that were not attempted.
    published: usize,
}

/// A delay, or no attempt before the run ended. `NotAttempted` is greater than any delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Delay {
    Of(Duration),
    NotAttempted,
}

impl Delays {
    pub(super) fn percentile(&self, percent: usize) -> Option<Delay> {
        let index = (self.published * percent).div_ceil(100).checked_sub(1)?;
        let delay = self.attempted.get(index).copied();
        Some(delay.map_or(Delay::NotAttempted, Delay::Of))
    }

    pub(super) fn p50(&self) -> Shown {
        Shown(self.percentile(50))
    }

    pub(super) fn p99(&self) -> Shown {
        Shown(self.percentile(99))
    }

    pub(super) fn longest(&self) -> Shown {
        Shown(self.percentile(100))
    }
}

/// A delay as shown in tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown(Option<Delay>);

impl From<Delay> for Shown {
    fn from(delay: Delay) -> Self {
        Self(Some(delay))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("-"),
            Some(Delay::NotAttempted) => f.write_str("never"),
            Some(Delay::Of(delay)) if delay < Duration::from_secs(1) => {
                write!(f, "{} ms", delay.as_millis())
            }
            Some(Delay::Of(delay)) if delay < Duration::from_secs(100) => {
                write!(f, "{:.1} s", delay.as_secs_f64())
            }
            Some(Delay::Of(delay)) => write!(f, "{} s", delay.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn events_without_an_attempt_count_as_the_longest_delays() {
        let mut report = Report::default();
        for second in 0..100 {
            report.published(Behaviour::Healthy, seconds(second));
            if second < 99 {
                let attempted = seconds(second) + Duration::from_millis(second);
                report.attempted(Behaviour::Healthy, seconds(second), attempted);
            }
        }
        let delays = report.delays(Behaviour::Healthy, &(seconds(0)..seconds(100)));
        let shown = [delays.p50(), delays.p99(), delays.longest()].map(|shown| shown.to_string());
        assert_eq!(shown, ["49 ms", "98 ms", "never"]);
        let none = report.delays(Behaviour::Slow, &(seconds(0)..seconds(100)));
        assert_eq!(none.p99().to_string(), "-");
    }

    #[test]
    fn only_events_published_in_the_span_count() {
        let mut report = Report::default();
        for second in [1, 5, 9] {
            report.published(Behaviour::Hangs, seconds(second));
            report.made(Behaviour::Hangs, seconds(second));
        }
        let span = seconds(2)..seconds(9);
        assert_eq!(report.events(&span), 1);
        assert_eq!(report.hanging_attempts(&span), 1);
    }

    #[test]
    fn slots_are_counted_in_the_seconds_in_which_they_were_used() {
        let mut report = Report::default();
        report.invoked(Lane::Slow, Duration::from_millis(500), seconds(16));
        report.invoked(Lane::Slow, seconds(1), seconds(3));
        let used = |from, to| report.used(Lane::Slow, &(seconds(from)..seconds(to)));
        assert!((used(0, 1) - 0.5).abs() < 1e-9);
        assert!((used(1, 3) - 4.0).abs() < 1e-9);
        assert!((used(0, 100) - 17.5).abs() < 1e-9);
        assert!(report.used(Lane::Fast, &(seconds(0)..seconds(100))) < 1e-9);
    }
}
