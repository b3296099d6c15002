//! An operator that receives operational webhooks.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::domain::id::AppId;

use super::openapi::errors;
use super::receiver::{Received, Receiver};
use super::{TestApp, answer};

/// An endpoint of the operational app, with its receiver.
pub struct Operator {
    pub receiver: Receiver,
    secret: String,
}

impl Operator {
    /// Creates an endpoint that subscribes to every operational event.
    pub async fn watch(app: &TestApp) -> Self {
        Self::watch_with(app, Receiver::answering(200, "").await).await
    }

    /// Like [`Self::watch`], with this receiver.
    pub async fn watch_with(app: &TestApp, receiver: Receiver) -> Self {
        let path = format!("/apps/{}/webhooks", AppId::operational());
        let new = json!({"url": receiver.url, "events": ["*"]});
        let request = app.api.by_platform(Method::POST, &path).json(&new);
        let created = answer(request).await;
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        let secret = created.data()["secret"].as_str();
        Self {
            receiver,
            secret: secret.expect("read the secret").to_owned(),
        }
    }

    /// Returns the events that arrived, without duplicates, in order of first arrival.
    pub fn told(&self) -> Vec<Value> {
        let mut ids = Vec::new();
        let mut told = Vec::new();
        for request in self.receiver.received() {
            let id = request.header("webhook-id").to_owned();
            if !ids.contains(&id) {
                told.push(self.read(&request));
                ids.push(id);
            }
        }
        told
    }

    /// Returns the types of the events that arrived, without duplicates.
    pub fn told_types(&self) -> Vec<String> {
        let told = self.told().into_iter();
        told.map(|event| event["type"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Returns whether an event of this type arrived.
    pub fn was_told(&self, event_type: &str) -> bool {
        self.told_types().iter().any(|told| told == event_type)
    }

    fn read(&self, request: &Received) -> Value {
        assert!(request.was_signed_with(&self.secret));
        let event = serde_json::from_slice(&request.body).expect("parse the event");
        let schema = json!({"$ref": "#/components/schemas/OperationalEvent"});
        assert_eq!(errors(&schema, &event), [""; 0], "{event}");
        event
    }
}
