//! Fans an event out to the endpoints that subscribe to it. The event is stored once.
//! Then the endpoints that are well, if they are few, are [attempted at
//! once](super::at_once); every other endpoint gets a message of its own, so that none
//! waits for another.
//!
//! Calls: a `Query` of the app's endpoints; if any subscribes, a `PutItem` of the event;
//! a `SendMessageBatch` for every ten endpoints that get messages; an `UpdateItem` for
//! each endpoint that deliveries wait for; for inactive endpoints, a `BatchWriteItem` for
//! every 25 (an `UpdateItem` each, if they may have been written before); and the calls
//! of each attempt made at once. If the event may be published again under its id,
//! another `PutItem` records that it is fanned out.
//!
//! If the event is stored already, [`super::take_over`] decides whether this message continues
//! its fan-out.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tracing::info;

use super::ephemeral::needing_payload;
use super::owed::Occurrence;
use super::received::MessageMeta;
use super::{Deliverer, HandleError, deadline};
use crate::aws::StoreError;
use crate::domain::delivery::Abandoned;
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::event::{FanOut, PublishedEvent, StoredEvent, StoredPayload};
use crate::domain::health;
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::message::{DeliveryTask, Lane, Message, Source};
use crate::domain::route::{Circumstances, Route, routes};

const WRITES_AT_ONCE: usize = 25;

impl Deliverer {
    pub(super) async fn fan_out(
        &self,
        event: PublishedEvent,
        meta: MessageMeta,
        lane: Lane,
    ) -> Result<(), HandleError> {
        let table = &self.stores.table;
        // Taken before the read, so that an attempt dated after a rotation has read the
        // endpoint after it, and is signed with the new secret.
        let now = self.clock.now();
        let id = event.id.or_else(|| meta.event_id());
        let id = id.ok_or(HandleError::EventWithoutId)?;
        let mut found = table.readable_endpoints(event.app_id).await?;
        if !found.unreadable.is_empty() {
            self.metrics.unreadable_items(found.unreadable.len());
        }
        let mut owed = self.owed(&found, Occurrence::of(&event), now);
        if owed.is_empty() {
            report(&event, id, 0, 0);
            return Ok(());
        }
        let mut circumstances = self.circumstances(lane, &found.endpoints);
        let mut stored = self.new_event(&event, &meta, now)?;
        if !event.store_payload {
            // Endpoints that are attempted at once get the payload from this message.
            stored.kept_for = Some(needing_payload(&owed, &found.endpoints, circumstances));
        }
        if let Some(first) = table.store_event(event.app_id, id, &stored, now).await? {
            let resumed = self
                .resume(&event, id, first, &stored, &meta, &mut found)
                .await?;
            let Some(resumed) = resumed else {
                return Ok(());
            };
            (stored, owed) = resumed;
            // So that none is attempted at once: attempts may have been made before, and only
            // an attempt's own message looks for its record.
            circumstances.is_new = false;
        }
        self.send_in_doubt(&owed.in_doubt, id, &stored).await?;
        let endpoints = owed.among(found.endpoints);
        let (later, missed) = self
            .dispatch(endpoints, circumstances, id, &stored, now)
            .await?;
        if event.is_repeatable() {
            table.end_fan_out(event.app_id, id, &stored).await?;
        }
        // Attempts that were made at once have log lines of their own.
        if later + missed > 0 {
            report(&event, id, later, missed);
        }
        Ok(())
    }

    /// The circumstances that decide how endpoints get a new event.
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

    /// The event as it will be stored if it is new.
    fn new_event(
        &self,
        event: &PublishedEvent,
        meta: &MessageMeta,
        now: Timestamp,
    ) -> Result<StoredEvent, HandleError> {
        // When the event was accepted, not when it is handled: the ids of its deliveries
        // derive from this, and handling a message twice must produce the same ids.
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

    /// Delivers the event to these endpoints, which were read at `read_at`: at once,
    /// later, or, if they are inactive, not at all. Returns how many get it later and how
    /// many miss it.
    async fn dispatch(
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
        // Last, because receivers may be slow.
        self.attempt_at_once(at_once, stored, read_at).await?;
        Ok((later, missed))
    }

    /// Records that these endpoints missed the event because they are inactive, so that
    /// the history shows it and a recovery can send it.
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
            // The endpoint may have been active the first time and got the event, so each
            // write is conditional.
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

    /// Enqueues messages for these endpoints, or marks their deliveries as waiting.
    async fn hand_over(&self, routed: Routed) -> Result<(), StoreError> {
        let Routed { messages, wait, .. } = routed;
        // No message for an endpoint that other deliveries wait for: this one waits
        // behind them.
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
        if_owed: false,
        ephemeral: stored.kept_for.is_some(),
    }
}

/// Logs what happens to an event apart from attempts at once: deliveries that get
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
