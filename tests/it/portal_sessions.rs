//! Portal sessions, created and revoked by the platform.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::domain::id::{EndpointId, KeyId};
use webhook_endpoints::domain::session::SessionScope;

use crate::support::gateway::{Gateway, KINDS, Kind, set_header};
use crate::support::hand_clock::HandClock;
use crate::support::{Answer, Options, TestApp, answer, fields, log};

async fn call(app: &TestApp, method: Method, path: &str, body: Option<Value>) -> Answer {
    let path = format!("/apps/{}/portal-sessions{path}", app.app_id);
    let mut request = app.api.by_platform(method, &path);
    if let Some(body) = body {
        request = request.json(&body);
    }
    answer(request).await
}

async fn create(app: &TestApp, body: Value) -> Answer {
    call(app, Method::POST, "", Some(body)).await
}

async fn revoke(app: &TestApp, id: &str) -> Answer {
    call(app, Method::DELETE, &format!("/{id}"), None).await
}

fn token(created: &Answer) -> &str {
    created.data()["token"].as_str().unwrap()
}

/// Lists the app's endpoints with a session.
async fn try_token(app: &TestApp, token: &str) -> u16 {
    let path = format!("/apps/{}/webhooks", app.app_id);
    let request = app.api.bare(Method::GET, &path).bearer_auth(token);
    answer(request).await.status.as_u16()
}

/// Starts a service whose app exists, without a key cache.
async fn start() -> (TestApp, HandClock) {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let app = TestApp::start_with_key_cache(&clock, Duration::ZERO).await;
    (app, clock)
}

#[tokio::test]
async fn created_sessions_work_within_their_scope_until_revoked() {
    let (app, _) = start().await;
    let created = create(&app, json!({})).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let data = created.data();
    let shown = ["expiresAt", "id", "scope", "token", "url", "webhookId"];
    assert_eq!(fields(data), shown);
    assert_eq!(data["scope"], "manage");
    assert_eq!(data["webhookId"], Value::Null);
    assert_eq!(data["expiresAt"], "2026-01-31T10:30:00.000Z");
    let address = format!("{}/portal/#app={}&token=", app.api.base, app.app_id);
    let url = data["url"].as_str().unwrap();
    assert_eq!(url.strip_prefix(&address), Some(token(&created)));

    let path = format!("/apps/{}/webhooks", app.app_id);
    let new = json!({"url": "https://example.com/hook", "events": ["*"]});
    let manage = app.api.bare(Method::POST, &path).json(&new);
    let made = answer(manage.header("x-api-key", token(&created))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let read = create(&app, json!({"scope": "read"})).await;
    assert_eq!(try_token(&app, token(&read)).await, 200);
    let manage = app.api.bare(Method::POST, &path).json(&new);
    let refused = answer(manage.bearer_auth(token(&read))).await;
    refused.must_fail_with(403, "FORBIDDEN");

    let id = data["id"].as_str().unwrap();
    let revoked = revoke(&app, id).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    assert_eq!(try_token(&app, token(&created)).await, 401);
    assert_eq!(try_token(&app, token(&read)).await, 200);
    revoke(&app, id).await.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn request_body_is_optional() {
    let (app, _) = start().await;
    let path = format!("/apps/{}/portal-sessions", app.app_id);
    let request = || app.api.by_platform(Method::POST, &path);
    let json = ("content-type", "application/json");
    for request in [
        request(),
        request().body(""),
        request().header(json.0, json.1),
        request().header("content-type", "text/plain"),
        request().header(json.0, json.1).body("{}"),
    ] {
        let created = answer(request).await;
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        assert_eq!(created.data()["scope"], "manage");
    }
    let text = answer(request().body("{}")).await;
    text.must_fail_with(415, "UNSUPPORTED_MEDIA_TYPE");
    let null = answer(request().header(json.0, json.1).body("null")).await;
    null.must_be_invalid(&["body"]);
}

#[tokio::test]
async fn invalid_sessions_are_rejected_by_field() {
    let (app, _) = start().await;
    for (body, wrong) in [
        (json!({"expiresInSeconds": 59}), &["expiresInSeconds"][..]),
        (json!({"expiresInSeconds": 604_801}), &["expiresInSeconds"]),
        (json!({"expiresInSeconds": -60}), &["expiresInSeconds"]),
        (json!({"expiresInSeconds": 60.5}), &["expiresInSeconds"]),
        (json!({"expiresInSeconds": "60"}), &["expiresInSeconds"]),
        (json!({"scope": "all"}), &["scope"]),
        (json!({"scope": "publish"}), &["scope"]),
        (json!({"scope": "platform"}), &["scope"]),
        (json!({"scope": null}), &["scope"]),
        (json!({"webhookId": "1"}), &["webhookId"]),
        (json!({"webhookId": ["*"]}), &["webhookId"]),
        (json!({"token": "whk_session_x"}), &["token"]),
        (
            json!({"expiresInSeconds": 0, "scope": "", "webhookId": "", "id": 1}),
            &["expiresInSeconds", "scope", "webhookId", "id"],
        ),
    ] {
        create(&app, body).await.must_be_invalid(wrong);
    }
    for seconds in [60, 604_800] {
        let created = create(
            &app,
            json!({"expiresInSeconds": seconds, "webhookId": null}),
        )
        .await;
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    }
}

#[tokio::test]
async fn sessions_need_an_existing_app_and_endpoint() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    // The app has keys and an endpoint, but was never created.
    for body in [json!({}), json!({"webhookId": id})] {
        let refused = create(&app, body).await;
        let error = refused.must_fail_with(404, "NOT_FOUND");
        assert_eq!(error["message"], "No such app.");
    }
    app.create_app().await;
    let of_endpoint = create(&app, json!({"webhookId": id.to_uppercase()})).await;
    assert_eq!(of_endpoint.data()["webhookId"], *id);

    let (other, key) = app.other_app().await;
    let path = format!("/apps/{other}/webhooks");
    let new = json!({"url": "https://example.com/hook", "events": ["*"]});
    let request = app.api.bare(Method::POST, &path).json(&new);
    let foreign = answer(request.header("x-api-key", key.expose())).await;
    app.api.delete(&format!("/{id}")).await;
    for missing in [
        json!(EndpointId::new()),
        foreign.data()["id"].clone(),
        json!(id),
    ] {
        let refused = create(&app, json!({"webhookId": missing})).await;
        let error = refused.must_fail_with(404, "NOT_FOUND");
        assert_eq!(error["message"], "No such webhook endpoint.");
    }

    let deleted = app
        .api
        .by_platform(Method::DELETE, &format!("/apps/{}", app.app_id));
    assert_eq!(answer(deleted).await.status, StatusCode::ACCEPTED);
    create(&app, json!({}))
        .await
        .must_fail_with(409, "CONFLICT");
}

#[tokio::test]
async fn sessions_are_rejected_once_they_expire_even_if_cached() {
    let clock = HandClock::at("2026-01-31T09:30:00.900Z");
    let app = TestApp::start_with_key_cache(&clock, Duration::from_secs(300)).await;
    let mut created = Vec::new();
    for _ in 0..2 {
        created.push(create(&app, json!({"expiresInSeconds": 60})).await);
    }
    assert_eq!(created[0].data()["expiresAt"], "2026-01-31T09:31:00.000Z");
    clock.advance_millis(59_099);
    assert_eq!(try_token(&app, token(&created[0])).await, 200);
    clock.advance_millis(1);
    // The second one was never cached.
    for session in &created {
        assert_eq!(try_token(&app, token(session)).await, 401);
        let id = session.data()["id"].as_str().unwrap();
        revoke(&app, id).await.must_fail_with(404, "NOT_FOUND");
    }
    // DynamoDB removes them by itself.
    let items = app.aws.items().await;
    let expire = items.iter().filter(|item| {
        let pk = item["pk"].as_s().unwrap();
        let at = item.get(attribute::EXPIRES_AT);
        pk.starts_with("SESSION#") && at.is_some_and(|at| at.as_n().unwrap() == "1769851860")
    });
    assert_eq!(expire.count(), 2);
}

#[tokio::test]
async fn revoked_sessions_work_until_the_cache_expires() {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let app = TestApp::start_with_key_cache(&clock, Duration::from_secs(10)).await;
    let created = create(&app, json!({})).await;
    assert_eq!(try_token(&app, token(&created)).await, 200);
    revoke(&app, created.data()["id"].as_str().unwrap()).await;
    clock.advance_millis(9_999);
    assert_eq!(try_token(&app, token(&created)).await, 200);
    clock.advance_millis(1);
    assert_eq!(try_token(&app, token(&created)).await, 401);
}

#[tokio::test]
async fn sessions_and_keys_are_listed_and_revoked_separately() {
    let (app, _) = start().await;
    let session = create(&app, json!({})).await;
    let session_id = session.data()["id"].as_str().unwrap();
    let path = format!("/apps/{}/keys", app.app_id);
    let keys = answer(app.api.by_platform(Method::GET, &path)).await;
    let keys = keys.data().as_array().unwrap().clone();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let by_key = app
        .api
        .by_platform(Method::DELETE, &format!("{path}/{session_id}"));
    answer(by_key).await.must_fail_with(404, "NOT_FOUND");
    let key_id = keys[0]["id"].as_str().unwrap();
    for unknown in [key_id, &KeyId::new().to_string(), "x"] {
        let refused = revoke(&app, unknown).await;
        let error = refused.must_fail_with(404, "NOT_FOUND");
        assert_eq!(error["message"], "No such portal session.");
    }
    let (other, _) = app.other_app().await;
    let path = format!("/apps/{other}/portal-sessions/{session_id}");
    let foreign = answer(app.api.by_platform(Method::DELETE, &path)).await;
    foreign.must_fail_with(404, "NOT_FOUND");
    assert_eq!(try_token(&app, token(&session)).await, 200);
}

#[tokio::test]
async fn sessions_end_with_their_app() {
    let (app, _) = start().await;
    let created = create(&app, json!({})).await;
    assert_eq!(try_token(&app, token(&created)).await, 200);
    let delete = app
        .api
        .by_platform(Method::DELETE, &format!("/apps/{}", app.app_id));
    assert_eq!(answer(delete).await.status, StatusCode::ACCEPTED);
    assert_eq!(try_token(&app, token(&created)).await, 401);
}

#[tokio::test]
async fn tokens_are_neither_stored_nor_logged() {
    log::start();
    let (app, _) = start().await;
    let created = create(&app, json!({})).await;
    let token = token(&created);
    let id = created.data()["id"].as_str().unwrap();
    assert_eq!(try_token(&app, token).await, 200);
    // Tokens in the wrong places.
    let misplaced = format!("/apps/{token}/portal-sessions/{token}?token={token}");
    answer(app.api.by_platform(Method::DELETE, &misplaced)).await;
    create(&app, json!({"scope": token, "webhookId": token, token: 1})).await;
    revoke(&app, id).await;
    let (_, random) = token.rsplit_once('_').unwrap();
    let table = app.aws.table_text().await;
    assert!(table.contains(id) && !table.contains(random));
    assert!(!log::text().contains(random));
}

#[tokio::test]
async fn sessions_with_the_attributes_of_keys_are_rejected() {
    let (app, _) = start().await;
    let (token, record) = app.session(SessionScope::Read, None).await;
    let table = app.aws.table_text().await;
    assert!(table.contains(&format!("SESSION#{}", record.hash)));
    // A session item without an expiry, and with a scope that only keys have.
    let (app_id, hash) = (app.app_id, record.hash);
    let item = [
        ("pk", &*format!("SESSION#{hash}")),
        ("sk", "KEY"),
        (attribute::APP_ID, app_id.as_str()),
        (attribute::SCOPE, "all"),
        (attribute::CREATED_AT, "2026-01-31T09:30:00.000Z"),
    ];
    app.aws.put(&item).await;
    assert_eq!(try_token(&app, token.expose()).await, 500);
}

/// Creates a session with an API Gateway event. Returns its link without the token, or the
/// error's details.
async fn link(gateway: &Gateway, kind: Kind, change: impl Fn(&mut Value)) -> Value {
    let mut event = gateway.event(kind, "POST", "/portal-sessions");
    event["body"] = Value::Null;
    let key = gateway.app.platform_key.expose();
    set_header(kind, &mut event, "x-api-key", &[key]);
    change(&mut event);
    let answer = gateway.invoke(&event).await;
    match answer.status {
        201 => {
            let data = &answer.body["data"];
            let (url, token) = (data["url"].as_str(), data["token"].as_str());
            let address = url.unwrap().strip_suffix(token.unwrap());
            json!(address.unwrap())
        }
        _ => answer.body["error"]["details"].clone(),
    }
}

#[tokio::test]
async fn links_use_the_domain_that_api_gateway_names() {
    const DOMAIN: &str = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com";
    let gateway = Gateway::start().await;
    gateway.app.create_app().await;
    for kind in KINDS {
        for (domain, stage, base) in [
            (DOMAIN, "$default", DOMAIN.to_owned()),
            (DOMAIN, "prod", format!("{DOMAIN}/prod")),
            ("hooks.example.com", "prod", "hooks.example.com".to_owned()),
        ] {
            let found = link(&gateway, kind, |event| {
                event["requestContext"]["domainName"] = json!(domain);
                event["requestContext"]["stage"] = json!(stage);
                // Headers that the caller chooses make no difference.
                for name in ["Host", "X-Forwarded-Host", "Forwarded", "Origin"] {
                    set_header(kind, event, name, &["evil.example"]);
                }
            });
            let app_id = gateway.app.app_id;
            let expected = format!("https://{base}/portal/#app={app_id}&token=");
            assert_eq!(found.await, expected, "{kind:?}");
        }
        for wrong in ["", "evil.example/x", "a b", "user@evil.example"] {
            let found = link(&gateway, kind, |event| {
                event["requestContext"]["domainName"] = json!(wrong);
                set_header(kind, event, "Host", &["evil.example"]);
            });
            assert_eq!(found.await[0]["field"], "Host", "{kind:?} {wrong}");
        }
    }
}

#[tokio::test]
async fn links_use_the_url_that_the_operator_sets() {
    let mut options = Options::idle();
    let url = "https://webhooks.example.com/customers/";
    options.settings.portal_url = Some(url.parse().unwrap());
    let app = TestApp::start_with(options).await;
    app.create_app().await;
    let created = create(&app, json!({})).await;
    let link = created.data()["url"].as_str().unwrap();
    let token = format!("portal/#app={}&token={}", app.app_id, token(&created));
    assert_eq!(link.strip_prefix(url), Some(&*token));
}
