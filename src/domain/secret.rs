//! Where an endpoint's signing secrets and own headers are stored.

use std::time::Duration;

use jiff::Timestamp;

use super::endpoint::SecretVersion;
use super::id::SealingKeyId;
use super::sealing::{SealedHeaders, SealedSecret};

/// Where new signing secrets are stored. Each endpoint's item says where its own secret is, so
/// both ways can be used side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretStorage {
    /// In Secrets Manager, one secret per endpoint.
    PerEndpoint,
    /// In the endpoint's item, sealed to the public key of a key pair. Only the private key is
    /// in Secrets Manager.
    Sealed,
}

impl SecretStorage {
    /// The name used in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PerEndpoint => "PerEndpoint",
            Self::Sealed => "Sealed",
        }
    }

    /// Parses the output of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::PerEndpoint, Self::Sealed]
            .into_iter()
            .find(|storage| storage.as_str() == text)
    }
}

/// A reference to an endpoint's signing secret, as it is in the endpoint's item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSecret {
    /// Changes if, and only if, the secret does: not when it is moved or resealed.
    pub version: SecretVersion,
    /// Where the secret is stored.
    pub place: SecretPlace,
}

/// The secret before an endpoint's last rotation. Attempts are signed with it too, until the
/// overlap ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousSecret {
    /// The previous secret, in the place where it was before the rotation.
    pub secret: KeptSecret,
    /// The end of the overlap.
    pub until: Timestamp,
}

impl PreviousSecret {
    /// Whether the overlap is not over, and the secret has to stay in Secrets Manager for it.
    #[must_use]
    pub fn needs_stored_secret(&self, now: Timestamp) -> bool {
        self.until > now && !self.secret.is_sealed()
    }
}

/// The longest overlap after a rotation: 7 days.
pub const MAX_OVERLAP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Parses an overlap in seconds.
///
/// # Errors
/// Returns a message for the caller.
pub fn parse_overlap(seconds: u64) -> Result<Duration, &'static str> {
    let overlap = Duration::from_secs(seconds);
    match overlap <= MAX_OVERLAP {
        true => Ok(overlap),
        false => Err("must be a whole number from 0 to 604800"),
    }
}

/// An endpoint's own headers, as they are in its item. They are always sealed, wherever the
/// signing secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptHeaders {
    /// Changes if, and only if, the headers do: not when they are resealed.
    pub version: SecretVersion,
    /// The names, in plain text for the API.
    pub names: Vec<String>,
    /// Names and values, sealed.
    pub sealed: SealedHeaders,
}

/// The place of a signing secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// In Secrets Manager, under the endpoint's name.
    SecretsManager {
        /// Its `VersionId` in Secrets Manager.
        version: SecretVersion,
    },
    /// In the endpoint's item.
    Sealed(SealedSecret),
}

impl KeptSecret {
    /// The key pair that opens the secret, if it is sealed.
    #[must_use]
    pub fn sealing_key(&self) -> Option<SealingKeyId> {
        match &self.place {
            SecretPlace::SecretsManager { .. } => None,
            SecretPlace::Sealed(sealed) => Some(sealed.key_id),
        }
    }

    /// Whether the secret is sealed in the endpoint's item.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sealing_key().is_some()
    }
}

/// A secret in Secrets Manager, where its version is the `VersionId`.
impl From<SecretVersion> for KeptSecret {
    fn from(version: SecretVersion) -> Self {
        Self {
            place: SecretPlace::SecretsManager {
                version: version.clone(),
            },
            version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_secrets_are_needed_until_the_overlap_is_over() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let previous = PreviousSecret {
            secret: SecretVersion::random().into(),
            until: at(10),
        };
        assert!(previous.needs_stored_secret(at(9)));
        assert!(!previous.needs_stored_secret(at(10)));
    }
}
