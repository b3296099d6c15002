//! Takes over the fan-out of an event that is stored already: another message began it, or
//! this one did before it came back.
//!
//! Publishing an event again under the same id does nothing once the first event is
//! fanned out. If that is not recorded, the repeat waits until the first message can no
//! longer be running, and then takes over. For an id whose fan-out is never recorded as
//! complete, only a repeat with the same content takes over. A message that began the
//! fan-out and came back takes over at once. In all cases, a `GetItem` looks for the
//! record, and an `UpdateItem` of the event lets only one message continue.

use tracing::{info, warn};

use super::fan_out::first_attempt;
use super::owed::{Occurrence, Owed, existed_for};
use super::received::MessageMeta;
use super::{Deliverer, HandleError};
use crate::aws::StoreError;
use crate::aws::table::Endpoints;
use crate::domain::event::{EventRecord, FanOut, PublishedEvent, StoredEvent};
use crate::domain::id::EventId;
use crate::domain::message::{Lane, Message};

impl Deliverer {
    /// Continues the fan-out of an event that is stored already, if this message may.
    /// Returns the first event under this id and the endpoints it is owed to, and reduces
    /// `found` to those that existed then.
    pub(super) async fn resume(
        &self,
        event: &PublishedEvent,
        id: EventId,
        first: EventRecord,
        own: &StoredEvent,
        meta: &MessageMeta,
        found: &mut Endpoints,
    ) -> Result<Option<(StoredEvent, Owed)>, HandleError> {
        let Some(first) = self.repeated(event, id, first, own, meta).await? else {
            return Ok(None);
        };
        // The first event counts, and goes to the endpoints that existed then.
        let endpoints = &mut found.endpoints;
        endpoints.retain(|endpoint| existed_for(endpoint, &first));
        // Attempts that were made at once have no message of their own to come back and
        // notify the operator again, so this one does it for them.
        for endpoint in endpoints.iter() {
            let by = first_attempt(id, &first, endpoint.key).delivery_id;
            self.notify_again_of(endpoint, by).await?;
        }
        let occurrence = Occurrence::of_stored(&first, event);
        let owed = self.owed(found, occurrence, own.fan_out.since);
        let needing = owed.needing_payload(&found.endpoints);
        let is_kept = self
            .keep_again(event.app_id, id, needing, &first, own)
            .await?;
        Ok(is_kept.then_some((first, owed)))
    }

    /// The event that was first stored under this id, if this message takes over its
    /// fan-out. Logs a repeat that differs from it.
    async fn repeated(
        &self,
        event: &PublishedEvent,
        id: EventId,
        first: EventRecord,
        own: &StoredEvent,
        meta: &MessageMeta,
    ) -> Result<Option<StoredEvent>, StoreError> {
        if first.deleted_at().is_some() {
            info!(app_id = %event.app_id, event_id = %id, "event was deleted");
            return Ok(None);
        }
        let Some(first) = first.event() else {
            return Ok(None);
        };
        let differs = first.data().is_some_and(|data| own.data() != Some(data));
        if first.r#type != own.r#type || first.audience != own.audience || differs {
            warn!(
                app_id = %event.app_id,
                event_id = %id,
                "ignored an event that differs from an earlier one with the same id"
            );
        }
        let takes_over = self.takes_over(event, id, &first, own, meta).await?;
        Ok(takes_over.then_some(first))
    }

    /// Whether this message takes over the fan-out of an event that is stored already. If
    /// it has to wait first, it is re-sent with a delay.
    async fn takes_over(
        &self,
        event: &PublishedEvent,
        id: EventId,
        first: &StoredEvent,
        own: &StoredEvent,
        meta: &MessageMeta,
    ) -> Result<bool, StoreError> {
        let (table, app_id) = (&self.stores.table, event.app_id);
        if event.is_repeatable() && table.is_fanned_out(app_id, id, first).await? {
            info!(app_id = %app_id, event_id = %id, "event already fanned out");
            return Ok(false);
        }
        let (lease, now) = (self.fan_out_lease, own.fan_out.since);
        let FanOut { by, .. } = &first.fan_out;
        // Some fan-outs are never recorded as complete. A repeat of such an event may be
        // the first message's dead letter, which SQS gave another id. Then it has the
        // same content. A repeat with other content is somebody else's, and the first
        // message needs no help from it: it comes back until it is done.
        //
        // `by` equals the event's id if the event took its id from the message that
        // began.
        let is_own = meta.ids.contains(by) || *by == id.to_string();
        let is_recorded = event.is_repeatable() && *by != id.to_string();
        // If the payload is not stored, only the first message has it.
        let is_known = is_own || first.payload.kept().is_some();
        let is_same =
            meta.ids.contains(by) || own.payload == first.payload && own.audience == first.audience;
        if !is_known || !is_recorded && !is_same {
            info!(app_id = %app_id, event_id = %id, "ignored a repeat of an event");
            return Ok(false);
        }
        // An event that was re-sent with an id took it from a message that came back. So
        // that message counts as back, too, and this one need not wait for it.
        let mut back = meta.back.clone();
        back.push(id.to_string());
        let mut wait = first.fan_out.wait(&back, lease, now);
        if wait.is_zero() {
            let (old, new) = (&first.fan_out, &own.fan_out);
            if table.take_over_fan_out(app_id, id, old, new).await? {
                return Ok(true);
            }
            // Another message took over first.
            wait = lease;
        }
        info!(app_id = %app_id, event_id = %id, "event waits for its fan-out");
        let again = event.clone().named(id, Some(own.accepted_at));
        let again = (Message::Event(again), wait);
        self.stores.queues.send_all(Lane::Fast, [again]).await?;
        Ok(false)
    }

    /// Re-sends an event that has no id, with the id of its message. Done when the
    /// message comes back after a failure. SQS may move it to the dead-letter queue
    /// without running our code, and a redrive from there gives the message another id.
    pub(super) async fn send_with_id(
        &self,
        event: PublishedEvent,
        meta: MessageMeta,
    ) -> Result<(), HandleError> {
        let id = meta.event_id().ok_or(HandleError::EventWithoutId)?;
        let named = Message::Event(event.named(id, meta.sent_at));
        Ok(self.stores.queues.send(Lane::Fast, &named).await?)
    }
}
