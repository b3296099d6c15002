//! Property tests with arbitrary events of API Gateway and SQS: every API Gateway event
//! gets a response in the envelope, and malformed batches are handled or rejected.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use webhook_endpoints::delivery::batch::handle_batch;

use crate::support::gateway::{Gateway, KINDS, Kind, sample, set_header};

const QUEUE: &str = include_str!("../../events/sqs-test-ping.json");

/// The API function, invoked directly instead of over HTTP.
struct Direct {
    runtime: Runtime,
    gateway: Gateway,
}

impl Direct {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let gateway = runtime.block_on(Gateway::start());
        Self { runtime, gateway }
    }

    /// Invokes the function, and requires a response in the envelope.
    fn must_answer(&self, event: &Value) -> Result<(), TestCaseError> {
        let answer = self.runtime.block_on(self.gateway.invoke(event));
        prop_assert!(answer.headers.contains_key("x-request-id"));
        prop_assert_ne!(answer.status, 500);
        if answer.body.is_null() {
            return Ok(());
        }
        let succeeded = (200..300).contains(&answer.status);
        prop_assert_eq!(&answer.body["success"], &json!(succeeded));
        let code = &answer.body["error"]["code"];
        prop_assert_eq!(code.is_string(), !succeeded);
        Ok(())
    }
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

/// A path below the app, decoded as API Gateway passes it.
fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("webhooks".to_owned()),
        Just("events".to_owned()),
        Just("deliveries".to_owned()),
        Just("01890000-0000-7000-8000-00000000000a".to_owned()),
        "\\PC{0,12}",
    ];
    proptest::collection::vec(segment, 0..4)
        .prop_map(|segments| segments.iter().map(|text| format!("/{text}")).collect())
}

/// A header name that the function or a library may interpret, or an arbitrary one.
fn header_name() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(vec![
        "accept",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "Host",
        "idempotency-key",
        "origin",
        "prefer",
        "transfer-encoding",
        "via",
        "x-amzn-trace-id",
        "x-api-key",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "X-Forwarded-Proto",
        "x-http-method-override",
        "x-request-id",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "\\PC{0,12}"]
}

fn header_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "[:/@#?%,;=\\[\\]a9 -]{0,8}",
        "\\PC{0,12}",
        "(https|http|wait=1|respond-async|application/json|Bearer x)(, ?[a-z]{0,4})?",
        // Control characters.
        ".{0,8}",
    ]
}

/// What a client controls, apart from the method.
#[derive(Debug)]
struct Client {
    path: String,
    query: String,
    headers: Vec<(String, Vec<String>)>,
    body: String,
    encoded: bool,
}

fn client() -> impl Strategy<Value = Client> {
    let values = proptest::collection::vec(header_value(), 1..3);
    (
        path(),
        "[ -~é]{0,30}",
        proptest::collection::vec((header_name(), values), 0..6),
        "\\PC{0,80}",
        any::<bool>(),
    )
        .prop_map(|(path, query, headers, body, encoded)| Client {
            path,
            query,
            headers,
            body,
            encoded,
        })
}

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Z]{1,8}",
        Just("GET".to_owned()),
        Just("POST".to_owned())
    ]
}

/// Replacements for strings of `requestContext`, by position.
fn context() -> impl Strategy<Value = Vec<(usize, String)>> {
    proptest::collection::vec((0..20_usize, header_value()), 0..3)
}

#[test]
fn every_api_gateway_request_gets_a_response() {
    let direct = Direct::start();
    for kind in KINDS {
        let inputs = (client(), method(), context());
        run(600, &inputs, |(client, method, context)| {
            let mut event = direct.gateway.event(kind, &method, &client.path);
            match kind {
                Kind::Http => event["rawQueryString"] = json!(client.query),
                Kind::Rest => {
                    event["queryStringParameters"] = json!({ "cursor": client.query });
                    event["multiValueQueryStringParameters"] =
                        json!({ "cursor": [client.query, "x"], client.query: ["", "y"] });
                }
            }
            for (name, values) in &client.headers {
                let values: Vec<_> = values.iter().map(String::as_str).collect();
                set_header(kind, &mut event, name, &values);
            }
            event["isBase64Encoded"] = json!(client.encoded);
            event["body"] = json!(if client.encoded {
                STANDARD.encode(client.body)
            } else {
                client.body
            });
            let fields = event["requestContext"].as_object_mut().unwrap();
            let texts: Vec<_> = fields
                .values_mut()
                .filter(|value| value.is_string())
                .collect();
            let most = texts.len();
            for (index, text) in texts.into_iter().enumerate() {
                let odd = context.iter().find(|(at, _)| at % most == index);
                if let Some((_, odd)) = odd {
                    *text = json!(odd);
                }
            }
            direct.must_answer(&event)
        });
    }
}

/// A value of any type, to replace another.
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

/// Replaces the `position`-th value of a document, counted in post-order (children before
/// their parent).
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
    // Wraps after the replacement, so no later value has position 0.
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
fn malformed_api_gateway_events_get_a_response() {
    let direct = Direct::start();
    for kind in KINDS {
        let sample = sample(kind);
        run(500, &mutations(), |mutations| {
            direct.must_answer(&mutate(&sample, &mutations))
        });
    }
}

#[test]
fn malformed_batches_are_handled_or_rejected() {
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
            // A batch of one either fails as a whole, or its message is handled or
            // returned.
            let handling = handle_batch(&direct.gateway.app.deliverer, decoded, None);
            if let Ok(response) = direct.runtime.block_on(handling) {
                prop_assert!(response.batch_item_failures.len() <= 1);
            }
        }
        Ok(())
    });
}
