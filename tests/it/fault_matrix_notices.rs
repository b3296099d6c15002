//! Fault matrices of operational events. Whatever fails, every recorded transition of an
//! endpoint, a delivery or an app is reported to the operator. The matrices skip the final
//! checks (`leaving_nothing`), which know of one app only, not of the operational one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use webhook_endpoints::delivery::delete_app::MARKED_FOR;
use webhook_endpoints::domain::message::{AppDeletion, Message};

use crate::support::answer;
use crate::support::matrix::Matrix;
use crate::support::operator::Operator;
use crate::support::stage::Stage;

const MINUTE: Duration = Duration::from_secs(60);

async fn endpoint(stage: &Stage, field: &str) -> Value {
    let endpoint = stage.app.api.get(&stage.path("")).await;
    endpoint.data()[field].clone()
}

/// Handles visible messages until there are none, without advancing the clock.
async fn settle(stage: &Stage) {
    stage.handle_all_visible().await;
}

/// Publishes an event to a receiver with this status, and handles messages until none is
/// visible.
async fn fail(stage: &Stage, status: u16) {
    stage.status.store(status, Ordering::SeqCst);
    stage.publish().await;
    settle(stage).await;
}

#[tokio::test]
async fn failing_endpoints_are_reported_despite_any_fault() {
    for by_message in [false, true] {
        let matrix = Matrix::of("notice of a failing endpoint");
        let matrix = matrix.by_message(by_message).leaving_nothing();
        matrix
            .run(async |stage| {
                let operator = Operator::watch(&stage.app).await;
                stage.status.store(500, Ordering::SeqCst);
                stage.publish_until_attempt().await;
                stage.handle_disturbed().await;
                settle(stage).await;
                // A fault may prevent the transition. If it was recorded, it must be
                // reported.
                let is_failing = endpoint(stage, "failingSince").await != Value::Null;
                assert_eq!(operator.was_told("endpoint.failing"), is_failing);
            })
            .await;
    }
}

#[tokio::test]
async fn paused_endpoints_are_reported_despite_any_fault() {
    for by_message in [false, true] {
        let matrix = Matrix::of("notice of a paused endpoint");
        let matrix = matrix.by_message(by_message).leaving_nothing();
        matrix
            .run(async |stage| {
                let operator = Operator::watch(&stage.app).await;
                fail(stage, 500).await;
                stage.clock.advance(MINUTE);
                stage.publish().await;
                // The event, and the attempt that it enqueues in the slow lane.
                stage.handle_disturbed().await;
                let is_paused = endpoint(stage, "pausedAt").await != Value::Null;
                stage.status.store(200, Ordering::SeqCst);
                stage.drain().await;
                assert!(operator.was_told("endpoint.paused") || !is_paused);
            })
            .await;
    }
}

#[tokio::test]
async fn disabled_endpoints_are_reported_despite_any_fault() {
    for by_message in [false, true] {
        let matrix = Matrix::of("notice of a disabled endpoint");
        let matrix = matrix.by_message(by_message).leaving_nothing();
        matrix
            .run(async |stage| {
                let operator = Operator::watch(&stage.app).await;
                stage.status.store(410, Ordering::SeqCst);
                stage.publish_until_attempt().await;
                stage.handle_disturbed().await;
                settle(stage).await;
                let is_disabled = endpoint(stage, "disabledReason").await != Value::Null;
                assert_eq!(operator.was_told("endpoint.disabled"), is_disabled);
            })
            .await;
    }
}

#[tokio::test]
async fn recoveries_by_a_probe_are_reported_despite_any_fault() {
    let matrix = Matrix::of("notice of a recovery").leaving_nothing();
    matrix
        .run(async |stage| {
            let operator = Operator::watch(&stage.app).await;
            fail(stage, 500).await;
            stage.clock.advance(MINUTE);
            fail(stage, 500).await;
            stage.publish().await;
            settle(stage).await;
            assert!(operator.was_told("endpoint.paused"));
            stage.status.store(200, Ordering::SeqCst);
            // The probe's message is delayed.
            while stage.app.queue.counts().await[0] == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            stage.clock.advance(Duration::from_secs(2));
            stage.handle_disturbed().await;
            stage.drain().await;
            assert_eq!(endpoint(stage, "pausedAt").await, Value::Null);
            assert!(operator.was_told("endpoint.recovered"));
        })
        .await;
}

#[tokio::test]
async fn failed_deliveries_are_reported_despite_any_fault() {
    let matrix = Matrix::of("notice of a failed delivery");
    let matrix = matrix.retrying("1").leaving_nothing();
    matrix
        .run(async |stage| {
            let operator = Operator::watch(&stage.app).await;
            fail(stage, 500).await;
            // The retry's message is delayed.
            while stage.app.queue.counts().await[0] == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            stage.handle_disturbed().await;
            stage.drain().await;
            let delivery = stage.app.api.must_have_one_delivery(&stage.id).await;
            assert_eq!(delivery["status"], "FAILED");
            assert!(operator.was_told("delivery.failed"));
        })
        .await;
}

#[tokio::test]
async fn deleted_apps_are_reported_despite_any_fault() {
    let matrix = Matrix::of("notice of a deleted app").leaving_nothing();
    matrix
        .run(async |stage| {
            let operator = Operator::watch(&stage.app).await;
            stage.app.create_app().await;
            let path = format!("/apps/{}", stage.app.app_id);
            let deletion = stage.app.api.by_platform(Method::DELETE, &path);
            assert!(answer(deletion).await.status.is_success());
            settle(stage).await;
            stage.clock.advance(MARKED_FOR);
            let app_id = stage.app.app_id;
            let last = Message::DeleteApp(AppDeletion { app_id });
            stage.app.queue.enqueue(&last.to_json().unwrap()).await;
            stage.handle_disturbed().await;
            settle(stage).await;
            let path = format!("/apps/{}", stage.app.app_id);
            let gone = answer(stage.app.api.by_platform(Method::GET, &path)).await;
            gone.must_fail_with(404, "NOT_FOUND");
            assert!(operator.was_told("app.deleted"));
        })
        .await;
}
