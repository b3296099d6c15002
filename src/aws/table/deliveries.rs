//! Recording the outcome of deliveries.
//!
//! The table is a projection of the queue: messages can arrive twice or out of order, so
//! every write is conditional on how far the delivery has come. A delivery is often
//! written for the first time by its first attempt, so each write here can also create the
//! item.

use jiff::Timestamp;

use super::Table;
use super::delivery_item::{FullDelivery, MARK, entry_of, item_of, list_entry, ping_payload};
use super::fields::{id as id_bytes, number, text, time};
use super::keys::attribute::{
    ABANDONED, ATTEMPT_LOG, ATTEMPTS, CREATED_AT, DELIVERED_AT, EPHEMERAL, EVENT, EVENT_ID,
    EXPIRES_AT, NEXT_RETRY_AT, PAYLOAD, PAYLOAD_DELETED_AT, PK, RESPONSE_STATUS, STATUS, TEST_PING,
    WAITING_SINCE,
};
use super::keys::{self, LISTS, SCHEDULE};
use super::update::Update;
use crate::aws::error::{During, StoreError, written};
use crate::domain::decision::{AfterAttempt, Next};
use crate::domain::delivery::{Abandoned, Attempt, Delivery, DeliveryStatus};
use crate::domain::endpoint::EndpointKey;
use crate::domain::id::DeliveryId;
use crate::domain::message::DeliveryTask;

/// Whether an outcome was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// This call recorded it.
    Written,
    /// Nothing changed: the same attempt or a later one was already recorded, or the
    /// delivery has ended. The earlier write may have been this very call, if its response
    /// was lost and the SDK repeated it.
    Stale,
}

impl Table {
    /// Records an accepted delivery. Its message is already on the queue, so the delivery
    /// function may have recorded an attempt first; then this changes nothing. One
    /// `PutItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn record_accepted(&self, task: &DeliveryTask) -> Result<Recorded, StoreError> {
        const OPERATION: &str = "PutItem of a delivery";
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item_of(task, &task.delivery())))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PK)
            .send()
            .await;
        written(put).map(Recorded::from).during(OPERATION)
    }

    /// Records an attempt and what follows from it. Creates the delivery if necessary. One
    /// `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn record_attempt(
        &self,
        task: &DeliveryTask,
        attempt: &Attempt,
        after: &AfterAttempt,
    ) -> Result<Recorded, StoreError> {
        const OPERATION: &str = "UpdateItem of a delivery";
        let delivery = &after.delivery;
        // Only a retry that is too far away for the queue goes on the schedule. Otherwise the
        // entry is removed, also the one that a sweep claimed for this attempt.
        let due_at = match after.next {
            Next::Schedule(at) => Some(at),
            Next::Queue(_) | Next::Done | Next::StillWaits => None,
        };
        let due_shard = due_at.map(|_| keys::schedule_partition_of(delivery.id.as_bytes()));
        let due_sort = due_at.map(|at| keys::schedule_sort(at, delivery.id));
        let update = outcome(task, delivery)
            .set(ATTEMPTS, number(delivery.attempts))
            // Never appends an attempt twice: it also raises `ATTEMPTS`, which the
            // condition of `write_outcome` compares.
            .append(ATTEMPT_LOG, entry_of(attempt))
            .set_or_remove(RESPONSE_STATUS, delivery.response_status.map(number))
            .set_or_remove(DELIVERED_AT, delivery.delivered_at.map(time))
            .set_or_remove(NEXT_RETRY_AT, delivery.next_retry_at.map(time))
            .set_or_remove(SCHEDULE.pk, due_shard.map(text))
            .set_or_remove(SCHEDULE.sk, due_sort.map(text))
            .remove(WAITING_SINCE);
        self.write_outcome(OPERATION, task, update).await
    }

    /// Records that a delivery failed without the task's attempt. Creates the delivery if
    /// necessary. One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn record_abandoned(
        &self,
        task: &DeliveryTask,
        reason: Abandoned,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let delivery = Delivery {
            status: DeliveryStatus::Failed,
            ..task.delivery()
        };
        // Keeps the count of earlier attempts. Zero is for an item that this creates.
        let update = outcome(task, &delivery)
            .set(ABANDONED, text(reason.code()))
            .set_once(ATTEMPTS, number(0))
            .remove(WAITING_SINCE)
            .remove(NEXT_RETRY_AT)
            .remove(SCHEDULE.pk)
            .remove(SCHEDULE.sk);
        let update = match reason {
            Abandoned::PayloadDeleted => update.set_once(PAYLOAD_DELETED_AT, time(now)),
            _ => update,
        };
        self.write_outcome("UpdateItem of an abandoned delivery", task, update)
            .await
    }

    /// Records that a delivery waits for its endpoint. Creates the delivery if necessary.
    /// One `UpdateItem`.
    ///
    /// # Errors
    /// If the call fails.
    pub async fn record_waiting(
        &self,
        task: &DeliveryTask,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let update = outcome(task, &task.delivery())
            .set(WAITING_SINCE, time(now))
            .set_once(ATTEMPTS, number(0))
            .remove(NEXT_RETRY_AT)
            .remove(SCHEDULE.pk)
            .remove(SCHEDULE.sk);
        self.write_outcome("UpdateItem of a waiting delivery", task, update)
            .await
    }

    /// Writes an outcome, unless the delivery has ended or the task's attempt is already
    /// recorded. Of two functions that handle the same message, the first to write wins.
    async fn write_outcome(
        &self,
        operation: &'static str,
        task: &DeliveryTask,
        update: Update,
    ) -> Result<Recorded, StoreError> {
        let update = update
            .only_below(ATTEMPTS, number(task.attempt))
            .only_if(STATUS, text(keys::status_letter(DeliveryStatus::Pending)))
            .or_absent(PK);
        let key = keys::delivery(task.endpoint, task.delivery_id);
        let updated = self.update_item(key, update).send().await;
        written(updated).map(Recorded::from).during(operation)
    }

    /// A delivery with its attempts. One strongly consistent `GetItem`.
    ///
    /// # Errors
    /// If the call fails, or the item cannot be decoded.
    pub async fn delivery(
        &self,
        endpoint: EndpointKey,
        id: DeliveryId,
    ) -> Result<Option<FullDelivery>, StoreError> {
        const OPERATION: &str = "GetItem of a delivery";
        let found = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(keys::delivery(endpoint, id)))
            .consistent_read(true)
            .send()
            .await
            .during(OPERATION)?;
        let delivery = found.item.map(FullDelivery::of_item).transpose();
        delivery.during(OPERATION)
    }
}

impl From<bool> for Recorded {
    fn from(written: bool) -> Self {
        if written { Self::Written } else { Self::Stale }
    }
}

/// The part that all outcomes share: the status; the entry of the index, which a delivered
/// one does not have; and, if the item is new, the attributes that never change.
fn outcome(task: &DeliveryTask, delivery: &Delivery) -> Update {
    let (list, sort) = list_entry(delivery).unzip();
    let update = Update::default()
        .set(STATUS, text(keys::status_letter(delivery.status)))
        .set(EVENT, text(&delivery.event))
        .set_or_remove(LISTS.pk, list)
        .set_or_remove(LISTS.sk, sort)
        .set_once(EVENT_ID, id_bytes(delivery.event_id.as_bytes()))
        .set_once(CREATED_AT, time(delivery.created_at))
        .set_once(EXPIRES_AT, number(delivery.expires_at.as_second()));
    let update = match task.ephemeral {
        true => update.set_once(EPHEMERAL, MARK),
        false => update,
    };
    match ping_payload(task) {
        Some(payload) => update
            .set_once(PAYLOAD, text(payload))
            .set_once(TEST_PING, MARK),
        None => update,
    }
}
