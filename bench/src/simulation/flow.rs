//! Events as a flow through AWS's quotas, second by second, from a standstill. It shows
//! which limit is reached at loads at which simulating each message would take too long.

use std::collections::{BTreeMap, VecDeque};

use webhook_endpoints::domain::redelivery::delay_after;

use super::limits::{
    Bound, IN_FLIGHT, KEPT_SECRETS, Limits, PARTITION_READS, PARTITION_WRITES,
    REQUESTS_PER_EXECUTION, SCALING, SCALING_BURST, WRITES_PER_EVENT, list_units,
};

/// The number of pollers that Lambda starts with, and the number that it adds each second
/// while messages are left over.
const POLLERS: f64 = 5.0;

/// Smaller amounts are rounding errors.
const NOTHING: f64 = 1e-6;

/// Apps with the same load. Each event goes to one of its app's endpoints.
#[derive(Debug, Clone, Copy)]
pub(super) struct Apps {
    pub apps: f64,
    /// Endpoints of each app.
    pub endpoints: f64,
    /// Events per second of all these apps combined.
    pub rate: f64,
}

/// Events that were published in the same second.
#[derive(Debug, Clone, Copy)]
struct Cohort {
    published: u32,
    receives: u32,
    amount: f64,
}

/// The events of some apps: those that wait, and what happened to the others.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    waiting: VecDeque<Cohort>,
    /// Failed events, by the second in which they become visible again. They count as in
    /// flight until then.
    hidden: BTreeMap<u32, Vec<Cohort>>,
    /// Events per second that were accepted, refused, delivered, and sent without a record.
    pub accepted: Vec<f64>,
    pub refused: Vec<f64>,
    pub delivered: Vec<f64>,
    pub sent_again: Vec<f64>,
    /// The second of publishing, the seconds until delivery, and the number of events.
    pub delays: Vec<(u32, u32, f64)>,
}

/// A run.
#[derive(Debug)]
pub(super) struct Flow {
    limits: Limits,
    /// Events per second of one poller with full batches.
    poller_rate: f64,
    apps: Vec<Apps>,
    pub traffic: Vec<Traffic>,
    /// The limit that was reached in each second, at the API and after it.
    pub bounds: Vec<[Option<Bound>; 2]>,
    api: Environments,
    deliver: Environments,
    pollers: f64,
    /// Executions of the delivery function in the last second.
    slots: f64,
    /// Events that each process has handled, which decides how many secrets it has cached.
    seen: f64,
}

/// The execution environments of a function.
#[derive(Debug)]
struct Environments {
    running: f64,
    /// How many environments Lambda can add now. A token bucket that refills by `SCALING`
    /// each second.
    budget: f64,
}

impl Environments {
    fn none() -> Self {
        Self {
            running: 0.0,
            budget: SCALING_BURST,
        }
    }

    /// Grows towards `needed` for one second, and returns how many of the needed
    /// environments there are.
    fn scale(&mut self, needed: f64) -> f64 {
        let added = (needed - self.running).clamp(0.0, self.budget);
        self.budget = (self.budget - added + SCALING).min(SCALING_BURST);
        self.running += added;
        self.running.min(needed)
    }
}

/// The minimum of `wanted` and the limits, and the limit that it is if that is below
/// `wanted`.
fn least(wanted: f64, limits: impl IntoIterator<Item = (f64, Bound)>) -> (f64, Option<Bound>) {
    limits
        .into_iter()
        .fold((wanted, None), |(least, bound), (limit, other)| {
            match limit < least - NOTHING {
                true => (limit.max(0.0), Some(other)),
                false => (least, bound),
            }
        })
}

impl Flow {
    /// Runs for `seconds`. The order of `apps` is the order in which a fair queue serves
    /// them.
    pub(super) fn run(limits: Limits, poller_rate: f64, apps: Vec<Apps>, seconds: u32) -> Self {
        let mut flow = Self {
            limits,
            poller_rate,
            traffic: apps.iter().map(|_| Traffic::default()).collect(),
            apps,
            bounds: Vec::new(),
            api: Environments::none(),
            deliver: Environments::none(),
            pollers: POLLERS.min(limits.pollers),
            slots: 0.0,
            seen: 0.0,
        };
        for now in 0..seconds {
            let (used, at_api) = flow.accept(now);
            let after = flow.deliver(now, used);
            flow.bounds.push([at_api, after]);
        }
        flow
    }

    /// Publishes a second's events through the API. Returns the executions that this uses,
    /// and the limit that was reached.
    fn accept(&mut self, now: u32) -> (f64, Option<Bound>) {
        let published: f64 = self.apps.iter().map(|apps| apps.rate).sum();
        let (mut share, mut used, mut bound) = (1.0, 0.0, None);
        if let Some((events, seconds)) = self.limits.intake.request() {
            let requests = published / events;
            let left = (self.limits.executions - self.slots).max(0.0);
            let running = self.api.scale((requests * seconds).min(left));
            let (accepted, at) = least(
                requests,
                [
                    (self.limits.throttle, Bound::Throttle),
                    (self.limits.api_requests, Bound::ApiRequests),
                    (
                        (running / seconds).min(self.limits.executions * REQUESTS_PER_EXECUTION),
                        Bound::ApiExecutions,
                    ),
                ],
            );
            (share, used, bound) = (accepted / requests, accepted * seconds, at);
        }
        for (apps, traffic) in self.apps.iter().zip(&mut self.traffic) {
            let amount = apps.rate * share;
            traffic.accepted.push(amount);
            traffic.refused.push(apps.rate - amount);
            traffic.waiting.push_back(Cohort {
                published: now,
                receives: 0,
                amount,
            });
            let back = traffic.hidden.remove(&now).unwrap_or_default();
            traffic.waiting.extend(back);
        }
        (used, bound)
    }

    /// Delivers a second's waiting events, while `api` uses `used` executions.
    fn deliver(&mut self, now: u32, used: f64) -> Option<Bound> {
        let left = (self.limits.executions - used).max(0.0);
        let slots = self.deliver.scale(self.pollers.min(left));
        self.slots = slots;
        let hidden: f64 = self.traffic.iter().map(Traffic::hidden).sum();
        let waiting: f64 = self.traffic.iter().map(Traffic::waiting).sum();
        let lane = match left < self.limits.pollers {
            true => Bound::Executions,
            false => Bound::Pollers,
        };
        let (mut received, mut bound) = least(
            waiting,
            [
                (slots * self.poller_rate, lane),
                (IN_FLIGHT - hidden, Bound::InFlight),
            ],
        );
        let tried = received;
        let mut shared = self.shared();
        for (apps, traffic) in self.apps.iter().zip(&mut self.traffic) {
            let batch = traffic.receive(received);
            let amount: f64 = batch.iter().map(|cohort| cohort.amount).sum();
            received -= amount;
            let reads = apps.apps * PARTITION_READS / list_units(apps.endpoints);
            let (sent, unsent) = least(amount, [(reads, Bound::AppReads), shared]);
            let writes = apps.apps * apps.endpoints * PARTITION_WRITES;
            let (recorded, unrecorded) = least(sent, [(writes, Bound::EndpointWrites)]);
            shared.0 -= recorded;
            bound = unrecorded.or(unsent).or(bound);
            traffic.record(now, &batch, recorded, amount);
            traffic.sent_again.push(sent - recorded);
        }
        self.seen += tried / slots.max(1.0);
        if self.traffic.iter().any(|apps| apps.waiting() > NOTHING) {
            self.pollers = (self.pollers + POLLERS).min(self.limits.pollers);
        }
        bound
    }

    /// The limit that all apps share: events per second that the table and Secrets Manager
    /// allow.
    fn shared(&self) -> (f64, Bound) {
        let rates: f64 = self.apps.iter().map(|apps| apps.rate).sum();
        let units = self.apps.iter();
        let units: f64 = units
            .map(|apps| apps.rate * list_units(apps.endpoints))
            .sum();
        let endpoints = self.apps.iter().map(|apps| apps.apps * apps.endpoints);
        let endpoints: f64 = endpoints.sum();
        // The share of events whose secret is not cached. After n random events among m
        // endpoints, a process has not seen a given endpoint with probability e^(-n/m). If
        // there are more secrets than the cache holds, some of those seen were evicted.
        let unseen = (-self.seen / endpoints).exp();
        let missing = unseen.max(1.0 - KEPT_SECRETS / endpoints);
        let secrets = self.limits.secret_reads;
        let secrets = secrets.map_or(f64::INFINITY, |reads| reads / missing);
        let table = self.limits.table_units;
        let limits = [
            (table / WRITES_PER_EVENT, Bound::TableWrites),
            (table * rates / units, Bound::TableReads),
            (secrets, Bound::SecretReads),
        ];
        let (least, bound) = least(f64::INFINITY, limits);
        (least, bound.unwrap_or(Bound::TableWrites))
    }
}

impl Traffic {
    pub(super) fn waiting(&self) -> f64 {
        self.waiting.iter().map(|cohort| cohort.amount).sum()
    }

    /// The failed events that are still in flight.
    pub(super) fn hidden(&self) -> f64 {
        let hidden = self.hidden.values().flatten();
        hidden.map(|cohort| cohort.amount).sum()
    }

    /// Removes up to `most` of the waiting events, oldest first.
    fn receive(&mut self, most: f64) -> Vec<Cohort> {
        let (mut left, mut batch) = (most, Vec::new());
        while left > NOTHING {
            let Some(cohort) = self.waiting.pop_front() else {
                break;
            };
            let amount = cohort.amount.min(left);
            left -= amount;
            batch.push(Cohort { amount, ..cohort });
            if cohort.amount - amount > NOTHING {
                self.waiting.push_front(Cohort {
                    amount: cohort.amount - amount,
                    ..cohort
                });
            }
        }
        batch
    }

    /// Records that `recorded` of the batch's `of` events were delivered. The others come
    /// back after the delay of the service's own policy.
    fn record(&mut self, now: u32, batch: &[Cohort], recorded: f64, of: f64) {
        let share = match of > NOTHING {
            true => recorded / of,
            false => 1.0,
        };
        self.delivered.push(recorded);
        for cohort in batch {
            let done = cohort.amount * share;
            self.delays
                .push((cohort.published, now - cohort.published, done));
            let failed = cohort.amount - done;
            if failed > NOTHING {
                let receives = cohort.receives + 1;
                let delay = u32::try_from(delay_after(receives).as_secs());
                let back = now.saturating_add(delay.unwrap_or(u32::MAX));
                self.hidden.entry(back).or_default().push(Cohort {
                    receives,
                    amount: failed,
                    ..*cohort
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::Intake;
    use super::*;

    const LIMITS: Limits = Limits {
        intake: Intake::OnTheQueue,
        throttle: 100.0,
        api_requests: 10_000.0,
        executions: 1_000.0,
        pollers: 100.0,
        table_units: 40_000.0,
        secret_reads: None,
    };

    fn apps(apps: f64, rate: f64) -> Apps {
        Apps {
            apps,
            endpoints: 1.0,
            rate,
        }
    }

    #[test]
    fn environments_grow_by_1000_at_once_and_100_a_second() {
        let mut environments = Environments::none();
        let grown = [5_000.0; 3].map(|needed| environments.scale(needed));
        assert!((grown[0] - 1_000.0).abs() < NOTHING);
        assert!((grown[1] - 1_100.0).abs() < NOTHING);
        assert!((grown[2] - 1_200.0).abs() < NOTHING);
        assert!((environments.scale(3.0) - 3.0).abs() < NOTHING);
    }

    #[test]
    fn functions_share_the_executions_of_the_account() {
        let limits = Limits {
            intake: Intake::Singly,
            throttle: 10_000.0,
            executions: 30.0,
            ..LIMITS
        };
        let flow = Flow::run(limits, 10.0, vec![apps(100.0, 290.0)], 60);
        // 290 requests a second take 5.8 of the 30 executions, and the lane would need 29.
        assert_eq!(flow.bounds[59], [None, Some(Bound::Executions)]);
    }

    #[test]
    fn messages_that_come_back_use_up_what_may_be_in_flight() {
        let limits = Limits {
            pollers: 900.0,
            ..LIMITS
        };
        let all = vec![apps(1_000.0, 500.0), apps(1.0, 2_000.0)];
        let flow = Flow::run(limits, 60.0, all, 600);
        let [others, hot] = &flow.traffic[..] else {
            panic!("two kinds of apps");
        };
        let hidden = others.hidden() + hot.hidden();
        assert!((0.9 * IN_FLIGHT..=IN_FLIGHT).contains(&hidden), "{hidden}");
        assert!((hot.delivered[599] - PARTITION_WRITES).abs() < NOTHING);
        assert!((others.delivered[599] - 500.0).abs() < NOTHING);
    }
}
