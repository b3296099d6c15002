//! The least that other services cost on AWS, deployed by their own documentation.

use super::bill::HOURS_PER_MONTH;

/// Hourly on-demand prices in us-east-1.
const MICRO: f64 = 0.0084; // EC2 t4g.micro, 1 GB
const SMALL: f64 = 0.0168; // EC2 t4g.small, 2 GB
const LARGER: f64 = 0.0336; // EC2 t4g.medium, 4 GB
const ADDRESS: f64 = 0.005; // a public IPv4 address
const DATABASE: f64 = 0.016; // RDS PostgreSQL db.t4g.micro, one zone
const LARGER_DATABASE: f64 = 0.129; // RDS PostgreSQL db.t4g.large, one zone
const CACHE: f64 = 0.0128; // ElastiCache for Valkey, cache.t4g.micro

/// A GB-month of gp3 storage, for EC2 and RDS.
const DISK: f64 = 0.08;
const DATABASE_DISK: f64 = 0.115;

/// Bytes that an event and its delivery take in PostgreSQL: payload, rows and indexes.
const STORED: f64 = 3_000.0;
const SMALLEST_DATABASE_DISK: f64 = 20.0;

/// From this many events per month on, the smallest burstable instances, with a tenth of a
/// core each, cannot keep up.
const LARGER_FROM: f64 = 50e6;

pub struct Peer {
    pub name: &'static str,
    pub machine: &'static str,
    hourly: f64,
    needs_cache: bool,
    /// SQS requests per event.
    queue_requests: f64,
    pub source: &'static str,
}

pub static PEERS: [Peer; 4] = [
    Peer {
        name: "Hook0",
        machine: "one t4g.micro for API and worker, PostgreSQL",
        hourly: MICRO,
        needs_cache: false,
        queue_requests: 0.0,
        source: "https://documentation.hook0.com/docs/manual-setup",
    },
    Peer {
        name: "Svix OSS",
        machine: "one t4g.micro, PostgreSQL, Redis",
        hourly: MICRO,
        needs_cache: true,
        queue_requests: 0.0,
        source: "https://github.com/svix/svix-webhooks/blob/main/server/docker-compose.yml",
    },
    Peer {
        name: "Outpost",
        machine: "one t4g.micro, PostgreSQL, Redis, SQS",
        hourly: MICRO,
        needs_cache: true,
        // Two queues, each with a send, a receive and a delete.
        queue_requests: 6.0,
        source: "https://github.com/hookdeck/outpost",
    },
    Peer {
        name: "Convoy",
        machine: "one t4g.small for server and agent, PostgreSQL, Redis",
        hourly: SMALL,
        needs_cache: true,
        queue_requests: 0.0,
        source: "https://getconvoy.io/docs/deployment/architecture",
    },
];

impl Peer {
    /// The dollars for a month with this many events. `transfer` is the data transfer of
    /// one event in dollars.
    pub fn month(&self, events: f64, transfer: f64) -> f64 {
        let is_larger = events >= LARGER_FROM;
        let machine = if is_larger { LARGER } else { self.hourly };
        let database = if is_larger { LARGER_DATABASE } else { DATABASE };
        let cache = if self.needs_cache { CACHE } else { 0.0 };
        let hours = (machine + ADDRESS + database + cache) * HOURS_PER_MONTH;
        let stored = (events * STORED / 1e9).max(SMALLEST_DATABASE_DISK);
        let queue = events * self.queue_requests * 0.40 / 1e6;
        hours + 8.0 * DISK + stored * DATABASE_DISK + queue + events * transfer
    }
}

/// The dollars for a month with everything on one machine, including the database. Losing
/// its disk means losing all data.
pub fn one_machine(events: f64, transfer: f64) -> f64 {
    let is_larger = events >= LARGER_FROM;
    let machine = if is_larger { 2.0 * LARGER } else { SMALL };
    let disk = (events * STORED / 1e9 + 10.0).max(20.0);
    (machine + ADDRESS) * HOURS_PER_MONTH + disk * DISK + events * transfer
}
