//! Interrupted deletions: from the first step on the endpoint looks deleted,
//! and repeating the deletion finishes it.

use reqwest::StatusCode;

use crate::support::TestApp;
use crate::support::calls::{Ids, every_call_on};
use crate::support::wire::Fault;

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
