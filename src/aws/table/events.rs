//! Events in the table: the payload of all their deliveries, stored once.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Item, Table, decode, encode, key, number};
use crate::aws::AwsError;
use crate::domain::id::{AppId, EventId};
use crate::domain::time::serde_millis;

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// When it was accepted, the first time if it came more than once.
    pub accepted_at: Timestamp,
    /// When it is forgotten, and with it its deliveries.
    pub expires_at: Timestamp,
    /// The body that receivers get.
    pub payload: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventItem {
    pk: String,
    sk: String,
    #[serde(with = "serde_millis")]
    accepted_at: Timestamp,
    /// Unix seconds, by which DynamoDB removes the item.
    expires_at: i64,
    payload: String,
}

impl Table {
    /// Stores an event, unless one of this id is kept already: then that one is
    /// returned. One `PutItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn store_event(
        &self,
        app_id: AppId,
        id: EventId,
        event: &StoredEvent,
        now: Timestamp,
    ) -> Result<Option<StoredEvent>, AwsError> {
        const OPERATION: &str = "PutItem of an event";
        let item = EventItem {
            pk: partition(app_id, id),
            sk: SORT.to_owned(),
            accepted_at: event.accepted_at,
            expires_at: event.expires_at.as_second(),
            payload: event.payload.clone(),
        };
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(encode(OPERATION, &item)?))
            // What has expired may still be there, and is as good as gone.
            .condition_expression("attribute_not_exists(pk) OR expiresAt <= :now")
            .expression_attribute_values(":now", number(now.as_second()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match put {
            Ok(_) => return Ok(None),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                let found = failed.item.clone().unwrap_or_default();
                stored_event(OPERATION, found).map(Some)
            }
            _ => Err(AwsError::new(OPERATION, error)),
        }
    }

    /// The body of an event, unless it has expired. One `GetItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn event_payload(
        &self,
        app_id: AppId,
        id: EventId,
        now: Timestamp,
    ) -> Result<Option<String>, AwsError> {
        const OPERATION: &str = "GetItem of an event";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(event_key(app_id, id)))
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        let Some(item) = found.item else {
            return Ok(None);
        };
        let event = stored_event(OPERATION, item)?;
        Ok((event.expires_at > now).then_some(event.payload))
    }
}

const SORT: &str = "EVENT";

fn partition(app_id: AppId, id: EventId) -> String {
    format!("APP#{app_id}#EVENT#{id}")
}

/// Key of an event's item.
pub(super) fn event_key(app_id: AppId, id: EventId) -> Item {
    key(partition(app_id, id), SORT.to_owned())
}

/// The event of an item.
pub(super) fn stored_event(operation: &'static str, item: Item) -> Result<StoredEvent, AwsError> {
    let item: EventItem = decode(operation, item)?;
    Ok(StoredEvent {
        accepted_at: item.accepted_at,
        expires_at: Timestamp::from_second(item.expires_at)
            .map_err(|error| AwsError::unexpected(operation, error))?,
        payload: item.payload,
    })
}
