//! Events in the table: the payload of all their deliveries, stored once.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::attribute::{EXPIRES_AT, FAN_OUT_BY, FAN_OUT_SINCE};
use super::keys::{self, EVENT_SORT, event_partition};
use super::update::Update;
use super::{Item, Table, decode, encode, number, text};
use crate::aws::error::{During, Malformed, StoreError};
use crate::domain::event::{FanOut, StoredEvent};
use crate::domain::event_type::EventType;
use crate::domain::id::{AppId, EventId};
use crate::domain::time::{iso_millis, serde_millis};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventItem {
    pk: String,
    sk: String,
    /// Absent from events that were stored before it was an attribute.
    #[serde(default)]
    event: Option<EventType>,
    #[serde(with = "serde_millis")]
    accepted_at: Timestamp,
    /// Unix seconds, after which DynamoDB removes the item.
    expires_at: i64,
    payload: String,
    #[serde(default)]
    fan_out_by: String,
    #[serde(with = "serde_millis::option", default)]
    fan_out_since: Option<Timestamp>,
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
            event: Some(event.r#type.clone()),
            accepted_at: event.accepted_at,
            expires_at: event.expires_at.as_second(),
            payload: event.payload.clone(),
            fan_out_by: event.fan_out.by.clone(),
            fan_out_since: Some(event.fan_out.since),
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

    /// Has another message, or the same one once more, fan out an event that was read
    /// with the fan-out `old`. `false` if it is no longer that one. One `UpdateItem`,
    /// which costs as much as storing the event does.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn take_fan_out_over(
        &self,
        app_id: AppId,
        id: EventId,
        old: &FanOut,
        new: &FanOut,
    ) -> Result<bool, StoreError> {
        let update = Update::existing()
            .only_if(FAN_OUT_BY, text(&old.by))
            .only_if(FAN_OUT_SINCE, text(iso_millis(old.since)))
            .set(FAN_OUT_BY, text(&new.by))
            .set(FAN_OUT_SINCE, text(iso_millis(new.since)));
        let updated = self
            .update_item(keys::event(app_id, id), update)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match updated {
            Ok(_) => return Ok(true),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                let found = failed.item.clone().unwrap_or_default();
                // The SDK may have repeated a call that had taken effect.
                Ok(found.get(FAN_OUT_BY) == Some(&text(&new.by))
                    && found.get(FAN_OUT_SINCE) == Some(&text(iso_millis(new.since))))
            }
            _ => Err(error).during("UpdateItem of an event's fan-out"),
        }
    }

    /// Records that an event is fanned out: in an item of its own, because an update
    /// of the event's would cost as much as storing the event does. One `PutItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn end_fan_out(
        &self,
        app_id: AppId,
        id: EventId,
        event: &StoredEvent,
    ) -> Result<(), StoreError> {
        let mut item = keys::fanned_out(app_id, id);
        let expires_at = number(event.expires_at.as_second());
        item.insert(EXPIRES_AT.to_owned(), expires_at);
        let put = self.client.put_item().table_name(&self.name);
        let put = put.set_item(Some(item)).send().await;
        put.during("PutItem of an event that is fanned out")?;
        Ok(())
    }

    /// Whether an event is fanned out, as far as that was recorded. One strongly
    /// consistent `GetItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn is_fanned_out(
        &self,
        app_id: AppId,
        id: EventId,
        event: &StoredEvent,
    ) -> Result<bool, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::fanned_out(app_id, id)))
            .consistent_read(true)
            .send()
            .await
            .during("GetItem of an event that is fanned out")?;
        let expires_at = number(event.expires_at.as_second());
        // DynamoDB may not have removed that of an earlier event of the same id yet.
        Ok(found
            .item
            .is_some_and(|item| item.get(EXPIRES_AT) == Some(&expires_at)))
    }

    /// An event, unless it has expired. One `GetItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be read.
    pub async fn event(
        &self,
        app_id: AppId,
        id: EventId,
        now: Timestamp,
    ) -> Result<Option<StoredEvent>, StoreError> {
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
        Ok(event.filter(|event| event.expires_at > now))
    }
}

/// The event of an item.
pub(super) fn stored_event(item: Item) -> Result<StoredEvent, Malformed> {
    /// The head of a payload.
    #[derive(Deserialize)]
    struct Head {
        r#type: EventType,
    }
    let item: EventItem = decode(item)?;
    let r#type = match item.event {
        Some(r#type) => r#type,
        None => serde_json::from_str::<Head>(&item.payload)?.r#type,
    };
    Ok(StoredEvent {
        r#type,
        accepted_at: item.accepted_at,
        expires_at: Timestamp::from_second(item.expires_at)?,
        payload: item.payload,
        fan_out: FanOut {
            by: item.fan_out_by,
            since: item.fan_out_since.unwrap_or(item.accepted_at),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::table::text;

    #[test]
    fn events_of_earlier_versions_are_read() {
        let at = "2026-01-31T09:30:00.000Z";
        let payload = format!(r#"{{"type":"invoice.paid","timestamp":"{at}","data":1}}"#);
        let item = Item::from([
            ("pk".to_owned(), text("APP#acme#EVENT#x")),
            ("sk".to_owned(), text("EVENT")),
            ("acceptedAt".to_owned(), text(at)),
            ("expiresAt".to_owned(), number(1_800_000_000)),
            ("payload".to_owned(), text(&payload)),
        ]);
        let event = stored_event(item).unwrap();
        assert_eq!(event.r#type.as_str(), "invoice.paid");
        assert_eq!(event.payload, payload);
        let fan_out = FanOut {
            by: String::new(),
            since: event.accepted_at,
        };
        assert_eq!(event.fan_out, fan_out);
    }
}
