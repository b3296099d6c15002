//! Sends the deliveries that waited for an endpoint, oldest first and at a bounded pace:
//! in the endpoint's turns if it has a rate limit, else a fixed number per second.
//!
//! At an endpoint with a rate limit, new deliveries wait behind those that already wait.
//! Retries do not: they are older, and the drain may be past them. Both take turns from
//! the same counter, so the limit holds for all of them together.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tracing::info;

use super::Deliverer;
use super::tend::attempt_of;
use crate::aws::StoreError;
use crate::aws::table::{Turns, Waiting};
use crate::domain::endpoint::{Claim, Endpoint, Place};
use crate::domain::message::{DeliveryTask, Lane, Message, Tend};
use crate::domain::rate_limit::RateLimit;

const UPDATES_AT_ONCE: usize = 25;

/// How long a drain waits when no turn is free. By then, most of the turns that have been
/// taken are over: none is further ahead than 15 minutes.
const UNTIL_TURNS_ARE_FREE: Duration = Duration::from_secs(10 * 60);

/// A step of a drain in turns takes as many deliveries as the endpoint takes in this many
/// seconds, because the slow lane handles a step every few seconds at best. It takes no
/// fewer than a usual step.
const STEP_SECONDS: u16 = 5;

/// The largest step, as a multiple of a usual one.
const LARGEST_STEP: usize = 5;

/// How long before the last turn of a step the next step is due: the slow lane collects
/// its batches for two seconds, and the turns should follow each other without a gap.
const LEAD: Duration = Duration::from_secs(5);

impl Deliverer {
    /// Puts some of the waiting deliveries on the queue, oldest first.
    pub(super) async fn drain(&self, tend: &Tend, endpoint: &Endpoint) -> Result<(), StoreError> {
        match endpoint.rate_limit {
            Some(limit) => self.drain_in_turns(tend, endpoint, limit).await,
            None => self.drain_at_rate(tend, endpoint).await,
        }
    }

    async fn drain_at_rate(&self, tend: &Tend, endpoint: &Endpoint) -> Result<(), StoreError> {
        let limit = usize::from(self.chunks.waiting);
        let waiting = self.waiting(endpoint.key, tend.after, limit).await?;
        let rate = u32::from(self.drain_per_second.max(1));
        let count = u32::try_from(waiting.deliveries.len()).unwrap_or(u32::MAX);
        let takes = Duration::from_secs(count.div_ceil(rate).into());
        let claim = Some(claim_of(&waiting));
        let Some(next) = self.claim(endpoint, tend, claim, takes, &waiting).await? else {
            return Ok(());
        };
        // `rate` deliveries share each second.
        let delays = (0..count).map(|index| Duration::from_secs((index / rate).into()));
        self.send_waiting(endpoint, waiting, delays.collect(), next)
            .await
    }

    async fn drain_in_turns(
        &self,
        tend: &Tend,
        endpoint: &Endpoint,
        limit: RateLimit,
    ) -> Result<(), StoreError> {
        let (key, now) = (endpoint.key, self.clock.now());
        let usual = usize::from(self.chunks.waiting);
        let fastest = usize::from(limit.per_second()) * usize::from(STEP_SECONDS);
        let most = fastest.clamp(usual, usual * LARGEST_STEP);
        let mut waiting = self.waiting(key, tend.after, most).await?;
        let free = limit.free(endpoint.next_turn, now);
        if free == 0 && !waiting.deliveries.is_empty() {
            self.await_turns(endpoint, now).await?;
            return Ok(());
        }
        waiting.keep(usize::try_from(free).unwrap_or(usize::MAX));
        // Claim the step first and take the turns after that, because the turns of a
        // failed claim would be lost. So this is an estimate. It is right unless someone
        // else takes turns in between.
        let count = waiting.deliveries.len();
        let end = limit.next_free(endpoint.next_turn, now) + u64::try_from(count).unwrap_or(0);
        let takes = match count {
            0 => Duration::ZERO,
            _ => limit.wait_for(end, now),
        };
        let claim = Some(claim_of(&waiting));
        let claimed = self.claim(endpoint, tend, claim, takes, &waiting).await?;
        let Some((mut next, mut wait)) = claimed else {
            return Ok(());
        };
        let table = &self.stores.table;
        let taken = Box::pin(table.take_turns(endpoint, limit, count, now)).await?;
        let mut delays = Vec::new();
        if let Turns::Some { first, count } = taken {
            let turns = first..first + count;
            delays.extend(turns.map(|turn| limit.wait_for(turn, now)));
        }
        if delays.len() < count {
            // Someone else took turns, or the limit changed. Send as many deliveries as
            // there are turns, and let the next step continue after the last of them.
            let last = delays.len().checked_sub(1);
            let last = last.and_then(|last| waiting.deliveries.get(last));
            next.after = last.map_or(tend.after, |last| Some(last.id));
            next.last = false;
            wait = Duration::from_secs(1);
        } else if !next.last {
            wait = takes.saturating_sub(LEAD).max(Duration::from_secs(1));
        }
        self.send_waiting(endpoint, waiting, delays, (next, wait))
            .await
    }

    /// Puts these deliveries on the queue, as many as there are delays, and then the
    /// message for the next step.
    async fn send_waiting(
        &self,
        endpoint: &Endpoint,
        mut waiting: Waiting,
        delays: Vec<Duration>,
        (next, wait): (Tend, Duration),
    ) -> Result<(), StoreError> {
        let (table, queues) = (&self.stores.table, &self.stores.queues);
        waiting.deliveries.truncate(delays.len());
        let has_turn = endpoint.rate_limit.is_some();
        let messages = delays
            .into_iter()
            .zip(&waiting.deliveries)
            .map(|(delay, delivery)| {
                let task = DeliveryTask {
                    has_turn,
                    ..attempt_of(delivery)
                };
                (Message::Delivery(task), delay)
            });
        // First the messages, then the marks. After a crash in between, the deliveries
        // still wait and are sent a second time, and the second message finds the attempt
        // recorded. In the other order, they would be lost.
        queues.send_all(Lane::Slow, messages).await?;
        let count = waiting.deliveries.len();
        stream::iter(waiting.deliveries)
            .map(|delivery| async move { table.end_waiting(&delivery).await })
            .buffer_unordered(UPDATES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        let next = (Message::Tend(next), wait);
        queues.send_all(Lane::Slow, [next]).await?;
        info!(
            app_id = %endpoint.key.app_id,
            endpoint_id = %endpoint.key.endpoint_id,
            deliveries = count,
            "waiting deliveries sent"
        );
        Ok(())
    }

    /// Marks deliveries without a turn as waiting, until the drain has turns for them. If
    /// this breaks off, their messages come back and it is done again.
    pub(super) async fn wait_for_turns(
        &self,
        tasks: Vec<DeliveryTask>,
        endpoint: Endpoint,
    ) -> Result<(), StoreError> {
        let (table, now) = (&self.stores.table, self.clock.now());
        let count = tasks.len();
        stream::iter(tasks)
            .map(|task| async move { table.record_waiting(&task, now).await })
            .buffer_unordered(UPDATES_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        self.metrics.deliveries_wait(count);
        if endpoint.has_backlog() || self.await_turns(&endpoint, now).await? {
            return Ok(());
        }
        // Someone else moved the endpoint's place. If that was the end of a drain, it did
        // not find these deliveries, so have the endpoint looked at once more.
        let tend = Message::Tend(Tend::now(endpoint.key));
        let soon = Duration::from_secs(1);
        self.stores
            .queues
            .send_all(Lane::Slow, [(tend, soon)])
            .await
    }

    /// Schedules a drain for when turns are free. `false` if the endpoint's place is no
    /// longer where it was read.
    async fn await_turns(&self, endpoint: &Endpoint, now: Timestamp) -> Result<bool, StoreError> {
        let at = match endpoint.place {
            // A pause just ended, and what waited during it is due. Don't put that off.
            Some(Place { claim: None, .. }) => now,
            _ => now + UNTIL_TURNS_ARE_FREE,
        };
        let place = Place {
            at,
            claim: Some(Claim::Backlog),
        };
        let (table, key) = (&self.stores.table, endpoint.key);
        let is_set = table.set_place(key, endpoint.place, Some(place)).await?;
        if is_set {
            self.tend_at(key, at, now).await?;
        }
        Ok(is_set)
    }
}

/// The claim of a drain step that takes these deliveries.
fn claim_of(waiting: &Waiting) -> Claim {
    match waiting.next {
        Some(_) => Claim::Drain,
        None => Claim::LastOfDrain,
    }
}
