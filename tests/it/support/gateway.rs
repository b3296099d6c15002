//! The API function as API Gateway invokes it, with an event in and a response object out.

use std::collections::BTreeMap;

use axum::Router;
use lambda_http::{Context, LambdaEvent, Service};
use local::service::{self, Settings};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use webhook_endpoints::api::lambda;

use super::recording::Principal;
use super::{Options, TestApp};

/// A sample event of an HTTP API (payload format 2.0).
const HTTP_API: &str = include_str!("../../../events/create-webhook.json");
/// A sample event of a REST API (payload format 1.0).
const REST_API: &str = include_str!("../../../events/create-webhook-rest.json");

/// The two API types of API Gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Http,
    Rest,
}

pub const KINDS: [Kind; 2] = [Kind::Http, Kind::Rest];

pub struct Gateway {
    pub app: TestApp,
    router: Router,
}

/// The function's response, as API Gateway passes it to the client.
#[derive(Debug)]
pub struct GatewayAnswer {
    pub status: u64,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

impl Gateway {
    pub async fn start() -> Self {
        Self::start_with(&Settings::default()).await
    }

    pub async fn start_with(settings: &Settings) -> Self {
        let app = TestApp::start_with(Options::idle()).await;
        let own = Principal::Api.clients(&app.aws.clients);
        let router = service::api(&own, &app.aws.resources, settings);
        Self { app, router }
    }

    /// Returns the sample event for a request to this path of the app, with the app's key.
    pub fn event(&self, kind: Kind, method: &str, path: &str) -> Value {
        let path = format!("/apps/{}{path}", self.app.app_id);
        let mut event = sample(kind);
        match kind {
            Kind::Http => {
                event["rawPath"] = json!(path);
                event["requestContext"]["http"]["path"] = json!(path);
                event["requestContext"]["http"]["method"] = json!(method);
            }
            Kind::Rest => {
                event["path"] = json!(path);
                event["httpMethod"] = json!(method);
            }
        }
        set_header(kind, &mut event, "x-api-key", &[self.app.key.expose()]);
        event
    }

    /// Invokes the function with an event.
    pub async fn invoke(&self, event: &Value) -> GatewayAnswer {
        let payload = RawValue::from_string(event.to_string()).unwrap();
        let event = LambdaEvent::new(payload, Context::default());
        let mut function = lambda::function(self.router.clone());
        let answer = function.call(event).await.unwrap();
        let answer = serde_json::to_value(answer).unwrap();
        let mut headers = BTreeMap::new();
        for (name, value) in answer["headers"].as_object().into_iter().flatten() {
            headers.insert(name.clone(), value.as_str().unwrap().to_owned());
        }
        for (name, values) in answer["multiValueHeaders"]
            .as_object()
            .into_iter()
            .flatten()
        {
            headers.insert(name.clone(), values[0].as_str().unwrap().to_owned());
        }
        let text = answer["body"].as_str().filter(|text| !text.is_empty());
        GatewayAnswer {
            status: answer["statusCode"].as_u64().unwrap(),
            headers,
            body: text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap()),
        }
    }
}

pub fn sample(kind: Kind) -> Value {
    let text = match kind {
        Kind::Http => HTTP_API,
        Kind::Rest => REST_API,
    };
    serde_json::from_str(text).unwrap()
}

/// Sets a header that the client sent once per value. An HTTP API joins the values with
/// commas. A REST API passes the last one in `headers` and all of them in
/// `multiValueHeaders`.
pub fn set_header(kind: Kind, event: &mut Value, name: &str, values: &[&str]) {
    match kind {
        Kind::Http => {
            // HTTP APIs pass header names in lower case.
            event["headers"][name.to_ascii_lowercase()] = json!(values.join(","));
        }
        Kind::Rest => {
            for headers in ["headers", "multiValueHeaders"] {
                let headers = event[headers].as_object_mut().unwrap();
                headers.retain(|other, _| !other.eq_ignore_ascii_case(name));
            }
            event["headers"][name] = json!(values.last());
            event["multiValueHeaders"][name] = json!(values);
        }
    }
}
