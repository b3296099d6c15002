//! Events whose payload is kept only for as long as their attempts need it
//! (`storePayload` is false).
//!
//! Until the event is fanned out, the queue's message has the payload. An endpoint that
//! is attempted at once needs it no longer, unless that attempt fails. For all others,
//! the event's item holds the payload and the set of endpoints that need it. An endpoint
//! leaves the set once the end of its delivery is recorded, and the last one removes the
//! payload. If this breaks off, the attempt's message comes back, finds the delivery
//! ended, and leaves the set again.

use super::Deliverer;
use super::owed::Owed;
use crate::aws::StoreError;
use crate::domain::delivery::DeliveryStatus;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::StoredEvent;
use crate::domain::id::{AppId, EndpointId, EventId};
use crate::domain::message::DeliveryTask;
use crate::domain::route::{Circumstances, Route, routes};

/// Endpoints of a new event that are not attempted at once, and so need its payload
/// stored.
pub(super) fn needing_payload(
    owed: &Owed,
    endpoints: &[Endpoint],
    it: Circumstances,
) -> Vec<EndpointId> {
    let active: Vec<_> = owed.active_among(endpoints).cloned().collect();
    let routed = active.iter().zip(routes(&active, it));
    let later = routed
        .filter(|(_, route)| *route != Route::AtOnce)
        .map(|(endpoint, _)| endpoint.key);
    let needing = later.chain(owed.in_doubt.iter().copied());
    needing.map(|key| key.endpoint_id).collect()
}

impl Deliverer {
    /// Stores the payload for the next attempt.
    pub(super) async fn keep_payload(
        &self,
        task: &DeliveryTask,
        payload: &str,
    ) -> Result<(), StoreError> {
        let (table, app_id) = (&self.stores.table, task.endpoint.app_id);
        let (id, endpoint) = (task.source.event_id(), task.endpoint.endpoint_id);
        // The result does not matter: if the payload was deleted meanwhile, the next
        // attempt finds that and ends the delivery.
        table
            .keep_payload(app_id, id, (&task.event, payload), &[endpoint])
            .await?;
        Ok(())
    }

    /// Stores the payload of an event whose fan-out is taken over, for attempts by
    /// messages. `false` if the payload was deleted, or the event has expired.
    pub(super) async fn keep_again(
        &self,
        app_id: AppId,
        id: EventId,
        needing: Vec<EndpointId>,
        first: &StoredEvent,
        own: &StoredEvent,
    ) -> Result<bool, StoreError> {
        let payload = first.payload.kept().or(own.payload.kept());
        let (Some(_), Some(payload)) = (&first.kept_for, payload) else {
            return Ok(true);
        };
        let table = &self.stores.table;
        table
            .keep_payload(app_id, id, (&first.r#type, payload), &needing)
            .await
    }

    /// Notes that this endpoint no longer needs the payload, and removes the payload if
    /// no other does. Nothing changes for a delivery that repeats the event: the first
    /// delivery to this endpoint may still need the payload.
    pub(super) async fn release_payload(&self, task: &DeliveryTask) -> Result<(), StoreError> {
        if !task.ephemeral || task.is_repeat() {
            return Ok(());
        }
        let id = task.source.event_id();
        let table = &self.stores.table;
        table.release_payload(task.endpoint, id).await
    }

    /// Does the same when an attempt turns out to be made already, if it was the last
    /// one.
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
