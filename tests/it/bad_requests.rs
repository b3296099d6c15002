//! Requests that are rejected before their body is read: size, type, path.

use reqwest::{Method, StatusCode};
use serde_json::json;
use webhook_endpoints::domain::id::{AppId, EndpointId};

use crate::support::calls::{Ids, every_call_in_an_app, every_call_on};
use crate::support::{TestApp, answer};

const LARGEST: usize = 64 * 1024;

/// Builds a valid body for creating an endpoint, padded to this many bytes.
fn body_of(bytes: usize) -> String {
    let body = json!({"url": "https://example.com/hook", "events": ["*"]}).to_string();
    let padding = " ".repeat(bytes - body.len());
    body + &padding
}

#[tokio::test]
async fn bodies_over_64_kib_are_rejected() {
    let app = TestApp::start().await;
    let send = |bytes| {
        let request = app
            .api
            .request(Method::POST, "")
            .header("content-type", "application/json")
            .body(body_of(bytes));
        answer(request)
    };
    assert_eq!(send(LARGEST).await.status, StatusCode::CREATED);
    app.aws.wire.take();
    for bytes in [LARGEST + 1, 10 * LARGEST] {
        send(bytes).await.must_fail_with(413, "PAYLOAD_TOO_LARGE");
    }
    assert!(app.aws.wire.take().is_empty());
    assert_eq!(app.api.listed_ids().await.len(), 1);
}

#[tokio::test]
async fn bodies_must_have_a_json_content_type() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.wire.take();
    let path = format!("/{id}");
    for (method, path) in [(Method::POST, ""), (Method::PUT, &*path)] {
        let body = body_of(1_000);
        let request = || app.api.request(method.clone(), path).body(body.clone());
        let untyped = answer(request()).await;
        untyped.must_fail_with(415, "UNSUPPORTED_MEDIA_TYPE");
        for wrong in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "application/problem+json",
            "json",
        ] {
            let refused = answer(request().header("content-type", wrong)).await;
            refused.must_fail_with(415, "UNSUPPORTED_MEDIA_TYPE");
        }
        assert!(app.aws.wire.take().is_empty());
        for right in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
        ] {
            let taken = answer(request().header("content-type", right)).await;
            assert!(taken.status.is_success(), "{right}: {taken:?}");
        }
        app.aws.wire.take();
    }
}

#[tokio::test]
async fn malformed_ids_are_not_found() {
    let app = TestApp::start().await;
    let mut unknown = Vec::new();
    for call in every_call_on(&Ids::unknown()) {
        unknown.push(app.api.call(&call).await.body);
    }
    let id = EndpointId::new().to_string();
    let bare = id.replace('-', "");
    for wrong in [
        "1",
        "me",
        "%20",
        // Not UTF-8.
        "%FF",
        "..%2f..",
        &bare,
        &format!("%7B{id}%7D"),
        &format!("{id}0"),
        &id.replace('-', "0"),
        &format!("{}g", &id[..35]),
    ] {
        let ids = Ids {
            endpoint: wrong.to_owned(),
            ..Ids::unknown()
        };
        for (call, unknown) in every_call_on(&ids).iter().zip(&unknown) {
            let refused = app.api.call(call).await;
            refused.must_fail_with(404, "NOT_FOUND");
            assert_eq!(refused.body, *unknown, "{wrong}");
        }
        let key = app.key.expose();
        let path = format!("/apps/{wrong}/webhooks");
        for path in [
            path.clone(),
            format!("{path}/{id}"),
            format!("{path}/{wrong}"),
        ] {
            let request = app.api.bare(Method::GET, &path).header("x-api-key", key);
            answer(request).await.must_fail_with(404, "NOT_FOUND");
        }
    }
    // A path that is not UTF-8.
    answer(app.api.request(Method::GET, "/%FF"))
        .await
        .must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn missing_endpoints_are_not_found() {
    let app = TestApp::start().await;
    // An app id is not an endpoint id.
    for endpoint in [EndpointId::new().to_string(), app.app_id.to_string()] {
        let ids = Ids {
            endpoint,
            ..Ids::unknown()
        };
        for call in every_call_on(&ids) {
            app.api.call(&call).await.must_fail_with(404, "NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn unauthorized_callers_see_no_other_errors() {
    let app = TestApp::start().await;
    let (_, key) = app.other_app().await;
    for mut call in every_call_in_an_app(&Ids::unknown()) {
        call.body = call.body.map(|_| json!({"unknown": 1}));
        let keyless = app.api.call_as(app.app_id, None, &call).await;
        keyless.must_fail_with(401, "AUTHENTICATION_ERROR");
        for app_id in [app.app_id, AppId::new()] {
            let foreign = app.api.call_as(app_id, Some(key.expose()), &call).await;
            foreign.must_fail_with(404, "NOT_FOUND");
        }
    }
}
