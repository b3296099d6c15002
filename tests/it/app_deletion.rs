//! Deletion of apps: keys stop working at once, and everything else is removed in the
//! background, even if a step is interrupted.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::delivery::delete_app::MARKED_FOR;
use webhook_endpoints::domain::api_key::NewKey;
use webhook_endpoints::domain::app::AppChange;
use webhook_endpoints::domain::message::{AppDeletion, Message};
use webhook_endpoints::domain::session::SessionScope;

use crate::support::hand_clock::HandClock;
use crate::support::queue::endpoint_id;
use crate::support::seeds::Seed;
use crate::support::wire::Fault;
use crate::support::{Answer, Options, TestApp, answer};

const SWEEP: &str = r#"{"kind":"sweep"}"#;
const URL: &str = "https://example.com/hook";

async fn call(app: &TestApp, method: Method, path: &str, body: Option<Value>) -> Answer {
    let path = format!("/apps/{}{path}", app.app_id);
    let mut request = app.api.by_platform(method, &path);
    if let Some(body) = body {
        request = request.json(&body);
    }
    answer(request).await
}

async fn delete(app: &TestApp) -> Answer {
    call(app, Method::DELETE, "", None).await
}

async fn put(app: &TestApp) -> Answer {
    call(app, Method::PUT, "", Some(json!({}))).await
}

async fn status(app: &TestApp) -> Value {
    call(app, Method::GET, "", None).await.data()["status"].clone()
}

/// Starts a service without a key cache. Its app has no endpoints.
async fn start_empty() -> (TestApp, HandClock) {
    let clock = HandClock::at_now();
    let mut options = Options::stepwise_with(&clock);
    options.settings.api_key_cache = Duration::ZERO;
    options.settings.chunks.history = 10;
    let app = TestApp::start_with(options).await;
    let (table, now) = (app.aws.table(), clock.now());
    let change = AppChange::default();
    table.put_app(app.app_id, &change, now).await.unwrap();
    (app, clock)
}

/// The same with two endpoints, each with 12 failed deliveries and a pending one.
async fn start() -> (TestApp, HandClock) {
    let (app, clock) = start_empty().await;
    let now = clock.now();
    for _ in 0..2 {
        let (id, _) = app.api.create_webhook(URL).await;
        let id = endpoint_id(&id);
        for _ in 0..12 {
            app.aws.seed_event(id, "invoice.paid", now, 500).await;
        }
        app.aws.seed_at(id, Seed::Pending, now).await;
    }
    (app, clock)
}

/// Returns the keys of all items that belong to the app.
async fn items_of(app: &TestApp) -> Vec<String> {
    let id = app.app_id.to_string();
    let items = app.aws.items().await;
    let of_app = items.iter().filter(|item| {
        let is_of = |name: &str| {
            let text = item.get(name).and_then(|value| value.as_s().ok());
            text.is_some_and(|text| text.contains(&id))
        };
        is_of("pk") || is_of("gsi1pk")
    });
    of_app
        .map(|item| format!("{:?} {:?}", item["pk"], item["sk"]))
        .collect()
}

async fn continue_deletion(app: &TestApp) {
    let deletion = AppDeletion { app_id: app.app_id };
    let message = Message::DeleteApp(deletion).to_json().unwrap();
    app.queue.must_handle(message).await;
    app.queue.settle().await;
}

/// Asserts that nothing is left but the deletion mark, and that it goes too once it
/// expires.
async fn must_be_gone(app: &TestApp, clock: &HandClock) {
    assert_eq!(items_of(app).await.len(), 1, "{:?}", items_of(app).await);
    assert_eq!(app.aws.secret_names().await, Vec::<String>::new());
    assert_eq!(status(app).await, "DELETING");
    clock.advance(MARKED_FOR);
    continue_deletion(app).await;
    assert_eq!(items_of(app).await, Vec::<String>::new());
    let gone = call(app, Method::GET, "", None).await;
    gone.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn deletion_stops_keys_at_once_and_removes_the_rest_later() {
    let (app, clock) = start().await;
    app.session(SessionScope::Read, None).await;
    assert_eq!(app.aws.secret_names().await.len(), 2);
    let deleted = delete(&app).await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED, "{deleted:?}");
    assert_eq!(deleted.data()["status"], "DELETING");
    let refused = app.api.get("").await;
    refused.must_fail_with(401, "AUTHENTICATION_ERROR");
    // Nothing can be created in it, not even by the platform.
    put(&app).await.must_fail_with(409, "CONFLICT");
    let body = json!({"scope": "all"});
    let key = call(&app, Method::POST, "/keys", Some(body)).await;
    key.must_fail_with(409, "CONFLICT");

    app.queue.settle().await;
    must_be_gone(&app, &clock).await;
    let made = put(&app).await;
    assert_eq!(made.status, StatusCode::CREATED);
    // The deleted keys do not work for the new app.
    let refused = app.api.get("").await;
    refused.must_fail_with(401, "AUTHENTICATION_ERROR");
}

#[tokio::test]
async fn deletion_leaves_other_apps_alone() {
    let (app, _) = start().await;
    let (other, key) = app.other_app().await;
    let path = format!("/apps/{other}/webhooks");
    let as_other = |method| {
        let request = app.api.bare(method, &path);
        request.header("x-api-key", key.expose())
    };
    let body = json!({"url": URL, "events": ["*"]});
    let created = answer(as_other(Method::POST).json(&body)).await;
    assert_eq!(created.status, StatusCode::CREATED);
    delete(&app).await;
    app.queue.settle().await;
    let listed = answer(as_other(Method::GET)).await;
    assert_eq!(listed.data()[0]["id"], created.data()["id"]);
}

#[tokio::test]
async fn only_created_apps_can_be_deleted() {
    let app = TestApp::start_with(Options::idle()).await;
    delete(&app).await.must_fail_with(404, "NOT_FOUND");
    app.api.create_webhook(URL).await;
    delete(&app).await.must_fail_with(404, "NOT_FOUND");
    assert_eq!(app.api.listed_ids().await.len(), 1);
    // A message for an app that is not marked does nothing.
    continue_deletion(&app).await;
    assert_eq!(app.api.listed_ids().await.len(), 1);
}

#[tokio::test]
async fn repeated_deletions_do_not_extend_the_mark() {
    let (app, clock) = start().await;
    delete(&app).await;
    app.queue.settle().await;
    clock.advance(MARKED_FOR / 2);
    let again = delete(&app).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    app.queue.settle().await;
    clock.advance(MARKED_FOR / 2);
    continue_deletion(&app).await;
    assert_eq!(items_of(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn sweeps_finish_interrupted_app_deletions() {
    for (operation, fault) in [
        (&["Query"][..], Fault::Before),
        (&["SendMessage"], Fault::Before),
    ] {
        let (app, clock) = start().await;
        app.aws.wire.break_calls(operation, fault);
        let failed = delete(&app).await;
        app.aws.wire.mend();
        failed.must_fail_with(503, "UNAVAILABLE");
        clock.advance(Duration::from_secs(5 * 60));
        app.queue.must_handle(SWEEP).await;
        app.queue.settle().await;
        let refused = app.api.get("").await;
        refused.must_fail_with(401, "AUTHENTICATION_ERROR");
        must_be_gone(&app, &clock).await;
    }
}

#[tokio::test]
async fn sweeps_resume_deletions_whose_message_was_lost() {
    let (app, clock) = start().await;
    delete(&app).await;
    // The first step runs, and the message for the next one is lost.
    let first = app.queue.queued().await;
    assert_eq!(app.queue.handle(first).await, Ok(Vec::new()));
    assert!(!app.queue.all_queued().await.is_empty());
    clock.advance(Duration::from_secs(10 * 60));
    app.queue.must_handle(SWEEP).await;
    assert!(app.queue.all_queued().await.is_empty(), "resumed too early");
    clock.advance(Duration::from_secs(10 * 60 + 1));
    app.queue.must_handle(SWEEP).await;
    app.queue.settle().await;
    assert_eq!(items_of(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn cached_keys_create_nothing_that_outlives_the_app() {
    let clock = HandClock::at_now();
    let mut options = Options::stepwise_with(&clock);
    options.settings.api_key_cache = Duration::from_secs(300);
    let app = TestApp::start_with(options).await;
    put(&app).await;
    app.api.create_webhook(URL).await;
    delete(&app).await;
    app.queue.settle().await;
    // The cached key is still accepted, but finds nothing.
    assert_eq!(app.api.listed_ids().await, Vec::<String>::new());
    let created = app.api.try_create().await;
    let error = created.must_fail_with(404, "NOT_FOUND");
    assert_eq!(error["message"], "No such app.");
    app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    must_be_gone(&app, &clock).await;
    let refused = app.api.get("").await;
    refused.must_fail_with(401, "AUTHENTICATION_ERROR");
}

#[tokio::test]
async fn keys_missing_from_the_first_listing_are_removed_too() {
    let (app, clock) = start().await;
    delete(&app).await;
    // As if the index did not contain the key yet when the deletion listed the keys.
    let late = NewKey::of_app(app.app_id, "late");
    let key = app.new_key(late).await;
    app.queue.settle().await;
    let path = format!("/apps/{}/webhooks", app.app_id);
    let request = app.api.bare(Method::GET, &path);
    let refused = answer(request.header("x-api-key", key.expose())).await;
    refused.must_fail_with(401, "AUTHENTICATION_ERROR");
    must_be_gone(&app, &clock).await;
}

#[tokio::test]
async fn histories_larger_than_a_page_are_removed_too() {
    let (app, clock) = start().await;
    let (id, _) = app.api.create_webhook(URL).await;
    // Fewer deliveries than a step removes, but more than the megabyte that a query reads.
    let large = "x".repeat(300_000);
    for _ in 0..6 {
        let id = endpoint_id(&id);
        let seeding = app.aws.seed_event(id, "invoice.paid", clock.now(), 500);
        let task = seeding.await;
        app.aws.set_delivery(&task, "large", &large).await;
    }
    delete(&app).await;
    app.queue.settle().await;
    must_be_gone(&app, &clock).await;
}

#[tokio::test]
async fn small_apps_are_emptied_in_one_step() {
    let (app, clock) = start_empty().await;
    for _ in 0..3 {
        let (id, _) = app.api.create_webhook(URL).await;
        let seeding = app
            .aws
            .seed_event(endpoint_id(&id), "invoice.paid", clock.now(), 500);
        seeding.await;
    }
    delete(&app).await;
    let queued = app.queue.all_queued().await;
    assert_eq!(app.queue.handle(queued).await, Ok(Vec::new()));
    // The next step comes once the mark has expired.
    assert_eq!(app.queue.all_queued().await.len(), 0);
    must_be_gone(&app, &clock).await;
}
