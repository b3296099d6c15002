//! The sweep: every few minutes, moves the attempts that are due soon from the table
//! to the queue, has overdue endpoints seen to that deliveries wait for, and finishes
//! interrupted deletions of endpoints and apps.
//!
//! An attempt is moved in three steps:
//!
//! 1. Claim it: move it in the schedule to where no sweep looks for a [`LEASE`], on
//!    the condition that it is still where it was found. Of two sweeps at once, or of
//!    a late one and the next, one succeeds.
//! 2. Enqueue it, with the delay that is left.
//! 3. Take it off the schedule, on the condition that the claim is still there. It is
//!    not if the attempt was made meanwhile: its record then holds the place of the
//!    next attempt.
//!
//! A sweep that is cut off after the first step has enqueued nothing; the attempt is
//! found again after the lease, and sent at once. After the second step, the attempt
//! is on the queue and in the schedule; it is made within the lease, and its record
//! overwrites the claim.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tracing::{error, info};

use super::Deliverer;
use crate::aws::StoreError;
use crate::aws::table::{Due, DueAttempt, Table, UnreadableItem};
use crate::domain::message::{Lane, Message, Tend};

/// How far ahead a sweep looks: further than to the next but one, so that a sweep can
/// fail without making an attempt late, and less than the longest delay of a message.
pub const AHEAD: Duration = Duration::from_secs(10 * 60);

/// How long a claimed attempt is hidden from other sweeps. A second copy must not be
/// enqueued before the first was attempted, so this is longer than all of these
/// together:
///
/// - a minute, in which the sweep that claimed it may still enqueue it (the
///   function's timeout);
/// - the longest delay that it may be enqueued with ([`AHEAD`]);
/// - a minute in which it is attempted (the function's timeout again);
/// - six minutes until its message is received again, if that function crashed (the
///   queue's visibility timeout).
///
/// If the queue is behind by more than the rest, there may be two copies. The second
/// one finds the attempt recorded, unless both are handled at the same time.
///
/// The price is paid by an attempt whose sweep died between claiming and enqueueing:
/// it comes late by up to this and the time to the next sweep. Because this is longer
/// than [`AHEAD`], such an attempt is always due when it is found again.
pub const LEASE: Duration = Duration::from_secs(20 * 60);

/// An attempt that is found this late counts as overdue. An endpoint is seen to from
/// here only if it is this late: usually a message of its own has that done in time.
const OVERDUE: Duration = Duration::from_secs(60);

/// Attempts that are moved together: five full batches of messages. A sweep that is
/// cut off makes no more than these late.
const STEP: usize = 50;

const UPDATES_AT_ONCE: usize = 25;

/// What a sweep did.
#[derive(Debug, Default)]
struct Swept {
    enqueued: usize,
    overdue: usize,
    /// Whether a shard holds more attempts than one sweep takes.
    more: bool,
}

/// What was found in a shard.
#[derive(Default)]
struct Shard {
    attempts: Vec<DueAttempt>,
    endpoints: Vec<Tend>,
    is_full: bool,
}

impl Deliverer {
    /// Calls: a `Query` of each shard, more if many endpoints are paused; for each attempt that is due two `UpdateItem`,
    /// and for every ten a `SendMessageBatch`; a `SendMessage` if there is more to do;
    /// those of [`Self::resume_app_deletions`] and [`Self::finish_deletions`].
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
        // After the attempts, so that the alarm tells if sweeps fail as well as if there
        // are none. Before the deletions, which must not keep it from being told.
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
        // If all are claimed by another sweep, that one sees to the rest.
        swept.more |= found.is_full && enqueued > 0;
        Ok(())
    }

    /// Finds what is due in a shard. Unreadable items are reported, and left where
    /// they are, for an operator to look at.
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
                // The others are still overdue when the next sweep comes.
                Due::Endpoint(_) if found.endpoints.len() >= limit => {}
                Due::Endpoint(endpoint) if endpoint.due_at + OVERDUE <= now => {
                    // For its place, in case its own message is only late.
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

    /// Claims attempts, enqueues them, and takes them off the schedule. Returns how
    /// many were not claimed by somebody else.
    async fn enqueue(
        &self,
        attempts: Vec<DueAttempt>,
        swept: &mut Swept,
    ) -> Result<usize, StoreError> {
        let (table, queues) = (&self.stores.table, &self.stores.queues);
        let now = self.clock.now();
        // A sweep finds what is before its own time plus AHEAD.
        let until = now + AHEAD + LEASE;
        let claims: Vec<_> = stream::iter(attempts)
            .map(|due| table.claim(due, until))
            .buffer_unordered(UPDATES_AT_ONCE)
            .collect()
            .await;
        // What was claimed is enqueued even if another claim failed: it would be late
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
