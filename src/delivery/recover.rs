//! A recovery: repeats, in the background, the deliveries of a span of time that failed.
//! It goes through the history in chunks, one message each.

use std::time::Duration;

use tracing::{info, warn};

use super::Deliverer;
use crate::aws::StoreError;
use crate::aws::table::HistoryQuery;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::id::DeliveryId;
use crate::domain::message::{DeliveryTask, Lane, Message, Recovery, Source};

impl Deliverer {
    /// Calls: a `Query` of a chunk, a `SendMessageBatch` for every ten deliveries, an
    /// `UpdateItem` of the endpoint, which marks the recovery as in progress, and a
    /// `SendMessage` if there is more to do.
    pub(super) async fn recover(&self, recovery: Recovery) -> Result<(), StoreError> {
        let (table, queues) = (&self.stores.table, &self.stores.queues);
        let failed = HistoryQuery {
            status: Some(DeliveryStatus::Failed),
            event: None,
            from: recovery.from,
            to: recovery.before.predecessor(),
            search_until: None,
        };
        let chunk = recovery.remaining.min(self.chunks.recovery.into());
        let chunk = usize::try_from(chunk).unwrap_or(usize::MAX);
        let page = table
            .deliveries(recovery.endpoint, &failed, chunk, self.clock.now())
            .await?;
        let messages: Vec<_> = page
            .deliveries
            .into_iter()
            .filter(|failed| !failed.is_ping && !failed.is_final())
            .map(|failed| Message::Delivery(repeat(failed, &recovery)))
            .map(|message| (message, Duration::ZERO))
            .collect();
        let made = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        // If this message comes back, it enqueues the chunk again. The ids of the repeats
        // derive from the recovery and the failed delivery, so each is still delivered
        // once.
        queues.send_all(Lane::Slow, messages).await?;
        info!(
            app_id = %recovery.endpoint.app_id,
            endpoint_id = %recovery.endpoint.endpoint_id,
            recovery_id = %recovery.id,
            deliveries = made,
            "recovery"
        );
        let remaining = recovery.remaining.saturating_sub(made);
        let goes_on = page.next.filter(|_| remaining > 0);
        self.note_progress(&recovery, goes_on.is_some()).await;
        match goes_on {
            Some(before) => {
                let rest = Recovery {
                    before,
                    remaining,
                    ..recovery
                };
                queues.send(Lane::Slow, &Message::Recover(rest)).await
            }
            None => Ok(()),
        }
    }

    /// Renews the recovery's lease, or ends it. This never fails a chunk: at worst, the
    /// lease expires too early or too late.
    async fn note_progress(&self, recovery: &Recovery, goes_on: bool) {
        let table = &self.stores.table;
        let noted = match goes_on {
            true => table.renew_recovery(recovery, self.clock.now()).await,
            false => table.end_recovery(recovery).await,
        };
        if let Err(error) = noted {
            warn!(%error, recovery_id = %recovery.id, "failed to note a recovery's progress");
        }
    }
}

/// The first attempt of the delivery that repeats `failed`.
fn repeat(failed: Delivery, recovery: &Recovery) -> DeliveryTask {
    DeliveryTask {
        endpoint: recovery.endpoint,
        delivery_id: DeliveryId::of_recovery(recovery.asked_at, recovery.id, failed.id),
        source: Source::Event(failed.event_id),
        event: failed.event,
        created_at: recovery.asked_at,
        expires_at: failed.expires_at,
        attempt: 1,
        resend: false,
        has_turn: false,
        if_owed: false,
        ephemeral: false,
    }
}
