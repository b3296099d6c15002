//! What is due later than a queue can delay a message: attempts, and endpoints whose
//! waiting deliveries are to be seen to. They wait in the table, at no cost, until
//! they are due soon enough for the queue.

use jiff::Timestamp;
use serde::Deserialize;

use super::keys::attribute::SK;
use super::keys::{self, ENDPOINT, SCHEDULE, SCHEDULE_SHARDS};
use super::update::Update;
use super::{Item, Table, decode, text};
use crate::aws::error::{During, Malformed, StoreError, written};
use crate::domain::endpoint::EndpointKey;
use crate::domain::event_type::EventType;
use crate::domain::id::EventId;
use crate::domain::message::{DeliveryTask, Source};
use crate::domain::time::{iso_millis, serde_millis};

/// An entry of the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// An attempt.
    Attempt(DueAttempt),
    /// An endpoint that deliveries wait for.
    Endpoint(DueEndpoint),
}

/// An attempt that waits in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueAttempt {
    /// The attempt.
    pub task: DeliveryTask,
    /// When it is due.
    pub due_at: Timestamp,
}

/// An endpoint that deliveries wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueEndpoint {
    /// The endpoint.
    pub key: EndpointKey,
    /// When its waiting deliveries are to be seen to.
    pub due_at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DueItem {
    pk: String,
    sk: String,
    gsi2sk: String,
    event_id: EventId,
    event: EventType,
    attempts: u32,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    expires_at: i64,
}

#[derive(Deserialize)]
struct DueEndpointItem {
    pk: String,
    sk: String,
    gsi2sk: String,
}

impl Table {
    /// Shards of the schedule, numbered from 0.
    pub const SCHEDULE_SHARDS: u8 = SCHEDULE_SHARDS;

    /// Up to `limit` entries of a shard that are due before `until`, the longest
    /// overdue first. One `Query`.
    ///
    /// # Errors
    /// If the call fails, or an item cannot be read.
    pub async fn due(
        &self,
        shard: u8,
        until: Timestamp,
        limit: i32,
    ) -> Result<Vec<Due>, StoreError> {
        const OPERATION: &str = "Query of what is due";
        let page = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(SCHEDULE.name)
            .key_condition_expression("#pk = :shard AND #sk < :until")
            .expression_attribute_names("#pk", SCHEDULE.pk)
            .expression_attribute_names("#sk", SCHEDULE.sk)
            .expression_attribute_values(":shard", text(keys::schedule_partition(shard)))
            .expression_attribute_values(":until", text(iso_millis(until)))
            .limit(limit)
            .send()
            .await
            .during(OPERATION)?;
        let items = page.items.unwrap_or_default().into_iter();
        let due: Result<_, _> = items.map(due).collect();
        due.during(OPERATION)
    }

    /// Takes an attempt off the schedule, once it is on the queue. Does nothing if
    /// another sweep took it, or the attempt was made meanwhile. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn unschedule(&self, due: &DueAttempt) -> Result<(), StoreError> {
        let task = &due.task;
        let sort = keys::schedule_sort(due.due_at, task.delivery_id);
        let update = Update::default()
            .remove(SCHEDULE.pk)
            .remove(SCHEDULE.sk)
            .only_if(SCHEDULE.sk, text(sort));
        let key = keys::delivery(task.endpoint, task.delivery_id);
        let updated = self.update_item(key, update).send().await;
        written(updated).during("UpdateItem of a due attempt")?;
        Ok(())
    }
}

fn due(item: Item) -> Result<Due, Malformed> {
    let sort = item.get(SK).and_then(|sk| sk.as_s().ok());
    if sort.is_some_and(|sort| sort.starts_with(ENDPOINT)) {
        due_endpoint(item).map(Due::Endpoint)
    } else {
        due_attempt(item).map(Due::Attempt)
    }
}

fn due_endpoint(item: Item) -> Result<DueEndpoint, Malformed> {
    const KEYS: &str = "not the keys of an endpoint in the schedule";
    let item: DueEndpointItem = decode(item)?;
    Ok(DueEndpoint {
        key: keys::endpoint_of(&item.pk, &item.sk).ok_or(KEYS)?,
        due_at: keys::due_at_of_sort(&item.gsi2sk).ok_or(KEYS)?,
    })
}

fn due_attempt(item: Item) -> Result<DueAttempt, Malformed> {
    const KEYS: &str = "not the keys of a due attempt";
    let item: DueItem = decode(item)?;
    Ok(DueAttempt {
        due_at: keys::due_at_of_sort(&item.gsi2sk).ok_or(KEYS)?,
        task: DeliveryTask {
            endpoint: keys::endpoint_of_delivery(&item.pk).ok_or(KEYS)?,
            delivery_id: keys::delivery_of_sort(&item.sk).ok_or(KEYS)?,
            // Pings are never retried, so none is on the schedule.
            source: Source::Event(item.event_id),
            event: item.event,
            created_at: item.created_at,
            expires_at: Timestamp::from_second(item.expires_at)?,
            attempt: item.attempts + 1,
            resend: false,
            has_turn: false,
        },
    })
}
