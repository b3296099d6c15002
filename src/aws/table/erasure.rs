//! Deletion of an event's payload and of its receivers' responses.
//!
//! The event's item stays, without the payload. It shows that the event happened, and keeps
//! repeats of the event from doing anything. Every attempt reads it, so no new one begins.
//! Deliveries stay, without the responses. Pending ones end.

use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::delivery_item::{FullDelivery, entry_of, list_entry};
use super::events::event_record;
use super::fields::{number, text, time};
use super::keys::attribute::{
    ABANDONED, ATTEMPT_LOG, ATTEMPTS, DATA, EXPIRES_AT, KEPT_FOR, NEXT_RETRY_AT, PAYLOAD,
    PAYLOAD_DELETED_AT, PK, SK, STATUS, TIMESTAMP, WAITING_SINCE,
};
use super::keys::{self, LISTS, SCHEDULE};
use super::update::Update;
use super::{Item, Table, collect};
use crate::aws::error::{AwsError, During, StoreError, written};
use crate::aws::retry::Retries;
use crate::domain::delivery::{Abandoned, Attempt, Delivery, DeliveryStatus, Verdict};
use crate::domain::endpoint::EndpointKey;
use crate::domain::event::{EventRecord, StoredEvent};
use crate::domain::id::{AppId, DeliveryId, EventId};
use crate::domain::message::DeliveryTask;

const UPDATES_AT_ONCE: usize = 25;

/// Pauses before re-reading a delivery that changed concurrently. An attempt that is in
/// progress changes it once, and no further one begins.
const CHANGED_PAUSES: [Duration; 3] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(300),
];

impl Table {
    /// Deletes the payload of an event. Returns what is left. `None` if nothing is stored under
    /// this id, or if it has expired. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
    pub async fn delete_payload(
        &self,
        app_id: AppId,
        id: EventId,
        now: Timestamp,
    ) -> Result<Option<EventRecord>, StoreError> {
        const OPERATION: &str = "UpdateItem of a deleted payload";
        let update = Update::existing()
            // DynamoDB may take days to remove an expired event. It counts as gone.
            .only_above(EXPIRES_AT, number(now.as_second()))
            .set_once(PAYLOAD_DELETED_AT, time(now))
            .remove(KEPT_FOR)
            .remove(DATA)
            .remove(PAYLOAD)
            .remove(TIMESTAMP);
        let updated = self
            .update_item(keys::event(app_id, id), update)
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        let item = match updated {
            Ok(updated) => updated.attributes,
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => None,
                _ => return Err(error).during(OPERATION),
            },
        };
        item.map(event_record).transpose().during(OPERATION)
    }

    /// Records that a delivery repeats an event, so that its responses are found when the
    /// payload is deleted. One `PutItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn record_repeat(&self, task: &DeliveryTask) -> Result<(), StoreError> {
        let event = task.source.event_id();
        let mut item = keys::repeat(task.endpoint, event, task.delivery_id);
        let expires_at = number(task.expires_at.as_second());
        item.insert(EXPIRES_AT.to_owned(), expires_at);
        let put = self.client.put_item().table_name(&self.name);
        let put = put.set_item(Some(item)).send().await;
        put.during("PutItem of a repeated event")?;
        Ok(())
    }

    /// Erases the responses to an event, and ends its pending deliveries. Idempotent. A `Query`
    /// of the app's endpoints and one of the deliveries that repeat the event, a `BatchGetItem`
    /// for every 100 deliveries, and an `UpdateItem` for each.
    ///
    /// # Errors
    /// If a call fails, or an item cannot be decoded.
    pub async fn erase_answers(
        &self,
        app_id: AppId,
        id: EventId,
        event: &StoredEvent,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // Includes endpoints that are being deleted.
        let endpoints = self.all_endpoints_of(app_id);
        let (endpoints, repeats) = tokio::try_join!(endpoints, self.repeats_of(app_id, id))?;
        // The ids of first deliveries are derived, so they need no search. Some of these
        // endpoints may have none.
        let own = endpoints.into_iter().map(|endpoint| {
            let own = DeliveryId::of_event(event.accepted_at, id, endpoint.endpoint_id);
            keys::delivery(endpoint, own)
        });
        let keys: Vec<_> = own.chain(repeats).collect();
        let operation = "BatchGetItem of the deliveries to erase";
        let found = self.full_deliveries(operation, keys).await?;
        stream::iter(found)
            .map(|delivery| self.erase_answer(delivery, now))
            .buffer_unordered(UPDATES_AT_ONCE)
            .try_collect()
            .await
    }

    /// The keys of all deliveries that repeat an event.
    async fn repeats_of(&self, app_id: AppId, id: EventId) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("#pk = :event AND begins_with(#sk, :repeats)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":event", text(keys::event_partition(app_id, id)))
            .expression_attribute_values(":repeats", text(keys::REPEAT));
        let items = collect("Query of an event's repeats", query).await?;
        let keys = items.iter().filter_map(|item| {
            let sort = item.get(SK)?.as_s().ok()?;
            let (endpoint_id, delivery) = keys::repeat_of_sort(sort)?;
            let endpoint = EndpointKey {
                app_id,
                endpoint_id,
            };
            Some(keys::delivery(endpoint, delivery))
        });
        Ok(keys.collect())
    }

    /// Erases the responses to one delivery, and ends it if it is pending. If an attempt was
    /// recorded since it was read, the update would lose that attempt, so its condition fails
    /// and the delivery is read again.
    async fn erase_answer(
        &self,
        mut found: FullDelivery,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "UpdateItem of an erased delivery";
        let (endpoint, id) = (found.delivery.endpoint, found.delivery.id);
        let mut retries = Retries::after(CHANGED_PAUSES);
        while retries.next().await {
            if is_erased(&found) {
                return Ok(());
            }
            let update = erased(found, now);
            let updated = self.update_item(keys::delivery(endpoint, id), update);
            if written(updated.send().await).during(OPERATION)? {
                return Ok(());
            }
            match self.delivery(endpoint, id).await? {
                Some(changed) => found = changed,
                None => return Ok(()),
            }
        }
        Err(AwsError::from_code(OPERATION, "TransactionConflict").into())
    }
}

fn is_erased(found: &FullDelivery) -> bool {
    let has_answer = |attempt: &Attempt| match &attempt.verdict {
        Verdict::Answered(answer) => !answer.body.is_empty() || answer.location.is_some(),
        Verdict::Failed(_) => false,
    };
    let delivery = &found.delivery;
    delivery.payload_deleted_at.is_some()
        && delivery.status != DeliveryStatus::Pending
        && !found.attempts.iter().any(has_answer)
}

/// The update that erases a delivery, on condition that it has not changed.
fn erased(found: FullDelivery, now: Timestamp) -> Update {
    let FullDelivery {
        delivery, attempts, ..
    } = found;
    let update = Update::existing()
        .only_if(ATTEMPTS, number(delivery.attempts))
        .only_if(STATUS, text(keys::status_letter(delivery.status)))
        .set_once(PAYLOAD_DELETED_AT, time(now));
    let update = match attempts.is_empty() {
        true => update,
        false => {
            let attempts = attempts.into_iter().map(Attempt::without_answer);
            let log = attempts.map(|attempt| entry_of(&attempt)).collect();
            update.set(ATTEMPT_LOG, AttributeValue::L(log))
        }
    };
    if delivery.status != DeliveryStatus::Pending {
        return update;
    }
    let ended = Delivery {
        status: DeliveryStatus::Failed,
        ..delivery
    };
    let (list, sort) = list_entry(&ended).unzip();
    update
        .set(STATUS, text(keys::status_letter(ended.status)))
        .set_or_remove(LISTS.pk, list)
        .set_or_remove(LISTS.sk, sort)
        .set(ABANDONED, text(Abandoned::PayloadDeleted.code()))
        .remove(WAITING_SINCE)
        .remove(NEXT_RETRY_AT)
        .remove(SCHEDULE.pk)
        .remove(SCHEDULE.sk)
}
