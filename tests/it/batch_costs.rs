//! The AWS calls that the delivery function makes for a batch.

use aws_lambda_events::sqs::SqsMessage;

use crate::support::queue::{attempt_message, message, ping_of};
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

#[tokio::test]
async fn warm_deliveries_cost_one_read_and_one_write() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.aws.wire.take();
    app.queue.must_attempt(&ping_of(&app, &id)).await;
    let cold = ["BatchGetItem", "GetSecretValue", "UpdateItem"];
    assert_eq!(app.aws.wire.take(), cold);
    app.queue.must_attempt(&ping_of(&app, &id)).await;
    assert_eq!(app.aws.wire.take(), ["BatchGetItem", "UpdateItem"]);
}

#[tokio::test]
async fn batches_of_ten_cost_one_read_and_ten_writes() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (first, _) = app.api.create_webhook(&receiver.url).await;
    let (second, _) = app.api.create_webhook(&receiver.url).await;
    for id in [&first, &second] {
        app.queue.must_attempt(&ping_of(&app, id)).await;
    }
    app.aws.wire.take();
    let batch: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|id| (0..5).map(|_| ping_of(&app, id)))
        .enumerate()
        .map(|(index, ping)| message(Some(&index.to_string()), attempt_message(&ping)))
        .collect();
    assert_eq!(app.queue.handle(batch).await, Ok(Vec::new()));
    let mut expected = vec!["BatchGetItem"];
    expected.extend(["UpdateItem"; 10]);
    assert_eq!(app.aws.wire.take(), expected);
}

/// Builds a batch of ten pings of one endpoint.
fn ten_pings(app: &TestApp, id: &str) -> Vec<SqsMessage> {
    let pings = (0..10).map(|_| ping_of(app, id)).enumerate();
    pings
        .map(|(index, ping)| message(Some(&index.to_string()), attempt_message(&ping)))
        .collect()
}

#[tokio::test]
async fn cold_batches_read_each_secret_once() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    let calls = &["GetSecretValue"];
    // Slow, so that all ten attempts need the secret while the first reads it.
    app.aws.wire.break_calls(calls, Fault::Slow);
    app.aws.wire.take();
    let batch = ten_pings(&app, &id);
    assert_eq!(app.queue.handle(batch).await, Ok(Vec::new()));
    let mut expected = vec!["BatchGetItem", "GetSecretValue"];
    expected.extend(["UpdateItem"; 10]);
    assert_eq!(app.aws.wire.take(), expected);
    let received = receiver.received();
    assert_eq!(received.len(), 10);
    assert!(received.iter().all(|got| got.is_signed_with(&secret)));
}

#[tokio::test]
async fn repeated_messages_cost_one_read() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let ping = ping_of(&app, &id);
    app.queue.must_attempt(&ping).await;
    app.aws.wire.take();
    app.queue.must_attempt(&ping).await;
    assert_eq!(app.aws.wire.take(), ["BatchGetItem"]);
}

#[tokio::test]
async fn failed_batches_of_ten_cost_one_more_call() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    for _ in 0..10 {
        app.queue
            .enqueue(&attempt_message(&ping_of(&app, &id)))
            .await;
    }
    let queued = app.queue.queued().await;
    assert_eq!(queued.len(), 10);
    const DENIED: Fault = Fault::Refused(r#"{"__type": "AccessDeniedException"}"#);
    app.aws.wire.break_calls(&["BatchGetItem"], DENIED);
    app.aws.wire.take();
    assert_eq!(app.queue.handle(queued).await.unwrap().len(), 10);
    // One call sets when all ten messages become visible again.
    let calls = ["BatchGetItem", "ChangeMessageVisibilityBatch"];
    assert_eq!(app.aws.wire.take(), calls);
}
