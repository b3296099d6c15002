//! Test pings with a type, which look like events of that type.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::domain::message::{Message, Source};

use crate::support::asserts::{DELIVERY_FIELDS, assert_answered};
use crate::support::hand_clock::HandClock;
use crate::support::receiver::{Received, Receiver};
use crate::support::{Answer, Options, TestApp, answer, fields};

const EXAMPLE: &str = r#"{"invoice": "inv_1", "n": 12345678901234567890.10, "a" :[ 1e2 ]}"#;

async fn add_type(app: &TestApp, name: &str, example: &str) {
    let put = app
        .api
        .by_platform(Method::PUT, &format!("/event-types/{name}"))
        .header("content-type", "application/json")
        .body(format!(r#"{{"description":"","example":{example}}}"#));
    assert!(answer(put).await.status.is_success());
}

async fn ping(app: &TestApp, id: &str, body: &Value) -> Answer {
    app.api.post_json(&format!("/{id}/test-ping"), body).await
}

/// Pings without waiting for the outcome. Returns the delivery's id.
async fn ping_later(app: &TestApp, id: &str) -> String {
    let request = app.api.request(Method::POST, &format!("/{id}/test-ping"));
    let request = request.header("prefer", "respond-async");
    let sent = answer(request.json(&json!({"type": "invoice.paid"}))).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{sent:?}");
    sent.data()["deliveryId"].as_str().unwrap().to_owned()
}

fn test_header(request: &Received) -> Option<&str> {
    request
        .headers
        .get("webhook-test")
        .map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn typed_pings_look_like_events_and_are_marked_as_tests() {
    let app = TestApp::start().await;
    add_type(&app, "invoice.paid", EXAMPLE).await;
    let receiver = Receiver::answering(200, "thank you").await;
    // The endpoint neither subscribes to the type nor is active.
    let (id, secret) = app.api.subscribe(&receiver.url, &["order.*"]).await;
    app.api
        .put_json(&format!("/{id}"), &json!({"active": false}))
        .await;

    let ping = ping(&app, &id, &json!({"type": "invoice.paid"})).await;
    assert_eq!(ping.status, StatusCode::OK, "{ping:?}");
    assert_answered(ping.data(), 200, "thank you");
    let request = receiver.must_receive_one();
    assert!(request.is_signed_with(&secret));
    assert_eq!(test_header(&request), Some("true"));
    assert_eq!(request.header("webhook-id"), ping.data()["deliveryId"]);
    let body = String::from_utf8(request.body.to_vec()).unwrap();
    let history = app.api.deliveries(&id).await;
    let created = history[0]["createdAt"].as_str().unwrap();
    // The example's bytes are sent as they were written.
    let expected = format!(r#"{{"type":"invoice.paid","timestamp":"{created}","data":{EXAMPLE}}}"#);
    assert_eq!(body, expected);

    assert_eq!(history.len(), 1);
    assert_eq!(fields(&history[0]), DELIVERY_FIELDS);
    assert_eq!(history[0]["event"], "invoice.paid");
    let delivery = history[0]["id"].as_str().unwrap();
    let shown = app.api.get(&format!("/{id}/deliveries/{delivery}")).await;
    assert_eq!(shown.data()["test"], true);
    assert_eq!(shown.data()["payload"]["data"]["invoice"], "inv_1");
    let (found, _) = app.api.page(&id, "event=invoice.paid").await;
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn pings_without_a_type_are_plain_test_pings() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let path = format!("/{id}/test-ping");
    let request = || app.api.request(Method::POST, &path);
    for plain in [
        request(),
        request().header("content-length", "0"),
        request().header("content-type", "application/json"),
        request().header("content-type", "text/plain"),
        request().json(&json!({})),
    ] {
        let known = receiver.received().len();
        let ping = answer(plain).await;
        assert_eq!(ping.status, StatusCode::OK, "{ping:?}");
        let arrived = receiver.received_after(known);
        assert_eq!(test_header(&arrived[0]), None);
        let body: Value = serde_json::from_slice(&arrived[0].body).unwrap();
        assert_eq!(body["type"], "test.ping");
        let delivery = ping.data()["deliveryId"].as_str().unwrap();
        let shown = app.api.get(&format!("/{id}/deliveries/{delivery}")).await;
        assert_eq!(shown.data()["test"], true);
    }
}

#[tokio::test]
async fn types_without_an_example_are_refused_and_nothing_is_sent() {
    let app = TestApp::start_with(Options::idle()).await;
    app.must_add_types(&["bare"]).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let before = app.aws.items().await;
    for (body, wrong, message) in [
        (json!({"type": "unknown"}), "type", "unknown"),
        (json!({"type": "bare"}), "type", "bare"),
        (json!({"type": "test.ping"}), "type", "reserved"),
        (json!({"type": "invoice.*"}), "type", "segments"),
        (json!({"type": null}), "type", "string"),
        (json!({"data": 1}), "data", "known field"),
    ] {
        let refused = ping(&app, &id, &body).await;
        refused.must_be_invalid(&[wrong]);
        let text = refused.body["error"]["message"].as_str().unwrap();
        assert!(text.contains(message), "{text}");
    }
    let request = |body: &'static str, media: &str| {
        let request = app.api.request(Method::POST, &format!("/{id}/test-ping"));
        request.header("content-type", media).body(body)
    };
    answer(request("[]", "application/json"))
        .await
        .must_be_invalid(&["body"]);
    answer(request("{", "application/json"))
        .await
        .must_be_invalid(&["body"]);
    let media = answer(request("{}", "text/plain")).await;
    media.must_fail_with(415, "UNSUPPORTED_MEDIA_TYPE");
    let large = json!({"type": "x".repeat(70_000)});
    ping(&app, &id, &large)
        .await
        .must_fail_with(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(app.aws.items().await, before);
    assert!(app.queue.all_queued().await.is_empty());
}

#[tokio::test]
async fn typed_pings_cost_one_more_read() {
    let app = TestApp::start_with(Options::stepwise()).await;
    add_type(&app, "invoice.paid", "1").await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.wire.take();
    ping_later(&app, &id).await;
    let expected = [
        "GetItem",
        "PutItem",
        "SendMessage",
        "UpdateItem",
        "UpdateItem",
    ];
    assert_eq!(app.aws.wire.take(), expected);
}

#[tokio::test]
async fn failed_typed_pings_are_neither_retried_nor_recovered() {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    add_type(&app, "invoice.paid", "1").await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    ping_later(&app, &id).await;
    app.queue.settle().await;
    receiver.must_receive_one();
    let (failed, _) = app.api.page(&id, "status=failed").await;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["event"], "invoice.paid");
    assert_eq!(failed[0]["nextRetryAt"], Value::Null);
    let shown = app.api.get(&format!("/{id}")).await;
    assert_eq!(shown.data()["failingSince"], Value::Null);

    // A recovery neither counts nor resends it, even next to an event that it does resend.
    clock.advance(Duration::from_secs(60));
    let recover = json!({"since": "2026-01-31T00:00:00Z", "status": "FAILED"});
    let path = format!("/{id}/recover");
    let nothing = app.api.post_json(&path, &recover).await;
    assert_eq!(nothing.data()["deliveries"], 0);
    let endpoint = crate::support::queue::endpoint_id(&id);
    let now = clock.now() - Duration::from_secs(1);
    app.aws.seed_event(endpoint, "invoice.paid", now, 500).await;
    let one = app.api.post_json(&path, &recover).await;
    assert_eq!(one.data()["deliveries"], 1);
    app.queue.settle().await;
    let arrived = receiver.received_after(1);
    assert_eq!(arrived.len(), 1);
    assert_eq!(test_header(&arrived[0]), None);
}

#[tokio::test]
async fn resent_typed_pings_stay_tests() {
    let app = TestApp::start_with(Options::stepwise()).await;
    add_type(&app, "invoice.paid", "1").await;
    let receiver = Receiver::answering(500, "").await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    let delivery = ping_later(&app, &id).await;
    app.queue.settle().await;
    // The catalogue may change: a resend sends what was sent before.
    add_type(&app, "invoice.paid", "2").await;
    let path = format!("/{id}/deliveries/{delivery}/resend");
    let resent = app.api.post(&path).await;
    assert_eq!(resent.status, StatusCode::ACCEPTED, "{resent:?}");
    let queued = app.queue.all_queued().await;
    let body = queued[0].body.clone().unwrap();
    let Message::Delivery(task) = Message::from_json(&body).unwrap() else {
        panic!("another kind");
    };
    assert!(matches!(task.source, Source::Ping { .. }));
    app.queue.must_handle(body).await;
    app.queue.settle().await;
    let [first, second] = &receiver.received()[..] else {
        panic!("not two pings");
    };
    for request in [first, second] {
        assert_eq!(test_header(request), Some("true"));
        assert_eq!(request.header("webhook-id"), delivery);
        assert!(request.was_signed_with(&secret));
    }
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn examples_of_any_kind_survive_the_queue() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let large = format!("\"{}\"", r#"\\\""#.repeat(15_000));
    for example in [
        "false",
        "0",
        r#""""#,
        "[]",
        "\"\u{fffe}\u{ffff}\u{2028}\"",
        &large,
    ] {
        add_type(&app, "any", example).await;
        let known = receiver.received().len();
        let sent = ping(&app, &id, &json!({"type": "any"})).await;
        assert_eq!(sent.data()["success"], true, "{example:.20}: {sent:?}");
        let arrived = receiver.received_after(known);
        let body = std::str::from_utf8(&arrived[0].body).unwrap();
        assert!(
            body.ends_with(&format!(r#","data":{example}}}"#)),
            "{example:.20}"
        );
    }
}
