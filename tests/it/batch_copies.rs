//! Batches with duplicate messages, and batches whose read leaves items out.

use serde_json::{Value, json};
use webhook_endpoints::domain::id::EventId;

use crate::support::item_json::item_to_json;
use crate::support::queue::{attempt_message, message, ping_of};
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const NOTHING: Vec<String> = Vec::new();

#[tokio::test]
async fn duplicate_attempts_are_made_once() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    let batch = ["one", "two", "three"].map(|name| message(Some(name), attempt_message(&task)));
    app.aws.wire.take();
    assert_eq!(app.queue.handle(batch).await, Ok(NOTHING));
    let calls = ["BatchGetItem", "GetSecretValue", "UpdateItem"];
    assert_eq!(app.aws.wire.take(), calls);
    receiver.must_receive_one();
    assert_eq!(app.api.must_have_one_delivery(&id).await["attempts"], 1);
}

#[tokio::test]
async fn duplicates_of_a_failed_attempt_are_returned_together() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let (copied, other) = (ping_of(&app, &id), ping_of(&app, &id));
    app.aws.wire.break_from("UpdateItem", 1, Fault::Before);
    let batch = [
        message(Some("one"), attempt_message(&copied)),
        message(Some("two"), attempt_message(&copied)),
        // The next attempt of the same delivery is not a duplicate.
        message(Some("next"), attempt_message(&copied.next())),
        message(Some("other"), attempt_message(&other)),
    ];
    let back = app.queue.handle(batch).await.unwrap();
    assert_eq!(back, ["next", "one", "other", "two"]);
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn duplicate_events_are_fanned_out_once() {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api.create_webhook("https://example.com/hook").await;
    let event = |id: EventId, app_id: &str, data: Value| {
        let event = json!({
            "kind": "event", "appId": app_id, "id": id, "type": "invoice.paid", "data": data,
        });
        event.to_string()
    };
    let (own, other) = (app.app_id.to_string(), "another");
    let (first, second) = (EventId::new(), EventId::new());
    let batch = [
        message(Some("one"), event(first, &own, json!(1))),
        message(Some("two"), event(first, &own, json!(1))),
        message(Some("differs"), event(first, &own, json!(2))),
        message(Some("second"), event(second, &own, json!(1))),
        message(Some("foreign"), event(first, other, json!(1))),
    ];
    app.aws.wire.take();
    assert_eq!(app.queue.handle(batch.clone()).await, Ok(NOTHING));
    // Two events are stored, and then marked as fanned out. The other app has no endpoints,
    // so its event is only queried.
    let mut calls = vec!["PutItem"; 4];
    calls.extend(["Query"; 3]);
    assert_eq!(app.aws.wire.take()[..7], calls);
    assert_eq!(app.queue.tasks().await.len(), 2);

    app.aws.wire.break_calls(&["PutItem"], Fault::Before);
    let back = app.queue.handle(batch).await.unwrap();
    assert_eq!(back, ["differs", "one", "second", "two"]);
}

#[tokio::test]
async fn events_without_an_id_are_deduplicated_by_message_id() {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api.create_webhook("https://example.com/hook").await;
    let event = json!({
        "kind": "event", "appId": app.app_id, "type": "invoice.paid", "data": null,
    });
    let [one, other] = [EventId::new(), EventId::new()].map(|id| id.to_string());
    let batch = [&one, &one, &other].map(|id| message(Some(id), event.to_string()));
    assert_eq!(app.queue.handle(batch).await, Ok(NOTHING));
    assert_eq!(app.queue.tasks().await.len(), 2);
}

#[tokio::test]
async fn batches_sweep_once() {
    let app = TestApp::start_with(Options::idle()).await;
    let batch = ["one", "two"].map(|name| message(Some(name), r#"{"kind":"sweep"}"#));
    assert_eq!(app.queue.handle(batch).await, Ok(NOTHING));
    // One query for each of the 8 shards of the schedule, and two for unfinished deletions:
    // of apps and of endpoints.
    assert_eq!(app.aws.wire.take(), ["Query"; 10]);
}

#[tokio::test]
async fn only_attempts_with_unread_items_are_returned() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (found, _) = app.api.create_webhook(&receiver.url).await;
    let (missing, _) = app.api.create_webhook(&receiver.url).await;

    let items = app.aws.items().await;
    let item = items.iter().find(|item| {
        let sort = item["sk"].as_s().unwrap();
        *sort == format!("E#{found}")
    });
    let item = item_to_json(item.unwrap());
    let key = json!({
        "pk": {"S": format!("APP#{}", app.app_id)},
        "sk": {"S": format!("E#{missing}")},
    });
    let table = app.aws.resources.table_name.clone();
    let answer = |items: &[&Value]| {
        let answer = json!({
            "Responses": {&table: items},
            "UnprocessedKeys": {&table: {"Keys": [key], "ConsistentRead": true}},
        });
        Fault::Answered(Box::leak(answer.to_string().into_boxed_str()))
    };
    let (mut first, rest) = (Some(answer(&[&item])), answer(&[]));
    app.aws.wire.disturb(move |call| match call {
        "BatchGetItem" => Some(first.take().unwrap_or(rest)),
        _ => None,
    });
    let batch = [
        message(Some("found"), attempt_message(&ping_of(&app, &found))),
        message(Some("missing"), attempt_message(&ping_of(&app, &missing))),
    ];
    app.aws.wire.take();
    let back = app.queue.handle(batch.clone()).await;
    assert_eq!(back, Ok(vec!["missing".to_owned()]));
    receiver.must_receive_one();
    let reads = app.aws.wire.take();
    assert_eq!(
        reads.iter().filter(|call| *call == "BatchGetItem").count(),
        5
    );

    app.aws.wire.mend();
    assert_eq!(app.queue.handle(batch).await, Ok(NOTHING));
    assert_eq!(receiver.received().len(), 2);
}
