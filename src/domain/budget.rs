//! Budgets for expensive operations: test pings, recoveries, replays, rotations and searches.
//!
//! An endpoint's usage is stored in its item, which these calls read or update anyway. A slot
//! has a lease, so that a process that crashes while it holds one does not block it forever.

use std::time::Duration;

use jiff::Timestamp;

use super::endpoint::EndpointKey;
use super::id::{DeliveryId, EventId};
use super::message::Recovery;
use super::replay::Replay;

/// How long a recovery or replay counts as under way after its request or its last chunk. This
/// is longer than a chunk is retried that fails because of a defect
/// ([`DEFECT_RECEIVES`](super::redelivery::DEFECT_RECEIVES)), so a second one can begin beside
/// it only during a longer outage of AWS.
pub const RECOVERY_LEASE: Duration = Duration::from_secs(30 * 60);

/// The window of [`Budgets::rotations_per_day`].
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits on expensive operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// How long a test ping can hold its endpoint's slot without an outcome. An attempt takes
    /// at most 30 s; the rest is for its way through the queue. Normally, the slot is free
    /// earlier, as soon as the outcome is recorded.
    pub ping_lease: Duration,
    /// How many test pings an app can send per clock minute.
    pub pings_per_minute: u32,
    /// The shortest time between two rotations of an endpoint's secret. Zero disables the
    /// check, even for concurrent rotations.
    pub rotation_pause: Duration,
    /// How often an endpoint's secret can be rotated per window of 24 hours. A new window
    /// begins with the first rotation after the previous one is over. So any 24 hours can have
    /// up to twice as many rotations, and Secrets Manager keeps about 100 versions of that age.
    pub rotations_per_day: u32,
    /// How long a request searches the history before it returns what it has found.
    pub search_time: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            ping_lease: Duration::from_secs(60),
            pings_per_minute: 30,
            rotation_pause: Duration::from_secs(10),
            rotations_per_day: 50,
            search_time: Duration::from_secs(5),
        }
    }
}

/// An endpoint's usage of its budgets. Entries stay until they are replaced, so they may be
/// outdated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The last test ping.
    pub ping: Option<PingSlot>,
    /// The recovery or replay under way. Removed when it ends.
    pub recovery: Option<RecoverySlot>,
    /// The rotations of the current window.
    pub rotations: Option<Rotations>,
}

/// The slot for an endpoint's only test ping in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingSlot {
    /// The ping that holds the slot. The slot is free once this delivery has ended.
    pub ping: DeliveryId,
    /// When the lease ends.
    pub until: Timestamp,
}

/// The slot for an endpoint's only recovery or replay under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoverySlot {
    /// The recovery or replay that holds the slot.
    pub id: EventId,
    /// When it was requested.
    pub asked_at: Timestamp,
    /// When the lease ends.
    pub until: Timestamp,
}

/// Identifies the holder of a [`RecoverySlot`]. Recoveries and replays share the slot, because
/// both put many deliveries on the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryKey {
    /// The endpoint that has the slot.
    pub endpoint: EndpointKey,
    /// The recovery's or replay's own id.
    pub id: EventId,
    /// When it was requested.
    pub asked_at: Timestamp,
}

impl From<&Recovery> for RecoveryKey {
    fn from(recovery: &Recovery) -> Self {
        Self {
            endpoint: recovery.endpoint,
            id: recovery.id,
            asked_at: recovery.asked_at,
        }
    }
}

impl From<&Replay> for RecoveryKey {
    fn from(replay: &Replay) -> Self {
        Self {
            endpoint: replay.endpoint,
            id: replay.id,
            asked_at: replay.asked_at,
        }
    }
}

/// The rotations of an endpoint's secret in the current window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotations {
    /// When the last rotation was made.
    pub last: Timestamp,
    /// When the window of 24 hours began.
    pub since: Timestamp,
    /// How many rotations the window has.
    pub count: u32,
}

impl Rotations {
    /// Whether the window is over at this time, so that a rotation begins the next one.
    #[must_use]
    pub fn are_over(&self, now: Timestamp) -> bool {
        self.since + DAY <= now
    }
}
