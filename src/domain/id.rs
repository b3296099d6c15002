//! Identifiers: UUIDs, made as version 7 (RFC 9562) so that their order is the
//! order in which they were made, with 74 random bits so that none is guessed.

use std::fmt;

use serde::{Deserialize, Serialize};
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
    /// A delivery: one event for one endpoint. Sent as `webhook-id` unless the
    /// delivery repeats an earlier one.
    DeliveryId
);
id!(
    /// An API key's public handle, for listing and revoking it.
    KeyId
);

#[cfg(test)]
mod tests {
    use super::*;

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
