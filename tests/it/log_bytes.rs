//! How many bytes of log one event costs if it is delivered at once.

#![expect(
    clippy::print_stdout,
    reason = "the log goes to standard output, where marks delimit the event's part"
)]

use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use tracing::Level;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::delivery::metrics::Metrics;
use webhook_endpoints::domain::id::AppId;
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::telemetry;

use crate::costs::counted::access_line;
use crate::support::api::Api;
use crate::support::deliverer::copy_of;
use crate::support::receiver::Receiver;
use crate::support::{Options, TestApp};

/// 0.7 KB.
const MAX_BYTES: usize = 7 * 1024 / 10;

/// Printed before and after the log lines of the event.
const MARK: &str = "---- the event";

/// Runs the ignored test below in its own process, whose standard output is the log.
#[test]
fn delivered_events_cost_two_log_lines_and_under_0_7_kb() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture"])
        .arg("log_bytes::event_delivered_at_once")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stdout}{stderr}");
    let written = stdout.split(MARK).nth(1).unwrap().trim();
    // The API logs nothing, because the access log has the request. The delivery function
    // logs one line per delivery.
    let attempt: Value = serde_json::from_str(written).unwrap();
    assert_eq!(attempt["app_id"], "acme");
    assert_eq!(attempt["Outcome"], "DELIVERED");
    assert_eq!(attempt["Lane"], "fast");
    assert!(attempt["endpoint_id"].is_string() && attempt["delivery_id"].is_string());
    let access = access_line();
    let bytes = written.len() + access.len();
    println!("{bytes} bytes:\n{written}\n{access}");
    assert!(bytes < MAX_BYTES, "{bytes} bytes:\n{written}\n{access}");
}

#[tokio::test]
#[ignore = "runs in a process of its own"]
async fn event_delivered_at_once() {
    telemetry::init(Level::INFO);
    let app = TestApp::start_with(Options::stepwise()).await;
    let acme = AppId::parse("acme").unwrap();
    app.add_key(acme, &app.key).await;
    let (base, key) = (app.api.base.clone(), app.key.clone());
    let api = Api::new(base, acme, key, app.platform_key.clone());
    let receiver = Receiver::answering(200, "").await;
    api.create_webhook(&receiver.url).await;
    // As in the template, with the stack name from samconfig.toml.
    let namespace = "WebhookEndpoints/webhook-endpoints";
    let queue = app.queue.with_deliverer(Arc::new(Deliverer {
        metrics: Metrics::to_stdout(Clock::system(), Some(namespace)),
        ..copy_of(&app.deliverer)
    }));
    println!("{MARK}");
    let event = json!({"type": "invoice.paid", "data": 1});
    assert_eq!(api.publish(&event).await.status, 202);
    let queued = app.queue.queued_in(Lane::Fast).await;
    assert_eq!(queue.handle(queued).await, Ok(Vec::new()));
    println!("{MARK}");
    receiver.must_receive_one();
}
