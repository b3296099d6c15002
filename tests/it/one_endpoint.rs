//! Publishing to one endpoint with `webhookId`.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::domain::id::{EndpointId, EventId};

use crate::support::calls::{Ids, call_named};
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const URL: &str = "https://example.com/hook";

fn event_for(endpoint: &str) -> Value {
    json!({"type": "invoice.paid", "data": 1, "webhookId": endpoint})
}

async fn reached(app: &TestApp) -> BTreeSet<String> {
    let tasks = app.queue.fan_out().await;
    let ids = tasks
        .iter()
        .map(|task| task.endpoint.endpoint_id.to_string());
    ids.collect()
}

#[tokio::test]
async fn only_the_named_endpoint_gets_the_event() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let ids = app.api.create_webhooks(3).await;
    let expected = BTreeSet::from([ids[1].clone()]);
    let accepted = app.api.publish(&event_for(&ids[1])).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    assert_eq!(reached(&app).await, expected);

    let batch = [event_for(&ids[1].to_uppercase()), event_for(&ids[1])];
    let answer = app.api.publish_batch(&batch).await;
    assert_eq!(answer.data()["accepted"], 2, "{answer:?}");
    assert_eq!(reached(&app).await, expected);

    let mut message = event_for(&ids[1]);
    message["kind"] = json!("event");
    message["appId"] = json!(app.app_id);
    message["id"] = json!(EventId::new());
    app.queue.enqueue(&message.to_string()).await;
    assert_eq!(reached(&app).await, expected);
}

#[tokio::test]
async fn naming_an_endpoint_does_not_subscribe_it() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let (other_type, _) = app.api.subscribe(URL, &["invoice.sent"]).await;
    let body = json!({"url": URL, "events": ["*"], "channels": ["a"]});
    let created = app.api.post_json("", &body).await;
    let with_channel = created.data()["id"].as_str().unwrap().to_owned();
    for id in [other_type, with_channel.clone()] {
        let accepted = app.api.publish(&event_for(&id)).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
        assert!(reached(&app).await.is_empty());
    }
    let mut event = event_for(&with_channel);
    event["channels"] = json!(["a"]);
    app.api.publish(&event).await;
    assert_eq!(reached(&app).await, BTreeSet::from([with_channel]));
}

#[tokio::test]
async fn events_for_an_inactive_endpoint_are_recorded_as_missed() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let ids = app.api.create_webhooks(2).await;
    for id in &ids {
        let path = format!("/{id}");
        app.api.put_json(&path, &json!({"active": false})).await;
    }
    app.api.publish(&event_for(&ids[0])).await;
    app.queue.settle().await;
    let missed = app.api.must_have_one_delivery(&ids[0]).await;
    assert_eq!(missed["status"], "FAILED");
    assert!(app.api.deliveries(&ids[1]).await.is_empty());
}

#[tokio::test]
async fn endpoints_of_other_apps_are_refused_like_unknown_ones() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let ids = app.api.create_webhooks(2).await;
    app.api.delete(&format!("/{}", ids[0])).await;
    let (other, key) = app.other_app().await;
    let create = call_named("createWebhook", &Ids::unknown());
    let foreign = app.api.call_as(other, Some(key.expose()), &create).await;
    let foreign = foreign.data()["id"].as_str().unwrap().to_owned();
    let unknown = EndpointId::new().to_string();
    let expected = app.api.publish(&event_for(&unknown)).await;
    expected.must_be_invalid(&["webhookId"]);
    for id in [&ids[0], &foreign] {
        app.aws.wire.take();
        let refused = app.api.publish(&event_for(id)).await;
        assert_eq!(refused.status, expected.status);
        assert_eq!(refused.body, expected.body);
        assert_eq!(app.aws.wire.take(), ["GetItem"]);
        let batch = app
            .api
            .publish_batch(&[event_for(id), event_for(&ids[1])])
            .await;
        let rows = &batch.data()["events"];
        assert_eq!(rows[0]["error"], expected.body["error"]);
        assert!(rows[1]["id"].is_string(), "{rows}");
        assert_eq!(reached(&app).await, BTreeSet::from([ids[1].clone()]));
    }
    for malformed in [json!("x"), json!(1), Value::Null] {
        let event = json!({"type": "a", "data": 1, "webhookId": malformed});
        app.api
            .publish(&event)
            .await
            .must_be_invalid(&["webhookId"]);
    }
    // Nobody gets an error for a queue message, so the event is delivered to no endpoint.
    let mut message = event_for(&foreign);
    message["kind"] = json!("event");
    message["appId"] = json!(app.app_id);
    message["id"] = json!(EventId::new());
    app.queue.enqueue(&message.to_string()).await;
    assert!(reached(&app).await.is_empty());
}

#[tokio::test]
async fn naming_endpoints_costs_one_read_per_request() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let ids = app.api.create_webhooks(3).await;
    app.aws.wire.take();
    app.api.publish(&event_for(&ids[0])).await;
    assert_eq!(app.aws.wire.take(), ["GetItem", "SendMessage"]);
    let events: Vec<_> = (0..9).map(|n| event_for(&ids[n % 3])).collect();
    app.api.publish_batch(&events).await;
    assert_eq!(app.aws.wire.take(), ["BatchGetItem", "SendMessageBatch"]);
    let plain = json!({"type": "invoice.paid", "data": 1});
    app.api.publish(&plain).await;
    assert_eq!(app.aws.wire.take(), ["SendMessage"]);
    app.api.publish_batch(&[plain]).await;
    assert_eq!(app.aws.wire.take(), ["SendMessageBatch"]);
}

#[tokio::test]
async fn nothing_is_published_if_the_endpoint_cannot_be_read() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let ids = app.api.create_webhooks(1).await;
    app.aws
        .wire
        .break_calls(&["GetItem", "BatchGetItem"], Fault::Before);
    let single = app.api.publish(&event_for(&ids[0])).await;
    single.must_fail_with(503, "UNAVAILABLE");
    let batch = app.api.publish_batch(&[event_for(&ids[0])]).await;
    batch.must_fail_with(503, "UNAVAILABLE");
    app.aws.wire.mend();
    assert!(app.queue.all_queued().await.is_empty());
}
