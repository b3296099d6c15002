//! Items that are needed together, in one read.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use jiff::Timestamp;

use super::api_keys::{api_key_key, owner};
use super::deliveries::FullDelivery;
use super::delivery_item::{delivery, delivery_key};
use super::endpoint_item::{endpoint_key, live_endpoint};
use super::events::{StoredEvent, event_key, stored_event};
use super::{Item, Table};
use crate::aws::AwsError;
use crate::domain::api_key::ApiKeyHash;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{AppId, DeliveryId, EndpointId};
use crate::domain::message::DeliveryTask;

/// What an attempt has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptContext {
    /// The endpoint as it is now, unless it is gone.
    pub endpoint: Option<Endpoint>,
    /// The delivery as it is recorded, if it is.
    pub delivery: Option<Delivery>,
    /// The event, if it was asked for and is still kept.
    pub event: Option<StoredEvent>,
}

/// Tasks whose items are read at once: three keys each, of the 100 that DynamoDB
/// takes.
const TASKS_AT_ONCE: usize = 33;

impl Table {
    /// What each of these attempts has to know: endpoint, delivery and, unless
    /// the task has its payload, event. One strongly consistent `BatchGetItem` for
    /// all of them, as the queue has no more than ten in a batch. An item that
    /// can't be read is a fault of its own attempts.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn attempt_contexts(
        &self,
        tasks: &[DeliveryTask],
        now: Timestamp,
    ) -> Result<Vec<Result<AttemptContext, AwsError>>, AwsError> {
        let mut contexts = Vec::with_capacity(tasks.len());
        for tasks in tasks.chunks(TASKS_AT_ONCE) {
            let keys = tasks.iter().flat_map(keys_of);
            let found = self.together(CONTEXT, keys).await?;
            contexts.extend(tasks.iter().map(|task| found.context(task, now)));
        }
        Ok(contexts)
    }

    /// What one attempt has to know. One strongly consistent `BatchGetItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn attempt_context(
        &self,
        task: &DeliveryTask,
        now: Timestamp,
    ) -> Result<AttemptContext, AwsError> {
        let found = self.together(CONTEXT, keys_of(task)).await?;
        found.context(task, now)
    }

    /// An endpoint and a delivery. One strongly consistent `BatchGetItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn endpoint_and_delivery(
        &self,
        app_id: AppId,
        endpoint_id: EndpointId,
        delivery_id: DeliveryId,
    ) -> Result<(Option<Endpoint>, Option<FullDelivery>), AwsError> {
        const OPERATION: &str = "BatchGetItem of an endpoint and a delivery";
        let endpoint = endpoint_key(app_id, endpoint_id);
        let delivery = delivery_key(endpoint_id, delivery_id);
        let found = self
            .together(OPERATION, [endpoint.clone(), delivery.clone()])
            .await?;
        Ok((
            found.endpoint(&endpoint)?,
            found
                .item(&delivery)
                .map(|item| FullDelivery::of_item(OPERATION, item))
                .transpose()?,
        ))
    }

    /// The app of an API key, unless the key is unknown or revoked, and an endpoint.
    /// One strongly consistent `BatchGetItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn app_of_key_and_endpoint(
        &self,
        hash: &ApiKeyHash,
        app_id: AppId,
        endpoint_id: EndpointId,
    ) -> Result<(Option<AppId>, Option<Endpoint>), AwsError> {
        const OPERATION: &str = "BatchGetItem of an API key and an endpoint";
        let key = api_key_key(hash);
        let endpoint = endpoint_key(app_id, endpoint_id);
        let found = self
            .together(OPERATION, [key.clone(), endpoint.clone()])
            .await?;
        let owner = found
            .item(&key)
            .map_or(Ok(None), |item| owner(OPERATION, item))?;
        Ok((owner, found.endpoint(&endpoint)?))
    }

    /// The items of these keys, of which some may be the same.
    async fn together(
        &self,
        operation: &'static str,
        keys: impl IntoIterator<Item = Item>,
    ) -> Result<Together, AwsError> {
        let unique: HashMap<_, _> = keys.into_iter().map(|key| (id_of(&key), key)).collect();
        let mut keys: Vec<_> = unique.into_values().collect();
        let mut found = Together {
            operation,
            items: HashMap::new(),
        };
        for pause in UNPROCESSED_PAUSES {
            tokio::time::sleep(pause).await;
            let request = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(true)
                .build()
                .map_err(|error| AwsError::unexpected(operation, error))?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.name, request)
                .send()
                .await
                .map_err(|error| AwsError::new(operation, error))?;
            let items = answer.responses.unwrap_or_default().into_values().flatten();
            found.items.extend(items.map(|item| (id_of(&item), item)));
            // DynamoDB answers in part when it throttles, or beyond 16 MB.
            keys = answer
                .unprocessed_keys
                .unwrap_or_default()
                .into_values()
                .flat_map(|rest| rest.keys)
                .collect();
            if keys.is_empty() {
                return Ok(found);
            }
        }
        Err(AwsError::from_code(operation, "ThrottlingException"))
    }
}

const CONTEXT: &str = "BatchGetItem of endpoints, deliveries and events";

/// The items that an attempt needs: three at most.
fn keys_of(task: &DeliveryTask) -> impl Iterator<Item = Item> {
    let event = task
        .payload
        .is_none()
        .then(|| event_key(task.app_id, task.event_id));
    let endpoint = endpoint_key(task.app_id, task.endpoint_id);
    let delivery = delivery_key(task.endpoint_id, task.delivery_id);
    [endpoint, delivery].into_iter().chain(event)
}

/// Items that were read at once.
struct Together {
    operation: &'static str,
    items: HashMap<Id, Item>,
}

/// What an item's key holds.
type Id = (String, String);

fn id_of(item: &Item) -> Id {
    let part = |name| {
        let value = item.get(name).and_then(|value| value.as_s().ok());
        value.cloned().unwrap_or_default()
    };
    (part("pk"), part("sk"))
}

impl Together {
    fn item(&self, key: &Item) -> Option<Item> {
        self.items.get(&id_of(key)).cloned()
    }

    fn endpoint(&self, key: &Item) -> Result<Option<Endpoint>, AwsError> {
        self.item(key)
            .map_or(Ok(None), |item| live_endpoint(self.operation, item))
    }

    fn context(&self, task: &DeliveryTask, now: Timestamp) -> Result<AttemptContext, AwsError> {
        let recorded = self.item(&delivery_key(task.endpoint_id, task.delivery_id));
        let event = self
            .item(&event_key(task.app_id, task.event_id))
            .map(|item| stored_event(self.operation, item))
            .transpose()?;
        Ok(AttemptContext {
            endpoint: self.endpoint(&endpoint_key(task.app_id, task.endpoint_id))?,
            delivery: recorded
                .map(|item| delivery(self.operation, item))
                .transpose()?,
            event: event.filter(|event| event.expires_at > now),
        })
    }
}

/// Pauses before the tries of a batch that DynamoDB answers in part.
const UNPROCESSED_PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];
