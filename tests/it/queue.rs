//! Failures around the queue between the API and the delivery function.

use serde_json::Value;

use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

/// Options with which failed messages reappear as soon as SQS allows.
fn quick() -> Options {
    Options {
        visibility_timeout: 1,
        ..Options::default()
    }
}

async fn assert_nothing_is_pending(app: &TestApp, id: &str) {
    let pending = app
        .api
        .get(&format!("/{id}/deliveries?status=PENDING"))
        .await;
    assert_eq!(pending.data()["items"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn unreadable_messages_become_dead_letters_and_block_nothing() {
    let app = TestApp::start_with(quick()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.aws
        .clients
        .sqs
        .send_message()
        .queue_url(&app.aws.resources.queue_url)
        .message_body("no message of ours")
        .send()
        .await
        .unwrap();
    app.api.ping(&id).await;
    receiver.must_receive_one();
    let letter = app.queue.dead_letter().await;
    assert_eq!(letter.body.as_deref(), Some("no message of ours"));
    app.queue.must_become_empty().await;
}

#[tokio::test]
async fn interrupted_pings_are_delivered_on_the_next_receive() {
    for (broken, requests) in [
        (&["BatchGetItem"], 1),
        (&["GetSecretValue"], 1),
        // The attempt that could not be recorded is repeated.
        (&["UpdateItem"], 2),
    ] {
        let app = TestApp::start_with(Options {
            polling: false,
            ..quick()
        })
        .await;
        let receiver = Receiver::answering(200, "").await;
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        app.api.ping_preferring(&id, "respond-async").await;
        app.aws.wire.break_calls(broken, Fault::Before);
        let back = app.queue.handle(app.queue.queued().await).await.unwrap();
        assert_eq!(back.len(), 1, "{broken:?}");
        assert_eq!(app.api.deliveries(&id).await[0]["status"], "PENDING");

        app.aws.wire.mend();
        app.queue.start_polling();
        let delivered = app.api.must_become(&id, "DELIVERED").await;
        assert_eq!(delivered["attempts"], 1, "{broken:?}");
        app.queue.must_become_empty().await;
        assert_nothing_is_pending(&app, &id).await;
        assert_eq!(receiver.received().len(), requests, "{broken:?}");
    }
}

#[tokio::test]
async fn pings_enqueued_twice_are_one_delivery() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    // The queue accepts the message but its answer is lost, so the SDK sends it
    // again.
    let mut first = true;
    app.aws.wire.disturb(move |call| {
        let lost = first && call == "SendMessage";
        first &= !lost;
        lost.then_some(Fault::After)
    });
    let ping = app.api.ping_preferring(&id, "wait=20").await;
    assert_eq!(ping.data()["status"], "DELIVERED");
    app.queue.must_become_empty().await;
    let history = app.api.deliveries(&id).await;
    assert_eq!(history.len(), 1);
    assert_eq!(history[0]["attempts"], 1);
    let delivery_id = &ping.data()["deliveryId"];
    for request in receiver.received() {
        assert_eq!(request.header("webhook-id"), delivery_id);
    }
}

#[tokio::test]
async fn pings_not_recorded_as_pending_are_recorded_on_delivery() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.aws.wire.break_calls(&["PutItem"], Fault::Before);
    let ping = app.api.ping_preferring(&id, "respond-async").await;
    assert_eq!(app.api.deliveries(&id).await, Vec::<Value>::new());
    app.queue.handle(app.queue.queued().await).await.unwrap();
    let history = app.api.deliveries(&id).await;
    assert_eq!(history.len(), 1);
    assert_eq!(history[0]["id"], ping.data()["deliveryId"]);
    assert_eq!(history[0]["status"], "DELIVERED");
}
