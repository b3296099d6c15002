//! Budgets for what is dear: test pings, recoveries, rotations and searches.
//!
//! What an endpoint uses of them is stored with the endpoint, which each of these
//! calls reads or updates anyway. A slot has a lease, so that a process that dies
//! while it holds one blocks nobody for good.

use std::time::Duration;

use jiff::Timestamp;

use super::endpoint::EndpointKey;
use super::id::{DeliveryId, EventId};
use super::message::Recovery;
use super::replay::Replay;

/// How long a recovery counts as under way after it was requested, or after its last
/// chunk. Longer than a chunk is tried that fails by a defect
/// ([`DEFECT_RECEIVES`](super::redelivery::DEFECT_RECEIVES)). Only an outage of AWS that
/// lasts longer lets a second recovery begin.
pub const RECOVERY_LEASE: Duration = Duration::from_secs(30 * 60);

/// The span that [`Budgets::rotations_per_day`] counts in.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How much the API does of what is dear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// How long a test ping can hold its endpoint's slot without an outcome. An attempt
    /// takes at most 30 s, and the rest is for its way through the queue. Usually the
    /// slot is free earlier: as soon as the outcome is recorded.
    pub ping_lease: Duration,
    /// Test pings that an app can send per minute of the clock.
    pub pings_per_minute: u32,
    /// How long after a rotation an endpoint's secret can be rotated again. Zero for
    /// no pause, not even between rotations at the same time.
    pub rotation_pause: Duration,
    /// How often an endpoint's secret can be rotated within 24 hours. The next 24
    /// hours begin with the first rotation after them. So any 24 hours see at most
    /// twice as many, and Secrets Manager keeps about 100 versions of that age.
    pub rotations_per_day: u32,
    /// How long a request searches the history before it answers with what it has.
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

/// What an endpoint uses of its budgets. Entries stay until they are replaced, so
/// they may be outdated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The last test ping.
    pub ping: Option<PingSlot>,
    /// The last recovery, until its end.
    pub recovery: Option<RecoverySlot>,
    /// The latest rotations.
    pub rotations: Option<Rotations>,
}

/// The slot of the only test ping in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingSlot {
    /// The ping that took it. The slot is free once that delivery has ended.
    pub ping: DeliveryId,
    /// When the slot is free in any case.
    pub until: Timestamp,
}

/// The slot of the only recovery under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoverySlot {
    /// The recovery that holds it.
    pub id: EventId,
    /// When the recovery was requested.
    pub asked_at: Timestamp,
    /// When the slot is free in any case.
    pub until: Timestamp,
}

/// Who asks for the slot for recoveries. Replays take the same one, because both put many
/// deliveries on the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryKey {
    /// The endpoint whose slot it is.
    pub endpoint: EndpointKey,
    /// The recovery, or the replay.
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

/// The rotations of an endpoint's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotations {
    /// When the last one was made.
    pub last: Timestamp,
    /// When the 24 hours began that `count` is for.
    pub since: Timestamp,
    /// How many there were since then.
    pub count: u32,
}

impl Rotations {
    /// Whether a rotation at this time begins the next 24 hours.
    #[must_use]
    pub fn are_over(&self, now: Timestamp) -> bool {
        self.since + DAY <= now
    }
}
