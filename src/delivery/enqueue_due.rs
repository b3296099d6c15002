//! Every few minutes: moves the attempts that are due soon from the table to the
//! queue.
//!
//! Each is put on the queue with the delay that is left, and then taken off the
//! schedule. A crash in between puts it on the queue again, where the second
//! message finds the attempt made.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::info;

use super::Deliverer;
use crate::aws::StoreError;
use crate::aws::table::Table;
use crate::domain::message::Message;

/// How far ahead it looks: further than to the next run, so that every attempt is
/// on the queue before it is due, and less than the longest delay of a message.
const AHEAD: Duration = Duration::from_secs(10 * 60);

const UPDATES_AT_ONCE: usize = 25;

impl Deliverer {
    /// Calls: a `Query` of each shard; for each attempt that is due an
    /// `UpdateItem`, and for every ten a `SendMessageBatch`; a `SendMessage` if
    /// there is more to do.
    pub(super) async fn enqueue_due(&self) -> Result<(), StoreError> {
        let mut enqueued = 0;
        let mut more = false;
        for shard in 0..Table::SCHEDULE_SHARDS {
            let taken = self.enqueue_shard(shard).await?;
            enqueued += taken;
            more |= taken == usize::from(self.chunks.due);
        }
        if enqueued > 0 {
            info!(enqueued, more, "due attempts enqueued");
        }
        if more {
            self.stores.queue.send(&Message::Sweep).await?;
        }
        Ok(())
    }

    async fn enqueue_shard(&self, shard: u8) -> Result<usize, StoreError> {
        let table = &self.stores.table;
        let now = self.clock.now();
        let due = table
            .due_attempts(shard, now + AHEAD, self.chunks.due.into())
            .await?;
        let messages = due.iter().map(|due| {
            let left = Duration::try_from(due.due_at.duration_since(now)).unwrap_or_default();
            (Message::Delivery(due.task.clone()), left)
        });
        self.stores.queue.send_all(messages).await?;
        let taken = due.len();
        stream::iter(due)
            .map(|due| async move { table.unschedule(&due).await })
            .buffer_unordered(UPDATES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(taken)
    }
}
