//! From queue message to recorded outcome.

mod attempt;
pub mod batch;
mod connections;
pub mod egress;
mod enqueue_due;
mod fan_out;
mod health;
pub mod metrics;
mod recover;
pub mod sender;
pub mod slow;
mod tend;
mod turns;

use std::time::Duration;

use crate::aws::{StoreError, Stores};
use crate::clock::Clock;
use crate::domain::decision::Policy;
use metrics::Metrics;
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
    /// How much one message does.
    pub chunks: ChunkSizes,
    /// Waiting deliveries that are sent a second, for each endpoint that works again.
    pub drain_per_second: u16,
    /// How long after the last waiting delivery was seen to there is another look.
    pub stragglers: Duration,
    /// Endpoints that this process has noted as slow.
    pub slow_notes: SlowNotes,
    /// Where metrics go.
    pub metrics: Metrics,
}

/// How long after the last waiting delivery was seen to there is another look: an
/// attempt that read the endpoint just before its pause ended may have its delivery
/// wait for as long as the function runs (60 s), and the index follows within a
/// second.
pub const STRAGGLERS: Duration = Duration::from_secs(90);

/// How much one message does before it leaves the rest to a next one, so that
/// none runs into the function's timeout.
#[derive(Debug, Clone, Copy)]
pub struct ChunkSizes {
    /// Deliveries that a recovery makes again.
    pub recovery: u16,
    /// Due attempts that are taken from a shard of the schedule.
    pub due: u16,
    /// Waiting deliveries that are sent, or ended.
    pub waiting: u16,
}

impl Default for ChunkSizes {
    fn default() -> Self {
        Self {
            recovery: 500,
            due: 500,
            waiting: 300,
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
}
