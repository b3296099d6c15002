//! API keys.

use std::error::Error;

use jiff::Timestamp;
use webhook_endpoints::aws::AwsError;
use webhook_endpoints::aws::table::Table;
use webhook_endpoints::domain::api_key::{ApiKey, ApiKeyRecord};
use webhook_endpoints::domain::id::{AppId, KeyId};

/// What became of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revocation {
    /// The key is revoked, since this time: now, or when it first was.
    Since(Timestamp),
    /// The app has no such key.
    Missing,
}

/// Makes a key of an app and stores its record.
///
/// # Errors
/// A prefix that is none, or a fault of AWS.
pub(crate) async fn create(
    table: &Table,
    app_id: AppId,
    prefix: &str,
    label: String,
    now: Timestamp,
) -> Result<(ApiKey, ApiKeyRecord), Box<dyn Error + Send + Sync>> {
    let key = ApiKey::generate(prefix, &mut rand::rng())?;
    let record = ApiKeyRecord {
        id: KeyId::new(),
        app_id,
        hash: key.hash(),
        hint: key.hint(),
        label,
        created_at: now,
        revoked_at: None,
    };
    table.put_api_key(&record).await?;
    Ok((key, record))
}

/// Revokes a key. The list that it is looked up in may lack one that was made
/// in the last second.
///
/// # Errors
/// A fault of AWS.
pub(crate) async fn revoke(
    table: &Table,
    app_id: AppId,
    id: KeyId,
    now: Timestamp,
) -> Result<Revocation, AwsError> {
    let keys = table.api_keys(app_id).await?;
    let Some(key) = keys.into_iter().find(|key| key.id == id) else {
        return Ok(Revocation::Missing);
    };
    if let Some(since) = key.revoked_at {
        return Ok(Revocation::Since(since));
    }
    Ok(match table.revoke_api_key(&key.hash, now).await? {
        true => Revocation::Since(now),
        false => Revocation::Missing,
    })
}
