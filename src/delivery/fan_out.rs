//! An event on its way to the endpoints that subscribe to it: stored once, then
//! [attempted at once](super::at_once) at those that are well, if they are few, while all
//! others get a message each, so that none waits for another.
//!
//! Calls: a `Query` of the app's endpoints; if any subscribes, a `PutItem` of the
//! event; for every ten that get messages a `SendMessageBatch`, or, if deliveries wait for
//! them, an `UpdateItem` each, and, if they are inactive, a `BatchWriteItem` for every 25
//! (an `UpdateItem` each, if they may have been written before); for each attempt those
//! that follow it. If the event may be published again under its id, another `PutItem` records
//! that it is fanned out.
//!
//! Whatever is published again under an id does nothing, once the first event is
//! fanned out. If that cannot be told, the repeat looks again once the message that
//! began can no longer be at it, and goes on in its place; if the end would not be
//! recorded, it does so only if it says the same. A message that began and comes back
//! goes on at once. For both there is a `GetItem` of that record, and an
//! `UpdateItem` of the event, so that only one of them goes on.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tracing::{info, warn};

use super::ephemeral::needing_payload;
use super::owed::Occurrence;
use super::received::MessageMeta;
use super::{Deliverer, HandleError, deadline};
use crate::aws::StoreError;
use crate::domain::delivery::Abandoned;
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::event::{EventRecord, FanOut, PublishedEvent, StoredEvent, StoredPayload};
use crate::domain::health;
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::message::{DeliveryTask, Lane, Message, Source};
use crate::domain::route::{Circumstances, Route, routes};

/// How far the clocks of the API and of the queue may be apart: an endpoint that
/// was created just before an event must not seem younger than the event.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

const WRITES_AT_ONCE: usize = 25;

impl Deliverer {
    pub(super) async fn fan_out(
        &self,
        event: PublishedEvent,
        meta: MessageMeta,
        lane: Lane,
    ) -> Result<(), HandleError> {
        let table = &self.stores.table;
        // Before the read: an attempt that is dated after a rotation has read the
        // endpoint after it, so it is signed with the new secret.
        let now = self.clock.now();
        let id = event.id.or_else(|| meta.event_id());
        let id = id.ok_or(HandleError::EventWithoutId)?;
        let found = table.readable_endpoints(event.app_id).await?;
        if !found.unreadable.is_empty() {
            self.metrics.unreadable_items(found.unreadable.len());
        }
        let mut endpoints = found.endpoints;
        let mut owed_to = self.owed(&endpoints, Occurrence::of(&event), now);
        if owed_to.is_empty() {
            report(&event, id, 0, 0);
            return Ok(());
        }
        let mut circumstances = self.circumstances(lane, &endpoints);
        let mut stored = self.new_event(&event, &meta, now)?;
        if !event.store_payload {
            let owed = endpoints.iter();
            let owed = owed
                .filter(|found| owed_to.contains(&found.key.endpoint_id))
                .cloned();
            let owed: Vec<_> = owed.collect();
            stored.kept_for = Some(needing_payload(&owed, circumstances));
        }
        if let Some(first) = table.store_event(event.app_id, id, &stored, now).await? {
            let first = self.repeated(&event, id, first, &stored, &meta).await?;
            let Some(first) = first else {
                return Ok(());
            };
            // The first one counts, and goes to the endpoints that existed then.
            endpoints.retain(|endpoint| endpoint.created_at <= first.accepted_at + CLOCK_SKEW);
            // Attempts that were made at once have no message that could come back.
            for endpoint in &endpoints {
                let by = first_attempt(id, &first, endpoint.key).delivery_id;
                self.tell_again_of(endpoint, by).await?;
            }
            let occurrence = Occurrence::of_stored(&first, &event);
            owed_to = self.owed(&endpoints, occurrence, now);
            endpoints.retain(|endpoint| owed_to.contains(&endpoint.key.endpoint_id));
            if !self.keep_again(&endpoints, id, &first, &stored).await? {
                return Ok(());
            }
            stored = first;
            circumstances.is_new = false;
        }
        endpoints.retain(|endpoint| owed_to.contains(&endpoint.key.endpoint_id));
        let (later, missed) = self
            .reach(endpoints, circumstances, id, &stored, now)
            .await?;
        if event.is_repeatable() {
            table.end_fan_out(event.app_id, id, &stored).await?;
        }
        // Each attempt has its own line.
        if later + missed > 0 {
            report(&event, id, later, missed);
        }
        Ok(())
    }

    /// What decides how the endpoints of a new event get it.
    fn circumstances(&self, lane: Lane, endpoints: &[Endpoint]) -> Circumstances {
        let active = endpoints.iter().filter(|endpoint| endpoint.active);
        Circumstances {
            lane,
            is_new: true,
            is_app_slow: health::is_app_slow(active.map(|endpoint| &endpoint.health)),
            has_time: deadline::leaves_room_for_an_attempt(),
            most_at_once: self.chunks.at_once,
        }
    }

    /// An event as it is stored, unless it is stored already.
    fn new_event(
        &self,
        event: &PublishedEvent,
        meta: &MessageMeta,
        now: Timestamp,
    ) -> Result<StoredEvent, HandleError> {
        // The time of acceptance, not of handling, because it is part of the
        // deliveries' ids: the same message has to yield the same ids.
        let accepted_at = meta.sent_at.unwrap_or(now);
        Ok(StoredEvent {
            r#type: event.r#type.clone(),
            accepted_at,
            expires_at: accepted_at + self.retention,
            payload: StoredPayload::Kept(event.payload(accepted_at)?),
            kept_for: None,
            audience: event.audience.clone(),
            fan_out: FanOut {
                by: meta.ids.first().cloned().unwrap_or_default(),
                since: now,
            },
        })
    }

    /// The event that was stored first under this id, if this message goes on with its
    /// fan-out.
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
        let goes_on = self.goes_on(event, id, &first, own, meta).await?;
        Ok(goes_on.then_some(first))
    }

    /// Has every one of these endpoints, which were read at `read_at`, get the event now or
    /// later, or miss it. Returns how many get it later, and how many miss it.
    async fn reach(
        &self,
        endpoints: Vec<Endpoint>,
        circumstances: Circumstances,
        id: EventId,
        stored: &StoredEvent,
        read_at: Timestamp,
    ) -> Result<(usize, usize), HandleError> {
        let (active, inactive): (Vec<_>, Vec<_>) =
            endpoints.into_iter().partition(|endpoint| endpoint.active);
        let mut routed = Routed::of(active, circumstances, id, stored);
        let at_once = std::mem::take(&mut routed.at_once);
        let (later, missed) = (routed.len(), inactive.len());
        self.hand_over(routed).await?;
        self.record_missed(&inactive, circumstances.is_new, id, stored)
            .await?;
        // Last, because a receiver may take long.
        self.attempt_at_once(at_once, stored, read_at).await?;
        Ok((later, missed))
    }

    /// Sends an event without an id of its own once more, with the id of its message in
    /// it. Done when the message comes back after a failure: if it ends in the
    /// dead-letter queue, a redrive gives it another id, and SQS may move it there when
    /// no code of ours can name it.
    pub(super) async fn name(
        &self,
        event: PublishedEvent,
        meta: MessageMeta,
    ) -> Result<(), HandleError> {
        let id = meta.event_id().ok_or(HandleError::EventWithoutId)?;
        let named = Message::Event(event.named(id, meta.sent_at));
        Ok(self.stores.queues.send(Lane::Fast, &named).await?)
    }

    /// Whether this message goes on with the fan-out of an event that is stored. If it
    /// has to wait for that, it is sent once more.
    async fn goes_on(
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
        // Where no end is recorded, this message may be the first one's dead letter, which
        // SQS gives another id: then it says the same. Whatever does not is somebody
        // else's, and the first one needs no help, for it comes back until it is done.
        let is_own = meta.ids.contains(by) || *by == id.to_string();
        let is_recorded = event.is_repeatable() && *by != id.to_string();
        // A payload that is not kept is known by the first message only.
        let is_known = is_own || first.payload.kept().is_some();
        let is_same =
            meta.ids.contains(by) || own.payload == first.payload && own.audience == first.audience;
        if !is_known || !is_recorded && !is_same {
            info!(app_id = %app_id, event_id = %id, "ignored a repeat of an event");
            return Ok(false);
        }
        // An event that was named has the id of the message that had it before, and that
        // came back.
        let mut back = meta.back.clone();
        back.push(id.to_string());
        let mut wait = first.fan_out.wait(&back, lease, now);
        if wait.is_zero() {
            let (old, new) = (&first.fan_out, &own.fan_out);
            if table.take_fan_out_over(app_id, id, old, new).await? {
                return Ok(true);
            }
            // Another message was faster.
            wait = lease;
        }
        info!(app_id = %app_id, event_id = %id, "event waits for its fan-out");
        let again = event.clone().named(id, Some(own.accepted_at));
        let again = (Message::Event(again), wait);
        self.stores.queues.send_all(Lane::Fast, [again]).await?;
        Ok(false)
    }

    /// Records that these endpoints missed the event because they are inactive, so that
    /// the history shows it and a recovery sends it.
    async fn record_missed(
        &self,
        endpoints: &[Endpoint],
        is_new: bool,
        id: EventId,
        stored: &StoredEvent,
    ) -> Result<(), StoreError> {
        let (table, reason) = (&self.stores.table, Abandoned::EndpointInactive);
        let tasks = endpoints
            .iter()
            .map(|endpoint| first_attempt(id, stored, endpoint.key));
        let tasks: Vec<_> = tasks.collect();
        if tasks.is_empty() {
            return Ok(());
        }
        let missed = tasks.len();
        if is_new {
            table.record_missed(&tasks, reason).await?;
        } else {
            // The endpoint may have been active before, and the event delivered.
            let now = self.clock.now();
            stream::iter(tasks)
                .map(|task| async move { table.record_abandoned(&task, reason, now).await })
                .buffer_unordered(WRITES_AT_ONCE)
                .try_collect::<Vec<_>>()
                .await?;
        }
        self.metrics.abandoned(missed);
        Ok(())
    }

    /// Has every one of these endpoints get the event later.
    async fn hand_over(&self, routed: Routed) -> Result<(), StoreError> {
        let Routed { messages, wait, .. } = routed;
        // Those that others wait for need no message: the delivery waits at once.
        let waiting = wait.len();
        stream::iter(wait)
            .map(|(task, endpoint)| async move { self.begin_waiting(&task, &endpoint).await })
            .buffer_unordered(WRITES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        if waiting > 0 {
            self.metrics.deliveries_wait(waiting);
        }
        for lane in [Lane::Fast, Lane::Slow] {
            let of_lane = messages.iter().filter(|(of, _)| *of == lane);
            let messages: Vec<_> = of_lane
                .map(|(_, task)| (Message::Delivery(task.clone()), Duration::ZERO))
                .collect();
            self.stores.queues.send_all(lane, messages).await?;
        }
        Ok(())
    }
}

/// The first attempts at an event, by their routes.
#[derive(Default)]
struct Routed {
    at_once: Vec<(DeliveryTask, Endpoint)>,
    messages: Vec<(Lane, DeliveryTask)>,
    wait: Vec<(DeliveryTask, Endpoint)>,
}

impl Routed {
    fn of(endpoints: Vec<Endpoint>, it: Circumstances, id: EventId, stored: &StoredEvent) -> Self {
        let mut routed = Self::default();
        let routes = routes(&endpoints, it);
        for (endpoint, route) in endpoints.into_iter().zip(routes) {
            let task = first_attempt(id, stored, endpoint.key);
            match route {
                Route::AtOnce => routed.at_once.push((task, endpoint)),
                Route::Message(lane) => routed.messages.push((lane, task)),
                Route::Wait => routed.wait.push((task, endpoint)),
            }
        }
        routed
    }

    /// How many are not attempted at once.
    fn len(&self) -> usize {
        self.messages.len() + self.wait.len()
    }
}

/// The first attempt at the delivery of an event to an endpoint.
pub(super) fn first_attempt(
    id: EventId,
    stored: &StoredEvent,
    endpoint: EndpointKey,
) -> DeliveryTask {
    DeliveryTask {
        endpoint,
        delivery_id: DeliveryId::of_event(stored.accepted_at, id, endpoint.endpoint_id),
        source: Source::Event(id),
        event: stored.r#type.clone(),
        created_at: stored.accepted_at,
        expires_at: stored.expires_at,
        attempt: 1,
        resend: false,
        has_turn: false,
        ephemeral: stored.kept_for.is_some(),
    }
}

/// Logs what becomes of an event beside attempts at once: deliveries that are made by
/// messages or wait, and endpoints that miss it.
fn report(event: &PublishedEvent, id: EventId, deliveries: usize, missed: usize) {
    info!(
        app_id = %event.app_id,
        event_id = %id,
        event = %event.r#type,
        deliveries,
        missed,
        "event fanned out"
    );
}
