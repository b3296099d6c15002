//! `GET` of one delivery, with payload and attempts.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use webhook_endpoints::domain::failure::Failure;
use webhook_endpoints::domain::id::{DeliveryId, EndpointId};

use crate::support::hand_clock::HandClock;
use crate::support::receiver::Receiver;
use crate::support::{Options, TestApp, fields};

/// The fields of the response, sorted.
const FIELDS: [&str; 15] = [
    "attemptLog",
    "attempts",
    "createdAt",
    "deliveredAt",
    "error",
    "event",
    "eventId",
    "id",
    "nextRetryAt",
    "payload",
    "payloadDeletedAt",
    "reason",
    "responseStatus",
    "status",
    "test",
];

const ATTEMPT_FIELDS: [&str; 8] = [
    "bodyNote",
    "code",
    "durationMs",
    "error",
    "number",
    "responseBody",
    "responseStatus",
    "startedAt",
];

#[tokio::test]
async fn deliveries_show_their_payload_and_every_attempt() {
    let clock = HandClock::at("2026-01-31T09:30:00.250Z");
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let (receiver, status) = Receiver::switched().await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    clock.advance_millis(5_000);
    status.store(201, Ordering::SeqCst);
    app.queue.must_attempt(&task.next()).await;

    let shown = app.api.delivery(&id, task.delivery_id).await;
    assert_eq!(fields(&shown), FIELDS);
    let log = shown["attemptLog"].as_array().unwrap();
    assert!(
        log.iter()
            .all(|attempt| fields(attempt) == ATTEMPT_FIELDS && attempt["durationMs"].is_u64())
    );
    let expected = json!({
        "id": task.delivery_id,
        "event": "invoice.paid",
        "status": "DELIVERED",
        "responseStatus": 201,
        "attempts": 2,
        "createdAt": "2026-01-31T09:30:00.250Z",
        "deliveredAt": shown["deliveredAt"],
        "nextRetryAt": null,
        "eventId": task.source.event_id(),
        "payload": {
            "type": "invoice.paid",
            "timestamp": "2026-01-31T09:30:00.250Z",
            "data": {"n": 1},
        },
        "payloadDeletedAt": null,
        "reason": null,
        "error": null,
        "test": false,
        "attemptLog": [
            {
                "number": 1, "startedAt": "2026-01-31T09:30:00.250Z",
                "durationMs": log[0]["durationMs"], "responseStatus": 500,
                "responseBody": "", "bodyNote": null,
                "code": null, "error": null,
            },
            {
                "number": 2, "startedAt": "2026-01-31T09:30:05.250Z",
                "durationMs": log[1]["durationMs"], "responseStatus": 201,
                "responseBody": "", "bodyNote": null,
                "code": null, "error": null,
            },
        ],
    });
    assert_eq!(shown, expected);
    // The list shows the same values.
    let item = app.api.must_have_one_delivery(&id).await;
    for field in fields(&item) {
        assert_eq!(item[field], shown[field], "{field}");
    }
}

#[tokio::test]
async fn attempts_show_the_first_1000_characters_of_the_response() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver =
        Receiver::responding(|_| axum::response::IntoResponse::into_response("é".repeat(1001)));
    let (id, _) = app.api.create_webhook(&receiver.await.url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    let shown = app.api.delivery(&id, task.delivery_id).await;
    let body = shown["attemptLog"][0]["responseBody"].as_str().unwrap();
    assert_eq!(body, "é".repeat(1000));
}

#[tokio::test]
async fn attempts_without_a_response_show_the_reason() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let (id, _) = app.api.create_webhook("http://127.0.0.1:1/hook").await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    let shown = app.api.delivery(&id, task.delivery_id).await;
    let attempt = &shown["attemptLog"][0];
    assert_eq!(attempt["responseStatus"], Value::Null);
    assert_eq!(attempt["responseBody"], Value::Null);
    assert_eq!(attempt["error"], Failure::ConnectionRefused.to_string());
    assert_eq!(attempt["code"], "connection_refused");
    // The attempt failed, but the delivery is still pending.
    assert_eq!(shown["error"], Value::Null);
}

#[tokio::test]
async fn pings_show_the_payload_they_sent() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "pong").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let ping = app.api.ping_preferring(&id, "respond-async").await;
    let delivery_id = ping.data()["deliveryId"].as_str().unwrap();
    let pending = app.api.delivery(&id, delivery_id).await;
    assert_eq!(pending["status"], "PENDING");
    assert_eq!(pending["attemptLog"], json!([]));
    app.queue.settle().await;
    let shown = app.api.delivery(&id, delivery_id).await;
    assert_eq!(fields(&shown), FIELDS);
    assert_eq!(shown["payload"], pending["payload"]);
    let sent: Value = serde_json::from_slice(&receiver.must_receive_one().body).unwrap();
    assert_eq!(shown["payload"], sent);
    assert_eq!(shown["eventId"], delivery_id);
    assert_eq!(shown["attemptLog"][0]["responseBody"], "pong");
    assert_eq!(shown["test"], true);
}

#[tokio::test]
async fn a_stored_payload_costs_a_second_read() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    let ping = app.api.ping_preferring(&id, "respond-async").await;
    let ping = ping.data()["deliveryId"].as_str().unwrap().to_owned();
    let with_payload = &["BatchGetItem", "GetItem"][..];
    for (delivery_id, reads) in [
        (task.delivery_id.to_string(), with_payload),
        (ping, &["BatchGetItem"]),
    ] {
        app.aws.wire.take();
        app.api.delivery(&id, delivery_id).await;
        assert_eq!(app.aws.wire.take(), reads);
    }
}

#[tokio::test]
async fn deliveries_hidden_from_the_caller_are_not_found() {
    let clock = HandClock::at("2026-01-01T00:00:00Z");
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.subscribe(&receiver.url, &["invoice.paid"]).await;
    let (other, _) = app.api.subscribe(&receiver.url, &["other"]).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    let (delivery, unknown) = (task.delivery_id, DeliveryId::new());
    let missing = EndpointId::new();
    for path in [
        format!("/{id}/deliveries/{unknown}"),
        format!("/{other}/deliveries/{delivery}"),
        format!("/{missing}/deliveries/{delivery}"),
    ] {
        app.api.get(&path).await.must_fail_with(404, "NOT_FOUND");
        let resent = app.api.post(&format!("{path}/resend")).await;
        resent.must_fail_with(404, "NOT_FOUND");
    }
    // Callers of another app cannot even tell that it exists.
    let (other_app, key) = app.other_app().await;
    for app_id in [app.app_id, other_app] {
        let path = format!("/apps/{app_id}/webhooks/{id}/deliveries/{delivery}");
        let request = app.api.bare(reqwest::Method::GET, &path);
        let request = request.header("x-api-key", key.expose());
        let refused = crate::support::answer(request).await;
        refused.must_fail_with(404, "NOT_FOUND");
    }

    let path = format!("/{id}/deliveries/{delivery}");
    clock.advance(app.deliverer.retention - Duration::from_secs(1));
    assert!(app.api.get(&path).await.status.is_success());
    // The item has expired, but DynamoDB has not removed it yet.
    clock.advance(Duration::from_secs(1));
    app.api.get(&path).await.must_fail_with(404, "NOT_FOUND");
    let resent = app.api.post(&format!("{path}/resend")).await;
    resent.must_fail_with(404, "NOT_FOUND");
    assert!(app.queue.all_queued().await.is_empty());

    app.api.delete(&format!("/{id}")).await;
    app.api.get(&path).await.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn malformed_ids_are_not_found() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    for path in [
        "/x/deliveries/y".to_owned(),
        format!("/{id}/deliveries/1"),
        format!("/{id}/deliveries/%7B{id}%7D"),
    ] {
        app.api.get(&path).await.must_fail_with(404, "NOT_FOUND");
        let resent = app.api.post(&format!("{path}/resend")).await;
        resent.must_fail_with(404, "NOT_FOUND");
    }
}
