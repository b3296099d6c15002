//! When a queue message that could not be handled comes back, and when it is given up.

use std::time::Duration;

use rand::{Rng, RngExt};

const FIRST_DELAY: Duration = Duration::from_secs(5);

/// SQS could hide a message for 12 hours. Two are a compromise: hidden messages count as in
/// flight, and a queue stops delivering at 120,000 of them. So after a long outage, new
/// messages may have to wait this long.
const LONGEST_DELAY: Duration = Duration::from_secs(2 * 60 * 60);

/// Each delay is shortened at random by up to this fraction, so that messages that failed
/// together do not come back together.
pub const JITTER: f64 = 0.2;

/// After how many receives a message goes to the dead-letter queue if it fails because of a
/// defect in the code or in stored data. That is about ten minutes after the first receive.
/// SQS counts every receive, so after an outage a defect may get no second try.
pub const DEFECT_RECEIVES: u32 = 8;

/// How long a message waits after its `receive_count`-th receive failed, before jitter: 5
/// seconds, doubled each time, up to two hours.
///
/// Together with the queues' `maxReceiveCount` in the template, the delays determine how long
/// an outage may last before messages are given up: at least a week.
#[must_use]
pub fn delay_after(receive_count: u32) -> Duration {
    let doublings = receive_count.saturating_sub(1).min(16);
    (FIRST_DELAY * (1 << doublings)).min(LONGEST_DELAY)
}

/// Shortens a delay at random, by up to [`JITTER`].
#[must_use]
pub fn with_jitter(delay: Duration, rng: &mut impl Rng) -> Duration {
    delay.mul_f64(rng.random_range(1.0 - JITTER..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_seconds_to_two_hours() {
        let delays: Vec<_> = (1..=13).map(|n| delay_after(n).as_secs()).collect();
        let expected = [
            5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 7200, 7200,
        ];
        assert_eq!(delays, expected);
        // An unknown count, and a very large one.
        assert_eq!(delay_after(0), FIRST_DELAY);
        assert_eq!(delay_after(u32::MAX), LONGEST_DELAY);
    }

    #[test]
    fn jitter_shortens_delays_by_a_fifth_at_most() {
        let delay = Duration::from_secs(100);
        for _ in 0..500 {
            let wait = with_jitter(delay, &mut rand::rng());
            assert!((80.0..=100.0).contains(&wait.as_secs_f64()), "{wait:?}");
        }
    }
}
