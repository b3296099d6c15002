//! A recovery: delivers again, in the background, what failed in a span of time.
//! It goes through the history in chunks, one message each.

use std::time::Duration;

use tracing::info;

use super::Deliverer;
use crate::aws::StoreError;
use crate::aws::table::HistoryQuery;
use crate::domain::delivery::{Delivery, DeliveryStatus};
use crate::domain::event_type::EventType;
use crate::domain::id::DeliveryId;
use crate::domain::message::{DeliveryTask, Lane, Message, Recovery, Source};

impl Deliverer {
    /// Calls: a `Query` of a chunk, a `SendMessageBatch` for every ten deliveries,
    /// and a `SendMessage` if there is more to do.
    pub(super) async fn recover(&self, recovery: Recovery) -> Result<(), StoreError> {
        let (table, queues) = (&self.stores.table, &self.stores.queues);
        let failed = HistoryQuery {
            status: Some(DeliveryStatus::Failed),
            event: None,
            from: recovery.from,
            to: recovery.before.predecessor(),
        };
        let chunk = recovery.remaining.min(self.chunks.recovery.into());
        let chunk = usize::try_from(chunk).unwrap_or(usize::MAX);
        let page = table
            .deliveries(recovery.endpoint, &failed, chunk, self.clock.now())
            .await?;
        let messages: Vec<_> = page
            .deliveries
            .into_iter()
            .filter(|failed| failed.event != EventType::test_ping())
            .map(|failed| Message::Delivery(repeat(failed, &recovery)))
            .map(|message| (message, Duration::ZERO))
            .collect();
        let made = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        queues.send_all(Lane::Slow, messages).await?;
        info!(
            app_id = %recovery.endpoint.app_id,
            endpoint_id = %recovery.endpoint.endpoint_id,
            recovery_id = %recovery.id,
            deliveries = made,
            "recovery"
        );
        let remaining = recovery.remaining.saturating_sub(made);
        match page.next {
            Some(before) if remaining > 0 => {
                let rest = Recovery {
                    before,
                    remaining,
                    ..recovery
                };
                queues.send(Lane::Slow, &Message::Recover(rest)).await
            }
            _ => Ok(()),
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
    }
}
