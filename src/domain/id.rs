//! Identifiers. An app's id is the platform's own; all others are UUIDs of
//! version 7 (RFC 9562), which sort by creation time and carry 74 random bits, so
//! that they cannot be guessed. The last 32 bits of an event's id tell whether the
//! service issued it, and to which app.

use std::fmt;

use arrayvec::ArrayString;
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
            /// [`InvalidId`] for every other form, the braced and the bare one included,
            /// and for the nil UUID, which stands for an id that nothing has.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if text.len() != uuid::fmt::Hyphenated::LENGTH {
                    return Err(InvalidId);
                }
                match Uuid::try_parse(text) {
                    Ok(id) if !id.is_nil() => Ok(Self(id)),
                    _ => Err(InvalidId),
                }
            }

            /// An id that nothing has.
            pub const UNKNOWN: Self = Self(Uuid::nil());

            /// Reads an id that a caller sent. A malformed one becomes an id that
            /// nothing has, so that it is looked up, and missed, like any other.
            #[must_use]
            pub fn parse_or_unknown(text: &str) -> Self {
                Self::parse(text).unwrap_or(Self::UNKNOWN)
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
    /// The public handle of an API key or a session, for listing and revoking it.
    KeyId
);
id!(
    /// A key pair that signing secrets are sealed to.
    SealingKeyId
);

/// Longest app id, in bytes.
pub const MAX_APP_ID_BYTES: usize = 64;

/// An app: one customer of the platform, the owner of endpoints and keys. It has
/// the id that the platform itself uses: 1 to [`MAX_APP_ID_BYTES`] of
/// `[A-Za-z0-9_-]`, case-sensitive.
///
/// None of these characters separates the parts of a table key or of a secret's
/// name, so an id can never reach into another app's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AppId(pub(super) ArrayString<MAX_APP_ID_BYTES>);

/// The text is not an app id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 letters, digits, hyphens and underscores")]
pub struct InvalidAppId;

impl AppId {
    /// An id for an app whose platform has none: a UUID of version 7.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "an id is made on purpose, not by default"
    )]
    pub fn new() -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
        // A UUID has 36 bytes, so nothing is cut off.
        Self(ArrayString::from(text).unwrap_or_default())
    }

    /// Reads an app id.
    ///
    /// # Errors
    /// [`InvalidAppId`] if it is empty, too long, or has any other character.
    pub fn parse(text: &str) -> Result<Self, InvalidAppId> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if text.is_empty() || !text.bytes().all(is_allowed) {
            return Err(InvalidAppId);
        }
        ArrayString::from(text).map(Self).map_err(|_| InvalidAppId)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<AppId> for String {
    fn from(id: AppId) -> Self {
        id.as_str().to_owned()
    }
}

impl TryFrom<String> for AppId {
    type Error = InvalidAppId;

    fn try_from(text: String) -> Result<Self, InvalidAppId> {
        Self::parse(&text)
    }
}

/// What the service issued the id of an event for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issued {
    /// One request, at this time.
    Once(Timestamp),
    /// All requests under one idempotency key.
    ForKey,
}

/// Where the check value of an event's id begins.
const CHECK: usize = 12;

impl EventId {
    /// The id of an event that an app publishes once: version 7, greater than every
    /// one issued before by this process.
    #[must_use]
    pub fn issue(app_id: AppId) -> Self {
        // The first 12 bytes are the time and a counter, which begins at random with
        // each millisecond. The check value replaces random bits.
        Self::checked(app_id, Uuid::now_v7())
    }

    /// The id of the event that an app publishes under an idempotency key. The
    /// same key yields the same id, so a repeated event is recognized. A UUID of
    /// version 8 (RFC 9562, 5.8), from a SHA-256.
    #[must_use]
    pub fn of_idempotency_key(app_id: AppId, key: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(b"event\0")
            .chain_update(app_id.as_str())
            // The app's id has no NUL, so no two pairs of app and key read alike.
            .chain_update(b"\0")
            .chain_update(key)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Self::checked(app_id, uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// What the service issued this id to the app for. `None` if it did not, except
    /// by chance (one of four billion). Nothing is protected by this: whoever makes up
    /// such an id has an id of an event that nobody published.
    #[must_use]
    pub fn issued(self, app_id: AppId) -> Option<Issued> {
        if Self::checked(app_id, self.0) != self {
            return None;
        }
        match self.0.get_version_num() {
            7 => {
                let [a, b, c, d, e, f, ..] = *self.as_bytes();
                let millis = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
                Timestamp::from_millisecond(millis).ok().map(Issued::Once)
            }
            8 => Some(Issued::ForKey),
            _ => None,
        }
    }

    /// The id with the check value of its other bits and the app.
    fn checked(app_id: AppId, id: Uuid) -> Self {
        let mut bytes = id.into_bytes();
        let hash = Sha256::new()
            .chain_update(b"event id\0")
            .chain_update(app_id.as_str())
            .chain_update(b"\0")
            .chain_update(&bytes[..CHECK])
            .finalize();
        for (byte, check) in bytes[CHECK..].iter_mut().zip(hash) {
            *byte = check;
        }
        Self(Uuid::from_bytes(bytes))
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
mod tests;
