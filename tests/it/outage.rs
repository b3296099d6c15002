//! AWS outages: failing messages return after ever longer delays, and none is lost.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use local::template;
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::domain::redelivery::{JITTER, delay_after};

use crate::support::hand_clock::HandClock;
use crate::support::queue::{Queue, attempt_message, ping_of, received_again};
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const NOTHING: Vec<String> = Vec::new();
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn max_receives(lane: Lane) -> u32 {
    template::queue(lane).unwrap().max_receive_count
}

#[test]
fn week_long_outages_take_fewer_receives_than_allowed() {
    for lane in [Lane::Fast, Lane::Slow] {
        // The last receive has to succeed, and the waits before it may be as short as jitter allows.
        let failures = 1..max_receives(lane);
        let waits = failures.map(|count| delay_after(count).mul_f64(1.0 - JITTER));
        let outlasted: Duration = waits.sum();
        assert!(outlasted > WEEK, "{lane:?}: {outlasted:?}");
        // SQS keeps a message for 14 days in all, some of which the dead-letter queue needs.
        assert!(outlasted < WEEK.mul_f64(1.5), "{lane:?}: {outlasted:?}");
    }
}

/// The visibility timeouts, in seconds, that the last batch set.
fn hidden_seconds(app: &TestApp) -> Vec<u64> {
    let requests = app.aws.wire.take_requests();
    let hiding = requests.iter();
    let hiding = hiding.filter(|call| call.operation == "ChangeMessageVisibilityBatch");
    let entries = hiding.flat_map(|call| call.body()["Entries"].as_array().unwrap().clone());
    entries
        .map(|entry| entry["VisibilityTimeout"].as_u64().unwrap())
        .collect()
}

/// The SDK does not retry a rejection, which makes these tests faster than with a lost
/// connection.
const DENIED: Fault = Fault::Refused(r#"{"__type": "com.amazonaws#AccessDeniedException"}"#);

/// Handles the message again whenever its delay is over, while these calls fail for a week.
/// Returns the number of receives, including the last one, which succeeds.
async fn outlast(
    app: &TestApp,
    queue: &Queue,
    clock: &HandClock,
    message: &SqsMessage,
    broken: &'static [&'static str],
) -> u32 {
    let end = clock.now() + WEEK;
    app.aws.wire.break_calls(broken, DENIED);
    for count in 1.. {
        let again = received_again(message, count);
        if clock.now() >= end {
            app.aws.wire.mend();
            assert_eq!(queue.handle([again]).await, Ok(NOTHING));
            return count;
        }
        app.aws.wire.take();
        assert_eq!(queue.handle([again]).await.unwrap().len(), 1);
        let hidden = hidden_seconds(app);
        assert_eq!(hidden.len(), 1, "{broken:?}");
        clock.advance(Duration::from_secs(hidden[0]));
    }
    unreachable!("the loop ends after a week")
}

#[tokio::test]
async fn week_long_outages_lose_nothing() {
    for (broken, is_delivery) in [
        (
            &["Query", "PutItem", "BatchGetItem", "UpdateItem"][..],
            false,
        ),
        (&["SendMessageBatch", "SendMessage"], false),
        (&["BatchGetItem"], true),
        (&["GetSecretValue"], true),
    ] {
        let clock = HandClock::at_now();
        let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        app.api.must_publish("invoice.paid").await;
        let queue = app.queue.by_message();
        if is_delivery {
            let events = app.queue.queued().await;
            assert_eq!(queue.handle(events).await, Ok(NOTHING));
        }
        let queued = app.queue.queued().await;
        assert_eq!(queued.len(), 1);

        let receives = outlast(&app, &queue, &clock, &queued[0], broken).await;
        assert!(receives <= max_receives(Lane::Fast), "{receives}");
        app.queue.settle().await;
        receiver.must_receive_one();
        let delivery = app.api.must_have_one_delivery(&id).await;
        assert_eq!(delivery["status"], "DELIVERED");
        assert!(app.queue.take_dead_letters().await.is_empty());
    }
}

#[tokio::test]
async fn failing_messages_are_delayed_longer_each_time() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    for lane in [Lane::Fast, Lane::Slow] {
        app.queue
            .enqueue_in(lane, &attempt_message(&ping_of(&app, &id)))
            .await;
        let queued = app.queue.queued_in(lane).await;
        app.aws.wire.break_calls(&["BatchGetItem"], DENIED);
        for (count, expected) in [(1, 4..=5), (2, 8..=10), (7, 256..=320), (60, 5760..=7200)] {
            app.aws.wire.take();
            let again = queued.iter().map(|message| received_again(message, count));
            let again: Vec<_> = again.collect();
            assert_eq!(app.queue.handle(again).await.unwrap().len(), 1);
            let hidden = hidden_seconds(&app);
            assert!(expected.contains(&hidden[0]), "{count}: {hidden:?}");
        }
        app.aws.wire.mend();
    }
    // Both messages are hidden for hours.
    assert_eq!(app.queue.counts().await, [0, 2, 0]);
}

#[tokio::test]
async fn aws_failures_never_cause_dead_letters() {
    const THROTTLED: Fault = Fault::Refused(r#"{"__type": "com.amazonaws#ThrottlingException"}"#);
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.queue
        .enqueue(&attempt_message(&ping_of(&app, &id)))
        .await;
    let queued = app.queue.queued().await;
    for fault in [Fault::Before, THROTTLED, DENIED] {
        for operation in [&["BatchGetItem"], &["GetSecretValue"]] {
            app.aws.wire.break_calls(operation, fault);
            let again = received_again(&queued[0], max_receives(Lane::Fast));
            let back = app.queue.handle([again]).await.unwrap();
            assert_eq!(back.len(), 1, "{fault:?} {operation:?}");
        }
    }
    app.aws.wire.mend();
    assert!(app.queue.take_dead_letters().await.is_empty());
}

#[tokio::test]
async fn messages_are_returned_even_if_their_delay_cannot_be_set() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    for _ in 0..2 {
        app.queue
            .enqueue(&attempt_message(&ping_of(&app, &id)))
            .await;
    }
    let queued = app.queue.queued().await;
    const BROKEN: &[&str] = &["BatchGetItem", "ChangeMessageVisibilityBatch"];
    app.aws.wire.break_calls(BROKEN, Fault::Before);
    let back = app.queue.handle(queued).await.unwrap();
    assert_eq!(back.len(), 2);
}
