//! When failed attempts are retried, on a clock that the tests advance.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde_json::{Value, json};
use webhook_endpoints::aws::table::{Due, Table};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::failure::Failure;
use webhook_endpoints::domain::message::DeliveryTask;
use webhook_endpoints::domain::retry::RetrySchedule;

use crate::support::hand_clock::HandClock;
use crate::support::names::{LOOPBACK, Names, REFUSED};
use crate::support::receiver::Receiver;
use crate::support::{Options, TestApp, eventually};

const HOUR: u64 = 60 * 60;

/// The waits of the default schedule, in seconds.
const WAITS: [u64; 9] = [
    5,
    5 * 60,
    30 * 60,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
];

/// The longest delay that SQS supports, in seconds.
const QUEUED: f64 = 900.0;

fn time(shown: &Value) -> Timestamp {
    shown
        .as_str()
        .expect("read the time")
        .parse()
        .expect("parse the time")
}

/// The seconds from the end of the newest attempt to the next one.
fn wait_of(delivery: &Value) -> f64 {
    let attempts = delivery["attemptLog"]
        .as_array()
        .expect("read the attempts");
    let last = attempts.last().expect("find the newest attempt");
    let took = Duration::from_millis(last["durationMs"].as_u64().expect("read the duration"));
    let ended = time(&last["startedAt"]) + took;
    let wait = time(&delivery["nextRetryAt"]).duration_since(ended);
    wait.as_millis() as f64 / 1000.0
}

/// The next attempt. If its wait is short, its message is on the queue already, and this
/// makes the same from the task. Otherwise a sweep enqueues it once it is nearly due.
async fn due(
    app: &TestApp,
    clock: &HandClock,
    last: &DeliveryTask,
    delivery: &Value,
) -> DeliveryTask {
    let at = &delivery["nextRetryAt"];
    if wait_of(delivery) <= QUEUED {
        clock.set_to(at);
        assert_eq!(scheduled(app).await, 0, "a retry waits in one place only");
        return last.next();
    }
    clock.set_to(at);
    clock.advance_millis(-11 * 60 * 1000);
    assert_eq!(swept(app).await, []);
    clock.set_to(at);
    let mut due = swept(app).await;
    assert_eq!(swept(app).await, []);
    assert_eq!(due.len(), 1);
    due.remove(0)
}

/// How many attempts wait in the table.
async fn scheduled(app: &TestApp) -> usize {
    let mut found = 0;
    for shard in 0..Table::SCHEDULE_SHARDS {
        let due = app.aws.table().due(shard, Timestamp::MAX, 10).await;
        let due = due.unwrap().into_iter();
        found += due.filter(|due| matches!(due, Due::Attempt(_))).count();
    }
    found
}

/// The attempts that a sweep enqueues. This leaves out the first two retries, which wait on
/// the queue by the real clock.
async fn swept(app: &TestApp) -> Vec<DeliveryTask> {
    let mut swept = app.queue.sweep().await;
    swept.retain(|task| task.attempt > 3);
    swept
}

#[tokio::test]
async fn deliveries_fail_after_ten_attempts_on_schedule() {
    let clock = HandClock::at("2026-01-01T00:00:00Z");
    let mut options = Options::stepwise_with(&clock);
    // Otherwise the endpoint would be disabled before the last attempt.
    options.settings.policy.health.disable_after = Duration::from_secs(30 * 24 * HOUR);
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(500, "no").await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    let mut task = app.queue.first_attempt().await;
    for (index, wait) in WAITS.iter().enumerate() {
        let number = index + 1;
        assert_eq!(task.attempt as usize, number);
        app.queue.must_attempt(&task).await;
        let item = app.api.must_have_one_delivery(&id).await;
        assert_eq!(item["status"], "PENDING");
        assert_eq!(item["attempts"], number);
        assert_eq!(item["responseStatus"], 500);
        assert_eq!(item["deliveredAt"], Value::Null);
        let delivery = app.api.delivery(&id, task.delivery_id).await;
        let waited = wait_of(&delivery) / *wait as f64;
        // Jitter is up to 20 %, and times are shown in whole milliseconds.
        assert!((0.7995..1.2005).contains(&waited), "{waited} of {wait} s");
        task = due(&app, &clock, &task, &delivery).await;
    }
    app.queue.must_attempt(&task).await;
    let delivery = app.api.delivery(&id, task.delivery_id).await;
    assert_eq!(delivery["status"], "FAILED");
    assert_eq!(delivery["attempts"], 10);
    assert_eq!(delivery["nextRetryAt"], Value::Null);
    assert_eq!(delivery["error"], Value::Null);
    let log = delivery["attemptLog"].as_array().unwrap();
    assert!(
        (1..=10).eq(log
            .iter()
            .map(|attempt| attempt["number"].as_u64().unwrap()))
    );

    clock.advance(Duration::from_secs(48 * HOUR));
    assert_eq!(swept(&app).await, []);
    let received = receiver.received();
    assert_eq!(received.len(), 10);
    let mut timestamps: Vec<i64> = Vec::new();
    for request in received {
        assert_eq!(
            request.header("webhook-id"),
            task.source.event_id().to_string()
        );
        assert!(request.was_signed_with(&secret));
        timestamps.push(request.header("webhook-timestamp").parse().unwrap());
    }
    // Each attempt is signed with its own time.
    assert!(timestamps.windows(2).all(|pair| pair[0] < pair[1]));
}

#[tokio::test]
async fn successful_retries_end_the_delivery() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let (receiver, status) = Receiver::switched().await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    assert_eq!(app.queue.delayed().await, 1);
    clock.advance_millis(5_000);
    status.store(204, Ordering::SeqCst);
    app.queue.must_attempt(&task.next()).await;
    let delivered = app.api.delivery(&id, task.delivery_id).await;
    assert_eq!(delivered["status"], "DELIVERED");
    assert_eq!(delivered["attempts"], 2);
    assert_eq!(delivered["responseStatus"], 204);
    assert_eq!(delivered["nextRetryAt"], Value::Null);
    assert!(time(&delivered["deliveredAt"]) >= clock.now());
    // No third attempt was enqueued or scheduled.
    assert_eq!(app.queue.delayed().await, 1);
    app.queue.must_attempt(&task.next().next()).await;
    assert_eq!(receiver.received().len(), 2);
    assert_eq!(app.api.delivery(&id, task.delivery_id).await, delivered);
}

#[tokio::test]
async fn short_waits_use_the_queue() {
    let mut options = Options::default();
    options.settings.policy.schedule = "1,1".parse::<RetrySchedule>().unwrap();
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.api.must_publish("invoice.paid").await;
    let failed = app.api.must_become(&id, "FAILED").await;
    assert_eq!(failed["attempts"], 3);
    assert_eq!(receiver.received().len(), 3);
    app.queue.must_become_empty().await;
}

/// A receiver that answers with this status and `Retry-After`.
async fn asking_to_wait(status: u16, retry_after: String) -> Receiver {
    let status = StatusCode::from_u16(status).unwrap();
    Receiver::responding(move |_| (status, [("retry-after", retry_after.clone())]).into_response())
        .await
}

/// Makes one attempt, which is answered like this. Returns the seconds until the next one.
async fn wait_after(clock: &HandClock, status: u16, retry_after: &str) -> f64 {
    let app = TestApp::start_with(Options::stepwise_with(clock)).await;
    let receiver = asking_to_wait(status, retry_after.to_owned()).await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    wait_of(&app.api.delivery(&id, task.delivery_id).await)
}

#[tokio::test]
async fn retry_after_lengthens_the_wait_up_to_a_day() {
    let clock = HandClock::at("2026-01-01T00:00:00Z");
    for (status, retry_after, least, most) in [
        (429, "120", 120.0, 120.0),
        (503, "3600", 3600.0, 3600.0),
        (503, "0", 4.0, 6.0),
        (429, "86401", 86_400.0, 86_400.0),
        // Larger than any integer type, and later than the last timestamp.
        (429, "99999999999999999999", 86_400.0, 86_400.0),
        (503, "Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0, 86_400.0),
        (503, "-5", 4.0, 6.0),
        (503, "soon", 4.0, 6.0),
        (503, "Thu, 01 Jan 2026 00:30:00 GMT", 1800.0, 1800.0),
        (429, "Sat, 10 Jan 2026 00:00:00 GMT", 86_400.0, 86_400.0),
        (429, "Wed, 31 Dec 2025 00:00:00 GMT", 4.0, 6.0),
        (500, "3600", 3600.0, 3600.0),
        (302, "3600", 3600.0, 3600.0),
        (404, "3600", 3600.0, 3600.0),
    ] {
        let wait = wait_after(&clock, status, retry_after).await;
        let around = least - 0.001..=most + 0.001;
        assert!(around.contains(&wait), "{status} {retry_after}: {wait}");
    }
}

/// The delays of the messages that the service sent, in seconds.
fn sent_delays(app: &TestApp) -> Vec<f64> {
    let sent = app.aws.wire.take_requests().into_iter();
    let batches = sent.filter(|call| call.operation == "SendMessageBatch");
    let entries = batches.flat_map(|call| call.body()["Entries"].as_array().cloned().unwrap());
    let delays = entries.map(|entry| entry["DelaySeconds"].as_f64().unwrap());
    delays.collect()
}

#[tokio::test]
async fn queue_delays_are_no_shorter_than_the_wait() {
    let clock = HandClock::at("2026-01-01T00:00:00Z");
    let mut options = Options::stepwise_with(&clock);
    options.settings.policy.schedule = "300".parse().unwrap();
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    for _ in 0..10 {
        let task = app.queue.first_attempt().await;
        app.aws.wire.take();
        app.queue.must_attempt(&task).await;
        let delays = sent_delays(&app);
        let wait = wait_of(&app.api.delivery(&id, task.delivery_id).await);
        assert_eq!(delays.len(), 1);
        assert!(
            (wait..wait + 1.001).contains(&delays[0]),
            "{delays:?} of {wait}"
        );
    }
}

/// Uses the real clock and queue. The date is in whole seconds, and the waits until then
/// have different fractions of seconds, which no delay may lose.
#[tokio::test]
async fn retries_never_come_before_retry_after_or_next_retry_at() {
    let mut options = Options::default();
    options.settings.policy.schedule = "1".parse().unwrap();
    let app = TestApp::start_with(options).await;
    let date = Timestamp::from_second(Clock::system().now().as_second() + 5).unwrap();
    let header = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let first: Mutex<BTreeSet<String>> = Mutex::default();
    let retried: Arc<Mutex<Vec<Timestamp>>> = Arc::default();
    let seen = Arc::clone(&retried);
    let receiver = Receiver::responding(move |request| {
        let id = request.header("webhook-id").to_owned();
        if first.lock().unwrap().insert(id) {
            let header = [("retry-after", header.clone())];
            return (StatusCode::SERVICE_UNAVAILABLE, header).into_response();
        }
        seen.lock().unwrap().push(Clock::system().now());
        StatusCode::OK.into_response()
    });
    let (id, _) = app.api.create_webhook(&receiver.await.url).await;
    for _ in 0..5 {
        app.api.must_publish("invoice.paid").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let waiting = eventually("all first attempts", async || {
        let history = app.api.deliveries(&id).await;
        let all_wait = history.iter().all(|item| item["nextRetryAt"].is_string());
        (history.len() == 5 && all_wait).then_some(history)
    });
    let waiting = waiting.await;
    eventually("all retries", async || {
        let history = app.api.deliveries(&id).await;
        let mut statuses = history.iter().map(|item| &item["status"]);
        statuses.all(|status| status == "DELIVERED").then_some(())
    })
    .await;
    for item in waiting {
        let delivery = app.api.delivery(&id, item["id"].as_str().unwrap()).await;
        let retried_at = time(&delivery["attemptLog"][1]["startedAt"]);
        let due_at = time(&item["nextRetryAt"]);
        assert!(retried_at >= due_at && due_at >= date, "{delivery} {item}");
    }
    let retried = retried.lock().unwrap().clone();
    assert_eq!(retried.len(), 5);
    assert!(retried.iter().all(|at| *at >= date), "{retried:?} {date}");
}

#[tokio::test]
async fn long_retry_after_waits_use_the_table() {
    let clock = HandClock::at("2026-01-01T00:00:00Z");
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = asking_to_wait(503, "3600".to_owned()).await;
    app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    assert_eq!(app.queue.delayed().await, 0);
    let table = app.aws.table();
    let due = table.due(
        // The last byte of the id decides the shard.
        task.delivery_id.as_bytes()[15] % Table::SCHEDULE_SHARDS,
        clock.now() + Duration::from_secs(2 * HOUR),
        10,
    );
    let due = due.await.unwrap();
    let [Due::Attempt(due)] = due.as_slice() else {
        panic!("{due:?}");
    };
    assert_eq!(due.task, task.next());
}

#[tokio::test]
async fn names_that_briefly_have_a_refused_address_are_retried() {
    for wrong in [REFUSED, "10.0.0.1", "fd00::1"] {
        let mut options = Options::stepwise();
        options.sender.resolver = Names::in_turn(&[&[wrong], &[LOOPBACK]]);
        let app = TestApp::start_with(options).await;
        let receiver = Receiver::answering(200, "").await;
        let url = receiver.url_as("receiver.example.com");
        let (id, _) = app.api.create_webhook(&url).await;
        let task = app.queue.first_attempt().await;
        app.queue.must_attempt(&task).await;
        let refused = app.api.delivery(&id, task.delivery_id).await;
        assert_eq!(refused["status"], "PENDING");
        let error = Failure::RefusedAddress.to_string();
        assert_eq!(refused["attemptLog"][0]["error"], error);
        assert_eq!(receiver.received().len(), 0);
        let wait = wait_of(&refused);
        assert!((4.0..6.0).contains(&wait), "{wait}");
        app.queue.must_attempt(&task.next()).await;
        let delivered = app.api.delivery(&id, task.delivery_id).await;
        assert_eq!(delivered["status"], "DELIVERED");
        receiver.must_receive_one();
    }
}

#[tokio::test]
async fn redirects_and_failed_connections_are_retried() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let redirecting = Receiver::responding(|_| {
        (StatusCode::FOUND, [("location", "https://example.com/")]).into_response()
    });
    let redirecting = redirecting.await;
    let nowhere = "http://127.0.0.1:1/hook".to_owned();
    for (url, status) in [(redirecting.url, json!(302)), (nowhere, Value::Null)] {
        let (id, _) = app.api.subscribe(&url, &["invoice.paid"]).await;
        let task = app.queue.first_attempt().await;
        app.queue.must_attempt(&task).await;
        let item = app.api.must_have_one_delivery(&id).await;
        assert_eq!(item["status"], "PENDING");
        assert_eq!(item["responseStatus"], status);
        assert!(item["nextRetryAt"].is_string(), "{item}");
        app.api.delete(&format!("/{id}")).await;
    }
}
