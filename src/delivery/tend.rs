//! Handles the deliveries that wait for an endpoint. While the endpoint is paused, probes
//! it with one of them; once it works again, sends them at a bounded pace; once it is
//! inactive or deleted, ends them.
//!
//! The endpoint has a place in the schedule for as long as deliveries may wait for it.
//! Every step first moves that place to when the next step is due, on condition that it
//! is still where it was read. That claims the step: of two at once, one gets it. The
//! place also says what it was claimed for, so that a message which comes meanwhile,
//! because the endpoint changed, starts no second probe or drain. If a step breaks off,
//! the sweep finds the endpoint overdue in the schedule and sends another message.

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

/// How many of the waiting deliveries probes rotate through.
const CANDIDATES: usize = 10;

/// How long until an endpoint is looked at again if some of its waiting deliveries cannot be
/// decoded: by then a newer version may run, or somebody has repaired them.
const UNREADABLE_AGAIN: Duration = Duration::from_secs(10 * 60);

/// How many searches find nothing before we assume that no delivery can be the probe.
/// Each reads up to 1,500 pending deliveries.
const MOST_SEARCHES: usize = 10;

/// What the next probe is to be.
enum Probe {
    With(Box<Delivery>),
    None {
        /// Whether some of what waits cannot be read.
        unreadable: bool,
    },
}

impl Deliverer {
    pub(super) async fn tend(&self, tend: Tend, meta: &MessageMeta) -> Result<(), HandleError> {
        let found = self.stores.table.endpoint(tend.endpoint).await?;
        let Some(endpoint) = found else {
            return Ok(self.end_all(&tend, Abandoned::EndpointDeleted).await?);
        };
        self.notify_again(&endpoint, meta).await?;
        let is_due = tend.due_at.is_some();
        if is_due && tend.due_at != endpoint.place.map(|place| place.at) {
            // Another step has moved the place since this message was sent.
            return Ok(());
        }
        let now = self.clock.now();
        // A message with a due time is itself the step that the place was claimed for, as
        // checked above. Any other message leaves a step in progress alone.
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

    /// Reads deliveries that wait for an endpoint. Counts those that can't be read.
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

    /// Makes one attempt at a waiting delivery. The outcome moves the endpoint's place in
    /// the schedule, to the next probe or to the drain.
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
                // The message for this place is still on the queue, or it is this one and
                // came early: a queue delays messages by 15 minutes at most.
                Some(old) if old == place => tend.due_at.is_some(),
                old => table.set_place(key, old, Some(place)).await?,
            };
            if goes_on {
                self.tend_at(key, at, now).await?;
            }
            return Ok(());
        }
        // Claim the probe before making it. Of two messages at once, only one gets past
        // this.
        let next_at = now + self.stragglers;
        let claimed = Place {
            at: next_at,
            claim: Some(Claim::Probe),
        };
        if !table.set_place(key, endpoint.place, Some(claimed)).await? {
            return Ok(());
        }
        let delivery = match self.to_probe(key, pause).await? {
            Probe::With(delivery) => delivery,
            Probe::None { unreadable } => {
                let stopped = self.stop_probing(tend, endpoint, claimed, unreadable);
                return Ok(stopped.await?);
            }
        };
        let task = attempt_of(&delivery);
        let context = table.attempt_context(&task, now).await?;
        let decision = before_attempt(&task, Occasion::Probe, context);
        let is_made = matches!(decision, BeforeAttempt::Send(_));
        self.attempt(task, Occasion::Probe, now, decision).await?;
        if !is_made {
            // That delivery has ended meanwhile, so probe with another one.
            self.tend_at(key, next_at, now).await?;
        }
        Ok(())
    }

    /// The waiting delivery for the next probe: the oldest one first, then the others in
    /// turn, because the receiver may refuse only one of them.
    async fn to_probe(&self, endpoint: EndpointKey, pause: Pause) -> Result<Probe, StoreError> {
        let (mut after, mut unreadable) = (None, false);
        for _ in 0..MOST_SEARCHES {
            let mut found = self.waiting(endpoint, after, CANDIDATES).await?;
            let candidates = u32::try_from(found.deliveries.len()).unwrap_or(u32::MAX);
            // `None` without candidates: the remainder of a division by zero.
            if let Some(index) = pause.probes.checked_rem(candidates) {
                let index = usize::try_from(index).unwrap_or_default();
                let delivery = found.deliveries.swap_remove(index);
                return Ok(Probe::With(Box::new(delivery)));
            }
            unreadable |= found.unreadable > 0;
            after = found.next;
            if after.is_none() {
                break;
            }
        }
        Ok(Probe::None { unreadable })
    }

    /// Drops the probe, because no delivery was found to make it with. The next delivery
    /// that begins to wait schedules another one. Looks once more for deliveries that
    /// began to wait just before, and again and again while some cannot be decoded.
    async fn stop_probing(
        &self,
        tend: &Tend,
        endpoint: &Endpoint,
        claimed: Place,
        unreadable: bool,
    ) -> Result<(), StoreError> {
        let (table, key, now) = (&self.stores.table, endpoint.key, self.clock.now());
        let new = endpoint.health.without_probe();
        if new == endpoint.health && tend.last {
            // The last look found nothing either.
            let again = unreadable.then(|| Place::at(now + UNREADABLE_AGAIN));
            table.set_place(key, Some(claimed), again).await?;
            return Ok(());
        }
        if new != endpoint.health {
            // Leaves the place as claimed, which is when the last look is due.
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
    /// those that began to wait as it was deleted. A deleted endpoint has no place in the
    /// schedule to fall back on; if this breaks off, its message comes back.
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
            after: waiting.next,
            last: waiting.next.is_none(),
            ..*tend
        };
        let message = (Message::Tend(rest), wait);
        self.stores.queues.send_all(Lane::Slow, [message]).await
    }

    /// Claims this step: moves the endpoint's place in the schedule to a time when the
    /// step is certainly over, or takes it off if this was the last look and nothing was
    /// found. If some of what waits cannot be decoded, the sweep has it looked at again.
    /// `takes` is how long the queue needs to hand out what this step sends.
    /// Returns the message for the next step and its delay. `None` if someone else has
    /// the step or nothing is left to do.
    pub(super) async fn claim(
        &self,
        endpoint: &Endpoint,
        tend: &Tend,
        claim: Option<Claim>,
        takes: Duration,
        waiting: &Waiting,
    ) -> Result<Option<(Tend, Duration)>, StoreError> {
        let is_done = tend.last && waiting.deliveries.is_empty() && waiting.next.is_none();
        let now = self.clock.now();
        // Not before the next step's message arrives, see `wait` below: the sweep takes
        // over only if that message is lost.
        let at = now + takes + self.stragglers;
        let next = match is_done {
            true => (waiting.unreadable > 0).then(|| Place::at(now + UNREADABLE_AGAIN)),
            false => Some(Place { at, claim }),
        };
        let table = &self.stores.table;
        let claimed = table.set_place(endpoint.key, endpoint.place, next).await?;
        if is_done || !claimed {
            return Ok(None);
        }
        // With more to come, the next step follows these. Otherwise it is the last look.
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

    /// Marks a delivery as waiting for its paused endpoint, and counts it.
    pub(super) async fn wait(
        &self,
        task: &DeliveryTask,
        endpoint: &Endpoint,
    ) -> Result<(), StoreError> {
        self.begin_waiting(task, endpoint).await?;
        self.metrics.deliveries_wait(1);
        Ok(())
    }

    /// Does the same for one of many deliveries, which the caller counts together: each
    /// metric is a line of the log, which costs money. The first delivery that waits
    /// schedules the next probe.
    pub(super) async fn begin_waiting(
        &self,
        task: &DeliveryTask,
        endpoint: &Endpoint,
    ) -> Result<(), StoreError> {
        let table = &self.stores.table;
        let (key, now) = (endpoint.key, self.clock.now());
        // Before the probe is scheduled, which needs this delivery.
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

/// The step after one that moved the endpoint's place to `at`. It continues after this
/// delivery, or takes a last look if there is none.
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
        if_owed: false,
        ephemeral: delivery.ephemeral,
    }
}
