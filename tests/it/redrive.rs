//! An event without an id takes that of its first message, and keeps it. SQS gives a
//! redriven dead letter another message id and another time, so the service carries the
//! first ones along.

use aws_lambda_events::sqs::{SqsMessage, SqsMessageAttribute};
use serde_json::{Value, json};
use webhook_endpoints::domain::id::EventId;

use crate::support::hand_clock::HandClock;
use crate::support::queue::{message, received_again};
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const NOTHING: Vec<String> = Vec::new();

/// When the first message was sent.
const SENT: [&str; 2] = ["1767225600123", "2026-01-01T00:00:00.123Z"];

fn clock() -> HandClock {
    HandClock::at("2026-01-01T00:00:05Z")
}

fn event(app: &TestApp) -> String {
    let event = json!({
        "kind": "event", "appId": app.app_id, "type": "invoice.paid", "data": {"n": 1},
    });
    event.to_string()
}

/// A message with a new id that was sent at this time, in milliseconds.
fn new_message(body: &str, sent_at: &str) -> SqsMessage {
    let mut message = message(Some(&EventId::new().to_string()), body);
    let sent_at = ("SentTimestamp".to_owned(), sent_at.to_owned());
    message.attributes.extend([sent_at]);
    message
}

/// Asserts that one event arrived, with this id and the first message's time.
fn assert_arrived(receiver: &Receiver, id: Option<&String>) {
    let request = receiver.must_receive_one();
    assert_eq!(Some(request.header("webhook-id")), id.map(String::as_str));
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(sent["timestamp"], SENT[1]);
}

#[tokio::test]
async fn returned_events_are_sent_on_with_their_id() {
    for broken in [&["SendMessageBatch"], &["PutItem"], &["Query"]] {
        let app = TestApp::start_with(Options::stepwise_with(&clock())).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        let first = new_message(&event(&app), SENT[0]);
        app.aws.wire.break_calls(broken, Fault::Before);
        let back = app.queue.handle([first.clone()]).await.unwrap();
        assert_eq!(back.len(), 1, "{broken:?}");
        app.aws.wire.mend();

        app.aws.wire.take();
        let again = received_again(&first, 2);
        assert_eq!(app.queue.handle([again]).await, Ok(NOTHING));
        assert_eq!(app.aws.wire.take(), ["SendMessage"]);
        let queued = app.queue.all_queued().await;
        assert_eq!(queued.len(), 1);
        // As if the message had gone to the dead-letter queue and been redriven.
        let body = queued[0].body.clone().unwrap();
        for _ in 0..2 {
            let redriven = new_message(&body, "1767225700000");
            assert_eq!(app.queue.handle([redriven]).await, Ok(NOTHING));
            app.queue.settle().await;
        }
        assert_arrived(&receiver, first.message_id.as_ref());
        app.api.must_have_one_delivery(&id).await;
    }
}

#[tokio::test]
async fn returned_events_are_returned_again_if_sending_them_on_fails() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let again = received_again(&new_message(&event(&app), SENT[0]), 2);
    app.aws.wire.break_calls(&["SendMessage"], Fault::Before);
    let id = again.message_id.clone().unwrap();
    assert_eq!(app.queue.handle([again]).await, Ok(vec![id]));
}

#[tokio::test]
async fn dead_letters_keep_their_first_id_and_time() {
    let app = TestApp::start_with(Options::stepwise_with(&clock())).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let unreadable = event(&app).replace("invoice.paid", "Invoice Paid");
    let mut message = new_message(&unreadable, SENT[0]);
    let first = message.message_id.clone();
    // The second message is redriven.
    for sent_at in ["1767225650000", "1767225700000"] {
        assert_eq!(app.queue.handle([message]).await, Ok(NOTHING));
        let letters = app.queue.take_dead_letters().await;
        assert_eq!(letters.len(), 1);
        message = new_message(letters[0].body(), sent_at);
        for name in ["MessageId", "SentTimestamp"] {
            let mut attribute = SqsMessageAttribute::default();
            attribute.string_value = Some(letters[0].attribute(name).to_owned());
            message
                .message_attributes
                .insert(name.to_owned(), attribute);
        }
    }
    // As if a later version could read it.
    message.body = Some(event(&app));
    let back = app.queue.handle([message]).await;
    assert_eq!(back, Ok(NOTHING));
    app.queue.settle().await;
    assert_arrived(&receiver, first.as_ref());
}
