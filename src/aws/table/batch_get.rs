//! Items that are needed together, in one read.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use jiff::Timestamp;

use super::deliveries::FullDelivery;
use super::delivery_item::delivery;
use super::endpoint_item::live_endpoint;
use super::events::stored_event;
use super::keys::{self, attribute};
use super::{Item, Table};
use crate::aws::error::{AwsError, During, Malformed, StoreError};
use crate::aws::retry::Retries;
use crate::domain::decision::AttemptContext;
use crate::domain::endpoint::{Endpoint, EndpointKey};
use crate::domain::id::DeliveryId;
use crate::domain::message::{DeliveryTask, Source};

/// Keys of a `BatchGetItem` (DynamoDB quota).
const BATCH_KEYS: usize = 100;

/// Pauses before DynamoDB is asked again for what it left out.
const UNPROCESSED_PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

impl Table {
    /// The items that these attempts need: endpoints, deliveries and events. One
    /// strongly consistent `BatchGetItem` for all of them, as the queue has at most
    /// ten in a batch.
    ///
    /// # Errors
    /// If the read fails.
    pub async fn attempt_items(&self, tasks: &[&DeliveryTask]) -> Result<AttemptItems, StoreError> {
        let keys = tasks.iter().copied().flat_map(keys_of);
        self.batch_get(CONTEXT, keys).await.map(AttemptItems)
    }

    /// What one attempt has to know. One strongly consistent `BatchGetItem`.
    ///
    /// # Errors
    /// If the read fails, or an item cannot be read.
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
    /// If the read fails, or an item cannot be read.
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
        let delivery = found.item(&delivery).map(FullDelivery::of_item);
        Ok((
            found.endpoint(&endpoint).during(OPERATION)?,
            delivery.transpose().during(OPERATION)?,
        ))
    }

    /// The items of these keys, some of which may be the same. One `BatchGetItem`
    /// for each 100 different keys.
    async fn batch_get(
        &self,
        operation: &'static str,
        keys: impl IntoIterator<Item = Item>,
    ) -> Result<FoundItems, StoreError> {
        let unique: HashMap<_, _> = keys.into_iter().map(|key| (id_of(&key), key)).collect();
        let unique: Vec<_> = unique.into_values().collect();
        let mut found = FoundItems(HashMap::new());
        for keys in unique.chunks(BATCH_KEYS) {
            let mut missing = keys.to_vec();
            let mut retries = Retries::after(UNPROCESSED_PAUSES);
            while !missing.is_empty() {
                if !retries.next().await {
                    return Err(AwsError::from_code(operation, "ThrottlingException").into());
                }
                // Boxed, because the SDK's futures nest so deeply that rustc would
                // refuse to lay out the whole of the delivery function's.
                let some = Box::pin(self.batch_get_some(operation, missing, &mut found));
                missing = some.await?;
            }
        }
        Ok(found)
    }

    /// Adds what DynamoDB finds of these keys, and returns those it left out: it
    /// does so when it throttles, and beyond 16 MB.
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
        found.0.extend(items.map(|item| (id_of(&item), item)));
        let rest = answer.unprocessed_keys.unwrap_or_default().into_values();
        Ok(rest.flat_map(|rest| rest.keys).collect())
    }
}

const CONTEXT: &str = "BatchGetItem of endpoints, deliveries and events";

/// The items that an attempt needs: three at most.
fn keys_of(task: &DeliveryTask) -> impl Iterator<Item = Item> {
    let event = match task.source {
        Source::Event(id) => Some(keys::event(task.endpoint.app_id, id)),
        Source::Ping { .. } => None,
    };
    let endpoint = keys::endpoint(task.endpoint);
    let delivery = keys::delivery(task.endpoint, task.delivery_id);
    [endpoint, delivery].into_iter().chain(event)
}

/// Items that were read at once, by partition and sort key.
#[derive(Debug)]
struct FoundItems(HashMap<(String, String), Item>);

fn id_of(item: &Item) -> (String, String) {
    let part = |name| {
        let value = item.get(name).and_then(|value| value.as_s().ok());
        value.cloned().unwrap_or_default()
    };
    (part(attribute::PK), part(attribute::SK))
}

impl FoundItems {
    fn item(&self, key: &Item) -> Option<Item> {
        self.0.get(&id_of(key)).cloned()
    }

    fn endpoint(&self, key: &Item) -> Result<Option<Endpoint>, Malformed> {
        self.item(key).map_or(Ok(None), live_endpoint)
    }
}

/// The items that attempts need.
#[derive(Debug)]
pub struct AttemptItems(FoundItems);

impl AttemptItems {
    /// What the attempt of this task has to know, which was among those that were
    /// asked for.
    ///
    /// # Errors
    /// If one of its items cannot be read, which fails no other attempt.
    pub fn context(
        &self,
        task: &DeliveryTask,
        now: Timestamp,
    ) -> Result<AttemptContext, StoreError> {
        let endpoint = self.0.endpoint(&keys::endpoint(task.endpoint));
        let recorded = self
            .0
            .item(&keys::delivery(task.endpoint, task.delivery_id));
        let event = match task.source {
            Source::Event(id) => self.0.item(&keys::event(task.endpoint.app_id, id)),
            Source::Ping { .. } => None,
        };
        let event = event.map(stored_event).transpose().during(CONTEXT)?;
        Ok(AttemptContext {
            endpoint: endpoint.during(CONTEXT)?,
            delivery: recorded.map(delivery).transpose().during(CONTEXT)?,
            event: event.filter(|event| event.expires_at > now),
        })
    }
}
