//! Fault matrices of pauses. Each AWS call fails in turn, before or after it takes effect,
//! once or until the batch ends. Whatever fails, waiting deliveries arrive once the
//! receiver works again, and none waits forever.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::matrix::Matrix;
use crate::support::stage::Stage;

const MINUTE: Duration = Duration::from_secs(60);

impl Stage {
    /// Publishes an event whose first attempt fails.
    async fn fail(&self) {
        self.publish().await;
        // The event, and then the attempt, which has a message of its own if the endpoint is
        // already failing.
        self.handle_queued().await;
        self.handle_queued().await;
    }

    /// Lets the endpoint fail for a minute, which pauses it, and publishes events whose
    /// deliveries wait.
    async fn pause(&self, waiting: usize) {
        self.status.store(500, Ordering::SeqCst);
        self.fail().await;
        self.clock.advance(MINUTE);
        self.fail().await;
        assert_ne!(self.endpoint("pausedAt").await, Value::Null);
        for _ in 0..waiting {
            self.publish().await;
            self.handle_queued().await;
        }
    }

    async fn endpoint(&self, field: &str) -> Value {
        let endpoint = self.app.api.get(&self.path("")).await;
        endpoint.data()[field].clone()
    }

    fn make_receiver_work(&self) {
        self.status.store(200, Ordering::SeqCst);
    }

    /// Waits until a delayed message is visible, and advances the clock by more than its
    /// delay, so that its work is due.
    async fn next_visible(&self) {
        while self.app.queue.counts().await[0] == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.clock.advance(Duration::from_secs(2));
    }

    /// Drains the queues, and asserts that all deliveries have this status.
    async fn must_all_be(&self, status: &str) {
        self.drain().await;
        let deliveries = self.app.api.deliveries(&self.id).await;
        for delivery in &deliveries {
            assert_eq!(delivery["status"], status, "{deliveries:#?}");
        }
    }
}

#[tokio::test]
async fn a_failure_that_pauses_an_endpoint_loses_nothing() {
    let matrix = Matrix::of("failure that pauses");
    matrix
        .run(async |stage| {
            stage.status.store(500, Ordering::SeqCst);
            stage.fail().await;
            stage.clock.advance(MINUTE);
            stage.publish().await;
            // The event, and the attempt that it enqueues in the slow lane.
            stage.handle_disturbed().await;
            stage.make_receiver_work();
            stage.must_all_be("DELIVERED").await;
        })
        .await;
}

#[tokio::test]
async fn deliveries_to_paused_endpoints_wait_despite_any_fault() {
    let matrix = Matrix::of("waiting");
    matrix
        .run(async |stage| {
            stage.pause(0).await;
            stage.publish().await;
            stage.handle_disturbed().await;
            stage.make_receiver_work();
            stage.must_all_be("DELIVERED").await;
        })
        .await;
}

#[tokio::test]
async fn probes_end_a_pause_despite_any_fault() {
    let matrix = Matrix::of("successful probe");
    matrix
        .run(async |stage| {
            stage.pause(2).await;
            stage.make_receiver_work();
            stage.next_visible().await;
            stage.handle_disturbed().await;
            stage.must_all_be("DELIVERED").await;
            assert_eq!(stage.endpoint("pausedAt").await, Value::Null);
        })
        .await;
}

#[tokio::test]
async fn failed_probes_are_repeated_despite_any_fault() {
    let matrix = Matrix::of("failed probe");
    matrix
        .run(async |stage| {
            stage.pause(1).await;
            stage.next_visible().await;
            stage.handle_disturbed().await;
            stage.make_receiver_work();
            stage.must_all_be("DELIVERED").await;
        })
        .await;
}

#[tokio::test]
async fn waiting_deliveries_are_sent_despite_any_fault() {
    let matrix = Matrix::of("drain");
    matrix
        .run(async |stage| {
            stage.pause(3).await;
            stage.make_receiver_work();
            stage.next_visible().await;
            stage.handle_queued().await;
            stage.next_visible().await;
            stage.handle_disturbed().await;
            stage.must_all_be("DELIVERED").await;
        })
        .await;
}

#[tokio::test]
async fn activation_sends_waiting_deliveries_despite_any_fault() {
    let matrix = Matrix::of("activation of a paused endpoint");
    matrix
        .run(async |stage| {
            stage.pause(1).await;
            stage.make_receiver_work();
            let (path, active) = (stage.path(""), json!({"active": true}));
            let put = stage.app.api.put_json(&path, &active);
            stage.disturbed(put).await;
            stage.must_all_be("DELIVERED").await;
        })
        .await;
}

#[tokio::test]
async fn deactivation_ends_waiting_deliveries_despite_any_fault() {
    let matrix = Matrix::of("end of what waits");
    matrix
        .run(async |stage| {
            stage.pause(2).await;
            stage.forget_arrivals();
            let (path, inactive) = (stage.path(""), json!({"active": false}));
            stage.app.api.put_json(&path, &inactive).await.data();
            stage.handle_disturbed().await;
            stage.must_all_be("FAILED").await;
        })
        .await;
}
