//! Accepting a delivery: the queue first, then the record.

use tracing::warn;

use super::ApiState;
use crate::aws::StoreError;
use crate::domain::message::{DeliveryTask, Lane, Message};

impl ApiState {
    /// Accepts a delivery. Once its message is on the queue, the delivery will
    /// happen. The record only makes it visible at once: if that fails, the
    /// delivery function writes it. Two calls, `SendMessage` and `PutItem`.
    pub(super) async fn accept(&self, lane: Lane, task: &DeliveryTask) -> Result<(), StoreError> {
        let message = Message::Delivery(task.clone());
        self.stores.queues.send(lane, &message).await?;
        if let Err(error) = self.stores.table.record_accepted(task).await {
            warn!(%error, "failed to record an accepted delivery");
        }
        Ok(())
    }
}
