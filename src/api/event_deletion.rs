//! Deleting what an event says, and keeping that it happened.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;

use super::error::ApiError;
use super::events::kept;
use super::extract::{EventScope, NO_EVENT};
use super::{Api, ApiState};
use crate::domain::event::EventRecord;
use crate::domain::id::{AppId, EventId, Issued};
use crate::domain::message::{Erasure, Lane, Message};
use crate::domain::scope::Need;

/// `DELETE /apps/{appId}/events/{eventId}`. `UpdateItem` of the event, by which no
/// attempt begins any more; `SendMessage`; and those calls that erase the answers of its
/// deliveries: two `Query`, a `BatchGetItem`, and an `UpdateItem` for each delivery. The
/// message erases once more, what attempts leave that are under way now.
///
/// An event that is still on the queue has nothing stored. Its id tells that the app
/// published it, and a `PutItem` has nobody get it.
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
        let later = [(erasure, api.under_way)];
        queues.send_all(Lane::Slow, later).await?;
        table.erase_answers(app_id, event_id, &event, now).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

impl ApiState {
    /// Deletes the payload of an event, also of one that is still on the queue. Returns
    /// what is left. `None` if the app published no such event.
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
            // The delivery function stored it just now.
            Some(_) => Ok(table.delete_payload(app_id, id, now).await?),
        }
    }
}

/// Whether the service issued this id to the app, for an event that is kept.
fn may_be_queued(app_id: AppId, id: EventId, now: Timestamp, retention: Duration) -> bool {
    match id.issued(app_id) {
        Some(Issued::Once(at)) => kept(now, retention).contains(&at),
        Some(Issued::ForKey) => true,
        None => false,
    }
}
