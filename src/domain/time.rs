//! Time as the service shows and stores it: ISO 8601 in UTC, with whole milliseconds.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;

/// The largest assumed difference between two clocks: those of two functions, or of a function
/// and a queue.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Formats `at` as the API and the table show it: `2026-01-31T09:30:00.000Z`.
#[must_use]
pub fn iso_millis(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Truncates `at` to the precision that is stored and shown, so that a value is the same after
/// a round trip.
#[must_use]
pub fn whole_millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// Parses an ISO 8601 time with an offset, and truncates it to milliseconds.
///
/// # Errors
/// A message for the caller. Years before 0 are rejected, because they would be formatted with
/// a sign, which RFC 3339 does not allow. The end of the year 9999 is rejected by jiff, because
/// it is in the year 10000 in some time zones.
pub fn parse(text: &str) -> Result<Timestamp, &'static str> {
    if let Ok(at) = text.parse::<Timestamp>()
        && at.as_millisecond() >= YEAR_0_MILLIS
        // Fails within the last second: jiff has it in nanoseconds, but not in milliseconds.
        && let Ok(whole) = Timestamp::from_millisecond(at.as_millisecond())
    {
        return Ok(whole);
    }
    let is_time =
        |pieces: Pieces<'_>| pieces.time().is_some() && pieces.to_numeric_offset().is_some();
    Err(match Pieces::parse(text).map(is_time) {
        Ok(true) => "must be from 0000-01-01T00:00:00Z to 9999-12-30T22:00:00Z",
        _ => "must be an ISO 8601 time with an offset, such as 2026-01-31T09:30:00.000Z",
    })
}

/// 0000-01-01T00:00:00Z.
const YEAR_0_MILLIS: i64 = -62_167_219_200_000;

/// Serde for a [`Timestamp`] field, formatted by [`iso_millis`].
pub mod serde_millis {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the timestamp with three fractional digits.
    ///
    /// # Errors
    /// Returns the serializer's errors.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{at:.3}"))
    }

    /// Parses a time with [`super::parse`].
    ///
    /// # Errors
    /// If the value is not a string with a valid time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        super::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    /// Serde for an optional field.
    pub mod option {
        use super::{Deserialize, Deserializer, Error, Serializer, Timestamp};

        /// Writes the timestamp, or null for `None`.
        ///
        /// # Errors
        /// Returns the serializer's errors.
        pub fn serialize<S: Serializer>(
            at: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => super::serialize(at, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Parses a timestamp, or null as `None`.
        ///
        /// # Errors
        /// If the value is neither.
        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            Option::<String>::deserialize(deserializer)?
                .map(|text| crate::domain::time::parse(&text).map_err(D::Error::custom))
                .transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_have_three_fractional_digits_and_z() {
        let at: Timestamp = "2026-01-31T09:30:00Z".parse().unwrap();
        assert_eq!(iso_millis(at), "2026-01-31T09:30:00.000Z");
        let at: Timestamp = "2026-01-31T09:30:00.123456Z".parse().unwrap();
        assert_eq!(iso_millis(at), "2026-01-31T09:30:00.123Z");
        assert_eq!(
            whole_millis(at),
            "2026-01-31T09:30:00.123Z".parse().unwrap()
        );
    }

    #[test]
    fn invalid_times_are_rejected_with_the_reason() {
        for text in ["0000-01-01T00:00:00Z", "9999-12-30T22:00:00Z"] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in [
            "9999-12-31T23:59:59Z",
            "9999-12-30T22:00:00.5Z",
            "9999-12-30T22:00:00.001Z",
            "9999-12-30T22:00:01Z",
            "9999-12-30T23:00:00-01:00",
            "0000-01-01T00:00:00+01:00",
            "-000001-12-31T23:59:59Z",
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(wrong.starts_with("must be from 0000-"), "{text}: {wrong}");
        }
        for text in [
            "",
            "9999-12-31",
            "9999-12-31T23:59:59",
            "9999-12-32T00:00:00Z",
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(wrong.starts_with("must be an ISO 8601"), "{text}: {wrong}");
        }
    }
}
