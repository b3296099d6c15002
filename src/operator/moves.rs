//! Moves signing secrets between Secrets Manager and their endpoints' items, and seals
//! them to another key, while everything else goes on. The secrets themselves stay the
//! same, so receivers see nothing of it. What is interrupted or fails is found again by
//! the next run.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::aws::retry::Retries;
use crate::aws::table::{ScannedEndpoint, SetSecret, UnreadableItem};
use crate::aws::{SecretStores, StoreError};
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::id::SealingKeyId;
use crate::domain::sealing::{SealError, SealingKey};
use crate::domain::secret::{SecretPlace, SecretStorage};
use crate::domain::signing::SigningSecret;

/// Secrets that are moved at once. Secrets Manager takes 50 writes a second.
const AT_ONCE: usize = 10;

/// Pauses before an endpoint that changed meanwhile is read again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// Why a secret was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// A call failed, or what is stored cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The version that the endpoint names does not exist.
    #[error("its secret does not exist; a rotation gives it a new one")]
    NoSecret,
    /// Something else kept changing it.
    #[error("its secret kept changing")]
    KeptChanging,
}

/// What a run tells while it goes on.
#[derive(Debug)]
pub enum Event {
    /// Another part of the table is done. The counts so far.
    Progress(Summary),
    /// A secret was not moved.
    Failed(EndpointKey, MoveError),
    /// An item cannot be read.
    Unreadable(UnreadableItem),
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Endpoints that were found.
    pub endpoints: usize,
    /// Secrets that were moved or resealed.
    pub moved: usize,
    /// Secrets that were not, because of a failure.
    pub failed: usize,
    /// Items that cannot be read.
    pub unreadable: usize,
}

/// What becomes of the current key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRotation {
    /// The current key.
    pub key: SealingKeyId,
    /// The key that it replaces, unless it is the first one.
    pub replaced: Option<SealingKeyId>,
    /// Whether this run goes on with an earlier one.
    pub resumed: bool,
    /// Whether the private key of the replaced one is removed, because nothing is sealed
    /// to it any more.
    pub retired: bool,
    /// What was resealed.
    #[serde(flatten)]
    pub summary: Summary,
}

/// Which secrets a run moves, and where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// All, to this place; sealed ones to the current key.
    All(SecretStorage),
    /// Sealed ones, to the current key.
    Resealed,
}

impl Goal {
    fn place_for(self, endpoint: &Endpoint) -> SecretStorage {
        match self {
            Self::All(storage) => storage,
            Self::Resealed if endpoint.secret.is_sealed() => SecretStorage::Sealed,
            Self::Resealed => SecretStorage::PerEndpoint,
        }
    }
}

/// Moves all secrets to this place.
///
/// # Errors
/// If the table cannot be read. A secret that is not moved is an [`Event`].
pub async fn migrate(
    stores: &SecretStores,
    to: SecretStorage,
    now: Timestamp,
    mut on: impl FnMut(Event),
) -> Result<Summary, StoreError> {
    move_all(stores, Goal::All(to), now, &mut on, &mut |_| {}).await
}

/// Makes a new key pair and seals all sealed secrets to it. Then removes the old private
/// key, so that it can be brought back for some days. If an earlier run did not get that
/// far, goes on with its key instead of making another one.
///
/// # Errors
/// If a call fails. A secret that is not resealed is an [`Event`], and keeps the old
/// private key.
pub async fn rotate_sealing_key(
    stores: &SecretStores,
    now: Timestamp,
    mut on: impl FnMut(Event),
) -> Result<KeyRotation, MoveError> {
    let (key, replaced, resumed) = replaced_key(stores, now).await?;
    let mut rotation = KeyRotation {
        key,
        replaced,
        resumed,
        retired: false,
        summary: Summary::default(),
    };
    let Some(old) = replaced else {
        return Ok(rotation);
    };
    // From now on nothing is sealed to the old key any more: the table checks it.
    let mut is_needed = false;
    let mut note = |left: SealingKeyId| is_needed |= left == old;
    rotation.summary = move_all(stores, Goal::Resealed, now, &mut on, &mut note).await?;
    if !is_needed {
        stores.secrets.retire_private_key(old).await?;
        stores.table.end_replacement(old).await?;
        rotation.retired = true;
    }
    Ok(rotation)
}

/// The current key after a replacement, the key that it replaces, and whether an earlier
/// run made it.
async fn replaced_key(
    stores: &SecretStores,
    now: Timestamp,
) -> Result<(SealingKeyId, Option<SealingKeyId>, bool), MoveError> {
    let Some(current) = stores.table.sealing_key().await? else {
        let first = stores.sealing_keys.current(now).await?;
        return Ok((first.id, None, false));
    };
    let old = current.key.id;
    if current.replaces.is_some() {
        return Ok((old, current.replaces, true));
    }
    let (new, private) = SealingKey::generate()?;
    let table = &stores.table;
    stores.sealing_keys.store_private(new.id, &private).await?;
    let is_first_try = table.replace_sealing_key(old, &new, now).await?;
    stores.sealing_keys.forget(old).await;
    if is_first_try {
        return Ok((new.id, Some(old), false));
    }
    // The SDK repeated the call, or another run was faster.
    let current = table.sealing_key().await?.ok_or(MoveError::KeptChanging)?;
    let resumed = current.key.id != new.id;
    Ok((current.key.id, current.replaces, resumed))
}

/// Reads the whole table, once. `left` gets the key of each secret that is still sealed
/// to one that is not the current one.
async fn move_all(
    stores: &SecretStores,
    goal: Goal,
    now: Timestamp,
    on: &mut impl FnMut(Event),
    left: &mut impl FnMut(SealingKeyId),
) -> Result<Summary, StoreError> {
    let mut summary = Summary::default();
    let mut from = None;
    loop {
        let page = stores.table.scan_endpoints(from).await?;
        let mut endpoints = Vec::new();
        for scanned in page.endpoints {
            let key_id = scanned.sealing_key();
            match scanned {
                ScannedEndpoint::Read(endpoint) => endpoints.push(*endpoint),
                ScannedEndpoint::Unreadable { item, .. } => {
                    summary.unreadable += 1;
                    key_id.into_iter().for_each(&mut *left);
                    on(Event::Unreadable(item));
                }
            }
        }
        summary.endpoints += endpoints.len();
        let mut moves = stream::iter(endpoints)
            .map(|endpoint| async move {
                let (key, key_id) = (endpoint.key, endpoint.secret.sealing_key());
                (key, key_id, move_one(stores, endpoint, goal, now).await)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((key, key_id, moved)) = moves.next().await {
            match moved {
                Ok(moved) => summary.moved += usize::from(moved),
                Err(error) => {
                    summary.failed += 1;
                    key_id.into_iter().for_each(&mut *left);
                    on(Event::Failed(key, error));
                }
            }
        }
        on(Event::Progress(summary));
        from = page.next;
        if from.is_none() {
            return Ok(summary);
        }
    }
}

/// Whether it was moved, and not already there or deleted.
async fn move_one(
    stores: &SecretStores,
    mut endpoint: Endpoint,
    goal: Goal,
    now: Timestamp,
) -> Result<bool, MoveError> {
    let mut retries = Retries::after(PAUSES);
    let mut outcome = MoveError::KeptChanging;
    while retries.next().await {
        let to = goal.place_for(&endpoint);
        let sealing_key = match to {
            SecretStorage::PerEndpoint if !endpoint.secret.is_sealed() => return Ok(false),
            SecretStorage::PerEndpoint => None,
            SecretStorage::Sealed => Some(stores.sealing_keys.current(now).await?),
        };
        let current = sealing_key.as_ref().map(|key| key.id);
        if current.is_some() && endpoint.secret.sealing_key() == current {
            return Ok(false);
        }
        let set = match stores.secrets.of(&endpoint).await? {
            None => None,
            Some(secret) => {
                let place = place(stores, &endpoint, &secret, sealing_key).await?;
                Some(stores.table.move_secret(&endpoint, place).await?)
            }
        };
        match set {
            Some(SetSecret::Done) => {
                see_to_former_place(stores, &endpoint, to).await?;
                return Ok(true);
            }
            Some(SetSecret::Missing) => {
                if to == SecretStorage::PerEndpoint {
                    stores.secrets.retire(endpoint.key).await?;
                }
                return Ok(false);
            }
            Some(SetSecret::Moved(moved)) => {
                endpoint = *moved;
                continue;
            }
            Some(SetSecret::KeyReplaced) => {
                if let Some(key) = current {
                    stores.sealing_keys.forget(key).await;
                }
            }
            Some(SetSecret::Lost) => {}
            None => outcome = MoveError::NoSecret,
        }
        match stores.table.endpoint(endpoint.key).await? {
            Some(again) => endpoint = again,
            None => return Ok(false),
        }
    }
    Err(outcome)
}

/// Puts the secret into its new place, which counts once the endpoint names it.
async fn place(
    stores: &SecretStores,
    endpoint: &Endpoint,
    secret: &SigningSecret,
    sealing_key: Option<SealingKey>,
) -> Result<SecretPlace, MoveError> {
    let (key, version) = (endpoint.key, &endpoint.secret.version);
    Ok(match sealing_key {
        None => SecretPlace::SecretsManager {
            version: stores.secrets.put_next(key, secret).await?,
        },
        Some(sealing_key) => SecretPlace::Sealed(sealing_key.seal(key, version, secret)?),
    })
}

/// Completes a move, as the API does after a rotation that moves a secret.
async fn see_to_former_place(
    stores: &SecretStores,
    endpoint: &Endpoint,
    to: SecretStorage,
) -> Result<(), StoreError> {
    match (endpoint.secret.is_sealed(), to) {
        (false, SecretStorage::Sealed) => stores.retire_unused_secret(endpoint.key).await,
        (true, SecretStorage::PerEndpoint) => stores.secrets.restore(endpoint.key).await,
        _ => Ok(()),
    }
}
