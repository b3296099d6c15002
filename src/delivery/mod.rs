//! Handles the messages of the delivery queues, up to the recorded outcome.
//!
//! Handling a message may send further messages, so every chain of messages must end by
//! itself. (Lambda's recursive loop detection would stop a chain after about 16
//! invocations. Recoveries, sweeps and retries need more, so the template turns it off.)
//!
//! | Message | May send | Why it ends |
//! |---|---|---|
//! | event | a delivery for each endpoint, or the next attempt of one made at once | Deliveries send no events. |
//! | event | itself with an id, if it has none and came back | Then it has one. |
//! | event | itself, delayed, while another message fans it out | By then, that message is done or its lease is over, and this one takes over. |
//! | delivery | itself, on the slow lane | The slow lane moves nothing. |
//! | delivery | itself, delayed until its turn at an endpoint with a rate limit | It keeps its turn. If many come late, each batch sends at least one of them. |
//! | delivery | its next attempt | The schedule has at most 21 attempts. |
//! | delivery | tend, when a pause begins or ends | See tend. |
//! | delivery, tend, delete app | a notice, which is an event of the reserved app | Nothing about the reserved app is notified. |
//! | delivery | tend, when it begins to wait for its turn | See tend. |
//! | recover | deliveries, and the rest of the recovery | Each step goes further back in a finite history, and `remaining` decreases. |
//! | replay | deliveries, and the rest of the replay | Each step goes forward through finite histories, in a fixed span of time. |
//! | tend | deliveries, and itself | It sends what waits, which only events and attempts add to, and ends after a last look. While no turn is free, it waits for ten minutes. Probes wait longer each time, until the endpoint is disabled. |
//! | delete app | itself | Each step removes something, or is the one that waits until the deletion mark may go. |
//! | erase | nothing | |
//! | sweep | deliveries, tends, deletions of apps, and itself if a shard held more attempts than a sweep takes | It continues only after it took attempts out of its own sight. Their next attempts are due later than it looks ahead. |

mod answer;
mod at_once;
mod attempt;
pub mod batch;
mod classify;
mod connections;
mod connector;
mod credentials;
mod deadline;
pub mod delete_app;
mod drain;
pub mod egress;
pub mod enqueue_due;
mod ephemeral;
mod erase;
mod fan_out;
mod finish_deletions;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod give_back;
mod health;
pub mod metrics;
pub mod notices;
mod owed;
mod progress;
mod received;
mod recover;
mod replay;
mod retry_after;
mod running;
pub mod sender;
pub mod slow;
mod status_line;
mod take_over;
mod tend;
mod turns;

use std::time::Duration;

use crate::aws::{StoreError, Stores};
use crate::clock::Clock;
use crate::domain::decision::Policy;
use crate::domain::payload_format::PayloadFormat;
use crate::domain::route::MOST_AT_ONCE;
use crate::domain::webhook_headers::WebhookHeaders;
pub use deadline::Deadline;
use metrics::Metrics;
use notices::NotifiedFailures;
use sender::{SendError, Sender};
use slow::SlowNotes;

/// Handles the messages of the delivery queues. The entry point is
/// [`batch::handle_batch`].
#[derive(Debug)]
pub struct Deliverer {
    /// The table, the secrets and the queues.
    pub stores: Stores,
    /// The HTTP client for receivers.
    pub sender: Sender,
    /// The system's clock, or a test's.
    pub clock: Clock,
    /// How long events and deliveries are kept after they were accepted.
    pub retention: Duration,
    /// Retries and endpoint health.
    pub policy: Policy,
    /// The headers that sign and identify a delivery.
    pub webhook_headers: WebhookHeaders,
    /// The form in which receivers get an event.
    pub payload_format: PayloadFormat,
    /// How much work one message does before it leaves the rest to another.
    pub chunks: ChunkSizes,
    /// Waiting deliveries sent per second to each endpoint that works again.
    pub drain_per_second: u16,
    /// See [`STRAGGLERS`]. Tests shorten it.
    pub stragglers: Duration,
    /// How long a message may take to fan an event out before another one may take over.
    pub fan_out_lease: Duration,
    /// Endpoints that this process has recently marked as slow.
    pub slow_notes: SlowNotes,
    /// Endpoints whose failed deliveries this process has recently notified.
    pub notified_failures: NotifiedFailures,
    /// Writes metrics, which are also log lines.
    pub metrics: Metrics,
}

/// How long after the last waiting delivery was handled to look for stragglers. An
/// attempt that read the endpoint just before its pause ended can mark its delivery as
/// waiting for as long as the function runs (60 s), and the index follows within a
/// second. For the same reason, a claimed probe or drain step is over by then.
pub const STRAGGLERS: Duration = Duration::from_secs(90);

/// How much work one message does before it leaves the rest to another, so that none runs
/// into the function's timeout.
#[derive(Debug, Clone, Copy)]
pub struct ChunkSizes {
    /// Endpoints of an event that are attempted at once. With more, all get messages.
    pub at_once: usize,
    /// Deliveries that a recovery repeats, or events that a replay sends.
    pub recovery: u16,
    /// Due attempts that a sweep takes from one shard of the schedule.
    pub due: u16,
    /// Waiting deliveries that one step sends or ends.
    pub waiting: u16,
    /// Interrupted deletions of endpoints that a sweep finishes.
    pub deletions: u16,
    /// Deliveries of a deleted app that one step removes, approximately.
    pub history: u16,
}

impl Default for ChunkSizes {
    fn default() -> Self {
        Self {
            at_once: MOST_AT_ONCE,
            recovery: 500,
            due: 500,
            waiting: 300,
            deletions: 100,
            history: 1000,
        }
    }
}

/// Why a message could not be handled. The message comes back, and handling it again is
/// safe.
#[derive(Debug, thiserror::Error)]
enum HandleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("neither the event nor its message has an id")]
    EventWithoutId,
    #[error("the payload cannot be written as JSON: {0}")]
    Payload(#[from] serde_json::Error),
    #[error("the endpoint's filter cannot be decoded")]
    UnreadableFilter,
    #[error("the endpoint's secret version does not exist")]
    SecretMissing,
    #[error("the attempt could not be made: {0}")]
    Send(#[from] SendError),
    #[error("the function's time ran out")]
    OutOfTime,
}

impl HandleError {
    /// Whether AWS is the cause, so that the same message succeeds once AWS works again.
    /// Time runs out because AWS calls are slow, and descriptors because too many are
    /// open.
    fn is_outage(&self) -> bool {
        match self {
            Self::Store(StoreError::Aws(error)) => !error.blames_request(),
            Self::OutOfTime | Self::Send(SendError::OutOfDescriptors) => true,
            Self::Store(StoreError::Malformed { .. })
            | Self::Send(SendError::Header(_))
            | Self::EventWithoutId
            | Self::Payload(_)
            | Self::UnreadableFilter
            | Self::SecretMissing => false,
        }
    }
}
