//! App keys, which the platform creates and revokes.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::domain::api_key::NewKey;
use webhook_endpoints::domain::id::AppId;

use crate::support::hand_clock::HandClock;
use crate::support::{Answer, Options, TestApp, answer, fields};

async fn call(app: &TestApp, method: Method, path: &str, body: Option<Value>) -> Answer {
    let path = format!("/apps/{}/keys{path}", app.app_id);
    let mut request = app.api.by_platform(method, &path);
    if let Some(body) = body {
        request = request.json(&body);
    }
    answer(request).await
}

async fn create(app: &TestApp, body: Value) -> Answer {
    call(app, Method::POST, "", Some(body)).await
}

async fn listed(app: &TestApp) -> Vec<Value> {
    let list = call(app, Method::GET, "", None).await;
    list.data().as_array().unwrap().clone()
}

/// Lists the app's endpoints with this key, and returns the status.
async fn try_key(app: &TestApp, key: &Value) -> u16 {
    let path = format!("/apps/{}/webhooks", app.app_id);
    let request = app.api.bare(Method::GET, &path);
    let request = request.header("x-api-key", key.as_str().unwrap());
    answer(request).await.status.as_u16()
}

/// Starts a service whose app exists, without a key cache.
async fn start() -> (TestApp, HandClock) {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let app = TestApp::start_with_key_cache(&clock, Duration::ZERO).await;
    (app, clock)
}

#[tokio::test]
async fn keys_work_within_their_scope_until_revoked() {
    let (app, _) = start().await;
    let created = create(&app, json!({"scope": "read", "label": "dashboard"})).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let data = created.data();
    let shown = [
        "createdAt",
        "ends",
        "expiresAt",
        "id",
        "key",
        "label",
        "scope",
    ];
    assert_eq!(fields(data), shown);
    assert_eq!(try_key(&app, &data["key"]).await, 200);
    let publish = create(&app, json!({"scope": "publish"})).await;
    assert_eq!(try_key(&app, &publish.data()["key"]).await, 403);

    // The first key is the one that the operator created.
    let list = listed(&app).await;
    assert_eq!(list.len(), 3);
    let mut expected = data.clone();
    expected.as_object_mut().unwrap().remove("key");
    assert_eq!(list[1], expected);

    let path = format!("/{}", data["id"].as_str().unwrap());
    let revoked = call(&app, Method::DELETE, &path, None).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    assert_eq!(try_key(&app, &data["key"]).await, 401);
    assert_eq!(listed(&app).await.len(), 2);
    let again = call(&app, Method::DELETE, &path, None).await;
    again.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn keys_expire_to_the_second() {
    let (app, clock) = start().await;
    let body = json!({"scope": "all", "expiresAt": "2026-01-31T10:31:00.700+01:00"});
    let created = create(&app, body).await;
    let data = created.data();
    // Fractions of a second are dropped.
    assert_eq!(data["expiresAt"], "2026-01-31T09:31:00.000Z");
    clock.advance_millis(59_999);
    assert_eq!(try_key(&app, &data["key"]).await, 200);
    clock.advance_millis(1);
    assert_eq!(try_key(&app, &data["key"]).await, 401);
    assert_eq!(listed(&app).await.len(), 1);
    let path = format!("/{}", data["id"].as_str().unwrap());
    let expired = call(&app, Method::DELETE, &path, None).await;
    expired.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn invalid_keys_are_rejected_by_field() {
    let (app, _) = start().await;
    for (body, wrong) in [
        (json!({}), &["scope"][..]),
        // Platform keys cannot be created through the API.
        (json!({"scope": "platform"}), &["scope"]),
        (json!({"scope": "all", "label": "a\u{0}"}), &["label"]),
        (
            json!({"scope": "all", "label": "é".repeat(129)}),
            &["label"],
        ),
        (json!({"scope": "all", "expiresAt": "soon"}), &["expiresAt"]),
        (
            json!({"scope": "all", "expiresAt": "2026-01-31T09:30:00.900Z"}),
            &["expiresAt"],
        ),
        (json!({"scope": "all", "prefix": "x"}), &["prefix"]),
    ] {
        create(&app, body).await.must_be_invalid(wrong);
    }
    assert_eq!(listed(&app).await.len(), 1);
}

#[tokio::test]
async fn creating_a_key_requires_an_existing_app() {
    let app = TestApp::start_with(Options::idle()).await;
    let refused = create(&app, json!({"scope": "all"})).await;
    let error = refused.must_fail_with(404, "NOT_FOUND");
    assert_eq!(error["message"], "No such app.");
    // The operator's key can be listed and revoked nevertheless.
    let list = listed(&app).await;
    assert_eq!(list.len(), 1);
    let path = format!("/{}", list[0]["id"].as_str().unwrap());
    let revoked = call(&app, Method::DELETE, &path, None).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    let unknown = format!("/apps/{}/keys", AppId::new());
    let unknown = answer(app.api.by_platform(Method::GET, &unknown)).await;
    unknown.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn apps_have_at_most_100_valid_keys() {
    let (app, clock) = start().await;
    let now = app.deliverer.clock.now();
    for n in 0..99 {
        let mut new = NewKey::of_app(app.app_id, format!("{n}"));
        new.expires_at = Some(now + Duration::from_secs(60));
        app.store_key(new).await;
    }
    let full = create(&app, json!({"scope": "all"})).await;
    full.must_fail_with(409, "CONFLICT");
    clock.advance(Duration::from_secs(60));
    let created = create(&app, json!({"scope": "all"})).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
}

#[tokio::test]
async fn only_hashes_of_keys_are_stored() {
    let (app, _) = start().await;
    let created = create(&app, json!({"scope": "all"})).await;
    let key = created.data()["key"].as_str().unwrap();
    let table = app.aws.table_text().await;
    assert!(table.contains(created.data()["id"].as_str().unwrap()));
    let (_, random) = key.rsplit_once('_').unwrap();
    assert!(!table.contains(random));
}
