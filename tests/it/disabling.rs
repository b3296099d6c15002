//! Endpoints that the service disables, and their metrics.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use webhook_endpoints::domain::message::{Message, Tend};

use crate::support::hand_clock::HandClock;
use crate::support::log;
use crate::support::queue::endpoint_id;
use crate::support::receiver::{Receiver, raw_receiver};
use crate::support::{Options, TestApp, fields, metrics};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Starts a service with a test clock and an endpoint with this URL.
async fn start(url: &str) -> (TestApp, HandClock, String) {
    let clock = HandClock::at("2026-01-01T00:00:00Z");
    let mut options = Options::stepwise_with(&clock);
    options.settings.policy.health.pause_after = MINUTE;
    let app = TestApp::start_with(options).await;
    let (id, _) = app.api.create_webhook(url).await;
    (app, clock, id)
}

/// Lets a failing endpoint pause and fail `probes` probes, one every 11 hours.
async fn keep_failing(app: &TestApp, clock: &HandClock, id: &str, probes: usize) {
    // A failure a minute after the first pauses the endpoint. The next delivery waits, and
    // probes follow.
    clock.advance(MINUTE);
    deliver(app).await;
    // A second later, so that the waiting delivery is the newest.
    clock.advance(Duration::from_secs(1));
    app.api.must_publish("invoice.paid").await;
    assert_eq!(app.queue.fan_out().await, []);
    for _ in 0..probes {
        keep_probing(app, clock, id).await;
    }
}

/// Makes one more probe, 11 hours later.
async fn keep_probing(app: &TestApp, clock: &HandClock, id: &str) {
    clock.advance(11 * HOUR);
    let tend = Tend::now(app.aws.endpoint_key(endpoint_id(id)));
    let tend = Message::Tend(tend).to_json().unwrap();
    app.queue.must_handle(tend).await;
}

async fn endpoint(app: &TestApp, id: &str) -> Value {
    app.api.get(&format!("/{id}")).await.data().clone()
}

/// Returns whether an endpoint is active, and its `disabledReason`.
async fn state(app: &TestApp, id: &str) -> (bool, Value) {
    let endpoint = endpoint(app, id).await;
    let active = endpoint["active"].as_bool().unwrap();
    (active, endpoint["disabledReason"].clone())
}

/// Publishes an event, and makes its first attempt.
async fn deliver(app: &TestApp) {
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
}

#[tokio::test]
async fn endpoints_that_answer_gone_are_disabled_at_once() {
    let receiver = Receiver::answering(410, "").await;
    let (app, clock, id) = start(&receiver.url).await;
    let before = endpoint(&app, &id).await;
    assert_eq!(before["disabledReason"], Value::Null);
    assert_eq!(before["disabledAt"], Value::Null);
    clock.advance(DAY);
    deliver(&app).await;

    let item = app.api.must_have_one_delivery(&id).await;
    assert_eq!(item["status"], "FAILED");
    assert_eq!(item["responseStatus"], 410);
    assert_eq!(item["nextRetryAt"], Value::Null);
    let after = endpoint(&app, &id).await;
    assert_eq!(fields(&after), fields(&before));
    assert_eq!(after["active"], false);
    assert_eq!(after["disabledReason"], "GONE");
    let disabled_at: jiff::Timestamp = after["disabledAt"].as_str().unwrap().parse().unwrap();
    assert!(disabled_at >= clock.now());
    assert_eq!(after["updatedAt"], after["disabledAt"]);

    app.api.must_publish("invoice.paid").await;
    assert_eq!(app.queue.fan_out().await, []);
    receiver.must_receive_one();
}

#[tokio::test]
async fn endpoints_that_answer_gone_get_no_more_retries() {
    let (receiver, status) = Receiver::switched().await;
    let (app, _, id) = start(&receiver.url).await;
    let earlier = app.queue.first_attempt().await;
    app.queue.must_attempt(&earlier).await;
    status.store(410, Ordering::SeqCst);
    deliver(&app).await;
    app.queue.must_attempt(&earlier.next()).await;
    assert_eq!(receiver.received().len(), 2);
    let ended = app.api.delivery(&id, earlier.delivery_id).await;
    assert_eq!(ended["status"], "FAILED");
    assert_eq!(ended["attempts"], 1);
}

#[tokio::test]
async fn test_pings_never_disable_an_endpoint() {
    let receiver = Receiver::answering(410, "").await;
    let (app, clock, id) = start(&receiver.url).await;
    for _ in 0..2 {
        app.api.ping_preferring(&id, "respond-async").await;
        app.queue.settle().await;
        clock.advance(10 * DAY);
    }
    assert_eq!(receiver.received().len(), 2);
    assert_eq!(state(&app, &id).await, (true, Value::Null));
}

#[tokio::test]
async fn endpoints_are_disabled_after_failing_for_five_days() {
    let receiver = Receiver::answering(500, "").await;
    let (app, clock, id) = start(&receiver.url).await;
    deliver(&app).await;
    // After 110 hours and twelve failures.
    keep_failing(&app, &clock, &id, 10).await;
    assert_eq!(state(&app, &id).await, (true, Value::Null));
    let failing = endpoint(&app, &id).await;
    assert_eq!(failing["failingSince"], "2026-01-01T00:00:00.000Z");
    keep_probing(&app, &clock, &id).await;
    assert_eq!(state(&app, &id).await, (false, json!("FAILING")));
    assert_eq!(receiver.received().len(), 13);
    // The waiting delivery has failed. It can be recovered once the endpoint is active
    // again.
    app.queue.settle().await;
    let newest = &app.api.deliveries(&id).await[0];
    assert_eq!(newest["status"], "FAILED");
}

#[tokio::test]
async fn failed_connections_count_as_failures() {
    let (app, clock, id) = start("http://127.0.0.1:1/hook").await;
    deliver(&app).await;
    keep_failing(&app, &clock, &id, 11).await;
    assert_eq!(state(&app, &id).await, (false, json!("FAILING")));
}

#[tokio::test]
async fn a_failure_a_week_disables_nothing() {
    let receiver = Receiver::answering(500, "").await;
    let (app, clock, id) = start(&receiver.url).await;
    for _ in 0..15 {
        deliver(&app).await;
        clock.advance(7 * DAY);
    }
    assert_eq!(state(&app, &id).await, (true, Value::Null));
    assert_eq!(receiver.received().len(), 15);
}

#[tokio::test]
async fn eight_failures_in_six_days_disable_nothing() {
    let receiver = Receiver::answering(500, "").await;
    let (app, clock, id) = start(&receiver.url).await;
    deliver(&app).await;
    clock.advance(MINUTE);
    deliver(&app).await;
    app.api.must_publish("invoice.paid").await;
    assert_eq!(app.queue.fan_out().await, []);
    for _ in 0..6 {
        clock.advance(12 * HOUR);
        keep_probing(&app, &clock, &id).await;
    }
    // Eight failures, the last one after six days.
    assert_eq!(receiver.received().len(), 8);
    assert_eq!(state(&app, &id).await, (true, Value::Null));
}

#[tokio::test]
async fn a_success_restarts_the_five_days() {
    let (receiver, status) = Receiver::switched().await;
    let (app, clock, id) = start(&receiver.url).await;
    deliver(&app).await;
    keep_failing(&app, &clock, &id, 8).await;
    status.store(200, Ordering::SeqCst);
    keep_probing(&app, &clock, &id).await;
    app.queue.settle().await;
    let well = endpoint(&app, &id).await;
    assert_eq!(well["failingSince"], Value::Null);
    status.store(500, Ordering::SeqCst);
    deliver(&app).await;
    keep_failing(&app, &clock, &id, 10).await;
    assert_eq!(state(&app, &id).await, (true, Value::Null));
    keep_probing(&app, &clock, &id).await;
    assert_eq!(state(&app, &id).await, (false, json!("FAILING")));
}

#[tokio::test]
async fn successful_pings_do_not_reset_failing_deliveries() {
    let (receiver, status) = Receiver::switched().await;
    let (app, _, id) = start(&receiver.url).await;
    deliver(&app).await;
    let failing = endpoint(&app, &id).await;
    assert_ne!(failing["failingSince"], Value::Null);
    status.store(200, Ordering::SeqCst);
    app.api.ping_preferring(&id, "respond-async").await;
    app.queue.settle().await;
    assert_eq!(endpoint(&app, &id).await, failing);
}

#[tokio::test]
async fn a_new_url_clears_failing_since() {
    let receiver = Receiver::answering(500, "").await;
    let (app, _, id) = start(&receiver.url).await;
    deliver(&app).await;
    let path = format!("/{id}");
    let url = json!({"url": format!("{}?new", receiver.url)});
    app.api.put_json(&path, &url).await.data();
    assert_eq!(endpoint(&app, &id).await["failingSince"], Value::Null);
}

#[tokio::test]
async fn late_responses_from_an_old_url_change_nothing() {
    for status in [410, 500] {
        let (asked, answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let gates = (Arc::clone(&asked), Arc::clone(&answer));
        let old_url = raw_receiver(move |mut stream| {
            let (asked, answer) = gates.clone();
            async move {
                asked.notify_one();
                answer.notified().await;
                let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
            }
        });
        let (app, _, id) = start(&old_url.await).await;
        let task = app.queue.first_attempt().await;
        let change = async {
            asked.notified().await;
            let url = json!({"url": "https://example.com/new"});
            app.api.put_json(&format!("/{id}"), &url).await.data();
            answer.notify_one();
        };
        tokio::join!(app.queue.must_attempt(&task), change);
        assert_eq!(state(&app, &id).await, (true, Value::Null), "{status}");
        assert_eq!(endpoint(&app, &id).await["failingSince"], Value::Null);
    }
}

#[tokio::test]
async fn activation_clears_disabled_reason_and_failing_since() {
    let (receiver, status) = Receiver::switched().await;
    let (app, clock, id) = start(&receiver.url).await;
    deliver(&app).await;
    keep_failing(&app, &clock, &id, 11).await;
    app.queue.settle().await;
    // Changing another field keeps the reason.
    let path = format!("/{id}");
    app.api
        .put_json(&path, &json!({"events": ["invoice.*"]}))
        .await;
    assert_eq!(state(&app, &id).await, (false, json!("FAILING")));

    app.api.put_json(&path, &json!({"active": true})).await;
    let active = endpoint(&app, &id).await;
    assert_eq!(active["active"], true);
    for cleared in ["disabledReason", "disabledAt", "failingSince", "pausedAt"] {
        assert_eq!(active[cleared], Value::Null, "{cleared}");
    }
    // This failure starts a new period of five days.
    deliver(&app).await;
    assert_eq!(state(&app, &id).await, (true, Value::Null));
    status.store(410, Ordering::SeqCst);
    deliver(&app).await;
    assert_eq!(state(&app, &id).await, (false, json!("GONE")));
}

#[tokio::test]
async fn health_updates_cost_writes_only_on_transitions() {
    let (receiver, status) = Receiver::switched().await;
    let (app, _, _) = start(&receiver.url).await;
    status.store(200, Ordering::SeqCst);
    deliver(&app).await;
    for (answer, cost) in [
        // The endpoint stays healthy.
        (200, &["BatchGetItem", "UpdateItem"][..]),
        // The endpoint starts to fail.
        (
            500,
            &[
                "BatchGetItem",
                "SendMessage",
                "SendMessageBatch",
                "UpdateItem",
                "UpdateItem",
            ],
        ),
        (500, &["BatchGetItem", "SendMessageBatch", "UpdateItem"]),
        // The endpoint recovers.
        (
            200,
            &["BatchGetItem", "SendMessage", "UpdateItem", "UpdateItem"],
        ),
        (200, &["BatchGetItem", "UpdateItem"]),
        // It fails again so soon that the operator is not notified.
        (
            500,
            &[
                "BatchGetItem",
                "SendMessageBatch",
                "UpdateItem",
                "UpdateItem",
            ],
        ),
        (200, &["BatchGetItem", "UpdateItem", "UpdateItem"]),
        (
            410,
            &["BatchGetItem", "SendMessage", "UpdateItem", "UpdateItem"],
        ),
    ] {
        let task = app.queue.first_attempt().await;
        status.store(answer, Ordering::SeqCst);
        app.aws.wire.take();
        app.queue.must_attempt(&task).await;
        assert_eq!(app.aws.wire.take(), cost, "{answer}");
    }
}

#[tokio::test]
async fn failed_attempts_with_a_stored_retry_cost_no_message() {
    let receiver = Receiver::answering(500, "").await;
    let (app, _, _) = start(&receiver.url).await;
    let first = app.queue.first_attempt().await;
    app.queue.must_attempt(&first).await;
    let third = first.next().next();
    app.aws.wire.take();
    app.queue.must_attempt(&third).await;
    assert_eq!(app.aws.wire.take(), ["BatchGetItem", "UpdateItem"]);
}

/// The emitted lines. Only one test may use it.
static EMITTED: Mutex<Vec<Value>> = Mutex::new(Vec::new());

#[tokio::test]
async fn attempts_and_disabled_endpoints_emit_metrics_without_secrets() {
    // With logging on, attempts add their details to their metrics.
    log::start();
    let (receiver, status) = Receiver::switched().await;
    let (app, _, id) = start(&receiver.url).await;
    let metered =
        metrics::queue_with_metrics(&app, |line| EMITTED.lock().unwrap().push(line.clone()));
    let (_, secret) = app.api.subscribe(&receiver.url, &["other"]).await;
    for answer in [200, 500, 410] {
        status.store(answer, Ordering::SeqCst);
        let task = app.queue.first_attempt().await;
        metered.must_attempt(&task).await;
    }
    app.api
        .put_json(&format!("/{id}"), &json!({"active": true}))
        .await;
    let task = app.queue.first_attempt().await;
    app.api
        .put_json(&format!("/{id}"), &json!({"active": false}))
        .await;
    metered.must_attempt(&task).await;

    let lines = EMITTED.lock().unwrap().clone();
    lines.iter().for_each(metrics::must_be_embedded);
    let outcomes: Vec<_> = lines
        .iter()
        .filter(|line| line["AttemptDuration"].is_number())
        .map(|line| [&line["Outcome"], &line["ReceiverStatus"]].map(|v| v.as_str().unwrap()))
        .collect();
    assert_eq!(
        outcomes,
        [["DELIVERED", "2xx"], ["RETRY", "5xx"], ["FAILED", "4xx"]]
    );
    let disabled: Vec<_> = lines
        .iter()
        .filter(|line| line["EndpointsDisabled"] == 1)
        .map(|line| &line["Reason"])
        .collect();
    assert_eq!(disabled, ["GONE"]);
    let abandoned = lines.iter().filter(|line| line["DeliveriesAbandoned"] == 1);
    assert_eq!(abandoned.count(), 1);
    let text = serde_json::to_string(&lines).unwrap();
    assert!(text.contains(&id));
    for confidential in [secret.as_str(), "whsec_", "\"n\"", "127.0.0.1"] {
        assert!(!text.contains(confidential), "{text}");
    }
}
