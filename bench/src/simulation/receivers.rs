//! Endpoints and the behaviour of their receivers.

use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng, RngExt};
use webhook_endpoints::domain::address::AddressPolicy;
use webhook_endpoints::domain::audience::Audience;
use webhook_endpoints::domain::channel::Channels;
use webhook_endpoints::domain::decision::AttemptContext;
use webhook_endpoints::domain::delivery::{Answer, Attempt, Verdict};
use webhook_endpoints::domain::endpoint::{Endpoint, EndpointKey, NewEndpoint, SecretVersion};
use webhook_endpoints::domain::event::{FanOut, StoredEvent, StoredPayload};
use webhook_endpoints::domain::event_type::{EventType, Subscriptions};
use webhook_endpoints::domain::failure::Failure;
use webhook_endpoints::domain::health::Health;
use webhook_endpoints::domain::id::{AppId, DeliveryId, EndpointId, EventId};
use webhook_endpoints::domain::labels::Labels;
use webhook_endpoints::domain::message::{DeliveryTask, Source};
use webhook_endpoints::domain::target_url::TargetUrl;

use super::model::Model;
use crate::error::BoxError;

/// The standard deviation of the logarithm of a healthy receiver's response time. With this
/// value, one attempt in a hundred takes more than three times the median.
const SPREAD: f64 = 0.5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Responds with 200 quickly.
    Healthy,
    /// Responds with 200 after 5 seconds.
    Slow,
    /// Never responds.
    Hangs,
}

impl Behaviour {
    /// One response: how long it takes, and its verdict.
    pub(super) fn answer(self, model: &Model, rng: &mut impl Rng) -> (Duration, Verdict) {
        let took = match self {
            Self::Healthy => model.receiver.mul_f64((SPREAD * normal(rng)).exp()),
            Self::Slow => Duration::from_secs(5),
            Self::Hangs => model.timeout,
        };
        if took >= model.timeout {
            return (model.timeout, Verdict::Failed(Failure::Timeout));
        }
        (took, Verdict::Answered(Answer::bare(200)))
    }
}

/// A sample of the standard normal distribution (Box–Muller transform).
fn normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// The time until the next event, if events arrive at random at `rate` per second: an
/// exponentially distributed sample.
pub(super) fn until_next(rate: f64, rng: &mut impl Rng) -> Duration {
    Duration::from_secs_f64(-(1.0 - rng.random::<f64>()).ln() / rate)
}

/// A registered endpoint, its receiver, and its waiting deliveries.
#[derive(Debug)]
pub(super) struct Receiver {
    pub behaviour: Behaviour,
    pub endpoint: Endpoint,
    /// Its app, as an index.
    pub app: usize,
    /// Deliveries that wait for the end of its pause.
    pub waiting: u32,
    /// The task of any delivery's first attempt: to the policy, all deliveries are the same.
    first: DeliveryTask,
    event: StoredEvent,
}

impl Receiver {
    pub(super) fn new(behaviour: Behaviour, app: usize) -> Result<Self, BoxError> {
        let key = EndpointKey {
            app_id: AppId::new(),
            endpoint_id: EndpointId::new(),
        };
        let event_type = "event";
        let events = Subscriptions::parse("events", [event_type]);
        let new = NewEndpoint {
            url: TargetUrl::parse("https://example.com", AddressPolicy::PublicOnly)?,
            events: events.map_err(|_| "no subscriptions")?,
            active: true,
            rate_limit: None,
            labels: Labels::default(),
            channels: Channels::default(),
            filter: None,
        };
        let begin = Timestamp::UNIX_EPOCH;
        let expires_at = begin + Duration::from_secs(30 * 24 * 60 * 60);
        Ok(Self {
            behaviour,
            endpoint: new.registered(key, SecretVersion::new("1"), begin),
            app,
            waiting: 0,
            first: DeliveryTask {
                endpoint: key,
                delivery_id: DeliveryId::MIN,
                source: Source::Event(EventId::new()),
                event: EventType::parse(event_type)?,
                created_at: begin,
                expires_at,
                attempt: 1,
                resend: false,
                has_turn: false,
                if_owed: false,
                ephemeral: false,
            },
            event: StoredEvent {
                r#type: EventType::parse(event_type)?,
                accepted_at: begin,
                expires_at,
                payload: StoredPayload::Kept(String::new()),
                kept_for: None,
                audience: Audience::default(),
                fan_out: FanOut {
                    by: String::new(),
                    since: begin,
                },
            },
        })
    }

    /// The task of an attempt at one of its deliveries.
    pub(super) fn task(&self, attempt: u32) -> DeliveryTask {
        DeliveryTask {
            attempt,
            ..self.first.clone()
        }
    }

    /// The items that are read before an attempt.
    pub(super) fn context(&self) -> AttemptContext {
        AttemptContext {
            endpoint: Some(self.endpoint.clone()),
            delivery: None,
            event: Some(self.event.clone()),
        }
    }

    /// Writes the changed parts of its health, unless one of them has changed since it was
    /// read, like the conditional write in the table. Returns whether it was written.
    pub(super) fn set_health(&mut self, old: &Health, new: &Health) -> bool {
        let health = &mut self.endpoint.health;
        let is_stale = old.slow_since != new.slow_since && health.slow_since != old.slow_since
            || old.failing != new.failing && health.failing != old.failing
            || old.pause != new.pause && health.pause != old.pause;
        if is_stale {
            return false;
        }
        if old.slow_since != new.slow_since {
            health.slow_since = new.slow_since;
        }
        if old.failing != new.failing {
            health.failing = new.failing;
        }
        if old.pause != new.pause {
            health.pause = new.pause;
        }
        true
    }
}

/// An attempt in the policy's terms.
pub(super) fn attempt(
    number: u32,
    started_at: Duration,
    took: Duration,
    verdict: Verdict,
) -> Attempt {
    Attempt {
        number,
        started_at: timestamp(started_at),
        duration_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
        verdict,
    }
}

/// Converts a time of the simulation to the policy's.
pub(super) fn timestamp(at: Duration) -> Timestamp {
    Timestamp::UNIX_EPOCH + at
}

/// The inverse of [`timestamp`].
pub(super) fn since_start(at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn model() -> Model {
        Model::of_template(Duration::from_millis(50)).unwrap()
    }

    #[test]
    fn healthy_answers_have_the_median_of_the_model() {
        let (model, mut rng) = (model(), StdRng::seed_from_u64(1));
        let mut took: Vec<_> = (0..2_001)
            .map(|_| Behaviour::Healthy.answer(&model, &mut rng).0)
            .collect();
        took.sort_unstable();
        let median = took[1_000].as_secs_f64();
        assert!((0.045..0.055).contains(&median), "{median}");
    }

    #[test]
    fn attempt_that_hangs_times_out() {
        let model = model();
        let (took, verdict) = Behaviour::Hangs.answer(&model, &mut rand::rng());
        assert_eq!(took, model.timeout);
        assert_eq!(verdict, Verdict::Failed(Failure::Timeout));
    }

    #[test]
    fn events_arrive_at_their_rate() {
        let mut rng = StdRng::seed_from_u64(1);
        let took: Duration = (0..10_000).map(|_| until_next(50.0, &mut rng)).sum();
        assert!((190.0..210.0).contains(&took.as_secs_f64()), "{took:?}");
    }

    #[test]
    fn stale_health_is_not_written() {
        let mut receiver = Receiver::new(Behaviour::Healthy, 0).unwrap();
        let well = Health::default();
        let slow_since = |seconds| Health {
            slow_since: Some(timestamp(Duration::from_secs(seconds))),
            ..well
        };
        assert!(receiver.set_health(&well, &slow_since(1)));
        assert!(!receiver.set_health(&well, &slow_since(2)));
        assert_eq!(receiver.endpoint.health, slow_since(1));
    }
}
