//! Every few minutes: moves the attempts that are due soon from the table to the
//! queue, and has endpoints seen to that deliveries wait for and nobody sees to.
//!
//! Each attempt is put on the queue with the delay that is left, and then taken off
//! the schedule. A crash in between puts it on the queue again, where the second
//! message finds the attempt made.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::info;

use super::Deliverer;
use crate::aws::StoreError;
use crate::aws::table::{Due, Table};
use crate::domain::message::{Lane, Message, Tend};

/// How far ahead it looks: further than to the next run, so that every attempt is
/// on the queue before it is due, and less than the longest delay of a message.
const AHEAD: Duration = Duration::from_secs(10 * 60);

/// How long an endpoint may be overdue before it is seen to from here: usually a
/// message of its own has that done in time.
const OVERDUE: Duration = Duration::from_secs(60);

const UPDATES_AT_ONCE: usize = 25;

impl Deliverer {
    /// Calls: a `Query` of each shard; for each attempt that is due an `UpdateItem`,
    /// and for every ten a `SendMessageBatch`; a `SendMessage` if there is more to do.
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
            self.stores.queues.send(Lane::Fast, &Message::Sweep).await?;
        }
        Ok(())
    }

    /// Returns how many attempts it enqueued.
    async fn enqueue_shard(&self, shard: u8) -> Result<usize, StoreError> {
        let (table, queues) = (&self.stores.table, &self.stores.queues);
        let now = self.clock.now();
        let due = table
            .due(shard, now + AHEAD, self.chunks.due.into())
            .await?;
        let (mut attempts, mut endpoints) = (Vec::new(), Vec::new());
        for due in due {
            match due {
                Due::Attempt(attempt) => attempts.push(attempt),
                Due::Endpoint(endpoint) if endpoint.due_at + OVERDUE <= now => {
                    endpoints.push(endpoint.key);
                }
                Due::Endpoint(_) => {}
            }
        }
        let messages = attempts.iter().map(|due| {
            let left = Duration::try_from(due.due_at.duration_since(now)).unwrap_or_default();
            (Message::Delivery(due.task.clone()), left)
        });
        let tended = endpoints
            .into_iter()
            .map(|endpoint| (Message::Tend(Tend::now(endpoint)), Duration::ZERO));
        let messages: Vec<_> = messages.chain(tended).collect();
        queues.send_all(Lane::Slow, messages).await?;
        let taken = attempts.len();
        stream::iter(attempts)
            .map(|due| async move { table.unschedule(&due).await })
            .buffer_unordered(UPDATES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(taken)
    }
}
