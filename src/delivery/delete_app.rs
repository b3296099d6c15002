//! The background part of an app's deletion: deletes its keys, endpoints, secrets and
//! history, and finally the app itself. It proceeds in steps, one message each. If a
//! message is lost, a sweep sends another one.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::{info, warn};

use super::{Deliverer, HandleError};
use crate::aws::StoreError;
use crate::domain::endpoint::EndpointKey;
use crate::domain::id::AppId;
use crate::domain::message::{AppDeletion, Lane, Message};
use crate::domain::notice::Notice;

/// How long after a deletion's last step a sweep resumes it. Longer than the delay of a
/// message below plus the time to receive and handle it twice.
const LEASE: Duration = Duration::from_secs(20 * 60);

/// The minimum time that an app stays marked. During it, instances of the API may trust
/// keys of the app that they have cached (300 s at most), or be handling a request (29
/// s). The mark keeps these from creating anything that would outlive the app.
pub const MARKED_FOR: Duration = Duration::from_secs(6 * 60);

/// Endpoints that are marked concurrently.
const AT_ONCE: usize = 10;

impl Deliverer {
    /// Makes one step. Calls: an `UpdateItem` that claims the step; a `Query` and a
    /// `DeleteItem` for each key; a `Query` and an `UpdateItem` for each endpoint; a
    /// `Query` and `BatchWriteItem` for each part of a history; once that is gone, a
    /// `DeleteSecret` and a `TransactWriteItems` for the endpoint; and a `SendMessage`
    /// for the next step, or the `SendMessage` of the notice and the `DeleteItem` of the
    /// app.
    ///
    /// Every call may be repeated. What belongs to an app is found through the app's
    /// items, so these are removed last.
    pub(super) async fn delete_app(&self, deletion: AppDeletion) -> Result<(), HandleError> {
        let AppDeletion { app_id } = deletion;
        let (table, now) = (&self.stores.table, self.clock.now());
        let Some(marked_at) = table.claim_app_deletion(app_id, now + LEASE).await? else {
            return Ok(());
        };
        // Including new keys that the API's list did not have yet.
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
        // Before the app is removed, because nothing comes back to do it after that. A
        // repeated step sends the notice again, as the same event.
        if let Some(notice) = Notice::of_deletion(app_id, marked_at) {
            self.notify(&notice).await?;
        }
        table.remove_app(app_id).await?;
        info!(%app_id, "app deleted");
        Ok(())
    }

    /// Removes histories, and endpoints whose history is gone, up to the limit of one
    /// step. Returns whether nothing is left.
    async fn remove_endpoints_of_app(&self, endpoints: &[EndpointKey]) -> Result<bool, StoreError> {
        let (table, limit) = (&self.stores.table, self.chunks.history);
        let mut removed = 0;
        for endpoint in endpoints {
            let history = table.remove_history(*endpoint, limit).await?;
            if !history.is_all {
                return Ok(false);
            }
            removed += history.deliveries;
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

    /// Part of the sweep: resumes deletions that broke off or never started. A `Query`,
    /// and a `SendMessageBatch` if there are any. A failure is left to the next sweep.
    pub(super) async fn resume_app_deletions(&self) {
        if let Err(error) = self.try_to_resume().await {
            warn!(%error, "failed to resume deletions of apps");
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
