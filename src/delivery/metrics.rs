//! Figures, in the CloudWatch embedded metric format: a JSON line on standard
//! output, of which CloudWatch makes metrics without any call.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::domain::delivery::{Attempt, DeliveryStatus, Verdict};
use crate::domain::endpoint::DisabledReason;

/// Namespace of all metrics.
pub const NAMESPACE: &str = "WebhookEndpoints";

/// Where figures go.
#[derive(Debug, Clone)]
pub struct Metrics {
    clock: Clock,
    write: fn(&Value),
}

impl Metrics {
    /// To standard output.
    #[must_use]
    pub fn to_stdout(clock: Clock) -> Self {
        #[expect(clippy::print_stdout, reason = "this is where CloudWatch reads")]
        let write = |line: &Value| println!("{line}");
        Self { clock, write }
    }

    /// To `write`.
    #[must_use]
    pub fn to(clock: Clock, write: fn(&Value)) -> Self {
        Self { clock, write }
    }

    /// An attempt: how the delivery stands, how long the receiver took, and the
    /// class of its answer.
    pub(super) fn attempt(&self, status: DeliveryStatus, attempt: &Attempt) {
        let class = match &attempt.verdict {
            Verdict::Answered { status, .. } => format!("{}xx", status / 100),
            Verdict::Failed(failure) => failure.code().to_owned(),
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

    /// A delivery that ended without a further attempt.
    pub(super) fn abandoned(&self) {
        self.emit(
            &[&[]],
            &[("DeliveriesAbandoned", "Count")],
            json!({"DeliveriesAbandoned": 1}),
        );
    }

    /// An endpoint that the service disabled.
    pub(super) fn endpoint_disabled(&self, reason: DisabledReason) {
        self.emit(
            &[&["Reason"]],
            &[("EndpointsDisabled", "Count")],
            json!({"Reason": reason.as_str(), "EndpointsDisabled": 1}),
        );
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
                "Namespace": NAMESPACE,
                "Dimensions": dimensions,
                "Metrics": metrics,
            }],
        });
        (self.write)(&line);
    }
}
