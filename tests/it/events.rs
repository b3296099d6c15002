//! Passes the sample events to the deployed binaries, each of which runs against a stand-in
//! for Lambda's runtime API.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use local::emulators::{Clients, Emulators, REGION, Resources};
use local::service::{self, SECRET_PREFIX};
use local::{gateway, samples};
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc, oneshot};
use webhook_endpoints::domain::endpoint::EndpointKey;
use webhook_endpoints::domain::event::EventRecord;
use webhook_endpoints::domain::id::{AppId, EndpointId, EventId};

use crate::support::fields;
use crate::support::receiver::Receiver;

/// The id of the event in sqs-event.json, which is that of its message.
const EVENT: &str = "6a7e8feb-b491-4cf7-a9f1-bf3703467718";

/// SQS batches.
const SQS_EVENTS: [&str; 3] = ["sqs-event.json", "sqs-sweep.json", "sqs-test-ping.json"];

/// A browser's request for the portal, which gets a page instead of the envelope.
const PAGE_EVENT: &str = "get-portal.json";

/// API events with the expected statuses. They run in this order, so that each finds what
/// it needs.
const HTTP_EVENTS: [(&str, u16); 30] = [
    ("put-app.json", 201),
    ("get-app.json", 200),
    ("list-apps.json", 200),
    ("create-key.json", 201),
    ("list-keys.json", 200),
    ("revoke-key.json", 204),
    ("create-portal-session.json", 201),
    ("revoke-portal-session.json", 204),
    ("get-key.json", 200),
    ("delete-app.json", 202),
    ("put-event-type.json", 201),
    ("get-event-type.json", 200),
    ("list-event-types.json", 200),
    ("create-webhook.json", 201),
    ("create-webhook-rest.json", 201),
    ("list-webhooks.json", 200),
    ("get-webhook.json", 200),
    ("test-ping.json", 200),
    ("test-ping-like-an-event.json", 200),
    ("delete-event-type.json", 204),
    ("list-deliveries.json", 200),
    ("get-delivery.json", 200),
    ("resend-delivery.json", 202),
    ("publish-event.json", 202),
    ("publish-events.json", 202),
    ("get-event.json", 200),
    ("recover.json", 202),
    ("rotate-secret.json", 200),
    ("update-webhook.json", 200),
    ("delete-webhook.json", 204),
];

fn event(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("events")
        .join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

type Invocation = (Value, oneshot::Sender<Result<Value, Value>>);

/// A function as Lambda runs it: the binary, with the environment variables of
/// events/env.json.
#[derive(Clone)]
struct Function {
    invocations: mpsc::UnboundedSender<Invocation>,
    _process: Arc<Child>,
}

struct RuntimeApi {
    invocations: Mutex<mpsc::UnboundedReceiver<Invocation>>,
    running: Mutex<HashMap<String, oneshot::Sender<Result<Value, Value>>>>,
}

impl Function {
    async fn start(binary: &str, name: &str, variables: &[(&str, &str)]) -> Self {
        let (invocations, pending) = mpsc::unbounded_channel();
        let state = Arc::new(RuntimeApi {
            invocations: Mutex::new(pending),
            running: Mutex::default(),
        });
        let runtime_api = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(async |state: State<_>, id: UrlPath<_>, body: Bytes| {
                    answer(state, id, Ok(body)).await;
                }),
            )
            .route(
                "/2018-06-01/runtime/invocation/{id}/error",
                post(async |state: State<_>, id: UrlPath<_>, body: Bytes| {
                    answer(state, id, Err(body)).await;
                }),
            )
            .with_state(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a port");
        let address = listener
            .local_addr()
            .expect("read the bound address")
            .to_string();
        tokio::spawn(axum::serve(listener, runtime_api).into_future());

        let environment = event("env.json");
        let environment = environment[name].as_object().expect("read the variables");
        let process = Command::new(binary)
            .env_clear()
            .envs(
                environment
                    .iter()
                    .map(|(name, value)| (name, value.as_str().expect("read the variable"))),
            )
            .envs(variables.iter().copied())
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .kill_on_drop(true)
            .spawn()
            .expect("start the function");
        Self {
            invocations,
            _process: Arc::new(process),
        }
    }

    async fn invoke(&self, event: Value) -> Value {
        let (answer, answered) = oneshot::channel();
        self.invocations
            .send((event, answer))
            .expect("pass the event to the runtime API");
        let answered = answered.await.expect("wait for the response");
        answered.expect("the function must not fail")
    }
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> impl IntoResponse {
    let (event, answer) = api
        .invocations
        .lock()
        .await
        .recv()
        .await
        .expect("wait for an invocation");
    let id = uuid::Uuid::now_v7().to_string();
    api.running.lock().await.insert(id.clone(), answer);
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", "9999999999999".to_owned()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda".to_owned(),
        ),
    ];
    (headers, event.to_string())
}

async fn answer(
    State(api): State<Arc<RuntimeApi>>,
    UrlPath(id): UrlPath<String>,
    body: Result<Bytes, Bytes>,
) {
    let parse = |body: Bytes| serde_json::from_slice(&body).expect("parse the body");
    let answer = api
        .running
        .lock()
        .await
        .remove(&id)
        .expect("find the invocation");
    // The test may no longer wait for the response.
    let _ = answer.send(body.map(parse).map_err(parse));
}

/// Stands in for Lambda's poller. It passes messages to the function, but does not delete
/// them.
async fn deliver_messages(clients: Clients, queue_url: String, deliver: Function) {
    loop {
        let received = clients.sqs.receive_message().queue_url(&queue_url);
        let received = received
            .wait_time_seconds(1)
            .send()
            .await
            .expect("receive from the queue");
        for message in received.messages.unwrap_or_default() {
            let mut event = event("sqs-test-ping.json");
            event["Records"][0]["messageId"] = json!(message.message_id);
            event["Records"][0]["body"] = json!(message.body);
            deliver.invoke(event).await;
        }
    }
}

/// Starts the API and the delivery function, with these emulators as AWS.
async fn start_functions(emulators: Arc<Emulators>, resources: &Resources) -> (Function, Function) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a port");
    let aws = format!(
        "http://{}",
        listener.local_addr().expect("read the bound address")
    );
    tokio::spawn(axum::serve(listener, gateway::router(emulators)).into_future());
    let variables = [
        ("TABLE_NAME", resources.table_name.as_str()),
        ("QUEUE_URL", resources.queue_url.as_str()),
        ("SLOW_QUEUE_URL", resources.slow_queue_url.as_str()),
        ("SECRET_PREFIX", SECRET_PREFIX),
        ("ALLOW_LOOPBACK_TARGETS", "true"),
        ("AWS_ENDPOINT_URL", aws.as_str()),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    let api = Function::start(env!("CARGO_BIN_EXE_api"), "ApiFunction", &variables).await;
    let deliver = env!("CARGO_BIN_EXE_deliver");
    let deliver = Function::start(deliver, "DeliverFunction", &variables).await;
    (api, deliver)
}

/// Asserts from the responses that each event reached its own handler.
fn assert_answers(answers: &BTreeMap<&str, Value>) {
    for name in ["create-webhook.json", "create-webhook-rest.json"] {
        assert!(answers[name]["secret"].is_string(), "{answers:?}");
        assert_eq!(answers[name]["url"], "https://example.com/webhooks");
    }
    assert_eq!(answers["put-app.json"]["name"], "Acme");
    assert_eq!(answers["get-app.json"]["keys"], 1);
    assert_eq!(answers["list-apps.json"]["items"][0]["id"], "acme");
    assert_eq!(answers["create-key.json"]["scope"], "publish");
    assert_eq!(answers["list-keys.json"].as_array().unwrap().len(), 2);
    assert_eq!(answers["revoke-key.json"], Value::Null);
    let session = &answers["create-portal-session.json"];
    assert_eq!(session["scope"], "read");
    let link = session["url"].as_str().unwrap();
    let address = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/portal/#app=acme&token=";
    assert_eq!(link.strip_prefix(address), session["token"].as_str());
    assert_eq!(answers["revoke-portal-session.json"], Value::Null);
    assert_eq!(answers["get-key.json"]["scope"], "all");
    assert_eq!(answers["delete-app.json"]["status"], "DELETING");
    let listed = answers["list-webhooks.json"].as_array().unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!(answers["get-webhook.json"]["id"], samples::ENDPOINT_ID);
    assert_eq!(answers["test-ping.json"]["status"], "DELIVERED");
    assert_eq!(
        answers["test-ping-like-an-event.json"]["status"],
        "DELIVERED"
    );
    let types = &answers["list-event-types.json"]["items"];
    assert_eq!(types[0], answers["get-event-type.json"]);
    assert_eq!(types[0]["name"], "invoice.paid");
    assert_eq!(answers["delete-event-type.json"], Value::Null);
    assert_eq!(answers["list-deliveries.json"]["items"], json!([]));
    let shown = &answers["get-delivery.json"];
    assert_eq!(shown["id"], samples::DELIVERY_ID);
    assert_eq!(shown["payload"], json!({"sample": "payload"}));
    let resent = &answers["resend-delivery.json"];
    assert_eq!(resent["status"], "PENDING");
    assert_ne!(resent["id"], samples::DELIVERY_ID);
    let published = &answers["publish-event.json"];
    assert_eq!(published["type"], "order.shipped");
    assert_eq!(answers["get-event.json"]["id"], published["id"]);
    assert_eq!(
        answers["recover.json"],
        json!({"deliveries": 0, "atLeast": false})
    );
    assert_eq!(fields(&answers["rotate-secret.json"]), ["secret"]);
    assert_eq!(answers["update-webhook.json"]["active"], false);
    assert_eq!(answers["delete-webhook.json"], Value::Null);
}

/// Asserts that the portal passes through API Gateway compressed, as the browser requested.
fn assert_page(answer: &Value) {
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(answer["headers"]["content-encoding"], "deflate");
    assert_eq!(answer["isBase64Encoded"], true);
    let body = STANDARD.decode(answer["body"].as_str().unwrap()).unwrap();
    let page = decompress_to_vec_zlib_with_limit(&body, 100_000).unwrap();
    assert!(page.starts_with(b"<!doctype html>"));
}

#[tokio::test]
async fn sample_events_are_handled_by_their_functions() {
    let emulators = Emulators::start(None, |client| client)
        .await
        .expect("start the emulators");
    let emulators = Arc::new(emulators);
    let clients = emulators.clients.clone();
    let resources = clients
        .create_resources("test", None)
        .await
        .expect("create the resources");
    let table = service::stores(&clients, &resources).table;
    let receiver = Receiver::answering(200, "thank you").await;
    samples::seed(&clients, &resources, &receiver.url)
        .await
        .expect("seed what the sample events refer to");
    let key = EndpointKey {
        app_id: AppId::parse(samples::APP_ID).unwrap(),
        endpoint_id: EndpointId::parse(samples::ENDPOINT_ID).unwrap(),
    };
    let (api, deliver) = start_functions(emulators, &resources).await;

    for name in SQS_EVENTS {
        let outcome = deliver.invoke(event(name)).await;
        assert_eq!(outcome, json!({ "batchItemFailures": [] }), "{name}");
    }
    // The event has the time of its message, which is long past.
    let accepted = "2026-01-01T00:00:00Z".parse().unwrap();
    let stored = table
        .event(key.app_id, EventId::parse(EVENT).unwrap(), accepted)
        .await;
    assert_eq!(
        stored
            .unwrap()
            .and_then(EventRecord::event)
            .unwrap()
            .payload
            .kept(),
        Some(
            r#"{"type":"invoice.paid","timestamp":"2026-01-01T00:00:00.000Z","data":{"invoice":"inv_1","amount":1200}}"#
        )
    );
    // The event and the ping arrived.
    let received = receiver.received();
    let ids = received.iter().map(|request| request.header("webhook-id"));
    assert_eq!(
        ids.collect::<Vec<_>>(),
        [EVENT, "01890000-0000-7000-8000-0000000000d1"]
    );

    tokio::spawn(deliver_messages(
        clients,
        resources.queue_url.clone(),
        deliver,
    ));
    let mut answers = BTreeMap::new();
    for (name, status) in HTTP_EVENTS {
        let answer = api.invoke(event(name)).await;
        assert_eq!(answer["statusCode"], status, "{name}: {answer}");
        let body = answer["body"].as_str().filter(|body| !body.is_empty());
        let body: Value = body.map_or(Value::Null, |body| serde_json::from_str(body).unwrap());
        answers.insert(name, body["data"].clone());
    }
    assert_answers(&answers);
    assert_page(&api.invoke(event(PAGE_EVENT)).await);
    assert_eq!(table.endpoint(key).await.unwrap(), None);
}

#[test]
fn every_sample_event_file_is_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort_unstable();
    let mut used = vec!["env.json", PAGE_EVENT];
    used.extend(SQS_EVENTS);
    used.extend(HTTP_EVENTS.map(|(name, _)| name));
    used.sort_unstable();
    assert_eq!(files, used);
}
