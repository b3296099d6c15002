//! The sweep: what an interrupted creation or deletion left behind. A secret
//! would be charged for ever, and a marked endpoint would count among those that
//! its app may have.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use webhook_endpoints::aws::AwsError;
use webhook_endpoints::aws::secrets::Secrets;
use webhook_endpoints::aws::table::{Presence, Table};
use webhook_endpoints::domain::id::{AppId, EndpointId};

/// The least age that a sweep may be told. A creation stores the secret first
/// and the endpoint after it, within seconds; the rest is for clocks that differ.
pub(crate) const LEAST_AGE: Duration = Duration::from_secs(5 * 60);

/// Why something is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Cause {
    /// Its endpoint does not exist: a creation was interrupted.
    NoEndpoint,
    /// Its endpoint is marked as deleted: a deletion was interrupted.
    DeletionInterrupted,
}

/// An endpoint of which the sweep found a secret, an item or both.
#[derive(Debug)]
pub(crate) struct Found {
    /// The app of the endpoint.
    pub(crate) app_id: AppId,
    /// The endpoint.
    pub(crate) endpoint_id: EndpointId,
    /// When what was found was stored.
    pub(crate) created_at: Timestamp,
    /// Why it is swept.
    pub(crate) cause: Cause,
}

/// Finds what is to be swept: of the secrets that were stored `older_than` ago
/// or before, those whose endpoint is not in use; and the endpoints whose
/// deletion was begun by then, for their secrets may be gone already.
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
        found.push(Found {
            app_id: secret.app_id,
            endpoint_id: secret.endpoint_id,
            created_at: secret.created_at,
            cause,
        });
    }
    for marked in table.marked_endpoints(newest).await? {
        if found
            .iter()
            .all(|found| found.endpoint_id != marked.endpoint_id)
        {
            found.push(Found {
                app_id: marked.app_id,
                endpoint_id: marked.endpoint_id,
                created_at: marked.created_at,
                cause: Cause::DeletionInterrupted,
            });
        }
    }
    Ok(found)
}

/// Removes what was found. Nobody asked for the deletion of one without endpoint,
/// and the table may be the wrong one, so that secret can be brought back for
/// some days. A marked endpoint's was asked for, and gets the rest of its
/// deletion.
///
/// # Errors
/// A fault of AWS; the next sweep finds it again.
pub(crate) async fn remove(
    table: &Table,
    secrets: &Secrets,
    found: &Found,
) -> Result<(), AwsError> {
    let (app_id, endpoint_id) = (found.app_id, found.endpoint_id);
    match found.cause {
        Cause::NoEndpoint => secrets.retire(app_id, endpoint_id).await,
        Cause::DeletionInterrupted => {
            secrets.delete(app_id, endpoint_id).await?;
            table.remove_endpoint(app_id, endpoint_id).await
        }
    }
}
