//! Malformed messages, and messages that keep failing, become dead letters.

use std::sync::Arc;

use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::delivery::egress::{Resolve, Resolving};
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::domain::redelivery::DEFECT_RECEIVES;

use crate::support::queue::{attempt_message, message, ping_of, received_again};
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const NOTHING: Vec<String> = Vec::new();

#[tokio::test]
async fn malformed_messages_become_dead_letters_at_once() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let good: Value = serde_json::from_str(&attempt_message(&ping_of(&app, &id))).unwrap();
    let changed = |field: &str, value: Value| {
        let mut message = good.clone();
        message[field] = value;
        message.to_string()
    };
    let mut bodies = vec![
        "{".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        " not \u{a0} JSON \u{1f980}\n".to_owned(),
        changed("kind", json!("another")),
        changed("createdAt", json!("yesterday")),
        changed("source", json!({})),
        changed("source", json!({"ping": {"payload": "{}"}})),
        changed("appId", json!("a b")),
        changed("endpointId", json!("x")),
    ];
    for field in good.as_object().unwrap().keys() {
        bodies.push(changed(field, Value::Null));
    }
    for unreadable in bodies {
        let letter = app.queue.must_become_dead_letter(&unreadable).await;
        let reason = letter.attribute("Reason");
        assert!(
            reason.starts_with("the message cannot be read: "),
            "{reason}"
        );
    }
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn dead_letters_name_their_queue_and_message_id() {
    let app = TestApp::start_with(Options::idle()).await;
    app.queue.enqueue_in(Lane::Slow, "{").await;
    let queued = app.queue.queued().await;
    let message_id = queued[0].message_id.clone().unwrap();
    app.aws.wire.take();
    assert_eq!(app.queue.handle(queued).await, Ok(NOTHING));
    assert_eq!(app.aws.wire.take(), ["SendMessage"]);
    let letters = app.queue.take_dead_letters().await;
    assert_eq!(letters[0].attribute("MessageId"), message_id);
    assert!(
        app.aws
            .resources
            .slow_queue_url
            .ends_with(letters[0].attribute("Queue"))
    );
}

#[tokio::test]
async fn malformed_messages_stay_if_the_dead_letter_cannot_be_sent() {
    let app = TestApp::start_with(Options::idle()).await;
    app.aws.wire.break_calls(&["SendMessage"], Fault::Before);
    let sweep = message(Some("sweep"), r#"{"kind":"sweep"}"#);
    let batch = [message(Some("m"), "{"), sweep];
    let back = app.queue.handle(batch).await;
    assert_eq!(back, Ok(vec!["m".to_owned()]));
    app.aws.wire.mend();
    app.queue.must_become_dead_letter("{").await;
}

#[tokio::test]
async fn messages_without_a_body_do_not_panic() {
    let app = TestApp::start_with(Options::idle()).await;
    let mut without_body = message(Some("m"), "");
    without_body.body = None;
    assert!(app.queue.handle([without_body]).await.is_ok());
}

/// Handles the message as if received for the `receives`-th time. Returns whether it
/// failed, so that SQS will deliver it again.
async fn fails(app: &TestApp, body: &str, receives: u32) -> bool {
    let message = received_again(&message(Some("m"), body), receives);
    let back = app.queue.handle([message]).await.unwrap();
    assert!(back.is_empty() || back == ["m"]);
    !back.is_empty()
}

#[tokio::test]
async fn messages_that_hit_a_defect_become_dead_letters_after_8_tries() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let ping = attempt_message(&ping_of(&app, &id));
    app.aws
        .edit_endpoint(&id, &format!("REMOVE #{}", attribute::ACTIVE))
        .await;
    for receives in 1..DEFECT_RECEIVES {
        assert!(fails(&app, &ping, receives).await);
    }
    assert!(app.queue.take_dead_letters().await.is_empty());

    // It stays on the queue if the dead letter cannot be sent.
    app.aws.wire.break_calls(&["SendMessage"], Fault::Before);
    assert!(fails(&app, &ping, DEFECT_RECEIVES).await);
    app.aws.wire.mend();
    assert!(!fails(&app, &ping, DEFECT_RECEIVES + 1).await);
    let letters = app.queue.take_dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].body(), ping);
    assert!(letters[0].attribute("Reason").contains("is missing"));
}

#[tokio::test]
async fn requests_that_aws_rejects_as_invalid_count_as_defects() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let ping = attempt_message(&ping_of(&app, &id));
    const INVALID: Fault = Fault::Refused(r#"{"__type": "com.amazonaws#ValidationException"}"#);
    app.aws.wire.break_calls(&["BatchGetItem"], INVALID);
    assert!(fails(&app, &ping, DEFECT_RECEIVES - 1).await);
    assert!(!fails(&app, &ping, DEFECT_RECEIVES).await);
    assert_eq!(app.queue.take_dead_letters().await.len(), 1);
}

/// A resolver that always panics.
struct Panics;

impl Resolve for Panics {
    fn resolve(&self, _: String) -> Resolving {
        panic!("the resolver panics")
    }
}

#[tokio::test]
async fn messages_that_panic_become_dead_letters_after_8_tries() {
    let options = Options {
        polling: false,
        ..Options::resolving(Arc::new(Panics))
    };
    let app = TestApp::start_with(options).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let ping = attempt_message(&ping_of(&app, &id));
    assert!(fails(&app, &ping, DEFECT_RECEIVES - 1).await);
    assert!(!fails(&app, &ping, DEFECT_RECEIVES).await);
    let letters = app.queue.take_dead_letters().await;
    assert_eq!(
        letters[0].attribute("Reason"),
        "handling the message panicked"
    );
}
