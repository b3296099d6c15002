//! Channels: an endpoint with channels gets only events that share one with it.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::queue::{message, received_again};
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const URL: &str = "https://example.com/hook";

/// Creates an endpoint with these channels, or with null.
async fn endpoint(app: &TestApp, channels: Value) -> String {
    let body = json!({"url": URL, "events": ["*"], "channels": channels});
    let created = app.api.post_json("", &body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    created.data()["id"].as_str().unwrap().to_owned()
}

/// Handles the queued events, and returns the endpoints that they reach.
async fn reached(app: &TestApp) -> BTreeSet<String> {
    let tasks = app.queue.fan_out().await;
    let ids = tasks
        .iter()
        .map(|task| task.endpoint.endpoint_id.to_string());
    ids.collect()
}

fn event(channels: &Value) -> Value {
    let mut event = json!({"type": "invoice.paid", "data": 1});
    if !channels.is_null() {
        event["channels"] = channels.clone();
    }
    event
}

#[tokio::test]
async fn events_reach_endpoints_with_a_common_channel_or_none() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let all = endpoint(&app, Value::Null).await;
    let one = endpoint(&app, json!(["team:1"])).await;
    let both = endpoint(&app, json!(["team:1", "team:2"])).await;
    for (channels, expected) in [
        (Value::Null, vec![&all]),
        (json!([]), vec![&all]),
        (json!(["team:3", "Team:1"]), vec![&all]),
        (json!(["team:2"]), vec![&all, &both]),
        (json!(["team:1"]), vec![&all, &one, &both]),
        (json!(["x", "team:2", "team:1"]), vec![&all, &one, &both]),
    ] {
        let expected: BTreeSet<_> = expected.into_iter().cloned().collect();
        let event = event(&channels);
        let accepted = app.api.publish(&event).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
        assert_eq!(reached(&app).await, expected, "{channels}");

        let batch = app.api.publish_batch(std::slice::from_ref(&event)).await;
        assert_eq!(batch.data()["accepted"], 1, "{batch:?}");
        assert_eq!(reached(&app).await, expected, "{channels} in a batch");

        let mut of_queue = event;
        of_queue["kind"] = json!("event");
        of_queue["appId"] = json!(app.app_id);
        of_queue["id"] = json!(webhook_endpoints::domain::id::EventId::new());
        app.queue.enqueue(&of_queue.to_string()).await;
        assert_eq!(reached(&app).await, expected, "{channels} in a message");
    }
}

#[tokio::test]
async fn channels_can_be_shown_replaced_and_removed() {
    let app = TestApp::start().await;
    let path = format!("/{}", endpoint(&app, json!(["b", "a", "b"])).await);
    let most: Vec<_> = (0..10).map(|n| format!("c{n}{}", "x".repeat(62))).collect();
    for (change, shown) in [
        (json!({"active": true}), json!(["b", "a"])),
        (json!({"channels": ["c"]}), json!(["c"])),
        (json!({"channels": most}), json!(most)),
        (json!({"channels": null}), Value::Null),
    ] {
        let updated = app.api.put_json(&path, &change).await;
        assert_eq!(updated.status, StatusCode::OK, "{updated:?}");
        assert_eq!(app.api.get(&path).await.data()["channels"], shown);
        let listed = app.api.get("?view=full").await;
        assert_eq!(listed.data()[0]["channels"], shown);
    }
}

#[tokio::test]
async fn invalid_channels_are_rejected_by_index() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let path = format!("/{}", endpoint(&app, json!(["kept"])).await);
    let many: Vec<_> = (0..11).map(|n| n.to_string()).collect();
    for (channels, places) in [
        (json!("a"), &["channels"][..]),
        (json!(many), &["channels"]),
        (json!(["ok", "a b", 1]), &["channels[1]", "channels[2]"]),
        (json!(["x".repeat(65)]), &["channels[0]"]),
    ] {
        let body = json!({"channels": channels});
        app.api.put_json(&path, &body).await.must_be_invalid(places);
        let body = json!({"url": URL, "events": ["*"], "channels": channels});
        app.api.post_json("", &body).await.must_be_invalid(places);
        let event = event(&channels);
        app.api.publish(&event).await.must_be_invalid(places);
        let batch = app.api.publish_batch(&[event]).await;
        let error = &batch.data()["events"][0]["error"];
        assert_eq!(error["details"][0]["field"], places[0], "{error}");
    }
    // An endpoint's list must not be empty: it would match no event. An event's list may
    // be.
    let none = json!({"channels": []});
    app.api
        .put_json(&path, &none)
        .await
        .must_be_invalid(&["channels"]);
    assert_eq!(app.api.get(&path).await.data()["channels"], json!(["kept"]));
    assert_eq!(app.queue.tasks().await, []);
}

#[tokio::test]
async fn messages_with_invalid_channels_become_dead_letters() {
    let app = TestApp::start_with(Options::stepwise()).await;
    for (channels, reason) in [
        (json!("a"), "channels must be a list of strings"),
        (json!([1]), "channels must be a list of strings"),
        (
            json!(["ok", "a b"]),
            "channels[1] must be 1 to 64 letters, digits, full stops, colons, hyphens and \
             underscores",
        ),
    ] {
        let mut message = event(&channels);
        message["kind"] = json!("event");
        message["appId"] = json!(app.app_id);
        let letter = app
            .queue
            .must_become_dead_letter(&message.to_string())
            .await;
        let found = letter.attribute("Reason");
        assert!(found.ends_with(reason), "{found}");
    }
}

#[tokio::test]
async fn the_first_event_of_an_idempotency_key_sets_the_channels() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let one = endpoint(&app, json!(["one"])).await;
    let two = endpoint(&app, json!(["two"])).await;
    let publish = async |channel: &str| {
        let event = event(&json!([channel]));
        let request = app.api.publishing().header("idempotency-key", "a-key");
        let answer = crate::support::answer(request.body(event.to_string())).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        app.queue.all_queued().await.remove(0)
    };
    let first = publish("one").await;
    app.aws
        .wire
        .break_calls(&["SendMessageBatch"], Fault::Before);
    let queue = app.queue.by_message();
    assert_eq!(queue.handle([first.clone()]).await.unwrap().len(), 1);
    app.aws.wire.mend();
    // The repeat finds the first event, whose fan-out was interrupted, and waits for it.
    let repeat = publish("two").await;
    app.queue.handle([repeat]).await.unwrap();
    let back = received_again(&first, 2);
    app.queue.handle([back]).await.unwrap();
    let tasks = app.queue.tasks().await;
    let ids: Vec<_> = tasks
        .iter()
        .map(|task| task.endpoint.endpoint_id.to_string())
        .collect();
    assert_eq!(ids, [one], "not {two}");
}

#[tokio::test]
async fn events_that_match_no_endpoint_cost_one_read() {
    let app = TestApp::start_with(Options::stepwise()).await;
    endpoint(&app, json!(["team:1"])).await;
    app.api.publish(&event(&json!(["team:2"]))).await;
    app.aws.wire.take();
    assert_eq!(app.queue.fan_out().await, []);
    assert_eq!(app.aws.wire.take(), ["Query"]);
}

#[tokio::test]
async fn messages_with_null_channels_reach_everyone() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let all = endpoint(&app, Value::Null).await;
    let old = json!({
        "kind": "event", "appId": app.app_id, "type": "invoice.paid", "data": 1,
        "channels": null, "webhookId": null,
    });
    let id = webhook_endpoints::domain::id::EventId::new().to_string();
    let handled = app
        .queue
        .handle([message(Some(&id), old.to_string())])
        .await;
    assert_eq!(handled, Ok(Vec::new()));
    let tasks = app.queue.tasks().await;
    assert_eq!(tasks[0].endpoint.endpoint_id.to_string(), all);
}
