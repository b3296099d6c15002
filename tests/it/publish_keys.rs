//! Publishing with an idempotency key.

use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use crate::publish::{id, publish_with_key};
use crate::support::receiver::Receiver;
use crate::support::{Options, TestApp, answer};

#[tokio::test]
async fn events_with_one_idempotency_key_are_delivered_once() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (endpoint, _) = app.api.create_webhook(&receiver.url).await;
    let first = id(&publish_with_key(&app, "order-1").await);
    app.queue.settle().await;
    assert_eq!(id(&publish_with_key(&app, "order-1").await), first);
    app.queue.settle().await;
    assert_eq!(receiver.must_receive_one().header("webhook-id"), first);
    app.api.must_have_one_delivery(&endpoint).await;

    let other = id(&publish_with_key(&app, "order-2").await);
    assert_ne!(other, first);
    app.queue.settle().await;
    assert_eq!(app.api.deliveries(&endpoint).await.len(), 2);
}

#[tokio::test]
async fn events_published_twice_concurrently_are_delivered_once() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (endpoint, _) = app.api.create_webhook(&receiver.url).await;
    let (one, two) = tokio::join!(publish_with_key(&app, "k"), publish_with_key(&app, "k"));
    assert_eq!(id(&one), id(&two));
    // Both messages are fanned out concurrently.
    let both = app.queue.all_queued().await;
    assert_eq!(both.len(), 2);
    assert_eq!(app.queue.handle(both).await, Ok(Vec::new()));
    app.queue.settle().await;
    receiver.must_receive_one();
    app.api.must_have_one_delivery(&endpoint).await;
}

#[tokio::test]
async fn first_event_with_an_idempotency_key_wins() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    for n in [1, 2] {
        let request = app.api.publishing().header("idempotency-key", "k");
        let body = json!({"type": "a", "data": n});
        answer(request.body(body.to_string())).await;
        app.queue.settle().await;
    }
    let sent: Value = serde_json::from_slice(&receiver.must_receive_one().body).unwrap();
    assert_eq!(sent["data"], 1);
}

#[tokio::test]
async fn idempotency_keys_are_scoped_to_their_app() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let own = id(&publish_with_key(&app, "order-1").await);
    let (other, key) = app.other_app().await;
    let request = app
        .api
        .bare(reqwest::Method::POST, &format!("/apps/{other}/events"))
        .header("x-api-key", key.expose())
        .header("idempotency-key", "order-1")
        .json(&json!({"type": "invoice.paid", "data": {}}));
    assert_ne!(id(&answer(request).await), own);
}

#[tokio::test]
async fn idempotency_keys_have_1_to_255_visible_characters() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let longest = "k".repeat(255);
    for good in ["k", "!~", &longest] {
        id(&publish_with_key(&app, good).await);
    }
    let too_long = "k".repeat(256);
    for bad in [
        b"".as_slice(),
        too_long.as_bytes(),
        b"a b",
        b"a,b",
        "é".as_bytes(),
        b"\xff",
    ] {
        let request = app
            .api
            .publishing()
            .header("idempotency-key", HeaderValue::from_bytes(bad).unwrap());
        let refused = answer(request.body(r#"{"type":"a","data":1}"#)).await;
        refused.must_be_invalid(&["Idempotency-Key"]);
    }
}
