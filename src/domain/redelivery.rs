//! When a queue message that could not be handled comes back, and when it is given
//! up.

use std::time::Duration;

use rand::{Rng, RngExt};

const FIRST_DELAY: Duration = Duration::from_secs(5);

/// SQS would hide a message for 12 hours. Two are a compromise: hidden messages count
/// as in flight, of which a queue has at most 120,000, so after a long outage new
/// messages may have to wait for as long as this.
const LONGEST_DELAY: Duration = Duration::from_secs(2 * 60 * 60);

/// Each delay is shortened at random by up to this fraction, so that what failed
/// together does not come back together.
pub const JITTER: f64 = 0.2;

/// How often a message is received that fails by a defect of this code or of what is
/// stored, before it goes to the dead-letter queue: ten minutes after its first
/// receive. The queue counts all receives, whatever came of them, so after an outage
/// a defect may get no second try.
pub const DEFECT_RECEIVES: u32 = 8;

/// How long a message waits after it failed for the `receive_count`-th time, before
/// jitter: 5 seconds, doubling, two hours at most.
///
/// Together with `maxReceiveCount` of the queues in the template, the delays decide
/// how long an outage may last before a message is given up: a week at least.
#[must_use]
pub fn delay_after(receive_count: u32) -> Duration {
    let doublings = receive_count.saturating_sub(1).min(16);
    (FIRST_DELAY * (1 << doublings)).min(LONGEST_DELAY)
}

/// A delay with jitter.
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
        // A message whose count is unknown, and one that was received very often.
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
