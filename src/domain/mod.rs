//! The nouns and the policy of the service. Nothing here knows AWS or HTTP;
//! clock and randomness are passed in.

pub mod address;
pub mod api_key;
pub mod delivery;
pub mod endpoint;
pub mod event_type;
pub mod id;
pub mod message;
pub mod retry;
pub mod signing;
pub mod target_url;
pub mod validation;

use jiff::Timestamp;

/// Renders `at` as the API and the table show time: ISO 8601, UTC, three
/// fractional digits, `Z` (`2026-01-31T09:30:00.000Z`).
#[must_use]
pub fn iso_millis(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Cuts `at` to whole milliseconds, the precision that is stored and shown, so
/// that a value reads the same before and after a round trip.
#[must_use]
pub fn whole_millis(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// Serde for a [`Timestamp`] field in the form of [`iso_millis`].
pub mod serde_millis {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes the timestamp with three fractional digits.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{at:.3}"))
    }

    /// Reads an RFC 3339 timestamp.
    ///
    /// # Errors
    /// When the value is not a string or not a timestamp.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }

    /// The same for an optional field.
    pub mod option {
        use super::{Deserialize, Deserializer, Error, Serializer, Timestamp};

        /// Writes the timestamp, or a null.
        ///
        /// # Errors
        /// Those of the serializer.
        pub fn serialize<S: Serializer>(
            at: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => super::serialize(at, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads a timestamp or a null.
        ///
        /// # Errors
        /// When the value is neither.
        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            Option::<String>::deserialize(deserializer)?
                .map(|text| text.parse().map_err(D::Error::custom))
                .transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shown_with_three_fractional_digits_and_z() {
        let at: Timestamp = "2026-01-31T09:30:00Z".parse().unwrap();
        assert_eq!(iso_millis(at), "2026-01-31T09:30:00.000Z");
        let at: Timestamp = "2026-01-31T09:30:00.123456Z".parse().unwrap();
        assert_eq!(iso_millis(at), "2026-01-31T09:30:00.123Z");
        assert_eq!(
            whole_millis(at),
            "2026-01-31T09:30:00.123Z".parse().unwrap()
        );
    }
}
