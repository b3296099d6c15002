//! The background part of an app's deletion: its keys, endpoints, secrets and history,
//! and at last the app itself. It goes on in steps, one message each; if a message is
//! lost, a sweep sends another one.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::{info, warn};

use super::{Deliverer, HandleError};
use crate::aws::StoreError;
use crate::domain::endpoint::EndpointKey;
use crate::domain::id::AppId;
use crate::domain::message::{AppDeletion, Lane, Message};
use crate::domain::notice::Notice;

/// How long after its last step a sweep takes a deletion up: longer than a message is
/// delayed below, and then received, handled and received again.
const LEASE: Duration = Duration::from_secs(20 * 60);

/// How long an app stays marked at least. Until then, instances of the API may trust
/// keys of it that they have cached (300 s at most), or be within a request (29 s). The
/// mark keeps these from making anything that would outlive the app.
pub const MARKED_FOR: Duration = Duration::from_secs(6 * 60);

/// Endpoints that are marked at once.
const AT_ONCE: usize = 10;

impl Deliverer {
    /// A step. Calls: `UpdateItem` by which no other step is begun; a `Query` and a
    /// `DeleteItem` for each key; a `Query` and an `UpdateItem` for each endpoint; a
    /// `Query` and `BatchWriteItem` for each part of a history; once that is gone, a
    /// `DeleteSecret` and a `TransactWriteItems` for the endpoint; and `SendMessage`
    /// for the next step, or a `SendMessage` that tells the operator and `DeleteItem` of
    /// the app.
    ///
    /// Everything may be done twice. What has been made in the app is found by its
    /// item, so that is removed last.
    pub(super) async fn delete_app(&self, deletion: AppDeletion) -> Result<(), HandleError> {
        let AppDeletion { app_id } = deletion;
        let (table, now) = (&self.stores.table, self.clock.now());
        let Some(marked_at) = table.claim_app_deletion(app_id, now + LEASE).await? else {
            return Ok(());
        };
        // Also those that the API's list lacked because they were new.
        table.remove_keys_of(app_id).await?;
        let endpoints = table.all_endpoints_of(app_id).await?;
        stream::iter(endpoints.clone())
            .map(|endpoint| table.mark_endpoint_of_app(endpoint, now))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        if !self.remove_endpoints_of_app(&endpoints).await? {
            return Ok(self.go_on(deletion, Duration::ZERO).await?);
        }
        let unmarked_at = marked_at + MARKED_FOR;
        if now < unmarked_at {
            let wait = now.duration_until(unmarked_at).unsigned_abs();
            return Ok(self.go_on(deletion, wait).await?);
        }
        // Before the last step, because nothing comes back to it. A repeated step tells it
        // again, as the same event.
        if let Some(notice) = Notice::of_deletion(app_id, marked_at) {
            self.tell(&notice).await?;
        }
        table.remove_app(app_id).await?;
        info!(%app_id, "app deleted");
        Ok(())
    }

    /// Removes endpoints whose deliveries are gone, as far as one step goes. Returns
    /// whether there is nothing left.
    async fn remove_endpoints_of_app(&self, endpoints: &[EndpointKey]) -> Result<bool, StoreError> {
        let (table, limit) = (&self.stores.table, self.chunks.history);
        let mut removed = 0;
        for endpoint in endpoints {
            loop {
                let found = table.remove_history(*endpoint, limit).await?;
                removed += found;
                if found < usize::from(limit) {
                    break;
                }
                if removed >= usize::from(limit) {
                    return Ok(false);
                }
            }
            self.stores.secrets.retire(*endpoint).await?;
            table.remove_endpoint(*endpoint).await?;
            if removed >= usize::from(limit) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn go_on(&self, deletion: AppDeletion, wait: Duration) -> Result<(), StoreError> {
        let message = (Message::DeleteApp(deletion), wait);
        self.stores.queues.send_all(Lane::Slow, [message]).await
    }

    /// Part of the sweep: takes up deletions that broke off, or that nobody has begun.
    /// A `Query`, and a `SendMessageBatch` if there are any. Whatever fails is left to
    /// the next sweep.
    pub(super) async fn resume_app_deletions(&self) {
        if let Err(error) = self.try_to_resume().await {
            warn!(%error, "failed to take up deletions of apps");
        }
    }

    async fn try_to_resume(&self) -> Result<(), StoreError> {
        let found = self.stores.table.app_deletions(self.clock.now()).await?;
        let message = |app_id: AppId| {
            let deletion = AppDeletion { app_id };
            (Message::DeleteApp(deletion), Duration::ZERO)
        };
        let messages = found.into_iter().map(message);
        self.stores.queues.send_all(Lane::Slow, messages).await
    }
}
