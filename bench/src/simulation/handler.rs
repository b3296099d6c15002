//! The delivery function: how long a batch takes, and what follows from it. The service's
//! own policy decides what follows.
//!
//! Drains, rate limits and the disabling of endpoints are left out, because no scenario
//! needs them.

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

/// Deliveries in a chunk of a recovery.
const CHUNK: usize = 500;

impl World<'_> {
    /// Invokes the function with a poller's batch. The messages of a batch are handled
    /// concurrently, but they share a CPU: a message makes its first call once it and those
    /// before it have had their CPU time.
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
        self.agenda.schedule(end, Happening::End(lane, poller));
    }

    /// Handles one message, beginning at `at`. Returns when it is done.
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

    /// Fans out an event: `Query` and `PutItem`, followed by the attempt if it is made at
    /// once, or by `SendMessageBatch` or `UpdateItem`.
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

    /// Makes an attempt at `at`. Returns when its consequences have been written.
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
            self.agenda.schedule(noted, Happening::NoteSlow(endpoint));
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
            // Sweeps are not simulated: they enqueue attempts before they are due, so the
            // message arrives in time.
            Next::Schedule(due) => self.send(since_start(due), Lane::Slow, next),
            Next::Done | Next::StillWaits => {}
        }
        end += call;
        if let Change::Health(new) = after.endpoint {
            end += call;
            let change = Box::new((ready.endpoint.health, new));
            self.agenda
                .schedule(end, Happening::SetHealth(endpoint, change));
        }
        end
    }

    /// Handles a chunk of a recovery: a `Query`, and a `SendMessageBatch` for every ten
    /// deliveries, many of them in parallel.
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

    /// Attempts one waiting delivery, after `GetItem`, `UpdateItem`, `Query` and
    /// `BatchGetItem`.
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

    /// Makes a delivery wait for its paused endpoint.
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

    /// Writes an endpoint's changed health, and schedules its next probe if the pause
    /// changed.
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
