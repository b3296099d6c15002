//! When a failed attempt is tried again.

use std::str::FromStr;
use std::time::Duration;

use rand::{Rng, RngExt};

use super::delivery::{Failure, Verdict};

/// Longest wait, also for a receiver that asks for a longer one.
pub const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Part by which a wait is made shorter or longer at random, so that what
/// failed together does not come back together.
const JITTER: f64 = 0.2;

/// The waits after the first attempt, after the second, and so on. An attempt
/// follows each; after the last, a delivery has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule(Vec<Duration>);

/// The text is no list of waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("1 to 20 waits of 1 to 86400 whole seconds, separated by commas")]
pub struct InvalidSchedule;

impl Default for RetrySchedule {
    /// 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: ten attempts over some
    /// three days (the example of Standard Webhooks, "Deliverability and
    /// reliability").
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

    /// Reads waits in seconds: `5,300,1800`.
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
    /// How long to wait after attempt `number` (1 for the first) ended like
    /// this. `None` when no attempt is to follow: it succeeded, it was the last
    /// one, or trying again can't help.
    #[must_use]
    pub fn wait_after(
        &self,
        number: u32,
        verdict: &Verdict,
        rng: &mut impl Rng,
    ) -> Option<Duration> {
        if verdict.is_success() || is_final(verdict) {
            return None;
        }
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        let wait = self.0.get(index)?;
        let wait = wait.mul_f64(rng.random_range(1.0 - JITTER..=1.0 + JITTER));
        let asked = match verdict {
            Verdict::Answered { retry_after, .. } => retry_after.unwrap_or_default(),
            Verdict::Failed(_) => Duration::ZERO,
        };
        // The jitter may take the longest wait of the schedule beyond a day;
        // the bound is for what a receiver asks.
        Some(wait.max(asked.min(MAX_WAIT)))
    }
}

/// Whether the answer, or the lack of one, is the receiver's last word.
fn is_final(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Answered { status: 410, .. } | Verdict::Failed(Failure::RefusedAddress)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<u64>) -> Verdict {
        Verdict::Answered {
            status,
            body: String::new(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    fn wait(number: u32, verdict: &Verdict) -> Option<Duration> {
        RetrySchedule::default().wait_after(number, verdict, &mut rand::rng())
    }

    #[test]
    fn waits_follow_the_schedule_within_the_jitter() {
        let expected = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
        for (number, seconds) in (1..).zip(expected) {
            let (mut least, mut most) = (f64::MAX, 0.0_f64);
            for _ in 0..500 {
                let wait = wait(number, &answered(500, None)).unwrap().as_secs_f64();
                least = least.min(wait / f64::from(seconds));
                most = most.max(wait / f64::from(seconds));
            }
            assert!((0.8..0.85).contains(&least), "{least} of {seconds} s");
            assert!((1.15..=1.2001).contains(&most), "{most} of {seconds} s");
        }
        assert_eq!(wait(10, &answered(500, None)), None);
        assert_eq!(wait(0, &answered(500, None)), None);
    }

    #[test]
    fn a_receiver_can_ask_for_a_longer_wait_up_to_a_day_but_not_for_a_shorter_one() {
        assert_eq!(
            wait(1, &answered(503, Some(100))),
            Some(Duration::from_secs(100))
        );
        assert_eq!(wait(1, &answered(429, Some(1_000_000))), Some(MAX_WAIT));
        assert!(wait(2, &answered(429, Some(1))).unwrap() >= Duration::from_secs(240));
    }

    #[test]
    fn nothing_follows_a_success_a_410_or_a_refused_address() {
        assert_eq!(wait(1, &answered(204, None)), None);
        assert_eq!(wait(1, &answered(410, None)), None);
        assert_eq!(wait(1, &Verdict::Failed(Failure::RefusedAddress)), None);
        for failure in [
            Failure::Dns,
            Failure::Timeout,
            Failure::Tls,
            Failure::Connect,
        ] {
            assert!(wait(1, &Verdict::Failed(failure)).is_some(), "{failure}");
        }
        for status in [302, 404, 500] {
            assert!(wait(1, &answered(status, None)).is_some(), "{status}");
        }
    }

    #[test]
    fn a_schedule_is_read_from_seconds() {
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
