//! A deployment in virtual time: events are published, pollers fill batches, and the
//! function handles them.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use webhook_endpoints::domain::health::Health;
use webhook_endpoints::domain::message::Lane;

use super::agenda::Agenda;
use super::model::Model;
use super::pollers::{Batch, Pollers};
use super::queue::{Message, Queue};
use super::receivers::{Receiver, until_next};
use super::report::Report;
use super::scenario::{ENDPOINTS_PER_APP, Group, Scenario};
use crate::error::BoxError;

/// The seed of the random numbers, so that every run is the same.
const SEED: u64 = 12;

/// How long a run continues after the last event.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// The work that a message requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// The fan-out of an event.
    Event {
        endpoint: usize,
        published: Duration,
    },
    Attempt {
        endpoint: usize,
        published: Duration,
        number: u32,
    },
    /// A chunk of a recovery that has `remaining` deliveries left.
    Recover { endpoint: usize, remaining: usize },
    /// The probe of a paused endpoint.
    Probe { endpoint: usize },
}

/// A step of the simulation.
#[derive(Debug)]
pub(super) enum Happening {
    /// An event of this group reaches the queue. Schedules the group's next event.
    Publish(usize),
    Send(Lane, Message<Work>),
    /// The window of a batch ends.
    Window {
        lane: Lane,
        poller: usize,
        generation: u32,
    },
    /// The function has handled a batch.
    End(Lane, usize),
    /// Every second, Lambda may add pollers.
    Scale,
    /// An attempt is taking too long, so its endpoint is marked as slow.
    NoteSlow(usize),
    SetHealth(usize, Box<(Health, Health)>),
}

#[derive(Debug)]
pub(super) struct LaneState {
    pub queue: Queue<Work>,
    pub pollers: Pollers<Work>,
}

/// A run of one scenario.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) model: &'a Model,
    pub(super) rng: StdRng,
    pub(super) agenda: Agenda<Happening>,
    pub(super) receivers: Vec<Receiver>,
    /// The endpoints of each app.
    pub(super) apps: Vec<Vec<usize>>,
    pub(super) report: Report,
    fast: LaneState,
    slow: LaneState,
    groups: Vec<Publishers>,
    end: Duration,
}

/// The message group of an app's events. Apps have even numbers, endpoints odd ones.
fn app_group(app: usize) -> usize {
    app * 2
}

/// The publishers to the endpoints of one group.
#[derive(Debug)]
struct Publishers {
    endpoints: std::ops::Range<usize>,
    rate: f64,
}

/// Runs a scenario. Events are published until `end`.
pub(super) fn run(model: &Model, scenario: &Scenario, end: Duration) -> Result<Report, BoxError> {
    let mut world = World::new(model, end);
    for group in &scenario.groups {
        world.add(group)?;
    }
    world
        .agenda
        .schedule(Duration::from_secs(1), Happening::Scale);
    while let Some((now, happening)) = world.agenda.next() {
        if now > end + GRACE {
            break;
        }
        world.happen(now, happening);
    }
    Ok(world.report)
}

impl<'a> World<'a> {
    fn new(model: &'a Model, end: Duration) -> Self {
        let lane = |lane| LaneState {
            queue: Queue::new(model.isolation.is_fair()),
            pollers: match model.is_warm {
                true => Pollers::warm(model.mapping(lane)),
                false => Pollers::idle(model.mapping(lane)),
            },
        };
        Self {
            model,
            rng: StdRng::seed_from_u64(SEED),
            agenda: Agenda::new(),
            receivers: Vec::new(),
            apps: Vec::new(),
            report: Report::default(),
            fast: lane(Lane::Fast),
            slow: lane(Lane::Slow),
            groups: Vec::new(),
            end,
        }
    }

    fn add(&mut self, group: &Group) -> Result<(), BoxError> {
        let first = self.receivers.len();
        for number in 0..group.endpoints {
            if number == 0 || !group.is_one_app && number % ENDPOINTS_PER_APP == 0 {
                self.apps.push(Vec::new());
            }
            let app = self.apps.len() - 1;
            self.receivers.push(Receiver::new(group.behaviour, app)?);
            self.apps[app].push(first + number);
        }
        let index = self.groups.len();
        self.groups.push(Publishers {
            endpoints: first..self.receivers.len(),
            rate: group.rate,
        });
        if group.rate > 0.0 {
            let at = group.from + until_next(group.rate, &mut self.rng);
            self.agenda.schedule(at, Happening::Publish(index));
        }
        if group.recovered > 0 {
            let work = Work::Recover {
                endpoint: first,
                remaining: group.recovered,
            };
            self.send(group.from, Lane::Slow, work);
        }
        Ok(())
    }

    fn happen(&mut self, now: Duration, happening: Happening) {
        match happening {
            Happening::Publish(group) => self.publish(now, group),
            Happening::Send(lane, message) => {
                self.lane(lane).queue.send(message);
                self.receive(lane, now);
            }
            Happening::Window {
                lane,
                poller,
                generation,
            } => {
                if self.lane(lane).pollers.is_collecting(poller, generation) {
                    self.invoke(lane, poller, now);
                }
            }
            Happening::End(lane, poller) => {
                let state = self.lane(lane);
                state.pollers.end(poller, &mut state.queue, now);
                self.receive(lane, now);
            }
            Happening::Scale => {
                for lane in [Lane::Fast, Lane::Slow] {
                    let state = self.lane(lane);
                    state.pollers.scale(state.queue.len());
                    self.receive(lane, now);
                }
                self.agenda
                    .schedule(now + Duration::from_secs(1), Happening::Scale);
            }
            Happening::NoteSlow(endpoint) => self.note_slow(endpoint, now),
            Happening::SetHealth(endpoint, change) => self.set_health(endpoint, &change),
        }
    }

    /// Puts an event of this group on the fast lane's queue. It was published a hop earlier.
    fn publish(&mut self, now: Duration, group: usize) {
        let Publishers { endpoints, rate } = &self.groups[group];
        let endpoint = self.rng.random_range(endpoints.clone());
        let next = now + until_next(*rate, &mut self.rng);
        if next <= self.end {
            self.agenda.schedule(next, Happening::Publish(group));
        }
        let published = now.saturating_sub(self.model.costs.hop);
        let receiver = &self.receivers[endpoint];
        self.report.published(receiver.behaviour, published);
        let message = Message {
            group: app_group(receiver.app),
            work: Work::Event {
                endpoint,
                published,
            },
        };
        self.fast.queue.send(message);
        self.receive(Lane::Fast, now);
    }

    /// Lets free pollers receive the waiting messages.
    fn receive(&mut self, lane: Lane, now: Duration) {
        loop {
            let state = match lane {
                Lane::Fast => &mut self.fast,
                Lane::Slow => &mut self.slow,
            };
            let received = state.pollers.receive(&mut state.queue, now, &mut self.rng);
            let Some(received) = received else {
                return;
            };
            let poller = received.poller;
            match received.state {
                Batch::Ready => self.invoke(lane, poller, now),
                Batch::Growing => {}
                Batch::Begun { generation } => {
                    let window = Happening::Window {
                        lane,
                        poller,
                        generation,
                    };
                    let ends = now + self.model.mapping(lane).window;
                    self.agenda.schedule(ends, window);
                }
            }
        }
    }

    /// Sends a message at `at`. It can be received a hop later.
    pub(super) fn send(&mut self, at: Duration, lane: Lane, work: Work) {
        let group = match work {
            Work::Event { endpoint, .. } => app_group(self.receivers[endpoint].app),
            Work::Attempt { endpoint, .. }
            | Work::Recover { endpoint, .. }
            | Work::Probe { endpoint } => endpoint * 2 + 1,
        };
        let lane = match self.model.isolation.has_lanes() {
            true => lane,
            false => Lane::Fast,
        };
        let message = Message { group, work };
        let at = at + self.model.costs.hop;
        self.agenda.schedule(at, Happening::Send(lane, message));
    }

    pub(super) fn lane(&mut self, lane: Lane) -> &mut LaneState {
        match lane {
            Lane::Fast => &mut self.fast,
            Lane::Slow => &mut self.slow,
        }
    }
}
