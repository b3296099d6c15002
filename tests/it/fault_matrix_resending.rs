//! Fault matrices of resends, recoveries and replays. Each AWS call fails in turn, before
//! or after it takes effect, once or until the request or batch ends. Whatever fails,
//! everything that was accepted is resent.

use std::time::Duration;

use serde_json::json;

use crate::support::matrix::Matrix;
use crate::support::queue::endpoint_id;
use crate::support::stage::{Stage, accepted};

#[tokio::test]
async fn resends_are_accepted_or_can_be_retried() {
    let matrix = Matrix::of("resend");
    matrix
        .run(async |stage| {
            let event = stage.publish().await;
            stage.drain().await;
            let first = stage.app.api.must_have_one_delivery(&stage.id).await;
            let first = first["id"].as_str().unwrap();
            let path = stage.path(&format!("/deliveries/{first}/resend"));
            let resent = stage.disturbed(stage.app.api.post(&path)).await;
            let data = accepted(resent, stage.app.api.post(&path)).await;
            stage.expect_arrival(&json!(event));
            stage.drain().await;
            let id = data["id"].as_str().unwrap();
            let delivery = stage.app.api.delivery(&stage.id, id).await;
            assert_eq!(delivery["status"], "DELIVERED");
        })
        .await;
}

/// Seeds three failed deliveries, and requests their recovery.
async fn recover(stage: &Stage, disturbed: bool) {
    let before = stage.clock.now() - Duration::from_secs(60 * 60);
    let failed = stage
        .app
        .aws
        .seed_failures(endpoint_id(&stage.id), 3, before)
        .await;
    let body = json!({"since": before.to_string(), "status": "FAILED"});
    let path = stage.path("/recover");
    let ask = || stage.app.api.post_json(&path, &body);
    let first = if disturbed {
        stage.disturbed(ask()).await
    } else {
        ask().await
    };
    let data = accepted(first, ask()).await;
    assert_eq!(data["deliveries"], 3);
    for task in failed {
        stage.expect_arrival(&json!(task.source.event_id()));
    }
}

#[tokio::test]
async fn recoveries_are_accepted_or_can_be_retried() {
    let matrix = Matrix::of("recover");
    matrix.run(async |stage| recover(stage, true).await).await;
}

#[tokio::test]
async fn accepted_recoveries_are_made_once_despite_any_fault() {
    let matrix = Matrix::of("recovery in the background");
    matrix
        .run(async |stage| {
            recover(stage, false).await;
            stage.handle_disturbed().await;
            stage.drain().await;
            let history = stage.app.api.deliveries(&stage.id).await;
            let delivered = history.iter().filter(|item| item["status"] == "DELIVERED");
            assert_eq!(delivered.count(), 3);
            assert_eq!(history.len(), 6);
        })
        .await;
}

/// Seeds three events that another endpoint got, and requests their replay.
async fn replay(stage: &Stage, disturbed: bool) {
    let api = &stage.app.api;
    let (other, _) = api.create_webhook("https://example.com/other").await;
    let before = stage.clock.now() - Duration::from_secs(60 * 60);
    let mut seeded = Vec::new();
    for index in 0..3 {
        let at = before + Duration::from_millis(index);
        let aws = &stage.app.aws;
        seeded.push(aws.seed_event(endpoint_id(&other), "a", at, 200).await);
    }
    let body = json!({"since": before.to_string()});
    let path = stage.path("/replay");
    let ask = || api.post_json(&path, &body);
    let first = if disturbed {
        stage.disturbed(ask()).await
    } else {
        ask().await
    };
    let data = accepted(first, ask()).await;
    assert_eq!(data["deliveries"], 3);
    for task in seeded {
        stage.expect_arrival(&json!(task.source.event_id()));
    }
}

#[tokio::test]
async fn replays_are_accepted_or_can_be_retried() {
    let matrix = Matrix::of("replay");
    matrix.run(async |stage| replay(stage, true).await).await;
}

#[tokio::test]
async fn accepted_replays_are_made_once_despite_any_fault() {
    let matrix = Matrix::of("replay in the background");
    matrix
        .run(async |stage| {
            replay(stage, false).await;
            stage.handle_disturbed().await;
            stage.drain().await;
            let history = stage.app.api.deliveries(&stage.id).await;
            let delivered = history.iter().filter(|item| item["status"] == "DELIVERED");
            assert_eq!(delivered.count(), 3);
            assert_eq!(history.len(), 3);
        })
        .await;
}
