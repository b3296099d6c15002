//! `GET /key`: what the caller's own key or session allows.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use webhook_endpoints::domain::api_key::{ApiKey, NewKey};
use webhook_endpoints::domain::scope::{Grant, Scope};
use webhook_endpoints::domain::session::SessionScope;

use crate::support::{Answer, Options, TestApp, answer};

async fn look(app: &TestApp, key: &ApiKey) -> Answer {
    let request = app.api.bare(Method::GET, "/key");
    answer(request.bearer_auth(key.expose())).await
}

#[tokio::test]
async fn keys_and_sessions_show_what_they_allow() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let app_id = app.app_id;
    let key = |app_id: Value, scope: &str| {
        json!({
            "kind": "key", "appId": app_id, "scope": scope,
            "webhookId": null, "expiresAt": null,
        })
    };
    let platform = look(&app, &app.platform_key).await;
    assert_eq!(*platform.data(), key(Value::Null, "platform"));
    for (name, scope) in Scope::NAMES {
        let shown = look(&app, &app.key_of(scope).await).await;
        assert_eq!(*shown.data(), key(json!(app_id), name));
    }
    let temporary = NewKey {
        grant: Grant::App {
            app_id,
            scope: Scope::Read,
        },
        label: String::new(),
        expires_at: Some("2999-01-31T09:30:00Z".parse().unwrap()),
    };
    let shown = look(&app, &app.new_key(temporary).await).await;
    assert_eq!(shown.data()["expiresAt"], "2999-01-31T09:30:00.000Z");

    for (name, scope) in [
        ("manage", SessionScope::Manage),
        ("read", SessionScope::Read),
    ] {
        for endpoint in [None, Some(id.as_str())] {
            let (token, record) = app.session(scope, endpoint).await;
            let shown = look(&app, &token).await;
            let mut expected = json!({
                "kind": "session", "appId": app_id, "scope": name, "webhookId": endpoint,
            });
            expected["expiresAt"] = json!(record.expires_at.map(|at| format!("{at:.3}")));
            assert_eq!(*shown.data(), expected);
        }
    }
}

#[tokio::test]
async fn get_key_costs_nothing_beyond_authentication() {
    let mut options = Options::idle();
    options.settings.api_key_cache = Duration::from_secs(300);
    let app = TestApp::start_with(options).await;
    let (token, _) = app.session(SessionScope::Read, None).await;
    for key in [&app.platform_key, &app.key, &token] {
        app.aws.wire.take();
        for expected in [&["GetItem"][..], &[]] {
            look(&app, key).await.data();
            assert_eq!(app.aws.wire.take(), expected);
        }
    }
    let refused = answer(app.api.bare(Method::GET, "/key")).await;
    refused.must_fail_with(401, "AUTHENTICATION_ERROR");
    assert!(app.aws.wire.take().is_empty());
}
