//! Requests for replays: which are accepted, and what they cost.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;
use webhook_endpoints::domain::budget::RECOVERY_LEASE;
use webhook_endpoints::domain::id::EndpointId;

use crate::replay::Stage;
use crate::support::wire::Fault;

#[tokio::test]
async fn endpoints_have_one_replay_or_recovery_at_a_time() {
    let stage = Stage::start().await;
    stage.seed(&["a", "a", "a"]).await;
    let id = stage.endpoint(&["*"]).await;
    let asked = join_all((0..5).map(|_| stage.replay(&id, json!({})))).await;
    let accepted = asked
        .iter()
        .filter(|answer| answer.status == StatusCode::ACCEPTED);
    assert_eq!(accepted.count(), 1, "{asked:?}");
    for refused in asked.iter().filter(|answer| !answer.status.is_success()) {
        refused.must_fail_with(409, "CONFLICT");
    }
    let recovery = json!({"since": stage.first.to_string(), "status": "FAILED"});
    let path = format!("/{id}/recover");
    let refused = stage.app.api.post_json(&path, &recovery).await;
    refused.must_fail_with(409, "CONFLICT");
    stage.app.queue.settle().await;
    assert_eq!(stage.arrived().len(), 3);
    // The first replay has ended. The next ones find nothing and end at once.
    for _ in 0..2 {
        stage.must_replay(&id, json!({}), 0).await;
    }
    assert!(
        stage
            .app
            .api
            .post_json(&path, &recovery)
            .await
            .status
            .is_success()
    );
}

#[tokio::test]
async fn abandoned_replays_end_with_their_lease() {
    let stage = Stage::start().await;
    stage.seed(&["a"]).await;
    let id = stage.endpoint(&["*"]).await;
    // Its message is never handled.
    let accepted = stage.replay(&id, json!({})).await;
    assert_eq!(accepted.data()["deliveries"], 1);
    stage.app.aws.wire.take();
    let refused = stage.replay(&id, json!({})).await;
    refused.must_fail_with(409, "CONFLICT");
    assert_eq!(stage.app.aws.wire.take(), ["GetItem"]);
    stage.clock.advance(RECOVERY_LEASE);
    stage.clock.advance_millis(-1);
    let refused = stage.replay(&id, json!({})).await;
    refused.must_fail_with(409, "CONFLICT");
    stage.clock.advance_millis(1);
    let accepted = stage.replay(&id, json!({})).await;
    assert_eq!(accepted.data()["deliveries"], 1);
}

#[tokio::test]
async fn replays_end_with_their_endpoint() {
    let stage = Stage::start().await;
    stage.seed(&["a", "a", "a"]).await;
    for is_deleted in [false, true] {
        let id = stage.endpoint(&["*"]).await;
        let accepted = stage.replay(&id, json!({})).await;
        assert_eq!(accepted.data()["deliveries"], 3);
        let path = format!("/{id}");
        match is_deleted {
            true => stage.app.api.delete(&path).await,
            false => {
                let inactive = json!({"active": false});
                stage.app.api.put_json(&path, &inactive).await
            }
        };
        stage.app.queue.settle().await;
        assert_eq!(stage.arrived(), Vec::<String>::new());
        if !is_deleted {
            let refused = stage.replay(&id, json!({})).await;
            refused.must_fail_with(409, "CONFLICT");
            let active = json!({"active": true});
            stage.app.api.put_json(&path, &active).await;
            // The slot is free.
            let again = stage.replay(&id, json!({"types": ["none"]})).await;
            assert_eq!(again.data()["deliveries"], 0);
        }
    }
    let missing = EndpointId::new().to_string();
    let refused = stage.replay(&missing, json!({})).await;
    refused.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn replays_begin_even_if_the_count_runs_out_of_time() {
    let stage = Stage::start_with(|options| {
        options.settings.budgets.search_time = Duration::ZERO;
    })
    .await;
    stage.seed(&["a", "a", "a"]).await;
    let id = stage.endpoint(&["*"]).await;
    let accepted = stage.replay(&id, json!({})).await;
    assert_eq!(*accepted.data(), json!({"deliveries": 0, "atLeast": true}));
    stage.app.queue.settle().await;
    assert_eq!(stage.arrived().len(), 3);
}

#[tokio::test]
async fn failed_replay_requests_leave_the_slot_free() {
    let stage = Stage::start().await;
    stage.seed(&["a"]).await;
    let id = stage.endpoint(&["*"]).await;
    let wire = &stage.app.aws.wire;
    for call in [&["SendMessage"], &["BatchGetItem"]] {
        wire.break_calls(call, Fault::Before);
        let refused = stage.replay(&id, json!({})).await;
        refused.must_fail_with(503, "UNAVAILABLE");
        wire.mend();
    }
    stage.must_replay(&id, json!({}), 1).await;
    assert_eq!(stage.arrived().len(), 1);
}

#[tokio::test]
async fn replays_without_events_send_no_message() {
    let stage = Stage::start().await;
    let id = stage.endpoint(&["*"]).await;
    stage.app.aws.wire.take();
    stage.must_replay(&id, json!({}), 0).await;
    let mut calls = stage.app.aws.wire.take();
    calls.retain(|call| !call.starts_with("ReceiveMessage"));
    let expected = ["GetItem", "Query", "Query", "UpdateItem", "UpdateItem"];
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn all_errors_are_reported_at_once() {
    let stage = Stage::start().await;
    let id = stage.endpoint(&["*"]).await;
    let since = stage.first.to_string();
    for (body, invalid) in [
        (json!({}), &["since"][..]),
        (json!({"since": since, "status": "FAILED"}), &["status"]),
        (json!({"since": since, "until": since}), &["until"]),
        (json!({"since": since, "types": []}), &["types"]),
        (json!({"since": since, "types": "a"}), &["types"]),
        (
            json!({"since": "today", "until": 1, "types": ["a", "b*", "."]}),
            &["since", "types[1]", "types[2]", "until"],
        ),
    ] {
        let path = format!("/{id}/replay");
        let refused = stage.app.api.post_json(&path, &body).await;
        refused.must_be_invalid(invalid);
    }
}
