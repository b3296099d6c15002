//! Authentication with known, unknown, new and revoked keys.

use std::time::Duration;

use local::service;
use reqwest::{Method, StatusCode};
use webhook_endpoints::domain::api_key::ApiKey;
use webhook_endpoints::domain::id::AppId;

use crate::support::calls::{Ids, every_call};
use crate::support::hand_clock::HandClock;
use crate::support::{Answer, Options, TestApp, answer};

const URL: &str = "https://example.com/hook";

#[track_caller]
fn assert_unauthenticated(answer: &Answer) {
    answer.must_fail_with(401, "AUTHENTICATION_ERROR");
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}

/// Lists the app's endpoints with this header.
async fn list_with(app: &TestApp, header: &str, value: &str) -> Answer {
    let path = format!("/apps/{}/webhooks", app.app_id);
    answer(app.api.bare(Method::GET, &path).header(header, value)).await
}

async fn list_as(app: &TestApp, key: &ApiKey) -> Answer {
    list_with(app, "x-api-key", key.expose()).await
}

#[tokio::test]
async fn keys_are_read_from_x_api_key_or_a_bearer_token() {
    let app = TestApp::start().await;
    let key = app.key.expose();
    assert_eq!(
        list_with(&app, "x-api-key", key).await.status,
        StatusCode::OK
    );
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let listed = list_with(&app, "authorization", &format!("{scheme} {key}")).await;
        assert_eq!(listed.status, StatusCode::OK, "{scheme}");
    }
}

#[tokio::test]
async fn every_call_requires_a_valid_key() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook(URL).await;
    let unknown = service::new_key();
    let ids = Ids::with_delivery(&app, &id).await;
    for call in every_call(&ids) {
        for key in [None, Some(unknown.expose()), Some("not a key")] {
            let refused = app.api.call_as(app.app_id, key, &call).await;
            assert_unauthenticated(&refused);
        }
    }
    assert_eq!(app.api.listed_ids().await, [id]);
}

#[tokio::test]
async fn unknown_keys_are_rejected() {
    let app = TestApp::start().await;
    let key = app.key.expose();
    let unknown = service::new_key();
    let cut = &key[..key.len() - 1];
    let other_case: String = key
        .chars()
        .map(|c| {
            if c.is_uppercase() {
                c.to_ascii_lowercase()
            } else {
                c.to_ascii_uppercase()
            }
        })
        .collect();
    for wrong in [
        "",
        cut,
        &format!("{key}A"),
        &format!("{key},{key}"),
        &other_case,
        unknown.expose(),
    ] {
        assert_unauthenticated(&list_with(&app, "x-api-key", wrong).await);
        let bearer = format!("Bearer {wrong}");
        assert_unauthenticated(&list_with(&app, "authorization", &bearer).await);
    }
    for wrong in [
        key,
        "Bearer",
        &format!("Basic {key}"),
        &format!("Bearer{key}"),
    ] {
        assert_unauthenticated(&list_with(&app, "authorization", wrong).await);
    }
    // Keys are not read from the query, and header values that are not text are rejected.
    let path = format!("/apps/{}/webhooks", app.app_id);
    let query = app
        .api
        .bare(Method::GET, &format!("{path}?x-api-key={key}"));
    assert_unauthenticated(&answer(query).await);
    let bytes = app
        .api
        .bare(Method::GET, &path)
        .header("x-api-key", &b"\xff\xfe"[..]);
    assert_unauthenticated(&answer(bytes).await);
}

#[tokio::test]
async fn missing_apps_look_like_existing_ones_without_a_key() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook(URL).await;
    let ids = Ids::with_delivery(&app, &id).await;
    for call in every_call(&ids) {
        let existing = app.api.call_as(app.app_id, None, &call).await;
        let missing = app.api.call_as(AppId::new(), None, &call).await;
        assert_eq!(existing.status, missing.status);
        assert_eq!(existing.body, missing.body);
    }
}

#[tokio::test]
async fn new_keys_work_at_once_even_if_rejected_before() {
    let app = TestApp::start().await;
    let key = service::new_key();
    assert_unauthenticated(&list_as(&app, &key).await);
    app.add_key(app.app_id, &key).await;
    assert_eq!(list_as(&app, &key).await.status, StatusCode::OK);
}

#[tokio::test]
async fn revoked_keys_work_until_the_cache_expires() {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let mut options = Options::default();
    options.settings.clock = clock.clock();
    options.settings.api_key_cache = Duration::from_secs(10);
    let app = TestApp::start_with(options).await;
    assert_eq!(list_as(&app, &app.key).await.status, StatusCode::OK);

    revoke(&app, &app.key).await;
    clock.advance_millis(9_999);
    assert_eq!(list_as(&app, &app.key).await.status, StatusCode::OK);
    clock.advance_millis(1);
    assert_unauthenticated(&list_as(&app, &app.key).await);
}

#[tokio::test]
async fn revoked_keys_are_rejected_at_once_without_a_cache() {
    let mut options = Options::default();
    options.settings.api_key_cache = Duration::ZERO;
    let app = TestApp::start_with(options).await;
    assert_eq!(list_as(&app, &app.key).await.status, StatusCode::OK);
    revoke(&app, &app.key).await;
    assert_unauthenticated(&list_as(&app, &app.key).await);
}

#[tokio::test]
async fn revoking_a_key_leaves_the_apps_other_keys_valid() {
    let app = TestApp::start().await;
    let second = service::new_key();
    app.add_key(app.app_id, &second).await;
    revoke(&app, &app.key).await;
    assert_unauthenticated(&list_as(&app, &app.key).await);
    assert_eq!(list_as(&app, &second).await.status, StatusCode::OK);
}

async fn revoke(app: &TestApp, key: &ApiKey) {
    let now = "2026-01-31T09:30:00Z".parse().unwrap();
    let revoked = app
        .aws
        .table()
        .revoke_api_key(&key.hash(), now)
        .await
        .unwrap();
    assert!(revoked, "the key exists");
}
