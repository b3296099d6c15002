//! From queue message to recorded outcome.
//!
//! Handling a message may send further ones, so every chain of messages has to end by
//! itself. (Lambda would end it after about 16, which recoveries, sweeps and retries
//! need more than; so the template turns its detection of recursive loops off.)
//!
//! | Message | May send | Why it ends |
//! |---|---|---|
//! | event | a delivery for each endpoint, or its next attempt | Deliveries send no events. |
//! | event | itself with an id, if it has none and comes back | Then it has one. |
//! | event | itself, if another message fans it out | It waits until that one has ended or its lease is over, and then does it itself. |
//! | delivery | the same one in the slow lane | The slow lane moves none. |
//! | delivery | its next attempt | The schedule has at most 21 attempts. |
//! | delivery | tend, when a pause begins or ends | See tend. |
//! | delivery, tend, delete app | a notice, which is an event of the reserved app | Nothing is told of the reserved app. |
//! | delivery | tend, when it begins to wait for its turn | See tend. |
//! | recover | deliveries, and the rest of the recovery | Each goes back further in a history that ends, and `remaining` decreases. |
//! | replay | deliveries, and the rest of the replay | Each goes on in histories that end, in a span that does not grow. |
//! | tend | deliveries, and itself | It drains what waits, which only events and attempts add to, and takes a last look. While no turn is free, it waits for ten minutes. Probes wait longer each time, until the endpoint is disabled. |
//! | delete app | itself | Each step removes something, or is the one that waits until the mark may go. |
//! | erase | nothing | |
//! | sweep | deliveries, tends, deletions of apps, and itself if a shard held more attempts than a sweep takes | It goes on only after it took attempts out of its own sight. The attempts that follow from these are due later than it looks ahead. |

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
use notices::ToldFailures;
use sender::{SendError, Sender};
use slow::SlowNotes;

/// Does what the messages of the delivery queue ask for. [`batch::handle_batch`]
/// is the way in.
#[derive(Debug)]
pub struct Deliverer {
    /// Where everything is kept.
    pub stores: Stores,
    /// What sends.
    pub sender: Sender,
    /// Where the time comes from.
    pub clock: Clock,
    /// How long the history is kept.
    pub retention: Duration,
    /// What follows from an attempt.
    pub policy: Policy,
    /// How receivers recognise deliveries.
    pub webhook_headers: WebhookHeaders,
    /// The form in which receivers get an event.
    pub payload_format: PayloadFormat,
    /// How much one message does.
    pub chunks: ChunkSizes,
    /// Waiting deliveries that are sent a second, for each endpoint that works again.
    pub drain_per_second: u16,
    /// How long after the last waiting delivery was seen to there is another look.
    pub stragglers: Duration,
    /// How long a message has to fan an event out before another one may do it.
    pub fan_out_lease: Duration,
    /// Endpoints that this process has noted as slow.
    pub slow_notes: SlowNotes,
    /// Endpoints that this process has told failed deliveries of.
    pub told_failures: ToldFailures,
    /// Where metrics go.
    pub metrics: Metrics,
}

/// How long after the last waiting delivery was seen to there is another look: an
/// attempt that read the endpoint just before its pause ended may have its delivery
/// wait for as long as the function runs (60 s), and the index follows within a
/// second. For the same reason, a claimed probe or step of a drain is over by then.
pub const STRAGGLERS: Duration = Duration::from_secs(90);

/// How much one message does before it leaves the rest to a next one, so that
/// none runs into the function's timeout.
#[derive(Debug, Clone, Copy)]
pub struct ChunkSizes {
    /// Endpoints of an event that are attempted at once.
    pub at_once: usize,
    /// Deliveries that a recovery makes again.
    pub recovery: u16,
    /// Due attempts that are taken from a shard of the schedule.
    pub due: u16,
    /// Waiting deliveries that are sent, or ended.
    pub waiting: u16,
    /// Interrupted deletions of endpoints that are finished.
    pub deletions: u16,
    /// Deliveries of a deleted app that are removed, about.
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

/// Why a message could not be handled. It comes back, and nothing is lost if it
/// is handled again.
#[derive(Debug, thiserror::Error)]
enum HandleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("neither the event nor its message has an id")]
    EventWithoutId,
    #[error("the payload cannot be written as JSON: {0}")]
    Payload(#[from] serde_json::Error),
    #[error("the endpoint's secret version does not exist")]
    SecretMissing,
    #[error("the attempt could not be made: {0}")]
    Send(#[from] SendError),
    #[error("the function's time ran out")]
    OutOfTime,
}

impl HandleError {
    /// Whether AWS did not do its part, so that the same message succeeds once it does.
    /// Time runs out because of slow calls to AWS, and descriptors because of too many.
    fn is_outage(&self) -> bool {
        match self {
            Self::Store(StoreError::Aws(error)) => !error.blames_request(),
            Self::OutOfTime | Self::Send(SendError::OutOfDescriptors) => true,
            Self::Store(StoreError::Malformed { .. })
            | Self::Send(SendError::Header(_))
            | Self::EventWithoutId
            | Self::Payload(_)
            | Self::SecretMissing => false,
        }
    }
}
