//! Part of the sweep: finishes deletions of endpoints that broke off after the endpoint
//! was marked. The caller may never repeat them, and until they are finished, the secret
//! is charged for and the endpoint counts toward its app's limit.
//!
//! Unlike the API, this does not delete the secret for good: it can be restored for some
//! days. The function faces the receivers, so its role can't do anything to a secret that
//! can't be undone.

use std::future::ready;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use rand::seq::SliceRandom;
use tokio::time::{sleep_until, timeout_at};
use tracing::{info, warn};

use super::Deliverer;
use super::deadline::end_of_optional_work;
use crate::aws::StoreError;
use crate::domain::endpoint::EndpointKey;
use crate::domain::message::{Lane, Message, Tend};

/// Longer than the API function can run, so a deletion this old is not in progress.
const UNDER_WAY: Duration = Duration::from_secs(60);

/// How long a sweep finishes deletions, or less if the function ends sooner.
const TIME: Duration = Duration::from_secs(20);

/// Deletions that are finished concurrently.
const AT_ONCE: usize = 10;

impl Deliverer {
    /// Calls: a `Query`; for each unfinished deletion a `SendMessage`, a `DeleteSecret`
    /// and a `TransactWriteItems`. Whatever fails or takes too long is left to the next
    /// sweep. It never fails this sweep, whose message would come back and sweep again.
    pub(super) async fn finish_deletions(&self) {
        let end = end_of_optional_work(TIME);
        let mut found = match timeout_at(end, self.interrupted_deletions()).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                warn!(%error, "failed to look for interrupted deletions");
                return;
            }
            Err(_) => {
                warn!("no time was left to look for interrupted deletions");
                return;
            }
        };
        // In random order, so that deletions that always fail do not keep out the others.
        found.shuffle(&mut rand::rng());
        let count = found.len();
        let some = found.into_iter().take(self.chunks.deletions.into());
        let finished = stream::iter(some)
            .map(|key| self.try_to_finish(key))
            .buffer_unordered(AT_ONCE)
            // Deletions in progress are dropped at the deadline. The next sweep finds
            // them again.
            .take_until(sleep_until(end))
            .filter(|is_finished| ready(*is_finished))
            .count()
            .await;
        if finished < count {
            self.metrics.deletions_unfinished(count - finished);
        }
    }

    async fn interrupted_deletions(&self) -> Result<Vec<EndpointKey>, StoreError> {
        let until = self.clock.now() - UNDER_WAY;
        let marked = self.stores.table.marked_endpoints(until).await?;
        let (mut endpoints, mut unreadable) = (Vec::new(), Vec::new());
        for marked in marked {
            match marked {
                Ok(marked) => endpoints.push(marked.key),
                Err(item) => unreadable.push(item),
            }
        }
        self.report_unreadable(&unreadable);
        Ok(endpoints)
    }

    async fn try_to_finish(&self, endpoint: EndpointKey) -> bool {
        let EndpointKey {
            app_id,
            endpoint_id,
        } = endpoint;
        match self.finish_deletion(endpoint).await {
            Ok(()) => {
                info!(%app_id, %endpoint_id, "interrupted deletion finished");
                true
            }
            Err(error) => {
                warn!(%error, %app_id, %endpoint_id, "failed to finish a deletion");
                false
            }
        }
    }

    async fn finish_deletion(&self, endpoint: EndpointKey) -> Result<(), StoreError> {
        // The deletion may have broken off before it ended the deliveries that wait for
        // the endpoint. The item goes last, because a sweep finds the deletion by it.
        let tend = Message::Tend(Tend::now(endpoint));
        self.stores.queues.send(Lane::Slow, &tend).await?;
        self.stores.secrets.retire(endpoint).await?;
        self.stores.table.remove_endpoint(endpoint).await
    }
}
