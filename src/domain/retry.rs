//! When failed attempts are retried.

use std::str::FromStr;
use std::time::Duration;

use rand::{Rng, RngExt};

/// The longest wait that the schedule or a receiver's `Retry-After` can ask for.
pub const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Each wait is shortened or lengthened at random by up to this fraction.
/// Otherwise, deliveries that failed at the same time would all retry at the same
/// time.
const JITTER: f64 = 0.2;

/// The waits between attempts, before jitter. The first wait follows the first
/// attempt. `n` waits allow `n + 1` attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule(Vec<Duration>);

/// The text is not a valid schedule. The message states what is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("1 to 20 waits separated by commas, each from 1 to 86400 whole seconds")]
pub struct InvalidSchedule;

impl Default for RetrySchedule {
    /// Ten attempts over about three days. This is the example in Standard Webhooks,
    /// "Deliverability and reliability".
    fn default() -> Self {
        const HOUR: u64 = 60 * 60;
        let waits = [
            5,
            5 * 60,
            30 * 60,
            2 * HOUR,
            5 * HOUR,
            10 * HOUR,
            14 * HOUR,
            20 * HOUR,
            24 * HOUR,
        ];
        Self(waits.into_iter().map(Duration::from_secs).collect())
    }
}

impl FromStr for RetrySchedule {
    type Err = InvalidSchedule;

    /// Parses waits in seconds, e.g. `5,300,1800`.
    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        let waits: Vec<_> = text
            .split(',')
            .map(|wait| match wait.trim().parse() {
                Ok(seconds) if (1..=MAX_WAIT.as_secs()).contains(&seconds) => {
                    Ok(Duration::from_secs(seconds))
                }
                _ => Err(InvalidSchedule),
            })
            .collect::<Result<_, _>>()?;
        if waits.len() <= 20 {
            Ok(Self(waits))
        } else {
            Err(InvalidSchedule)
        }
    }
}

impl RetrySchedule {
    /// The longest time that all waits can take together, if the receiver lengthens each one
    /// with `Retry-After` as far as it can.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let longest = |wait: &Duration| wait.mul_f64(1.0 + JITTER).max(MAX_WAIT);
        self.0.iter().map(longest).sum()
    }

    /// The wait after the failed attempt `number`, counted from 1, with jitter. `None` after
    /// the last attempt.
    #[must_use]
    pub fn wait_after(&self, number: u32, rng: &mut impl Rng) -> Option<Duration> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        let wait = self.0.get(index)?;
        Some(wait.mul_f64(rng.random_range(1.0 - JITTER..=1.0 + JITTER)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(number: u32) -> Option<Duration> {
        RetrySchedule::default().wait_after(number, &mut rand::rng())
    }

    #[test]
    fn waits_follow_the_schedule_with_jitter() {
        let expected = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
        for (number, seconds) in (1..).zip(expected) {
            let (mut least, mut most) = (f64::MAX, 0.0_f64);
            for _ in 0..500 {
                let wait = wait(number).unwrap().as_secs_f64();
                least = least.min(wait / f64::from(seconds));
                most = most.max(wait / f64::from(seconds));
            }
            assert!((0.8..0.85).contains(&least), "{least} of {seconds} s");
            assert!((1.15..=1.2001).contains(&most), "{most} of {seconds} s");
        }
        assert_eq!(wait(10), None);
        assert_eq!(wait(0), None);
    }

    #[test]
    fn longest_wait_is_a_day_or_the_schedules_own_with_jitter() {
        const HOUR: u64 = 60 * 60;
        for (schedule, hours) in [("5", 24.0), ("5,300", 48.0), ("86400", 28.8)] {
            let schedule: RetrySchedule = schedule.parse().unwrap();
            let longest = Duration::from_secs(HOUR).mul_f64(hours);
            assert_eq!(schedule.longest(), longest);
        }
        // With jitter, the wait of 20 hours becomes 24. So each wait is a day, except for the
        // last, which is longer.
        let most = Duration::from_secs(8 * 24 * HOUR) + Duration::from_secs(HOUR).mul_f64(28.8);
        assert_eq!(RetrySchedule::default().longest(), most);
    }

    #[test]
    fn only_valid_lists_of_seconds_parse() {
        let read: RetrySchedule = "5, 300,86400".parse().unwrap();
        assert_eq!(read.0, [5, 300, 86_400].map(Duration::from_secs));
        assert_eq!(
            "5,300,1800,7200,18000,36000,50400,72000,86400".parse(),
            Ok(RetrySchedule::default())
        );
        for wrong in ["", "0", "86401", "1,,2", "1.5", "x", &["1"; 21].join(",")] {
            assert_eq!(
                wrong.parse::<RetrySchedule>(),
                Err(InvalidSchedule),
                "{wrong}"
            );
        }
    }
}
