//! Portal sessions.

use jiff::Timestamp;

use crate::aws::StoreError;
use crate::aws::table::{KeyCreated, Table};
use crate::domain::api_key::{ApiKey, ApiKeyRecord, InvalidPrefix};
use crate::domain::id::{AppId, KeyId};
use crate::domain::operational::HAS_NO_KEYS;
use crate::domain::session::NewSession;

/// Why a session was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateSessionError {
    /// The app does not exist. Sessions need one that was created.
    #[error("app {0} does not exist; create it with apps put")]
    NoApp(AppId),
    /// The app is the reserved one.
    #[error("app {HAS_NO_KEYS}")]
    Reserved,
    /// The app is being deleted.
    #[error("app {0} is being deleted")]
    AppDeleting(AppId),
    /// The app has no such endpoint.
    #[error("app {0} has no such endpoint")]
    NoEndpoint(AppId),
    /// The prefix of tokens is not valid.
    #[error(transparent)]
    Prefix(#[from] InvalidPrefix),
    /// The record could not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates a session and stores its record.
///
/// # Errors
/// [`CreateSessionError`].
pub async fn create(
    table: &Table,
    new: NewSession,
    now: Timestamp,
) -> Result<(ApiKey, ApiKeyRecord), CreateSessionError> {
    let app_id = new.app_id;
    if app_id.is_operational() {
        return Err(CreateSessionError::Reserved);
    }
    let (token, record) = new.issue(now, &mut rand::rng())?;
    match table.create_api_key(app_id, &record).await? {
        KeyCreated::Done => Ok((token, record)),
        KeyCreated::NoApp => Err(CreateSessionError::NoApp(app_id)),
        KeyCreated::AppDeleting => Err(CreateSessionError::AppDeleting(app_id)),
        KeyCreated::NoEndpoint => Err(CreateSessionError::NoEndpoint(app_id)),
    }
}

/// Revokes a session. Returns `false` if the app has no such session, or it has ended. A
/// session that was created within the last second may not be found yet.
///
/// # Errors
/// If a call fails.
pub async fn revoke(
    table: &Table,
    app_id: AppId,
    id: KeyId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    match table.session_hash(app_id, id, now).await? {
        Some(hash) => table.revoke_api_key(&hash, now).await,
        None => Ok(false),
    }
}
