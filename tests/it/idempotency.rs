//! Publishing again with the same idempotency key, or the same queue message id, while the
//! first event is being handled and afterwards. An event id stands for one event only.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::domain::event::FAN_OUT_LEASE;
use webhook_endpoints::domain::id::EventId;

use crate::support::hand_clock::HandClock;
use crate::support::queue::{message, received_again};
use crate::support::receiver::{Receiver, gated_receiver};
use crate::support::wire::Fault;
use crate::support::{Options, TestApp, answer, eventually};

const NOTHING: Vec<String> = Vec::new();

const LEASE_MILLIS: i64 = FAN_OUT_LEASE.as_millis() as i64;

/// Publishes an event of this type with the idempotency key `k`. Returns its id.
async fn publish(app: &TestApp, event_type: &str) -> String {
    let body = json!({"type": event_type, "data": {"of": event_type}});
    let request = app.api.publishing().header("idempotency-key", "k");
    let accepted = answer(request.body(body.to_string())).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    assert_eq!(accepted.data()["type"], event_type);
    accepted.data()["id"].as_str().unwrap().to_owned()
}

/// Receives the message of an event that was just published.
async fn queued_event(app: &TestApp) -> SqsMessage {
    let mut queued = app.queue.all_queued().await;
    assert_eq!(queued.len(), 1, "{queued:?}");
    queued.remove(0)
}

#[tokio::test]
async fn repeats_during_the_first_delivery_are_ignored() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let (url, gate) = gated_receiver().await;
    let (id, _) = app.api.create_webhook(&url).await;
    let event_id = publish(&app, "invoice.paid").await;
    let tasks = app.queue.fan_out().await;
    let attempt = app.queue.must_attempt(&tasks[0]);
    let repeat = async {
        assert_eq!(publish(&app, "invoice.paid").await, event_id);
        app.aws.wire.take();
        assert_eq!(app.queue.fan_out().await, []);
        let mut calls = app.aws.wire.take();
        // The attempt reads the secret concurrently.
        calls.retain(|call| call != "GetSecretValue");
        assert_eq!(calls, ["GetItem", "PutItem", "Query"]);
        assert_eq!(app.queue.counts().await[2], 0, "a message waits");
        gate.notify_one();
    };
    tokio::join!(attempt, repeat);
    let delivery = app.api.must_have_one_delivery(&id).await;
    assert_eq!(delivery["status"], "DELIVERED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_publishes_with_one_key_send_one_request_per_endpoint() {
    let mut options = Options::default();
    options.settings.fan_out_lease = Duration::from_secs(5);
    let app = TestApp::start_with(options).await;
    let receivers = [
        Receiver::answering(200, "").await,
        Receiver::answering(200, "").await,
    ];
    for receiver in &receivers {
        app.api.create_webhook(&receiver.url).await;
    }
    let ids = join_all((0..30).map(|_| publish(&app, "invoice.paid"))).await;
    assert!(ids.iter().all(|id| *id == ids[0]));
    app.queue.must_become_empty().await;
    for receiver in &receivers {
        assert_eq!(receiver.must_receive_one().header("webhook-id"), ids[0]);
    }
}

#[tokio::test]
async fn first_event_with_a_key_wins_over_other_types() {
    for first_is_fanned_out in [true, false] {
        let app = TestApp::start_with(Options::stepwise()).await;
        let [paid, created] = [
            Receiver::answering(200, "").await,
            Receiver::answering(200, "").await,
        ];
        app.api.subscribe(&paid.url, &["invoice.paid"]).await;
        app.api.subscribe(&created.url, &["customer.*"]).await;
        let id = publish(&app, "invoice.paid").await;
        let event = queued_event(&app).await;
        if first_is_fanned_out {
            assert_eq!(app.queue.handle([event.clone()]).await, Ok(NOTHING));
        } else {
            app.aws
                .wire
                .break_calls(&["SendMessageBatch"], Fault::Before);
            let queue = app.queue.by_message();
            assert_eq!(queue.handle([event.clone()]).await.unwrap().len(), 1);
            app.aws.wire.mend();
        }
        assert_eq!(publish(&app, "customer.created").await, id);
        app.queue.settle().await;
        // SQS delivers the first message again.
        let back = received_again(&event, 2);
        assert_eq!(app.queue.handle([back]).await, Ok(NOTHING));
        app.queue.settle().await;

        let request = paid.must_receive_one();
        let sent: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(sent["type"], "invoice.paid");
        assert_eq!(sent["data"], json!({"of": "invoice.paid"}));
        assert_eq!(created.received().len(), 0);
    }
}

#[tokio::test]
async fn repeats_that_take_over_a_fan_out_deliver_the_first_event() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let [paid, created] = [
        Receiver::answering(200, "").await,
        Receiver::answering(200, "").await,
    ];
    let (id, _) = app.api.subscribe(&paid.url, &["invoice.paid"]).await;
    app.api.subscribe(&created.url, &["customer.*"]).await;
    publish(&app, "invoice.paid").await;
    let first = queued_event(&app).await;
    app.aws
        .wire
        .break_calls(&["SendMessageBatch"], Fault::Before);
    let queue = app.queue.by_message();
    assert_eq!(queue.handle([first.clone()]).await.unwrap().len(), 1);
    app.aws.wire.mend();

    publish(&app, "customer.created").await;
    let repeat = queued_event(&app).await;
    for millis in [0, LEASE_MILLIS - 1000] {
        clock.advance_millis(millis);
        let waiting = app.queue.delayed().await;
        assert_eq!(app.queue.handle([repeat.clone()]).await, Ok(NOTHING));
        assert_eq!(app.queue.tasks().await, []);
        assert_eq!(app.queue.delayed().await, waiting + 1);
    }
    clock.advance_millis(1000);
    assert_eq!(app.queue.handle([repeat]).await, Ok(NOTHING));
    let tasks = app.queue.tasks().await;
    assert_eq!(tasks.len(), 1);
    app.queue.must_attempt(&tasks[0]).await;
    let sent: Value = serde_json::from_slice(&paid.must_receive_one().body).unwrap();
    assert_eq!(sent["type"], "invoice.paid");
    assert_eq!(created.received().len(), 0);
    let delivery = app.api.must_have_one_delivery(&id).await;
    assert_eq!(delivery["event"], "invoice.paid");

    // The first message stayed invisible for longer, so it is received last.
    assert_eq!(app.queue.handle([first]).await, Ok(NOTHING));
    assert_eq!(app.queue.tasks().await, []);
}

#[tokio::test]
async fn repeats_are_handled_once_the_lease_expires() {
    let mut options = Options::stepwise();
    options.settings.fan_out_lease = Duration::from_secs(1);
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    // Without a timestamp, so the event gets the time when its message was sent.
    let id = EventId::new();
    let event = json!({
        "kind": "event", "appId": app.app_id, "id": id, "type": "invoice.paid", "data": [1.0],
    });
    app.aws
        .wire
        .break_calls(&["SendMessageBatch"], Fault::Before);
    let first = message(Some("first"), event.to_string());
    assert_eq!(app.queue.handle([first]).await.unwrap(), ["first"]);
    app.aws.wire.mend();
    let repeat = message(Some("repeat"), event.to_string());
    assert_eq!(app.queue.handle([repeat]).await, Ok(NOTHING));
    let again = eventually("the repeat", async || {
        app.queue.all_queued().await.into_iter().next()
    });
    assert_eq!(app.queue.handle([again.await]).await, Ok(NOTHING));
    app.queue.settle().await;
    let request = receiver.must_receive_one();
    assert_eq!(request.header("webhook-id"), id.to_string());
    assert!(request.body.ends_with(br#""data":[1.0]}"#));
}

#[tokio::test]
async fn returned_messages_resume_their_fan_out_at_once() {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api.create_webhook("https://example.com/hook").await;
    publish(&app, "invoice.paid").await;
    let event = queued_event(&app).await;
    // A copy in the same batch is returned with it.
    let mut copy = message(Some("copy"), event.body.clone().unwrap());
    let mut event = event;
    for calls in [&["SendMessageBatch"][..], &["UpdateItem"], &["GetItem"]] {
        let faulty: &'static [&'static str] = Box::leak(calls.to_vec().into_boxed_slice());
        app.aws.wire.break_calls(faulty, Fault::Before);
        let back = app.queue.handle([copy.clone(), event.clone()]).await;
        assert_eq!(back.unwrap().len(), 2, "{calls:?}");
        [copy, event] = [copy, event].map(|message| received_again(&message, 2));
        app.aws.wire.mend();
    }
    app.aws.wire.take();
    let both = [event.clone(), copy];
    assert_eq!(app.queue.handle(both).await, Ok(NOTHING));
    let counted = app.aws.wire.take().into_iter();
    let counted = counted.fold(BTreeMap::new(), |mut counts, call| {
        *counts.entry(call).or_insert(0) += 1;
        counts
    });
    let expected = [
        ("GetItem", 1),
        ("PutItem", 2),
        ("Query", 1),
        ("SendMessageBatch", 1),
        ("UpdateItem", 1),
    ];
    assert_eq!(
        counted,
        expected
            .map(|(call, count)| (call.to_owned(), count))
            .into()
    );
    assert_eq!(app.queue.tasks().await.len(), 1);
    assert_eq!(app.queue.handle([event]).await, Ok(NOTHING));
    assert_eq!(app.queue.tasks().await, []);
}

#[tokio::test]
async fn only_repeatable_events_are_recorded_as_fanned_out() {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api.create_webhook("https://example.com/hook").await;
    let of_queue = |id: Option<EventId>| {
        let mut event = json!({
            "kind": "event", "appId": app.app_id, "type": "invoice.paid", "data": 1,
        });
        if let Some(id) = id {
            event["id"] = json!(id);
        }
        event.to_string()
    };
    app.api.must_publish("invoice.paid").await;
    let generated = queued_event(&app).await.body.unwrap();
    publish(&app, "invoice.paid").await;
    let keyed = queued_event(&app).await.body.unwrap();
    for (body, writes) in [
        (generated, 1),
        (of_queue(None), 1),
        (keyed, 2),
        (of_queue(Some(EventId::new())), 2),
    ] {
        app.aws.wire.take();
        let message = message(Some(&EventId::new().to_string()), body.clone());
        assert_eq!(app.queue.handle([message]).await, Ok(NOTHING));
        let mut expected = vec!["PutItem"; writes];
        expected.extend(["Query", "SendMessageBatch"]);
        assert_eq!(app.aws.wire.take(), expected, "{body}");
    }
}

#[tokio::test]
async fn expired_events_free_their_key() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    publish(&app, "invoice.paid").await;
    app.queue.settle().await;
    let retention = i64::try_from(app.deliverer.retention.as_millis()).unwrap();
    clock.advance_millis(retention + 1000);
    // DynamoDB has not removed the expired fan-out record of the first event yet.
    publish(&app, "invoice.paid").await;
    let event = queued_event(&app).await;
    app.aws
        .wire
        .break_calls(&["SendMessageBatch"], Fault::Before);
    let queue = app.queue.by_message();
    assert_eq!(queue.handle([event.clone()]).await.unwrap().len(), 1);
    app.aws.wire.mend();
    let back = received_again(&event, 2);
    assert_eq!(app.queue.handle([back]).await, Ok(NOTHING));
    app.queue.settle().await;
    assert_eq!(receiver.received().len(), 2);
}

/// Handles the first message of an event, whose fan-out fails if `is_interrupted`, and then
/// subscribes a second endpoint to the event's type. Returns the message, and its body with
/// the event's id.
async fn handle_first_message(
    app: &TestApp,
    url: &str,
    is_from_api: bool,
    is_interrupted: bool,
) -> (SqsMessage, Value) {
    app.api.subscribe(url, &["invoice.paid"]).await;
    let (late, _) = app.api.subscribe(url, &["other"]).await;
    let timestamp = "2026-01-31T09:30:00.000Z";
    let event = if is_from_api {
        let event = json!({"type": "invoice.paid", "data": 1, "timestamp": timestamp});
        let accepted = app.api.publish(&event).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
        queued_event(app).await
    } else {
        let event = json!({
            "kind": "event", "appId": app.app_id, "type": "invoice.paid", "data": 1,
            "timestamp": timestamp,
        });
        message(Some(&EventId::new().to_string()), event.to_string())
    };
    if is_interrupted {
        app.aws
            .wire
            .break_calls(&["SendMessageBatch"], Fault::Before);
    }
    let queue = app.queue.by_message();
    let back = queue.handle([event.clone()]).await.unwrap();
    assert_eq!(back.len(), usize::from(is_interrupted));
    app.aws.wire.mend();
    app.queue.settle().await;
    let patch = json!({"events": ["*"]});
    let updated = app.api.put_json(&format!("/{late}"), &patch).await;
    assert_eq!(updated.status, StatusCode::OK, "{updated:?}");
    let mut body: Value = serde_json::from_str(event.body.as_deref().unwrap()).unwrap();
    if !is_from_api {
        body["id"] = json!(event.message_id);
    }
    (event, body)
}

#[tokio::test]
async fn different_events_with_a_known_message_id_are_ignored() {
    for is_from_api in [true, false] {
        let clock = HandClock::at_now();
        let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
        let receiver = Receiver::answering(200, "").await;
        let (_, body) = handle_first_message(&app, &receiver.url, is_from_api, false).await;
        receiver.must_receive_one();
        for millis in [0, LEASE_MILLIS + 5000] {
            clock.advance_millis(millis);
            for (field, value) in [
                ("data", json!(2)),
                ("type", json!("invoice.sent")),
                ("timestamp", json!("2026-01-31T09:30:00.001Z")),
                ("timestamp", Value::Null),
            ] {
                let mut other = body.clone();
                other[field] = value;
                app.aws.wire.take();
                let other = message(Some("other"), other.to_string());
                assert_eq!(app.queue.handle([other]).await, Ok(NOTHING));
                let mut calls = app.aws.wire.take();
                // Events with an id from the queue might be recorded as fanned out already, which a
                // `GetItem` checks.
                calls.retain(|call| call != "GetItem");
                assert_eq!(calls, ["PutItem", "Query"], "{field}");
            }
        }
        assert_eq!(app.queue.counts().await[2], 0, "a message waits");
        receiver.must_receive_one();
    }
}

#[tokio::test]
async fn redriven_messages_complete_their_interrupted_fan_out() {
    for is_from_api in [true, false] {
        let clock = HandClock::at_now();
        let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
        let receiver = Receiver::answering(200, "").await;
        let (_, body) = handle_first_message(&app, &receiver.url, is_from_api, true).await;
        assert_eq!(receiver.received().len(), 0);
        clock.advance_millis(LEASE_MILLIS + 1000);
        let mut other = body.clone();
        other["data"] = json!(2);
        // SQS gives a redriven message a new id, and no attribute names the first one.
        for (name, body) in [("other", other), ("redriven", body)] {
            let message = message(Some(name), body.to_string());
            assert_eq!(app.queue.handle([message]).await, Ok(NOTHING));
            app.queue.settle().await;
        }
        let received = receiver.received();
        assert!(!received.is_empty(), "the fan-out was not completed");
        for request in received {
            assert!(request.body.ends_with(br#""data":1}"#));
        }
    }
}
