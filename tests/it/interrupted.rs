//! Interrupted attempts and repeated messages.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::Barrier;

use webhook_endpoints::aws::table::Due;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::delivery::enqueue_due::LEASE;

use crate::support::hand_clock::HandClock;
use crate::support::queue::message;
use crate::support::receiver::{Receiver, raw_receiver};
use crate::support::wire::Fault;
use crate::support::{Options, STORAGES, TestApp};

/// In milliseconds. The next attempt is due by then, whatever its jitter.
const TWO_HOURS: i64 = 2 * 60 * 60 * 1000;

const SWEEP: &str = r#"{"kind":"sweep"}"#;

/// A service whose retries all wait in the table.
async fn hourly() -> (TestApp, HandClock) {
    let clock = HandClock::at_now();
    let mut options = Options::stepwise_with(&clock);
    options.settings.policy.schedule = "3600,3600".parse().unwrap();
    (TestApp::start_with(options).await, clock)
}

#[tokio::test]
async fn repeated_attempts_are_not_sent_again() {
    let (app, _) = hourly().await;
    for status in [200, 500, 410] {
        let receiver = Receiver::answering(status, "").await;
        let (id, _) = app.api.subscribe(&receiver.url, &["invoice.paid"]).await;
        let task = app.queue.first_attempt().await;
        app.queue.must_attempt(&task).await;
        let once = app.api.delivery(&id, task.delivery_id).await;
        app.aws.wire.take();
        app.queue.must_attempt(&task).await;
        // The message may have been returned because its notice could not be sent, so the
        // notice is sent again.
        let told: &[&str] = match status {
            200 => &["BatchGetItem"],
            _ => &["BatchGetItem", "SendMessage"],
        };
        assert_eq!(app.aws.wire.take(), told);
        receiver.must_receive_one();
        assert_eq!(app.api.delivery(&id, task.delivery_id).await, once);
        app.api.delete(&format!("/{id}")).await;
    }
}

#[tokio::test]
async fn concurrent_duplicate_attempts_are_recorded_once() {
    for status in [200, 500] {
        let (app, clock) = hourly().await;
        // Neither gets a response before both have sent a request.
        let both = Arc::new(Barrier::new(2));
        let url = raw_receiver(move |mut stream| {
            let both = Arc::clone(&both);
            async move {
                both.wait().await;
                let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let (id, _) = app.api.create_webhook(&url.await).await;
        let task = app.queue.first_attempt().await;
        let attempt = || app.queue.must_attempt(&task);
        tokio::join!(attempt(), attempt());
        let delivery = app.api.delivery(&id, task.delivery_id).await;
        assert_eq!(delivery["attempts"], 1);
        assert_eq!(delivery["attemptLog"].as_array().unwrap().len(), 1);
        clock.advance_millis(TWO_HOURS);
        let due = app.queue.sweep().await;
        assert_eq!(due.len(), usize::from(status == 500));
    }
}

#[tokio::test]
async fn unrecorded_attempts_are_repeated_and_retried() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    // The next attempt is on the queue, but this one is not recorded.
    app.aws.wire.break_calls(&["UpdateItem"], Fault::Before);
    assert_eq!(app.queue.try_attempt(&task).await, ["m"]);
    assert_eq!(app.queue.delayed().await, 1);
    app.aws.wire.mend();

    // The next attempt comes first, which happens if its delay is shorter than the time
    // until the returned message is visible again.
    app.queue.must_attempt(&task.next()).await;
    let ahead = app.api.must_have_one_delivery(&id).await;
    assert_eq!(ahead["attempts"], 2);
    app.queue.must_attempt(&task).await;
    assert_eq!(app.api.must_have_one_delivery(&id).await, ahead);
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn unrecorded_attempts_schedule_the_next_one_once() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.aws.wire.break_calls(&["UpdateItem"], Fault::Before);
    assert_eq!(app.queue.try_attempt(&task).await, ["m"]);
    app.aws.wire.mend();
    app.queue.must_attempt(&task).await;
    assert_eq!(receiver.received().len(), 2);
    assert_eq!(app.api.must_have_one_delivery(&id).await["attempts"], 1);
    // By now there are two messages for the second attempt.
    assert_eq!(app.queue.delayed().await, 2);
    app.queue.must_attempt(&task.next()).await;
    app.queue.must_attempt(&task.next()).await;
    assert_eq!(receiver.received().len(), 3);
    assert_eq!(app.api.must_have_one_delivery(&id).await["attempts"], 2);
}

#[tokio::test]
async fn messages_are_returned_if_the_retry_cannot_be_scheduled() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.aws
        .wire
        .break_calls(&["SendMessageBatch"], Fault::Before);
    assert_eq!(app.queue.try_attempt(&task).await, ["m"]);
    assert!(app.api.deliveries(&id).await.is_empty());
    app.aws.wire.mend();
    app.queue.must_attempt(&task).await;
    assert_eq!(app.api.must_have_one_delivery(&id).await["attempts"], 1);
    assert_eq!(app.queue.delayed().await, 1);
}

#[tokio::test]
async fn nothing_is_sent_while_the_table_is_unreadable() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.aws.wire.break_calls(&["BatchGetItem"], Fault::Before);
    assert_eq!(app.queue.try_attempt(&task).await, ["m"]);
    assert_eq!(receiver.received().len(), 0);
    app.aws.wire.mend();
    app.queue.must_attempt(&task).await;
    assert_eq!(
        app.api.must_have_one_delivery(&id).await["status"],
        "DELIVERED"
    );
}

#[tokio::test]
async fn interrupted_sweeps_make_no_attempt_twice() {
    let (app, clock) = hourly().await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    clock.advance_millis(TWO_HOURS);
    // The first update, which claims the attempt, succeeds. The attempt is then enqueued,
    // but removing it from the schedule fails.
    app.aws.wire.break_from("UpdateItem", 2, Fault::Before);
    let sweep = message(Some("sweep"), SWEEP);
    assert_eq!(app.queue.handle([sweep]).await.unwrap(), ["sweep"]);
    app.aws.wire.mend();
    let second = app.queue.tasks().await;
    assert_eq!(second.len(), 1);
    assert_eq!(app.queue.sweep().await, []);
    app.queue.must_attempt(&second[0]).await;
    assert_eq!(receiver.received().len(), 2);
    assert_eq!(app.api.must_have_one_delivery(&id).await["attempts"], 2);
    // Only the attempt after it is scheduled.
    clock.advance_millis(TWO_HOURS);
    let third = app.queue.sweep().await;
    assert_eq!(third.len(), 1);
    assert_eq!(third[0].attempt, 3);
    clock.advance_millis(TWO_HOURS);
    assert_eq!(app.queue.sweep().await, []);
}

#[tokio::test]
async fn sweeps_interrupted_before_enqueueing_lose_nothing() {
    let (app, clock) = hourly().await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    let before = app.api.must_have_one_delivery(&id).await;
    clock.set_to(&before["nextRetryAt"]);
    clock.advance_millis(-5 * 60 * 1000);
    app.aws
        .wire
        .break_calls(&["SendMessageBatch"], Fault::Before);
    let sweep = message(Some("sweep"), SWEEP);
    assert_eq!(app.queue.handle([sweep]).await.unwrap(), ["sweep"]);
    app.aws.wire.mend();
    assert_eq!(app.api.must_have_one_delivery(&id).await, before);
    // Another sweep might have enqueued it, so it is left alone until the lease ends.
    clock.advance(LEASE);
    assert_eq!(app.queue.sweep().await, []);
    clock.advance_millis(1);
    let second = app.queue.sweep().await;
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].attempt, 2);
    assert_eq!(app.queue.delayed().await, 0);
    clock.advance(2 * LEASE);
    assert_eq!(app.queue.sweep().await, []);
}

#[tokio::test]
async fn late_sweep_updates_keep_the_next_attempt_scheduled() {
    let (app, clock) = hourly().await;
    let receiver = Receiver::answering(500, "").await;
    app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    clock.advance_millis(TWO_HOURS);
    let shard = task.delivery_id.as_bytes()[15] % 8;
    let due = app.aws.table().due(shard, clock.now(), 10).await;
    let due = due.unwrap().into_iter().find_map(|due| match due {
        Due::Attempt(attempt) => Some(attempt),
        Due::Endpoint(_) | Due::Unreadable(_) => None,
    });
    let due = due.expect("find the attempt that is due");
    // The attempt is made and fails before the sweep removes it from the
    // schedule.
    app.queue.must_attempt(&due.task).await;
    app.aws.table().unschedule(&due).await.unwrap();
    clock.advance_millis(TWO_HOURS);
    let third = app.queue.sweep().await;
    assert_eq!(third.len(), 1);
    assert_eq!(third[0].attempt, 3);
}

/// Lets the next `UpdateItem` pass, which records the attempt, and fails all after it.
fn break_health_writes(app: &TestApp) {
    app.aws.wire.break_from("UpdateItem", 2, Fault::Before);
}

#[tokio::test]
async fn failed_health_writes_never_undo_a_recorded_success() {
    let (app, clock) = hourly().await;
    let (receiver, status) = Receiver::switched().await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    status.store(500, Ordering::SeqCst);
    let first = app.queue.first_attempt().await;
    app.queue.must_attempt(&first).await;
    assert!(app.aws.any_item_has(attribute::FAILING_SINCE).await);

    status.store(200, Ordering::SeqCst);
    clock.advance_millis(TWO_HOURS);
    let second = app.queue.sweep().await;
    break_health_writes(&app);
    // The message is returned: the write may have succeeded, and then its notice is missing.
    assert_eq!(app.queue.try_attempt(&second[0]).await, ["m"]);
    app.aws.wire.mend();
    let delivery = app.api.must_have_one_delivery(&id).await;
    assert_eq!(delivery["status"], "DELIVERED");
    assert!(app.aws.any_item_has(attribute::FAILING_SINCE).await);
    // The repeated message sends nothing.
    app.queue.must_attempt(&second[0]).await;
    assert_eq!(receiver.received().len(), 2);

    // The next attempt updates the endpoint's health instead.
    let next = app.queue.first_attempt().await;
    app.queue.must_attempt(&next).await;
    assert!(!app.aws.any_item_has(attribute::FAILING_SINCE).await);
}

#[tokio::test]
async fn next_attempt_corrects_health_after_a_failed_write() {
    for (answer, disabled_reason) in [(500, Value::Null), (410, json!("GONE"))] {
        let (app, _) = hourly().await;
        let receiver = Receiver::answering(answer, "").await;
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        let task = app.queue.first_attempt().await;
        break_health_writes(&app);
        assert_eq!(app.queue.try_attempt(&task).await, ["m"]);
        app.aws.wire.mend();
        app.queue.must_attempt(&task).await;
        let endpoint = app.api.get(&format!("/{id}")).await;
        assert_eq!(endpoint.data()["disabledReason"], Value::Null);
        assert!(!app.aws.any_item_has(attribute::FAILING_SINCE).await);

        let next = app.queue.first_attempt().await;
        app.queue.must_attempt(&next).await;
        assert_eq!(receiver.received().len(), 2);
        let endpoint = app.api.get(&format!("/{id}")).await;
        assert_eq!(endpoint.data()["disabledReason"], disabled_reason);
        let is_failing = app.aws.any_item_has(attribute::FAILING_SINCE).await;
        assert_eq!(is_failing, answer == 500);
    }
}

#[tokio::test]
async fn endpoints_are_not_disabled_before_the_attempt_is_recorded() {
    let (app, _) = hourly().await;
    let receiver = Receiver::answering(410, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.aws.wire.break_calls(&["UpdateItem"], Fault::Before);
    assert_eq!(app.queue.try_attempt(&task).await, ["m"]);
    app.aws.wire.mend();
    assert!(app.api.deliveries(&id).await.is_empty());
    app.queue.must_attempt(&task).await;
    assert_eq!(receiver.received().len(), 2);
    let endpoint = app.api.get(&format!("/{id}")).await;
    assert_eq!(endpoint.data()["disabledReason"], "GONE");
    let delivery = app.api.must_have_one_delivery(&id).await;
    assert_eq!(delivery["status"], "FAILED");
}

#[tokio::test]
async fn missing_secret_versions_are_read_three_times_with_pauses() {
    for storage in STORAGES {
        let app = TestApp::start_with(Options::stepwise().with_storage(storage)).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        let task = app.queue.first_attempt().await;
        app.aws.wire.take();
        const GONE: Fault = Fault::Refused(r#"{"__type": "ResourceNotFoundException"}"#);
        app.aws.wire.break_calls(&["GetSecretValue"], GONE);
        let begun = Instant::now();
        assert_eq!(app.queue.try_attempt(&task).await, ["m"]);
        // The pauses between the reads are 100 and 500 ms.
        assert!(begun.elapsed() >= Duration::from_millis(600));
        let reads = ["BatchGetItem", "GetSecretValue"];
        let expected: Vec<_> = reads.into_iter().flat_map(|call| [call; 3]).collect();
        assert_eq!(app.aws.wire.take(), expected);
        assert_eq!(receiver.received().len(), 0);

        // A version that appears in the meantime is used.
        app.aws.wire.break_once("GetSecretValue", GONE);
        app.queue.must_attempt(&task).await;
        let delivery = app.api.must_have_one_delivery(&id).await;
        assert_eq!(delivery["status"], "DELIVERED");
    }
}
