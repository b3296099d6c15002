//! Events whose payload is kept no longer than for their attempts (`storePayload` is
//! false).
//!
//! Until an event is handed over, the queue's message has the payload. An endpoint that is
//! attempted at once needs no more, unless the attempt fails. For all others, the event's
//! item keeps the payload, with the endpoints that need it. Each leaves once its delivery
//! has ended and that is recorded, and the payload goes with the last. Whatever breaks off
//! in between, the attempt's message comes back, finds the delivery ended, and leaves
//! again.

use super::Deliverer;
use crate::aws::StoreError;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::StoredEvent;
use crate::domain::id::{EndpointId, EventId};
use crate::domain::message::DeliveryTask;
use crate::domain::route::{Circumstances, Route, routes};

/// The endpoints of a new event that do not get it at once.
pub(super) fn needing_payload(owed: &[Endpoint], it: Circumstances) -> Vec<EndpointId> {
    let active = owed.iter().filter(|endpoint| endpoint.active);
    let active: Vec<_> = active.cloned().collect();
    let routed = active.iter().zip(routes(&active, it));
    routed
        .filter(|(_, route)| *route != Route::AtOnce)
        .map(|(endpoint, _)| endpoint.key.endpoint_id)
        .collect()
}

impl Deliverer {
    /// Keeps the payload for the next attempt.
    pub(super) async fn keep_payload(
        &self,
        task: &DeliveryTask,
        payload: &str,
    ) -> Result<(), StoreError> {
        let (table, app_id) = (&self.stores.table, task.endpoint.app_id);
        let (id, endpoint) = (task.source.event_id(), task.endpoint.endpoint_id);
        // If it was deleted, the next attempt ends the delivery.
        table
            .keep_payload(app_id, id, (&task.event, payload), &[endpoint])
            .await?;
        Ok(())
    }

    /// Keeps the payload of an event that is fanned out again, by messages. `false` if it
    /// was deleted, or is not known any more.
    pub(super) async fn keep_again(
        &self,
        owed: &[Endpoint],
        id: EventId,
        first: &StoredEvent,
        own: &StoredEvent,
    ) -> Result<bool, StoreError> {
        let payload = first.payload.kept().or(own.payload.kept());
        let (Some(_), Some(payload), Some(any)) = (&first.kept_for, payload, owed.first()) else {
            return Ok(true);
        };
        let active = owed.iter().filter(|endpoint| endpoint.active);
        let ids: Vec<_> = active.map(|endpoint| endpoint.key.endpoint_id).collect();
        let (table, app_id) = (&self.stores.table, any.key.app_id);
        table
            .keep_payload(app_id, id, (&first.r#type, payload), &ids)
            .await
    }

    /// Has the payload go, if no other endpoint needs it. A delivery that repeats the event
    /// does not: the first one to this endpoint may need it still.
    pub(super) async fn release_payload(&self, task: &DeliveryTask) -> Result<(), StoreError> {
        if !task.ephemeral || task.is_repeat() {
            return Ok(());
        }
        let id = task.source.event_id();
        let table = &self.stores.table;
        table.release_payload(task.endpoint, id).await
    }

    /// The same after an attempt that was made already, if it was the last.
    pub(super) async fn release_if_ended(&self, task: &DeliveryTask) -> Result<(), StoreError> {
        if !task.ephemeral {
            return Ok(());
        }
        let table = &self.stores.table;
        let found = table.delivery(task.endpoint, task.delivery_id).await?;
        match found.map(|found| found.delivery.status) {
            Some(DeliveryStatus::Delivered | DeliveryStatus::Failed) => {
                self.release_payload(task).await
            }
            Some(DeliveryStatus::Pending) | None => Ok(()),
        }
    }
}
