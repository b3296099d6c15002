//! Records the deliveries that end when their event is accepted, because their endpoint is
//! inactive.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Table;
use super::delivery_item::item_of;
use crate::aws::error::{AwsError, During, Malformed, StoreError};
use crate::aws::retry::{Retries, UNPROCESSED_PAUSES};
use crate::domain::delivery::{Abandoned, Delivery, DeliveryStatus};
use crate::domain::message::DeliveryTask;

const OPERATION: &str = "BatchWriteItem";

/// Maximum number of writes in one `BatchWriteItem` (DynamoDB quota).
const BATCH_WRITES: usize = 25;

const BATCHES_AT_ONCE: usize = 4;

impl Table {
    /// Records deliveries that end without an attempt. A batch write has no conditions and
    /// overwrites what is recorded. So this is only for deliveries of an event that was stored
    /// just now, which cannot have been recorded yet. For others there is
    /// [`Table::record_abandoned`]. One `BatchWriteItem` for every 25.
    ///
    /// # Errors
    /// If a call fails, or DynamoDB leaves some writes unprocessed even after retries.
    pub async fn record_missed(
        &self,
        tasks: &[DeliveryTask],
        reason: Abandoned,
    ) -> Result<(), StoreError> {
        let writes: Result<Vec<_>, _> = tasks.iter().map(|task| write(task, reason)).collect();
        self.write_all(writes.during(OPERATION)?).await
    }

    /// Makes writes, but not atomically. One `BatchWriteItem` for every 25.
    pub(super) async fn write_all(&self, writes: Vec<WriteRequest>) -> Result<(), StoreError> {
        let batches = writes.chunks(BATCH_WRITES).map(<[_]>::to_vec);
        stream::iter(batches)
            .map(|batch| self.write_batch(batch))
            .buffer_unordered(BATCHES_AT_ONCE)
            .try_collect()
            .await
    }

    async fn write_batch(&self, mut writes: Vec<WriteRequest>) -> Result<(), StoreError> {
        let mut retries = Retries::after(UNPROCESSED_PAUSES);
        while retries.next().await {
            let call = self.client.batch_write_item();
            let call = call.set_request_items(Some(HashMap::from([(self.name.clone(), writes)])));
            let left = call.send().await.during(OPERATION)?.unprocessed_items;
            writes = left.unwrap_or_default().into_values().flatten().collect();
            if writes.is_empty() {
                return Ok(());
            }
        }
        Err(AwsError::from_code(OPERATION, "ThrottlingException").into())
    }
}

fn write(task: &DeliveryTask, reason: Abandoned) -> Result<WriteRequest, Malformed> {
    let missed = Delivery {
        status: DeliveryStatus::Failed,
        abandoned: Some(reason),
        ..task.delivery()
    };
    let put = PutRequest::builder().set_item(Some(item_of(task, &missed)));
    Ok(WriteRequest::builder().put_request(put.build()?).build())
}
