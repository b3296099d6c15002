//! Events for inactive endpoints are recorded as missed, and a recovery sends them.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Value, json};

use webhook_endpoints::aws::table::attribute;

use crate::support::hand_clock::HandClock;
use crate::support::queue::received_again;
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp};

const NOTHING: Vec<String> = Vec::new();

async fn set_active(app: &TestApp, id: &str, active: bool) {
    let patch = json!({"active": active});
    let updated = app.api.put_json(&format!("/{id}"), &patch).await;
    assert_eq!(updated.status, StatusCode::OK, "{updated:?}");
}

async fn recover(app: &TestApp, id: &str) -> Value {
    let body = json!({"since": "2020-01-01T00:00:00Z", "status": "FAILED"});
    let accepted = app.api.post_json(&format!("/{id}/recover"), &body).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    accepted.data()["deliveries"].clone()
}

#[tokio::test]
async fn events_for_inactive_endpoints_are_recorded_and_recovered() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.subscribe(&receiver.url, &["invoice.*"]).await;
    set_active(&app, &id, false).await;
    let event_id = app.api.must_publish("invoice.paid").await;
    app.api.must_publish("customer.created").await;
    app.queue.settle().await;
    assert_eq!(receiver.received().len(), 0);

    let missed = app.api.must_have_one_delivery(&id).await;
    assert_eq!(missed["status"], "FAILED");
    assert_eq!(missed["attempts"], 0);
    let failed = app.api.page(&id, "status=failed").await.0;
    assert_eq!(failed, std::slice::from_ref(&missed));
    let shown = app.api.delivery(&id, missed["id"].as_str().unwrap()).await;
    assert_eq!(shown["reason"], "ENDPOINT_INACTIVE");
    assert_eq!(shown["error"], "the endpoint was inactive");
    assert_eq!(shown["eventId"], event_id);
    assert_eq!(shown["payload"]["data"], json!({"n": 1}));
    assert_eq!(shown["attemptLog"], json!([]));

    let refused = json!({"since": "2020-01-01T00:00:00Z", "status": "FAILED"});
    let refused = app.api.post_json(&format!("/{id}/recover"), &refused).await;
    refused.must_fail_with(409, "CONFLICT");
    set_active(&app, &id, true).await;
    assert_eq!(recover(&app, &id).await, 1);
    app.queue.settle().await;
    assert_eq!(receiver.must_receive_one().header("webhook-id"), event_id);
    let history = app.api.deliveries(&id).await;
    let statuses: Vec<_> = history.iter().map(|item| &item["status"]).collect();
    assert_eq!(statuses, ["DELIVERED", "FAILED"]);
}

#[tokio::test]
async fn events_for_never_active_endpoints_are_recorded() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let body = json!({"url": "https://example.com/", "events": ["*"], "active": false});
    let created = app.api.post_json("", &body).await;
    let id = created.data()["id"].as_str().unwrap();
    let retention = i64::try_from(app.deliverer.retention.as_millis()).unwrap();
    for millis in [retention - 1000, 1000] {
        clock.advance_millis(millis);
        app.api.must_publish("invoice.paid").await;
        app.queue.settle().await;
    }
    let missed = app.api.must_have_one_delivery(id).await;
    assert_eq!(missed["status"], "FAILED");
}

#[tokio::test]
async fn events_for_disabled_endpoints_are_recorded() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(410, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    for _ in 0..2 {
        app.api.must_publish("invoice.paid").await;
        app.queue.settle().await;
    }
    receiver.must_receive_one();
    let history = app.api.deliveries(&id).await;
    let attempts: Vec<_> = history.iter().map(|item| &item["attempts"]).collect();
    assert_eq!(attempts, [0, 1]);
    assert!(history.iter().all(|item| item["status"] == "FAILED"));
    set_active(&app, &id, true).await;
    assert_eq!(recover(&app, &id).await, 2);
}

#[tokio::test]
async fn endpoints_inactive_beyond_retention_record_no_events() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    set_active(&app, &id, false).await;
    let retention = i64::try_from(app.deliverer.retention.as_millis()).unwrap();
    clock.advance_millis(retention - 1000);
    // Neither update restarts the period of inactivity.
    set_active(&app, &id, false).await;
    let patch = json!({"events": ["*", "a"]});
    app.api.put_json(&format!("/{id}"), &patch).await;
    app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    assert_eq!(app.api.deliveries(&id).await.len(), 1);

    clock.advance_millis(1000);
    app.api.must_publish("invoice.paid").await;
    app.aws.wire.take();
    app.queue.settle().await;
    assert_eq!(app.aws.wire.take(), ["Query"]);
    // The endpoint was active in between, so a new period of inactivity begins.
    set_active(&app, &id, true).await;
    set_active(&app, &id, false).await;
    app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    let history = app.api.deliveries(&id).await;
    assert_eq!(history.len(), 2);
    assert_eq!(
        history[0]["createdAt"]
            .as_str()
            .map(|at| at > history[1]["createdAt"].as_str().unwrap()),
        Some(true)
    );
}

#[tokio::test]
async fn endpoints_without_inactive_since_record_until_retention_ends() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    set_active(&app, &id, false).await;
    let edit = format!("REMOVE #{}", attribute::INACTIVE_SINCE);
    app.aws.edit_endpoint(&id, &edit).await;
    app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    assert_eq!(app.api.deliveries(&id).await.len(), 1);
    let retention = i64::try_from(app.deliverer.retention.as_millis()).unwrap();
    clock.advance_millis(retention);
    app.api.must_publish("invoice.paid").await;
    app.aws.wire.take();
    app.queue.settle().await;
    assert_eq!(app.aws.wire.take(), ["Query"]);
}

#[tokio::test]
async fn a_hundred_inactive_endpoints_cost_four_batch_writes() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let mut missed: BTreeSet<_> = app.api.create_webhooks(99).await.into_iter().collect();
    for id in &missed {
        set_active(&app, id, false).await;
    }
    let (active, _) = app.api.create_webhook(&receiver.url).await;
    app.api.must_publish("invoice.paid").await;
    let event = app.queue.all_queued().await;
    app.aws.wire.take();
    assert_eq!(app.queue.handle(event).await, Ok(NOTHING));
    // A batch has at most 25 writes.
    let mut expected = vec!["BatchWriteItem"; 4];
    // The active one is attempted at once.
    expected.extend(["GetSecretValue", "PutItem", "Query", "UpdateItem"]);
    assert_eq!(app.aws.wire.take(), expected);
    app.queue.settle().await;
    receiver.must_receive_one();
    for item in app.aws.items().await {
        let pk = item["pk"].as_s().unwrap();
        if let Some((_, id)) = pk.split_once("#E#") {
            assert!(missed.remove(id) || id == active);
        }
    }
    assert!(missed.is_empty());
}

#[tokio::test]
async fn missed_events_never_replace_a_delivery() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.api.must_publish("invoice.paid").await;
    let event = app.queue.all_queued().await;
    assert_eq!(app.queue.handle(event.clone()).await, Ok(NOTHING));
    app.queue.settle().await;
    set_active(&app, &id, false).await;
    app.aws.wire.take();
    let back = event.iter().map(|message| received_again(message, 2));
    assert_eq!(app.queue.handle(back).await, Ok(NOTHING));
    assert_eq!(
        app.aws.wire.take(),
        ["PutItem", "Query", "UpdateItem", "UpdateItem"],
        "the fan-out did not resume"
    );
    app.queue.settle().await;
    let delivery = app.api.must_have_one_delivery(&id).await;
    assert_eq!(delivery["status"], "DELIVERED");
}

#[tokio::test]
async fn concurrent_duplicates_leave_the_fan_out_to_the_first_message() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    set_active(&app, &id, false).await;
    app.api.must_publish("invoice.paid").await;
    let event = app.queue.all_queued().await;
    // The event is stored, but its missed delivery is not written yet.
    app.aws.wire.break_calls(&["BatchWriteItem"], Fault::Before);
    assert_eq!(app.queue.handle(event.clone()).await.unwrap().len(), 1);
    app.aws.wire.mend();
    set_active(&app, &id, true).await;
    // Its receive count is 1 again, as for a concurrent duplicate.
    assert_eq!(app.queue.handle(event.clone()).await, Ok(NOTHING));
    assert_eq!(app.queue.tasks().await, []);
    assert_eq!(
        app.queue.delayed().await,
        1,
        "the duplicate does not wait for the lease"
    );
    let back = event.iter().map(|message| received_again(message, 2));
    assert_eq!(app.queue.handle(back).await, Ok(NOTHING));
    app.queue.settle().await;
    receiver.must_receive_one();
}

#[tokio::test]
async fn endpoints_show_when_they_became_inactive() {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let shown = async |expected: Value| {
        let one = app.api.get(&format!("/{id}")).await;
        assert_eq!(one.data()["inactiveSince"], expected);
        let all = app.api.get("?view=full").await;
        assert_eq!(&all.data()[0], one.data());
        one.data().clone()
    };
    shown(Value::Null).await;
    let since = json!("2026-01-31T09:30:00.005Z");
    clock.advance_millis(5);
    set_active(&app, &id, false).await;
    clock.advance_millis(5);
    let sent_back = shown(since.clone()).await;
    let updated = app.api.put_json(&format!("/{id}"), &sent_back).await;
    assert_eq!(updated.status, StatusCode::OK, "{updated:?}");
    shown(since).await;
    set_active(&app, &id, true).await;
    shown(Value::Null).await;
}

#[tokio::test]
async fn unprocessed_missed_events_are_written_again() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    set_active(&app, &id, false).await;
    app.api.must_publish("invoice.paid").await;
    let event = app.queue.all_queued().await;
    let table = app.aws.resources.table_name.clone();
    let left_out = json!({"UnprocessedItems": {table: [
        {"PutRequest": {"Item": {
            "pk": {"S": "APP#another"}, "sk": {"S": "item"},
        }}},
    ]}});
    let left_out = Fault::Answered(Box::leak(left_out.to_string().into_boxed_str()));
    app.aws.wire.break_calls(&["BatchWriteItem"], left_out);
    app.aws.wire.take();
    assert_eq!(app.queue.handle(event.clone()).await.unwrap().len(), 1);
    let calls = app.aws.wire.take();
    let writes = calls.iter().filter(|call| *call == "BatchWriteItem");
    assert_eq!(writes.count(), 5);
    app.aws.wire.mend();
    let back = event.iter().map(|message| received_again(message, 2));
    assert_eq!(app.queue.handle(back).await, Ok(NOTHING));
    assert_eq!(
        app.api.must_have_one_delivery(&id).await["status"],
        "FAILED"
    );
}
