//! Interrupted deletions. After the first step the endpoint looks deleted, and repeating
//! the deletion finishes it.

use std::sync::Mutex;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tokio::time::Instant;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::delivery::Deadline;
use webhook_endpoints::domain::secret::SecretStorage;

use crate::support::calls::{Ids, every_call_on};
use crate::support::hand_clock::HandClock;
use crate::support::paused::Paused;
use crate::support::queue::message;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp, metrics};

const SWEEP: &str = r#"{"kind":"sweep"}"#;

/// An app with 100 endpoints, the limit, which shows whether a deletion frees a place.
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
        // Every call except the deletion, which would finish it.
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
async fn deletions_that_never_began_keep_the_endpoint() {
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
async fn deletions_whose_response_is_lost_leave_nothing() {
    let full = Full::start().await;
    full.interrupt(&["TransactWriteItems"], Fault::After).await;
    // Everything is deleted already, so a repeated deletion gets a 404.
    full.must_be_finished().await;
}

#[tokio::test]
async fn deletion_survives_a_lost_response_in_each_step() {
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
        let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
        let (id, _) = app.api.create_webhook("https://example.com/hook").await;
        let (other, _) = app.api.create_webhook("https://example.com/hook").await;
        app.aws.wire.break_from(operation, 1, fault);
        let interrupted = app.api.delete(&format!("/{id}")).await;
        interrupted.must_fail_with(503, "UNAVAILABLE");
        app.aws.wire.mend();

        // Too young: it might still be under way.
        app.queue.must_handle(SWEEP).await;
        let count = app.aws.table().endpoint_count(app.app_id).await;
        assert_eq!(count.unwrap(), Some(2), "{operation}");
        clock.advance(Duration::from_secs(5 * 60));
        app.queue.must_handle(SWEEP).await;
        let count = app.aws.table().endpoint_count(app.app_id).await;
        assert_eq!(count.unwrap(), Some(1), "{operation}");
        let names = app.aws.secret_names().await;
        assert_eq!(names, app.aws.secret_names_of(&[&other]), "{operation}");
        let items = app.aws.table_text().await;
        assert!(!items.contains(&id), "{operation}");
    }
}

#[tokio::test]
async fn failed_deletions_do_not_stop_sweeps() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
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

#[tokio::test]
async fn slow_deletions_do_not_fail_sweeps() {
    static EMITTED: Mutex<Vec<Value>> = Mutex::new(Vec::new());
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.wire.break_calls(&["DeleteSecret"], Fault::Before);
    app.api.delete(&format!("/{id}")).await;
    clock.advance(Duration::from_secs(5 * 60));
    app.aws.wire.break_calls(&["DeleteSecret"], Fault::Late);
    let queue =
        metrics::queue_with_metrics(&app, |line| EMITTED.lock().unwrap().push(line.clone()));
    let end = Instant::now() + Duration::from_secs(8);
    let queue = queue.with_deadline(Deadline::new(end, Duration::from_secs(1)));
    let back = queue.handle([message(Some("m"), SWEEP)]).await;
    assert_eq!(back, Ok(Vec::new()));
    let emitted = EMITTED.lock().unwrap().clone();
    emitted.iter().for_each(metrics::must_be_embedded);
    assert_eq!(emitted.len(), 2);
    assert_eq!(emitted[0]["OverdueAttempts"], 0);
    assert_eq!(emitted[1]["DeletionsUnfinished"], 1);
}

#[tokio::test]
async fn failing_deletions_do_not_starve_others() {
    let clock = HandClock::at_now();
    let mut options = Options::stepwise_with(&clock);
    options.settings.chunks.deletions = 1;
    let app = TestApp::start_with(options).await;
    let (stuck, _) = app.api.create_webhook("https://example.com/hook").await;
    let (other, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.wire.break_calls(&["DeleteSecret"], Fault::Before);
    for id in [&stuck, &other] {
        app.api.delete(&format!("/{id}")).await;
        clock.advance(Duration::from_secs(5 * 60));
    }
    let refused = Fault::Refused(r#"{"__type":"AccessDeniedException"}"#);
    let name = stuck.clone();
    app.aws.wire.disturb_requests(move |operation, body| {
        let is_stuck = String::from_utf8_lossy(body).contains(&name);
        (operation == "DeleteSecret" && is_stuck).then_some(refused)
    });
    // Each sweep takes one of the two at random.
    for _ in 0..64 {
        app.queue.must_handle(SWEEP).await;
        if app.aws.secret_names().await.len() == 1 {
            break;
        }
    }
    let names = app.aws.secret_names().await;
    assert_eq!(names, app.aws.secret_names_of(&[&stuck]));
}

#[tokio::test]
async fn repeated_deletions_do_not_postpone_sweeps() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.wire.break_calls(&["DeleteSecret"], Fault::Before);
    // The last deletion is only 40 s old, but what counts is the age of the first one.
    for _ in 0..3 {
        let failed = app.api.delete(&format!("/{id}")).await;
        failed.must_fail_with(503, "UNAVAILABLE");
        clock.advance(Duration::from_secs(40));
    }
    app.aws.wire.mend();
    app.queue.must_handle(SWEEP).await;
    assert!(app.aws.secret_names().await.is_empty());
}

#[tokio::test]
async fn repeated_deletions_end_waiting_deliveries() {
    // Either the first call fails before it sends the message that ends the deliveries, or
    // the SDK retries the mark within one call.
    for (is_interrupted, storage) in [
        (true, SecretStorage::PerEndpoint),
        (false, SecretStorage::PerEndpoint),
        (true, SecretStorage::Sealed),
        (false, SecretStorage::Sealed),
    ] {
        let paused = Paused::start_with(|options| {
            options.settings.secret_storage = storage;
        });
        let paused = paused.await;
        let waiting = paused.publish_waiting(3).await.len();
        // Remove the probe's message, which would end them too.
        paused.app.queue.tasks_and_tends().await;
        let path = format!("/{}", paused.id);
        let wire = &paused.app.aws.wire;
        if is_interrupted {
            wire.break_calls(&["UpdateItem"], Fault::After);
            let failed = paused.app.api.delete(&path).await;
            failed.must_fail_with(503, "UNAVAILABLE");
            wire.mend();
        } else {
            wire.break_once("UpdateItem", Fault::After);
        }
        let deleted = paused.app.api.delete(&path).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
        paused.drain().await;
        let items = paused.app.aws.items().await;
        let ended = items.iter().filter(|item| {
            let reason = item
                .get(attribute::ABANDONED)
                .and_then(|value| value.as_s().ok());
            reason.is_some_and(|reason| reason == "ENDPOINT_DELETED")
        });
        assert_eq!(ended.count(), waiting, "{is_interrupted} {storage:?}");
    }
}
