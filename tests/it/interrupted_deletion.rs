//! Interrupted deletions: from the first step on the endpoint looks deleted,
//! and repeating the deletion finishes it.

use std::time::Duration;

use reqwest::StatusCode;

use crate::support::calls::{Ids, every_call_on};
use crate::support::hand_clock::HandClock;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const SWEEP: &str = r#"{"kind":"sweep"}"#;

/// An app at its limit, so that a test can tell whether a place became free.
struct Full {
    app: TestApp,
    victim: String,
    /// The victim's id and that of one of its deliveries.
    ids: Ids,
}

impl Full {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let mut ids = app.api.create_webhooks(100).await;
        let victim = ids.remove(0);
        let ids = Ids::with_delivery(&app, &victim).await;
        Self { app, victim, ids }
    }

    /// Deletes the victim while calls of this operation fail.
    async fn interrupt(&self, operation: &'static [&'static str], fault: Fault) {
        self.app.aws.wire.break_calls(operation, fault);
        let interrupted = self.app.api.delete(&format!("/{}", self.victim)).await;
        self.app.aws.wire.mend();
        interrupted.must_fail_with(503, "UNAVAILABLE");
        assert_eq!(interrupted.headers["retry-after"], "1");
    }

    async fn must_be_missing(&self) {
        // All calls but the deletion, which finishes the work.
        let mut calls = every_call_on(&self.ids);
        calls.retain(|call| call.name != "deleteWebhook");
        for call in calls {
            let answer = self.app.api.call(&call).await;
            answer.must_fail_with(404, "NOT_FOUND");
        }
        assert!(!self.app.api.listed_ids().await.contains(&self.victim));
    }

    async fn repeat(&self) -> StatusCode {
        self.app
            .api
            .delete(&format!("/{}", self.victim))
            .await
            .status
    }

    /// Asserts that nothing is left: there is no secret, and one place is free.
    async fn must_be_finished(&self) {
        self.must_be_missing().await;
        let ids = self.app.api.listed_ids().await;
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        assert_eq!(ids.len(), 99);
        let secrets = self.app.aws.secret_names().await;
        assert_eq!(secrets, self.app.aws.secret_names_of(&ids));
        let created = self.app.api.try_create().await;
        assert_eq!(created.status, StatusCode::CREATED);
        self.app
            .api
            .try_create()
            .await
            .must_fail_with(409, "CONFLICT");
        assert_eq!(self.repeat().await, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn deletions_that_did_not_begin_keep_the_endpoint() {
    let full = Full::start().await;
    full.interrupt(&["UpdateItem"], Fault::Before).await;
    let shown = full.app.api.get(&format!("/{}", full.victim)).await;
    assert_eq!(shown.status, StatusCode::OK);
    let path = format!("/{}/rotate-secret", full.victim);
    assert_eq!(full.app.api.post(&path).await.status, StatusCode::OK);
    assert_eq!(full.repeat().await, StatusCode::NO_CONTENT);
    full.must_be_finished().await;
}

#[tokio::test]
async fn repeating_finishes_a_deletion_interrupted_after_the_mark() {
    let full = Full::start().await;
    full.interrupt(&["UpdateItem"], Fault::After).await;
    full.must_be_missing().await;
    assert_eq!(full.repeat().await, StatusCode::NO_CONTENT);
    full.must_be_finished().await;
}

#[tokio::test]
async fn repeating_finishes_a_deletion_interrupted_before_its_secret() {
    let full = Full::start().await;
    full.interrupt(&["DeleteSecret"], Fault::Before).await;
    full.must_be_missing().await;
    assert_eq!(full.repeat().await, StatusCode::NO_CONTENT);
    full.must_be_finished().await;
}

#[tokio::test]
async fn repeating_finishes_a_deletion_interrupted_after_its_secret() {
    let full = Full::start().await;
    full.interrupt(&["DeleteSecret"], Fault::After).await;
    full.must_be_missing().await;
    assert_eq!(full.repeat().await, StatusCode::NO_CONTENT);
    full.must_be_finished().await;
}

#[tokio::test]
async fn repeating_finishes_a_deletion_interrupted_before_its_item() {
    let full = Full::start().await;
    full.interrupt(&["TransactWriteItems"], Fault::Before).await;
    full.must_be_missing().await;
    assert_eq!(full.repeat().await, StatusCode::NO_CONTENT);
    full.must_be_finished().await;
}

#[tokio::test]
async fn unanswered_deletions_leave_nothing() {
    let full = Full::start().await;
    full.interrupt(&["TransactWriteItems"], Fault::After).await;
    // Everything is deleted already, so a repeated deletion gets a 404.
    full.must_be_finished().await;
}

#[tokio::test]
async fn deletion_survives_one_lost_answer_in_each_step() {
    let full = Full::start().await;
    let mut left = vec!["UpdateItem", "DeleteSecret", "TransactWriteItems"];
    full.app.aws.wire.disturb(move |call| {
        let position = left.iter().position(|operation| *operation == call)?;
        left.remove(position);
        Some(Fault::After)
    });
    assert_eq!(full.repeat().await, StatusCode::NO_CONTENT);
    full.must_be_finished().await;
}

#[tokio::test]
async fn sweeps_finish_deletions_that_nobody_repeats() {
    for (operation, fault) in [
        ("UpdateItem", Fault::After),
        ("DeleteSecret", Fault::Before),
        ("DeleteSecret", Fault::After),
        ("TransactWriteItems", Fault::Before),
    ] {
        let clock = HandClock::at_now();
        let app = TestApp::start_with(Options::stepwise_by(&clock)).await;
        let (id, _) = app.api.create_webhook("https://example.com/hook").await;
        let (other, _) = app.api.create_webhook("https://example.com/hook").await;
        app.aws.wire.break_from(operation, 1, fault);
        let interrupted = app.api.delete(&format!("/{id}")).await;
        interrupted.must_fail_with(503, "UNAVAILABLE");
        app.aws.wire.mend();

        // Too young: it might still be under way.
        app.queue.must_handle(SWEEP).await;
        let count = app.aws.table().endpoint_count(app.app_id).await;
        assert_eq!(count.unwrap(), 2, "{operation}");
        clock.advance(Duration::from_secs(5 * 60));
        app.queue.must_handle(SWEEP).await;
        let count = app.aws.table().endpoint_count(app.app_id).await;
        assert_eq!(count.unwrap(), 1, "{operation}");
        let names = app.aws.secret_names().await;
        assert_eq!(names, app.aws.secret_names_of(&[&other]), "{operation}");
        let items = app.aws.table_text().await;
        assert!(!items.contains(&id), "{operation}");
    }
}

#[tokio::test]
async fn failed_deletions_do_not_stop_sweeps() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_by(&clock)).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.wire.break_calls(&["DeleteSecret"], Fault::Before);
    app.api.delete(&format!("/{id}")).await;
    clock.advance(Duration::from_secs(5 * 60));
    app.queue.must_handle(SWEEP).await;
    assert_eq!(app.aws.secret_names().await.len(), 1);
    app.aws.wire.mend();
    app.queue.must_handle(SWEEP).await;
    assert!(app.aws.secret_names().await.is_empty());
}
