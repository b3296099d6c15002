//! Deleting the payload of an event, and the responses of its receivers. The event itself and its
//! deliveries stay in the history.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;

use super::error::ApiError;
use super::events::retained;
use super::extract::{EventScope, NO_EVENT};
use super::{Api, ApiState};
use crate::domain::event::EventRecord;
use crate::domain::id::{AppId, EventId, Issued};
use crate::domain::message::{Erasure, Lane, Message};
use crate::domain::scope::Need;

/// `DELETE /apps/{appId}/events/{eventId}`. `UpdateItem` of the event, after which no attempt
/// starts; `SendMessage`; and the calls that erase the receivers' responses: two `Query`, a
/// `BatchGetItem`, and an `UpdateItem` for each delivery.
///
/// If the event is still on the queue, nothing is stored yet. Its id shows that the app published
/// it. Then a `PutItem` of a withdrawn event under this id keeps it from being delivered.
pub(super) async fn delete(
    State(api): State<Api>,
    EventScope {
        app_id,
        event_id,
        only,
    }: EventScope,
) -> Result<StatusCode, ApiError> {
    if only.is_some() {
        return Err(ApiError::OneEndpointOnly(Need::Publish));
    }
    let now = api.clock.now();
    let found = api.delete_payload(app_id, event_id, now).await?;
    if let EventRecord::Event(event) = found.ok_or(NO_EVENT)? {
        let erasure = Message::Erase(Erasure { app_id, event_id });
        let (table, queues) = (&api.stores.table, &api.stores.queues);
        // Attempts that are in progress now may still record a response. The message erases again,
        // after the longest time that one can take. It is sent first, so that it arrives even if
        // this function ends while it erases.
        let later = [(erasure, api.under_way)];
        queues.send_all(Lane::Slow, later).await?;
        table.erase_answers(app_id, event_id, &event, now).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

impl ApiState {
    /// Deletes the payload of an event, even if the event is still on the queue. Returns what is
    /// left, or `None` if the app did not publish such an event.
    async fn delete_payload(
        &self,
        app_id: AppId,
        id: EventId,
        now: Timestamp,
    ) -> Result<Option<EventRecord>, ApiError> {
        let table = &self.stores.table;
        if let Some(found) = table.delete_payload(app_id, id, now).await? {
            return Ok(Some(found));
        }
        if !may_be_queued(app_id, id, now, self.retention) {
            return Ok(None);
        }
        let expires_at = now + self.retention;
        match table.withdraw_event(app_id, id, now, expires_at).await? {
            None => Ok(Some(EventRecord::Withdrawn(now))),
            // Between the two calls, the delivery function stored the event.
            Some(_) => Ok(table.delete_payload(app_id, id, now).await?),
        }
    }
}

/// Whether this app may have been issued the id for an event that is still retained.
fn may_be_queued(app_id: AppId, id: EventId, now: Timestamp, retention: Duration) -> bool {
    match id.issued(app_id) {
        Some(Issued::Once(at)) => retained(now, retention).contains(&at),
        Some(Issued::ForKey) => true,
        None => false,
    }
}
