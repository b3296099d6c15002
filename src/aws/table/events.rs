//! Events in the table: the payload of all their deliveries, stored once.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::{self, EVENT_SORT, event_partition};
use super::{Item, Table, decode, encode, number};
use crate::aws::error::{During, Malformed, StoreError};
use crate::domain::event::StoredEvent;
use crate::domain::id::{AppId, EventId};
use crate::domain::time::serde_millis;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventItem {
    pk: String,
    sk: String,
    #[serde(with = "serde_millis")]
    accepted_at: Timestamp,
    /// Unix seconds, after which DynamoDB removes the item.
    expires_at: i64,
    payload: String,
}

impl Table {
    /// Stores an event, unless one of this id is stored already: then that one is
    /// returned. One `PutItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn store_event(
        &self,
        app_id: AppId,
        id: EventId,
        event: &StoredEvent,
        now: Timestamp,
    ) -> Result<Option<StoredEvent>, StoreError> {
        const OPERATION: &str = "PutItem of an event";
        let item = EventItem {
            pk: event_partition(app_id, id),
            sk: EVENT_SORT.to_owned(),
            accepted_at: event.accepted_at,
            expires_at: event.expires_at.as_second(),
            payload: event.payload.clone(),
        };
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(encode(&item).during(OPERATION)?))
            // DynamoDB may take days to remove an expired event, which is as good
            // as gone.
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
                stored_event(found).map(Some).during(OPERATION)
            }
            _ => Err(error).during(OPERATION),
        }
    }

    /// The payload of an event, unless it has expired. One `GetItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
    pub async fn event_payload(
        &self,
        app_id: AppId,
        id: EventId,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        const OPERATION: &str = "GetItem of an event";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::event(app_id, id)))
            .send()
            .await
            .during(OPERATION)?;
        let event = found.item.map(stored_event).transpose();
        let event = event.during(OPERATION)?;
        let current = event.filter(|event| event.expires_at > now);
        Ok(current.map(|event| event.payload))
    }
}

/// The event of an item.
pub(super) fn stored_event(item: Item) -> Result<StoredEvent, Malformed> {
    let item: EventItem = decode(item)?;
    Ok(StoredEvent {
        accepted_at: item.accepted_at,
        expires_at: Timestamp::from_second(item.expires_at)?,
        payload: item.payload,
    })
}
