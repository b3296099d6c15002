//! Events published with `storePayload: false`. Their payload is stored only while an
//! attempt needs it, and responses are not stored at all.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::domain::event_type::EventType;
use webhook_endpoints::domain::id::{DeliveryId, EventId};
use webhook_endpoints::domain::message::{DeliveryTask, Source};

use crate::support::calls::Call;
use crate::support::hand_clock::HandClock;
use crate::support::queue::{endpoint_id, received_again};
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const PRIVATE: &str = "jane.doe@example.com";

const ANSWER: &str = "stored jane.doe@example.com";

fn event() -> Value {
    json!({"type": "user.created", "data": {"email": PRIVATE}, "storePayload": false})
}

async fn publish(app: &TestApp) -> String {
    let accepted = app.api.publish(&event()).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    accepted.data()["id"].as_str().unwrap().to_owned()
}

async fn is_stored(app: &TestApp) -> bool {
    app.aws.table_text().await.contains(PRIVATE)
}

async fn start() -> (TestApp, HandClock) {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    (app, clock)
}

/// Publishes an event, and returns its first attempts, which all get messages.
async fn tasks(app: &TestApp) -> Vec<DeliveryTask> {
    publish(app).await;
    app.queue.fan_out().await
}

/// Rebuilds the first attempt of a delivery of this event.
async fn ephemeral_task(app: &TestApp, id: &str, event: &str, delivery: &Value) -> DeliveryTask {
    let endpoint = app.aws.endpoint_key(endpoint_id(id));
    let found = app.api.call(&Call::get_event(event)).await;
    let created_at: Timestamp = found.data()["createdAt"].as_str().unwrap().parse().unwrap();
    DeliveryTask {
        endpoint,
        delivery_id: DeliveryId::parse(delivery["id"].as_str().unwrap()).unwrap(),
        source: Source::Event(EventId::parse(event).unwrap()),
        event: EventType::parse("user.created").unwrap(),
        created_at,
        expires_at: created_at + app.deliverer.retention,
        attempt: 1,
        resend: false,
        has_turn: false,
        if_owed: false,
        ephemeral: true,
    }
}

#[tokio::test]
async fn payloads_delivered_at_once_are_never_stored() {
    let (app, _) = start().await;
    let receiver = Receiver::answering(200, ANSWER).await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    // This fills the caches.
    app.api.must_publish("a").await;
    app.queue.settle().await;
    let event = publish(&app).await;
    app.aws.wire.take();
    app.queue.settle().await;
    let mut calls = Vec::new();
    for request in app.aws.wire.take_requests() {
        let is_dynamodb = ["Query", "PutItem", "UpdateItem", "BatchGetItem"];
        if is_dynamodb.contains(&request.operation.as_str()) {
            let body = request.body().to_string();
            assert!(!body.contains("jane"), "{body}");
            calls.push(request.operation);
        }
    }
    // The same calls as for any other event.
    assert_eq!(calls, ["Query", "PutItem", "UpdateItem"]);
    assert!(String::from_utf8_lossy(&receiver.received()[1].body).contains(PRIVATE));
    let found = app.api.call(&Call::get_event(&event)).await;
    assert_eq!(found.data()["payload"], Value::Null);
    let delivery = &found.data()["deliveries"][0];
    assert_eq!(delivery["status"], "DELIVERED");
    let delivery = app
        .api
        .delivery(&id, delivery["id"].as_str().unwrap())
        .await;
    assert_eq!(delivery["attemptLog"][0]["responseBody"], "");
    assert_eq!(delivery["attemptLog"][0]["responseStatus"], 200);
}

#[tokio::test]
async fn payloads_are_kept_until_the_last_attempt_ends() {
    let (app, _) = start().await;
    let taking = Receiver::answering(200, ANSWER).await;
    let failing = Receiver::answering(500, ANSWER).await;
    let (first, _) = app.api.create_webhook(&taking.url).await;
    let (second, _) = app.api.create_webhook(&failing.url).await;
    let tasks = tasks(&app).await;
    let of = |id: &str| {
        let mut tasks = tasks.iter();
        let found = tasks.find(|task| task.endpoint.endpoint_id.to_string() == id);
        found.unwrap().clone()
    };
    assert!(is_stored(&app).await);
    app.queue.must_attempt(&of(&second)).await;
    app.queue.must_attempt(&of(&first)).await;
    assert!(is_stored(&app).await);
    assert!(!app.aws.table_text().await.contains("stored jane"));
    // The retry succeeds.
    let path = format!("/{second}");
    app.api.put_json(&path, &json!({"url": taking.url})).await;
    app.queue.must_attempt(&of(&second).next()).await;
    assert_eq!(taking.received().len(), 2);
    assert!(!is_stored(&app).await);
    for id in [&first, &second] {
        let delivery = app.api.must_have_one_delivery(id).await;
        assert_eq!(delivery["status"], "DELIVERED");
    }
}

#[tokio::test]
async fn payloads_are_kept_if_an_attempt_at_once_fails() {
    let (app, _) = start().await;
    let failing = Receiver::answering(500, "").await;
    let taking = Receiver::answering(200, "").await;
    app.api.create_webhook(&taking.url).await;
    let (id, _) = app.api.create_webhook(&failing.url).await;
    let event = publish(&app).await;
    app.queue.settle().await;
    assert_eq!(failing.received().len(), 1);
    assert!(is_stored(&app).await);
    let delivery = app.api.must_have_one_delivery(&id).await;
    assert_eq!(delivery["status"], "PENDING");
    let path = format!("/{id}");
    app.api.put_json(&path, &json!({"url": taking.url})).await;
    let again = DeliveryTask {
        attempt: 2,
        ..ephemeral_task(&app, &id, &event, &delivery).await
    };
    app.queue.must_attempt(&again).await;
    assert_eq!(taking.received().len(), 2);
    assert!(!is_stored(&app).await);
}

#[tokio::test]
async fn payloads_are_deleted_with_abandoned_deliveries() {
    let (app, _) = start().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let tasks = tasks(&app).await;
    assert!(is_stored(&app).await);
    let path = format!("/{id}");
    app.api.put_json(&path, &json!({"active": false})).await;
    app.queue.must_attempt(&tasks[0]).await;
    let delivery = app.api.must_have_one_delivery(&id).await;
    assert_eq!(delivery["status"], "FAILED");
    assert!(!is_stored(&app).await);
}

#[tokio::test]
async fn repeated_messages_delete_a_payload_left_by_a_crash() {
    let (app, _) = start().await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let tasks = tasks(&app).await;
    // The first update is the record.
    app.aws.wire.break_from("UpdateItem", 2, Fault::Before);
    assert_eq!(app.queue.try_attempt(&tasks[0]).await.len(), 1);
    app.aws.wire.mend();
    assert!(is_stored(&app).await);
    app.queue.must_attempt(&tasks[0]).await;
    assert!(!is_stored(&app).await);
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn interrupted_fan_outs_take_the_payload_from_their_message() {
    let (app, _) = start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    publish(&app).await;
    let queued = app.queue.all_queued().await;
    // The attempt at once fails before it is sent, so nothing is recorded.
    app.aws.wire.break_calls(&["GetSecretValue"], Fault::Before);
    assert_eq!(app.queue.handle(queued.clone()).await.unwrap().len(), 1);
    app.aws.wire.mend();
    assert!(!is_stored(&app).await);
    let again = received_again(&queued[0], 2);
    assert_eq!(app.queue.handle([again]).await, Ok(Vec::new()));
    app.queue.settle().await;
    assert_eq!(receiver.received().len(), 1);
    let delivery = app.api.must_have_one_delivery(&id).await;
    assert_eq!(delivery["status"], "DELIVERED");
    assert!(!is_stored(&app).await);
}

#[tokio::test]
async fn payloads_are_kept_while_the_secret_is_missing() {
    const GONE: Fault = Fault::Refused(r#"{"__type": "ResourceNotFoundException"}"#);
    let (app, _) = start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    publish(&app).await;
    let queued = app.queue.all_queued().await;
    app.aws.wire.break_calls(&["GetSecretValue"], GONE);
    assert_eq!(app.queue.handle(queued).await, Ok(Vec::new()));
    app.aws.wire.mend();
    assert!(is_stored(&app).await);
    app.queue.settle().await;
    assert_eq!(receiver.received().len(), 1);
    let delivery = app.api.must_have_one_delivery(&id).await;
    assert_eq!(delivery["status"], "DELIVERED");
    assert!(!is_stored(&app).await);
}

#[tokio::test]
async fn stored_payloads_are_not_written_again_while_the_secret_is_missing() {
    const GONE: Fault = Fault::Refused(r#"{"__type": "ResourceNotFoundException"}"#);
    let (app, _) = start().await;
    app.api.create_webhook("https://example.com/hook").await;
    app.api.must_publish("invoice.paid").await;
    let queued = app.queue.all_queued().await;
    app.aws.wire.take();
    app.aws.wire.break_calls(&["GetSecretValue"], GONE);
    assert_eq!(app.queue.handle(queued).await, Ok(Vec::new()));
    let calls = app.aws.wire.take();
    assert!(calls.contains(&"GetSecretValue".to_owned()), "{calls:?}");
    let writes = calls
        .iter()
        .filter(|call| call.ends_with("Item") && !call.contains("Get"));
    assert_eq!(writes.collect::<Vec<_>>(), ["PutItem"]);
}

#[tokio::test]
async fn deliveries_without_a_payload_are_not_resent_or_recovered() {
    let (app, _) = start().await;
    let receiver = Receiver::answering(410, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let (inactive, _) = app.api.create_webhook(&receiver.url).await;
    let path = format!("/{inactive}");
    app.api.put_json(&path, &json!({"active": false})).await;
    publish(&app).await;
    app.queue.settle().await;
    assert!(!is_stored(&app).await);
    for id in [&id, &inactive] {
        let path = format!("/{id}");
        app.api.put_json(&path, &json!({"active": true})).await;
        let delivery = app.api.must_have_one_delivery(id).await;
        assert_eq!(delivery["status"], "FAILED");
        let path = format!(
            "/{id}/deliveries/{}/resend",
            delivery["id"].as_str().unwrap()
        );
        app.api.post(&path).await.must_fail_with(409, "CONFLICT");
        let span = json!({"since": "2026-01-01T00:00:00Z", "status": "FAILED"});
        let recovered = app.api.post_json(&format!("/{id}/recover"), &span).await;
        assert_eq!(recovered.data()["deliveries"], 0);
    }
}

#[tokio::test]
async fn retries_waiting_in_the_table_remain_ephemeral() {
    let clock = HandClock::at_now();
    let mut options = Options::stepwise_with(&clock);
    options.settings.policy.schedule = "7200".parse().unwrap();
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(500, ANSWER).await;
    app.api.create_webhook(&receiver.url).await;
    publish(&app).await;
    app.queue.settle().await;
    clock.advance(Duration::from_secs(3 * 60 * 60));
    let due = app.queue.sweep_for_attempts().await;
    assert!(due.len() == 1 && due[0].ephemeral, "{due:?}");
    assert!(is_stored(&app).await);
    app.queue.must_attempt(&due[0]).await;
    assert_eq!(receiver.received().len(), 2);
    assert!(!is_stored(&app).await);
}

#[tokio::test]
async fn batches_and_queue_messages_can_be_ephemeral() {
    let (app, _) = start().await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let batch = app.api.publish_batch(&[event()]).await;
    assert_eq!(batch.data()["accepted"], 1);
    let mut message = event();
    message["kind"] = json!("event");
    message["appId"] = json!(app.app_id);
    app.queue.enqueue(&message.to_string()).await;
    for task in app.queue.fan_out().await {
        assert!(task.ephemeral);
        app.queue.must_attempt(&task).await;
    }
    assert_eq!(receiver.received().len(), 2);
    assert!(!is_stored(&app).await);
    let mut wrong = event();
    wrong["storePayload"] = json!("no");
    let refused = app.api.publish(&wrong).await;
    refused.must_be_invalid(&["storePayload"]);
    message["storePayload"] = json!("no");
    app.queue
        .must_become_dead_letter(&message.to_string())
        .await;
}
