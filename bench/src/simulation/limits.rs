//! The AWS quotas that apply to an event, and the operator's settings. docs/capacity.md
//! cites AWS's page for each quota.

use std::fmt;
use std::time::Duration;

use local::mapping::number;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::model::Model;
use super::receivers::Behaviour;
use crate::error::BoxError;

/// API Gateway's requests per second, per account and Region.
const API_REQUESTS: f64 = 10_000.0;

/// Lambda's concurrent executions, per account and Region.
const EXECUTIONS: f64 = 1_000.0;

/// Executions that Lambda can add to a function in ten seconds, and so also at once.
pub(super) const SCALING_BURST: f64 = 1_000.0;

/// The same per second, as a sustained rate.
pub(super) const SCALING: f64 = SCALING_BURST / 10.0;

/// Requests per second that Lambda accepts for each concurrent execution.
pub(super) const REQUESTS_PER_EXECUTION: f64 = 10.0;

/// Largest `MaximumConcurrency` of an event source mapping.
const MOST_POLLERS: f64 = 1_000.0;

/// Messages of a queue that are received but not yet deleted.
pub(super) const IN_FLIGHT: f64 = 120_000.0;

/// Units per second of one table partition.
pub(super) const PARTITION_WRITES: f64 = 1_000.0;
pub(super) const PARTITION_READS: f64 = 3_000.0;

/// Read or write units per second of an on-demand table.
const TABLE_UNITS: f64 = 40_000.0;

/// `GetSecretValue` calls per second.
const SECRET_READS: f64 = 10_000.0;

/// Secrets that a process of the delivery function caches.
pub(super) const KEPT_SECRETS: f64 = 50_000.0;

/// Write units of an event and its delivery (docs/performance.md).
pub(super) const WRITES_PER_EVENT: f64 = 2.0;

/// Endpoints that one read unit covers (docs/performance.md: a hundred endpoints take four).
const ENDPOINTS_PER_UNIT: f64 = 25.0;

/// Read units of the list of an app's endpoints, which is read for each event.
pub(super) fn list_units(endpoints: f64) -> f64 {
    (endpoints / ENDPOINTS_PER_UNIT).ceil()
}

/// The number of batches that [`poller_rate`] averages, and the seed for their receivers.
const SAMPLES: u32 = 2_000;
const SEED: u64 = 12;

/// Events per second of one fast-lane poller with full batches. A batch takes two calls, as
/// long as its slowest receiver, and the call that records the attempt.
pub(super) fn poller_rate(model: &Model) -> f64 {
    let mut rng = StdRng::seed_from_u64(SEED);
    let size = model.fast.batch_size;
    let work = model.costs.cpu(size.saturating_sub(1)) + model.costs.call * 3;
    let mut all = Duration::ZERO;
    for _ in 0..SAMPLES {
        let answers = (0..size).map(|_| Behaviour::Healthy.answer(model, &mut rng).0);
        all += work + answers.max().unwrap_or_default();
    }
    let size = f64::from(u32::try_from(size).unwrap_or(u32::MAX));
    f64::from(SAMPLES) * size / all.as_secs_f64()
}

/// How events are published.
#[derive(Debug, Clone, Copy)]
pub(super) enum Intake {
    /// An API request for each event.
    Singly,
    /// A hundred in each request.
    InBatches,
    /// Messages that other services put on the queue.
    OnTheQueue,
}

impl Intake {
    /// Events per API request, and the duration of the request in seconds (docs/cost.md).
    pub(super) fn request(self) -> Option<(f64, f64)> {
        match self {
            Self::Singly => Some((1.0, 0.02)),
            Self::InBatches => Some((100.0, 0.06)),
            Self::OnTheQueue => None,
        }
    }
}

/// What a deployment may use per second, or at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub intake: Intake,
    /// `ThrottlingRateLimit`.
    pub throttle: f64,
    pub api_requests: f64,
    pub executions: f64,
    /// `DeliveryMaxConcurrency`.
    pub pollers: f64,
    pub table_units: f64,
    /// `GetSecretValue` calls per second. `None` if secrets are sealed.
    pub secret_reads: Option<f64>,
}

impl Limits {
    /// The template's defaults, in an account with AWS's default quotas.
    pub(super) fn defaults(model: &Model) -> Result<Self, BoxError> {
        let pollers = u32::try_from(model.fast.concurrency)?;
        Ok(Self {
            intake: Intake::InBatches,
            throttle: f64::from(u32::try_from(number("ThrottlingRateLimit")?)?),
            api_requests: API_REQUESTS,
            executions: EXECUTIONS,
            pollers: f64::from(pollers),
            table_units: TABLE_UNITS,
            secret_reads: Some(SECRET_READS),
        })
    }

    /// The highest useful parameters in an account with AWS's default quotas. `pollers`
    /// leaves 200 executions for `api` and the slow lane.
    pub(super) fn raised(self) -> Self {
        Self {
            throttle: API_REQUESTS,
            pollers: 800.0,
            ..self
        }
    }

    /// The remaining limits if AWS raises every quota that it can.
    pub(super) fn lifted(self) -> Self {
        Self {
            intake: Intake::OnTheQueue,
            executions: 100.0 * EXECUTIONS,
            pollers: MOST_POLLERS,
            table_units: 100.0 * TABLE_UNITS,
            secret_reads: None,
            ..self
        }
    }
}

/// The limit that makes events wait or be rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Throttle,
    ApiRequests,
    ApiExecutions,
    Pollers,
    Executions,
    InFlight,
    TableWrites,
    TableReads,
    AppReads,
    EndpointWrites,
    SecretReads,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throttle => "`ThrottlingRateLimit`",
            Self::ApiRequests => "API Gateway's quota",
            Self::ApiExecutions => "Lambda's quota, for `api`",
            Self::Pollers => "`DeliveryMaxConcurrency`",
            Self::Executions => "Lambda's quota, for `deliver`",
            Self::InFlight => "messages in flight",
            Self::TableWrites => "the table's writes",
            Self::TableReads => "the table's reads",
            Self::AppReads => "the app's partition: reads",
            Self::EndpointWrites => "the endpoint's partition: writes",
            Self::SecretReads => "`GetSecretValue`",
        })
    }
}
