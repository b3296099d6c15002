//! Turns counted units into bills.

use super::counted::{Counted, Traffic, count};
use super::prices::{
    ALARM, BACKUP, DURATION, FAIR_QUEUE, HTTP_API, INVOCATION, LOG, METRIC, Price, QUEUE, READ,
    SECRET, SECRET_CALL, STORAGE, TRANSFER, WRITE,
};
use crate::support::wire::Units;

const MILLION: f64 = 1e6;
const GB: f64 = 1e9;

pub const HOURS_PER_MONTH: f64 = 730.0;

/// The memory of each function, in GB.
const MEMORY: f64 = 0.25;

/// How long the functions run per event, in seconds, by the assumptions that docs/cost.md
/// states.
fn seconds(traffic: Traffic, counted: &Counted) -> f64 {
    let api = match traffic {
        Traffic::InBatches => 0.060,
        _ => 0.020,
    };
    counted.api_invocations * api + counted.deliver_invocations * 0.150 + counted.attempts * 0.002
}

/// The items of a bill, in dollars.
pub type Parts = Vec<(&'static str, f64)>;

pub fn sum(parts: &[(&str, f64)]) -> f64 {
    parts.iter().map(|(_, dollars)| dollars).sum()
}

fn millions(price: &Price, units: f64) -> f64 {
    price.dollars * units / MILLION
}

/// The bill for a million events, with their history kept for a month.
pub fn per_million(traffic: Traffic, counted: &Counted) -> Parts {
    let invocations = counted.api_invocations + counted.deliver_invocations;
    let one = vec![
        ("API Gateway", millions(&HTTP_API, counted.requests)),
        ("Lambda, requests", millions(&INVOCATION, invocations)),
        (
            "Lambda, duration",
            millions(&DURATION, seconds(traffic, counted) * MEMORY),
        ),
        (
            "SQS",
            millions(&QUEUE, counted.queue_requests)
                + millions(&FAIR_QUEUE, counted.queue_requests),
        ),
        ("DynamoDB, writes", millions(&WRITE, counted.units.write)),
        ("DynamoDB, reads", millions(&READ, counted.units.read)),
        ("CloudWatch Logs", LOG.dollars * counted.log_bytes / GB),
        (
            "DynamoDB, 30 days of history",
            (STORAGE.dollars * counted.stored_bytes + BACKUP.dollars * counted.backed_up_bytes)
                / GB,
        ),
        ("Data transfer", transfer(counted)),
    ];
    one.into_iter()
        .map(|(name, dollars)| (name, dollars * MILLION))
        .collect()
}

/// The data transfer of one event in dollars, which any service has to pay.
pub fn transfer(counted: &Counted) -> f64 {
    TRANSFER.dollars * counted.bytes_out / GB
}

/// Sweeps per month, one every five minutes.
const SWEEPS: f64 = HOURS_PER_MONTH * 12.0;

/// Long polls per month: five pollers for each of two queues, 20 s per poll.
const POLLS: f64 = HOURS_PER_MONTH * 3600.0 / 20.0 * 5.0 * 2.0;

/// Metrics that a sweep with nothing to do emits.
const METRICS_AT_REST: usize = 1;

/// The bill for a month without any events, secrets excluded.
pub fn at_rest(alarms: usize, sweep: (Units, f64)) -> Parts {
    let (units, requests) = sweep;
    let of_one = millions(&READ, units.read)
        + millions(&WRITE, units.write)
        + millions(&QUEUE, requests)
        + millions(&INVOCATION, 1.0)
        + millions(&DURATION, 0.100 * MEMORY)
        + LOG.dollars * 1_000.0 / GB;
    vec![
        ("Alarms", ALARM.dollars * count(alarms)),
        (
            "Metric of the sweep",
            METRIC.dollars * count(METRICS_AT_REST),
        ),
        ("Polling of two empty queues", millions(&QUEUE, POLLS)),
        ("Sweeps", of_one * SWEEPS),
    ]
}

/// Where signing secrets are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// In the table, sealed with one key in Secrets Manager.
    Sealed,
    /// In Secrets Manager, one per endpoint.
    Each,
}

/// Processes of `deliver` per month, each of which reads a secret once: two at a time,
/// living two hours each.
const PROCESSES: f64 = 2.0 * HOURS_PER_MONTH / 2.0;

fn secrets(kind: Secrets, endpoints: f64, deliveries: f64) -> f64 {
    match kind {
        Secrets::Sealed => SECRET.dollars + millions(&SECRET_CALL, PROCESSES),
        Secrets::Each => {
            let calls = (endpoints * PROCESSES).min(deliveries);
            SECRET.dollars * endpoints + millions(&SECRET_CALL, calls)
        }
    }
}

/// The dollars for a month with this many endpoints and events, each for one endpoint.
pub fn month(
    kind: Secrets,
    endpoints: f64,
    events: f64,
    (traffic, counted): (Traffic, &Counted),
    at_rest: &[(&str, f64)],
) -> f64 {
    let metrics = count(counted.metrics) * METRIC.dollars;
    sum(at_rest)
        + metrics
        + secrets(kind, endpoints, events)
        + sum(&per_million(traffic, counted)) * events / MILLION
}
