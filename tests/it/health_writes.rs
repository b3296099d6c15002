//! Attempts that change an endpoint's health while another attempt does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use webhook_endpoints::aws::table::attribute;

use crate::support::hand_clock::HandClock;
use crate::support::receiver::{Receiver, raw_receiver};
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn start() -> (TestApp, HandClock) {
    let clock = HandClock::at("2026-01-01T00:00:00Z");
    let mut options = Options::stepwise_with(&clock);
    options.settings.policy.health.pause_after = HOUR;
    (TestApp::start_with(options).await, clock)
}

/// Refuses the next write of the endpoint, as if another attempt had changed the health just
/// before it.
fn refuse_next_write(app: &TestApp) {
    const CHANGED: Fault = Fault::Refused(r#"{"__type": "ConditionalCheckFailedException"}"#);
    let mut left = Some(CHANGED);
    app.aws.wire.disturb_requests(move |operation, body| {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let sort_key = body["Key"]["sk"]["S"].as_str().unwrap_or_default();
        let is_refused = operation == "UpdateItem" && sort_key.starts_with("E#");
        if is_refused { left.take() } else { None }
    });
}

#[tokio::test]
async fn successes_count_even_if_a_failure_is_written_just_before() {
    let (app, clock) = start().await;
    let (receiver, status) = Receiver::switched().await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let failed = app.queue.first_attempt().await;
    app.queue.must_attempt(&failed).await;
    clock.advance(HOUR);
    status.store(200, Ordering::SeqCst);
    let task = app.queue.first_attempt().await;
    refuse_next_write(&app);
    app.queue.must_attempt(&task).await;
    let endpoint = app.api.get(&format!("/{id}")).await;
    assert_eq!(endpoint.data()["failingSince"], Value::Null);
}

#[tokio::test]
async fn failures_do_not_count_if_the_health_is_changed_just_before() {
    let (app, clock) = start().await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let first = app.queue.first_attempt().await;
    app.queue.must_attempt(&first).await;
    // A failure now pauses the endpoint.
    clock.advance(HOUR);
    let second = app.queue.first_attempt().await;
    let failing = app.api.get(&format!("/{id}")).await.data().clone();
    assert_ne!(failing["failingSince"], Value::Null);
    refuse_next_write(&app);
    app.aws.wire.take();
    app.queue.must_attempt(&second).await;
    let updates = ["UpdateItem"; 2];
    let calls = app.aws.wire.take();
    assert_eq!(
        calls,
        [&["BatchGetItem", "SendMessageBatch"], &updates[..]].concat()
    );
    assert_eq!(app.api.get(&format!("/{id}")).await.data(), &failing);
}

/// The first attempt at the endpoint is answered with 500 when `gate` opens, the others with
/// 200 at once.
async fn slow_failure(asked: &Arc<Notify>, gate: &Arc<Notify>) -> String {
    let gates = (Arc::clone(asked), Arc::clone(gate));
    let count = Arc::new(AtomicUsize::new(0));
    raw_receiver(move |mut stream| {
        let (asked, gate) = gates.clone();
        let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            let mut status = 200;
            if is_first {
                status = 500;
                asked.notify_one();
                gate.notified().await;
            }
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
        }
    })
    .await
}

#[tokio::test]
async fn endpoints_that_recover_during_a_failing_attempt_are_not_disabled() {
    let (app, clock) = start().await;
    let (asked, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let url = slow_failure(&asked, &gate).await;
    let (id, _) = app.api.create_webhook(&url).await;
    // One more failure disables it.
    let millis = |ago: Duration| json!({"N": (clock.now() - ago).as_millisecond().to_string()});
    for (name, value) in [
        (attribute::FAILING_SINCE, millis(6 * DAY)),
        (attribute::LAST_FAILURE_AT, millis(HOUR)),
        (attribute::FAILURES, json!({"N": "20"})),
    ] {
        app.aws.set_attribute(&id, name, &value).await;
    }
    let failing = app.queue.first_attempt().await;
    let succeeding = app.queue.first_attempt().await;
    let recover = async {
        asked.notified().await;
        app.queue.must_attempt(&succeeding).await;
        gate.notify_one();
    };
    tokio::join!(app.queue.must_attempt(&failing), recover);
    let endpoint = app.api.get(&format!("/{id}")).await;
    assert_eq!(endpoint.data()["failingSince"], Value::Null);
    assert_eq!(endpoint.data()["active"], true);
    let failed = app.api.delivery(&id, failing.delivery_id).await;
    assert_eq!(failed["status"], "PENDING");
}
