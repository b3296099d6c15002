//! API calls that conflict with a transaction, or whose own transaction is cancelled.

use reqwest::StatusCode;
use serde_json::json;

use crate::faults::{assert_reveals_nothing, assert_unavailable};
use crate::support::matrix::Faults;
use crate::support::stage::Stage;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

/// The response to a transaction while another is in progress on the same item.
const CONFLICT: Fault = Fault::Refused(
    r#"{
        "__type": "TransactionCanceledException",
        "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}]
    }"#,
);

#[tokio::test]
async fn creation_retries_after_a_transaction_conflict() {
    let app = TestApp::start().await;
    app.aws.wire.break_once("TransactWriteItems", CONFLICT);
    assert_eq!(app.api.try_create().await.status, StatusCode::CREATED);
    assert_eq!(app.api.listed_ids().await.len(), 1);

    app.aws.wire.break_calls(&["TransactWriteItems"], CONFLICT);
    assert_unavailable(&app.api.try_create().await);
    assert_eq!(app.api.listed_ids().await.len(), 1);
}

/// The response to a single write while a transaction changes the item.
const TAKEN: Fault = Fault::Refused(r#"{"__type": "TransactionConflictException"}"#);

#[tokio::test]
async fn writes_during_a_transaction_say_when_to_retry() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let path = format!("/{id}");
    app.aws.wire.break_calls(&["UpdateItem"], TAKEN);
    for answer in [
        app.api.put_json(&path, &json!({"active": false})).await,
        app.api.post(&format!("{path}/rotate-secret")).await,
        app.api.post(&format!("{path}/test-ping")).await,
        app.api.delete(&path).await,
    ] {
        assert_unavailable(&answer);
    }
    app.aws.wire.mend();
    assert_eq!(app.api.delete(&path).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn transactions_cancelled_for_throughput_are_rate_limited() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let path = format!("/{id}");
    const TABLE_BUSY: Fault = Fault::Refused(
        r#"{
            "__type": "TransactionCanceledException",
            "CancellationReasons": [{"Code": "None"}, {"Code": "ProvisionedThroughputExceeded"}]
        }"#,
    );
    const KEY_BUSY: Fault = Fault::Refused(
        r#"{
            "__type": "TransactionCanceledException",
            "CancellationReasons": [{"Code": "ThrottlingError"}, {"Code": "TransactionConflict"}]
        }"#,
    );
    for fault in [TABLE_BUSY, KEY_BUSY] {
        app.aws.wire.break_calls(&["TransactWriteItems"], fault);
        for answer in [app.api.try_create().await, app.api.delete(&path).await] {
            answer.must_fail_with(429, "RATE_LIMIT");
            assert_eq!(answer.headers["retry-after"], "1");
            assert_reveals_nothing(&answer);
        }
    }
    const NO_REASON: Fault = Fault::Refused(r#"{"__type": "TransactionCanceledException"}"#);
    app.aws.wire.break_calls(&["TransactWriteItems"], NO_REASON);
    assert_unavailable(&app.api.delete(&path).await);
    app.aws.wire.mend();
    // Retrying finishes the interrupted deletion.
    assert_eq!(app.api.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert!(app.api.listed_ids().await.is_empty());
}

#[tokio::test]
async fn creation_that_conflicts_with_itself_succeeds() {
    let stage = Stage::start(Faults::default(), false, "1200").await;
    stage.fill(99).await;
    // The first try takes effect, but its response is lost. The second conflicts with the
    // first. The third finds the app full, and must recognize its own endpoint.
    let mut left = vec![CONFLICT, Fault::After];
    stage
        .app
        .aws
        .wire
        .disturb(move |call| (call == "TransactWriteItems").then(|| left.pop()).flatten());
    let created = stage.app.api.try_create().await;
    assert_eq!(created.status, StatusCode::CREATED);
    stage.must_be_consistent().await;
}
