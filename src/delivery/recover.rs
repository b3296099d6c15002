//! A recovery: delivers again, in the background, what failed in a span of
//! time. It goes through the history in chunks, a message each.

use std::time::Duration;

use tracing::info;

use super::Deliverer;
use crate::aws::AwsError;
use crate::aws::table::HistoryQuery;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::event_type::EventType;
use crate::domain::id::DeliveryId;
use crate::domain::message::{DeliveryTask, Message, Recovery};

/// Deliveries of a chunk.
const CHUNK: u32 = 500;

impl Deliverer {
    pub(super) async fn recover(&self, recovery: Recovery) -> Result<(), AwsError> {
        let chunk = recovery.remaining.min(CHUNK);
        let failed = HistoryQuery {
            status: Some(DeliveryStatus::Failed),
            event: None,
            from: recovery.from,
            to: recovery.before.predecessor(),
        };
        let page = self
            .table
            .deliveries(
                recovery.endpoint_id,
                &failed,
                usize::try_from(chunk).unwrap_or(usize::MAX),
                self.clock.now(),
            )
            .await?;
        let tasks: Vec<_> = page
            .deliveries
            .iter()
            .filter(|failed| failed.event != EventType::test_ping())
            .map(|failed| DeliveryTask {
                app_id: recovery.app_id,
                endpoint_id: recovery.endpoint_id,
                delivery_id: DeliveryId::of_recovery(recovery.asked_at, recovery.id, failed.id),
                event_id: failed.event_id,
                event: failed.event.clone(),
                created_at: recovery.asked_at,
                expires_at: failed.expires_at,
                attempt: 1,
                payload: None,
            })
            .collect();
        let made = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
        let messages = tasks
            .into_iter()
            .map(|task| (Message::Delivery(task), Duration::ZERO));
        self.queue.send_all(messages).await?;
        info!(
            app_id = %recovery.app_id,
            endpoint_id = %recovery.endpoint_id,
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
                self.queue.send(&Message::Recover(rest)).await
            }
            _ => Ok(()),
        }
    }
}
