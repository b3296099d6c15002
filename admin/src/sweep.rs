//! The sweep: signing secrets that an interrupted creation or deletion left
//! behind, each of which would be charged for ever.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use webhook_endpoints::aws::AwsError;
use webhook_endpoints::aws::secrets::{Secrets, StoredSecret};
use webhook_endpoints::aws::table::{Presence, Table};

/// The least age that a sweep may be told. A creation stores the secret first
/// and the endpoint after it, within seconds; the rest is for clocks that differ.
pub(crate) const LEAST_AGE: Duration = Duration::from_secs(5 * 60);

/// Why a secret is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Cause {
    /// Its endpoint does not exist: a creation was interrupted.
    NoEndpoint,
    /// Its endpoint is marked as deleted: a deletion was interrupted.
    DeletionInterrupted,
}

/// A secret that the sweep found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The secret.
    pub(crate) secret: StoredSecret,
    /// Why it is swept.
    pub(crate) cause: Cause,
}

/// Finds what is to be swept: of the secrets that were stored `older_than` ago
/// or before, those whose endpoint is not in use.
///
/// # Errors
/// A fault of AWS.
pub(crate) async fn find(
    table: &Table,
    secrets: &Secrets,
    older_than: Duration,
    now: Timestamp,
) -> Result<Vec<Found>, AwsError> {
    let newest = now.checked_sub(older_than).unwrap_or(Timestamp::MIN);
    let mut found = Vec::new();
    for secret in secrets.list().await? {
        if secret.created_at > newest {
            continue;
        }
        // Asked after the list was read: an endpoint that exists by now is seen.
        let presence = table
            .endpoint_presence(secret.app_id, secret.endpoint_id)
            .await?;
        let cause = match presence {
            Presence::Live => continue,
            Presence::Marked => Cause::DeletionInterrupted,
            Presence::Missing => Cause::NoEndpoint,
        };
        found.push(Found { secret, cause });
    }
    Ok(found)
}

/// Removes one secret. Nobody asked for the deletion of one without endpoint,
/// and the table may be the wrong one, so that secret can be brought back for
/// some days. A marked endpoint's was asked for, and gets the rest of its
/// deletion.
///
/// # Errors
/// A fault of AWS; the next sweep finds the secret again.
pub(crate) async fn remove(
    table: &Table,
    secrets: &Secrets,
    found: &Found,
) -> Result<(), AwsError> {
    let StoredSecret {
        app_id,
        endpoint_id,
        ..
    } = found.secret;
    match found.cause {
        Cause::NoEndpoint => secrets.retire(app_id, endpoint_id).await,
        Cause::DeletionInterrupted => {
            secrets.delete(app_id, endpoint_id).await?;
            table.remove_endpoint(app_id, endpoint_id).await
        }
    }
}
