//! Part of the sweep: finishes the deletions of endpoints that broke off after the mark.
//! The caller may never repeat them, while the secret is charged for and the endpoint
//! counts toward its app's limit.
//!
//! The secret is retired, not removed for good as by the API: the role of this function,
//! which faces the receivers, can remove no secret that cannot be brought back.

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

/// Longer than a deletion can be under way (the API function's timeout).
const UNDER_WAY: Duration = Duration::from_secs(60);

/// How long a sweep finishes deletions; less if the function is ended sooner.
const TIME: Duration = Duration::from_secs(20);

/// Deletions that are finished at once.
const AT_ONCE: usize = 10;

impl Deliverer {
    /// Calls: a `Query`; for each unfinished deletion a `SendMessage`, a `DeleteSecret`
    /// and a `TransactWriteItems`. Whatever fails, or takes too long, is left to the next
    /// sweep, and never fails this one: it would come back, and sweep again.
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
        // In any order, so that those that always fail do not keep out the others.
        found.shuffle(&mut rand::rng());
        let count = found.len();
        let some = found.into_iter().take(self.chunks.deletions.into());
        let finished = stream::iter(some)
            .map(|key| self.try_to_finish(key))
            .buffer_unordered(AT_ONCE)
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
        // The deletion may not have come to ending what waited for a paused endpoint.
        let tend = Message::Tend(Tend::now(endpoint));
        self.stores.queues.send(Lane::Slow, &tend).await?;
        self.stores.secrets.retire(endpoint).await?;
        self.stores.table.remove_endpoint(endpoint).await
    }
}
