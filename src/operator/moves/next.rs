//! Decides where the secrets and headers of one endpoint go.

use jiff::Timestamp;

use super::{Goal, MoveError};
use crate::aws::table::NextSecrets;
use crate::aws::{SecretStores, StoreError};
use crate::domain::endpoint::Endpoint;
use crate::domain::id::SealingKeyId;
use crate::domain::sealing::SealingKey;
use crate::domain::secret::{KeptHeaders, KeptSecret, PreviousSecret, SecretPlace, SecretStorage};
use crate::domain::signing::SigningSecret;

/// The new places of one endpoint's secrets.
pub(super) struct Target {
    pub(super) storage: SecretStorage,
    /// Whether secrets that are in Secrets Manager stay there.
    keeps_stored: bool,
    /// The key for sealed secrets. `None` if none is sealed.
    pub(super) sealing_key: Option<SealingKey>,
}

impl Target {
    /// Whether a secret may stay where it is. A sealed secret need not leave its item:
    /// the private key is kept for as long as anything is sealed to it.
    fn has(&self, place: &SecretPlace) -> bool {
        match place {
            SecretPlace::SecretsManager { .. } => self.keeps_stored,
            SecretPlace::Sealed(sealed) => self.has_key(sealed.key_id),
        }
    }

    /// Whether the current secret stays where it is. Unlike previous ones, it leaves its
    /// item if secrets belong in Secrets Manager.
    fn stays(&self, secret: &KeptSecret) -> bool {
        let leaves_item = self.storage == SecretStorage::PerEndpoint && secret.is_sealed();
        self.has(&secret.place) && !leaves_item
    }

    /// Whether what is sealed to this key need not be resealed.
    fn has_key(&self, id: SealingKeyId) -> bool {
        self.sealing_key.as_ref().is_some_and(|key| key.id == id)
    }
}

/// Where an endpoint's secrets go. `None` if they are all in their places.
pub(super) async fn target(
    stores: &SecretStores,
    endpoint: &Endpoint,
    goal: Goal,
    now: Timestamp,
) -> Result<Option<Target>, StoreError> {
    let storage = goal.place_for(endpoint);
    let seals = storage == SecretStorage::Sealed || endpoint.sealing_keys().next().is_some();
    let sealing_key = match seals {
        true => Some(stores.sealing_keys.current(now).await?),
        false => None,
    };
    let to = Target {
        storage,
        keeps_stored: goal != Goal::All(SecretStorage::Sealed),
        sealing_key,
    };
    let mut previous = endpoint.previous_secret.iter();
    let is_there = to.stays(&endpoint.secret)
        && previous.all(|previous| to.has(&previous.secret.place))
        && endpoint
            .headers
            .iter()
            .all(|headers| to.has_key(headers.sealed.key_id));
    Ok((!is_there).then_some(to))
}

/// Puts the secrets of an endpoint into their new places, which take effect once the
/// endpoint names them. `None` if the current secret does not exist. A previous secret
/// that does not exist, or no longer signs, is left behind.
pub(super) async fn next_secrets(
    stores: &SecretStores,
    endpoint: &Endpoint,
    to: &Target,
    now: Timestamp,
) -> Result<Option<NextSecrets>, MoveError> {
    // The write that follows is conditional on this key still being the current one.
    let mut sealed_to = None;
    let mut seal = |kept: &KeptSecret, secret: &SigningSecret| -> Result<_, MoveError> {
        let key = to.sealing_key.as_ref().ok_or(MoveError::KeptChanging)?;
        sealed_to = Some(key.id);
        let sealed = key.seal(endpoint.key, &kept.version, secret)?;
        Ok(KeptSecret {
            version: kept.version.clone(),
            place: SecretPlace::Sealed(sealed),
        })
    };
    let kept = &endpoint.secret;
    let current = if to.stays(kept) {
        kept.clone()
    } else {
        match (stores.secrets.of(endpoint).await?, to.storage) {
            (None, _) => return Ok(None),
            (Some(secret), SecretStorage::Sealed) => seal(kept, &secret)?,
            (Some(secret), SecretStorage::PerEndpoint) => KeptSecret {
                version: kept.version.clone(),
                place: SecretPlace::SecretsManager {
                    // Signs nothing until the endpoint names this version.
                    version: stores.secrets.put_next(endpoint.key, &secret).await?,
                },
            },
        }
    };
    let previous = match endpoint.previous_secret_at(now) {
        Some(previous) if to.has(&previous.secret.place) => Some(previous.clone()),
        Some(PreviousSecret {
            secret: kept,
            until,
        }) => match stores.secrets.kept(endpoint.key, kept).await? {
            Some(secret) => Some(PreviousSecret {
                secret: seal(kept, &secret)?,
                until: *until,
            }),
            None => None,
        },
        None => None,
    };
    let headers = match &endpoint.headers {
        Some(kept) if !to.has_key(kept.sealed.key_id) => {
            let opened = stores.secrets.headers(endpoint.key, kept).await?;
            let opened = opened.ok_or(MoveError::NoHeaders)?;
            let key = to.sealing_key.as_ref().ok_or(MoveError::KeptChanging)?;
            sealed_to = Some(key.id);
            Some(KeptHeaders {
                sealed: key.seal_headers(endpoint.key, &kept.version, &opened)?,
                ..kept.clone()
            })
        }
        _ => None,
    };
    Ok(Some(NextSecrets {
        current,
        previous,
        headers,
        sealed_to,
    }))
}
