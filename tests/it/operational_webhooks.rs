//! Operational webhooks: the notices that the operator gets at endpoints of the reserved app.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use reqwest::Method;
use serde_json::{Value, json};
use webhook_endpoints::delivery::delete_app::MARKED_FOR;
use webhook_endpoints::domain::id::AppId;
use webhook_endpoints::domain::message::{AppDeletion, Message};

use crate::support::hand_clock::HandClock;
use crate::support::operator::Operator;
use crate::support::queue::is_notice;
use crate::support::receiver::Receiver;
use crate::support::{Options, TestApp, answer, fields};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// An operator's endpoint, and a customer's endpoint whose answers the test chooses.
struct Watched {
    app: TestApp,
    clock: HandClock,
    operator: Operator,
    status: Arc<AtomicU16>,
    id: String,
}

impl Watched {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = HandClock::at("2026-01-01T00:00:00Z");
        let mut options = Options::stepwise_with(&clock);
        options.settings.policy.health.pause_after = MINUTE;
        options.settings.policy.schedule = "86400,86400".parse().unwrap();
        change(&mut options);
        let app = TestApp::start_with(options).await;
        let operator = Operator::watch(&app).await;
        let (receiver, status) = Receiver::switched().await;
        let url = format!("{}?token=t0ken", receiver.url);
        let (id, _) = app.api.create_webhook(&url).await;
        Self {
            app,
            clock,
            operator,
            status,
            id,
        }
    }

    /// Publishes an event to the customer's endpoint, which answers with this status, and
    /// handles every message that follows without a delay.
    async fn deliver(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
        self.app.api.must_publish("invoice.paid").await;
        self.app.queue.settle().await;
    }
}

#[tokio::test]
async fn operators_are_notified_of_failures_pauses_and_recoveries() {
    let it = Watched::start().await;
    it.deliver(500).await;
    it.clock.advance(MINUTE);
    it.deliver(500).await;
    // This delivery waits, and becomes the probe.
    it.deliver(500).await;
    it.status.store(200, Ordering::SeqCst);
    it.clock.advance(HOUR);
    it.app.queue.enqueue(r#"{"kind":"sweep"}"#).await;
    it.app.queue.settle().await;
    assert_eq!(
        it.operator.told_types(),
        ["endpoint.failing", "endpoint.paused", "endpoint.recovered"]
    );
    for told in it.operator.told() {
        assert_eq!(fields(&told), ["data", "timestamp", "type"]);
        let data = &told["data"];
        let expected = ["appId", "deliveryId", "failingSince", "host", "webhookId"];
        assert_eq!(fields(data), expected);
        assert_eq!(data["appId"], it.app.app_id.as_str());
        assert_eq!(data["webhookId"], *it.id);
        assert_eq!(data["host"], "127.0.0.1");
        assert_eq!(data["failingSince"], "2026-01-01T00:00:00.000Z");
    }
    for request in it.operator.receiver.received() {
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        assert!(!body.contains("t0ken"), "{body}");
    }
}

#[tokio::test]
async fn operators_are_notified_of_disabled_endpoints() {
    let it = Watched::start().await;
    it.deliver(410).await;
    // There is no notice of the delivery, which did not use up its attempts.
    assert_eq!(it.operator.told_types(), ["endpoint.disabled"]);
    let data = it.operator.told()[0]["data"].clone();
    assert_eq!(data["reason"], "GONE");
    assert_eq!(data["failingSince"], Value::Null);
    // The first success after an activation counts as a recovery, although nothing has failed
    // since then.
    let active = json!({"active": true});
    let path = format!("/{}", it.id);
    it.app.api.put_json(&path, &active).await.data();
    for _ in 0..2 {
        it.deliver(200).await;
    }
    assert_eq!(
        it.operator.told_types(),
        ["endpoint.disabled", "endpoint.recovered"]
    );
}

#[tokio::test]
async fn operators_are_notified_of_exhausted_deliveries() {
    let it = Watched::start().await;
    let first = it.app.queue.first_attempt().await;
    for task in [&first, &first.next(), &first.next().next()] {
        assert!(!it.operator.was_told("delivery.failed"));
        it.app.queue.must_attempt(task).await;
        it.app.queue.settle().await;
    }
    let told = it.operator.told().pop().unwrap();
    assert_eq!(told["type"], "delivery.failed");
    assert_eq!(
        told["data"],
        json!({
            "appId": it.app.app_id.as_str(),
            "webhookId": it.id,
            "host": "127.0.0.1",
            "deliveryId": first.delivery_id.to_string(),
            "eventId": first.source.event_id().to_string(),
            "eventType": "invoice.paid",
            "attempts": 3,
            "responseStatus": 500,
        })
    );
}

#[tokio::test]
async fn failed_deliveries_are_notified_once_a_minute_per_endpoint() {
    let it = Watched::start_with(|options| {
        options.settings.policy.health.pause_after = HOUR;
    })
    .await;
    let exhaust = async |count: usize| {
        for _ in 0..count {
            let first = it.app.queue.first_attempt().await;
            it.app.queue.must_attempt(&first.next().next()).await;
            it.app.queue.settle().await;
        }
        let told = it.operator.told_types();
        told.iter()
            .filter(|told| *told == "delivery.failed")
            .count()
    };
    assert_eq!(exhaust(5).await, 1);
    it.clock.advance(MINUTE);
    assert_eq!(exhaust(5).await, 2);
}

#[tokio::test]
async fn flapping_endpoints_send_two_notices_in_ten_minutes() {
    let it = Watched::start().await;
    for _ in 0..10 {
        it.deliver(500).await;
        it.deliver(200).await;
        it.clock.advance(Duration::from_secs(50));
    }
    let twice = ["endpoint.failing", "endpoint.recovered"];
    assert_eq!(it.operator.told_types(), twice);
    it.clock.advance(MINUTE * 10);
    it.deliver(500).await;
    it.deliver(200).await;
    assert_eq!(it.operator.told_types(), [twice, twice].concat());
}

#[tokio::test]
async fn operators_are_notified_once_an_app_is_deleted() {
    let it = Watched::start().await;
    it.app.create_app().await;
    let path = format!("/apps/{}", it.app.app_id);
    let deleted = answer(it.app.api.by_platform(Method::DELETE, &path)).await;
    assert_eq!(deleted.status, reqwest::StatusCode::ACCEPTED);
    it.app.queue.settle().await;
    assert_eq!(it.operator.told_types(), [""; 0]);
    it.clock.advance(MARKED_FOR);
    let app_id = it.app.app_id;
    let last = Message::DeleteApp(AppDeletion { app_id });
    it.app.queue.must_handle(last.to_json().unwrap()).await;
    it.app.queue.settle().await;
    let told = it.operator.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["type"], "app.deleted");
    let data = json!({"appId": app_id.as_str(), "requestedAt": "2026-01-01T00:00:00.000Z"});
    assert_eq!(told[0]["data"], data);
}

#[tokio::test]
async fn the_operators_own_endpoints_cause_no_notices() {
    let it = Watched::start().await;
    let receiver = Receiver::responding(|_| StatusCode::GONE.into_response()).await;
    Operator::watch_with(&it.app, receiver.clone()).await;
    it.deliver(500).await;
    receiver.must_receive_one();
    it.app.queue.settle().await;
    assert_eq!(it.operator.told_types(), ["endpoint.failing"]);
    // The operator's endpoint is disabled nevertheless.
    let path = format!("/apps/{}/webhooks?view=full", AppId::operational());
    let listed = answer(it.app.api.by_platform(Method::GET, &path)).await;
    let states: Vec<_> = listed.data().as_array().unwrap().iter().collect();
    assert_eq!(states[0]["disabledReason"], "GONE");
}

#[tokio::test]
async fn notices_without_subscribers_cost_a_message_and_a_query() {
    let mut options = Options::stepwise();
    options.settings.policy.health.pause_after = MINUTE;
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(500, "").await;
    app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.aws.wire.take();
    app.queue.must_attempt(&task).await;
    let transition = [
        "BatchGetItem",
        "GetSecretValue",
        "SendMessage",
        "SendMessageBatch",
        "UpdateItem",
        "UpdateItem",
    ];
    assert_eq!(app.aws.wire.take(), transition);
    let queued = app.queue.queued().await;
    let body = queued[0].body.as_deref().unwrap();
    assert!(is_notice(&Message::from_json(body).unwrap()), "{body}");
    assert_eq!(app.queue.handle(queued).await, Ok(Vec::new()));
    assert_eq!(app.aws.wire.take(), ["Query"]);
    assert_eq!(receiver.received().len(), 1);
}
