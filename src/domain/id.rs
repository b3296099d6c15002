//! Identifiers. An app's id is chosen by the platform. All others are UUIDs, most of them of
//! version 7 (RFC 9562), which sort by creation time and can't be guessed. The last 32 bits
//! of an event's id are a check value, which shows that the service issued the id to this app.

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
            /// A new id, greater than all that this process made before.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "an id is made on purpose, not by default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// Parses the hyphenated form, case-insensitively.
            ///
            /// # Errors
            /// [`InvalidId`] for any other form, such as the braced one, and for the nil UUID,
            /// which is [`Self::UNKNOWN`].
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                // Only the hyphenated form has this length. The parser accepts others too.
                if text.len() != uuid::fmt::Hyphenated::LENGTH {
                    return Err(InvalidId);
                }
                match Uuid::try_parse(text) {
                    Ok(id) if !id.is_nil() => Ok(Self(id)),
                    _ => Err(InvalidId),
                }
            }

            /// The nil UUID, an id that nothing has.
            pub const UNKNOWN: Self = Self(Uuid::nil());

            /// Parses an id in a path. A malformed one becomes [`Self::UNKNOWN`], which is
            /// looked up and not found like any other. So malformed ids take the same AWS
            /// calls, and the same time, as ids of another app.
            #[must_use]
            pub fn parse_or_unknown(text: &str) -> Self {
                Self::parse(text).unwrap_or(Self::UNKNOWN)
            }

            /// The 16 bytes of the UUID, big-endian.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Restores an id from the output of [`Self::as_bytes`].
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
    /// Identifies a webhook endpoint.
    EndpointId
);
id!(
    /// Identifies an event. Sent as `webhook-id`, so it is the same on every attempt of every
    /// delivery of the event.
    EventId
);
id!(
    /// Identifies a delivery of one event to one endpoint.
    DeliveryId
);
id!(
    /// Identifies an API key or a portal session in lists and revocations. Not confidential.
    KeyId
);
id!(
    /// Identifies a key pair for sealing secrets.
    SealingKeyId
);

/// Longest app id, in bytes.
pub const MAX_APP_ID_BYTES: usize = 64;

/// Identifies an app, which is one customer of the platform. The platform chooses the id: 1
/// to [`MAX_APP_ID_BYTES`] of `[A-Za-z0-9_-]`, case-sensitive.
///
/// None of these characters is a separator in a table key or in the name of a secret, so no
/// id can be crafted that reaches another app's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AppId(pub(super) ArrayString<MAX_APP_ID_BYTES>);

/// The text is not an app id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 letters, digits, hyphens and underscores")]
pub struct InvalidAppId;

impl AppId {
    /// A UUID of version 7, for apps to which the platform gives no id of its own.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "an id is made on purpose, not by default"
    )]
    pub fn new() -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
        // Never fails: a UUID has 36 bytes.
        Self(ArrayString::from(text).unwrap_or_default())
    }

    /// Parses an app id.
    ///
    /// # Errors
    /// [`InvalidAppId`] if it is empty, too long, or has an invalid character.
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

/// What the service issued an event's id for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issued {
    /// A single request, at this time.
    Once(Timestamp),
    /// All requests with the same idempotency key.
    ForKey,
}

/// The offset of the check value in an event's id. It fills the last four bytes.
const CHECK: usize = 12;

impl EventId {
    /// An id for an event without an idempotency key: version 7, greater than all that this
    /// process issued before.
    #[must_use]
    pub fn issue(app_id: AppId) -> Self {
        // The first 12 bytes are the time and a counter that begins at a random value in every
        // millisecond, so ids stay unique although the check value overwrites random bits.
        Self::checked(app_id, Uuid::now_v7())
    }

    /// The id of the event with this idempotency key. The same app and key yield the same id,
    /// which is how repeated requests are recognized. A UUID of version 8 (RFC 9562, 5.8)
    /// made from a SHA-256.
    #[must_use]
    pub fn of_idempotency_key(app_id: AppId, key: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(b"event\0")
            .chain_update(app_id.as_str())
            // An app's id has no NUL, so no two pairs of app and key are hashed as the same text.
            .chain_update(b"\0")
            .chain_update(key)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Self::checked(app_id, uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// What the service issued this id to the app for. `None` if it did not; one in four
    /// billion other ids passes by chance. This is not a security check: whoever forges an id
    /// has the id of an event that nobody published.
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

    /// Overwrites the last bytes with the check value of the app and the first 12 bytes.
    fn checked(app_id: AppId, id: Uuid) -> Self {
        let mut bytes = id.into_bytes();
        let hash = Sha256::new()
            .chain_update(b"event id\0")
            .chain_update(app_id.as_str())
            .chain_update(b"\0")
            // Includes the bits for version and variant, which are before the check value.
            .chain_update(&bytes[..CHECK])
            .finalize();
        for (byte, check) in bytes[CHECK..].iter_mut().zip(hash) {
            *byte = check;
        }
        Self(Uuid::from_bytes(bytes))
    }
}

impl DeliveryId {
    /// The id of an event's first delivery to an endpoint. It is derived, so handling an event
    /// twice makes the same delivery and not a second one.
    #[must_use]
    pub fn of_event(accepted_at: Timestamp, event_id: EventId, endpoint_id: EndpointId) -> Self {
        Self::derived(accepted_at, &[event_id.as_bytes(), endpoint_id.as_bytes()])
    }

    /// The id of the delivery that repeats `failed` in a recovery. Derived for the same reason.
    #[must_use]
    pub fn of_recovery(asked_at: Timestamp, recovery: EventId, failed: DeliveryId) -> Self {
        Self::derived(asked_at, &[recovery.as_bytes(), failed.as_bytes()])
    }

    /// A UUID of version 7 with the time `at`. The other bits are from a SHA-256 of `parts`.
    fn derived(at: Timestamp, parts: &[&[u8; 16]]) -> Self {
        let mut hash = Sha256::new().chain_update(b"delivery\0");
        // Parts have a fixed length, so they need no separators.
        for part in parts {
            hash.update(part);
        }
        let hash = hash.finalize();
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&hash[..10]);
        Self(uuid::Builder::from_unix_timestamp_millis(millis(at), &bytes).into_uuid())
    }

    /// The least id, for open ranges.
    pub const MIN: Self = Self(Uuid::nil());
    /// The greatest id, for open ranges.
    pub const MAX: Self = Self(Uuid::max());

    /// The greatest id less than this one, to exclude it from a range. [`Self::MIN`] stays.
    #[must_use]
    pub fn predecessor(self) -> Self {
        Self(Uuid::from_u128(self.0.as_u128().saturating_sub(1)))
    }

    /// A lower bound for the ids of deliveries accepted at or after this millisecond. Ids sort
    /// by time, so it turns a time range of the history into a range of ids.
    #[must_use]
    pub fn least_of(at: Timestamp) -> Self {
        // All bits after the time are zero, so it is less than any id of that millisecond.
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&millis(at).to_be_bytes()[2..]);
        Self(Uuid::from_bytes(bytes))
    }
}

/// Milliseconds since 1970. They fit in the 48 bits of a UUID until the year 10889.
fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
