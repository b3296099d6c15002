//! Facts on which template.yaml and the code must agree.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use local::alarms::alarms;
use local::template::{access_log_format, refused_values, sweep_timing, variables};
use serde_json::Value;
use webhook_endpoints::config::{ApiConfig, ConfigError, DeliverConfig, read_log_level};
use webhook_endpoints::delivery::enqueue_due::{AHEAD, LEASE};
use webhook_endpoints::domain::event::FAN_OUT_LEASE;
use webhook_endpoints::domain::message::MAX_DELAY;

use crate::support::receiver::Receiver;
use crate::support::{Options, TestApp, metrics};

/// The environment variables without a default.
const REQUIRED: [&str; 6] = [
    "AWS_REGION",
    "TABLE_NAME",
    "SECRET_PREFIX",
    "QUEUE_URL",
    "SLOW_QUEUE_URL",
    "DEAD_LETTER_QUEUE_URL",
];

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variables that `read` looks up.
fn variables_read<T>(read: fn(Lookup) -> Result<T, ConfigError>) -> BTreeSet<String> {
    let variables_read = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        variables_read.borrow_mut().insert(name.to_owned());
        REQUIRED.contains(&name).then(|| "x".to_owned())
    };
    let read = read(&lookup);
    assert!(read.is_ok(), "{:?}", read.err());
    variables_read.into_inner()
}

fn declared(function: &'static str) -> BTreeSet<String> {
    variables(function).unwrap().into_iter().collect()
}

#[test]
fn functions_get_exactly_the_variables_they_read() {
    let mut api = variables_read(ApiConfig::read);
    let mut deliver = variables_read(DeliverConfig::read);
    for function in [&mut api, &mut deliver] {
        function.extend(variables_read(read_log_level));
        // Lambda itself sets it.
        assert!(function.remove("AWS_REGION"));
        // For development only: no deployment may set it.
        assert!(function.remove("ALLOW_LOOPBACK_TARGETS"));
        assert!(function.remove("AWS_ENDPOINT_URL"));
    }
    assert_eq!(declared("ApiFunction"), api);
    assert_eq!(declared("DeliverFunction"), deliver);
}

#[test]
fn sample_environment_matches_the_template() {
    type Environment = BTreeMap<String, BTreeMap<String, Value>>;
    let sample: Environment = serde_json::from_str(include_str!("../../events/env.json")).unwrap();
    let functions: Vec<_> = sample.keys().map(String::as_str).collect();
    assert_eq!(functions, ["ApiFunction", "DeliverFunction"]);
    for function in ["ApiFunction", "DeliverFunction"] {
        let names: BTreeSet<String> = sample[function].keys().cloned().collect();
        assert_eq!(names, declared(function), "{function}");
    }
}

#[test]
fn sweeps_look_far_enough_ahead_and_hold_claims_long_enough() {
    let timing = sweep_timing().unwrap();
    let [period, timeout, hidden] =
        [timing.period, timing.timeout, timing.visibility_timeout].map(Duration::from_secs);
    assert!(AHEAD >= 2 * period);
    assert!(AHEAD < MAX_DELAY);
    // The sweep itself, the delay, an attempt that crashes until its message is visible again,
    // and another attempt.
    assert!(LEASE > timeout + AHEAD + hidden + timeout);
}

#[test]
fn fan_outs_are_taken_over_once_their_function_has_ended() {
    assert!(FAN_OUT_LEASE > Duration::from_secs(sweep_timing().unwrap().timeout));
}

#[test]
fn stopped_sweeps_and_late_first_attempts_raise_alarms() {
    let alarms = alarms().unwrap();
    let stopped = &alarms["SweepStoppedAlarm"];
    // No sweep means no data.
    assert_eq!(stopped.treat_missing_data, "breaching");
    assert_eq!(stopped.metric_name, "OverdueAttempts");
    assert_eq!(stopped.statistic.as_deref(), Some("SampleCount"));
    assert_eq!(stopped.period, sweep_timing().unwrap().period);
    assert_eq!(stopped.evaluation_periods, 3);

    let late = &alarms["FastLaneDelayAlarm"];
    assert_eq!(late.metric_name, "TimeToFirstAttempt");
    assert_eq!(late.dimensions(), [("Lane", "fast".to_owned())]);
    assert_eq!(late.extended_statistic.as_deref(), Some("p99"));
    // Milliseconds.
    assert!((late.threshold - 60_000.0).abs() < f64::EPSILON);
    // Longer than a crash hides a message, so a single crash raises no alarm.
    let hidden = sweep_timing().unwrap().visibility_timeout;
    assert!(late.period * late.evaluation_periods > hidden);
}

#[tokio::test]
async fn alarms_watch_metrics_that_are_emitted() {
    static EMITTED: Mutex<Vec<Value>> = Mutex::new(Vec::new());
    let app = TestApp::start_with(Options::stepwise()).await;
    let metered =
        metrics::queue_with_metrics(&app, |line| EMITTED.lock().unwrap().push(line.clone()));
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    app.api.must_publish("invoice.paid").await;
    app.aws
        .put(&[
            ("pk", "unreadable"),
            ("sk", "unreadable"),
            ("gsi2pk", "DUE#0"),
            ("gsi2sk", "2025-12-31T00:00:00.000Z#0"),
        ])
        .await;
    metered.enqueue(r#"{"kind":"sweep"}"#).await;
    metered.settle().await;
    let emitted = EMITTED.lock().unwrap().clone();

    let alarms = alarms().unwrap();
    let own = alarms
        .iter()
        .filter(|(_, alarm)| alarm.namespace().starts_with("WebhookEndpoints"));
    let mut count = 0;
    for (name, alarm) in own {
        // What DeliverFunction gets as METRICS_NAMESPACE.
        assert_eq!(alarm.namespace(), "WebhookEndpoints/${AWS::StackName}");
        let dimensions = alarm.dimensions();
        let mut lines = emitted.iter();
        let found = lines.any(|line| metrics::has(line, &alarm.metric_name, &dimensions));
        assert!(found, "{name}: {emitted:?}");
        count += 1;
    }
    assert_eq!(count, 3);
}

#[test]
fn access_log_has_no_values_that_callers_choose() {
    /// API Gateway makes these itself.
    const SAFE: [&str; 3] = ["identity.sourceIp", "requestId", "status"];
    let format = access_log_format().unwrap();
    let line: BTreeMap<String, String> = serde_json::from_str(&format).unwrap();
    let mut logged: Vec<_> = line
        .values()
        .map(|value| value.strip_prefix("$context.").unwrap())
        .collect();
    logged.sort_unstable();
    assert_eq!(logged, SAFE);
}

#[test]
fn template_and_function_refuse_the_same_retention() {
    let fits = |days: u16| {
        let lookup = |name: &str| match name {
            "RETENTION_DAYS" => Some(days.to_string()),
            _ => REQUIRED.contains(&name).then(|| "x".to_owned()),
        };
        DeliverConfig::read(&lookup).is_ok()
    };
    let refused = refused_values("RetentionCoversDefaultSchedule").unwrap();
    let refuses = |days: &u16| refused.contains(&days.to_string());
    assert!((1..=365).all(|days| fits(days) != refuses(&days)));
}
