//! Cleans up what an interrupted creation, deletion or move left behind: a secret that
//! would be charged for forever, or a marked endpoint that would count toward its app's
//! limit.

use std::fmt;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::aws::secrets::{SecretOf, StoredSecret};
use crate::aws::table::{Presence, Table, UnreadableItem};
use crate::aws::{SecretStores, StoreError};
use crate::domain::id::SealingKeyId;

/// The minimum age of what is swept. A creation stores the secret first and the endpoint
/// within seconds; the rest allows for clocks that differ.
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
    /// Its endpoint's item holds a sealed secret: a move was interrupted.
    Moved,
    /// Nothing is sealed to the key: two processes created the first key at the same
    /// time, or the creation of a key was interrupted.
    UnusedKey,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoint => "no endpoint",
            Self::DeletionInterrupted => "deletion interrupted",
            Self::Moved => "moved",
            Self::UnusedKey => "unused key",
        })
    }
}

/// A secret or endpoint that was left behind, or an unused private key.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// The endpoint that it belongs to, or the key.
    pub of: SecretOf,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Why it is swept.
    pub cause: Cause,
}

/// What an interrupted creation or deletion left behind.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// What can be swept.
    pub found: Vec<Found>,
    /// Endpoints whose deletion began, but whose items can't be read. Somebody has to
    /// look at them, because a secret may depend on them.
    pub unreadable: Vec<UnreadableItem>,
    /// Set if the table and the secrets may not belong together.
    pub doubt: Option<Doubt>,
}

/// Why the table and the secrets may belong to different stacks. A sweep would then
/// remove secrets that are in use, or endpoints whose secrets it does not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Most secrets have no endpoint in the table.
    MostOrphaned {
        /// Secrets without an endpoint.
        orphans: usize,
        /// All secrets.
        secrets: usize,
    },
    /// Some deletions are unfinished, and no secret belongs to an endpoint of the table.
    NoneMatches,
}

impl Doubt {
    /// `key_matches` means that the table's current sealing key is among the secrets.
    fn about(secrets: usize, orphans: usize, deletions: usize, key_matches: bool) -> Option<Self> {
        if orphans * 2 > secrets {
            Some(Self::MostOrphaned { orphans, secrets })
        } else if orphans == secrets && deletions > 0 && !key_matches {
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

/// Finds what to sweep, if it is at least `older_than` old: secrets without an endpoint,
/// secrets whose endpoint's item holds the secret, private keys that nothing is sealed
/// to, and endpoints whose deletion has begun. Reads the whole table only if there is a
/// private key besides the current one.
///
/// # Errors
/// If a call fails.
pub async fn find(
    stores: &SecretStores,
    older_than: Duration,
    now: Timestamp,
) -> Result<Leftovers, StoreError> {
    let SecretStores { table, secrets, .. } = stores;
    let newest = now.checked_sub(older_than).unwrap_or(Timestamp::MIN);
    let (mut endpoints, mut keys) = (Vec::new(), Vec::new());
    let listed = secrets.list().await?;
    for secret in &listed {
        match secret.of {
            SecretOf::Endpoint(key) if secret.created_at <= newest => endpoints.push((key, secret)),
            SecretOf::SealingKey(id) => keys.push((id, secret)),
            SecretOf::Endpoint(_) => {}
        }
    }
    let count = endpoints.len();
    // Looked up after the secrets were listed, so that endpoints created in the meantime
    // are found.
    let left = stream::iter(endpoints).map(async |(key, secret)| {
        let cause = match table.endpoint_presence(key, now).await? {
            Presence::Missing => Cause::NoEndpoint,
            // A recent change is a secret that is just being moved back.
            Presence::Sealed if secret.changed_at <= newest => Cause::Moved,
            // Marked endpoints are found below, once their deletion is old enough.
            Presence::Sealed | Presence::Live | Presence::Marked => return Ok(None),
        };
        Ok::<_, StoreError>(Some(found(secret, cause)))
    });
    let left: Vec<_> = left.buffered(READS_AT_ONCE).try_collect().await?;
    let mut all: Vec<_> = left.into_iter().flatten().collect();
    let orphans = all.iter().filter(|found| found.cause == Cause::NoEndpoint);
    let orphans = orphans.count();
    let current = table.sealing_key().await?;
    let is_current = |id| current.as_ref().is_some_and(|current| current.key.id == id);
    let key_matches = keys.iter().any(|(id, _)| is_current(*id));
    // Neither the current key, nor the one that an unfinished rotation replaces, nor one
    // that another table uses.
    keys.retain(|(id, secret)| {
        let replaced = current.as_ref().and_then(|current| current.replaces);
        let is_own = secret.table.as_deref() == Some(table.name());
        is_own && secret.created_at <= newest && !is_current(*id) && replaced != Some(*id)
    });
    all.extend(unused(table, keys).await?);
    let (mut unreadable, mut deletions) = (Vec::new(), 0);
    for marked in table.marked_endpoints(newest).await? {
        match marked {
            Ok(marked) => {
                deletions += 1;
                all.push(Found {
                    of: SecretOf::Endpoint(marked.key),
                    created_at: marked.created_at,
                    cause: Cause::DeletionInterrupted,
                });
            }
            Err(item) => unreadable.push(item),
        }
    }
    Ok(Leftovers {
        found: all,
        unreadable,
        doubt: Doubt::about(count, orphans, deletions, key_matches),
    })
}

/// Reads the whole table to find the keys that nothing is sealed to.
async fn unused(
    table: &Table,
    mut keys: Vec<(SealingKeyId, &StoredSecret)>,
) -> Result<Vec<Found>, StoreError> {
    let mut from = None;
    while !keys.is_empty() {
        let page = table.scan_endpoints(from).await?;
        for endpoint in page.endpoints {
            let needed = endpoint.sealing_keys();
            keys.retain(|(id, _)| !needed.contains(id));
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    let unused = keys.into_iter();
    Ok(unused
        .map(|(_, secret)| found(secret, Cause::UnusedKey))
        .collect())
}

fn found(secret: &StoredSecret, cause: Cause) -> Found {
    Found {
        of: secret.of,
        created_at: secret.created_at,
        cause,
    }
}

/// Removes what was found. Nobody asked to delete a secret without an endpoint, and the
/// table may be the wrong one, so that secret can be restored for some days. The deletion
/// of a marked endpoint was requested, and is finished.
///
/// # Errors
/// If a call fails. The next sweep finds it again.
pub async fn remove(
    stores: &SecretStores,
    found: &Found,
    now: Timestamp,
) -> Result<(), StoreError> {
    let SecretStores { table, secrets, .. } = stores;
    let endpoint = match found.of {
        SecretOf::SealingKey(id) => return secrets.retire_private_key(id).await,
        SecretOf::Endpoint(endpoint) => endpoint,
    };
    match found.cause {
        Cause::Moved => stores.retire_unused_secret(endpoint, now).await,
        Cause::DeletionInterrupted => {
            secrets.delete(endpoint).await?;
            table.remove_endpoint(endpoint).await
        }
        Cause::NoEndpoint | Cause::UnusedKey => secrets.retire(endpoint).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweep_is_doubtful_if_most_secrets_are_orphans() {
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
            let doubt = Doubt::about(secrets, orphans, deletions, false);
            assert_eq!(doubt, expected, "{secrets} {orphans} {deletions}");
        }
        // The key alone shows that the two belong together, unless most secrets are
        // orphans.
        assert_eq!(Doubt::about(0, 0, 1, true), None);
        assert_eq!(Doubt::about(1, 1, 0, true), most(1, 1));
    }
}
