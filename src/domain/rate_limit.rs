//! The rate that an endpoint may set: so many deliveries a second.
//!
//! Every delivery takes a *turn*. Turns are numbered from 1970 on, as many for each
//! second as the limit allows, so the number of a turn says when it is. The endpoint
//! stores the next free one. Whoever is to send takes turns by moving that number,
//! which is one write, and waits for them.

use std::num::NonZeroU16;
use std::time::Duration;

use jiff::Timestamp;

use super::message::MAX_DELAY;

/// How far the clocks of two functions may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// How many deliveries a second an endpoint takes: 1 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit(NonZeroU16);

impl RateLimit {
    /// The highest limit.
    pub const MAX: u16 = 1_000;

    /// Parses a limit.
    ///
    /// # Errors
    /// What the number must be.
    pub fn new(per_second: u64) -> Result<Self, &'static str> {
        u16::try_from(per_second)
            .ok()
            .filter(|number| *number <= Self::MAX)
            .and_then(NonZeroU16::new)
            .map(Self)
            .ok_or("must be a whole number from 1 to 1000, or null")
    }

    /// Deliveries a second.
    #[must_use]
    pub fn per_second(self) -> u16 {
        self.0.get()
    }

    /// The first turn of the second that `now` is in.
    #[must_use]
    pub fn first_turn(self, now: Timestamp) -> u64 {
        let second = u64::try_from(now.as_second()).unwrap_or_default();
        second * u64::from(self.per_second())
    }

    /// The first turn that is too far away to be taken: longer than a queue can delay
    /// a message.
    #[must_use]
    pub fn full(self, now: Timestamp) -> u64 {
        self.first_turn(now + MAX_DELAY)
    }

    /// The next turn that is free, if the endpoint stores this one.
    #[must_use]
    pub fn next_free(self, stored: Option<u64>, now: Timestamp) -> u64 {
        match stored {
            Some(next) if self.is_current(next, now) => next,
            _ => self.first_turn(now),
        }
    }

    /// How many turns are free, of those that are not too far away to be taken.
    #[must_use]
    pub fn free(self, stored: Option<u64>, now: Timestamp) -> u64 {
        self.full(now).saturating_sub(self.next_free(stored, now))
    }

    /// Whether an endpoint's next turn is one of this limit, in this second or later. If
    /// not, turns are free from `now` on: none were taken lately, or they were those of
    /// another limit. Its numbers are years away, because they count from 1970.
    #[must_use]
    pub fn is_current(self, turn: u64, now: Timestamp) -> bool {
        (self.first_turn(now)..=self.full(now + CLOCK_SKEW)).contains(&turn)
    }

    /// How long it is from `now` until a turn.
    #[must_use]
    pub fn wait_for(self, turn: u64, now: Timestamp) -> Duration {
        let second = turn / u64::from(self.per_second());
        let at = i64::try_from(second)
            .ok()
            .and_then(|second| Timestamp::from_second(second).ok());
        let wait = at.map(|at| at.duration_since(now));
        wait.and_then(|wait| Duration::try_from(wait).ok())
            .unwrap_or_default()
    }

    /// How long the delivery at this place of a group waits if the group, which is due
    /// already, is spread over seconds.
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
    fn limits_have_bounds() {
        for good in [1, 2, 1_000] {
            let limit = RateLimit::new(good).unwrap();
            assert_eq!(u64::from(limit.per_second()), good);
        }
        for bad in [0, 1_001, 65_536, u64::MAX] {
            RateLimit::new(bad).unwrap_err();
        }
    }

    #[test]
    fn a_second_has_as_many_turns_as_the_limit_allows() {
        let limit = RateLimit::new(3).unwrap();
        let first = limit.first_turn(at("10.9"));
        let waits: Vec<_> = (first..first + 7)
            .map(|turn| limit.wait_for(turn, at("10.9")).as_millis())
            .collect();
        assert_eq!(waits, [0, 0, 0, 100, 100, 100, 1_100]);
    }

    #[test]
    fn turns_end_where_a_queue_can_delay_no_further() {
        let limit = RateLimit::new(1_000).unwrap();
        let full = limit.full(at("10"));
        assert_eq!(limit.wait_for(full, at("10")), MAX_DELAY);
    }

    #[test]
    fn turns_are_free_from_the_stored_one_to_where_a_queue_can_delay_no_further() {
        let (limit, now) = (RateLimit::new(2).unwrap(), at("10"));
        let (first, full) = (limit.first_turn(now), limit.full(now));
        for (stored, next, free) in [
            (None, first, 1_800),
            (Some(first - 1), first, 1_800),
            (Some(first), first, 1_800),
            (Some(first + 5), first + 5, 1_795),
            (Some(full - 1), full - 1, 1),
            (Some(full), full, 0),
            // By a clock that is ahead.
            (Some(full + 10), full + 10, 0),
            (Some(full * 2), first, 1_800),
        ] {
            assert_eq!(limit.next_free(stored, now), next, "{stored:?}");
            assert_eq!(limit.free(stored, now), free, "{stored:?}");
        }
    }

    #[test]
    fn turns_of_other_limits_and_of_the_past_are_not_current() {
        let now = at("10");
        let limits: Vec<_> = [1, 2, 3, 999, 1_000]
            .map(|n| RateLimit::new(n).unwrap())
            .into();
        for limit in &limits {
            assert!(limit.is_current(limit.first_turn(now), now));
            assert!(limit.is_current(limit.full(now), now));
            assert!(
                limit.is_current(limit.full(at("40")), now),
                "by a clock that is ahead"
            );
            assert!(!limit.is_current(limit.first_turn(now) - 1, now));
            for other in limits.iter().filter(|other| *other != limit) {
                assert!(!limit.is_current(other.first_turn(now), now));
                assert!(!limit.is_current(other.full(now), now));
            }
        }
    }

    #[test]
    fn a_group_is_spread_over_seconds() {
        let limit = RateLimit::new(2).unwrap();
        let waits: Vec<_> = (0..5).map(|place| limit.spread(place).as_secs()).collect();
        assert_eq!(waits, [0, 0, 1, 1, 2]);
    }
}
