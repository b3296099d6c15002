//! The delivery function: how long a batch takes, and what follows from it. What
//! follows is decided by the service's own policy.
//!
//! Left out, because nothing here needs it: the drain of an endpoint that works again,
//! rate limits, and the disabling of endpoints that fail for days.

use std::slice;
use std::time::Duration;

use webhook_endpoints::domain::decision::{
    BeforeAttempt, Next, Occasion, ReadyAttempt, after_attempt, before_attempt,
};
use webhook_endpoints::domain::health::{Change, Health, is_app_slow};
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::domain::route::{Circumstances, MOST_AT_ONCE, Route, routes};

use super::receivers::{attempt, since_start, timestamp};
use super::world::{Happening, Work, World};

/// Deliveries that a chunk of a recovery takes.
const CHUNK: usize = 500;

impl World<'_> {
    /// Has the function begin with a poller's batch.
    pub(super) fn invoke(&mut self, lane: Lane, poller: usize, now: Duration) {
        let (batch, is_cold) = self.lane(lane).pollers.begin(poller, now);
        let costs = self.model.costs;
        let start = match is_cold {
            true => now + costs.cold_start,
            false => now,
        };
        let mut end = start;
        for (index, message) in batch.iter().enumerate() {
            let begun = start + costs.cpu(index);
            end = end.max(self.handle(lane, message.work, begun));
        }
        self.report.invoked(lane, now, end);
        self.agenda.note(end, Happening::End(lane, poller));
    }

    /// Handles one message from this time on. Returns when it is done.
    fn handle(&mut self, lane: Lane, work: Work, at: Duration) -> Duration {
        let call = self.model.costs.call;
        match work {
            Work::Event {
                endpoint,
                published,
            } => self.fan_out(lane, endpoint, published, at),
            Work::Attempt {
                endpoint,
                published,
                number,
            } => self.attempt(lane, endpoint, published, number, at + call),
            Work::Recover {
                endpoint,
                remaining,
            } => self.recover(endpoint, remaining, at),
            Work::Probe { endpoint } => self.probe(endpoint, at),
        }
    }

    /// `Query` and `PutItem`; then the attempt, if it is made at once, or else
    /// `SendMessageBatch` or `UpdateItem`.
    fn fan_out(
        &mut self,
        lane: Lane,
        endpoint: usize,
        published: Duration,
        at: Duration,
    ) -> Duration {
        let call = self.model.costs.call;
        let stored = at + call * 2;
        let receiver = &self.receivers[endpoint];
        let of_app = self.apps[receiver.app].iter();
        let of_app = of_app.map(|endpoint| &self.receivers[*endpoint].endpoint.health);
        let it = Circumstances {
            lane,
            is_new: true,
            is_app_slow: is_app_slow(of_app),
            has_time: true,
            most_at_once: MOST_AT_ONCE,
        };
        let end = stored + call;
        for route in routes(slice::from_ref(&receiver.endpoint), it) {
            match route {
                Route::AtOnce => return self.attempt(lane, endpoint, published, 1, stored),
                Route::Message(lane) => {
                    let work = Work::Attempt {
                        endpoint,
                        published,
                        number: 1,
                    };
                    self.send(end, lane, work);
                }
                Route::Wait => self.wait(endpoint, end),
            }
        }
        end
    }

    fn attempt(
        &mut self,
        lane: Lane,
        endpoint: usize,
        published: Duration,
        number: u32,
        at: Duration,
    ) -> Duration {
        let call = self.model.costs.call;
        let receiver = &self.receivers[endpoint];
        let behaviour = receiver.behaviour;
        let (task, context) = (receiver.task(number), receiver.context());
        match before_attempt(&task, Occasion::Lane(lane), context) {
            BeforeAttempt::Send(ready) => {
                if number == 1 {
                    self.report.attempted(behaviour, published, at);
                }
                let occasion = Occasion::Lane(lane);
                self.make(endpoint, published, number, occasion, &ready, at)
            }
            BeforeAttempt::Move => {
                let work = Work::Attempt {
                    endpoint,
                    published,
                    number,
                };
                self.send(at + call, Lane::Slow, work);
                at + call
            }
            BeforeAttempt::Wait(_) => {
                self.wait(endpoint, at + call);
                at + call
            }
            BeforeAttempt::AlreadyMade(_) | BeforeAttempt::Abandon(_) => at,
        }
    }

    /// Makes an attempt at this time. Returns when all that follows is done.
    fn make(
        &mut self,
        endpoint: usize,
        published: Duration,
        number: u32,
        occasion: Occasion,
        ready: &ReadyAttempt,
        at: Duration,
    ) -> Duration {
        let (model, receiver) = (self.model, &self.receivers[endpoint]);
        let call = model.costs.call;
        let (took, verdict) = receiver.behaviour.answer(model, &mut self.rng);
        self.report.made(receiver.behaviour, at);
        let made = attempt(number, at, took, verdict);
        let task = receiver.task(number);
        let after = after_attempt(&model.policy, &task, occasion, ready, &made, &mut self.rng);
        let slow_after = model.policy.health.slow_after;
        if took > slow_after {
            let noted = at + slow_after + call;
            self.agenda.note(noted, Happening::NoteSlow(endpoint));
        }
        let mut end = at + took;
        let next = Work::Attempt {
            endpoint,
            published,
            number: number + 1,
        };
        match after.next {
            Next::Queue(wait) => {
                end += call;
                self.send(end + wait, Lane::Slow, next);
            }
            // The sweep enqueues it in time.
            Next::Schedule(due) => self.send(since_start(due), Lane::Slow, next),
            Next::Done | Next::StillWaits => {}
        }
        end += call;
        if let Change::Health(new) = after.endpoint {
            end += call;
            let change = Box::new((ready.endpoint.health, new));
            self.agenda
                .note(end, Happening::SetHealth(endpoint, change));
        }
        end
    }

    /// A `Query`, and a `SendMessageBatch` for every ten, many at the same time.
    fn recover(&mut self, endpoint: usize, remaining: usize, at: Duration) -> Duration {
        let end = at + self.model.costs.call * 10;
        let chunk = remaining.min(CHUNK);
        for _ in 0..chunk {
            let work = Work::Attempt {
                endpoint,
                published: at,
                number: 1,
            };
            self.send(end, Lane::Slow, work);
        }
        let remaining = remaining - chunk;
        if remaining > 0 {
            let work = Work::Recover {
                endpoint,
                remaining,
            };
            self.send(end, Lane::Slow, work);
        }
        end
    }

    /// Makes an attempt at a waiting delivery: `GetItem`, `UpdateItem`, `Query` and
    /// `BatchGetItem` come before it.
    fn probe(&mut self, endpoint: usize, at: Duration) -> Duration {
        let at = at + self.model.costs.call * 4;
        let receiver = &mut self.receivers[endpoint];
        if receiver.waiting == 0 {
            receiver.endpoint.health = receiver.endpoint.health.without_probe();
            return at;
        }
        let (task, context) = (receiver.task(1), receiver.context());
        match before_attempt(&task, Occasion::Probe, context) {
            BeforeAttempt::Send(ready) => self.make(endpoint, at, 1, Occasion::Probe, &ready, at),
            _ => at,
        }
    }

    /// Has a delivery wait for its paused endpoint.
    fn wait(&mut self, endpoint: usize, at: Duration) {
        let receiver = &mut self.receivers[endpoint];
        receiver.waiting += 1;
        let health = receiver.endpoint.health;
        let policy = &self.model.policy.health;
        if let Some(new) = health.with_probe(policy, timestamp(at)) {
            self.set_health(endpoint, &(health, new));
        }
    }

    pub(super) fn note_slow(&mut self, endpoint: usize, now: Duration) {
        let old = self.receivers[endpoint].endpoint.health;
        if old.slow_since.is_none() {
            let new = Health {
                slow_since: Some(timestamp(now)),
                ..old
            };
            self.set_health(endpoint, &(old, new));
        }
    }

    /// Writes what changes about an endpoint's health, and has its next probe follow.
    pub(super) fn set_health(&mut self, endpoint: usize, (old, new): &(Health, Health)) {
        if !self.model.isolation.has_lanes()
            || !self.receivers[endpoint].set_health(old, new)
            || old.pause == new.pause
        {
            return;
        }
        if let Some(at) = new.pause.and_then(|pause| pause.probe_at) {
            self.send(since_start(at), Lane::Slow, Work::Probe { endpoint });
        }
    }
}
