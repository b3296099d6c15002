//! Cleans up what an interrupted creation or deletion of an endpoint left behind:
//! a secret that would be charged for forever, or a marked endpoint that would
//! count toward its app's limit.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::aws::StoreError;
use crate::aws::secrets::Secrets;
use crate::aws::table::{Presence, Table, UnreadableItem};
use crate::domain::endpoint::EndpointKey;

/// The minimum age of what is swept. A creation stores the secret first and the
/// endpoint within seconds after it; the rest allows for clocks that differ.
pub const MIN_AGE: Duration = Duration::from_secs(5 * 60);

/// Why something is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// Its endpoint does not exist: a creation was interrupted.
    NoEndpoint,
    /// Its endpoint is marked as deleted: a deletion was interrupted.
    DeletionInterrupted,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoint => "no endpoint",
            Self::DeletionInterrupted => "deletion interrupted",
        })
    }
}

/// An endpoint that left a secret, an item, or both behind.
#[derive(Debug)]
pub struct Found {
    /// The endpoint.
    pub endpoint: EndpointKey,
    /// When what was found was stored.
    pub created_at: Timestamp,
    /// Why it is swept.
    pub cause: Cause,
}

/// What an interrupted creation or deletion left behind.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// What can be swept.
    pub found: Vec<Found>,
    /// Endpoints whose deletion began, but whose items cannot be read. Somebody has
    /// to look at them: a secret may depend on them.
    pub unreadable: Vec<UnreadableItem>,
}

/// Finds what to sweep: secrets stored at least `older_than` ago whose endpoint is
/// not in use, and endpoints whose deletion began at least that long ago, because
/// their secrets may be gone already.
///
/// # Errors
/// If a call fails.
pub async fn find(
    table: &Table,
    secrets: &Secrets,
    older_than: Duration,
    now: Timestamp,
) -> Result<Leftovers, StoreError> {
    let newest = now.checked_sub(older_than).unwrap_or(Timestamp::MIN);
    let Leftovers {
        mut found,
        mut unreadable,
    } = Leftovers::default();
    for secret in secrets.list().await? {
        if secret.created_at > newest {
            continue;
        }
        // Looked up after the list was read, so an endpoint that was created in
        // the meantime is seen.
        let cause = match table.endpoint_presence(secret.endpoint).await? {
            Presence::Live => continue,
            Presence::Marked => Cause::DeletionInterrupted,
            Presence::Missing => Cause::NoEndpoint,
        };
        found.push(Found {
            endpoint: secret.endpoint,
            created_at: secret.created_at,
            cause,
        });
    }
    for marked in table.marked_endpoints(newest).await? {
        match marked {
            Ok(marked) if found.iter().all(|found| found.endpoint != marked.key) => {
                found.push(Found {
                    endpoint: marked.key,
                    created_at: marked.created_at,
                    cause: Cause::DeletionInterrupted,
                });
            }
            Ok(_) => {}
            Err(item) => unreadable.push(item),
        }
    }
    Ok(Leftovers { found, unreadable })
}

/// Removes what was found. Nobody asked to delete a secret without an endpoint,
/// and the table may be the wrong one, so that secret can be restored for some
/// days. The deletion of a marked endpoint was asked for, and is finished.
///
/// # Errors
/// If a call fails. The next sweep finds it again.
pub async fn remove(table: &Table, secrets: &Secrets, found: &Found) -> Result<(), StoreError> {
    match found.cause {
        Cause::NoEndpoint => secrets.retire(found.endpoint).await,
        Cause::DeletionInterrupted => {
            secrets.delete(found.endpoint).await?;
            table.remove_endpoint(found.endpoint).await
        }
    }
}
