//! The sweep, every few minutes: hands attempts that are due soon to the queue.
//!
//! Each is put on the queue with the delay that is left and then taken off the
//! schedule. A crash in between puts it on the queue again, where the second
//! message finds the attempt made.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::info;

use super::Deliverer;
use crate::aws::AwsError;
use crate::aws::table::Table;
use crate::domain::message::Message;

/// How far a sweep looks ahead: longer than the time to the next one, so that
/// every attempt is on the queue before it is due, and shorter than the longest
/// delay of a message.
const AHEAD: Duration = Duration::from_secs(10 * 60);

/// Attempts that a sweep takes of a shard at a time. What is left is for a sweep
/// that follows at once, so that none runs into the function's timeout.
const AT_A_TIME: i32 = 500;

const UPDATES_AT_ONCE: usize = 25;

impl Deliverer {
    pub(super) async fn sweep(&self) -> Result<(), AwsError> {
        let mut swept = 0;
        let mut more = false;
        for shard in 0..Table::SCHEDULE_SHARDS {
            let taken = self.sweep_shard(shard).await?;
            swept += taken;
            more |= taken == usize::try_from(AT_A_TIME).unwrap_or(usize::MAX);
        }
        if swept > 0 {
            info!(swept, more, "sweep");
        }
        if more {
            self.queue.send(&Message::Sweep).await?;
        }
        Ok(())
    }

    async fn sweep_shard(&self, shard: u8) -> Result<usize, AwsError> {
        let now = self.clock.now();
        let due = self
            .table
            .due_attempts(shard, now + AHEAD, AT_A_TIME)
            .await?;
        let messages = due.iter().map(|due| {
            let left = Duration::try_from(due.due_at.duration_since(now)).unwrap_or_default();
            (Message::Delivery(due.task.clone()), left)
        });
        self.queue.send_all(messages).await?;
        let taken = due.len();
        stream::iter(due)
            .map(|due| async move { self.table.unschedule(&due).await })
            .buffer_unordered(UPDATES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(taken)
    }
}
