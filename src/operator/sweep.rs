//! Cleans up what an interrupted creation or deletion of an endpoint left behind:
//! a secret that would be charged for forever, or a marked endpoint that would
//! count toward its app's limit.

use std::fmt;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::aws::StoreError;
use crate::aws::secrets::Secrets;
use crate::aws::table::{Presence, Table, UnreadableItem};
use crate::domain::endpoint::EndpointKey;

/// The minimum age of what is swept. A creation stores the secret first and the
/// endpoint within seconds after it; the rest allows for clocks that differ.
pub const MIN_AGE: Duration = Duration::from_secs(5 * 60);

const READS_AT_ONCE: usize = 25;

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
#[derive(Debug, Clone, Copy)]
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
    /// Why table and secrets may not belong together.
    pub doubt: Option<Doubt>,
}

/// Why the table and the secrets may belong to different stacks. A sweep would then
/// remove secrets that are in use, or endpoints whose secrets it does not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Most secrets have no endpoint in the table.
    MostOrphaned {
        /// How many have none.
        orphans: usize,
        /// How many there are.
        secrets: usize,
    },
    /// Deletions are to be finished, and no secret belongs to an endpoint of the table.
    NoneMatches,
}

impl Doubt {
    fn about(secrets: usize, orphans: usize, deletions: usize) -> Option<Self> {
        if orphans * 2 > secrets {
            Some(Self::MostOrphaned { orphans, secrets })
        } else if orphans == secrets && deletions > 0 {
            Some(Self::NoneMatches)
        } else {
            None
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MostOrphaned { orphans, secrets } => {
                write!(
                    f,
                    "{orphans} of {secrets} secrets have no endpoint in this table"
                )
            }
            Self::NoneMatches => {
                f.write_str("no secret with this prefix belongs to an endpoint in this table")
            }
        }
    }
}

/// Finds what to sweep: secrets stored at least `older_than` ago that have no endpoint,
/// and endpoints whose deletion began at least that long ago.
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
    let mut old = secrets.list().await?;
    old.retain(|secret| secret.created_at <= newest);
    let count = old.len();
    // Looked up after the list was read, so an endpoint that was created in the meantime
    // is seen.
    let orphans = stream::iter(old).map(async |secret| {
        let presence = table.endpoint_presence(secret.endpoint).await?;
        // A marked endpoint is found below, once its deletion is old enough.
        Ok::<_, StoreError>((presence == Presence::Missing).then_some(Found {
            endpoint: secret.endpoint,
            created_at: secret.created_at,
            cause: Cause::NoEndpoint,
        }))
    });
    let orphans: Vec<_> = orphans.buffered(READS_AT_ONCE).try_collect().await?;
    let mut found: Vec<_> = orphans.into_iter().flatten().collect();
    let orphans = found.len();
    let mut unreadable = Vec::new();
    for marked in table.marked_endpoints(newest).await? {
        match marked {
            Ok(marked) => found.push(Found {
                endpoint: marked.key,
                created_at: marked.created_at,
                cause: Cause::DeletionInterrupted,
            }),
            Err(item) => unreadable.push(item),
        }
    }
    let doubt = Doubt::about(count, orphans, found.len() - orphans);
    Ok(Leftovers {
        found,
        unreadable,
        doubt,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_arises_if_most_secrets_are_orphaned_or_none_matches() {
        let most = |orphans, secrets| Some(Doubt::MostOrphaned { orphans, secrets });
        let none = Some(Doubt::NoneMatches);
        for (secrets, orphans, deletions, expected) in [
            (0, 0, 0, None),
            (0, 0, 1, none),
            (1, 0, 1, None),
            (1, 1, 0, most(1, 1)),
            (2, 1, 1, None),
            (3, 2, 0, most(2, 3)),
            (100, 50, 9, None),
            (100, 51, 0, most(51, 100)),
            (100, 100, 9, most(100, 100)),
        ] {
            let doubt = Doubt::about(secrets, orphans, deletions);
            assert_eq!(doubt, expected, "{secrets} {orphans} {deletions}");
        }
    }
}
