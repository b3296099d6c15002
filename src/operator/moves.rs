//! Moves signing secrets between Secrets Manager and their endpoints' items, and reseals
//! them and own headers to another key, while the service keeps running. The secrets
//! themselves do not change, so receivers notice nothing. Whatever is interrupted or
//! fails is found again by the next run.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use self::next::{next_secrets, target};
use crate::aws::retry::Retries;
use crate::aws::table::{ScannedEndpoint, SetSecret, UnreadableItem};
use crate::aws::{SecretStores, StoreError};
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::id::SealingKeyId;
use crate::domain::sealing::{SealError, SealingKey};
use crate::domain::secret::SecretStorage;

mod next;

/// Secrets that are moved concurrently. Secrets Manager takes 50 writes a second.
const AT_ONCE: usize = 10;

/// Pauses before an endpoint that changed concurrently is read again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// Why a secret was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// A call failed, or a stored item can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sealing it failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The endpoint's secret version does not exist.
    #[error("its secret does not exist; rotate it to create a new one")]
    NoSecret,
    /// The private key of its own headers does not exist.
    #[error("its own headers cannot be decrypted; set them again")]
    NoHeaders,
    /// Concurrent changes kept winning.
    #[error("its secret kept changing concurrently")]
    KeptChanging,
}

/// What a run reports on the way.
#[derive(Debug)]
pub enum Event {
    /// Another page of the table is done. The counts are totals so far.
    Progress(Summary),
    /// A secret was not moved.
    Failed(EndpointKey, MoveError),
    /// An item can't be read.
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
    /// Secrets that were not moved, because of a failure.
    pub failed: usize,
    /// Items that can't be read.
    pub unreadable: usize,
}

/// The result of a key rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRotation {
    /// The current key.
    pub key: SealingKeyId,
    /// The key that it replaces. `None` if it is the first one.
    pub replaced: Option<SealingKeyId>,
    /// Whether this run continued an earlier one.
    pub resumed: bool,
    /// Whether the replaced private key was removed, because nothing is sealed to it any
    /// more.
    pub retired: bool,
    /// The counts of what was resealed.
    #[serde(flatten)]
    pub summary: Summary,
}

/// The secrets that a run moves, and their new place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// All of them, to this place; sealed ones to the current key.
    All(SecretStorage),
    /// Only sealed ones, to the current key.
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
/// If the table can't be read. A secret that could not be moved is an [`Event`].
pub async fn migrate(
    stores: &SecretStores,
    to: SecretStorage,
    now: Timestamp,
    mut on: impl FnMut(Event),
) -> Result<Summary, StoreError> {
    move_all(stores, Goal::All(to), now, &mut on, &mut |_| {}).await
}

/// Creates a new key pair and reseals all sealed secrets to it. Then removes the old
/// private key, which can be restored for some days. If an earlier run did not get that
/// far, continues with its key instead of creating another one.
///
/// # Errors
/// If a call fails. A secret that could not be resealed is an [`Event`], and the old
/// private key is kept for it.
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
    // Nothing can be sealed to the old key from here on: writes of sealed secrets are
    // conditional on the current key. So one pass over the table finds all that are left.
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

/// Replaces the current key, unless an earlier run already did. Returns the current key,
/// the key that it replaces, and whether an earlier run created it.
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
    // The private key first: once the public one is current, secrets are sealed to it.
    stores.sealing_keys.store_private(new.id, &private).await?;
    let is_first_try = table.replace_sealing_key(old, &new, now).await?;
    stores.sealing_keys.forget(old).await;
    if is_first_try {
        return Ok((new.id, Some(old), false));
    }
    // An SDK retry met its own write, or another run replaced the key first.
    let current = table.sealing_key().await?.ok_or(MoveError::KeptChanging)?;
    let resumed = current.key.id != new.id;
    Ok((current.key.id, current.replaces, resumed))
}

/// Reads the whole table once and moves what it finds. Calls `left` with each key that
/// something is still sealed to because it could not be moved.
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
            let keys = scanned.sealing_keys();
            match scanned {
                ScannedEndpoint::Read(endpoint) => endpoints.push(*endpoint),
                ScannedEndpoint::Unreadable { item, .. } => {
                    summary.unreadable += 1;
                    keys.into_iter().for_each(&mut *left);
                    on(Event::Unreadable(item));
                }
            }
        }
        summary.endpoints += endpoints.len();
        let mut moves = stream::iter(endpoints)
            .map(|endpoint| async move {
                let (key, keys) = (endpoint.key, endpoint.sealing_keys().collect::<Vec<_>>());
                (key, keys, move_one(stores, endpoint, goal, now).await)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((key, keys, moved)) = moves.next().await {
            match moved {
                Ok(moved) => summary.moved += usize::from(moved),
                Err(error) => {
                    summary.failed += 1;
                    keys.into_iter().for_each(&mut *left);
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

/// Moves the secrets of one endpoint. `false` if they are all in their places already, or
/// the endpoint was deleted.
async fn move_one(
    stores: &SecretStores,
    mut endpoint: Endpoint,
    goal: Goal,
    now: Timestamp,
) -> Result<bool, MoveError> {
    let mut retries = Retries::after(PAUSES);
    let mut outcome = MoveError::KeptChanging;
    // Each pass copies the secrets to their new places, where they do nothing yet, and
    // then makes the endpoint name these, on condition that its secrets are as they were
    // read. After a concurrent change, the next pass begins with what is there now.
    while retries.next().await {
        let Some(to) = target(stores, &endpoint, goal, now).await? else {
            return Ok(false);
        };
        let set = match next_secrets(stores, &endpoint, &to, now).await? {
            None => None,
            Some(next) => match stores.table.move_secrets(&endpoint, &next).await? {
                SetSecret::Done => {
                    // Only now is the old copy unused.
                    stores
                        .reconcile_stored_secret(&endpoint, &next, now)
                        .await?;
                    return Ok(true);
                }
                set => Some(set),
            },
        };
        match set {
            // Deleted meanwhile. A secret that was just stored for it must not remain.
            Some(SetSecret::Missing) => {
                if to.storage == SecretStorage::PerEndpoint && endpoint.secret.is_sealed() {
                    stores.secrets.retire(endpoint.key).await?;
                }
                return Ok(false);
            }
            Some(SetSecret::Moved(moved)) => {
                // The failed write returned the endpoint, so it need not be read.
                endpoint = *moved;
                continue;
            }
            Some(SetSecret::KeyReplaced) => {
                // The process has cached a key that is no longer current. Seal to the new
                // one.
                if let Some(key) = &to.sealing_key {
                    stores.sealing_keys.forget(key.id).await;
                }
            }
            Some(SetSecret::Lost | SetSecret::Done) => {}
            None => outcome = MoveError::NoSecret,
        }
        match stores.table.endpoint(endpoint.key).await? {
            Some(again) => endpoint = again,
            None => return Ok(false),
        }
    }
    Err(outcome)
}
