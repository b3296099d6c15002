//! What the simulation assumes.

use std::time::Duration;

use local::mapping::{Mapping, mapping, number};
use webhook_endpoints::domain::decision::Policy;
use webhook_endpoints::domain::health::HealthPolicy;
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::domain::retry::RetrySchedule;

use crate::error::BoxError;

/// How messages are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// One queue, oldest first. Nothing is known about the health of endpoints.
    OneQueue,
    /// The same, as a fair queue.
    FairQueue,
    /// Two queues, neither of them fair, and the health of endpoints: what emulators do.
    PlainLanes,
    /// Two fair queues, and the health of endpoints: what a deployment does.
    FairLanes,
}

impl Isolation {
    pub(super) fn is_fair(self) -> bool {
        matches!(self, Self::FairQueue | Self::FairLanes)
    }

    pub(super) fn has_lanes(self) -> bool {
        matches!(self, Self::PlainLanes | Self::FairLanes)
    }
}

/// A deployment and the receivers' speed.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub isolation: Isolation,
    /// Whether Lambda has as many pollers as it may from the beginning, as after a
    /// while at this load.
    pub is_warm: bool,
    pub fast: Mapping,
    pub slow: Mapping,
    pub policy: Policy,
    /// `DeliveryTimeoutSeconds`.
    pub timeout: Duration,
    /// The median of what a healthy receiver takes.
    pub receiver: Duration,
    pub costs: Costs,
}

/// What the function's own work takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Costs {
    /// One call to DynamoDB or SQS.
    pub call: Duration,
    /// From sending a message until an idle poller passes it on.
    pub hop: Duration,
    /// What the first invocation of an instance takes in addition.
    pub cold_start: Duration,
    /// CPU time of an invocation, whatever its batch holds.
    pub invocation: Duration,
    /// CPU time of each message.
    pub message: Duration,
}

impl Costs {
    /// Calls and cold starts are assumptions. CPU times solve docs/performance.md for
    /// a message alone (0.49 ms) and in a batch of ten (0.23 ms each). The function
    /// has the share of a CPU that comes with 256 MB; 1,769 MB come with a whole one.
    const DEFAULT: Self = Self {
        call: Duration::from_millis(8),
        hop: Duration::from_millis(15),
        cold_start: Duration::from_millis(200),
        invocation: Duration::from_micros(290 * 1_769 / 256),
        message: Duration::from_micros(200 * 1_769 / 256),
    };

    /// When the work on the `index`-th message of a batch has got its CPU time.
    pub(super) fn cpu(&self, index: usize) -> Duration {
        let messages = u32::try_from(index + 1).unwrap_or(u32::MAX);
        self.invocation + self.message * messages
    }
}

impl Model {
    /// The deployment that the template describes.
    pub(super) fn of_template(receiver: Duration) -> Result<Self, BoxError> {
        Ok(Self {
            isolation: Isolation::FairLanes,
            is_warm: true,
            fast: mapping(Lane::Fast)?,
            slow: mapping(Lane::Slow)?,
            policy: Policy {
                schedule: RetrySchedule::default(),
                health: HealthPolicy {
                    slow_after: Duration::from_secs(number("SlowAfterSeconds")?),
                    pause_after: Duration::from_secs(number("PauseAfterSeconds")?),
                    ..HealthPolicy::default()
                },
            },
            timeout: Duration::from_secs(number("DeliveryTimeoutSeconds")?),
            receiver,
            costs: Costs::DEFAULT,
        })
    }

    pub(super) fn mapping(&self, lane: Lane) -> Mapping {
        match lane {
            Lane::Fast => self.fast,
            Lane::Slow => self.slow,
        }
    }

    /// The same deployment with other concurrencies.
    pub(super) fn with(&self, concurrency: Concurrency) -> Self {
        let mut model = self.clone();
        model.fast.concurrency = concurrency.fast;
        model.slow.concurrency = concurrency.slow;
        model
    }

    pub(super) fn concurrency(&self) -> Concurrency {
        Concurrency {
            fast: self.fast.concurrency,
            slow: self.slow.concurrency,
        }
    }
}

/// `MaximumConcurrency` of both lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Concurrency {
    pub fast: usize,
    pub slow: usize,
}
