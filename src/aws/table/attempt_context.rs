//! What an attempt has to know, in one read.

use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use jiff::Timestamp;

use super::delivery_item::{delivery, delivery_key};
use super::endpoint_item::{endpoint_key, live_endpoint};
use super::events::{StoredEvent, event_key, stored_event};
use super::{Item, Table};
use crate::aws::AwsError;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
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

impl Table {
    /// What an attempt has to know. One strongly consistent `BatchGetItem` of
    /// endpoint, delivery and, unless the task has its payload, event.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn attempt_context(
        &self,
        task: &DeliveryTask,
        now: Timestamp,
    ) -> Result<AttemptContext, AwsError> {
        const OPERATION: &str = "BatchGetItem of an endpoint, a delivery and an event";
        let mut keys = vec![
            endpoint_key(task.app_id, task.endpoint_id),
            delivery_key(task.endpoint_id, task.delivery_id),
        ];
        if task.payload.is_none() {
            keys.push(event_key(task.app_id, task.event_id));
        }
        let mut context = AttemptContext {
            endpoint: None,
            delivery: None,
            event: None,
        };
        for pause in UNPROCESSED_PAUSES {
            tokio::time::sleep(pause).await;
            let request = KeysAndAttributes::builder()
                .set_keys(Some(keys))
                .consistent_read(true)
                .build()
                .map_err(|error| AwsError::unexpected(OPERATION, error))?;
            let found = self
                .client
                .batch_get_item()
                .request_items(&self.name, request)
                .send()
                .await
                .map_err(|error| AwsError::new(OPERATION, error))?;
            for item in found.responses.unwrap_or_default().into_values().flatten() {
                context.take(OPERATION, item, now)?;
            }
            // DynamoDB answers in part when it throttles, or beyond 16 MB.
            keys = found
                .unprocessed_keys
                .unwrap_or_default()
                .into_values()
                .flat_map(|rest| rest.keys)
                .collect();
            if keys.is_empty() {
                return Ok(context);
            }
        }
        Err(AwsError::from_code(OPERATION, "ThrottlingException"))
    }
}

impl AttemptContext {
    fn take(
        &mut self,
        operation: &'static str,
        item: Item,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        let sk = item.get("sk").and_then(|sk| sk.as_s().ok());
        let kind = sk.and_then(|sk| sk.split('#').next()).unwrap_or_default();
        match kind {
            "ENDPOINT" => self.endpoint = live_endpoint(operation, item)?,
            "DELIVERY" => self.delivery = Some(delivery(operation, item)?),
            _ => {
                let event = stored_event(operation, item)?;
                self.event = Some(event).filter(|event| event.expires_at > now);
            }
        }
        Ok(())
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
