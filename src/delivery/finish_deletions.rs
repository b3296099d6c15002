//! Part of the sweep: finishes the deletions of endpoints that broke off after the mark.
//! The caller may never repeat them, while the secret is charged for and the endpoint
//! counts toward its app's limit.
//!
//! The secret is retired, not removed for good as by the API: the role of this function,
//! which faces the receivers, can remove no secret that cannot be brought back.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tracing::{info, warn};

use super::Deliverer;
use crate::aws::StoreError;
use crate::domain::endpoint::EndpointKey;
use crate::domain::message::{Lane, Message, Tend};

/// Longer than a deletion can be under way (the API function's timeout).
const UNDER_WAY: Duration = Duration::from_secs(60);

/// Deletions that one sweep finishes, and at once.
const MOST: usize = 100;
const AT_ONCE: usize = 10;

impl Deliverer {
    /// Calls: a `Query`; for each unfinished deletion a `SendMessage`, a `DeleteSecret`
    /// and a `TransactWriteItems`. What fails is left to the next sweep, so that it never stops
    /// the retries.
    pub(super) async fn finish_deletions(&self) -> Result<(), StoreError> {
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
        stream::iter(endpoints.into_iter().take(MOST))
            .for_each_concurrent(AT_ONCE, async |key| {
                let EndpointKey {
                    app_id,
                    endpoint_id,
                } = key;
                match self.finish_deletion(key).await {
                    Ok(()) => info!(%app_id, %endpoint_id, "interrupted deletion finished"),
                    Err(error) => {
                        warn!(%error, %app_id, %endpoint_id, "failed to finish a deletion");
                    }
                }
            })
            .await;
        Ok(())
    }

    async fn finish_deletion(&self, endpoint: EndpointKey) -> Result<(), StoreError> {
        // The deletion may not have come to ending what waited for a paused endpoint.
        let tend = Message::Tend(Tend::now(endpoint));
        self.stores.queues.send(Lane::Slow, &tend).await?;
        self.stores.secrets.retire(endpoint).await?;
        self.stores.table.remove_endpoint(endpoint).await
    }
}
