//! Notices for the operator's event bus. On AWS, an EventBridge pipe moves them there from
//! a queue, which these tests read.

use std::fs;
use std::path::Path;

use local::template::pipe_paths;
use serde_json::Value;

use crate::support::operator::Operator;
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

async fn start() -> TestApp {
    let mut options = Options::stepwise();
    options.settings.event_bus = true;
    TestApp::start_with(options).await
}

async fn bus_messages(app: &TestApp) -> Vec<Value> {
    let messages = app.queue.for_the_bus().await.into_iter();
    let bodies = messages.map(|message| serde_json::from_str(&message.body.unwrap()).unwrap());
    bodies.collect()
}

/// Looks up a JSON path of the pipe, which parses message bodies that are JSON.
fn at<'a>(path: &str, body: &'a Value) -> &'a Value {
    let path = path.trim_start_matches('<').trim_end_matches('>');
    let path = path.strip_prefix("$.body.").unwrap();
    path.split('.').fold(body, |value, name| &value[name])
}

#[tokio::test]
async fn event_bus_gets_the_notices_of_endpoints_with_their_ids() {
    let app = start().await;
    let operator = Operator::watch(&app).await;
    let receiver = Receiver::answering(410, "").await;
    app.api.create_webhook(&receiver.url).await;
    app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    let request = operator.receiver.must_receive_one();
    let told: Value = serde_json::from_slice(&request.body).unwrap();

    let messages = bus_messages(&app).await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    let [detail_type, time, detail] = pipe_paths().unwrap();
    assert_eq!(at(&detail_type, &messages[0]), "endpoint.disabled");
    assert_eq!(at(&time, &messages[0]), &told["timestamp"]);
    let mut detail = at(&detail, &messages[0]).clone();
    let id = detail.as_object_mut().unwrap().remove("id").unwrap();
    assert_eq!(id, request.header("webhook-id"));
    assert_eq!(detail, told);
}

#[tokio::test]
async fn event_bus_works_without_operational_endpoints() {
    for event_bus in [true, false] {
        let mut options = Options::stepwise();
        options.settings.event_bus = event_bus;
        let app = TestApp::start_with(options).await;
        let receiver = Receiver::answering(410, "").await;
        app.api.create_webhook(&receiver.url).await;
        app.api.must_publish("invoice.paid").await;
        app.queue.settle().await;
        assert_eq!(bus_messages(&app).await.len(), usize::from(event_bus));
    }
}

#[tokio::test]
async fn notices_reach_bus_and_endpoints_once_calls_succeed() {
    let app = start().await;
    let operator = Operator::watch(&app).await;
    let receiver = Receiver::answering(410, "").await;
    app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    // Every call fails, because the SDK would retry a single failure.
    app.aws.wire.break_calls(&["SendMessage"], Fault::Before);
    assert_eq!(app.queue.try_attempt(&task).await, ["m"]);
    app.aws.wire.mend();
    assert_eq!(bus_messages(&app).await.len(), 0);
    app.queue.must_attempt(&task).await;
    app.queue.settle().await;
    assert_eq!(bus_messages(&app).await.len(), 1);
    assert_eq!(operator.told_types(), ["endpoint.disabled"]);
    receiver.must_receive_one();
}

/// The paths below `$.detail.` in a template.
fn paths_in(template: &str) -> Vec<&str> {
    let rest = template.split("$.detail.").skip(1);
    let ends = |c: char| !c.is_ascii_alphanumeric() && c != '.';
    rest.map(|rest| &rest[..rest.find(ends).unwrap_or(rest.len())])
        .collect()
}

#[tokio::test]
async fn recipes_use_only_fields_that_events_have() {
    let mut options = Options::stepwise();
    options.settings.event_bus = true;
    options.settings.policy.schedule = "86400".parse().unwrap();
    let app = TestApp::start_with(options).await;
    let gone = Receiver::answering(410, "").await;
    app.api.subscribe(&gone.url, &["gone"]).await;
    app.api.must_publish("gone").await;
    app.queue.settle().await;
    let failing = Receiver::answering(500, "").await;
    app.api.subscribe(&failing.url, &["invoice.paid"]).await;
    let first = app.queue.first_attempt().await;
    app.queue.must_attempt(&first.next()).await;
    let messages = bus_messages(&app).await;
    let types: Vec<_> = messages.iter().map(|message| &message["type"]).collect();
    assert!(
        types.iter().any(|told| *told == "endpoint.disabled"),
        "{types:?}"
    );
    assert!(
        types.iter().any(|told| *told == "delivery.failed"),
        "{types:?}"
    );

    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes");
    let mut count = 0;
    for recipe in fs::read_dir(recipes).unwrap() {
        let recipe = recipe.unwrap().path();
        let template = fs::read_to_string(&recipe).unwrap();
        for path in paths_in(&template) {
            let found = |message: &Value| {
                let detail = &message["detail"];
                !path
                    .split('.')
                    .fold(detail, |value, name| &value[name])
                    .is_null()
            };
            assert!(messages.iter().any(found), "{path} in {}", recipe.display());
            count += 1;
        }
    }
    assert!(count > 10, "{count} paths");
}
