//! The app reserved for operational webhooks. Only platform keys reach it, and only the
//! service publishes to it.

use local::service;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::domain::api_key::NewKey;
use webhook_endpoints::domain::id::AppId;

use crate::support::{Answer, Options, TestApp, answer};

const APP: &str = "/apps/operational";

async fn by_platform(app: &TestApp, method: Method, path: &str, body: Value) -> Answer {
    let path = format!("{APP}{path}");
    let request = app.api.by_platform(method, &path);
    answer(request.json(&body)).await
}

#[track_caller]
fn must_be_reserved(answer: &Answer) {
    answer.must_be_invalid(&["appId"]);
    let message = answer.body["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("appId operational is reserved: "),
        "{message}"
    );
}

#[tokio::test]
async fn platform_keys_manage_endpoints_of_the_reserved_app() {
    let app = TestApp::start_with(Options::idle()).await;
    let new = json!({"url": "https://example.com/hook", "events": ["endpoint.*"]});
    let created = by_platform(&app, Method::POST, "/webhooks", new).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let webhook = format!("/webhooks/{}", created.data()["id"].as_str().unwrap());
    let history = format!("{webhook}/deliveries");
    let ping = format!("{webhook}/test-ping");
    let rotation = format!("{webhook}/rotate-secret");
    for (method, path, status) in [
        (Method::GET, "/webhooks", 200),
        (Method::GET, &*webhook, 200),
        (Method::GET, &history, 200),
        (Method::POST, &rotation, 200),
        (Method::DELETE, &webhook, 204),
    ] {
        let request = app.api.by_platform(method.clone(), &format!("{APP}{path}"));
        let done = answer(request).await;
        assert_eq!(done.status.as_u16(), status, "{method} {path}: {done:?}");
        if path == history {
            let request = app.api.by_platform(Method::POST, &format!("{APP}{ping}"));
            let pinged = answer(request.header("prefer", "respond-async")).await;
            assert_eq!(pinged.status, StatusCode::ACCEPTED, "{pinged:?}");
            let change = json!({"events": ["*"]});
            by_platform(&app, Method::PUT, &webhook, change)
                .await
                .data();
        }
    }
    // They still can't manage the endpoints of other apps.
    let path = format!("/apps/{}/webhooks", app.app_id);
    let refused = answer(app.api.by_platform(Method::GET, &path)).await;
    refused.must_fail_with(403, "FORBIDDEN");
}

#[tokio::test]
async fn reserved_app_has_no_keys_or_sessions() {
    let app = TestApp::start_with(Options::idle()).await;
    by_platform(&app, Method::PUT, "", json!({})).await.data();
    for (path, body) in [
        ("/keys", json!({"scope": "all"})),
        ("/portal-sessions", json!({})),
    ] {
        must_be_reserved(&by_platform(&app, Method::POST, path, body).await);
    }
    // A key that was stored regardless reaches nothing.
    let key = service::new_key();
    let new = NewKey::of_app(AppId::operational(), "");
    service::store_key(&app.aws.table(), &key, new)
        .await
        .unwrap();
    let listing = app.api.bare(Method::GET, &format!("{APP}/webhooks"));
    let refused = answer(listing.header("x-api-key", key.expose())).await;
    refused.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn nobody_publishes_to_the_reserved_app() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let event = json!({"type": "endpoint.paused", "data": {}});
    let batch = json!({"events": [event]});
    must_be_reserved(&by_platform(&app, Method::POST, "/events", event).await);
    must_be_reserved(&by_platform(&app, Method::POST, "/events/batch", batch).await);
    assert_eq!(app.queue.counts().await, [0; 3]);

    let message = r#"{"kind":"event","appId":"operational","type":"endpoint.paused","data":{}}"#;
    let letter = app.queue.must_become_dead_letter(message).await;
    let reason = letter.attribute("Reason");
    assert!(reason.contains("operational is reserved"), "{reason}");
}

#[tokio::test]
async fn reserved_app_endpoints_subscribe_only_to_operational_types() {
    let mut options = Options::idle();
    // The operational types need not be in the catalogue.
    options.settings.strict_event_types = true;
    let app = TestApp::start_with(options).await;
    let subscribe = async |events: &[&str]| {
        let new = json!({"url": "https://example.com/hook", "events": events});
        by_platform(&app, Method::POST, "/webhooks", new).await
    };
    for events in [
        &["*"][..],
        &["endpoint.*", "app.deleted"],
        &["delivery.failed"],
    ] {
        assert_eq!(subscribe(events).await.status, StatusCode::CREATED);
    }
    let events = ["endpoint.pause", "app.deleted", "invoice.*"];
    let refused = subscribe(&events).await;
    refused.must_be_invalid(&["events[0]", "events[2]"]);
    let message = refused.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("endpoint.paused, "), "{message}");
}
