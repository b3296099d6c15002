//! Arbitrary events of API Gateway and the queue: whatever a client can put
//! into one gets an answer in the envelope, and anything else is rejected.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::Router;
use axum::body::to_bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt;
use local::service::{self, Settings};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use webhook_endpoints::api::lambda::with_encoded_query;
use webhook_endpoints::delivery::batch::handle_batch;

use crate::support::{Options, TestApp};

const HTTP_API: &str = include_str!("../../events/create-webhook.json");
const REST_API: &str = include_str!("../../events/create-webhook-rest.json");
const QUEUE: &str = include_str!("../../events/sqs-test-ping.json");

/// A service and its router, without HTTP in between.
struct Direct {
    runtime: Runtime,
    app: TestApp,
    router: Router,
}

impl Direct {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let app = runtime.block_on(TestApp::start_with(Options::idle()));
        let router = service::api(&app.aws.clients, &app.aws.resources, &Settings::default());
        Self {
            runtime,
            app,
            router,
        }
    }

    /// Handles a decoded event as the function does, and requires an answer in
    /// the envelope.
    fn must_answer(&self, request: lambda_http::Request) -> Result<(), TestCaseError> {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            prop_assert!(response.headers().contains_key("x-request-id"));
            let (head, body) = response.into_parts();
            prop_assert_ne!(head.status.as_u16(), 500);
            let bytes = to_bytes(body, usize::MAX).await.unwrap();
            if bytes.is_empty() {
                return Ok(());
            }
            let body: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(&body["success"], &json!(head.status.is_success()));
            let code = &body["error"]["code"];
            prop_assert_eq!(code.is_string(), !head.status.is_success());
            Ok(())
        })
    }
}

/// The request that lambda_http decodes from an event.
fn request(event: &Value) -> lambda_http::Request {
    let decoded = serde_json::from_str(&event.to_string()).unwrap();
    with_encoded_query(decoded).into()
}

fn run<S: Strategy>(
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let mut config = ProptestConfig::with_cases(cases);
    config.failure_persistence = None;
    if let Err(failure) = TestRunner::new(config).run(strategy, test) {
        panic!("{failure}");
    }
}

/// A path as API Gateway passes it, decoded.
fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("apps".to_owned()),
        Just("webhooks".to_owned()),
        Just("deliveries".to_owned()),
        Just("01890000-0000-7000-8000-00000000000a".to_owned()),
        "\\PC{0,12}",
    ];
    proptest::collection::vec(segment, 0..6).prop_map(|segments| format!("/{}", segments.join("/")))
}

/// What a client controls: path, query, headers, body.
fn client() -> impl Strategy<Value = (String, String, String, String, String, bool)> {
    (
        path(),
        "[ -~é]{0,30}",
        prop_oneof![
            "[A-Z]{1,8}",
            Just("GET".to_owned()),
            Just("POST".to_owned())
        ],
        "[ -~]{0,60}",
        "\\PC{0,80}",
        any::<bool>(),
    )
}

#[test]
fn every_request_through_an_http_api_is_answered() {
    let direct = Direct::start();
    let sample: Value = serde_json::from_str(HTTP_API).unwrap();
    run(
        600,
        &client(),
        |(path, query, method, header, body, encoded)| {
            let mut event = sample.clone();
            event["rawPath"] = json!(path);
            event["rawQueryString"] = json!(query);
            event["requestContext"]["http"]["method"] = json!(method);
            event["requestContext"]["http"]["path"] = json!(path);
            for name in ["x-api-key", "authorization", "prefer", "content-type"] {
                event["headers"][name] = json!(header);
            }
            event["isBase64Encoded"] = json!(encoded);
            event["body"] = json!(if encoded { STANDARD.encode(body) } else { body });
            direct.must_answer(request(&event))
        },
    );
}

#[test]
fn every_request_through_a_rest_api_is_answered() {
    let direct = Direct::start();
    let sample: Value = serde_json::from_str(REST_API).unwrap();
    run(
        600,
        &client(),
        |(path, query, method, header, body, encoded)| {
            let mut event = sample.clone();
            event["path"] = json!(path);
            event["httpMethod"] = json!(method);
            event["queryStringParameters"] = json!({ "cursor": query });
            event["multiValueQueryStringParameters"] = json!({ "cursor": [query, header] });
            event["headers"]["x-api-key"] = json!(header);
            event["multiValueHeaders"]["x-api-key"] = json!([header]);
            event["isBase64Encoded"] = json!(encoded);
            event["body"] = json!(if encoded { STANDARD.encode(body) } else { body });
            direct.must_answer(request(&event))
        },
    );
}

/// A value of any type, to replace another one.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!(true)),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[["x"]]])),
        "\\PC{0,20}".prop_map(Value::from),
    ]
}

/// Replaces the `position`-th part of a document, counted from the innermost.
fn replace(document: &mut Value, position: &mut usize, with: &Value) {
    let parts: Vec<&mut Value> = match document {
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    for part in parts {
        replace(part, position, with);
    }
    if *position == 0 {
        *document = with.clone();
    }
    *position = position.wrapping_sub(1);
}

fn mutations() -> impl Strategy<Value = Vec<(usize, Value)>> {
    proptest::collection::vec((0..90_usize, odd()), 1..4)
}

fn mutate(sample: &Value, mutations: &[(usize, Value)]) -> Value {
    let mut event = sample.clone();
    for (position, with) in mutations {
        replace(&mut event, &mut position.clone(), with);
    }
    event
}

#[test]
fn malformed_events_are_rejected_or_answered() {
    let direct = Direct::start();
    for sample in [HTTP_API, REST_API] {
        let sample: Value = serde_json::from_str(sample).unwrap();
        run(500, &mutations(), |mutations| {
            let event = mutate(&sample, &mutations).to_string();
            let Ok(decoded) = serde_json::from_str::<LambdaRequest>(&event) else {
                return Ok(());
            };
            // lambda_http panics on hosts and base64 that API Gateway never
            // sends. The runtime treats a panic as a rejection.
            let request = catch_unwind(AssertUnwindSafe(|| {
                lambda_http::Request::from(with_encoded_query(decoded))
            }));
            match request {
                Ok(request) => direct.must_answer(request),
                Err(_) => Ok(()),
            }
        });
    }
}

#[test]
fn malformed_batches_are_rejected_or_handled() {
    let direct = Direct::start();
    let sample: Value = serde_json::from_str(QUEUE).unwrap();
    let body: Value = serde_json::from_str(sample["Records"][0]["body"].as_str().unwrap()).unwrap();
    run(500, &(mutations(), mutations()), |(inside, outside)| {
        let mut event = sample.clone();
        let inside: Vec<_> = inside.into_iter().map(|(at, odd)| (at % 8, odd)).collect();
        event["Records"][0]["body"] = json!(mutate(&body, &inside).to_string());
        let outside: Vec<_> = outside
            .into_iter()
            .map(|(at, odd)| (at % 20, odd))
            .collect();
        for event in [event.clone(), mutate(&event, &outside)] {
            let Ok(decoded) = serde_json::from_value(event) else {
                continue;
            };
            // The batch either fails as a whole or is handled.
            let handling = handle_batch(&direct.app.deliverer, decoded, None);
            if let Ok(response) = direct.runtime.block_on(handling) {
                prop_assert!(response.batch_item_failures.len() <= 1);
            }
        }
        Ok(())
    });
}
