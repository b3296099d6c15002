//! The simulation's assumptions.

use std::time::Duration;

use local::mapping::{Mapping, mapping, number};
use webhook_endpoints::domain::decision::Policy;
use webhook_endpoints::domain::health::HealthPolicy;
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::domain::retry::RetrySchedule;

use crate::error::BoxError;

/// How healthy and unhealthy endpoints are isolated from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// One queue, oldest first, and no tracking of endpoints' health.
    OneQueue,
    /// The same with a fair queue.
    FairQueue,
    /// Two queues that are not fair, with health tracking, as with the emulators.
    PlainLanes,
    /// Two fair queues, with health tracking, as in a deployment.
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
    /// Whether all pollers that Lambda may use run from the beginning, as they do after
    /// some time at this load.
    pub is_warm: bool,
    pub fast: Mapping,
    pub slow: Mapping,
    pub policy: Policy,
    /// `DeliveryTimeoutSeconds`.
    pub timeout: Duration,
    /// The median response time of a healthy receiver.
    pub receiver: Duration,
    pub costs: Costs,
}

/// The time that the function's own work takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Costs {
    /// One call to DynamoDB or SQS.
    pub call: Duration,
    /// The time from sending a message until an idle poller passes it on.
    pub hop: Duration,
    /// Additional time of an instance's first invocation.
    pub cold_start: Duration,
    /// CPU time of an invocation, regardless of its batch size.
    pub invocation: Duration,
    /// CPU time of each message.
    pub message: Duration,
}

impl Costs {
    /// Calls and cold starts are assumptions. The CPU times follow from docs/performance.md:
    /// a message takes 0.49 ms alone (290 + 200 µs) and 0.23 ms in a batch of ten
    /// (29 + 200 µs). Lambda gives a function CPU in proportion to its memory, a whole
    /// CPU at 1,769 MB, so with 256 MB the work takes 1,769 / 256 times as long.
    const DEFAULT: Self = Self {
        call: Duration::from_millis(8),
        hop: Duration::from_millis(15),
        cold_start: Duration::from_millis(200),
        invocation: Duration::from_micros(290 * 1_769 / 256),
        message: Duration::from_micros(200 * 1_769 / 256),
    };

    /// When the `index`-th message of a batch has had its CPU time, from the start of the
    /// invocation.
    pub(super) fn cpu(&self, index: usize) -> Duration {
        let messages = u32::try_from(index + 1).unwrap_or(u32::MAX);
        self.invocation + self.message * messages
    }
}

impl Model {
    /// The deployment that the template describes, with its default parameters.
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

    /// The same deployment with another concurrency.
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
