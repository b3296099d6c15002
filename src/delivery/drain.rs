//! Sends what waited for an endpoint that works, oldest first and at a bounded pace: in
//! the endpoint's turns if it limits its rate, else so many a second.
//!
//! At an endpoint that limits its rate, new deliveries wait behind those that wait
//! already. Retries do not: they are older, and the drain may have gone past them. Both
//! take their turns from the same number, so the limit holds for all of them together.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tracing::info;

use super::Deliverer;
use super::tend::attempt_of;
use crate::aws::StoreError;
use crate::aws::table::{Turns, Waiting};
use crate::domain::endpoint::{Claim, Endpoint, EndpointKey, Place};
use crate::domain::message::{DeliveryTask, Lane, Message, Tend};
use crate::domain::rate_limit::RateLimit;

const UPDATES_AT_ONCE: usize = 25;

/// How long deliveries wait that have no turn before the drain looks for some: as long as
/// it takes until most of those are over that have been taken.
const UNTIL_TURNS_ARE_FREE: Duration = Duration::from_secs(10 * 60);

/// A step of a drain in turns takes what is sent within this time, if that is more than
/// one usually takes, because the slow lane handles a step every few seconds at best.
const FASTEST_STEP: u16 = 5;

/// At most so many times what a step usually takes.
const LARGEST_STEP: usize = 5;

/// How long before the last turn of a step the next one comes: the slow lane collects its
/// batches for two seconds.
const LEAD: Duration = Duration::from_secs(5);

impl Deliverer {
    /// Puts waiting deliveries on the queue, oldest first.
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
        let fastest = usize::from(limit.per_second()) * usize::from(FASTEST_STEP);
        let most = fastest.clamp(usual, usual * LARGEST_STEP);
        let mut waiting = self.waiting(key, tend.after, most).await?;
        let free = limit.free(endpoint.next_turn, now);
        if free == 0 && !waiting.deliveries.is_empty() {
            self.await_turns(endpoint, now).await?;
            return Ok(());
        }
        waiting.keep(usize::try_from(free).unwrap_or(usize::MAX));
        // The turns are taken once the step is claimed: those of a claim that fails would
        // be lost. So this is what they will be, unless somebody else takes some meanwhile.
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
        let mut delays = Vec::new();
        if count > 0 {
            let table = &self.stores.table;
            let taken = Box::pin(table.take_turns(endpoint, limit, count, now)).await?;
            if let Turns::Some { first, count } = taken {
                let turns = first..first + count;
                delays.extend(turns.map(|turn| limit.wait_for(turn, now)));
            }
        }
        if delays.len() < count {
            // Somebody else took some, or the limit changed.
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

    /// Puts the first of these on the queue, as many as have a delay, and then the message
    /// for the next step.
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
        queues.send_all(Lane::Slow, messages).await?;
        let count = waiting.deliveries.len();
        stream::iter(waiting.deliveries)
            .map(|delivery| async move { table.end_waiting(&delivery).await })
            .buffer_unordered(UPDATES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        let next = (Message::Tend(next), wait);
        queues.send_all(Lane::Slow, [next]).await?;
        report(endpoint.key, "waiting deliveries sent", count);
        Ok(())
    }

    /// Has deliveries wait in the table that have no turn, until the drain has one for
    /// them. Done again if it is cut off: nothing is lost, because their messages come
    /// back.
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
        // Somebody else changed the place. If that was the end of a drain, it did not find
        // these.
        let tend = Message::Tend(Tend::now(endpoint.key));
        let soon = Duration::from_secs(1);
        self.stores
            .queues
            .send_all(Lane::Slow, [(tend, soon)])
            .await
    }

    /// Has the deliveries that wait for an endpoint seen to once turns are free. `false` if
    /// its place is not where it was read.
    async fn await_turns(&self, endpoint: &Endpoint, now: Timestamp) -> Result<bool, StoreError> {
        let at = match endpoint.place {
            // Those that waited during a pause are to be sent already.
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

/// What a step of a drain is.
fn claim_of(waiting: &Waiting) -> Claim {
    match waiting.next {
        Some(_) => Claim::Drain,
        None => Claim::LastOfDrain,
    }
}

fn report(endpoint: EndpointKey, what: &'static str, deliveries: usize) {
    info!(
        app_id = %endpoint.app_id,
        endpoint_id = %endpoint.endpoint_id,
        deliveries,
        "{what}"
    );
}
