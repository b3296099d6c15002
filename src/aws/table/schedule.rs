//! Attempts that are due later than a queue can delay a message. They wait in
//! the table, at no cost, until a sweep hands them to the queue.

use jiff::Timestamp;
use serde::Deserialize;

use super::delivery_item::{delivery_key, endpoint_of_partition};
use super::{Table, decode, text};
use crate::aws::AwsError;
use crate::aws::error::condition_failed;
use crate::domain::event_type::EventType;
use crate::domain::id::{AppId, DeliveryId, EventId};
use crate::domain::message::DeliveryTask;
use crate::domain::time::{iso_millis, serde_millis};

/// Name of the index.
const INDEX: &str = "gsi2";

/// An attempt that waits in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueAttempt {
    /// The attempt.
    pub task: DeliveryTask,
    /// When it is due.
    pub due_at: Timestamp,
    /// Its place in the schedule.
    sort: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DueItem {
    pk: String,
    sk: String,
    gsi2sk: String,
    app_id: AppId,
    event_id: EventId,
    event: EventType,
    attempts: u32,
    #[serde(with = "serde_millis")]
    created_at: Timestamp,
    expires_at: i64,
}

impl Table {
    /// Partitions of the schedule. One takes 1,000 writes a second (AWS quota),
    /// so this many take the failures of a busy service.
    pub const SCHEDULE_SHARDS: u8 = 8;

    /// Up to `limit` attempts of a shard that are due before `until`, the
    /// longest overdue first. One `Query`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn due_attempts(
        &self,
        shard: u8,
        until: Timestamp,
        limit: i32,
    ) -> Result<Vec<DueAttempt>, AwsError> {
        const OPERATION: &str = "Query of due attempts";
        let page = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(INDEX)
            .key_condition_expression("gsi2pk = :shard AND gsi2sk < :until")
            .expression_attribute_values(":shard", text(partition(shard)))
            .expression_attribute_values(":until", text(iso_millis(until)))
            .limit(limit)
            .send()
            .await
            .map_err(|error| AwsError::new(OPERATION, error))?;
        page.items
            .unwrap_or_default()
            .into_iter()
            .map(|item| {
                decode::<DueItem>(OPERATION, item)?
                    .into_due()
                    .map_err(|reason| AwsError::unexpected(OPERATION, reason))
            })
            .collect()
    }

    /// Takes an attempt off the schedule, once it is on the queue. One
    /// `UpdateItem`.
    ///
    /// # Errors
    /// A fault of AWS.
    pub async fn unschedule(&self, due: &DueAttempt) -> Result<(), AwsError> {
        let task = &due.task;
        let updated = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(delivery_key(task.endpoint_id, task.delivery_id)))
            .update_expression("REMOVE gsi2pk, gsi2sk")
            .condition_expression("gsi2sk = :sort")
            .expression_attribute_values(":sort", text(&due.sort))
            .send()
            .await;
        match updated {
            Ok(_) => Ok(()),
            // Another sweep took it, or the attempt was made meanwhile.
            Err(error) if condition_failed(&error) => Ok(()),
            Err(error) => Err(AwsError::new("UpdateItem of a due attempt", error)),
        }
    }
}

impl DueItem {
    fn into_due(self) -> Result<DueAttempt, &'static str> {
        const KEYS: &str = "not the keys of a due attempt";
        let (due_at, _) = self.gsi2sk.split_once('#').ok_or(KEYS)?;
        let id = self.sk.strip_prefix("DELIVERY#").ok_or(KEYS)?;
        Ok(DueAttempt {
            due_at: due_at.parse().map_err(|_| KEYS)?,
            task: DeliveryTask {
                app_id: self.app_id,
                endpoint_id: endpoint_of_partition(&self.pk).ok_or(KEYS)?,
                delivery_id: DeliveryId::parse(id).map_err(|_| KEYS)?,
                event_id: self.event_id,
                event: self.event,
                created_at: self.created_at,
                expires_at: Timestamp::from_second(self.expires_at).map_err(|_| KEYS)?,
                attempt: self.attempts + 1,
                payload: None,
            },
            sort: self.gsi2sk,
        })
    }
}

/// The partition of the schedule that a delivery waits in.
pub(super) fn partition_of(id: DeliveryId) -> String {
    // The last byte of an id is random.
    let [.., last] = *id.as_bytes();
    partition(last % Table::SCHEDULE_SHARDS)
}

/// Where a delivery stands in its partition.
pub(super) fn sort_of(due_at: Timestamp, id: DeliveryId) -> String {
    format!("{}#{id}", iso_millis(due_at))
}

fn partition(shard: u8) -> String {
    format!("DUE#{shard}")
}
