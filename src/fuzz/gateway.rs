//! Sends a request through the Lambda adapter and the router, as the event of an HTTP API and
//! as that of a REST API. The stores are empty, but accept any well-formed API key.
//!
//! The input is a line such as `POST /apps/acme/events?a=b`, then a line for each header, an
//! empty line and the body. Input that begins with `{` is an event as it is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use axum::Router;
use lambda_http::{Context, LambdaEvent, Service};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};
use url::form_urlencoded;

use crate::api::{ApiOptions, lambda, router};
use crate::aws::{QueueUrls, StoreNames, Stores};
use crate::clock::Clock;
use crate::domain::address::AddressPolicy;
use crate::domain::branding::Branding;
use crate::domain::budget::Budgets;
use crate::domain::cors::AllowedOrigins;
use crate::domain::fuzz::must;
use crate::domain::payload_format::PayloadFormat;
use crate::domain::secret::SecretStorage;
use crate::domain::time;

thread_local! {
    static FUNCTION: RefCell<Function> = RefCell::new(Function::start());
}

pub(super) fn run(text: &str) {
    FUNCTION.with_borrow(|function| match text.starts_with('{') {
        true => {
            if let Ok(event) = RawValue::from_string(text.to_owned()) {
                function.answer(event);
            }
        }
        false => function.check_request(text),
    });
}

/// AWS calls so far.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// AWS without any data: answers `{}` to every call, except that every app key and every
/// platform key exists.
#[derive(Debug)]
struct Empty;

impl HttpConnector for Empty {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let asked: Value = request
            .body()
            .bytes()
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .unwrap_or_default();
        let pk = asked["Key"]["pk"]["S"].as_str().unwrap_or_default();
        let answer = match pk.starts_with("KEY#") || pk.starts_with("PLATFORM#") {
            true => json!({"Item": {"pk": {"S": pk}, "appId": {"S": "acme"}}}),
            false => json!({}),
        };
        let body = answer.to_string().into();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(must(200.try_into()), body)))
    }
}

/// The API function with its runtime.
struct Function {
    runtime: Runtime,
    router: Router,
}

/// The function's answer, as far as it is compared.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u64,
    body: Value,
}

impl Function {
    fn start() -> Self {
        let credentials = Credentials::new("id", "key", None, None, "fuzz");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Empty)))
            .build();
        let names = StoreNames {
            table: "table".to_owned(),
            secret_prefix: "fuzz".to_owned(),
            queues: QueueUrls {
                fast: "https://sqs.example/fast".to_owned(),
                slow: "https://sqs.example/slow".to_owned(),
                dead_letter: None,
                operational: None,
            },
        };
        let now = must(time::parse("2026-01-31T09:30:00Z"));
        let router = router(ApiOptions {
            stores: Stores::new(&sdk, names),
            clock: Clock::from_fn(move || now),
            address_policy: AddressPolicy::PublicOnly,
            ping_wait: Duration::ZERO,
            api_key_cache: Duration::from_secs(60),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            budgets: Budgets::default(),
            under_way: Duration::from_secs(90),
            secret_storage: SecretStorage::PerEndpoint,
            cors: AllowedOrigins::None,
            portal_url: None,
            strict_event_types: false,
            payload_format: PayloadFormat::Standard,
            branding: Branding::default(),
        });
        let runtime = must(Builder::new_current_thread().enable_time().build());
        Self { runtime, router }
    }

    /// Invokes the function with any JSON, and checks the form of its answer.
    fn answer(&self, event: Box<RawValue>) -> Answer {
        let before = CALLS.load(Ordering::Relaxed);
        let event = LambdaEvent::new(event, Context::default());
        let mut function = lambda::function(self.router.clone());
        let answer = must(self.runtime.block_on(function.call(event)));
        let answer = must(serde_json::to_value(answer));
        let status = answer["statusCode"].as_u64().unwrap_or_default();
        assert!((200..600).contains(&status), "{answer}");
        // An empty answer of AWS may be an error for a handler. Without a call, 500 is a bug.
        let is_ours = CALLS.load(Ordering::Relaxed) == before;
        assert!(status < 500 || !is_ours, "{answer}");
        let headers = headers_of(&answer);
        assert!(headers.contains_key("x-request-id"), "{answer}");
        let text = answer["body"].as_str().unwrap_or_default();
        let kind = headers.get("content-type").map_or("", String::as_str);
        let body = match text.is_empty() || kind != "application/json" {
            true => Value::Null,
            false => must(serde_json::from_str(text)),
        };
        // Answers to HEAD have no body.
        if status >= 400 && !text.is_empty() {
            assert_eq!(body["success"], false, "{answer}");
            assert!(body["error"]["code"].is_string(), "{answer}");
        }
        Answer { status, body }
    }

    /// Both kinds of APIs give the same answer. Successful ones contain random ids, so only
    /// their status is compared.
    fn check_request(&self, text: &str) {
        let Some(request) = Request::parse(text) else {
            return;
        };
        let [http, rest] = [request.of_http_api(), request.of_rest_api()];
        let event = |event: Value| must(RawValue::from_string(event.to_string()));
        let [http, rest] = [http, rest].map(|kind| self.answer(event(kind)));
        match http.status < 300 {
            true => assert_eq!(http.status, rest.status),
            false => assert_eq!(http, rest),
        }
    }
}

fn headers_of(answer: &Value) -> BTreeMap<String, String> {
    let all = |name: &str| answer[name].as_object().into_iter().flatten();
    let single = all("headers");
    let many = all("multiValueHeaders").map(|(name, values)| (name, &values[0]));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let both = single.chain(many);
    both.map(|(name, value)| (name.to_ascii_lowercase(), text(value)))
        .collect()
}

/// A client's request.
struct Request<'a> {
    method: &'a str,
    /// Percent-decoded, as API Gateway passes it on.
    path: &'a str,
    query: &'a str,
    headers: Vec<(String, &'a str)>,
    body: Option<&'a str>,
}

impl<'a> Request<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (head, body) = match text.split_once("\n\n") {
            Some((head, body)) => (head, Some(body)),
            None => (text, None),
        };
        let mut lines = head.split('\n');
        let (method, target) = lines.next()?.split_once(' ')?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim()))
        });
        Some(Self {
            method,
            path,
            query,
            headers: headers.collect(),
            body,
        })
    }

    fn values(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in &self.headers {
            values.entry(name).or_default().push(value);
        }
        values
    }

    /// The event of an HTTP API (payload format 2.0), which joins repeated headers.
    fn of_http_api(&self) -> Value {
        let headers = self.values().into_iter();
        let headers: BTreeMap<_, _> = headers.map(|(name, all)| (name, all.join(","))).collect();
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": headers,
            "requestContext": {
                "requestId": "request",
                "domainName": "api.example",
                "stage": "$default",
                "timeEpoch": 0,
                "http": {
                    "method": self.method,
                    "path": self.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                    "userAgent": "fuzz",
                },
            },
            "body": self.body,
            "isBase64Encoded": false,
        })
    }

    /// The event of a REST API (payload format 1.0), which decodes the query.
    fn of_rest_api(&self) -> Value {
        let values = self.values();
        let last: BTreeMap<_, _> = values
            .iter()
            .map(|(name, all)| (name, all.last()))
            .collect();
        let mut query: Map<String, Value> = Map::new();
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            let all = query.entry(name).or_insert_with(|| json!([]));
            if let Some(all) = all.as_array_mut() {
                all.push(json!(value));
            }
        }
        let last_query: Map<String, Value> = query
            .iter()
            .map(|(name, all)| {
                (
                    name.clone(),
                    all.as_array()
                        .and_then(|all| all.last())
                        .cloned()
                        .unwrap_or_default(),
                )
            })
            .collect();
        json!({
            "resource": "/{proxy+}",
            "path": self.path,
            "httpMethod": self.method,
            "headers": last,
            "multiValueHeaders": values,
            "queryStringParameters": last_query,
            "multiValueQueryStringParameters": query,
            "requestContext": {
                "requestId": "request",
                "domainName": "api.example",
                "stage": "prod",
                "httpMethod": self.method,
                "path": self.path,
            },
            "body": self.body,
            "isBase64Encoded": false,
        })
    }
}
