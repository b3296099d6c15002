//! Deletions of apps that race other calls.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::delivery::delete_app::MARKED_FOR;
use webhook_endpoints::domain::message::{AppDeletion, Message};

use crate::support::hand_clock::HandClock;
use crate::support::receiver::Receiver;
use crate::support::{Answer, Options, TestApp, answer};

const ROUNDS: usize = 8;

async fn start() -> (TestApp, HandClock) {
    let clock = HandClock::at_now();
    let mut options = Options::stepwise_with(&clock);
    // Cached keys go on working during the deletion, which is the worse case.
    options.settings.api_key_cache = Duration::from_secs(300);
    let app = TestApp::start_with(options).await;
    (app, clock)
}

async fn call(app: &TestApp, method: Method, path: &str) -> Answer {
    let path = format!("/apps/{}{path}", app.app_id);
    let request = app.api.by_platform(method.clone(), &path);
    let request = match method {
        Method::PUT => request.json(&json!({})),
        Method::POST => request.json(&json!({"scope": "all"})),
        _ => request,
    };
    answer(request).await
}

async fn create_session(app: &TestApp) -> Answer {
    let path = format!("/apps/{}/portal-sessions", app.app_id);
    answer(app.api.by_platform(Method::POST, &path)).await
}

/// Finishes the deletion, and asserts that nothing of the app is left in the table and in
/// Secrets Manager.
async fn must_leave_nothing(app: &TestApp, clock: &HandClock) {
    app.queue.settle().await;
    clock.advance(MARKED_FOR);
    let deletion = AppDeletion { app_id: app.app_id };
    let message = Message::DeleteApp(deletion).to_json().unwrap();
    app.queue.must_handle(message).await;
    let id = app.app_id.to_string();
    let items = app.aws.items().await;
    let left: Vec<_> = items
        .iter()
        .filter(|item| {
            ["pk", "gsi1pk"].iter().any(|name| {
                let text = item.get(*name).and_then(|value| value.as_s().ok());
                text.is_some_and(|text| text.contains(&id))
            })
        })
        // The app's ping counts expire by themselves, and so do the records of attempts that
        // ended after the deletion. Sessions expire too, but must not outlive the app.
        .filter(|item| is_session(item) || !item.contains_key(attribute::EXPIRES_AT))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(app.aws.secret_names().await, Vec::<String>::new());
    let gone = call(app, Method::GET, "").await;
    gone.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deletion_during_creations_leaves_no_endpoint_or_secret() {
    for round in 0..ROUNDS {
        let (app, clock) = start().await;
        call(&app, Method::PUT, "").await;
        let creations = join_all((0..6).map(|_| app.api.try_create()));
        let deletion = async {
            tokio::time::sleep(Duration::from_millis(3 * round as u64)).await;
            call(&app, Method::DELETE, "").await
        };
        let (created, deleted) = tokio::join!(creations, deletion);
        assert_eq!(deleted.status, StatusCode::ACCEPTED);
        for answer in created {
            match answer.status {
                StatusCode::CREATED => {}
                StatusCode::UNAUTHORIZED => {}
                _ => {
                    let error = answer.must_fail_with(404, "NOT_FOUND");
                    assert_eq!(error["message"], "No such app.");
                }
            }
        }
        must_leave_nothing(&app, &clock).await;
    }
}

fn is_session(item: &HashMap<String, AttributeValue>) -> bool {
    item["pk"].as_s().is_ok_and(|pk| pk.starts_with("SESSION#"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deletion_during_new_keys_sessions_and_puts_leaves_none() {
    for _ in 0..ROUNDS {
        let (app, clock) = start().await;
        call(&app, Method::PUT, "").await;
        let keys = join_all((0..4).map(|_| call(&app, Method::POST, "/keys")));
        let puts = join_all((0..2).map(|_| call(&app, Method::PUT, "")));
        let sessions = join_all((0..4).map(|_| create_session(&app)));
        let deletion = call(&app, Method::DELETE, "");
        let (keys, sessions, puts, deleted) = tokio::join!(keys, sessions, puts, deletion);
        assert_eq!(deleted.status, StatusCode::ACCEPTED);
        for made in keys.iter().chain(&sessions).chain(&puts) {
            let is_made = [StatusCode::OK, StatusCode::CREATED].contains(&made.status);
            if !is_made {
                made.must_fail_with(409, "CONFLICT");
            }
        }
        app.queue.settle().await;
        let made = keys.iter().chain(&sessions);
        for made in made.filter(|made| made.status == StatusCode::CREATED) {
            let data = made.data();
            let key = data["key"].as_str().or(data["token"].as_str()).unwrap();
            let path = format!("/apps/{}/webhooks", app.app_id);
            let request = app.api.bare(Method::GET, &path);
            let refused = answer(request.header("x-api-key", key)).await;
            refused.must_fail_with(401, "AUTHENTICATION_ERROR");
        }
        must_leave_nothing(&app, &clock).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deletion_during_publishing_pings_and_rotations_leaves_nothing() {
    let receiver = Receiver::answering(200, "").await;
    for _ in 0..ROUNDS {
        let (app, clock) = start().await;
        call(&app, Method::PUT, "").await;
        let (id, _) = app.api.create_webhook(&receiver.url).await;
        app.api.must_publish("invoice.paid").await;
        let rotate = format!("/{id}/rotate-secret");
        let event = json!({"type": "invoice.paid", "data": 1});
        let publishing = join_all((0..4).map(|_| app.api.publish(&event)));
        let others = join_all((0..2).map(|_| app.api.post(&rotate)));
        let ping = app.api.ping_preferring(&id, "respond-async");
        let handling = app.queue.settle();
        let (_, _, _, (), deleted) = tokio::join!(
            publishing,
            others,
            ping,
            handling,
            call(&app, Method::DELETE, "")
        );
        assert_eq!(deleted.status, StatusCode::ACCEPTED);
        app.queue.settle().await;
        must_leave_nothing(&app, &clock).await;
    }
}
