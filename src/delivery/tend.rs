//! Sees to the deliveries that wait for an endpoint: while it is paused, by a probe;
//! once it works again, by sending them at a bounded pace; once it is inactive or
//! deleted, by ending them.
//!
//! The endpoint has a place in the schedule for as long as deliveries may wait for
//! it. Every step first moves that place to when the next one is due, which claims the
//! step: of two at once, one is left. The place says what it was claimed for, so that a
//! message that comes meanwhile, because the endpoint changed, starts no second probe
//! or drain beside it. Whatever breaks off, the schedule finds the endpoint overdue and
//! has it seen to again.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::received::MessageMeta;
use super::{Deliverer, HandleError};
use crate::aws::StoreError;
use crate::aws::table::Waiting;
use crate::domain::decision::{BeforeAttempt, Occasion, before_attempt};
use crate::domain::delivery::{Abandoned, Delivery};
use crate::domain::endpoint::{Claim, Endpoint, EndpointKey, Place};
use crate::domain::health::Pause;
use crate::domain::id::DeliveryId;
use crate::domain::message::{DeliveryTask, Lane, Message, Source, Tend};

const UPDATES_AT_ONCE: usize = 25;

/// Waiting deliveries that probes take turns in.
const CANDIDATES: usize = 10;

/// Searches for one of them before it is taken that there is none: each reads up to
/// 1,500 pending deliveries.
const MOST_SEARCHES: usize = 10;

impl Deliverer {
    pub(super) async fn tend(&self, tend: Tend, meta: &MessageMeta) -> Result<(), HandleError> {
        let found = self.stores.table.endpoint(tend.endpoint).await?;
        let Some(endpoint) = found else {
            return Ok(self.end_all(&tend, Abandoned::EndpointDeleted).await?);
        };
        self.tell_again(&endpoint, meta).await?;
        let is_due = tend.due_at.is_some();
        if is_due && tend.due_at != endpoint.place.map(|place| place.at) {
            // It was seen to meanwhile.
            return Ok(());
        }
        let now = self.clock.now();
        let is_under_way = |claims: &[Claim]| {
            let place = endpoint.place.filter(|_| !is_due);
            let is_claimed = |place: Place| {
                let mut claims = claims.iter();
                claims.any(|claim| place.is_claimed_for(*claim, now))
            };
            place.is_some_and(is_claimed)
        };
        match endpoint.health.pause {
            _ if !endpoint.active => Ok(self.end(&tend, &endpoint).await?),
            Some(_) if is_under_way(&[Claim::Probe]) => Ok(()),
            None if is_under_way(&[Claim::Drain, Claim::LastOfDrain]) => Ok(()),
            Some(pause) => self.probe(&tend, &endpoint, pause).await,
            None => Ok(self.drain(&tend, &endpoint).await?),
        }
    }

    /// Deliveries that wait for an endpoint. Counts those that cannot be read.
    pub(super) async fn waiting(
        &self,
        endpoint: EndpointKey,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Waiting, StoreError> {
        let (table, now) = (&self.stores.table, self.clock.now());
        let found = table.waiting(endpoint, after, limit, now).await?;
        if found.unreadable > 0 {
            self.metrics.unreadable_items(found.unreadable);
        }
        Ok(found)
    }

    /// Makes one attempt at a waiting delivery. Its outcome moves the endpoint's place
    /// in the schedule, to the next probe or to the drain.
    async fn probe(
        &self,
        tend: &Tend,
        endpoint: &Endpoint,
        pause: Pause,
    ) -> Result<(), HandleError> {
        let (table, key, now) = (&self.stores.table, endpoint.key, self.clock.now());
        if let Some(at) = pause.probe_at.filter(|at| *at > now) {
            let place = Place::at(at);
            let goes_on = match endpoint.place {
                // Its message is on the queue, or is this one: a queue delays messages
                // by 15 minutes at most.
                Some(old) if old == place => tend.due_at.is_some(),
                old => table.set_place(key, old, Some(place)).await?,
            };
            if goes_on {
                self.tend_at(key, at, now).await?;
            }
            return Ok(());
        }
        // So that two probes at once are one.
        let next_at = now + self.stragglers;
        let claimed = Place {
            at: next_at,
            claim: Some(Claim::Probe),
        };
        if !table.set_place(key, endpoint.place, Some(claimed)).await? {
            return Ok(());
        }
        let Some(delivery) = self.to_probe(key, pause).await? else {
            return Ok(self.stop_probing(tend, endpoint, claimed, now).await?);
        };
        let task = attempt_of(&delivery);
        let context = table.attempt_context(&task, now).await?;
        let decision = before_attempt(&task, Occasion::Probe, context);
        let is_made = matches!(decision, BeforeAttempt::Send(_));
        self.attempt(task, Occasion::Probe, now, decision).await?;
        if !is_made {
            // It has ended, so another one is to be the probe.
            self.tend_at(key, next_at, now).await?;
        }
        Ok(())
    }

    /// The waiting delivery that the next probe is to be: the oldest, then the others in
    /// turn, because a receiver may refuse one of them only.
    async fn to_probe(
        &self,
        endpoint: EndpointKey,
        pause: Pause,
    ) -> Result<Option<Delivery>, StoreError> {
        let mut after = None;
        for _ in 0..MOST_SEARCHES {
            let mut found = self.waiting(endpoint, after, CANDIDATES).await?;
            let candidates = u32::try_from(found.deliveries.len()).unwrap_or(u32::MAX);
            if let Some(index) = pause.probes.checked_rem(candidates) {
                let index = usize::try_from(index).unwrap_or_default();
                return Ok(Some(found.deliveries.swap_remove(index)));
            }
            after = found.next;
            if after.is_none() {
                break;
            }
        }
        Ok(None)
    }

    /// Goes on without a probe, because no delivery was found that could be one. The
    /// first to wait from now on brings the next one about. Looks once more for those
    /// that began to wait just before.
    async fn stop_probing(
        &self,
        tend: &Tend,
        endpoint: &Endpoint,
        claimed: Place,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (table, key) = (&self.stores.table, endpoint.key);
        let new = endpoint.health.without_probe();
        if new == endpoint.health && tend.last {
            table.set_place(key, Some(claimed), None).await?;
            return Ok(());
        }
        if new != endpoint.health {
            table.set_health(endpoint, &new, now).await?;
        }
        let next = Message::Tend(next_step(key, claimed.at, None));
        let messages = [(next, self.stragglers)];
        self.stores.queues.send_all(Lane::Slow, messages).await
    }

    /// Ends the deliveries that wait for an inactive endpoint.
    async fn end(&self, tend: &Tend, endpoint: &Endpoint) -> Result<(), StoreError> {
        let (key, limit) = (endpoint.key, usize::from(self.chunks.waiting));
        let waiting = self.waiting(key, tend.after, limit).await?;
        let claimed = self.claim(endpoint, tend, None, Duration::ZERO, &waiting);
        let Some((next, wait)) = claimed.await? else {
            return Ok(());
        };
        self.abandon_all(&waiting.deliveries, Abandoned::EndpointInactive)
            .await?;
        let next = (Message::Tend(next), wait);
        self.stores.queues.send_all(Lane::Slow, [next]).await
    }

    /// Ends the deliveries that wait for a deleted endpoint, and takes a last look for
    /// those that began to wait as it was deleted. It has no place in the schedule any
    /// more; the message comes again until it is done.
    async fn end_all(&self, tend: &Tend, reason: Abandoned) -> Result<(), StoreError> {
        let (key, limit) = (tend.endpoint, usize::from(self.chunks.waiting));
        let waiting = self.waiting(key, tend.after, limit).await?;
        self.abandon_all(&waiting.deliveries, reason).await?;
        let wait = match waiting.next {
            Some(_) => Duration::ZERO,
            None if tend.last => return Ok(()),
            None => self.stragglers,
        };
        let rest = Tend {
            due_at: None,
            after: waiting.next,
            last: waiting.next.is_none(),
            ..*tend
        };
        let message = (Message::Tend(rest), wait);
        self.stores.queues.send_all(Lane::Slow, [message]).await
    }

    /// Claims this step by moving the endpoint's place in the schedule to when the step
    /// is certainly over; takes it off if this is the last look and nothing was found.
    /// Returns the message for the next step, and how long it waits until this one is
    /// over. `None` if somebody else sees to the endpoint, or nothing is left to be done.
    pub(super) async fn claim(
        &self,
        endpoint: &Endpoint,
        tend: &Tend,
        claim: Option<Claim>,
        takes: Duration,
        waiting: &Waiting,
    ) -> Result<Option<(Tend, Duration)>, StoreError> {
        let is_done = tend.last && waiting.deliveries.is_empty() && waiting.next.is_none();
        let at = self.clock.now() + takes + self.stragglers;
        let next = (!is_done).then_some(Place { at, claim });
        let table = &self.stores.table;
        let claimed = table.set_place(endpoint.key, endpoint.place, next).await?;
        if is_done || !claimed {
            return Ok(None);
        }
        let wait = match waiting.next {
            Some(_) => takes.max(Duration::from_secs(1)),
            None => takes + self.stragglers,
        };
        Ok(Some((next_step(endpoint.key, at, waiting.next), wait)))
    }

    async fn abandon_all(
        &self,
        deliveries: &[Delivery],
        reason: Abandoned,
    ) -> Result<(), StoreError> {
        stream::iter(deliveries.iter().map(attempt_of))
            .map(|task| async move { self.abandon(&task, reason).await })
            .buffer_unordered(UPDATES_AT_ONCE)
            .try_collect()
            .await
    }

    /// Has a delivery wait for its paused endpoint, and counts it.
    pub(super) async fn wait(
        &self,
        task: &DeliveryTask,
        endpoint: &Endpoint,
    ) -> Result<(), StoreError> {
        self.begin_waiting(task, endpoint).await?;
        self.metrics.deliveries_wait(1);
        Ok(())
    }

    /// The same for one of many, which the caller counts together: each metric is a
    /// line of the log, which is paid for. The first delivery to wait brings the next
    /// probe about.
    pub(super) async fn begin_waiting(
        &self,
        task: &DeliveryTask,
        endpoint: &Endpoint,
    ) -> Result<(), StoreError> {
        let table = &self.stores.table;
        let (key, now) = (endpoint.key, self.clock.now());
        table.record_waiting(task, now).await?;
        let Some(new) = endpoint.health.with_probe(&self.policy.health, now) else {
            return Ok(());
        };
        if table.set_health(endpoint, &new, now).await?
            && let Some(at) = new.pause.and_then(|pause| pause.probe_at)
        {
            self.tend_at(key, at, now).await?;
        }
        Ok(())
    }
}

/// The step that follows one which moved the endpoint's place to `at`: it goes on after
/// this delivery, or takes a last look.
fn next_step(endpoint: EndpointKey, at: Timestamp, after: Option<DeliveryId>) -> Tend {
    Tend {
        endpoint,
        due_at: Some(at),
        after,
        last: after.is_none(),
    }
}

/// The next attempt at a waiting delivery.
pub(super) fn attempt_of(delivery: &Delivery) -> DeliveryTask {
    DeliveryTask {
        endpoint: delivery.endpoint,
        delivery_id: delivery.id,
        source: Source::Event(delivery.event_id),
        event: delivery.event.clone(),
        created_at: delivery.created_at,
        expires_at: delivery.expires_at,
        attempt: delivery.attempts + 1,
        resend: false,
        has_turn: false,
        ephemeral: delivery.ephemeral,
    }
}
