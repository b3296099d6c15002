//! Sends what waited for an endpoint that works again, oldest first and at a bounded pace.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::info;

use super::Deliverer;
use super::tend::attempt_of;
use crate::aws::StoreError;
use crate::domain::endpoint::{Claim, Endpoint, EndpointKey};
use crate::domain::message::{Lane, Message, Tend};
use crate::domain::rate_limit::RateLimit;

const UPDATES_AT_ONCE: usize = 25;

impl Deliverer {
    /// Puts waiting deliveries on the queue, oldest first, so many a second.
    pub(super) async fn drain(&self, tend: &Tend, endpoint: &Endpoint) -> Result<(), StoreError> {
        let (table, queues) = (&self.stores.table, &self.stores.queues);
        let (key, limit) = (endpoint.key, usize::from(self.chunks.waiting));
        let waiting = self.waiting(key, tend.after, limit).await?;
        let limit = endpoint.rate_limit.map(RateLimit::per_second);
        let rate = u32::from(limit.unwrap_or(self.drain_per_second).max(1));
        let count = u32::try_from(waiting.deliveries.len()).unwrap_or(u32::MAX);
        let takes = Duration::from_secs(count.div_ceil(rate).into());
        let claim = Some(Claim::Drain);
        let Some(next) = self.claim(endpoint, tend, claim, takes, &waiting).await? else {
            return Ok(());
        };
        let messages = (0..).zip(&waiting.deliveries).map(|(index, delivery)| {
            let delay = Duration::from_secs((index / rate).into());
            (Message::Delivery(attempt_of(delivery)), delay)
        });
        queues.send_all(Lane::Slow, messages).await?;
        stream::iter(waiting.deliveries)
            .map(|delivery| async move { table.end_waiting(&delivery).await })
            .buffer_unordered(UPDATES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        queues.send_all(Lane::Slow, [next]).await?;
        report(key, "waiting deliveries sent", count);
        Ok(())
    }
}

fn report(endpoint: EndpointKey, what: &'static str, deliveries: u32) {
    info!(
        app_id = %endpoint.app_id,
        endpoint_id = %endpoint.endpoint_id,
        deliveries,
        "{what}"
    );
}
