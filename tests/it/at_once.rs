//! Events whose first attempts are made at once, by the function that receives the event.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::delivery::Deadline;
use webhook_endpoints::domain::event::FAN_OUT_LEASE;
use webhook_endpoints::domain::health::{Failing, Health, Pause};
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::domain::time::iso_millis;

use crate::support::hand_clock::HandClock;
use crate::support::queue::{endpoint_id, received_again};
use crate::support::receiver::{Receiver, gated_receiver};
use crate::support::wire::Fault;
use crate::support::{Options, TestApp, answer, eventually};

const NOTHING: Vec<String> = Vec::new();

/// Publishes an event, with this idempotency key if any, and receives its message.
async fn publish_and_receive(app: &TestApp, key: Option<&str>) -> SqsMessage {
    let mut request = app.api.publishing();
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let accepted = answer(request.body(r#"{"type":"invoice.paid","data":1}"#)).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    let mut queued = app.queue.queued_in(Lane::Fast).await;
    assert_eq!(queued.len(), 1);
    queued.remove(0)
}

/// Publishes an event, and handles its message.
async fn deliver(app: &TestApp, key: Option<&str>) {
    let event = publish_and_receive(app, key).await;
    app.aws.wire.take();
    assert_eq!(app.queue.handle([event]).await, Ok(NOTHING));
}

async fn endpoints_of(app: &TestApp, receivers: &[Receiver]) -> Vec<String> {
    let mut ids = Vec::new();
    for receiver in receivers {
        ids.push(app.api.create_webhook(&receiver.url).await.0);
    }
    ids
}

async fn receivers(count: usize) -> Vec<Receiver> {
    let mut receivers = Vec::new();
    for _ in 0..count {
        receivers.push(Receiver::answering(200, "").await);
    }
    receivers
}

/// Counts the visible messages of the fast and the slow lane.
async fn queued(app: &TestApp) -> [u32; 2] {
    let [fast, ..] = app.queue.counts_in(Lane::Fast).await;
    let [slow, ..] = app.queue.counts_in(Lane::Slow).await;
    [fast, slow]
}

#[tokio::test]
async fn events_attempted_at_once_cost_no_message_and_no_second_read() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    for (key, expected) in [
        // The secret is not cached yet.
        (
            None,
            &["GetSecretValue", "PutItem", "Query", "UpdateItem"][..],
        ),
        (None, &["PutItem", "Query", "UpdateItem"]),
        (Some("k"), &["PutItem", "PutItem", "Query", "UpdateItem"]),
    ] {
        deliver(&app, key).await;
        let requests = app.aws.wire.take_requests();
        let calls = requests.iter().map(|request| request.operation.clone());
        let mut calls: Vec<_> = calls.collect();
        calls.sort_unstable();
        assert_eq!(calls, expected);
        let query = requests.iter().find(|call| call.operation == "Query");
        assert_eq!(query.unwrap().body()["ConsistentRead"], true);
        assert_eq!(queued(&app).await, [0, 0]);
        let newest = app.api.deliveries(&id).await.remove(0);
        assert_eq!(newest["status"], "DELIVERED");
    }
    let received = receiver.received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|got| got.is_signed_with(&secret)));
}

#[tokio::test]
async fn up_to_ten_endpoints_are_attempted_at_once() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    for _ in 0..10 {
        app.api.create_webhook(&receiver.url).await;
    }
    deliver(&app, None).await;
    assert_eq!(receiver.received().len(), 10);
    assert_eq!(queued(&app).await, [0, 0]);
    app.api.create_webhook(&receiver.url).await;
    deliver(&app, None).await;
    assert_eq!(receiver.received().len(), 10);
    assert_eq!(queued(&app).await, [11, 0]);
}

#[tokio::test]
async fn unhealthy_endpoints_get_messages_and_delay_no_other() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receivers = receivers(5).await;
    let ids = endpoints_of(&app, &receivers).await;
    let (table, now) = (app.aws.table(), Clock::system().now());
    let failing = Health {
        failing: Some(Failing {
            since: now,
            last: now,
            failures: 1,
        }),
        ..Health::default()
    };
    let slow = Health {
        slow_since: Some(now),
        ..Health::default()
    };
    let paused = Health {
        pause: Some(Pause {
            since: now,
            probe_at: Some(now + Duration::from_secs(60)),
            probes: 0,
        }),
        ..failing
    };
    for (id, health) in ids[1..].iter().zip([failing, slow, paused]) {
        let key = app.aws.endpoint_key(endpoint_id(id));
        let endpoint = table.endpoint(key).await.unwrap().unwrap();
        assert!(table.set_health(&endpoint, &health, now).await.unwrap());
    }
    let limit = json!({"rateLimit": 1000});
    app.api.put_json(&format!("/{}", ids[4]), &limit).await;
    deliver(&app, None).await;
    let counts = receivers.iter().map(|receiver| receiver.received().len());
    assert_eq!(counts.collect::<Vec<_>>(), [1, 0, 0, 0, 0]);
    // The rate-limited endpoint gets its message in the fast lane, the failing and the slow
    // one theirs in the slow lane.
    assert_eq!(queued(&app).await, [1, 2]);
    let waiting = app.api.must_have_one_delivery(&ids[3]).await;
    assert_eq!(waiting["status"], "PENDING");
}

#[tokio::test]
async fn failed_attempts_at_once_are_retried() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let failing = Receiver::answering(500, "").await;
    let well = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&failing.url).await;
    let (other, _) = app.api.create_webhook(&well.url).await;
    deliver(&app, None).await;
    assert_eq!(app.queue.delayed_in(Lane::Slow).await, 1);
    assert_eq!(app.queue.take_notices().await, ["endpoint.failing"]);
    assert_eq!(queued(&app).await, [0, 0]);
    let delivery = app.api.must_have_one_delivery(&id).await;
    assert_eq!(delivery["status"], "PENDING");
    assert_eq!(delivery["attempts"], 1);
    let shown = app.api.get(&format!("/{id}")).await;
    assert!(shown.data()["failingSince"].is_string());
    let delivery = app.api.must_have_one_delivery(&other).await;
    assert_eq!(delivery["status"], "DELIVERED");
}

#[tokio::test]
async fn attempts_at_once_start_before_the_endpoint_is_read() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let event = publish_and_receive(&app, None).await;
    let begun = clock.now();
    // A rotation may be acknowledged while the endpoint is read. If the attempt were dated
    // after the read, it could be signed with the old secret after the rotation's response.
    let late = clock.clone();
    app.aws.wire.disturb(move |_| {
        late.advance_millis(2000);
        None
    });
    assert_eq!(app.queue.handle([event]).await, Ok(NOTHING));
    let item = app.api.must_have_one_delivery(&id).await;
    let delivery = app.api.delivery(&id, item["id"].as_str().unwrap()).await;
    assert_eq!(delivery["attemptLog"][0]["startedAt"], iso_millis(begun));
    let request = receiver.must_receive_one();
    let signed: i64 = request.header("webhook-timestamp").parse().unwrap();
    assert_eq!(signed, begun.as_second());
}

/// Asserts that each endpoint has exactly one delivery, which its first recorded attempt
/// delivered.
async fn must_be_delivered(app: &TestApp, ids: &[String]) {
    for id in ids {
        let delivery = app.api.must_have_one_delivery(id).await;
        assert_eq!(delivery["status"], "DELIVERED");
        assert_eq!(delivery["attempts"], 1);
    }
}

#[tokio::test]
async fn cut_off_events_lose_no_attempt_and_repeat_no_recorded_one() {
    for (operation, calls) in [
        ("Query", 1),
        ("PutItem", 2),
        ("GetSecretValue", 3),
        ("UpdateItem", 3),
    ] {
        // The calls of an event with three endpoints: one read of the endpoints, a write
        // that stores the event and one that marks it as fanned out, and a secret and a
        // record per endpoint.
        for nth in 1..=calls {
            let app = TestApp::start_with(Options::stepwise()).await;
            let receivers = receivers(3).await;
            let ids = endpoints_of(&app, &receivers).await;
            let event = publish_and_receive(&app, Some("k")).await;
            let wire = &app.aws.wire;
            let cut_off = app.queue.cut_off(wire, operation, nth, [event.clone()]);
            assert!(cut_off.await, "{operation} {nth}");
            let mut recorded = Vec::new();
            for (id, receiver) in ids.iter().zip(&receivers) {
                if app.api.deliveries(id).await.len() == 1 {
                    recorded.push(receiver);
                }
            }
            let back = received_again(&event, 2);
            assert_eq!(app.queue.handle([back]).await, Ok(NOTHING));
            app.queue.settle().await;
            must_be_delivered(&app, &ids).await;
            for receiver in recorded {
                receiver.must_receive_one();
            }
        }
    }
}

#[tokio::test]
async fn unrecorded_attempts_return_the_event_after_the_others_finish() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receivers = receivers(3).await;
    let ids = endpoints_of(&app, &receivers).await;
    let event = publish_and_receive(&app, None).await;
    let unrecorded = ids[1].clone();
    app.aws.wire.disturb_requests(move |operation, body| {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let of = body["Key"]["pk"]["S"].as_str().unwrap_or_default();
        (operation == "UpdateItem" && of.ends_with(&unrecorded)).then_some(Fault::Before)
    });
    assert_eq!(app.queue.handle([event.clone()]).await.unwrap().len(), 1);
    app.aws.wire.mend();
    must_be_delivered(&app, &[ids[0].clone(), ids[2].clone()]).await;
    let back = received_again(&event, 2);
    assert_eq!(app.queue.handle([back]).await, Ok(NOTHING));
    assert_eq!(queued(&app).await, [3, 0], "each endpoint gets a message");
    app.queue.settle().await;
    must_be_delivered(&app, &ids).await;
    let counts = receivers.iter().map(|receiver| receiver.received().len());
    assert_eq!(counts.collect::<Vec<_>>(), [1, 2, 1]);
}

#[tokio::test]
async fn endpoints_without_a_secret_get_a_message_and_block_no_other() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receivers = receivers(2).await;
    let ids = endpoints_of(&app, &receivers).await;
    app.aws.remove_secret(&ids[0], None).await;
    deliver(&app, None).await;
    must_be_delivered(&app, &ids[1..]).await;
    assert_eq!(queued(&app).await, [1, 0]);
    let tasks = app.queue.tasks().await;
    assert_eq!(tasks[0].endpoint.endpoint_id.to_string(), ids[0]);
    assert_eq!(app.queue.try_attempt(&tasks[0]).await, ["m"]);
    let rotated = app.api.post(&format!("/{}/rotate-secret", ids[0])).await;
    assert_eq!(rotated.status, StatusCode::OK);
    app.queue.must_attempt(&tasks[0]).await;
    must_be_delivered(&app, &ids).await;
}

#[tokio::test]
async fn repeated_events_wait_while_the_first_is_attempted() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let (url, gate) = gated_receiver().await;
    let (id, _) = app.api.create_webhook(&url).await;
    let first = publish_and_receive(&app, Some("k")).await;
    let repeat = publish_and_receive(&app, Some("k")).await;
    let attempt = app.queue.handle([first]);
    let repeating = async {
        eventually("the event", async || {
            let is_stored = app.aws.any_item_has(attribute::FAN_OUT_BY).await;
            is_stored.then_some(())
        })
        .await;
        assert_eq!(app.queue.handle([repeat.clone()]).await, Ok(NOTHING));
        assert_eq!(queued(&app).await, [0, 0]);
        assert_eq!(
            app.queue.delayed_in(Lane::Fast).await,
            1,
            "the repeat is delayed"
        );
        gate.notify_one();
    };
    let (attempted, ()) = tokio::join!(attempt, repeating);
    assert_eq!(attempted, Ok(NOTHING));
    clock.advance(FAN_OUT_LEASE);
    assert_eq!(app.queue.handle([repeat]).await, Ok(NOTHING));
    assert_eq!(queued(&app).await, [0, 0]);
    must_be_delivered(&app, &[id]).await;
}

#[tokio::test]
async fn endpoints_are_noted_as_slow_during_an_attempt_at_once() {
    let mut options = Options::stepwise();
    options.settings.policy.health.slow_after = Duration::from_millis(300);
    let app = TestApp::start_with(options).await;
    let (url, gate) = gated_receiver().await;
    let (id, _) = app.api.create_webhook(&url).await;
    let event = publish_and_receive(&app, None).await;
    let observe = async {
        eventually("the note that the endpoint is slow", async || {
            let is_noted = app.aws.any_item_has(attribute::SLOW_SINCE).await;
            is_noted.then_some(())
        })
        .await;
        // The next event does not occupy a function of the fast lane.
        deliver(&app, None).await;
        assert_eq!(queued(&app).await, [0, 1]);
        gate.notify_one();
    };
    let (attempted, ()) = tokio::join!(app.queue.handle([event]), observe);
    assert_eq!(attempted, Ok(NOTHING));
    must_be_delivered(&app, &[id]).await;
}

#[tokio::test]
async fn functions_short_of_time_enqueue_attempts() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let event = publish_and_receive(&app, None).await;
    // Less time than an attempt and its record may take.
    let left = Instant::now() + Duration::from_secs(15);
    let deadline = Deadline::new(left, Duration::from_secs(1));
    let ending = app.queue.with_deadline(deadline);
    assert_eq!(ending.handle([event]).await, Ok(NOTHING));
    assert_eq!(receiver.received().len(), 0);
    assert_eq!(queued(&app).await, [1, 0]);
}
