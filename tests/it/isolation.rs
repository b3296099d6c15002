//! Tenants can neither reach nor notice each other.

use std::collections::BTreeMap;

use webhook_endpoints::domain::id::AppId;

use crate::support::calls::{
    Call, Ids, call_named, every_call_below, every_call_in_an_app, every_call_on,
};
use crate::support::receiver::Receiver;
use crate::support::{Answer, TestApp};

/// Asserts a 404 that is identical to the one for a missing resource.
#[track_caller]
fn assert_alike(name: &str, answer: &Answer, of_missing: &Answer) {
    answer.must_fail_with(404, "NOT_FOUND");
    assert_eq!(answer.status, of_missing.status, "{name}");
    assert_eq!(answer.body, of_missing.body, "{name}");
    assert_eq!(headers(answer), headers(of_missing), "{name}");
}

/// All headers except those that differ in every response.
fn headers(answer: &Answer) -> BTreeMap<&str, Vec<u8>> {
    answer
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes().to_vec()))
        .filter(|(name, _)| !matches!(*name, "x-request-id" | "date"))
        .collect()
}

/// An app with an endpoint that was pinged, and what its owner sees.
struct Owner {
    app: TestApp,
    receiver: Receiver,
    id: String,
    /// The ids of the endpoint and of a delivery to it.
    ids: Ids,
    secret: String,
    shown: Vec<serde_json::Value>,
}

impl Owner {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let receiver = Receiver::answering(200, "").await;
        let (id, secret) = app.api.create_webhook(&receiver.url).await;
        app.api.ping(&id).await;
        let ids = Ids::with_delivery(&app, &id).await;
        let shown = Self::look(&app, &id).await;
        Self {
            app,
            receiver,
            id,
            ids,
            secret,
            shown,
        }
    }

    async fn look(app: &TestApp, id: &str) -> Vec<serde_json::Value> {
        let mut shown = vec![app.api.get("").await.body];
        shown.push(app.api.get(&format!("/{id}/deliveries")).await.body);
        shown
    }

    /// Asserts that nothing was changed or sent.
    async fn must_be_untouched(&self) {
        assert_eq!(Self::look(&self.app, &self.id).await, self.shown);
        assert_eq!(self.receiver.received().len(), 1);
        self.app.api.ping(&self.id).await;
        let received = self.receiver.received();
        assert_eq!(received.len(), 2);
        assert!(received[1].is_signed_with(&self.secret));
    }
}

#[tokio::test]
async fn foreign_apps_look_like_missing_ones() {
    let owner = Owner::start().await;
    let (_, key) = owner.app.other_app().await;
    for call in every_call_in_an_app(&owner.ids) {
        let call_on = |app_id| owner.app.api.call_as(app_id, Some(key.expose()), &call);
        let others = call_on(owner.app.app_id).await;
        assert_alike(call.name, &others, &call_on(AppId::new()).await);
    }
    owner.must_be_untouched().await;
}

#[tokio::test]
async fn foreign_endpoints_and_events_look_like_missing_ones() {
    let owner = Owner::start().await;
    let (app_id, key) = owner.app.other_app().await;
    let calls = every_call_below(&owner.ids);
    for (call, of_missing) in calls.iter().zip(every_call_below(&Ids::unknown())) {
        let make = |call| owner.app.api.call_as(app_id, Some(key.expose()), call);
        let others = make(call).await;
        assert_alike(call.name, &others, &make(&of_missing).await);
    }
    owner.must_be_untouched().await;
}

#[tokio::test]
async fn foreign_deliveries_look_like_missing_ones() {
    let owner = Owner::start().await;
    let (app_id, key) = owner.app.other_app().await;
    let make = async |call: &Call| {
        let made = owner.app.api.call_as(app_id, Some(key.expose()), call);
        made.await
    };
    let created = make(&call_named("createWebhook", &owner.ids)).await;
    let on_own_endpoint = |delivery: &str| {
        let mut calls = every_call_on(&Ids {
            endpoint: created.data()["id"].as_str().unwrap().to_owned(),
            delivery: delivery.to_owned(),
            ..owner.ids.clone()
        });
        calls.retain(|call| call.on_delivery);
        calls
    };
    let calls = on_own_endpoint(&owner.ids.delivery);
    assert!(!calls.is_empty());
    for (call, of_missing) in calls.iter().zip(on_own_endpoint(&Ids::unknown().delivery)) {
        let others = make(call).await;
        assert_alike(call.name, &others, &make(&of_missing).await);
    }
    owner.must_be_untouched().await;
}

#[tokio::test]
async fn apps_list_only_their_own_endpoints() {
    let owner = Owner::start().await;
    let (app_id, key) = owner.app.other_app().await;
    let make = async |name| {
        let call = call_named(name, &owner.ids);
        let made = owner.app.api.call_as(app_id, Some(key.expose()), &call);
        made.await
    };
    assert_eq!(
        make("listWebhooks").await.data().as_array().unwrap().len(),
        0
    );
    let created = make("createWebhook").await;
    let list = make("listWebhooks").await;
    assert_eq!(list.data().as_array().unwrap().len(), 1);
    assert_eq!(list.data()[0]["id"], created.data()["id"]);
    owner.must_be_untouched().await;
}
