//! What all answers have in common: routes, methods, envelope and request id.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::domain::id::AppId;

use crate::support::{Answer, Options, TestApp, answer, fields, log};

#[tokio::test]
async fn unknown_routes_are_not_found_with_or_without_a_key() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let app_id = app.app_id;
    for path in [
        "/".to_owned(),
        "/favicon.ico".to_owned(),
        "/app".to_owned(),
        "/apps/".to_owned(),
        format!("/apps/{app_id}/"),
        format!("/apps/{app_id}/keys/"),
        format!("/apps/{app_id}/webhook"),
        format!("/apps/{app_id}/webhooks/"),
        format!("/apps/{app_id}/webhooks/{id}/"),
        format!("/apps/{app_id}/webhooks/{id}/secret"),
        format!("/apps/{app_id}/webhooks/{id}/deliveries/{id}/payload"),
        format!("//apps/{app_id}/webhooks"),
    ] {
        for method in [Method::GET, Method::POST] {
            let bare = app.api.bare(method.clone(), &path);
            answer(bare).await.must_fail_with(404, "NOT_FOUND");
            let keyed = app
                .api
                .bare(method, &path)
                .header("x-api-key", app.key.expose());
            answer(keyed).await.must_fail_with(404, "NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn unsupported_methods_are_rejected_with_the_allowed_ones() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let paths = [
        (String::new(), "GET HEAD POST"),
        (format!("/{id}"), "DELETE GET HEAD PUT"),
        (format!("/{id}/rotate-secret"), "POST"),
        (format!("/{id}/test-ping"), "POST"),
        (format!("/{id}/deliveries"), "GET HEAD"),
    ];
    for (path, taken) in paths {
        let taken: BTreeSet<_> = taken.split(' ').collect();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            if taken.contains(method) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let refused = answer(app.api.request(method.clone(), &path)).await;
            if method == Method::HEAD {
                assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
            } else {
                refused.must_fail_with(405, "METHOD_NOT_ALLOWED");
            }
            let allow = refused.headers["allow"].to_str().unwrap();
            let allowed: BTreeSet<_> = allow.split(',').map(str::trim).collect();
            assert_eq!(allowed, taken, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn head_answers_like_get_without_the_body() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    for path in [
        String::new(),
        format!("/{id}"),
        format!("/{id}/deliveries"),
        format!("/{}", AppId::new()),
    ] {
        let get = answer(app.api.request(Method::GET, &path)).await;
        let head = answer(app.api.request(Method::HEAD, &path)).await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_null(), "{path}");
        for header in ["content-type", "content-length"] {
            assert_eq!(head.headers[header], get.headers[header], "{path}");
        }
    }
}

#[tokio::test]
async fn every_error_has_the_same_envelope() {
    let app = TestApp::start().await;
    let put = || app.api.request(Method::PUT, &format!("/{}", AppId::new()));
    let errors: [(u16, Answer); 6] = [
        (
            401,
            answer(app.api.bare(Method::GET, "/apps/x/webhooks")).await,
        ),
        (404, app.api.get(&format!("/{}", AppId::new())).await),
        (404, answer(app.api.bare(Method::GET, "/")).await),
        (405, answer(app.api.request(Method::PATCH, "")).await),
        (413, answer(put().json(&json!("x".repeat(65_536)))).await),
        (415, answer(put().body("{}")).await),
    ];
    for (status, error) in errors {
        assert_eq!(error.status.as_u16(), status, "{error:?}");
        assert_eq!(fields(&error.body), ["error", "success"]);
        assert_eq!(error.body["success"], false);
        assert_eq!(fields(&error.body["error"]), ["code", "message"]);
    }
    let invalid = answer(put().json(&json!({}))).await;
    assert_eq!(invalid.status, StatusCode::BAD_REQUEST);
    assert_eq!(fields(&invalid.body), ["error", "success"]);
    let error = &invalid.body["error"];
    assert_eq!(fields(error), ["code", "details", "message"]);
    assert_eq!(fields(&error["details"][0]), ["field", "message"]);
}

#[tokio::test]
async fn every_answer_has_its_own_request_id() {
    let app = TestApp::start().await;
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let requests = [
            app.api.request(Method::GET, ""),
            app.api.bare(Method::GET, ""),
            app.api.request(Method::PATCH, ""),
            // The service chooses the id and ignores the caller's.
            app.api
                .request(Method::GET, "")
                .header("x-request-id", "mine"),
        ];
        for request in requests {
            let found = answer(request).await.headers["x-request-id"].clone();
            ids.insert(found.to_str().unwrap().to_owned());
        }
    }
    assert_eq!(ids.len(), 12);
    assert!(!ids.contains("mine"));
}

#[tokio::test]
async fn only_frequent_requests_that_succeed_are_logged_below_info() {
    log::start();
    let app = TestApp::start_with(Options::idle()).await;
    let event = json!({"type": "a", "data": 1});
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let path = format!("/{id}");
    let api = &app.api;
    for (level, answer) in [
        ("DEBUG", api.get("").await),
        ("DEBUG", api.publish(&event).await),
        ("DEBUG", api.publish_batch(&[event]).await),
        ("INFO", api.publish(&json!({})).await),
        ("INFO", api.put_json(&path, &json!({"active": true})).await),
        ("INFO", api.delete(&path).await),
        ("INFO", api.get(&path).await),
    ] {
        let request_id = answer.headers["x-request-id"].to_str().unwrap();
        let mut lines = log::lines_with(request_id);
        lines.retain(|line| line.contains(r#""message":"response""#));
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["level"], level, "{line}");
        assert_eq!(line["status"], answer.status.as_u16());
    }
}
