//! Decides which endpoints an event is for.
//!
//! That is in doubt for an endpoint whose item or filter cannot be decoded, because a newer
//! version wrote it or somebody edited it by hand. Such an endpoint gets a message of its own
//! ([`DeliveryTask::if_owed`]), which fails until the endpoint can be decoded. It becomes a
//! dead letter, and once it is redriven, the event is delivered if it is for the endpoint.
//! The app's other endpoints don't wait for that.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use tracing::error;

use super::fan_out::first_attempt;
use super::{Deliverer, HandleError};
use crate::aws::StoreError;
use crate::aws::table::{Endpoints, UnreadableItem};
use crate::domain::audience::Audience;
use crate::domain::decision::{AttemptContext, BeforeAttempt, Occasion, before_attempt};
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::event::{PublishedEvent, StoredEvent};
use crate::domain::event_type::EventType;
use crate::domain::filter::Data;
use crate::domain::id::{EndpointId, EventId};
use crate::domain::message::{DeliveryTask, Lane, Message};
use crate::domain::time::CLOCK_SKEW;

/// The endpoints of an app that an event is owed to.
#[derive(Default)]
pub(super) struct Owed {
    /// Those that get it, or miss it because they are inactive.
    certain: HashSet<EndpointId>,
    /// Those that cannot be decoded.
    pub(super) in_doubt: Vec<EndpointKey>,
}

impl Owed {
    pub(super) fn is_empty(&self) -> bool {
        self.certain.is_empty() && self.in_doubt.is_empty()
    }

    /// Those of these endpoints that the event is certainly owed to.
    pub(super) fn among(&self, mut endpoints: Vec<Endpoint>) -> Vec<Endpoint> {
        endpoints.retain(|endpoint| self.certain.contains(&endpoint.key.endpoint_id));
        endpoints
    }

    /// The same, without inactive ones.
    pub(super) fn active_among<'a>(
        &self,
        endpoints: &'a [Endpoint],
    ) -> impl Iterator<Item = &'a Endpoint> {
        let active = endpoints.iter().filter(|endpoint| endpoint.active);
        active.filter(|endpoint| self.certain.contains(&endpoint.key.endpoint_id))
    }

    /// The endpoints that need the payload stored if all get the event by messages.
    pub(super) fn needing_payload(&self, endpoints: &[Endpoint]) -> Vec<EndpointId> {
        let active = self.active_among(endpoints).map(|endpoint| endpoint.key);
        let needing = active.chain(self.in_doubt.iter().copied());
        needing.map(|key| key.endpoint_id).collect()
    }
}

/// Whether an endpoint existed when the event was accepted.
pub(super) fn existed_for(endpoint: &Endpoint, event: &StoredEvent) -> bool {
    // With the skew, because an endpoint that was created just before an event must not seem
    // to be newer than the event.
    endpoint.created_at <= event.accepted_at + CLOCK_SKEW
}

/// The properties of an event that endpoints are selected by.
#[derive(Clone, Copy)]
pub(super) struct Occurrence<'a> {
    event_type: &'a EventType,
    audience: &'a Audience,
    /// Its data, as JSON.
    data: &'a str,
}

impl<'a> Occurrence<'a> {
    pub(super) fn of(event: &'a PublishedEvent) -> Self {
        Self {
            event_type: &event.r#type,
            audience: &event.audience,
            data: event.data.get(),
        }
    }

    /// The first event under an id, which `own` repeats. If its payload is not stored,
    /// the repeat has the same data, because only the first event's own message gets this
    /// far.
    pub(super) fn of_stored(event: &'a StoredEvent, own: &'a PublishedEvent) -> Self {
        Self {
            event_type: &event.r#type,
            audience: &event.audience,
            data: event.own_data().unwrap_or(own.data.get()),
        }
    }
}

impl Deliverer {
    /// The endpoints of an app that an event is owed to.
    pub(super) fn owed(&self, found: &Endpoints, event: Occurrence<'_>, now: Timestamp) -> Owed {
        // Shared by all filters, and parsed only as deep as they look.
        let data = Data::of(event.data);
        let mut owed = Owed::default();
        for endpoint in &found.endpoints {
            if !endpoint.is_owed(event.event_type, self.retention, now) {
                continue;
            }
            match self.addresses(endpoint, event.audience, &data) {
                Some(true) => _ = owed.certain.insert(endpoint.key.endpoint_id),
                Some(false) => {}
                None => owed.in_doubt.push(endpoint.key),
            }
        }
        let unreadable = found.unreadable.iter().filter_map(UnreadableItem::endpoint);
        let only = event.audience.only;
        owed.in_doubt
            .extend(unreadable.filter(|key| only.is_none_or(|only| only == key.endpoint_id)));
        owed
    }

    /// Sends a message to each endpoint for which it is in doubt whether the event is for it.
    pub(super) async fn send_in_doubt(
        &self,
        endpoints: &[EndpointKey],
        id: EventId,
        stored: &StoredEvent,
    ) -> Result<(), StoreError> {
        let messages = endpoints.iter().map(|endpoint| {
            let task = DeliveryTask {
                if_owed: true,
                ..first_attempt(id, stored, *endpoint)
            };
            (Message::Delivery(task), Duration::ZERO)
        });
        let messages: Vec<_> = messages.collect();
        self.stores.queues.send_all(Lane::Slow, messages).await
    }

    /// Decides about an attempt that a message of this lane asks for. `None` if its event
    /// turns out not to be for its endpoint.
    pub(super) fn decide(
        &self,
        task: &DeliveryTask,
        lane: Lane,
        found: Result<AttemptContext, StoreError>,
    ) -> Result<Option<BeforeAttempt>, HandleError> {
        let found = found?;
        let is_owed = self.is_owed(task, &found)?;
        Ok(is_owed.then(|| before_attempt(task, Occasion::Lane(lane), found)))
    }

    /// Whether a task's event is for its endpoint, if that was in doubt.
    fn is_owed(&self, task: &DeliveryTask, found: &AttemptContext) -> Result<bool, HandleError> {
        if !task.if_owed || found.delivery.is_some() {
            return Ok(true);
        }
        let (Some(endpoint), Some(event)) = (&found.endpoint, &found.event) else {
            // A deleted endpoint has no history, and an expired event has no payload.
            return Ok(false);
        };
        let now = self.clock.now();
        Ok(existed_for(endpoint, event)
            && endpoint.is_owed(&event.r#type, self.retention, now)
            && self.is_for(endpoint, event)?)
    }

    /// Whether a stored event is for an endpoint that subscribes to its type, by the
    /// endpoint's current channels and filter.
    pub(super) fn is_for(
        &self,
        endpoint: &Endpoint,
        event: &StoredEvent,
    ) -> Result<bool, HandleError> {
        let data = Data::of(event.own_data().unwrap_or_default());
        let is_for = self.addresses(endpoint, &event.audience, &data);
        is_for.ok_or(HandleError::UnreadableFilter)
    }

    /// The part of the rule that a fan-out and a replay share: whether an event with this
    /// audience and data is for the endpoint, once it subscribes to the event's type. `None`
    /// if the endpoint's filter cannot be decoded.
    fn addresses(&self, endpoint: &Endpoint, audience: &Audience, data: &Data<'_>) -> Option<bool> {
        match audience.includes(endpoint.key.endpoint_id, &endpoint.channels) {
            true => self.lets_through(endpoint, data),
            false => Some(false),
        }
    }

    /// Whether an endpoint's filter lets an event with this data through. `None` if the
    /// filter cannot be decoded.
    fn lets_through(&self, endpoint: &Endpoint, data: &Data<'_>) -> Option<bool> {
        let Some(filter) = &endpoint.filter else {
            return Some(true);
        };
        if let Ok(matcher) = filter.compile() {
            return Some(matcher.matches(data));
        }
        error!(
            app_id = %endpoint.key.app_id,
            endpoint_id = %endpoint.key.endpoint_id,
            operational_event = "item.unreadable",
            "cannot decode an endpoint's filter"
        );
        self.metrics.unreadable_items(1);
        None
    }
}
