//! Fault matrices of deliveries. Each AWS call fails in turn, before or after it takes
//! effect, once or until the request or batch ends. Whatever fails, no delivery is lost or
//! stays pending.

use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use webhook_endpoints::domain::secret::SecretStorage;

use webhook_endpoints::aws::table::attribute;

use crate::support::matrix::Matrix;
use crate::support::stage::{Stage, accepted, succeeded};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Stage {
    async fn must_have_one_delivery(&self) -> Value {
        self.app.api.must_have_one_delivery(&self.id).await
    }

    async fn disabled_reason(&self) -> Value {
        let endpoint = self.app.api.get(&self.path("")).await;
        endpoint.data()["disabledReason"].clone()
    }

    /// Publishes another event, which fails unless the endpoint is already disabled. If a
    /// fault prevented an update of the endpoint's health, this attempt makes it.
    async fn fail_again(&self) {
        self.app.api.must_publish("invoice.paid").await;
        self.drain().await;
    }

    fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn pings_are_accepted_or_can_be_retried() {
    let matrix = Matrix::of("test-ping");
    matrix
        .run(async |stage| {
            let ping = || stage.app.api.ping_preferring(&stage.id, "respond-async");
            let first = stage.disturbed(ping()).await;
            let data = accepted(first, ping()).await;
            stage.expect_arrival(&data["deliveryId"]);
            stage.drain().await;
            let history = stage.app.api.deliveries(&stage.id).await;
            let found = history.iter().find(|item| item["id"] == data["deliveryId"]);
            assert_eq!(found.unwrap()["status"], "DELIVERED");
        })
        .await;
}

#[tokio::test]
async fn waiting_pings_are_answered_or_can_be_retried() {
    let matrix = Matrix::of("test-ping with its delivery").polling();
    matrix
        .run(async |stage| {
            let first = stage.app.api.ping_preferring(&stage.id, "wait=1");
            let mut ping = stage.disturbed(first).await;
            if !succeeded(&ping) {
                ping = stage.app.api.ping_preferring(&stage.id, "wait=20").await;
                assert_eq!(ping.status, StatusCode::OK);
            }
            let data = ping.data();
            stage.expect_arrival(&data["deliveryId"]);
            assert_eq!(data["success"], ping.status == StatusCode::OK);
            let expected = match ping.status {
                StatusCode::OK => "DELIVERED",
                _ => "PENDING",
            };
            assert_eq!(data["status"], expected);
        })
        .await;
}

#[tokio::test]
async fn accepted_pings_are_delivered_despite_any_fault() {
    let matrix = Matrix::of("delivery of a ping");
    matrix
        .run(async |stage| {
            let ping = stage
                .app
                .api
                .ping_preferring(&stage.id, "respond-async")
                .await;
            stage.expect_arrival(&ping.data()["deliveryId"]);
            stage.handle_disturbed().await;
            stage.drain().await;
            assert_eq!(stage.must_have_one_delivery().await["status"], "DELIVERED");
        })
        .await;
}

#[tokio::test]
async fn deliveries_are_made_despite_any_fault() {
    // Attempts make the same calls whichever way secrets are stored, so single faults are
    // enough for sealed ones.
    for matrix in [
        Matrix::of("delivery").with_pairs(),
        Matrix::of("delivery").with_pairs().by_message(true),
        Matrix::of("delivery").with_storage(SecretStorage::Sealed),
    ] {
        matrix
            .run(async |stage| {
                stage.publish_until_attempt().await;
                stage.handle_disturbed().await;
                stage.drain().await;
                let delivery = stage.must_have_one_delivery().await;
                assert_eq!(delivery["status"], "DELIVERED");
                assert_eq!(delivery["attempts"], 1);
            })
            .await;
    }
}

#[tokio::test]
async fn deliveries_to_deleted_endpoints_end_despite_any_fault() {
    let matrix = Matrix::of("abandoned delivery").by_message(true);
    matrix
        .run(async |stage| {
            stage.publish_until_attempt().await;
            stage.forget_arrivals();
            let deleted = stage.app.api.delete(&stage.path("")).await;
            assert_eq!(deleted.status, StatusCode::NO_CONTENT);
            stage.handle_disturbed().await;
            stage.drain().await;
            assert_eq!(stage.receiver.received().len(), 0);
            assert!(
                stage
                    .app
                    .aws
                    .table_text()
                    .await
                    .contains("ENDPOINT_DELETED")
            );
        })
        .await;
}

#[tokio::test]
async fn failed_attempts_are_retried_from_the_queue() {
    for by_message in [false, true] {
        let matrix = Matrix::of("failing attempt, queue")
            .retrying("1,1")
            .by_message(by_message);
        matrix
            .run(async |stage| {
                stage.answer_with(500);
                stage.publish_until_attempt().await;
                stage.handle_disturbed().await;
                stage.answer_with(200);
                stage.drain().await;
                assert_eq!(stage.must_have_one_delivery().await["status"], "DELIVERED");
            })
            .await;
    }
}

#[tokio::test]
async fn failed_attempts_are_retried_from_the_table() {
    for by_message in [false, true] {
        let matrix = Matrix::of("failing attempt, table")
            .retrying("1200,1200")
            .by_message(by_message);
        matrix
            .run(async |stage| {
                stage.answer_with(500);
                stage.publish_until_attempt().await;
                stage.handle_disturbed().await;
                stage.answer_with(200);
                stage.drain().await;
                assert_eq!(stage.must_have_one_delivery().await["status"], "DELIVERED");
            })
            .await;
    }
}

/// Prepares a failing endpoint, and a delivery whose second attempt is due `after` the
/// first.
async fn due(stage: &Stage, after: Duration) {
    stage.answer_with(500);
    stage.publish_until_attempt().await;
    stage.handle_queued().await;
    stage.clock.advance(after);
    stage.app.queue.must_handle(r#"{"kind":"sweep"}"#).await;
}

#[tokio::test]
async fn failing_last_attempts_end_the_delivery() {
    let matrix = Matrix::of("last attempt").retrying("1200");
    matrix
        .run(async |stage| {
            due(stage, DAY).await;
            stage.handle_disturbed().await;
            stage.drain().await;
            let delivery = stage.must_have_one_delivery().await;
            assert_eq!(delivery["status"], "FAILED");
            assert_eq!(delivery["attempts"], 2);
        })
        .await;
}

#[tokio::test]
async fn success_clears_failing_since() {
    let matrix = Matrix::of("success after a failure");
    matrix
        .run(async |stage| {
            due(stage, DAY).await;
            stage.answer_with(200);
            stage.handle_disturbed().await;
            stage.drain().await;
            assert_eq!(stage.must_have_one_delivery().await["status"], "DELIVERED");
            // If a fault prevented the update of the endpoint's health, the next attempt
            // makes it.
            stage.publish().await;
            stage.drain().await;
            assert!(!stage.app.aws.any_item_has(attribute::FAILING_SINCE).await);
        })
        .await;
}

#[tokio::test]
async fn endpoints_that_answer_gone_are_disabled() {
    for by_message in [false, true] {
        let matrix = Matrix::of("410").with_pairs().by_message(by_message);
        matrix
            .run(async |stage| {
                stage.answer_with(410);
                stage.publish_until_attempt().await;
                stage.handle_disturbed().await;
                stage.drain().await;
                assert_eq!(stage.must_have_one_delivery().await["status"], "FAILED");
                stage.fail_again().await;
                assert_eq!(stage.disabled_reason().await, "GONE");
            })
            .await;
    }
}

#[tokio::test]
async fn endpoints_that_fail_for_too_long_are_disabled() {
    let matrix = Matrix::of("failing too long");
    matrix
        .run(async |stage| {
            due(stage, 6 * DAY).await;
            stage.record_nine_failures().await;
            stage.handle_disturbed().await;
            stage.drain().await;
            assert_eq!(stage.must_have_one_delivery().await["status"], "FAILED");
            stage.fail_again().await;
            assert_eq!(stage.disabled_reason().await, "FAILING");
        })
        .await;
}

#[tokio::test]
async fn due_attempts_are_enqueued_despite_any_fault() {
    let matrix = Matrix::of("sweep").retrying("1200,1200");
    matrix
        .run(async |stage| {
            stage.answer_with(500);
            stage.publish_until_attempt().await;
            stage.handle_queued().await;
            stage.clock.advance(DAY);
            stage.answer_with(200);
            stage.app.queue.enqueue(r#"{"kind":"sweep"}"#).await;
            stage.handle_disturbed().await;
            stage.drain().await;
            let delivery = stage.must_have_one_delivery().await;
            assert_eq!(delivery["status"], "DELIVERED");
            assert_eq!(delivery["attempts"], 2);
        })
        .await;
}

#[tokio::test]
async fn reading_deliveries_can_be_retried() {
    for name in ["deliveries", "delivery in full"] {
        Matrix::of(name)
            .run(async |stage| {
                stage.publish().await;
                stage.drain().await;
                let mut path = stage.path("/deliveries");
                if name == "delivery in full" {
                    let delivery = stage.must_have_one_delivery().await;
                    path = format!("{path}/{}", delivery["id"].as_str().unwrap());
                }
                let undisturbed = stage.app.api.get(&path).await;
                let disturbed = stage.disturbed(stage.app.api.get(&path)).await;
                if succeeded(&disturbed) {
                    assert_eq!(disturbed.body, undisturbed.body);
                }
                assert_eq!(stage.app.api.get(&path).await.body, undisturbed.body);
            })
            .await;
    }
}
