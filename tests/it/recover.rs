//! Recoveries, which resend the deliveries that failed in a time range.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::json;
use tokio::time::Instant;
use webhook_endpoints::aws::table::FailedCount;
use webhook_endpoints::domain::delivery::Attempt;
use webhook_endpoints::domain::event_type::EventType;
use webhook_endpoints::domain::id::{DeliveryId, EndpointId, EventId};
use webhook_endpoints::domain::message::{DeliveryTask, Message, Recovery};

use crate::support::hand_clock::HandClock;
use crate::support::queue::{endpoint_id, is_notice};
use crate::support::receiver::Receiver;
use crate::support::seeds::{answered, seeded_payload};
use crate::support::wire::Fault;
use crate::support::{Answer, Options, TestApp};

const START: &str = "2026-01-31T09:30:00Z";
const HOUR: Duration = Duration::from_secs(60 * 60);

async fn start(url: &str) -> (TestApp, HandClock, String) {
    let clock = HandClock::at(START);
    let mut options = Options::stepwise_with(&clock);
    options.settings.chunks.recovery = 25;
    let app = TestApp::start_with(options).await;
    let (id, _) = app.api.create_webhook(url).await;
    (app, clock, id)
}

async fn recover(app: &TestApp, id: &str, since: Timestamp, until: Option<Timestamp>) -> Answer {
    let mut body = json!({"since": since.to_string(), "status": "FAILED"});
    if let Some(until) = until {
        body["until"] = json!(until.to_string());
    }
    app.api.post_json(&format!("/{id}/recover"), &body).await
}

#[track_caller]
fn assert_accepted(answer: &Answer, deliveries: u32) {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let data = json!({"deliveries": deliveries, "atLeast": false});
    assert_eq!(answer.body, json!({"success": true, "data": data}));
}

/// Handles the queued recovery chunk by chunk. Returns the attempts that it makes and the
/// number of chunks.
async fn recovered(app: &TestApp) -> (Vec<DeliveryTask>, usize) {
    let (mut tasks, mut chunks) = (Vec::new(), 0);
    loop {
        let queued = app.queue.all_queued().await;
        if queued.is_empty() {
            return (tasks, chunks);
        }
        for message in queued {
            let body = message.body.clone().unwrap();
            match Message::from_json(&body).unwrap() {
                Message::Delivery(task) => tasks.push(task),
                Message::Recover(_) => {
                    chunks += 1;
                    app.queue.must_handle(body).await;
                }
                message if is_notice(&message) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn events(tasks: &[DeliveryTask]) -> BTreeSet<EventId> {
    tasks.iter().map(|task| task.source.event_id()).collect()
}

#[tokio::test]
async fn failed_deliveries_are_resent_with_the_same_webhook_ids() {
    let receiver = Receiver::answering(200, "").await;
    let (app, clock, id) = start(&receiver.url).await;
    let failed = app
        .aws
        .seed_failures(endpoint_id(&id), 3, clock.now())
        .await;
    app.aws
        .seed_event(endpoint_id(&id), "invoice.paid", clock.now(), 200)
        .await;
    clock.advance(HOUR);
    let history = app.api.deliveries(&id).await;
    let accepted = recover(&app, &id, clock.now() - HOUR, None).await;
    assert_accepted(&accepted, 3);
    // Recoveries run in the background, so nothing is sent yet.
    assert_eq!(receiver.received().len(), 0);
    app.queue.settle().await;

    let received = receiver.received();
    let sent: BTreeSet<_> = received.iter().map(|r| r.header("webhook-id")).collect();
    let expected: BTreeSet<_> = failed
        .iter()
        .map(|t| t.source.event_id().to_string())
        .collect();
    assert_eq!(sent, expected.iter().map(String::as_str).collect());
    assert_eq!(received.len(), 3);
    let event = received[0].header("webhook-id");
    let task = failed
        .iter()
        .find(|t| t.source.event_id().to_string() == event);
    let payload = seeded_payload(task.unwrap());
    assert_eq!(String::from_utf8_lossy(&received[0].body), payload);
    // There are new deliveries, and the old ones are unchanged.
    let now = app.api.deliveries(&id).await;
    assert_eq!(now.len(), history.len() + 3);
    assert_eq!(now[3..], history);
    for item in &now[..3] {
        assert_eq!(item["status"], "DELIVERED");
        assert_eq!(item["createdAt"], "2026-01-31T10:30:00.000Z");
    }
}

#[tokio::test]
async fn since_is_inclusive_and_until_exclusive() {
    let (app, clock, id) = start("https://example.com/hook").await;
    let first = clock.now();
    let failed = app.aws.seed_failures(endpoint_id(&id), 5, first).await;
    clock.advance(HOUR);
    let (since, until) = (
        first + Duration::from_millis(1),
        first + Duration::from_millis(4),
    );
    assert_accepted(&recover(&app, &id, since, Some(until)).await, 3);
    let (tasks, _) = recovered(&app).await;
    assert_eq!(events(&tasks), events(&failed[1..4]));

    for (since, deliveries) in [(since, 4), (until, 1)] {
        assert_accepted(&recover(&app, &id, since, None).await, deliveries);
        recovered(&app).await;
    }
    let after = until + Duration::from_millis(1);
    assert_accepted(&recover(&app, &id, after, None).await, 0);
}

#[tokio::test]
async fn only_failed_deliveries_other_than_test_pings_are_resent() {
    let (app, clock, id) = start("https://example.com/hook").await;
    let endpoint = endpoint_id(&id);
    let (other, _) = app.api.create_webhook("https://example.com/other").await;
    let now = clock.now();
    let key = app.aws.endpoint_key(endpoint);
    let event_type = EventType::parse("invoice.paid").unwrap();
    for ping in [
        DeliveryTask::ping(key, now, app.deliverer.retention).unwrap(),
        DeliveryTask::ping_like(event_type, "1", key, now, app.deliverer.retention),
    ] {
        let attempt = Attempt {
            number: 1,
            started_at: now,
            duration_ms: 1,
            verdict: answered(500),
        };
        app.aws.record(&ping, &attempt, None).await;
    }
    app.aws.seed_event(endpoint, "invoice.paid", now, 200).await;
    app.aws.seed_failures(endpoint_id(&other), 2, now).await;
    let expired = now - app.deliverer.retention - HOUR;
    app.aws
        .seed_event(endpoint, "invoice.paid", expired, 500)
        .await;
    let failed = app.aws.seed_failures(endpoint, 1, now).await;
    clock.advance(HOUR);
    let since = expired - HOUR;
    assert_accepted(&recover(&app, &id, since, None).await, 1);
    let (tasks, _) = recovered(&app).await;
    assert_eq!(events(&tasks), events(&failed));
}

#[tokio::test]
async fn recoveries_of_several_chunks_continue_until_all_are_sent() {
    let (app, clock, id) = start("https://example.com/hook").await;
    let first = clock.now();
    let failed = app.aws.seed_failures(endpoint_id(&id), 51, first).await;
    clock.advance(HOUR);
    assert_accepted(&recover(&app, &id, first, None).await, 51);
    let (tasks, chunks) = recovered(&app).await;
    assert_eq!(tasks.len(), 51);
    assert_eq!(events(&tasks), events(&failed));
    assert_eq!(chunks, 3);
}

#[tokio::test]
async fn interrupted_chunks_are_repeated_with_the_same_deliveries() {
    for (call, first_call, fault) in [
        // From the second of the three batches on.
        ("SendMessageBatch", 2, Fault::Before),
        ("SendMessageBatch", 2, Fault::After),
        // The message of the next chunk.
        ("SendMessage", 1, Fault::Before),
        ("SendMessage", 1, Fault::After),
    ] {
        let (app, clock, id) = start("https://example.com/hook").await;
        let first = clock.now();
        let failed = app.aws.seed_failures(endpoint_id(&id), 26, first).await;
        clock.advance(HOUR);
        assert_accepted(&recover(&app, &id, first, None).await, 26);
        let message = app.queue.all_queued().await;
        app.aws.wire.break_from(call, first_call, fault);
        let back = app.queue.handle(message.clone()).await.unwrap();
        assert_eq!(back.len(), 1, "{call} {fault:?}");
        app.aws.wire.mend();
        assert_eq!(app.queue.handle(message).await, Ok(Vec::new()));
        let (tasks, _) = recovered(&app).await;
        let ids: BTreeSet<_> = tasks.iter().map(|task| task.delivery_id).collect();
        assert_eq!(ids.len(), 26, "{call} {fault:?}");
        assert_eq!(events(&tasks), events(&failed));
    }
}

/// A recovery of everything up to a limit.
fn recovery_of(app: &TestApp, id: &str, remaining: u32) -> Recovery {
    Recovery {
        id: EventId::new(),
        endpoint: app.aws.endpoint_key(endpoint_id(id)),
        asked_at: app.deliverer.clock.now(),
        from: DeliveryId::MIN,
        before: DeliveryId::MAX,
        remaining,
    }
}

#[tokio::test]
async fn recoveries_stop_at_their_limit() {
    let (app, clock, id) = start("https://example.com/hook").await;
    let first = clock.now();
    let failed = app.aws.seed_failures(endpoint_id(&id), 10, first).await;
    clock.advance(HOUR);
    let recovery = recovery_of(&app, &id, 4);
    let soon = Instant::now() + HOUR;
    let table = app.aws.table();
    let counted = table.count_failed(&recovery, clock.now(), soon).await;
    let expected = FailedCount {
        deliveries: 4,
        at_least: false,
    };
    assert_eq!(counted.unwrap(), expected);
    app.queue
        .must_handle(Message::Recover(recovery).to_json().unwrap())
        .await;
    let (tasks, _) = recovered(&app).await;
    // The newest ones are recovered.
    assert_eq!(events(&tasks), events(&failed[6..]));
}

#[tokio::test]
async fn limits_of_recoveries_hold_across_chunks() {
    let (app, clock, id) = start("https://example.com/hook").await;
    let first = clock.now();
    let failed = app.aws.seed_failures(endpoint_id(&id), 55, first).await;
    clock.advance(HOUR);
    let recovery = Message::Recover(recovery_of(&app, &id, 30));
    app.queue.enqueue(&recovery.to_json().unwrap()).await;
    let (tasks, chunks) = recovered(&app).await;
    assert_eq!(events(&tasks), events(&failed[25..]));
    assert_eq!(chunks, 2);
}

#[tokio::test]
async fn repeated_recovery_messages_make_the_same_deliveries() {
    let receiver = Receiver::answering(410, "").await;
    let (app, clock, id) = start(&receiver.url).await;
    let first = clock.now();
    app.aws.seed_failures(endpoint_id(&id), 3, first).await;
    clock.advance(HOUR);
    // The range has not ended yet, and the new deliveries in it fail as well.
    let until = clock.now() + HOUR;
    assert_accepted(&recover(&app, &id, first, Some(until)).await, 3);
    let message = app.queue.all_queued().await;
    assert_eq!(app.queue.handle(message.clone()).await, Ok(Vec::new()));
    let (once, _) = recovered(&app).await;
    for task in &once {
        app.queue.must_attempt(task).await;
    }
    assert_eq!(app.api.deliveries(&id).await.len(), 6);
    clock.advance_millis(6 * 60 * 1000);
    assert_eq!(app.queue.handle(message).await, Ok(Vec::new()));
    let (again, _) = recovered(&app).await;
    let ids = |tasks: &[DeliveryTask]| -> BTreeSet<_> {
        tasks.iter().map(|task| task.delivery_id).collect()
    };
    assert_eq!(ids(&again), ids(&once));
    app.api
        .put_json(&format!("/{id}"), &json!({"active": true}))
        .await;
    for task in &again {
        app.queue.must_attempt(task).await;
    }
    assert_eq!(app.api.deliveries(&id).await.len(), 6);
}

#[tokio::test]
async fn second_recoveries_send_again() {
    let (app, clock, id) = start("https://example.com/hook").await;
    let first = clock.now();
    app.aws.seed_failures(endpoint_id(&id), 2, first).await;
    clock.advance(HOUR);
    let mut made = BTreeSet::new();
    for _ in 0..2 {
        assert_accepted(&recover(&app, &id, first, None).await, 2);
        let (tasks, _) = recovered(&app).await;
        made.extend(tasks.iter().map(|task| task.delivery_id));
    }
    assert_eq!(made.len(), 4);
}

#[tokio::test]
async fn recoveries_without_failed_deliveries_send_no_message() {
    let (app, clock, id) = start("https://example.com/hook").await;
    let since = clock.now() - HOUR;
    // The first call also looks up the key.
    app.api.get("").await;
    app.aws.wire.take();
    assert_accepted(&recover(&app, &id, since, None).await, 0);
    assert_eq!(app.aws.wire.take(), ["GetItem", "Query"]);
    app.aws.seed_failures(endpoint_id(&id), 1, since).await;
    app.aws.wire.take();
    assert_accepted(&recover(&app, &id, since, None).await, 1);
    let calls = ["GetItem", "Query", "SendMessage", "UpdateItem"];
    assert_eq!(app.aws.wire.take(), calls);
}

#[tokio::test]
async fn inactive_and_missing_endpoints_recover_nothing() {
    let (app, clock, id) = start("https://example.com/hook").await;
    let first = clock.now();
    app.aws.seed_failures(endpoint_id(&id), 1, first).await;
    clock.advance(HOUR);
    app.api
        .put_json(&format!("/{id}"), &json!({"active": false}))
        .await;
    let refused = recover(&app, &id, first, None).await;
    refused.must_fail_with(409, "CONFLICT");
    let missing = EndpointId::new().to_string();
    let refused = recover(&app, &missing, first, None).await;
    refused.must_fail_with(404, "NOT_FOUND");
    assert!(app.queue.all_queued().await.is_empty());
}

#[tokio::test]
async fn recoveries_refused_by_the_queue_are_not_accepted() {
    let (app, clock, id) = start("https://example.com/hook").await;
    let first = clock.now();
    app.aws.seed_failures(endpoint_id(&id), 1, first).await;
    clock.advance(HOUR);
    app.aws.wire.break_calls(&["SendMessage"], Fault::Before);
    let refused = recover(&app, &id, first, None).await;
    refused.must_fail_with(503, "UNAVAILABLE");
}

#[tokio::test]
async fn all_errors_are_reported_at_once() {
    let (app, _, id) = start("https://example.com/hook").await;
    let path = format!("/{id}/recover");
    for (body, invalid) in [
        (json!({}), &["since", "status"][..]),
        (json!({"since": START}), &["status"]),
        (json!({"status": "FAILED"}), &["since"]),
        (json!({"since": "today", "status": "FAILED"}), &["since"]),
        (
            json!({"since": 1, "until": 2, "status": 3}),
            &["since", "status", "until"],
        ),
        (json!({"since": START, "status": "PENDING"}), &["status"]),
        (json!({"since": START, "status": null}), &["status"]),
        (
            json!({"since": START, "until": START, "status": "FAILED"}),
            &["until"],
        ),
        (
            json!({"since": START, "until": "2026-01-31T09:29:59Z", "status": "FAILED"}),
            &["until"],
        ),
        (
            json!({"since": null, "until": "x", "status": "failed?", "event": "a"}),
            &["event", "since", "status", "until"],
        ),
    ] {
        app.api
            .post_json(&path, &body)
            .await
            .must_be_invalid(invalid);
    }
    assert!(app.queue.all_queued().await.is_empty());
}
