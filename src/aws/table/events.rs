//! Events. An event's item holds the payload of all of its deliveries, so it is stored only
//! once.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;

use super::delivery_item::MARK;
use super::fields::{AwsId, Draft, Fields, aws_id, channels, id, number, text, time};
use super::keys;
use super::keys::attribute::{
    CHANNELS, CREATED_AT, DATA, EPHEMERAL, EVENT, EXPIRES_AT, FAN_OUT_BY, FAN_OUT_SINCE, KEPT_FOR,
    ONLY_ENDPOINT, PAYLOAD, PAYLOAD_DELETED_AT, PK, TIMESTAMP,
};
use super::packing::{Data, attributes_of};
use super::update::Update;
use super::{Item, Table};
use crate::aws::error::{During, Malformed, StoreError};
use crate::domain::audience::Audience;
use crate::domain::event::{EventRecord, FanOut, StoredEvent, StoredPayload, payload_of};
use crate::domain::event_type::EventType;
use crate::domain::id::{AppId, EndpointId, EventId};

impl Table {
    /// Stores an event. If something is already stored under its id, changes nothing and
    /// returns that. One `PutItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn store_event(
        &self,
        app_id: AppId,
        id: EventId,
        event: &StoredEvent,
        now: Timestamp,
    ) -> Result<Option<EventRecord>, StoreError> {
        const OPERATION: &str = "PutItem of an event";
        self.put_event(OPERATION, item_of(app_id, id, event), now)
            .await
    }

    /// Withdraws an event that is not stored yet, so that nobody receives it even if its
    /// message is on the queue: the delivery function then finds its key taken. If something
    /// is already stored, changes nothing and returns that. One `PutItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn withdraw_event(
        &self,
        app_id: AppId,
        id: EventId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Option<EventRecord>, StoreError> {
        const OPERATION: &str = "PutItem of a withdrawn event";
        let item = Draft::of(keys::event(app_id, id))
            .set(PAYLOAD_DELETED_AT, time(now))
            .set(EXPIRES_AT, number(expires_at.as_second()))
            .item();
        self.put_event(OPERATION, item, now).await
    }

    /// Writes the item of an event. If there is one that has not expired, changes nothing and
    /// returns that.
    async fn put_event(
        &self,
        operation: &'static str,
        item: Item,
        now: Timestamp,
    ) -> Result<Option<EventRecord>, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            // DynamoDB may take days to remove an expired event. It counts as gone.
            .condition_expression("attribute_not_exists(#pk) OR #expires <= :now")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#expires", EXPIRES_AT)
            .expression_attribute_values(":now", number(now.as_second()))
            // Returns the item that is in the way, which saves a read.
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
                event_record(found).map(Some).during(operation)
            }
            _ => Err(error).during(operation),
        }
    }

    /// Takes over the fan-out of an event, for another message or for the same one after it
    /// came back. `false` if the fan-out is no longer `old`, so another message was faster. One
    /// `UpdateItem`, which costs as much as storing the event: DynamoDB charges for the whole
    /// item.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn take_over_fan_out(
        &self,
        app_id: AppId,
        id: EventId,
        old: &FanOut,
        new: &FanOut,
    ) -> Result<bool, StoreError> {
        let update = Update::existing()
            .only_if(FAN_OUT_BY, aws_id(&old.by))
            .only_if(FAN_OUT_SINCE, time(old.since))
            .set(FAN_OUT_BY, aws_id(&new.by))
            .set(FAN_OUT_SINCE, time(new.since));
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
                // Still a success if the first try took effect and the SDK repeated it.
                Ok(found.get(FAN_OUT_BY) == Some(&aws_id(&new.by))
                    && found.get(FAN_OUT_SINCE) == Some(&time(new.since)))
            }
            _ => Err(error).during("UpdateItem of an event's fan-out"),
        }
    }

    /// Records that the fan-out of an event is complete. In an item of its own, because an
    /// update of the event's item would cost as much as storing the event. One `PutItem`.
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
        put.during("PutItem of a completed fan-out")?;
        Ok(())
    }

    /// Whether the fan-out of an event is recorded as complete. One strongly consistent
    /// `GetItem`.
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
            .during("GetItem of a completed fan-out")?;
        let expires_at = number(event.expires_at.as_second());
        // The expiry is part of the event's identity here: an id can be used again after its
        // event has expired, while DynamoDB has not removed that event's record yet.
        Ok(found
            .item
            .is_some_and(|item| item.get(EXPIRES_AT) == Some(&expires_at)))
    }

    /// What is stored under an event's id. `None` if nothing is, or if it has expired. One
    /// eventually consistent `GetItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
    pub async fn event(
        &self,
        app_id: AppId,
        id: EventId,
        now: Timestamp,
    ) -> Result<Option<EventRecord>, StoreError> {
        const OPERATION: &str = "GetItem of an event";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::event(app_id, id)))
            .send()
            .await
            .during(OPERATION)?;
        let item = found.item.filter(|item| is_kept(item, now));
        item.map(event_record).transpose().during(OPERATION)
    }
}

/// Encodes an event. See [`attributes_of`] for the payload.
fn item_of(app_id: AppId, event_id: EventId, event: &StoredEvent) -> Item {
    let Audience {
        channels: of_event,
        only,
    } = &event.audience;
    let kept_for = event.kept_for.as_ref();
    let draft = Draft::of(keys::event(app_id, event_id))
        .set_some(CHANNELS, channels(of_event))
        .set_some(ONLY_ENDPOINT, only.map(|only| id(only.as_bytes())))
        .set_some(EPHEMERAL, kept_for.map(|_| MARK))
        .set_some(KEPT_FOR, kept_for.and_then(|ids| endpoints(ids)))
        .set(EVENT, text(&event.r#type))
        .set(CREATED_AT, time(event.accepted_at))
        .set(EXPIRES_AT, number(event.expires_at.as_second()))
        .set(FAN_OUT_BY, aws_id(&event.fan_out.by))
        .set(FAN_OUT_SINCE, time(event.fan_out.since));
    match &event.payload {
        // Every active endpoint is attempted at once. The payload is stored only if one of
        // these attempts fails.
        StoredPayload::Kept(_) if kept_for.is_some_and(Vec::is_empty) => draft.item(),
        StoredPayload::Kept(payload) => {
            let attributes = attributes_of(app_id, &event.r#type, payload).into_iter();
            let set = |draft: Draft, (name, value)| draft.set(name, value);
            attributes.fold(draft, set).item()
        }
        StoredPayload::Deleted(at) => draft.set(PAYLOAD_DELETED_AT, time(*at)).item(),
        StoredPayload::NotKept => draft.item(),
    }
}

/// A set of endpoint ids. `None` if it is empty, because DynamoDB has no empty sets.
fn endpoints(ids: &[EndpointId]) -> Option<AttributeValue> {
    let texts: Vec<_> = ids.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then_some(AttributeValue::Ss(texts))
}

/// Whether an item has not expired. DynamoDB may take days to remove one that has.
pub(super) fn is_kept(item: &Item, now: Timestamp) -> bool {
    let expires_at = item.get(EXPIRES_AT).and_then(|value| value.as_n().ok());
    let expires_at = expires_at.and_then(|seconds| seconds.parse::<i64>().ok());
    expires_at.is_none_or(|seconds| seconds > now.as_second())
}

/// Decodes the item of an event, which may be withdrawn.
pub(super) fn event_record(item: Item) -> Result<EventRecord, Malformed> {
    let mut fields = Fields::of(item);
    let deleted_at: Option<Timestamp> = fields.read_some(PAYLOAD_DELETED_AT)?;
    let event: Option<String> = fields.read_some(EVENT)?;
    match (event, deleted_at) {
        (Some(event), _) => stored_event(&event, deleted_at, fields).map(EventRecord::Event),
        (None, Some(at)) => Ok(EventRecord::Withdrawn(at)),
        (None, None) => Err("an event without a type".into()),
    }
}

fn stored_event(
    event: &str,
    deleted_at: Option<Timestamp>,
    mut fields: Fields,
) -> Result<StoredEvent, Malformed> {
    let r#type = EventType::parse(event)?;
    let ephemeral = fields.read_some(EPHEMERAL)?.unwrap_or(false);
    let kept_for: Option<BTreeSet<String>> = fields.read_some(KEPT_FOR)?;
    let kept_for = kept_for.unwrap_or_default();
    let kept_for = kept_for.iter().map(|id| EndpointId::parse(id));
    let kept_for: Vec<_> = kept_for.collect::<Result<_, _>>()?;
    let payload = match (deleted_at, fields.read_some(PAYLOAD)?) {
        (Some(at), _) => StoredPayload::Deleted(at),
        (None, Some(payload)) => StoredPayload::Kept(payload),
        (None, None) => match fields.read_some(DATA)? {
            Some(Data(data)) => {
                let payload = payload_of(&r#type, fields.read(TIMESTAMP)?, &data);
                StoredPayload::Kept(payload)
            }
            None if ephemeral => StoredPayload::NotKept,
            None => return Err("an event without a payload".into()),
        },
    };
    let AwsId(by) = fields.read(FAN_OUT_BY)?;
    Ok(StoredEvent {
        r#type,
        kept_for: ephemeral.then_some(kept_for),
        accepted_at: fields.read(CREATED_AT)?,
        expires_at: Timestamp::from_second(fields.read(EXPIRES_AT)?)?,
        payload,
        audience: Audience {
            channels: fields.read_some(CHANNELS)?.unwrap_or_default(),
            only: fields.read_some(ONLY_ENDPOINT)?,
        },
        fan_out: FanOut {
            by,
            since: fields.read(FAN_OUT_SINCE)?,
        },
    })
}

#[cfg(test)]
mod tests;
