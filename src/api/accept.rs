//! Accepting a delivery: the queue first, then the record.

use tracing::warn;

use super::ApiState;
use crate::aws::StoreError;
use crate::domain::message::{DeliveryTask, Lane, Message};

impl ApiState {
    /// Accepts a delivery. Two calls, `SendMessage` and `PutItem`.
    ///
    /// Once the message is on the queue, the delivery will happen. The record only makes it visible
    /// before the first attempt. If writing it fails, the delivery function writes it later, so the
    /// call still succeeds. In the other order, a crash between the two calls would leave a
    /// pending delivery that is never attempted.
    pub(super) async fn accept(&self, lane: Lane, task: &DeliveryTask) -> Result<(), StoreError> {
        let message = Message::Delivery(task.clone());
        self.stores.queues.send(lane, &message).await?;
        if let Err(error) = self.stores.table.record_accepted(task).await {
            warn!(%error, "failed to record an accepted delivery");
        }
        Ok(())
    }
}
