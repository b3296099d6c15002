//! Portal sessions for one endpoint. The rest of the app looks missing to them, in the
//! answers and in the AWS calls that these take.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::json;
use webhook_endpoints::domain::api_key::ApiKey;
use webhook_endpoints::domain::id::{AppId, DeliveryId};
use webhook_endpoints::domain::session::SessionScope;

use crate::support::calls::{
    Call, Ids, call_named, every_call, every_call_below, every_call_in_an_app, every_call_on,
};
use crate::support::receiver::Receiver;
use crate::support::{Answer, Options, TestApp, answer};

const URL: &str = "https://example.com/hook";

/// A service with two endpoints, and a session for the first one.
struct Stage {
    app: TestApp,
    own: Ids,
    others: Ids,
    token: ApiKey,
}

/// An answer without the headers that always differ, and the AWS calls that it took.
type Seen = (
    StatusCode,
    serde_json::Value,
    BTreeMap<String, Vec<u8>>,
    Vec<String>,
);

impl Stage {
    async fn start() -> Self {
        let app = TestApp::start_with(Options::idle()).await;
        let (own, _) = app.api.create_webhook(URL).await;
        let (others, _) = app.api.create_webhook(URL).await;
        let own = Ids::with_delivery(&app, &own).await;
        let others = Ids::with_delivery(&app, &others).await;
        let (token, _) = app.session(SessionScope::Manage, Some(&own.endpoint)).await;
        let stage = Self {
            app,
            own,
            others,
            token,
        };
        // Fills the key cache with the session.
        stage.call(&call_named("getKey", &stage.own)).await;
        stage
    }

    async fn call(&self, call: &Call) -> Answer {
        let (app, key) = (&self.app, self.token.expose());
        app.api.call_as(app.app_id, Some(key), call).await
    }

    async fn see(&self, call: &Call) -> Seen {
        self.app.aws.wire.take();
        let answer = self.call(call).await;
        let headers = answer.headers.iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
        let calls = self.app.aws.wire.take();
        (answer.status, answer.body, headers.collect(), calls)
    }

    /// Asserts that the session can't tell these calls' resources from missing ones.
    async fn must_miss(&self, calls: Vec<Call>, of_missing: Vec<Call>) {
        assert!(!calls.is_empty() && calls.len() == of_missing.len());
        for (call, missing) in calls.iter().zip(&of_missing) {
            assert_eq!(call.name, missing.name);
            let seen = self.see(call).await;
            assert_eq!(seen.0, StatusCode::NOT_FOUND, "{}: {seen:?}", call.name);
            assert_eq!(seen, self.see(missing).await, "{}", call.name);
        }
    }
}

#[tokio::test]
async fn other_endpoints_and_their_events_look_like_missing_ones() {
    let stage = Stage::start().await;
    let before = stage.app.aws.items().await;
    let unknown = Ids::unknown();
    let allowed = |ids: &Ids| {
        let mut calls = every_call_below(ids);
        calls.retain(|call| call.needs != "publish");
        calls
    };
    stage
        .must_miss(allowed(&stage.others), allowed(&unknown))
        .await;
    assert_eq!(stage.app.aws.items().await, before);
}

#[tokio::test]
async fn deliveries_of_other_endpoints_look_like_missing_ones() {
    let stage = Stage::start().await;
    let on_own = |delivery: &str| {
        let mut calls = every_call_on(&Ids {
            delivery: delivery.to_owned(),
            ..stage.own.clone()
        });
        calls.retain(|call| call.on_delivery);
        calls
    };
    let unknown = DeliveryId::new().to_string();
    let calls = on_own(&stage.others.delivery);
    stage.must_miss(calls, on_own(&unknown)).await;
}

#[tokio::test]
async fn own_endpoints_can_be_managed() {
    let stage = Stage::start().await;
    let mut allowed = 0;
    for call in every_call(&stage.own) {
        let answer = stage.call(&call).await;
        let is_own = call.on_endpoint || call.on_event || call.needs == "any";
        let is_own = is_own && call.needs != "publish";
        if is_own || call.name == "listWebhooks" {
            assert!(answer.status.is_success(), "{}: {answer:?}", call.name);
            allowed += 1;
        } else {
            answer.must_fail_with(403, "FORBIDDEN");
        }
    }
    assert!(allowed > 8, "{allowed}");
}

#[tokio::test]
async fn read_sessions_cannot_change_their_endpoint() {
    let stage = Stage::start().await;
    let own = &stage.own.endpoint;
    let (token, _) = stage.app.session(SessionScope::Read, Some(own)).await;
    let before = stage.app.aws.items().await;
    let mut refused = 0;
    for call in every_call_on(&stage.own) {
        let key = Some(token.expose());
        let answer = stage.app.api.call_as(stage.app.app_id, key, &call).await;
        if call.needs == "read" {
            assert!(answer.status.is_success(), "{}: {answer:?}", call.name);
        } else {
            answer.must_fail_with(403, "FORBIDDEN");
            refused += 1;
        }
    }
    assert!(refused > 4, "{refused}");
    assert_eq!(stage.app.aws.items().await, before);
}

#[tokio::test]
async fn other_apps_look_missing() {
    let stage = Stage::start().await;
    let (other, _) = stage.app.other_app().await;
    for call in every_call_in_an_app(&stage.own) {
        for app_id in [other, AppId::new()] {
            let key = Some(stage.token.expose());
            let refused = stage.app.api.call_as(app_id, key, &call).await;
            let error = refused.must_fail_with(404, "NOT_FOUND");
            assert_eq!(error["message"], "No such app.", "{}", call.name);
        }
    }
}

#[tokio::test]
async fn lists_contain_only_the_own_endpoint() {
    let stage = Stage::start().await;
    let path = format!("/apps/{}/webhooks", stage.app.app_id);
    let list = async |query: &str| {
        let request = stage.app.api.bare(Method::GET, &format!("{path}{query}"));
        let listed = answer(request.bearer_auth(stage.token.expose())).await;
        listed.data().as_array().unwrap().clone()
    };
    let all = stage.app.api.get("").await;
    let all = all.data().as_array().unwrap().clone();
    assert_eq!(all.len(), 2);
    let own = all
        .into_iter()
        .find(|item| item["id"] == *stage.own.endpoint);
    assert_eq!(list("").await, [own.unwrap()]);
    assert_eq!(list("?view=full").await.len(), 1);
    let create = stage.call(&call_named("createWebhook", &stage.own)).await;
    let error = create.must_fail_with(403, "FORBIDDEN");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("one webhook endpoint"), "{message}");
    // Once the endpoint is deleted, the list is empty.
    let deleted = stage.call(&call_named("deleteWebhook", &stage.own)).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert!(list("").await.is_empty());
    let event = stage.call(&call_named("getEvent", &stage.own)).await;
    event.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn events_show_only_the_own_delivery() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (first, _) = app.api.create_webhook(&receiver.url).await;
    let (second, _) = app.api.create_webhook(&receiver.url).await;
    let event = app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    let get = Call::get_event(&event);
    let whole = app.api.call(&get).await;
    let deliveries = whole.data()["deliveries"].as_array().unwrap().clone();
    assert_eq!(deliveries.len(), 2);
    for id in [first, second] {
        let (token, _) = app.session(SessionScope::Read, Some(&id)).await;
        let shown = app
            .api
            .call_as(app.app_id, Some(token.expose()), &get)
            .await;
        let mut expected = whole.data().clone();
        let mut own = deliveries.clone();
        own.retain(|delivery| delivery["webhookId"] == *id);
        expected["deliveries"] = json!(own);
        assert_eq!(*shown.data(), expected);
    }
    // Events that the session's endpoint does not get are shown to keys only.
    let unsubscribed = app.api.create_webhook("https://example.com/hook").await.0;
    let patch = json!({"events": ["other"]});
    app.api.put_json(&format!("/{unsubscribed}"), &patch).await;
    let (token, _) = app.session(SessionScope::Read, Some(&unsubscribed)).await;
    let pending = app.api.must_publish("invoice.paid").await;
    for id in [&event, &pending] {
        let get = Call::get_event(id);
        assert!(app.api.call(&get).await.status.is_success());
        let missed = app.api.call_as(app.app_id, Some(token.expose()), &get);
        missed.await.must_fail_with(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn cursors_of_other_endpoints_are_refused() {
    let stage = Stage::start().await;
    let others = &stage.others.endpoint;
    for _ in 0..2 {
        let ping = stage.app.api.ping_preferring(others, "respond-async").await;
        assert_eq!(ping.status, StatusCode::ACCEPTED);
    }
    let (_, cursor) = stage.app.api.page(others, "limit=1").await;
    let cursor = cursor.unwrap();
    let (app_id, own) = (stage.app.app_id, &stage.own.endpoint);
    let path = format!("/apps/{app_id}/webhooks/{own}/deliveries?cursor={cursor}");
    let request = stage.app.api.bare(Method::GET, &path);
    let refused = answer(request.bearer_auth(stage.token.expose())).await;
    refused.must_be_invalid(&["cursor"]);
}
