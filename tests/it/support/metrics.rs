//! Checks of metrics in CloudWatch's embedded metric format.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::delivery::metrics::Metrics;

use super::deliverer::copy_of;
use super::queue::Queue;
use super::recording::Principal;
use super::{TestApp, fields};

/// Returns the app's queue, handled by a deliverer that passes its metrics to `write`. A
/// function pointer captures nothing, so each test collects them in its own static.
pub fn queue_with_metrics(app: &TestApp, write: fn(&Value)) -> Queue {
    let quiet = &app.deliverer;
    app.queue.with_deliverer(Arc::new(Deliverer {
        stores: app.aws.stores_of(Principal::Deliver),
        metrics: Metrics::to(quiet.clock.clone(), write),
        ..copy_of(quiet)
    }))
}

/// The fields of an attempt's line besides its metrics and dimensions.
const DETAILS: [&str; 10] = [
    "app_id",
    "attempt",
    "delivery_id",
    "duplicate",
    "endpoint_id",
    "event",
    "event_id",
    "failure",
    "probe",
    "response_status",
];

/// Asserts that a line is in the embedded metric format: it contains every metric and
/// dimension that it declares, and nothing else except the details of an attempt.
pub fn must_be_embedded(line: &Value) {
    let declared = &line["_aws"];
    assert!(declared["Timestamp"].is_i64(), "{line}");
    let mut members = BTreeSet::from(["_aws"]);
    for directive in array(&declared["CloudWatchMetrics"]) {
        assert_eq!(directive["Namespace"], "WebhookEndpoints");
        for metric in array(&directive["Metrics"]) {
            let name = metric["Name"].as_str().expect("read a metric's name");
            assert!(line[name].is_number(), "{line}");
            let unit = metric["Unit"].as_str().expect("read a metric's unit");
            assert!(["Count", "Milliseconds"].contains(&unit), "{line}");
            members.insert(name);
        }
        for name in array(&directive["Dimensions"]).iter().flat_map(array) {
            let name = name.as_str().expect("read a dimension's name");
            assert!(line[name].is_string(), "{line}");
            members.insert(name);
        }
    }
    let mut found = fields(line);
    found.retain(|name| line["AttemptDuration"].is_null() || !DETAILS.contains(name));
    assert_eq!(members.into_iter().collect::<Vec<_>>(), found);
}

/// The values of this metric, in the lines that have it.
pub fn values(lines: &[Value], metric: &str) -> Vec<Value> {
    let values = lines.iter().map(|line| line[metric].clone());
    values.filter(|value| !value.is_null()).collect()
}

/// Returns whether a line has this metric with exactly these dimensions.
pub fn has(line: &Value, metric: &str, dimensions: &[(&str, String)]) -> bool {
    let names: Vec<_> = dimensions.iter().map(|(name, _)| *name).collect();
    let declares = |directive: &Value| {
        let mut metrics = array(&directive["Metrics"]).iter();
        let mut sets = array(&directive["Dimensions"]).iter();
        metrics.any(|declared| declared["Name"] == metric)
            && sets.any(|set| array(set).iter().eq(&names))
    };
    array(&line["_aws"]["CloudWatchMetrics"])
        .iter()
        .any(declares)
        && dimensions
            .iter()
            .all(|(name, value)| line[*name] == **value)
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("read an array")
}
