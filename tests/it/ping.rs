//! Test pings: the API's answer, and what a receiver gets.

use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::id::EndpointId;

use crate::support::asserts::{
    assert_answered, assert_failed, assert_pending, ping_and_history, ping_url,
};
use crate::support::receiver::{Receiver, blunt_receiver, gated_receiver};
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};
use webhook_endpoints::domain::failure::Failure;

#[tokio::test]
async fn pings_arrive_signed_and_are_recorded() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "thank you").await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;

    let ping = ping_and_history(&app, &id).await;
    assert_answered(&ping, 200, "thank you");
    let request = receiver.must_receive_one();
    assert_eq!(request.header("webhook-id"), ping["deliveryId"]);
    assert!(request.is_signed_with(&secret));
}

#[tokio::test]
async fn pings_are_posts_with_exactly_the_documented_headers() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.api.ping(&id).await;

    let request = receiver.must_receive_one();
    assert_eq!(request.method, "POST");
    assert_eq!(request.uri, "/hook");
    let mut names: Vec<_> = request.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "content-length",
            "content-type",
            "host",
            "user-agent",
            "webhook-id",
            "webhook-signature",
            "webhook-timestamp",
        ]
    );
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(
        request.header("user-agent"),
        concat!("webhook-endpoints/", env!("CARGO_PKG_VERSION"))
    );
    assert!(request.header("webhook-signature").starts_with("v1,"));
}

#[tokio::test]
async fn url_path_and_query_are_kept() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let url = format!("{}/a%2Fb?token=x%20y&z", receiver.url);
    let (id, _) = app.api.create_webhook(&url).await;
    app.api.ping(&id).await;
    assert_eq!(receiver.must_receive_one().uri, "/hook/a%2Fb?token=x%20y&z");
}

#[tokio::test]
async fn timestamps_are_seconds_in_the_header_and_milliseconds_in_the_body() {
    let mut options = Options::default();
    // Not a whole second, and just before the next one.
    let now = "2026-01-31T09:30:00.999Z".parse().unwrap();
    options.settings.clock = Clock::from_fn(move || now);
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.api.ping(&id).await;

    let request = receiver.must_receive_one();
    assert_eq!(request.header("webhook-timestamp"), "1769851800");
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let message = body["data"]["message"].as_str().expect("read the message");
    assert_eq!(
        body,
        json!({
            "type": "test.ping",
            "timestamp": "2026-01-31T09:30:00.999Z",
            "data": {"message": message, "webhookId": id},
        })
    );
}

#[tokio::test]
async fn each_ping_is_its_own_delivery() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    let mut pings = Vec::new();
    for _ in 0..3 {
        pings.push(app.api.ping(&id).await["deliveryId"].clone());
    }
    let arrived = receiver.received();
    assert!(
        arrived
            .iter()
            .all(|request| request.is_signed_with(&secret))
    );
    let arrived: Vec<_> = arrived
        .iter()
        .map(|r| json!(r.header("webhook-id")))
        .collect();
    assert_eq!(arrived, pings);
    let mut listed: Vec<_> = app
        .api
        .deliveries(&id)
        .await
        .iter()
        .map(|d| d["id"].clone())
        .collect();
    listed.reverse();
    assert_eq!(listed, pings);
}

#[tokio::test]
async fn inactive_endpoints_can_be_pinged() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let updated = app
        .api
        .put_json(&format!("/{id}"), &json!({"active": false}))
        .await;
    assert_eq!(updated.data()["active"], false);
    assert_answered(&ping_and_history(&app, &id).await, 200, "");
    receiver.must_receive_one();
}

#[tokio::test]
async fn missing_endpoints_cannot_be_pinged() {
    let app = TestApp::start().await;
    app.aws.wire.take();
    let unknown = EndpointId::new();
    let ping = app.api.post(&format!("/{unknown}/test-ping")).await;
    ping.must_fail_with(404, "NOT_FOUND");
    // Reads the key, which is not cached yet, and tries to take the endpoint's slot.
    assert_eq!(app.aws.wire.take(), ["GetItem", "UpdateItem"]);
}

#[tokio::test]
async fn respond_async_answers_at_once_and_the_outcome_is_recorded() {
    let app = TestApp::start().await;
    let (url, gate) = gated_receiver().await;
    let (id, _) = app.api.create_webhook(&url).await;

    // The receiver responds only after this answer has arrived.
    let ping = app.api.ping_preferring(&id, "respond-async").await;
    assert_eq!(ping.status, StatusCode::ACCEPTED);
    assert_eq!(ping.headers["preference-applied"], "respond-async");
    assert_pending(ping.data());
    let pending = app.api.deliveries(&id).await.remove(0);
    assert_eq!(pending["id"], ping.data()["deliveryId"]);
    assert_eq!(pending["status"], "PENDING");
    assert_eq!(pending["attempts"], 0);
    assert_eq!(pending["responseStatus"], Value::Null);
    assert_eq!(pending["deliveredAt"], Value::Null);

    gate.notify_one();
    let delivered = app.api.must_become(&id, "DELIVERED").await;
    assert_eq!(delivered["id"], ping.data()["deliveryId"]);
    assert_eq!(delivered["attempts"], 1);
    assert_eq!(delivered["responseStatus"], 200);
    assert_eq!(delivered["createdAt"], pending["createdAt"]);
}

#[tokio::test]
async fn pings_wait_no_longer_than_the_caller_asked() {
    let app = TestApp::start().await;
    let (url, gate) = gated_receiver().await;
    let (id, _) = app.api.create_webhook(&url).await;
    for prefer in ["wait=0", "wait=1", "respond-async, wait=1"] {
        let ping = app.api.ping_preferring(&id, prefer).await;
        assert_eq!(ping.status, StatusCode::ACCEPTED, "{prefer}");
        assert_eq!(ping.headers["preference-applied"], prefer);
        assert_pending(ping.data());
        gate.notify_one();
        let delivered = app.api.must_become(&id, "DELIVERED").await;
        assert_eq!(delivered["id"], ping.data()["deliveryId"]);
    }
}

#[tokio::test]
async fn pings_wait_no_longer_than_the_default() {
    let mut options = Options::default();
    options.settings.ping_wait = Duration::from_millis(50);
    let app = TestApp::start_with(options).await;
    let (url, gate) = gated_receiver().await;
    let (id, _) = app.api.create_webhook(&url).await;
    let ping = app.api.post(&format!("/{id}/test-ping")).await;
    assert_eq!(ping.status, StatusCode::ACCEPTED);
    assert!(!ping.headers.contains_key("preference-applied"));
    assert_pending(ping.data());
    gate.notify_one();
    app.api.must_become(&id, "DELIVERED").await;
}

#[tokio::test]
async fn longer_waits_than_the_default_are_honoured() {
    let mut options = Options::default();
    options.settings.ping_wait = Duration::ZERO;
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let ping = app.api.ping_preferring(&id, "wait=20").await;
    assert_eq!(ping.status, StatusCode::OK);
    assert_eq!(ping.headers["preference-applied"], "wait=20");
    assert_answered(ping.data(), 200, "");
}

#[tokio::test]
async fn preferences_that_cannot_be_honoured_are_ignored() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    for prefer in ["wait=21", "wait=soon", "handling=strict"] {
        let ping = app.api.ping_preferring(&id, prefer).await;
        assert_eq!(ping.status, StatusCode::OK, "{prefer}");
        assert!(!ping.headers.contains_key("preference-applied"), "{prefer}");
    }
}

#[tokio::test]
async fn failed_pings_are_not_retried() {
    // If the message were not deleted, it would reappear after a second.
    let app = TestApp::start_with(Options {
        visibility_timeout: 1,
        ..Options::default()
    })
    .await;
    let receiver = Receiver::answering(500, "").await;
    assert_answered(&ping_url(&app, &receiver.url).await, 500, "");
    let (url, connections) = blunt_receiver(b"").await;
    assert_failed(&ping_url(&app, &url).await, Failure::Closed);
    app.queue.must_become_empty().await;
    receiver.must_receive_one();
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn first_pings_cost_seven_calls_besides_polling() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.aws.wire.take();
    app.api.ping(&id).await;
    let mut calls = app.aws.wire.take();
    // How often the outcome is polled depends on the receiver.
    calls.retain(|call| call != "GetItem");
    assert_eq!(
        calls,
        [
            "BatchGetItem",
            "GetSecretValue",
            "PutItem",
            "SendMessage",
            // The endpoint's slot, the app's count and the outcome.
            "UpdateItem",
            "UpdateItem",
            "UpdateItem",
        ]
    );
}

#[tokio::test]
async fn waiting_a_second_costs_at_most_six_reads() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("http://127.0.0.1:1/").await;
    app.aws.wire.take();
    let ping = app.api.ping_preferring(&id, "wait=1").await;
    assert_pending(ping.data());
    let mut reads = app.aws.wire.take();
    reads.retain(|call| call == "GetItem");
    // The slower the machine, the fewer.
    assert!((1..=6).contains(&reads.len()), "{}", reads.len());
}

#[tokio::test]
async fn asynchronous_pings_cost_four_calls() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook("http://127.0.0.1:1/").await;
    app.aws.wire.take();
    app.api.ping_preferring(&id, "respond-async").await;
    let calls = ["PutItem", "SendMessage", "UpdateItem", "UpdateItem"];
    assert_eq!(app.aws.wire.take(), calls);
}

#[tokio::test]
async fn pings_refused_by_the_queue_fail_and_are_not_recorded() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.aws.wire.break_calls(&["SendMessage"], Fault::Before);
    let ping = app.api.post(&format!("/{id}/test-ping")).await;
    ping.must_fail_with(503, "UNAVAILABLE");
    assert!(ping.headers.contains_key("retry-after"));
    assert_eq!(app.api.deliveries(&id).await, Vec::<Value>::new());

    app.aws.wire.mend();
    assert_answered(&ping_and_history(&app, &id).await, 200, "");
    receiver.must_receive_one();
}

#[tokio::test]
async fn pings_not_recorded_as_pending_still_have_an_outcome() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.aws.wire.break_calls(&["PutItem"], Fault::Before);
    // Longer than the SDK retries the failing calls.
    let ping = app.api.ping_preferring(&id, "wait=20").await;
    assert_eq!(ping.status, StatusCode::OK);
    assert_answered(ping.data(), 200, "");
    let history = app.api.deliveries(&id).await;
    assert_eq!(history[0]["id"], ping.data()["deliveryId"]);
    assert_eq!(history[0]["status"], "DELIVERED");
}

#[tokio::test]
async fn pings_with_an_unreadable_outcome_are_accepted() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let mut sent = false;
    app.aws.wire.disturb(move |call| {
        sent |= call == "SendMessage";
        (sent && call == "GetItem").then_some(Fault::Before)
    });
    let ping = app.api.ping_preferring(&id, "wait=1").await;
    assert_eq!(ping.status, StatusCode::ACCEPTED);
    assert_pending(ping.data());
    app.aws.wire.mend();
    let delivered = app.api.must_become(&id, "DELIVERED").await;
    assert_eq!(delivered["id"], ping.data()["deliveryId"]);
}
