//! Where an endpoint's signing secrets and own headers are kept.

use std::time::Duration;

use jiff::Timestamp;

use super::endpoint::SecretVersion;
use super::id::SealingKeyId;
use super::sealing::{SealedHeaders, SealedSecret};

/// How new signing secrets are kept. Each endpoint says how its own one is, so both
/// ways work next to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretStorage {
    /// In Secrets Manager, one secret per endpoint.
    PerEndpoint,
    /// In the endpoint's item, sealed to the public key of a key pair. Its private key
    /// is the one secret in Secrets Manager.
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

/// An endpoint's signing secret, as its item names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSecret {
    /// Changes if, and only if, the secret does: not when it is moved or resealed.
    pub version: SecretVersion,
    /// Where it is.
    pub place: SecretPlace,
}

/// The secret that an endpoint had before its last rotation, where it was kept then. It
/// signs as well, until its time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousSecret {
    /// The secret.
    pub secret: KeptSecret,
    /// From then on, attempts are signed with the current secret alone.
    pub until: Timestamp,
}

impl PreviousSecret {
    /// Whether it signs at this time, and needs to be in Secrets Manager for that.
    #[must_use]
    pub fn needs_stored_secret(&self, now: Timestamp) -> bool {
        self.until > now && !self.secret.is_sealed()
    }
}

/// How long the previous secret still signs after a rotation, at most: 7 days.
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

/// An endpoint's own headers, as its item has them, however its signing secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptHeaders {
    /// Changes if, and only if, the headers do: not when they are resealed.
    pub version: SecretVersion,
    /// Their names, which are no secrets.
    pub names: Vec<String>,
    /// Names and values.
    pub sealed: SealedHeaders,
}

/// Where a signing secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// In Secrets Manager, under the endpoint's name.
    SecretsManager {
        /// Its `VersionId` there.
        version: SecretVersion,
    },
    /// In the endpoint's item.
    Sealed(SealedSecret),
}

impl KeptSecret {
    /// The key pair that it is sealed to, if it is in the endpoint's item.
    #[must_use]
    pub fn sealing_key(&self) -> Option<SealingKeyId> {
        match &self.place {
            SecretPlace::SecretsManager { .. } => None,
            SecretPlace::Sealed(sealed) => Some(sealed.key_id),
        }
    }

    /// Whether it is in the endpoint's item.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sealing_key().is_some()
    }
}

/// A secret that was stored in Secrets Manager and is known by its version there.
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
