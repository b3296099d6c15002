//! Decides which endpoints an event is for.

use std::collections::HashSet;

use jiff::Timestamp;
use tracing::error;

use super::Deliverer;
use crate::domain::audience::Audience;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::{PublishedEvent, StoredEvent};
use crate::domain::event_type::EventType;
use crate::domain::filter::Data;
use crate::domain::id::EndpointId;

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
    /// The endpoints of an app that get an event, or miss it because they are inactive.
    pub(super) fn owed(
        &self,
        endpoints: &[Endpoint],
        event: Occurrence<'_>,
        now: Timestamp,
    ) -> HashSet<EndpointId> {
        // Shared by all filters, and parsed only as deep as they look.
        let data = Data::of(event.data);
        let owed = endpoints.iter().filter(|endpoint| {
            endpoint.is_owed(event.event_type, self.retention, now)
                && self.addresses(endpoint, event.audience, &data)
        });
        owed.map(|endpoint| endpoint.key.endpoint_id).collect()
    }

    /// Whether a stored event is for an endpoint that subscribes to its type, by the
    /// endpoint's current channels and filter.
    pub(super) fn is_for(&self, endpoint: &Endpoint, event: &StoredEvent) -> bool {
        let data = Data::of(event.own_data().unwrap_or_default());
        self.addresses(endpoint, &event.audience, &data)
    }

    /// The part of the rule that a fan-out and a replay share: whether an event with this
    /// audience and data is for the endpoint, once it subscribes to the event's type.
    fn addresses(&self, endpoint: &Endpoint, audience: &Audience, data: &Data<'_>) -> bool {
        audience.includes(endpoint.key.endpoint_id, &endpoint.channels)
            && self.lets_through(endpoint, data)
    }

    /// Whether an endpoint's filter lets an event with this data through. A filter that
    /// somebody edited by hand and that can't be read lets nothing through, as if the
    /// whole endpoint could not be read.
    fn lets_through(&self, endpoint: &Endpoint, data: &Data<'_>) -> bool {
        let Some(filter) = &endpoint.filter else {
            return true;
        };
        if let Ok(matcher) = filter.compile() {
            return matcher.matches(data);
        }
        error!(
            app_id = %endpoint.key.app_id,
            endpoint_id = %endpoint.key.endpoint_id,
            operational_event = "item.unreadable",
            "skipped an endpoint with an unreadable filter"
        );
        self.metrics.unreadable_items(1);
        false
    }
}
