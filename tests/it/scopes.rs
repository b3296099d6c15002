//! What each key may do: every scope with every call, in the key's own app and in others.
//! The calls and the scopes that they need come from openapi.json.

use std::time::Duration;

use jiff::Timestamp;
use local::service;
use reqwest::{Method, StatusCode};
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::domain::api_key::{ApiKey, NewKey};
use webhook_endpoints::domain::id::{AppId, KeyId};
use webhook_endpoints::domain::scope::{Grant, Scope};
use webhook_endpoints::domain::session::SessionScope;

use crate::support::calls::{Call, Ids, every_call, every_call_in_an_app};
use crate::support::hand_clock::HandClock;
use crate::support::{Answer, Options, TestApp, answer};

/// Each kind of key, and the scopes of the calls that it may make.
const ALLOWED: [(&str, &[&str]); 7] = [
    ("platform", &["platform", "publish", "any"]),
    ("all", &["manage", "publish", "read", "any"]),
    ("manage", &["manage", "read", "any"]),
    ("publish", &["publish", "any"]),
    ("read", &["read", "any"]),
    // A portal session, which can make neither a session nor a key.
    ("session to manage", &["manage", "read", "any"]),
    ("session to read", &["read", "any"]),
];

/// A service without a poller, and an endpoint of its app that has a delivery.
async fn stage() -> (TestApp, Ids) {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let ids = Ids::with_delivery(&app, &id).await;
    (app, ids)
}

async fn key_with(app: &TestApp, scope: &str) -> ApiKey {
    match scope {
        "platform" => app.platform_key.clone(),
        "session to manage" => app.session(SessionScope::Manage, None).await.0,
        "session to read" => app.session(SessionScope::Read, None).await.0,
        scope => app.key_of(Scope::parse(scope).unwrap()).await,
    }
}

#[track_caller]
fn assert_lacks(answer: &Answer, call: &Call, scope: &str) {
    let error = answer.must_fail_with(403, "FORBIDDEN");
    let message = error["message"].as_str().unwrap();
    let (name, needs) = (call.name, call.needs);
    assert!(message.contains(needs), "{name} with {scope}: {message}");
    let challenge = answer.headers["www-authenticate"].to_str().unwrap();
    let expected = format!(r#"Bearer error="insufficient_scope", scope="{needs}""#);
    assert_eq!(challenge, expected, "{name} with {scope}");
}

#[tokio::test]
async fn calls_accept_exactly_the_keys_that_the_document_names() {
    for (scope, allowed) in ALLOWED {
        let (app, ids) = stage().await;
        let key = key_with(&app, scope).await;
        let mut refusals = 0;
        for call in every_call(&ids) {
            let answer = app.api.call_as(app.app_id, Some(key.expose()), &call);
            let answer = answer.await;
            if allowed.contains(&call.needs) {
                let status = answer.status;
                assert!(
                    status.is_success(),
                    "{} with {scope}: {answer:?}",
                    call.name
                );
            } else {
                assert_lacks(&answer, &call, scope);
                refusals += 1;
            }
        }
        assert!(refusals > 0, "{scope} is refused nothing");
    }
}

#[tokio::test]
async fn refused_calls_change_nothing_and_cost_nothing() {
    let (app, ids) = stage().await;
    let key = app.key_of(Scope::Publish).await;
    let before = app.aws.items().await;
    let mut known = false;
    for call in every_call(&ids) {
        if ["publish", "any"].contains(&call.needs) {
            continue;
        }
        app.aws.wire.take();
        let refused = app.api.call_as(app.app_id, Some(key.expose()), &call);
        assert_lacks(&refused.await, &call, "publish");
        let lookup: &[&str] = if known { &[] } else { &["GetItem"] };
        assert_eq!(app.aws.wire.take(), lookup, "{}", call.name);
        known = true;
    }
    assert_eq!(app.aws.items().await, before);
}

#[tokio::test]
async fn other_apps_look_missing_with_any_scope() {
    let (app, ids) = stage().await;
    for (name, _) in ALLOWED.into_iter().filter(|(name, _)| *name != "platform") {
        let key = key_with(&app, name).await;
        for call in every_call_in_an_app(&ids) {
            let other = app.other_app().await.0;
            for app_id in [other, AppId::new()] {
                let refused = app.api.call_as(app_id, Some(key.expose()), &call).await;
                let error = refused.must_fail_with(404, "NOT_FOUND");
                assert_eq!(error["message"], "No such app.", "{} {name}", call.name);
            }
        }
    }
}

#[tokio::test]
async fn missing_scopes_are_reported_before_invalid_requests() {
    let (app, _) = stage().await;
    let key = app.key_of(Scope::Publish).await;
    let path = format!("/apps/{}/webhooks", app.app_id);
    let request = |method, path: &str| {
        let request = app.api.bare(method, path);
        request.header("x-api-key", key.expose())
    };
    // A malformed body, and an endpoint that does not exist.
    let malformed = request(Method::POST, &path).body("{");
    answer(malformed).await.must_fail_with(403, "FORBIDDEN");
    let missing = request(Method::GET, &format!("{path}/x"));
    answer(missing).await.must_fail_with(403, "FORBIDDEN");
    // Routes and methods are no secret: the document lists them.
    let method = request(Method::PATCH, &path);
    answer(method)
        .await
        .must_fail_with(405, "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn platform_keys_publish_to_apps_that_were_never_created() {
    let (app, _) = stage().await;
    let call = Call::publish();
    for app_id in [app.app_id, AppId::new()] {
        let key = app.platform_key.expose();
        let accepted = app.api.call_as(app_id, Some(key), &call).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    }
    let path = "/apps/no%20app/webhooks";
    let malformed = app.api.bare(Method::GET, path);
    let malformed = malformed.header("x-api-key", app.platform_key.expose());
    answer(malformed).await.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn keys_are_rejected_once_they_expire_even_if_cached() {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let mut options = Options::idle();
    options.settings.clock = clock.clock();
    options.settings.api_key_cache = Duration::from_secs(300);
    let app = TestApp::start_with(options).await;
    let expires_at: Timestamp = "2026-01-31T09:31:00Z".parse().unwrap();
    let mut keys = Vec::new();
    for grant in [
        Grant::Platform,
        Grant::App {
            app_id: app.app_id,
            scope: Scope::All,
        },
    ] {
        let new = NewKey {
            grant,
            label: String::new(),
            expires_at: Some(expires_at),
        };
        keys.push(app.new_key(new.clone()).await);
        // This one is never cached.
        keys.push(app.new_key(new).await);
    }
    let publish = async |key: &ApiKey| {
        let call = Call::publish();
        let answer = app.api.call_as(app.app_id, Some(key.expose()), &call);
        answer.await
    };
    clock.advance_millis(59_999);
    for key in keys.iter().step_by(2) {
        assert_eq!(publish(key).await.status, StatusCode::ACCEPTED);
    }
    clock.advance_millis(1);
    let unknown = publish(&service::new_key()).await;
    for key in &keys {
        let refused = publish(key).await;
        refused.must_fail_with(401, "AUTHENTICATION_ERROR");
        assert_eq!(refused.body, unknown.body);
    }
}

#[tokio::test]
async fn keys_stored_without_a_scope_allow_everything_in_their_app() {
    let (app, ids) = stage().await;
    let key = service::new_key();
    let (app_id, hash) = (app.app_id, key.hash());
    let item = [
        ("pk", &*format!("KEY#{hash}")),
        ("sk", "KEY"),
        ("gsi1pk", &format!("APP#{app_id}#KEYS")),
        ("gsi1sk", &format!("KEY#{}", KeyId::new())),
        (attribute::APP_ID, app_id.as_str()),
        (attribute::HINT, &key.hint()),
        (attribute::LABEL, ""),
        (attribute::CREATED_AT, "2026-01-31T09:30:00.000Z"),
    ];
    app.aws.put(&item).await;
    for call in every_call(&ids) {
        let made = app.api.call_as(app.app_id, Some(key.expose()), &call).await;
        match call.needs {
            "platform" => assert_lacks(&made, &call, "none"),
            _ => assert!(made.status.is_success(), "{}: {made:?}", call.name),
        }
    }
}
