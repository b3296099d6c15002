//! API keys.

use jiff::Timestamp;

use crate::aws::StoreError;
use crate::aws::table::Table;
use crate::domain::api_key::{ApiKey, ApiKeyRecord, InvalidPrefix, KeyKind, NewKey};
use crate::domain::id::KeyId;
use crate::domain::operational::HAS_NO_KEYS;
use crate::domain::scope::Owner;

/// Why a key was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    /// The app is the reserved one.
    #[error("app {HAS_NO_KEYS}")]
    Reserved,
    /// The prefix is not valid.
    #[error(transparent)]
    Prefix(#[from] InvalidPrefix),
    /// The record could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The result of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// When the key was revoked: now, or earlier by another call.
    RevokedAt(Timestamp),
    /// There is no such key.
    Missing,
}

/// Creates a key and stores its record.
///
/// # Errors
/// [`CreateKeyError`].
pub async fn create(
    table: &Table,
    prefix: &str,
    new: NewKey,
    now: Timestamp,
) -> Result<(ApiKey, ApiKeyRecord), CreateKeyError> {
    if matches!(new.grant.owner(), Owner::App(app_id) if app_id.is_operational()) {
        return Err(CreateKeyError::Reserved);
    }
    let key = ApiKey::generate(prefix, KeyKind::of(new.grant), &mut rand::rng())?;
    let record = ApiKeyRecord::new(&key, new, now);
    table.put_api_key(&record).await?;
    Ok((key, record))
}

/// Revokes a key. The list that it is looked up in may lack a key that was created within
/// the last second.
///
/// # Errors
/// If a call fails.
pub async fn revoke(
    table: &Table,
    owner: Owner,
    id: KeyId,
    now: Timestamp,
) -> Result<Revocation, StoreError> {
    let keys = table.api_keys(owner).await?;
    let Some(key) = keys.into_iter().find(|key| key.id == id) else {
        return Ok(Revocation::Missing);
    };
    if let Some(revoked_at) = key.revoked_at {
        return Ok(Revocation::RevokedAt(revoked_at));
    }
    Ok(match table.revoke_api_key(&key.hash, now).await? {
        true => Revocation::RevokedAt(now),
        false => Revocation::Missing,
    })
}
