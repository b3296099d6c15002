//! `DELETE /apps/{appId}/events/{eventId}`: deletes an event's payload and the responses to
//! it, but keeps the record of its deliveries.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::domain::delivery::{Answer as Answered, Attempt, Verdict};
use webhook_endpoints::domain::id::{EndpointId, EventId};
use webhook_endpoints::domain::message::{DeliveryTask, Erasure, Message};

use crate::support::calls::{Call, Ids, call_named};
use crate::support::hand_clock::HandClock;
use crate::support::queue::endpoint_id;
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Answer, Options, TestApp, answer};

/// Data that must not be found after the deletion.
const PRIVATE: &str = "jane.doe@example.com";

const ANSWER: &str = "stored jane.doe@example.com";

async fn delete(app: &TestApp, event: &str) -> Answer {
    let ids = Ids {
        event: event.to_owned(),
        ..Ids::unknown()
    };
    app.api.call(&call_named("deleteEvent", &ids)).await
}

async fn must_delete(app: &TestApp, event: &str) {
    let deleted = delete(app, event).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    assert_eq!(deleted.body, Value::Null);
}

async fn publish(app: &TestApp) -> String {
    let body = json!({"type": "user.created", "data": {"email": PRIVATE}});
    let accepted = app.api.publish(&body).await;
    accepted.data()["id"].as_str().unwrap().to_owned()
}

async fn shown(app: &TestApp, event: &str) -> Value {
    let found = app.api.call(&Call::get_event(event)).await;
    found.data().clone()
}

async fn must_have_nothing_private(app: &TestApp) {
    let table = app.aws.table_text().await;
    assert!(!table.contains(PRIVATE), "{table}");
}

#[tokio::test]
async fn deleted_events_keep_their_record() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let taking = Receiver::answering(200, ANSWER).await;
    let failing = Receiver::answering(500, ANSWER).await;
    let (first, _) = app.api.create_webhook(&taking.url).await;
    let (second, _) = app.api.create_webhook(&failing.url).await;
    let event = publish(&app).await;
    app.queue.settle().await;
    let delivered = app.api.must_have_one_delivery(&first).await["id"].clone();
    let path = format!("/{first}/deliveries/{}", delivered.as_str().unwrap());
    let resent = app.api.post(&format!("{path}/resend")).await;
    app.queue.settle().await;
    assert!(app.aws.table_text().await.contains(PRIVATE));

    clock.advance(Duration::from_secs(60));
    must_delete(&app, &event).await;
    must_have_nothing_private(&app).await;
    let deleted_at = format!("{:.3}", clock.now());
    let found = shown(&app, &event).await;
    assert_eq!(found["type"], "user.created");
    assert_eq!(found["payload"], Value::Null);
    assert_eq!(found["payloadDeletedAt"], deleted_at);
    let deliveries = found["deliveries"].as_array().unwrap().iter();
    let deliveries: Vec<_> = deliveries
        .map(|delivery| {
            [
                &delivery["webhookId"],
                &delivery["status"],
                &delivery["responseStatus"],
                &delivery["nextRetryAt"],
                &delivery["reason"],
            ]
        })
        .collect();
    assert_eq!(
        json!(deliveries),
        json!([
            [second, "FAILED", 500, null, "PAYLOAD_DELETED"],
            [first, "DELIVERED", 200, null, null],
        ])
    );
    for id in [&delivered, &resent.data()["id"]] {
        let delivery = app.api.delivery(&first, id.as_str().unwrap()).await;
        assert_eq!(delivery["status"], "DELIVERED");
        assert_eq!(delivery["payload"], Value::Null);
        assert_eq!(delivery["payloadDeletedAt"], deleted_at);
        assert_eq!(delivery["attemptLog"][0]["responseStatus"], 200);
        assert_eq!(delivery["attemptLog"][0]["responseBody"], "");
    }

    // Repeating the deletion changes nothing.
    clock.advance(Duration::from_secs(60));
    must_delete(&app, &event).await;
    assert_eq!(shown(&app, &event).await, found);
}

#[tokio::test]
async fn nothing_is_sent_after_a_deletion() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let event = publish(&app).await;
    let tasks = app.queue.fan_out().await;
    must_delete(&app, &event).await;
    app.queue.must_attempt(&tasks[0]).await;
    assert_eq!(receiver.received().len(), 0);
    let delivery = app.api.must_have_one_delivery(&id).await;
    let delivery = app
        .api
        .delivery(&id, delivery["id"].as_str().unwrap())
        .await;
    assert_eq!(delivery["status"], "FAILED");
    assert_eq!(delivery["reason"], "PAYLOAD_DELETED");
    assert_eq!(
        delivery["error"],
        "the payload was deleted before the attempt"
    );
}

#[tokio::test]
async fn deleted_events_are_not_retried() {
    let clock = HandClock::at_now();
    let mut options = Options::stepwise_with(&clock);
    options.settings.policy.schedule = "7200".parse().unwrap();
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(500, "").await;
    app.api.create_webhook(&receiver.url).await;
    let event = publish(&app).await;
    app.queue.settle().await;
    must_delete(&app, &event).await;
    clock.advance(Duration::from_secs(3 * 60 * 60));
    assert_eq!(app.queue.sweep_for_attempts().await, []);
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn queued_events_can_be_deleted_before_any_delivery() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let keyed = || app.api.publishing().header("idempotency-key", "k");
    let body = r#"{"type":"a","data":1}"#;
    let of_key = answer(keyed().body(body)).await.data()["id"].clone();
    for event in [&publish(&app).await, of_key.as_str().unwrap()] {
        must_delete(&app, event).await;
    }
    answer(keyed().body(body)).await;
    app.queue.settle().await;
    assert_eq!(receiver.received().len(), 0);
    must_have_nothing_private(&app).await;
    let found = shown(&app, of_key.as_str().unwrap()).await;
    assert_eq!(found["type"], Value::Null);
    assert_eq!(found["deliveries"], json!([]));
    assert!(found["payloadDeletedAt"].is_string(), "{found}");
    must_delete(&app, of_key.as_str().unwrap()).await;
}

#[tokio::test]
async fn interrupted_fan_outs_of_deleted_events_stop() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let event = publish(&app).await;
    let queued = app.queue.all_queued().await;
    let queue = app.queue.by_message();
    app.aws
        .wire
        .break_calls(&["SendMessageBatch"], Fault::Before);
    assert_eq!(queue.handle(queued.clone()).await.unwrap().len(), 1);
    app.aws.wire.mend();
    must_delete(&app, &event).await;
    assert_eq!(queue.handle(queued).await, Ok(Vec::new()));
    app.queue.settle().await;
    assert_eq!(receiver.received().len(), 0);
    assert_eq!(app.api.deliveries(&id).await, Vec::<Value>::new());
}

#[tokio::test]
async fn responses_to_attempts_under_way_are_erased_later() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let event = publish(&app).await;
    let mut tasks = app.queue.fan_out().await;
    must_delete(&app, &event).await;
    // A second erasure is scheduled, for attempts that are under way now.
    assert_eq!(app.queue.delayed().await, 1);
    // An attempt that began before the deletion and ends now.
    let answered = |task: &DeliveryTask| Attempt {
        number: task.attempt,
        started_at: app.deliverer.clock.now(),
        duration_ms: 1,
        verdict: Verdict::Answered(Answered {
            body: ANSWER.to_owned(),
            ..Answered::bare(200)
        }),
    };
    let first = tasks.remove(0);
    app.aws.record(&first, &answered(&first), None).await;
    assert!(app.aws.table_text().await.contains(PRIVATE));
    let erasure = Message::Erase(Erasure {
        app_id: app.app_id,
        event_id: first.source.event_id(),
    });
    app.queue.must_handle(erasure.to_json().unwrap()).await;
    must_have_nothing_private(&app).await;
    let delivery = app.api.must_have_one_delivery(&id).await;
    assert_eq!(delivery["status"], "DELIVERED");
}

#[tokio::test]
async fn deleted_events_are_not_resent_or_recovered() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let now = app.deliverer.clock.now() - Duration::from_secs(60);
    let failed = app.aws.seed_failures(endpoint_id(&id), 2, now).await;
    must_delete(&app, &failed[0].source.event_id().to_string()).await;
    let path = format!("/{id}/deliveries/{}/resend", failed[0].delivery_id);
    app.api.post(&path).await.must_fail_with(409, "CONFLICT");
    let span = json!({"since": "2026-01-01T00:00:00Z", "status": "FAILED"});
    let recovered = app.api.post_json(&format!("/{id}/recover"), &span).await;
    assert_eq!(recovered.data()["deliveries"], 1);
    let tasks = app.queue.fan_out().await;
    let events: Vec<_> = tasks.iter().map(|task| task.source.event_id()).collect();
    assert_eq!(events, [failed[1].source.event_id()]);
}

#[tokio::test]
async fn unknown_and_expired_events_cannot_be_deleted() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let items = app.aws.items().await;
    let (other, _) = app.other_app().await;
    for id in [
        EventId::new().to_string(),
        EventId::issue(other).to_string(),
        EndpointId::new().to_string(),
        "x".to_owned(),
    ] {
        delete(&app, &id).await.must_fail_with(404, "NOT_FOUND");
    }
    // Expired events are missing, even if DynamoDB has not removed them yet.
    let (endpoint, _) = app.api.create_webhook("https://example.com/hook").await;
    let now = clock.now();
    let seeded = app
        .aws
        .seed_event(endpoint_id(&endpoint), "a", now, 200)
        .await;
    let issued = publish(&app).await;
    clock.advance(app.deliverer.retention + Duration::from_secs(120));
    for id in [seeded.source.event_id().to_string(), issued] {
        delete(&app, &id).await.must_fail_with(404, "NOT_FOUND");
    }
    assert!(app.aws.items().await.len() > items.len());
}
