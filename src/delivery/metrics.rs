//! Metrics in the CloudWatch embedded metric format: JSON lines on standard output,
//! which CloudWatch turns into metrics without an API call.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::domain::delivery::{Attempt, Delivery, DeliveryStatus, Verdict};
use crate::domain::endpoint::DisabledReason;
use crate::domain::message::Lane;
use crate::domain::unreadable::Flaw;

/// Namespace of the metrics, unless the deployment has one of its own.
pub const NAMESPACE: &str = "WebhookEndpoints";

/// Writes metrics. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    clock: Clock,
    namespace: Arc<str>,
    write: fn(&Value),
}

impl Metrics {
    /// Writes to standard output, where CloudWatch reads. Deployments in the same
    /// account and Region need a `namespace` each, or the alarms of one would watch the
    /// metrics of all.
    #[must_use]
    pub fn to_stdout(clock: Clock, namespace: Option<&str>) -> Self {
        #[expect(clippy::print_stdout, reason = "CloudWatch reads standard output")]
        let write = |line: &Value| println!("{line}");
        let namespace = namespace.unwrap_or(NAMESPACE).into();
        Self {
            clock,
            namespace,
            write,
        }
    }

    /// Passes each line to `write`, for tests and benchmarks.
    #[must_use]
    pub fn to(clock: Clock, write: fn(&Value)) -> Self {
        let namespace = NAMESPACE.into();
        Self {
            clock,
            namespace,
            write,
        }
    }

    /// Counts an attempt, with the delivery's new status, the attempt's duration and
    /// the class of the response.
    pub(super) fn attempt(&self, status: DeliveryStatus, attempt: &Attempt) {
        let class = match &attempt.verdict {
            Verdict::Answered(answer) => format!("{}xx", answer.status / 100),
            Verdict::Failed(failure) => failure.group().to_owned(),
        };
        let outcome = match status {
            DeliveryStatus::Pending => "RETRY",
            other => other.as_str(),
        };
        self.emit(
            &[&["Outcome"], &["ReceiverStatus"]],
            &[("Attempts", "Count"), ("AttemptDuration", "Milliseconds")],
            json!({
                "Outcome": outcome,
                "ReceiverStatus": class,
                "Attempts": 1,
                "AttemptDuration": attempt.duration_ms,
            }),
        );
    }

    /// Counts deliveries that ended without another attempt.
    pub(super) fn abandoned(&self, count: usize) {
        self.count("DeliveriesAbandoned", count);
    }

    /// Counts an endpoint that the service disabled.
    pub(super) fn endpoint_disabled(&self, reason: DisabledReason) {
        self.emit(
            &[&["Reason"]],
            &[("EndpointsDisabled", "Count")],
            json!({"Reason": reason.as_str(), "EndpointsDisabled": 1}),
        );
    }

    /// How long the first attempt at a delivery took to begin, from its acceptance.
    pub(super) fn first_attempt(&self, lane: Lane, delivery: &Delivery, attempt: &Attempt) {
        let waited = attempt.started_at.duration_since(delivery.created_at);
        let lane = match lane {
            Lane::Fast => "fast",
            Lane::Slow => "slow",
        };
        self.emit(
            &[&["Lane"]],
            &[("TimeToFirstAttempt", "Milliseconds")],
            json!({"Lane": lane, "TimeToFirstAttempt": waited.as_millis().max(0)}),
        );
    }

    /// An endpoint was paused.
    pub(super) fn endpoint_paused(&self) {
        self.count("EndpointsPaused", 1);
    }

    /// A paused endpoint works again.
    pub(super) fn endpoint_resumed(&self) {
        self.count("EndpointsResumed", 1);
    }

    /// Deliveries began to wait for paused endpoints or for their turns.
    pub(super) fn deliveries_wait(&self, count: usize) {
        self.count("DeliveriesWaiting", count);
    }

    /// A sweep enqueued what was due, and found this many attempts more than a minute late.
    /// An alarm depends on it, so it counts also if there was nothing to do.
    pub(super) fn sweep(&self, overdue: usize) {
        self.emit(
            &[&[]],
            &[("Sweeps", "Count"), ("OverdueAttempts", "Count")],
            json!({"Sweeps": 1, "OverdueAttempts": overdue}),
        );
    }

    /// Interrupted deletions that a sweep found and did not finish.
    pub(super) fn deletions_unfinished(&self, count: usize) {
        self.count("DeletionsUnfinished", count);
    }

    /// Counts a message that cannot be read.
    pub(super) fn message_rejected(&self, flaw: Flaw) {
        self.emit(
            &[&["Reason"]],
            &[("MessagesRejected", "Count")],
            json!({"Reason": flaw.code(), "MessagesRejected": 1}),
        );
    }

    /// Items of the table were skipped, because they could not be read.
    pub(super) fn unreadable_items(&self, count: usize) {
        self.count("UnreadableItems", count);
    }

    fn count(&self, name: &str, count: usize) {
        self.emit(&[&[]], &[(name, "Count")], json!({ name: count }));
    }

    fn emit(&self, dimensions: &[&[&str]], metrics: &[(&str, &str)], mut line: Value) {
        let now: Timestamp = self.clock.now();
        let metrics: Vec<_> = metrics
            .iter()
            .map(|(name, unit)| json!({"Name": name, "Unit": unit}))
            .collect();
        line["_aws"] = json!({
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": &*self.namespace,
                "Dimensions": dimensions,
                "Metrics": metrics,
            }],
        });
        (self.write)(&line);
    }
}
