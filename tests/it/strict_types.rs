//! Strict event types: types that are not in the catalogue are refused.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::domain::id::EventId;

use crate::support::hand_clock::HandClock;
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Answer, Options, TestApp};

const MINUTE: Duration = Duration::from_secs(60);

async fn start() -> (TestApp, HandClock) {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let mut options = Options::stepwise_with(&clock);
    options.settings.strict_event_types = true;
    (TestApp::start_with(options).await, clock)
}

async fn publish(app: &TestApp, event_type: &str) -> Answer {
    app.api
        .publish(&json!({"type": event_type, "data": 1}))
        .await
}

async fn subscribe(app: &TestApp, events: &[&str]) -> Answer {
    let body = json!({"url": "https://example.com/hook", "events": events});
    app.api.post_json("", &body).await
}

/// Asserts that a type is refused, and named.
#[track_caller]
fn assert_unknown(answer: &Answer, field: &str, name: &str) {
    answer.must_be_invalid(&[field]);
    let message = answer.body["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with(field) && message.contains(name),
        "{message}"
    );
}

#[tokio::test]
async fn unknown_types_are_neither_published_nor_stored() {
    let (app, _) = start().await;
    assert_unknown(&publish(&app, "invoice.piad").await, "type", "invoice.piad");
    app.must_add_types(&["invoice.paid"]).await;
    assert_unknown(&publish(&app, "invoice").await, "type", "invoice");
    assert!(app.queue.all_queued().await.is_empty());
    assert_eq!(
        publish(&app, "invoice.paid").await.status,
        StatusCode::ACCEPTED
    );
    assert_eq!(app.queue.all_queued().await.len(), 1);
}

#[tokio::test]
async fn batches_refuse_unknown_types_by_row() {
    let (app, _) = start().await;
    app.must_add_types(&["known"]).await;
    app.aws.wire.take();
    let types = ["known", "unknown", "a..b", "known"];
    let events = types.map(|name| json!({"type": name, "data": 1}));
    let batch = app.api.publish_batch(&events).await;
    assert_eq!(batch.status, StatusCode::ACCEPTED);
    let data = batch.data();
    assert_eq!(
        (&data["accepted"], &data["rejected"]),
        (&json!(2), &json!(2))
    );
    let error = &data["events"][1]["error"];
    assert_eq!(error["code"], "VALIDATION_ERROR");
    assert_eq!(error["details"][0]["field"], "type");
    assert!(error["message"].as_str().unwrap().contains("unknown"));
    assert!(data["events"][0]["id"].is_string() && data["events"][3]["id"].is_string());
    assert_eq!(app.queue.all_queued().await.len(), 2);
    // One read for all types.
    let calls = app.aws.wire.take();
    let reads = calls.iter().filter(|call| *call == "GetItem").count();
    assert!(reads <= 2, "{calls:?}");
    let none = app.api.publish_batch(&events[1..2]).await;
    assert_eq!(none.data()["rejected"], 1);
    assert!(app.queue.all_queued().await.is_empty());
}

#[tokio::test]
async fn subscriptions_need_known_types() {
    let (app, _) = start().await;
    // `*` is accepted even while the catalogue is empty.
    let all = subscribe(&app, &["*"]).await;
    assert_eq!(all.status, StatusCode::CREATED);
    app.must_add_types(&["invoice.paid", "order"]).await;
    let known = ["invoice.paid", "invoice.*", "order", "*"];
    let created = subscribe(&app, &known).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let before = app.aws.items().await;

    // The positions refer to the request, which has a duplicate.
    let refused = subscribe(&app, &["order", "order", "oder", "order.*", "x", "*"]).await;
    refused.must_be_invalid(&["events[2]", "events[3]", "events[4]"]);
    let details = refused.body["error"]["details"].as_array().unwrap();
    for (detail, name) in details.iter().zip(["oder", "order.*", "x"]) {
        assert!(
            detail["message"].as_str().unwrap().contains(name),
            "{detail}"
        );
    }
    let path = format!("/{}", created.data()["id"].as_str().unwrap());
    let update = json!({"events": ["order", "oder"]});
    let refused = app.api.put_json(&path, &update).await;
    assert_unknown(&refused, "events[1]", "oder");
    assert_eq!(app.aws.items().await, before);

    for update in [json!({"events": ["order"]}), json!({"active": true})] {
        let updated = app.api.put_json(&path, &update).await;
        assert_eq!(updated.status, StatusCode::OK, "{updated:?}");
    }
}

#[tokio::test]
async fn deprecated_types_can_be_published_and_subscribed_to() {
    let (app, _) = start().await;
    let body = json!({"description": "", "deprecated": true});
    app.put_type("old", &body).await;
    assert_eq!(publish(&app, "old").await.status, StatusCode::ACCEPTED);
    assert_eq!(subscribe(&app, &["old"]).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn added_types_work_at_once_and_removed_ones_for_one_minute() {
    let (app, clock) = start().await;
    app.must_add_types(&["kept", "removed"]).await;
    assert_eq!(publish(&app, "kept").await.status, StatusCode::ACCEPTED);
    // The names are cached now.
    assert_unknown(&publish(&app, "added").await, "type", "added");
    app.must_add_types(&["added"]).await;
    assert_eq!(publish(&app, "added").await.status, StatusCode::ACCEPTED);

    app.delete_type("removed").await;
    assert_eq!(publish(&app, "removed").await.status, StatusCode::ACCEPTED);
    clock.advance(MINUTE);
    assert_unknown(&publish(&app, "removed").await, "type", "removed");
    assert_eq!(publish(&app, "kept").await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn known_types_cost_one_read_a_minute_or_none_if_not_strict() {
    let (app, clock) = start().await;
    app.must_add_types(&["a", "b", "c.d"]).await;
    app.api.get("").await;
    app.aws.wire.take();
    for _ in 0..2 {
        publish(&app, "a").await;
        assert_eq!(app.aws.wire.take(), ["GetItem", "SendMessage"]);
        for known in ["a", "b", "c.d"] {
            publish(&app, known).await;
            assert_eq!(app.aws.wire.take(), ["SendMessage"]);
        }
        let (id, _) = app
            .api
            .subscribe("https://example.com/", &["a", "c.*"])
            .await;
        assert!(!app.aws.wire.take().is_empty());
        let events = json!({"events": ["b"]});
        app.api.put_json(&format!("/{id}"), &events).await;
        assert_eq!(app.aws.wire.take(), ["UpdateItem"]);
        // An unknown one is looked up each time, because it may have been added.
        for _ in 0..2 {
            publish(&app, "unknown").await;
            assert_eq!(app.aws.wire.take(), ["GetItem"]);
        }
        clock.advance(MINUTE);
    }
    // Malformed types are not looked up.
    publish(&app, "a..b").await;
    subscribe(&app, &["a", "a*"])
        .await
        .must_be_invalid(&["events[1]"]);
    assert!(app.aws.wire.take().is_empty());

    let lenient = TestApp::start_with(Options::stepwise()).await;
    lenient.api.get("").await;
    lenient.aws.wire.take();
    let accepted = publish(&lenient, "unknown").await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    assert_eq!(lenient.aws.wire.take(), ["SendMessage"]);
    assert_eq!(
        subscribe(&lenient, &["x.*"]).await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn nothing_is_accepted_while_the_catalogue_cannot_be_read() {
    let (app, _) = start().await;
    app.must_add_types(&["a"]).await;
    app.api.get("").await;
    app.aws.wire.break_calls(&["GetItem"], Fault::Before);
    let batch = [json!({"type": "a", "data": 1})];
    for refused in [
        publish(&app, "a").await,
        app.api.publish_batch(&batch).await,
        subscribe(&app, &["a"]).await,
    ] {
        refused.must_fail_with(503, "UNAVAILABLE");
    }
    app.aws.wire.mend();
    assert!(app.queue.all_queued().await.is_empty());
    assert!(app.api.listed_ids().await.is_empty());
}

#[tokio::test]
async fn queue_messages_are_not_checked_against_the_catalogue() {
    let (app, _) = start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let message = json!({
        "kind": "event", "appId": app.app_id, "id": EventId::new(), "type": "unknown", "data": 1,
    });
    app.queue.must_handle(message.to_string()).await;
    app.queue.settle().await;
    let body: Value = serde_json::from_slice(&receiver.must_receive_one().body).unwrap();
    assert_eq!(body["type"], "unknown");
    assert_eq!(app.api.deliveries(&id).await.len(), 1);
}
