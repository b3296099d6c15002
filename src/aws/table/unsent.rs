//! Finds events that an endpoint never received, by way of another endpoint's deliveries.
//!
//! Nothing is stored for this in advance, so only a replay pays for it. It reads the other
//! endpoint's deliveries, at 4 KB per read unit, and for each event that the endpoint may
//! want, the endpoint's own delivery and the event.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use jiff::Timestamp;
use tracing::error;

use super::batch_get::id_of;
use super::events::{event_record, is_kept};
use super::fields::{Fields, number, text};
use super::keys;
use super::keys::attribute::{
    CREATED_AT, EVENT, EVENT_ID, EXPIRES_AT, PAYLOAD_DELETED_AT, PK, SK, TEST_PING,
};
use super::{Item, Table};
use crate::aws::error::{During, Malformed, StoreError};
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::event::{EventRecord, StoredEvent};
use crate::domain::event_type::EventType;
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::replay::Replay;

/// A page of events that an endpoint never received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// Oldest first.
    pub events: Vec<(EventId, StoredEvent)>,
    /// The next page starts after this delivery of the other endpoint. `None` on the last
    /// page.
    pub next: Option<DeliveryId>,
}

/// Maximum number of queries (up to 1 MB each) for one page.
const MAX_PAGES: usize = 4;

/// Events that are read together. Each payload may have 399 KB, and the function has 256 MB
/// of memory.
const EVENTS_AT_ONCE: usize = 25;

/// A delivery to another endpoint, whose event may be sent. Only this much of its item is
/// read: a status that a newer version wrote says nothing about the event.
struct Candidate {
    id: DeliveryId,
    event_id: EventId,
    event: EventType,
    created_at: Timestamp,
}

fn candidate(item: Item) -> Result<Candidate, Malformed> {
    let mut fields = Fields::of(item);
    let sort: String = fields.read(SK)?;
    let event: String = fields.read(EVENT)?;
    Ok(Candidate {
        id: keys::delivery_of_sort(&sort).ok_or("not the keys of a delivery")?,
        event_id: fields.read(EVENT_ID)?,
        event: EventType::parse(&event)?,
        created_at: fields.read(CREATED_AT)?,
    })
}

impl Table {
    /// The next events that this endpoint wants and never received, found by deliveries to the
    /// first of the replay's other endpoints. Stops after `limit` deliveries whose events the
    /// endpoint may want, or after 4 MB.
    ///
    /// One `Query`, up to four if few of the deliveries are of types that the endpoint wants;
    /// a `BatchGetItem` for every 100 that are, and one for every 25 events that it did not
    /// receive.
    ///
    /// # Errors
    /// If a call fails, or an item cannot be decoded.
    pub async fn unsent(
        &self,
        endpoint: &Endpoint,
        replay: &Replay,
        limit: usize,
        now: Timestamp,
    ) -> Result<Unsent, StoreError> {
        let Some(other) = replay.others.first() else {
            return Ok(Unsent {
                events: Vec::new(),
                next: None,
            });
        };
        let other = EndpointKey {
            endpoint_id: *other,
            ..replay.endpoint
        };
        let (mut found, next) = self.candidates(endpoint, other, replay, limit, now).await?;
        self.leave_out_recorded(endpoint.key, &mut found).await?;
        let mut events = Vec::new();
        for some in found.chunks(EVENTS_AT_ONCE) {
            let ids = some.iter().map(|delivery| delivery.event_id);
            let stored = self.events(endpoint.key, ids.collect(), now).await?;
            let wanted = stored.into_iter();
            events.extend(wanted.filter(|(_, event)| replay.wants(endpoint, event)));
        }
        Ok(Unsent { events, next })
    }

    /// Deliveries to the other endpoint whose events this one may want, oldest first, and the
    /// delivery to continue after. Leaves out deliveries that repeat an event.
    async fn candidates(
        &self,
        endpoint: &Endpoint,
        other: EndpointKey,
        replay: &Replay,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Candidate>, Option<DeliveryId>), StoreError> {
        const OPERATION: &str = "Query of another endpoint's deliveries";
        let mut found = Vec::new();
        if replay.from > replay.to {
            return Ok((found, None));
        }
        let query = self.span_of(other, replay, now);
        // DynamoDB continues after this key even if its item is gone by now.
        let mut start = replay.after.map(|after| keys::delivery(other, after));
        for _ in 0..MAX_PAGES {
            let page = query.clone().set_exclusive_start_key(start).send().await;
            let page = page.during(OPERATION)?;
            for item in page.items.unwrap_or_default() {
                let (pk, sort) = id_of(&item);
                // A delivery that somebody edited by hand must not stop the others.
                let Ok(delivery) = candidate(item) else {
                    error!(
                        pk,
                        sk = sort,
                        operational_event = "item.unreadable",
                        "skipped an unreadable delivery"
                    );
                    continue;
                };
                // The id of an event's first delivery is derived. Any other id is a repeat.
                let first =
                    DeliveryId::of_event(delivery.created_at, delivery.event_id, other.endpoint_id);
                if delivery.id == first && replay.may_want(endpoint, &delivery.event) {
                    found.push(delivery);
                }
                if found.len() >= limit {
                    // In the middle of a page: the rest is read again by the next chunk.
                    return Ok((found, keys::delivery_of_sort(&sort)));
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok((found, None));
            }
        }
        let next = start.and_then(|key| keys::delivery_of_sort(&id_of(&key).1));
        Ok((found, next))
    }

    /// A query of the other endpoint's history in the span of the replay, oldest first.
    fn span_of(&self, other: EndpointKey, replay: &Replay, now: Timestamp) -> QueryFluentBuilder {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("#pk = :partition AND #sk BETWEEN :from AND :to")
            .filter_expression(
                "#expires > :now AND attribute_not_exists(#ping) AND attribute_not_exists(#deleted)",
            )
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_names("#expires", EXPIRES_AT)
            .expression_attribute_names("#ping", TEST_PING)
            .expression_attribute_names("#deleted", PAYLOAD_DELETED_AT)
            .expression_attribute_values(":partition", text(keys::delivery_partition(other)))
            .expression_attribute_values(":from", text(keys::delivery_sort(replay.from)))
            .expression_attribute_values(":to", text(keys::delivery_sort(replay.to)))
            .expression_attribute_values(":now", number(now.as_second()));
        super::history::shown(query)
    }

    /// Drops the events that the endpoint already has a delivery of.
    async fn leave_out_recorded(
        &self,
        endpoint: EndpointKey,
        found: &mut Vec<Candidate>,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "BatchGetItem of deliveries that may be missing";
        let key_of = |delivery: &Candidate| {
            let (at, event) = (delivery.created_at, delivery.event_id);
            let own = DeliveryId::of_event(at, event, endpoint.endpoint_id);
            keys::delivery(endpoint, own)
        };
        let keys: Vec<_> = found.iter().map(key_of).collect();
        let recorded = self.batch_get(OPERATION, keys).await?;
        let mut is_recorded = Vec::with_capacity(found.len());
        for delivery in found.iter() {
            is_recorded.push(recorded.item(OPERATION, &key_of(delivery))?.is_some());
        }
        let mut is_recorded = is_recorded.into_iter();
        found.retain(|_| !is_recorded.next().unwrap_or(false));
        Ok(())
    }

    /// Reads these events, in their order. Leaves out those that are no longer stored.
    async fn events(
        &self,
        endpoint: EndpointKey,
        ids: Vec<EventId>,
        now: Timestamp,
    ) -> Result<Vec<(EventId, StoredEvent)>, StoreError> {
        const OPERATION: &str = "BatchGetItem of events to send";
        let keys = ids.iter().map(|id| keys::event(endpoint.app_id, *id));
        let found = self.batch_get(OPERATION, keys).await?;
        let mut events = Vec::new();
        for id in ids {
            let item = found.item(OPERATION, &keys::event(endpoint.app_id, id))?;
            let item = item.filter(|item| is_kept(item, now));
            let record = item.map(event_record).transpose().during(OPERATION)?;
            let event = record.and_then(EventRecord::event);
            events.extend(event.map(|event| (id, event)));
        }
        Ok(events)
    }
}
