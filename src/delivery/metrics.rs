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

/// The default namespace. Each deployment can have one of its own.
pub const NAMESPACE: &str = "WebhookEndpoints";

/// Writes metrics. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    clock: Clock,
    namespace: Arc<str>,
    write: fn(&Value),
}

impl Metrics {
    /// Writes to standard output, which CloudWatch reads. Deployments in the same account
    /// and Region need different namespaces, or the alarms of one would watch the metrics
    /// of all.
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

    /// Records the duration of an attempt, by the delivery's new status and by the class
    /// of the response. A count of attempts would cost as much as another metric, and the
    /// duration's `SampleCount` is that count. For a first attempt, also records how long
    /// it took from acceptance to the attempt. The line is the attempt's log line, too:
    /// `details` are its fields apart from the metrics.
    pub(super) fn attempt(
        &self,
        first_in: Option<Lane>,
        delivery: &Delivery,
        attempt: &Attempt,
        details: Value,
    ) {
        let class = match &attempt.verdict {
            Verdict::Answered(answer) => format!("{}xx", answer.status / 100),
            Verdict::Failed(failure) => failure.group().to_owned(),
        };
        let outcome = match delivery.status {
            DeliveryStatus::Pending => "RETRY",
            other => other.as_str(),
        };
        let mut line = details;
        line["Outcome"] = outcome.into();
        line["ReceiverStatus"] = class.into();
        line["AttemptDuration"] = attempt.duration_ms.into();
        let mut directives = vec![self.directive(
            &[&["Outcome"], &["ReceiverStatus"]],
            &[("AttemptDuration", "Milliseconds")],
        )];
        if let Some(lane) = first_in {
            let waited = attempt.started_at.duration_since(delivery.created_at);
            let waited = u64::try_from(waited.as_millis()).unwrap_or_default();
            line["Lane"] = match lane {
                Lane::Fast => "fast",
                Lane::Slow => "slow",
            }
            .into();
            line["TimeToFirstAttempt"] = waited.into();
            let metrics = [("TimeToFirstAttempt", "Milliseconds")];
            directives.push(self.directive(&[&["Lane"]], &metrics));
        }
        self.write(directives, line);
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

    /// Counts an endpoint that was paused.
    pub(super) fn endpoint_paused(&self) {
        self.count("EndpointsPaused", 1);
    }

    /// Counts a paused endpoint that works again.
    pub(super) fn endpoint_resumed(&self) {
        self.count("EndpointsResumed", 1);
    }

    /// Counts deliveries that begin to wait for paused endpoints or for their turns.
    pub(super) fn deliveries_wait(&self, count: usize) {
        self.count("DeliveriesWaiting", count);
    }

    /// Counts the attempts that a sweep found more than a minute late. Written even if
    /// there are none, because an alarm watches the `SampleCount`, which shows that
    /// sweeps run.
    pub(super) fn sweep(&self, overdue: usize) {
        self.count("OverdueAttempts", overdue);
    }

    /// Counts interrupted deletions that a sweep found but did not finish.
    pub(super) fn deletions_unfinished(&self, count: usize) {
        self.count("DeletionsUnfinished", count);
    }

    /// Counts a message that was rejected because it can't be read.
    pub(super) fn message_rejected(&self, flaw: Flaw) {
        self.emit(
            &[&["Reason"]],
            &[("MessagesRejected", "Count")],
            json!({"Reason": flaw.code(), "MessagesRejected": 1}),
        );
    }

    /// Counts items of the table that were skipped because they can't be read.
    pub(super) fn unreadable_items(&self, count: usize) {
        self.count("UnreadableItems", count);
    }

    fn count(&self, name: &str, count: usize) {
        self.emit(&[&[]], &[(name, "Count")], json!({ name: count }));
    }

    fn emit(&self, dimensions: &[&[&str]], metrics: &[(&str, &str)], line: Value) {
        self.write(vec![self.directive(dimensions, metrics)], line);
    }

    /// Describes which members of a line are metrics, and which are their dimensions.
    fn directive(&self, dimensions: &[&[&str]], metrics: &[(&str, &str)]) -> Value {
        let metrics: Vec<_> = metrics
            .iter()
            .map(|(name, unit)| json!({"Name": name, "Unit": unit}))
            .collect();
        json!({
            "Namespace": &*self.namespace,
            "Dimensions": dimensions,
            "Metrics": metrics,
        })
    }

    fn write(&self, directives: Vec<Value>, mut line: Value) {
        let now: Timestamp = self.clock.now();
        line["_aws"] = json!({
            "Timestamp": now.as_millisecond(),
            "CloudWatchMetrics": directives,
        });
        (self.write)(&line);
    }
}
