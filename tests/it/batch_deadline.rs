//! Batches that run out of time before Lambda's timeout.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use webhook_endpoints::delivery::Deadline;

use crate::support::queue::{Queue, attempt_message, message, ping_of};
use crate::support::receiver::{Receiver, gated_receiver};
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

/// Longer than an AWS call with all its retries.
const SOON: Duration = Duration::from_secs(5);

/// Returns the queue, handled by functions that time out after `left`, with attempts of at
/// most a second.
fn ending_after(app: &TestApp, left: Duration) -> Queue {
    let deadline = Deadline::new(Instant::now() + left, Duration::from_secs(1));
    app.queue.with_deadline(deadline)
}

#[tokio::test]
async fn messages_that_run_out_of_time_are_returned_alone() {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api.create_webhook("https://example.com/hook").await;
    let event = |app_id: &str| {
        let event = json!({
            "kind": "event", "appId": app_id, "type": "invoice.paid", "data": null,
            "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        });
        event.to_string()
    };
    app.aws.wire.disturb_requests(|operation, body| {
        let is_slow = String::from_utf8_lossy(body).contains("APP#slow");
        (operation == "Query" && is_slow).then_some(Fault::Late)
    });
    let batch = [
        message(Some("slow"), event("slow")),
        message(Some("quick"), event(app.app_id.as_str())),
    ];
    let begun = Instant::now();
    let back = ending_after(&app, SOON).handle(batch).await;
    assert_eq!(back, Ok(vec!["slow".to_owned()]));
    assert!(begun.elapsed() < SOON - Duration::from_secs(1));
    assert_eq!(app.queue.tasks().await.len(), 1);
}

#[tokio::test]
async fn attempts_whose_read_takes_too_long_are_returned() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.wire.break_calls(&["BatchGetItem"], Fault::Late);
    let batch = [
        message(Some("attempt"), attempt_message(&ping_of(&app, &id))),
        message(Some("sweep"), r#"{"kind":"sweep"}"#),
    ];
    let begun = Instant::now();
    let back = ending_after(&app, SOON).handle(batch).await;
    assert_eq!(back, Ok(vec!["attempt".to_owned()]));
    assert!(begun.elapsed() < SOON - Duration::from_secs(1));
}

#[tokio::test]
async fn attempts_begin_only_if_there_is_time_to_record_them() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let ping = ping_of(&app, &id);
    // Needed: a second for the attempt, 16 for its record, and 3 to return other messages.
    // So 19 s are too few.
    let short = ending_after(&app, Duration::from_secs(19));
    assert_eq!(short.try_attempt(&ping).await, ["m"]);
    assert_eq!(receiver.received().len(), 0);

    let enough = ending_after(&app, Duration::from_secs(25));
    enough.must_attempt(&ping).await;
    receiver.must_receive_one();
}

#[tokio::test]
async fn attempts_under_way_are_recorded_after_the_last_start() {
    let app = TestApp::start_with(Options::idle()).await;
    let (url, gate) = gated_receiver().await;
    let (id, _) = app.api.create_webhook(&url).await;
    let ping = ping_of(&app, &id);
    let queue = ending_after(&app, Duration::from_secs(21));
    let attempting = queue.must_attempt(&ping);
    let opening = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        gate.notify_one();
    };
    tokio::join!(attempting, opening);
    assert_eq!(app.api.deliveries(&id).await[0]["status"], "DELIVERED");
}

#[tokio::test]
async fn returning_messages_ends_before_the_functions_timeout() {
    let app = TestApp::start_with(Options::idle()).await;
    app.queue.enqueue("{").await;
    let queued = app.queue.queued().await;
    let id = queued[0].message_id.clone().unwrap();
    // All calls to SQS hang: the dead letter, and the change of visibility.
    app.aws.wire.disturb(|_| Some(Fault::Late));
    let begun = Instant::now();
    let back = ending_after(&app, SOON).handle(queued).await;
    assert_eq!(back, Ok(vec![id]));
    assert!(begun.elapsed() < SOON);
}
