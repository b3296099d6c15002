//! Resending a delivery.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::asserts::DELIVERY_FIELDS;
use crate::support::hand_clock::HandClock;
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp, fields};

/// A service with a successful delivery, and the path that resends it.
async fn delivered() -> (TestApp, Receiver, String, String) {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    let path = format!("/{id}/deliveries/{}/resend", task.delivery_id);
    (app, receiver, id, path)
}

#[tokio::test]
async fn resending_creates_a_new_delivery_of_the_same_event() {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    let first = app.api.must_have_one_delivery(&id).await;
    clock.advance_millis(60 * 1000);
    let path = format!("/{id}/deliveries/{}/resend", task.delivery_id);
    let resent = app.api.post(&path).await;
    assert_eq!(resent.status, StatusCode::ACCEPTED);
    let new = resent.data();
    assert_eq!(fields(new), DELIVERY_FIELDS);
    let expected = json!({
        "id": new["id"], "event": "invoice.paid", "status": "PENDING",
        "responseStatus": null, "attempts": 0, "createdAt": "2026-01-31T09:31:00.000Z",
        "deliveredAt": null, "nextRetryAt": null,
    });
    assert_eq!(*new, expected);
    assert_ne!(new["id"], first["id"]);
    // The new delivery is listed first, and the old one is unchanged.
    assert_eq!(app.api.deliveries(&id).await, [new.clone(), first.clone()]);

    app.queue.settle().await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body, received[1].body);
    for request in &received {
        assert_eq!(
            request.header("webhook-id"),
            task.source.event_id().to_string()
        );
        assert!(request.was_signed_with(&secret));
    }
    let history = app.api.deliveries(&id).await;
    assert_eq!(history[0]["id"], new["id"]);
    assert_eq!(history[0]["status"], "DELIVERED");
    assert_eq!(history[1], first);
}

#[tokio::test]
async fn resending_costs_one_read_one_message_and_one_write() {
    let (app, _, _, path) = delivered().await;
    app.aws.wire.take();
    app.api.post(&path).await;
    let cost = ["BatchGetItem", "PutItem", "SendMessage"];
    assert_eq!(app.aws.wire.take(), cost);
}

#[tokio::test]
async fn resent_deliveries_are_retried_like_any_other() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.api
        .post(&format!("/{id}/deliveries/{}/resend", task.delivery_id))
        .await
        .must_fail_with(404, "NOT_FOUND");
    app.queue.must_attempt(&task).await;
    app.api
        .post(&format!("/{id}/deliveries/{}/resend", task.delivery_id))
        .await;
    app.queue.settle().await;
    let newest = app.api.deliveries(&id).await.remove(0);
    assert_eq!(newest["status"], "PENDING");
    assert_eq!(newest["attempts"], 1);
    assert!(newest["nextRetryAt"].is_string());
}

#[tokio::test]
async fn inactive_endpoints_get_nothing_resent() {
    let (app, receiver, id, path) = delivered().await;
    app.api
        .put_json(&format!("/{id}"), &json!({"active": false}))
        .await;
    app.api.post(&path).await.must_fail_with(409, "CONFLICT");
    app.queue.settle().await;
    receiver.must_receive_one();
    app.api.must_have_one_delivery(&id).await;
}

#[tokio::test]
async fn resent_pings_have_the_same_payload_and_one_attempt() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let ping = app.api.ping_preferring(&id, "respond-async").await;
    app.queue.settle().await;
    let ping = ping.data()["deliveryId"].as_str().unwrap();
    app.api
        .post(&format!("/{id}/deliveries/{ping}/resend"))
        .await;
    app.queue.settle().await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body, received[1].body);
    assert!(received.iter().all(|r| r.header("webhook-id") == ping));
    let history = app.api.deliveries(&id).await;
    assert!(history.iter().all(|item| item["status"] == "FAILED"));
    assert_eq!(app.queue.delayed().await, 0);
}

#[tokio::test]
async fn resends_refused_by_the_queue_are_not_recorded() {
    let (app, receiver, id, path) = delivered().await;
    app.aws.wire.break_calls(&["SendMessage"], Fault::Before);
    app.api.post(&path).await.must_fail_with(503, "UNAVAILABLE");
    app.aws.wire.mend();
    app.queue.settle().await;
    receiver.must_receive_one();
    app.api.must_have_one_delivery(&id).await;
}

#[tokio::test]
async fn unrecorded_resends_are_listed_once_attempted() {
    let (app, receiver, id, path) = delivered().await;
    app.aws.wire.break_calls(&["PutItem"], Fault::Before);
    let resent = app.api.post(&path).await;
    assert_eq!(resent.status, StatusCode::ACCEPTED);
    app.aws.wire.mend();
    app.queue.settle().await;
    assert_eq!(receiver.received().len(), 2);
    let newest = app.api.deliveries(&id).await.remove(0);
    assert_eq!(newest["id"], resent.data()["id"]);
    assert_eq!(newest["status"], "DELIVERED");
    assert_ne!(newest["deliveredAt"], Value::Null);
}
