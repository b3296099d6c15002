//! Rate limits of endpoints, in deliveries per second.
//!
//! Every delivery takes a *turn*. Turns are numbered consecutively from 1970 on, and every
//! second has as many as the limit allows. So the number of a turn determines its second, and
//! the only state is the number of the next free turn, which is stored with the endpoint. A
//! function takes turns for a whole batch by advancing that number, in one conditional write,
//! and then waits until their time.

use std::num::NonZeroU16;
use std::time::Duration;

use jiff::Timestamp;

use super::message::MAX_DELAY;
use super::time::CLOCK_SKEW;

/// The most deliveries per second to an endpoint: 1 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit(NonZeroU16);

impl RateLimit {
    /// The highest limit, in deliveries per second.
    pub const MAX: u16 = 1_000;

    /// Parses a limit.
    ///
    /// # Errors
    /// A message for the caller.
    pub fn new(per_second: u64) -> Result<Self, &'static str> {
        u16::try_from(per_second)
            .ok()
            .filter(|number| *number <= Self::MAX)
            .and_then(NonZeroU16::new)
            .map(Self)
            .ok_or("must be a whole number from 1 to 1000, or null")
    }

    /// The limit in deliveries per second.
    #[must_use]
    pub fn per_second(self) -> u16 {
        self.0.get()
    }

    /// The first turn of the second that `now` is in.
    #[must_use]
    pub fn first_turn(self, now: Timestamp) -> u64 {
        let second = u64::try_from(now.as_second()).unwrap_or_default();
        // No overflow: seconds until the year 9999 need 38 bits, and a limit needs 10.
        second * u64::from(self.per_second())
    }

    /// The end of the turns that can be taken, exclusive: later ones are further away than SQS
    /// can delay a message.
    #[must_use]
    pub fn full(self, now: Timestamp) -> u64 {
        self.first_turn(now + MAX_DELAY)
    }

    /// The next free turn, given the stored one.
    #[must_use]
    pub fn next_free(self, stored: Option<u64>, now: Timestamp) -> u64 {
        match stored {
            Some(next) if self.is_current(next, now) => next,
            _ => self.first_turn(now),
        }
    }

    /// How many turns are free before [`Self::full`].
    #[must_use]
    pub fn free(self, stored: Option<u64>, now: Timestamp) -> u64 {
        self.full(now).saturating_sub(self.next_free(stored, now))
    }

    /// Whether the stored turn still counts: it belongs to this limit, and to the current
    /// second or a later one. If not, turns are free from `now` on, because none was taken
    /// recently or the limit was changed. The turns of another limit are never in this range:
    /// numbers count from 1970, so even those of the closest limit are weeks away.
    #[must_use]
    pub fn is_current(self, turn: u64, now: Timestamp) -> bool {
        // With the skew, because a function with a clock ahead of ours may have stored a turn
        // that is beyond our end. It must not count as free again.
        (self.first_turn(now)..=self.full(now + CLOCK_SKEW)).contains(&turn)
    }

    /// The time from `now` until a turn. Zero if its second has begun.
    #[must_use]
    pub fn wait_for(self, turn: u64, now: Timestamp) -> Duration {
        // All turns of a second are due at its beginning, so they are sent as a burst.
        let second = turn / u64::from(self.per_second());
        let at = i64::try_from(second)
            .ok()
            .and_then(|second| Timestamp::from_second(second).ok());
        let wait = at.map(|at| at.duration_since(now));
        wait.and_then(|wait| Duration::try_from(wait).ok())
            .unwrap_or_default()
    }

    /// How long the delivery at index `place` waits, if a group of deliveries that are all due
    /// is spread over seconds at this rate.
    #[must_use]
    pub fn spread(self, place: u64) -> Duration {
        Duration::from_secs(place / u64::from(self.per_second()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-01-01T00:00:{time}Z").parse().unwrap()
    }

    #[test]
    fn limits_are_from_1_to_1000() {
        for good in [1, 2, 1_000] {
            let limit = RateLimit::new(good).unwrap();
            assert_eq!(u64::from(limit.per_second()), good);
        }
        for bad in [0, 1_001, 65_536, u64::MAX] {
            RateLimit::new(bad).unwrap_err();
        }
    }

    #[test]
    fn seconds_have_as_many_turns_as_the_limit_allows() {
        let limit = RateLimit::new(3).unwrap();
        let first = limit.first_turn(at("10.9"));
        let waits: Vec<_> = (first..first + 7)
            .map(|turn| limit.wait_for(turn, at("10.9")).as_millis())
            .collect();
        assert_eq!(waits, [0, 0, 0, 100, 100, 100, 1_100]);
    }

    #[test]
    fn turns_end_at_the_longest_delay_of_a_message() {
        let limit = RateLimit::new(1_000).unwrap();
        let full = limit.full(at("10"));
        assert_eq!(limit.wait_for(full, at("10")), MAX_DELAY);
    }

    #[test]
    fn turns_are_free_between_the_stored_one_and_the_end() {
        let (limit, now) = (RateLimit::new(2).unwrap(), at("10"));
        let (first, full) = (limit.first_turn(now), limit.full(now));
        for (stored, next, free) in [
            (None, first, 1_800),
            (Some(first - 1), first, 1_800),
            (Some(first), first, 1_800),
            (Some(first + 5), first + 5, 1_795),
            (Some(full - 1), full - 1, 1),
            (Some(full), full, 0),
            // Stored by a clock that is ahead.
            (Some(full + 10), full + 10, 0),
            (Some(full * 2), first, 1_800),
        ] {
            assert_eq!(limit.next_free(stored, now), next, "{stored:?}");
            assert_eq!(limit.free(stored, now), free, "{stored:?}");
        }
    }

    #[test]
    fn past_turns_and_those_of_other_limits_do_not_count() {
        let now = at("10");
        let limits: Vec<_> = [1, 2, 3, 999, 1_000]
            .map(|n| RateLimit::new(n).unwrap())
            .into();
        for limit in &limits {
            assert!(limit.is_current(limit.first_turn(now), now));
            assert!(limit.is_current(limit.full(now), now));
            assert!(
                limit.is_current(limit.full(at("40")), now),
                "a clock that is ahead"
            );
            assert!(!limit.is_current(limit.first_turn(now) - 1, now));
            for other in limits.iter().filter(|other| *other != limit) {
                assert!(!limit.is_current(other.first_turn(now), now));
                assert!(!limit.is_current(other.full(now), now));
            }
        }
    }

    #[test]
    fn groups_are_spread_over_seconds() {
        let limit = RateLimit::new(2).unwrap();
        let waits: Vec<_> = (0..5).map(|place| limit.spread(place).as_secs()).collect();
        assert_eq!(waits, [0, 0, 1, 1, 2]);
    }
}
