//! Identifiers: UUIDs, made as version 7 (RFC 9562) so that their order is the
//! order in which they were made, with 74 random bits so that none is guessed.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The text is not a UUID in the hyphenated form of RFC 9562.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, greater than every one made before by this process.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "an id is made on purpose, not by default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// Reads the hyphenated form, in any letter case.
            ///
            /// # Errors
            /// [`InvalidId`] for every other form, the braced and the bare one included.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if text.len() != uuid::fmt::Hyphenated::LENGTH {
                    return Err(InvalidId);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }

            /// The 16 bytes, big-endian.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id of these 16 bytes.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// An app: one customer of the platform, the owner of endpoints and keys.
    AppId
);
id!(
    /// A webhook endpoint.
    EndpointId
);
id!(
    /// An event, whoever published it. Sent as `webhook-id`, which is the same
    /// on every attempt of every delivery of the event.
    EventId
);
id!(
    /// A delivery: one event for one endpoint.
    DeliveryId
);
id!(
    /// An API key's public handle, for listing and revoking it.
    KeyId
);

impl EventId {
    /// The event that an app publishes under an idempotency key: the same key
    /// makes the same id, so that the second event is recognized as the first.
    /// Version 8 (RFC 9562, 5.8), from a SHA-256.
    #[must_use]
    pub fn of_idempotency_key(app_id: AppId, key: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(b"event\0")
            .chain_update(app_id.as_bytes())
            .chain_update(key)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl DeliveryId {
    /// The delivery of an event to an endpoint. Always the same one, so that an
    /// event that is handled twice makes no second delivery.
    #[must_use]
    pub fn of_event(accepted_at: Timestamp, event_id: EventId, endpoint_id: EndpointId) -> Self {
        Self::derived(accepted_at, &[event_id.as_bytes(), endpoint_id.as_bytes()])
    }

    /// The delivery that repeats `failed` on behalf of the recovery `recovery`.
    #[must_use]
    pub fn of_recovery(asked_at: Timestamp, recovery: EventId, failed: DeliveryId) -> Self {
        Self::derived(asked_at, &[recovery.as_bytes(), failed.as_bytes()])
    }

    /// Version 7 with the time of `at`, its other bits from a SHA-256 of parts.
    fn derived(at: Timestamp, parts: &[&[u8; 16]]) -> Self {
        let mut hash = Sha256::new().chain_update(b"delivery\0");
        for part in parts {
            hash.update(part);
        }
        let hash = hash.finalize();
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&hash[..10]);
        Self(uuid::Builder::from_unix_timestamp_millis(millis(at), &bytes).into_uuid())
    }

    /// No id is less.
    pub const MIN: Self = Self(Uuid::nil());
    /// No id is greater.
    pub const MAX: Self = Self(Uuid::max());

    /// The id before this one, or this one if there is none.
    #[must_use]
    pub fn predecessor(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128().saturating_sub(1)))
    }

    /// The least id that a delivery of this time can have: ids are ordered by
    /// time, so it bounds a span of a history.
    #[must_use]
    pub fn least_of(at: Timestamp) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&millis(at).to_be_bytes()[2..]);
        Self(Uuid::from_bytes(bytes))
    }
}

/// Milliseconds since 1970, which 48 bits hold until the year 10889.
fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_repeatable_and_in_order_of_time() {
        let at: Timestamp = "2026-01-01T00:00:00.123Z".parse().unwrap();
        let later: Timestamp = "2026-01-01T00:00:00.124Z".parse().unwrap();
        let (event, endpoint) = (EventId::new(), EndpointId::new());
        let id = DeliveryId::of_event(at, event, endpoint);
        assert_eq!(id, DeliveryId::of_event(at, event, endpoint));
        assert_ne!(id, DeliveryId::of_event(at, event, EndpointId::new()));
        assert_ne!(id, DeliveryId::of_event(at, EventId::new(), endpoint));
        assert!(DeliveryId::least_of(at) <= id && id < DeliveryId::least_of(later));
        assert!(DeliveryId::parse(&id.to_string()).is_ok());
        assert_eq!(id.to_string().as_bytes()[14], b'7');
    }

    #[test]
    fn an_idempotency_key_names_one_event_of_one_app() {
        let (app, other) = (AppId::new(), AppId::new());
        let id = EventId::of_idempotency_key(app, "key");
        assert_eq!(id, EventId::of_idempotency_key(app, "key"));
        assert_ne!(id, EventId::of_idempotency_key(app, "key2"));
        assert_ne!(id, EventId::of_idempotency_key(other, "key"));
        assert_eq!(id.to_string().as_bytes()[14], b'8');
    }

    #[test]
    fn ids_are_ordered_by_creation() {
        let ids: Vec<_> = (0..1000).map(|_| DeliveryId::new()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn only_the_hyphenated_form_is_read() {
        let text = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(AppId::parse(text).unwrap().to_string(), text);
        assert_eq!(
            AppId::parse(&text.to_uppercase()).unwrap().to_string(),
            text
        );
        for wrong in [
            "",
            "x",
            "01890a5dac96774bbcceb302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a805g",
        ] {
            assert_eq!(AppId::parse(wrong), Err(InvalidId), "{wrong}");
        }
    }
}
