//! Changes between two attempts apply to the next attempt.

use std::time::Duration;

use serde_json::{Value, json};
use webhook_endpoints::domain::delivery::{Abandoned, DeliveryStatus};
use webhook_endpoints::domain::id::DeliveryId;

use crate::support::hand_clock::HandClock;
use crate::support::queue::endpoint_id;
use crate::support::receiver::Receiver;
use crate::support::{Options, TestApp};

const HOUR: i64 = 60 * 60 * 1000;

/// A delivery whose first attempt failed and whose second waits in the table.
struct Failed {
    app: TestApp,
    clock: HandClock,
    receiver: Receiver,
    id: String,
    secret: String,
}

impl Failed {
    async fn start() -> Self {
        let clock = HandClock::at("2026-01-01T00:00:00Z");
        let mut options = Options::stepwise_with(&clock);
        options.settings.policy.schedule = "3600".parse().unwrap();
        let app = TestApp::start_with(options).await;
        let receiver = Receiver::answering(500, "").await;
        let (id, secret) = app.api.create_webhook(&receiver.url).await;
        app.api.must_publish("invoice.paid").await;
        app.queue.settle().await;
        receiver.must_receive_one();
        Self {
            app,
            clock,
            receiver,
            id,
            secret,
        }
    }

    /// Makes the second attempt when it is due.
    async fn attempt_again(&self) {
        self.clock.advance_millis(2 * HOUR);
        let due = self.app.queue.sweep().await;
        assert_eq!(due.len(), 1);
        self.app.queue.must_attempt(&due[0]).await;
    }

    async fn change(&self, patch: &Value) {
        let path = format!("/{}", self.id);
        let changed = self.app.api.put_json(&path, patch).await;
        assert!(changed.status.is_success(), "{changed:?}");
    }
}

#[tokio::test]
async fn the_next_attempt_is_signed_with_the_rotated_secret() {
    let failed = Failed::start().await;
    let rotated = failed
        .app
        .api
        .post(&format!("/{}/rotate-secret", failed.id))
        .await;
    let new = rotated.data()["secret"].as_str().unwrap();
    failed.attempt_again().await;
    let received = failed.receiver.received();
    assert_eq!(received.len(), 2);
    assert!(received[0].was_signed_with(&failed.secret));
    assert!(received[1].was_signed_with(new));
    assert!(!received[1].was_signed_with(&failed.secret));
}

#[tokio::test]
async fn the_next_attempt_goes_to_the_new_url() {
    let failed = Failed::start().await;
    let moved = Receiver::answering(200, "").await;
    failed.change(&json!({"url": moved.url})).await;
    failed.attempt_again().await;
    failed.receiver.must_receive_one();
    assert!(moved.must_receive_one().was_signed_with(&failed.secret));
    let delivery = failed.app.api.must_have_one_delivery(&failed.id).await;
    assert_eq!(delivery["status"], "DELIVERED");
}

#[tokio::test]
async fn unsubscribed_endpoints_still_get_pending_deliveries() {
    let failed = Failed::start().await;
    failed.change(&json!({"events": ["other"]})).await;
    failed.attempt_again().await;
    assert_eq!(failed.receiver.received().len(), 2);
}

#[tokio::test]
async fn deliveries_to_deactivated_endpoints_fail_with_that_reason() {
    let failed = Failed::start().await;
    failed.change(&json!({"active": false})).await;
    failed.attempt_again().await;
    failed.receiver.must_receive_one();
    let item = failed.app.api.must_have_one_delivery(&failed.id).await;
    assert_eq!(item["status"], "FAILED");
    assert_eq!(item["attempts"], 1);
    assert_eq!(item["responseStatus"], 500);
    assert_eq!(item["nextRetryAt"], Value::Null);
    let full = failed
        .app
        .api
        .delivery(&failed.id, item["id"].as_str().unwrap())
        .await;
    assert_eq!(full["error"], Abandoned::EndpointInactive.to_string());
    assert_eq!(full["attemptLog"].as_array().unwrap().len(), 1);
    // The delivery has ended: reactivating the endpoint does not resume it.
    failed.change(&json!({"active": true})).await;
    failed.clock.advance_millis(48 * HOUR);
    assert_eq!(failed.app.queue.sweep().await, []);
}

#[tokio::test]
async fn endpoints_reactivated_before_a_retry_get_it() {
    let failed = Failed::start().await;
    failed.change(&json!({"active": false})).await;
    failed.change(&json!({"active": true})).await;
    failed.attempt_again().await;
    assert_eq!(failed.receiver.received().len(), 2);
}

#[tokio::test]
async fn deactivated_endpoints_get_no_first_attempt() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.api
        .put_json(&format!("/{id}"), &json!({"active": false}))
        .await;
    app.queue.must_attempt(&task).await;
    assert_eq!(receiver.received().len(), 0);
    let full = app.api.delivery(&id, task.delivery_id).await;
    assert_eq!(full["status"], "FAILED");
    assert_eq!(full["attempts"], 0);
    assert_eq!(full["attemptLog"], json!([]));
    assert_eq!(full["error"], Abandoned::EndpointInactive.to_string());
    assert_eq!(full["payload"]["data"], json!({"n": 1}));
    // A repeated message changes nothing.
    app.queue.must_attempt(&task).await;
    app.queue.must_attempt(&task.next()).await;
    assert_eq!(app.api.delivery(&id, task.delivery_id).await, full);
}

#[tokio::test]
async fn deliveries_to_deleted_endpoints_end_silently() {
    let failed = Failed::start().await;
    let deliveries = failed.app.api.deliveries(&failed.id).await;
    let delivery_id = deliveries[0]["id"].as_str().unwrap().to_owned();
    failed.app.api.delete(&format!("/{}", failed.id)).await;
    failed.attempt_again().await;
    failed.receiver.must_receive_one();
    let table = failed.app.aws.table();
    let recorded = table.delivery(
        failed.app.aws.endpoint_key(endpoint_id(&failed.id)),
        DeliveryId::parse(&delivery_id).unwrap(),
    );
    let recorded = recorded.await.unwrap().unwrap();
    assert_eq!(recorded.delivery.status, DeliveryStatus::Failed);
    assert_eq!(
        recorded.delivery.abandoned,
        Some(Abandoned::EndpointDeleted)
    );
    failed.clock.advance_millis(48 * HOUR);
    assert_eq!(failed.app.queue.sweep().await, []);
}

#[tokio::test]
async fn deliveries_with_an_expired_payload_are_not_sent() {
    let clock = HandClock::at("2026-01-01T00:00:00Z");
    let mut options = Options::stepwise_with(&clock);
    options.settings.retention = Duration::from_secs(3600);
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    clock.advance_millis(HOUR);
    app.queue.must_attempt(&task).await;
    assert_eq!(receiver.received().len(), 0);
    let table = app.aws.table();
    let recorded = table.delivery(task.endpoint, task.delivery_id);
    let recorded = recorded.await.unwrap().unwrap();
    assert_eq!(recorded.delivery.abandoned, Some(Abandoned::PayloadExpired));
}
