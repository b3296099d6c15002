//! Reads of several items in one call.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use jiff::Timestamp;

use super::delivery_item::{FullDelivery, delivery};
use super::endpoint_item::live_endpoint;
use super::events::{event_record, is_kept};
use super::keys::{self, attribute};
use super::{Item, Table};
use crate::aws::error::{AwsError, During, Malformed, StoreError};
use crate::aws::retry::{Retries, UNPROCESSED_PAUSES};
use crate::domain::decision::AttemptContext;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::event::{EventRecord, StoredEvent};
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::message::{DeliveryTask, Source};

/// Maximum number of keys in one `BatchGetItem` (DynamoDB quota).
const BATCH_KEYS: usize = 100;

impl Table {
    /// Reads the endpoints, deliveries and events that these attempts need. Items that
    /// DynamoDB leaves out even after retries fail only the attempts that need them. One
    /// strongly consistent `BatchGetItem` for every 100 items.
    ///
    /// # Errors
    /// If the read fails.
    pub async fn attempt_items(&self, tasks: &[&DeliveryTask]) -> Result<AttemptItems, StoreError> {
        let keys = tasks.iter().copied().flat_map(keys_of);
        self.batch_get(CONTEXT, keys).await.map(AttemptItems)
    }

    /// Reads what one attempt needs. One strongly consistent `BatchGetItem`.
    ///
    /// # Errors
    /// If the read fails, or an item cannot be decoded.
    pub async fn attempt_context(
        &self,
        task: &DeliveryTask,
        now: Timestamp,
    ) -> Result<AttemptContext, StoreError> {
        self.attempt_items(&[task]).await?.context(task, now)
    }

    /// An endpoint and one of its deliveries. One strongly consistent
    /// `BatchGetItem`.
    ///
    /// # Errors
    /// If the read fails, or an item cannot be decoded.
    pub async fn endpoint_and_delivery(
        &self,
        endpoint: EndpointKey,
        delivery_id: DeliveryId,
    ) -> Result<(Option<Endpoint>, Option<FullDelivery>), StoreError> {
        const OPERATION: &str = "BatchGetItem of an endpoint and a delivery";
        let delivery = keys::delivery(endpoint, delivery_id);
        let endpoint = keys::endpoint(endpoint);
        let found = self
            .batch_get(OPERATION, [endpoint.clone(), delivery.clone()])
            .await?;
        let delivery = found
            .item(OPERATION, &delivery)?
            .map(FullDelivery::of_item)
            .transpose();
        Ok((
            found.endpoint(OPERATION, &endpoint)?,
            delivery.during(OPERATION)?,
        ))
    }

    /// The endpoints among these that exist and are not being deleted. One strongly
    /// consistent `BatchGetItem` for every 100.
    ///
    /// # Errors
    /// If the read fails, or an item cannot be decoded.
    pub async fn existing_endpoints(
        &self,
        endpoints: &HashSet<EndpointKey>,
    ) -> Result<HashSet<EndpointKey>, StoreError> {
        const OPERATION: &str = "BatchGetItem of endpoints";
        let keys = endpoints.iter().copied().map(keys::endpoint);
        let found = self.batch_get(OPERATION, keys).await?;
        let mut existing = HashSet::new();
        for key in endpoints {
            let endpoint = found.endpoint(OPERATION, &keys::endpoint(*key))?;
            existing.extend(endpoint.map(|_| *key));
        }
        Ok(existing)
    }

    /// The recorded first delivery of an event to each of these endpoints, in their order,
    /// without resends and recoveries. One strongly consistent `BatchGetItem` for every 100
    /// endpoints.
    ///
    /// # Errors
    /// If the read fails, or an item cannot be decoded.
    pub async fn deliveries_of_event(
        &self,
        id: EventId,
        event: &StoredEvent,
        endpoints: &[Endpoint],
    ) -> Result<Vec<Option<Delivery>>, StoreError> {
        const OPERATION: &str = "BatchGetItem of an event's deliveries";
        let key_of = |endpoint: &Endpoint| {
            let endpoint = endpoint.key;
            let id = DeliveryId::of_event(event.accepted_at, id, endpoint.endpoint_id);
            keys::delivery(endpoint, id)
        };
        let keys: Vec<_> = endpoints.iter().map(key_of).collect();
        let found = self.batch_get(OPERATION, keys.iter().cloned()).await?;
        keys.iter()
            .map(|key| {
                let item = found.item(OPERATION, key)?;
                item.map(delivery).transpose().during(OPERATION)
            })
            .collect()
    }

    /// The deliveries with these keys, without those that do not exist. One strongly
    /// consistent `BatchGetItem` for every 100.
    pub(super) async fn full_deliveries(
        &self,
        operation: &'static str,
        keys: Vec<Item>,
    ) -> Result<Vec<FullDelivery>, StoreError> {
        let found = self.batch_get(operation, keys.iter().cloned()).await?;
        let mut deliveries = Vec::new();
        for key in &keys {
            if let Some(item) = found.item(operation, key)? {
                deliveries.push(FullDelivery::of_item(item).during(operation)?);
            }
        }
        Ok(deliveries)
    }

    /// Reads the items with these keys, which may contain duplicates. One `BatchGetItem` for
    /// every 100 distinct keys, and up to four more while DynamoDB leaves some out.
    pub(super) async fn batch_get(
        &self,
        operation: &'static str,
        keys: impl IntoIterator<Item = Item>,
    ) -> Result<FoundItems, StoreError> {
        // DynamoDB rejects a batch with duplicates, and attempts often share an endpoint or
        // an event.
        let unique: HashMap<_, _> = keys.into_iter().map(|key| (id_of(&key), key)).collect();
        let unique: Vec<_> = unique.into_values().collect();
        let mut found = FoundItems::default();
        for keys in unique.chunks(BATCH_KEYS) {
            let mut missing = keys.to_vec();
            let mut retries = Retries::after(UNPROCESSED_PAUSES);
            while !missing.is_empty() && retries.next().await {
                // Boxed, because the SDK's futures nest so deeply that rustc refuses to
                // compute the layout of the delivery function's whole future.
                let some = Box::pin(self.batch_get_some(operation, missing, &mut found));
                missing = some.await?;
            }
            // Fails only those who need these items; see `FoundItems::item`.
            found.left_out.extend(missing.iter().map(id_of));
        }
        Ok(found)
    }

    /// Adds the items with these keys to `found`, and returns the keys that DynamoDB left
    /// out. It does so when it throttles, and when a response exceeds 16 MB.
    async fn batch_get_some(
        &self,
        operation: &'static str,
        keys: Vec<Item>,
        found: &mut FoundItems,
    ) -> Result<Vec<Item>, StoreError> {
        let request = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .build()
            .map_err(Malformed::from)
            .during(operation)?;
        let call = self.client.batch_get_item();
        let answer = call.request_items(&self.name, request).send().await;
        let answer = answer.during(operation)?;
        let items = answer.responses.unwrap_or_default().into_values().flatten();
        found.items.extend(items.map(|item| (id_of(&item), item)));
        let rest = answer.unprocessed_keys.unwrap_or_default().into_values();
        Ok(rest.flat_map(|rest| rest.keys).collect())
    }
}

const CONTEXT: &str = "BatchGetItem of endpoints, deliveries and events";

/// The keys of the items that an attempt needs, at most three.
fn keys_of(task: &DeliveryTask) -> impl Iterator<Item = Item> {
    let event = match task.source {
        Source::Event(id) => Some(keys::event(task.endpoint.app_id, id)),
        Source::Ping { .. } => None,
    };
    let endpoint = keys::endpoint(task.endpoint);
    let delivery = keys::delivery(task.endpoint, task.delivery_id);
    [endpoint, delivery].into_iter().chain(event)
}

/// Partition and sort key.
type ItemId = (String, String);

/// The result of a batch read.
#[derive(Debug, Default)]
pub(super) struct FoundItems {
    items: HashMap<ItemId, Item>,
    /// Items that DynamoDB left out on every try. They may or may not exist.
    left_out: HashSet<ItemId>,
}

/// An item's partition and sort key.
pub(super) fn id_of(item: &Item) -> ItemId {
    let part = |name| {
        let value = item.get(name).and_then(|value| value.as_s().ok());
        value.cloned().unwrap_or_default()
    };
    (part(attribute::PK), part(attribute::SK))
}

impl FoundItems {
    /// The item with this key. `None` if it does not exist.
    ///
    /// # Errors
    /// If DynamoDB left the item out.
    pub(super) fn item(
        &self,
        operation: &'static str,
        key: &Item,
    ) -> Result<Option<Item>, StoreError> {
        let id = id_of(key);
        if self.left_out.contains(&id) {
            return Err(AwsError::from_code(operation, "ThrottlingException").into());
        }
        Ok(self.items.get(&id).cloned())
    }

    fn endpoint(
        &self,
        operation: &'static str,
        key: &Item,
    ) -> Result<Option<Endpoint>, StoreError> {
        let item = self.item(operation, key)?;
        item.map_or(Ok(None), live_endpoint).during(operation)
    }
}

/// The items that a batch of attempts needs.
#[derive(Debug)]
pub struct AttemptItems(FoundItems);

impl AttemptItems {
    /// What the attempt of this task needs. `task` must be one of those that were read.
    ///
    /// # Errors
    /// If one of its items was left out or cannot be decoded. This does not affect other
    /// attempts.
    pub fn context(
        &self,
        task: &DeliveryTask,
        now: Timestamp,
    ) -> Result<AttemptContext, StoreError> {
        let found = &self.0;
        let endpoint = found.endpoint(CONTEXT, &keys::endpoint(task.endpoint))?;
        let recorded = keys::delivery(task.endpoint, task.delivery_id);
        let recorded = found.item(CONTEXT, &recorded)?.map(delivery).transpose();
        let event = match task.source {
            Source::Event(id) => found.item(CONTEXT, &keys::event(task.endpoint.app_id, id))?,
            Source::Ping { .. } => None,
        };
        let event = event.filter(|item| is_kept(item, now));
        let event = event.map(event_record).transpose().during(CONTEXT)?;
        Ok(AttemptContext {
            endpoint,
            delivery: recorded.during(CONTEXT)?,
            event: event.and_then(EventRecord::event),
        })
    }
}
