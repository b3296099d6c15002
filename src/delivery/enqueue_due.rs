//! The sweep. Every few minutes, it moves attempts that are due soon from the table to
//! the queue, sends messages for overdue endpoints that deliveries wait for, and finishes
//! interrupted deletions of endpoints and apps.
//!
//! An attempt is moved in three steps:
//!
//! 1. Claim it: move it in the schedule to where no sweep looks for a [`LEASE`], on
//!    condition that it is still where it was found. Of two concurrent sweeps, or a late
//!    one and the next, only one succeeds.
//! 2. Enqueue it, with the delay that is left.
//! 3. Take it off the schedule, on condition that the claim is still there. It is not if
//!    the attempt was made meanwhile: its record then holds the next attempt's place.
//!
//! If a sweep breaks off after the first step, nothing is enqueued, and the attempt is
//! found again after the lease and sent at once. After the second step, the attempt is
//! both on the queue and in the schedule; it is made within the lease, and its record
//! overwrites the claim.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tracing::{error, info};

use super::Deliverer;
use crate::aws::StoreError;
use crate::aws::table::{Due, DueAttempt, Table, UnreadableItem};
use crate::domain::message::{Lane, Message, Tend};

/// How far ahead a sweep looks: further than two sweeps ahead, so that one can fail
/// without making an attempt late, but less than the longest delay of a message.
pub const AHEAD: Duration = Duration::from_secs(10 * 60);

/// How long a claimed attempt is hidden from other sweeps. A second copy must not be
/// enqueued before the first was attempted, so this is longer than the sum of:
///
/// - a minute, in which the sweep that claimed it may still enqueue it (the
///   function's timeout);
/// - the longest delay that it may be enqueued with ([`AHEAD`]);
/// - a minute in which it is attempted (the function's timeout again);
/// - six minutes until its message is received again, if that function crashed (the
///   queue's visibility timeout).
///
/// If the queue is further behind than the remaining time, there may be two copies. The
/// second one finds the attempt recorded, unless both are handled at the same time.
///
/// In return, an attempt whose sweep died between claiming and enqueueing is late by up
/// to this plus the time to the next sweep. Because this is longer than [`AHEAD`], such
/// an attempt is always due when it is found again.
pub const LEASE: Duration = Duration::from_secs(20 * 60);

/// An attempt that is found this late counts as overdue. The sweep handles an endpoint
/// only if it is this late: usually the endpoint's own message does so in time.
const OVERDUE: Duration = Duration::from_secs(60);

/// Attempts that are moved together: five full batches of messages. A sweep that breaks
/// off delays no more than these.
const STEP: usize = 50;

const UPDATES_AT_ONCE: usize = 25;

#[derive(Debug, Default)]
struct Swept {
    enqueued: usize,
    overdue: usize,
    /// Whether a shard holds more attempts than one sweep takes.
    more: bool,
}

/// What is due in one shard of the schedule.
#[derive(Default)]
struct Shard {
    attempts: Vec<DueAttempt>,
    endpoints: Vec<Tend>,
    is_full: bool,
}

impl Deliverer {
    /// Calls: a `Query` of each shard, more if many endpoints are paused; two
    /// `UpdateItem` for each due attempt, and a `SendMessageBatch` for every ten; a
    /// `SendMessage` if there is more to do; and those of [`Self::resume_app_deletions`]
    /// and [`Self::finish_deletions`].
    pub(super) async fn enqueue_due(&self) -> Result<(), StoreError> {
        let mut swept = Swept::default();
        for shard in 0..Table::SCHEDULE_SHARDS {
            self.enqueue_shard(shard, &mut swept).await?;
        }
        let Swept {
            enqueued,
            overdue,
            more,
        } = swept;
        if enqueued > 0 {
            info!(enqueued, overdue, more, "due attempts enqueued");
        }
        if more {
            self.stores.queues.send(Lane::Fast, &Message::Sweep).await?;
        }
        // After the attempts: an alarm on this metric must fire when sweeps fail, as well
        // as when there are none. Before the deletions, which must not hold it up.
        self.metrics.sweep(overdue);
        self.resume_app_deletions().await;
        self.finish_deletions().await;
        Ok(())
    }

    async fn enqueue_shard(&self, shard: u8, swept: &mut Swept) -> Result<(), StoreError> {
        let found = self.look_up(shard).await?;
        let tends = found
            .endpoints
            .into_iter()
            .map(|tend| (Message::Tend(tend), Duration::ZERO));
        self.stores.queues.send_all(Lane::Slow, tends).await?;
        let mut enqueued = 0;
        let mut attempts = found.attempts.into_iter();
        loop {
            let some: Vec<_> = attempts.by_ref().take(STEP).collect();
            if some.is_empty() {
                break;
            }
            enqueued += self.enqueue(some, swept).await?;
        }
        swept.enqueued += enqueued;
        // If another sweep claimed them all, it takes care of the rest.
        swept.more |= found.is_full && enqueued > 0;
        Ok(())
    }

    /// Finds what is due in a shard. Unreadable items are reported and stay where they
    /// are, for an operator to look at.
    async fn look_up(&self, shard: u8) -> Result<Shard, StoreError> {
        let now = self.clock.now();
        let limit = self.chunks.due;
        let due = self
            .stores
            .table
            .due(shard, now + AHEAD, limit.into())
            .await?;
        let mut unreadable = Vec::new();
        let mut found = Shard::default();
        let limit = usize::from(limit);
        for due in due {
            match due {
                Due::Attempt(attempt) => found.attempts.push(attempt),
                // The next sweep finds the others, still overdue.
                Due::Endpoint(_) if found.endpoints.len() >= limit => {}
                Due::Endpoint(endpoint) if endpoint.due_at + OVERDUE <= now => {
                    // With its time, so that it does nothing if the endpoint's own
                    // message is just late.
                    found.endpoints.push(Tend {
                        due_at: Some(endpoint.due_at),
                        ..Tend::now(endpoint.key)
                    });
                }
                Due::Endpoint(_) => {}
                Due::Unreadable(item) => unreadable.push(item),
            }
        }
        self.report_unreadable(&unreadable);
        found.is_full = found.attempts.len() >= limit;
        Ok(found)
    }

    pub(super) fn report_unreadable(&self, items: &[UnreadableItem]) {
        for item in items {
            error!(
                pk = item.pk,
                sk = item.sk,
                operational_event = "item.unreadable",
                "skipped an unreadable item in the schedule"
            );
        }
        if !items.is_empty() {
            self.metrics.unreadable_items(items.len());
        }
    }

    /// Claims attempts, enqueues them, and takes them off the schedule. Returns how many
    /// were not claimed by another sweep.
    async fn enqueue(
        &self,
        attempts: Vec<DueAttempt>,
        swept: &mut Swept,
    ) -> Result<usize, StoreError> {
        let (table, queues) = (&self.stores.table, &self.stores.queues);
        let now = self.clock.now();
        // A sweep finds what is due before its own time plus AHEAD, so this hides it for
        // a LEASE.
        let until = now + AHEAD + LEASE;
        let claims: Vec<_> = stream::iter(attempts)
            .map(|due| table.claim(due, until))
            .buffer_unordered(UPDATES_AT_ONCE)
            .collect()
            .await;
        // Enqueue what was claimed even if another claim failed. It would be late
        // otherwise.
        let mut claimed = Vec::new();
        let mut failed = Ok(());
        for claim in claims {
            match claim {
                Ok(attempt) => claimed.extend(attempt),
                Err(error) => failed = Err(error),
            }
        }
        let messages = claimed.iter().map(|due| {
            let delay = left(due.due_at, now);
            (Message::Delivery(due.task.clone()), delay)
        });
        let messages: Vec<_> = messages.collect();
        queues.send_all(Lane::Slow, messages).await?;
        let late = claimed.iter().filter(|due| due.due_at + OVERDUE <= now);
        swept.overdue += late.count();
        let count = claimed.len();
        stream::iter(claimed)
            .map(|due| async move { table.unschedule(&due).await })
            .buffer_unordered(UPDATES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        failed.map(|()| count)
    }
}

/// The time until an attempt is due; zero if it is overdue.
fn left(due_at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(due_at.duration_since(now)).unwrap_or_default()
}
