//! Payloads that are kept only as long as an attempt needs them.
//!
//! The event's item has the set of endpoints that still need the payload. An endpoint whose
//! first attempt is made at once is added only if that attempt fails. So if all endpoints
//! accept an event at once, its payload is never in the table.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use super::Table;
use super::keys;
use super::keys::attribute::{DATA, KEPT_FOR, PAYLOAD, PAYLOAD_DELETED_AT, TIMESTAMP};
use super::packing::attributes_of;
use super::update::Update;
use crate::aws::error::{During, StoreError, written};
use crate::domain::endpoint::EndpointKey;
use crate::domain::event_type::EventType;
use crate::domain::id::{AppId, EndpointId, EventId};

impl Table {
    /// Keeps the payload of an event for attempts at these endpoints. `false` if the payload
    /// was deleted on request, or if the event has expired. One `UpdateItem`, which costs as
    /// much as storing the event.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn keep_payload(
        &self,
        app_id: AppId,
        id: EventId,
        (event_type, payload): (&EventType, &str),
        endpoints: &[EndpointId],
    ) -> Result<bool, StoreError> {
        if endpoints.is_empty() {
            return Ok(true);
        }
        let texts = endpoints.iter().map(ToString::to_string).collect();
        let update = Update::existing()
            .only_if_absent(PAYLOAD_DELETED_AT)
            .include_all(KEPT_FOR, texts);
        let attributes = attributes_of(app_id, event_type, payload).into_iter();
        let update = attributes.fold(update, |update, (name, value)| update.set(name, value));
        let updated = self.update_item(keys::event(app_id, id), update).send();
        written(updated.await).during("UpdateItem of a kept payload")
    }

    /// Removes an endpoint from those that need the payload, and with the last one the payload.
    /// Idempotent. One `UpdateItem`; two if other endpoints need the payload, or three if
    /// these are removed at the same time.
    ///
    /// # Errors
    /// If a call fails.
    pub async fn release_payload(
        &self,
        endpoint: EndpointKey,
        id: EventId,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "UpdateItem of a released payload";
        let EndpointKey {
            app_id,
            endpoint_id,
        } = endpoint;
        let key = keys::event(app_id, id);
        // No single update can remove an element and, if the set is then empty, other
        // attributes. So first try the usual case: this endpoint is the last one.
        let last = AttributeValue::Ss(vec![endpoint_id.to_string()]);
        let update = Update::existing().only_if_any(|either| {
            let either = either.only_if_absent(KEPT_FOR);
            either.only_if(KEPT_FOR, last)
        });
        let updated = self
            .update_item(key.clone(), without_payload(update))
            .send();
        if written(updated.await).during(OPERATION)? {
            return Ok(());
        }
        // It is not, so only remove the element.
        let update = Update::existing().exclude(KEPT_FOR, &endpoint_id.to_string());
        let updated = self
            .update_item(key.clone(), update)
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await;
        let left = match updated {
            Ok(updated) => updated.attributes.unwrap_or_default(),
            Err(error) => match error.as_service_error() {
                // The event has expired and is gone.
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => return Ok(()),
                _ => return Err(error).during(OPERATION),
            },
        };
        if left.contains_key(KEPT_FOR) {
            return Ok(());
        }
        // The other endpoints were removed between the two updates, so the set is gone but the
        // payload is not. Unless an endpoint was added again, this one has to remove it.
        let update = Update::existing().only_if_absent(KEPT_FOR);
        let updated = self.update_item(key, without_payload(update)).send();
        written(updated.await).during(OPERATION)?;
        Ok(())
    }
}

fn without_payload(update: Update) -> Update {
    update
        .remove(KEPT_FOR)
        .remove(DATA)
        .remove(PAYLOAD)
        .remove(TIMESTAMP)
}
