//! Fan-out: one event becomes a delivery to each subscribed endpoint.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::id::EventId;

use crate::support::hand_clock::HandClock;
use crate::support::log;
use crate::support::queue::{Queue, message, received_again};
use crate::support::receiver::{Receiver, gated_receiver};
use crate::support::wire::Fault;
use crate::support::{Options, TestApp, eventually};

/// Builds an event message as the documentation describes it.
fn event(app: &TestApp, more: Value) -> Value {
    let mut event = json!({
        "kind": "event",
        "appId": app.app_id,
        "type": "invoice.paid",
        "data": {"n": 1},
    });
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

#[tokio::test]
async fn events_go_to_every_active_subscribed_endpoint() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let mut expected = BTreeSet::new();
    for (events, matches) in [
        (&["*"][..], true),
        (&["invoice.paid"], true),
        (&["invoice.*"], true),
        (&["invoice.paid", "invoice.*", "*"], true),
        (&["invoice"], false),
        (&["invoice.paid.late"], false),
        (&["invoice.paid.*"], false),
        (&["invoices.*"], false),
        (&["Invoice.paid"], false),
    ] {
        let (id, _) = app.api.subscribe(&receiver.url, events).await;
        if matches {
            expected.insert(id);
        }
    }
    let (inactive, _) = app.api.subscribe(&receiver.url, &["*"]).await;
    app.api
        .put_json(&format!("/{inactive}"), &json!({"active": false}))
        .await;
    let (deleted, _) = app.api.subscribe(&receiver.url, &["*"]).await;
    app.api.delete(&format!("/{deleted}")).await;

    let event_id = app.api.must_publish("invoice.paid").await;
    let tasks = app.queue.fan_out().await;
    let reached = tasks
        .iter()
        .map(|task| task.endpoint.endpoint_id.to_string());
    assert_eq!(reached.collect::<BTreeSet<_>>(), expected);
    assert_eq!(tasks.len(), expected.len());
    for task in &tasks {
        app.queue.must_attempt(task).await;
    }
    // It is one event, so every receiver gets the same webhook-id.
    let received = receiver.received();
    assert_eq!(received.len(), expected.len());
    for request in &received {
        assert_eq!(request.header("webhook-id"), event_id);
    }
    let deliveries: BTreeSet<_> = tasks.iter().map(|task| task.delivery_id).collect();
    assert_eq!(deliveries.len(), tasks.len());
}

#[tokio::test]
async fn receivers_can_verify_their_signatures() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receivers = [
        Receiver::answering(200, "").await,
        Receiver::answering(200, "").await,
    ];
    let mut secrets = Vec::new();
    for receiver in &receivers {
        secrets.push(app.api.create_webhook(&receiver.url).await.1);
    }
    app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    for (index, receiver) in receivers.iter().enumerate() {
        let request = receiver.must_receive_one();
        assert!(request.is_signed_with(&secrets[index]));
        assert!(!request.is_signed_with(&secrets[1 - index]));
    }
}

#[tokio::test]
async fn all_100_endpoints_of_an_app_get_an_event() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let ids = app.api.create_webhooks(100).await;
    app.api.must_publish("invoice.paid").await;
    app.aws.wire.take();
    let tasks = app.queue.fan_out().await;
    let reached: BTreeSet<_> = tasks
        .iter()
        .map(|t| t.endpoint.endpoint_id.to_string())
        .collect();
    assert_eq!(reached, ids.into_iter().collect());
    let mut cost = vec!["PutItem".to_owned(), "Query".to_owned()];
    cost.extend(vec!["SendMessageBatch".to_owned(); 10]);
    assert_eq!(app.aws.wire.take(), cost);
}

#[tokio::test]
async fn events_without_subscribers_cost_one_read() {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api
        .subscribe("https://example.com/hook", &["other"])
        .await;
    app.api.must_publish("invoice.paid").await;
    app.aws.wire.take();
    assert_eq!(app.queue.fan_out().await, []);
    assert_eq!(app.aws.wire.take(), ["Query"]);
}

#[tokio::test]
async fn events_of_another_app_are_not_delivered() {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api.create_webhook("https://example.com/hook").await;
    let (other, _) = app.other_app().await;
    let event = event(&app, json!({"appId": other, "id": EventId::new()}));
    app.queue.must_handle(event.to_string()).await;
    assert_eq!(app.queue.tasks().await, []);
}

#[tokio::test]
async fn repeated_event_messages_create_the_same_deliveries() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.api.must_publish("invoice.paid").await;
    let event = app.queue.all_queued().await;
    let queue = app.queue.by_message();
    assert_eq!(queue.handle(event.clone()).await, Ok(Vec::new()));
    let first = app.queue.tasks().await;
    clock.advance_millis(6 * 60 * 1000);
    assert_eq!(queue.handle(event).await, Ok(Vec::new()));
    let second = app.queue.tasks().await;
    assert_eq!(first[0].delivery_id, second[0].delivery_id);
    app.queue.must_attempt(&first[0]).await;
    app.queue.must_attempt(&second[0]).await;
    receiver.must_receive_one();
    app.api.must_have_one_delivery(&id).await;
}

#[tokio::test]
async fn repeated_messages_complete_interrupted_fan_outs() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let mut ids = BTreeSet::new();
    for _ in 0..25 {
        ids.insert(app.api.create_webhook(&receiver.url).await.0);
    }
    app.api.must_publish("invoice.paid").await;
    let event = app.queue.all_queued().await;
    // All batches of messages but the first fail, including the SDK's retries.
    let mut batches = 0;
    app.aws.wire.disturb(move |call| {
        batches += u32::from(call == "SendMessageBatch");
        (call == "SendMessageBatch" && batches > 1).then_some(Fault::Before)
    });
    let back = app.queue.handle(event.clone()).await.unwrap();
    assert_eq!(back.len(), 1);
    app.aws.wire.mend();
    let first = app.queue.tasks().await;
    assert!(first.len() < 25, "{}", first.len());
    let back = event.iter().map(|message| received_again(message, 2));
    assert_eq!(app.queue.handle(back).await, Ok(Vec::new()));
    let second = app.queue.tasks().await;
    for task in first.iter().chain(&second) {
        app.queue.must_attempt(task).await;
    }
    assert_eq!(receiver.received().len(), 25);
    for id in ids {
        assert_eq!(
            app.api.must_have_one_delivery(&id).await["status"],
            "DELIVERED"
        );
    }
}

#[tokio::test]
async fn completed_fan_outs_leave_out_endpoints_created_since() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.api.must_publish("invoice.paid").await;
    let event = app.queue.all_queued().await;
    let queue = app.queue.by_message();
    app.aws
        .wire
        .break_calls(&["SendMessageBatch"], Fault::Before);
    assert_eq!(queue.handle(event.clone()).await.unwrap().len(), 1);
    app.aws.wire.mend();
    clock.advance(Duration::from_secs(10 * 60));
    app.api.create_webhook("https://example.com/hook").await;
    let back = event.iter().map(|message| received_again(message, 2));
    assert_eq!(queue.handle(back).await, Ok(Vec::new()));
    let tasks = app.queue.tasks().await;
    let reached = tasks
        .iter()
        .map(|task| task.endpoint.endpoint_id.to_string());
    assert_eq!(reached.collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn batch_entries_rejected_by_sqs_are_resent() {
    const PARTLY: Fault = Fault::Answered(
        r#"{
            "Successful": [],
            "Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": false}]
        }"#,
    );
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    app.api.must_publish("invoice.paid").await;
    let event = app.queue.all_queued().await;
    app.aws.wire.break_once("SendMessageBatch", PARTLY);
    let queue = app.queue.by_message();
    assert_eq!(queue.handle(event).await, Ok(Vec::new()));
    app.queue.settle().await;
    receiver.must_receive_one();
}

#[tokio::test]
async fn endpoints_created_after_an_event_do_not_get_it() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let publish = || async {
        let request = app.api.publishing().header("idempotency-key", "k");
        let body = r#"{"type":"invoice.paid","data":1}"#;
        let accepted = crate::support::answer(request.body(body)).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED);
        app.queue.settle().await;
    };
    publish().await;
    clock.advance_millis(2 * 60 * 1000);
    let (young, _) = app.api.create_webhook(&receiver.url).await;
    publish().await;
    receiver.must_receive_one();
    assert_eq!(app.api.deliveries(&young).await, Vec::<Value>::new());
}

#[tokio::test]
async fn slow_and_dead_receivers_delay_no_other() {
    let app = TestApp::start().await;
    let (slow, gate) = gated_receiver().await;
    let dead = "http://127.0.0.1:1/hook";
    let receiver = Receiver::answering(200, "").await;
    let (slow, _) = app.api.create_webhook(&slow).await;
    let (dead, _) = app.api.create_webhook(dead).await;
    let (well, _) = app.api.create_webhook(&receiver.url).await;
    app.api.must_publish("invoice.paid").await;
    app.api.must_become(&well, "DELIVERED").await;
    eventually("the failed attempt", async || {
        let newest = app.api.deliveries(&dead).await.into_iter().next()?;
        (newest["attempts"] == 1).then_some(())
    })
    .await;
    // The slow receiver has not responded yet.
    assert_eq!(app.api.deliveries(&slow).await, Vec::<Value>::new());
    gate.notify_one();
    app.api.must_become(&slow, "DELIVERED").await;
}

#[tokio::test]
async fn other_services_can_put_events_on_the_queue() {
    let clock = HandClock::at("2026-01-01T00:00:05Z");
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let (message_id, event_id) = (EventId::new().to_string(), EventId::new().to_string());
    for (more, webhook_id, timestamp) in [
        (json!({}), &message_id, "2026-01-01T00:00:00.123Z"),
        (
            json!({"id": event_id, "timestamp": "2025-12-31T23:00:00Z"}),
            &event_id,
            "2025-12-31T23:00:00.000Z",
        ),
    ] {
        let mut message = message(Some(&message_id), event(&app, more).to_string());
        let sent_at = ("SentTimestamp".to_owned(), "1767225600123".to_owned());
        message.attributes.extend([sent_at]);
        assert_eq!(app.queue.handle([message]).await, Ok(Vec::new()));
        app.queue.settle().await;
        let request = receiver.received().pop().unwrap();
        assert_eq!(request.header("webhook-id"), webhook_id);
        let expected =
            format!(r#"{{"type":"invoice.paid","timestamp":"{timestamp}","data":{{"n":1}}}}"#);
        assert_eq!(String::from_utf8_lossy(&request.body), expected);
        // The delivery has the time of its message.
        let newest = app.api.deliveries(&id).await.remove(0);
        assert_eq!(newest["createdAt"], "2026-01-01T00:00:00.123Z");
    }
}

#[tokio::test]
async fn queued_events_without_a_timestamp_get_that_of_sqs() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let before = Clock::system().now();
    app.aws
        .clients
        .sqs
        .send_message()
        .queue_url(&app.aws.resources.queue_url)
        .message_body(event(&app, json!({})).to_string())
        .send()
        .await
        .unwrap();
    let delivered = app.api.must_become(&id, "DELIVERED").await;
    let created: jiff::Timestamp = delivered["createdAt"].as_str().unwrap().parse().unwrap();
    assert!((before..=Clock::system().now()).contains(&created));
    let request = receiver.must_receive_one();
    assert!(EventId::parse(request.header("webhook-id")).is_ok());
    let sent: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(sent["timestamp"], delivered["createdAt"]);
}

#[tokio::test]
async fn malformed_event_messages_become_dead_letters() {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api.create_webhook("https://example.com/hook").await;
    for more in [
        json!({"appId": "a b"}),
        json!({"appId": null}),
        json!({"id": "not-a-uuid"}),
        json!({"type": "invoice.*"}),
        json!({"type": null}),
        json!({"timestamp": "yesterday"}),
    ] {
        let unreadable = event(&app, more).to_string();
        app.queue.must_become_dead_letter(&unreadable).await;
    }
    let mut without_data = event(&app, json!({}));
    without_data.as_object_mut().unwrap().remove("data");
    let without_data = without_data.to_string();
    app.queue.must_become_dead_letter(&without_data).await;
    assert_eq!(app.queue.tasks().await, []);
}

#[tokio::test]
async fn events_are_logged_unless_all_their_attempts_are_made_at_once() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (inactive, _) = app.api.subscribe(&receiver.url, &["missed"]).await;
    app.api
        .put_json(&format!("/{inactive}"), &json!({"active": false}))
        .await;
    app.api.subscribe(&receiver.url, &["attempted"]).await;
    let logged = async |queue: &Queue, event_type: &str| {
        app.api.must_publish(event_type).await;
        let event = app.queue.all_queued().await;
        let handling = async { assert_eq!(queue.handle(event).await, Ok(Vec::new())) };
        let lines = log::lines_of(handling).await;
        let lines = log::saying(&lines, "event fanned out").into_iter();
        let counts = lines.map(|line| [&line["deliveries"], &line["missed"]].map(Value::as_u64));
        counts.collect::<Vec<_>>()
    };
    assert!(logged(&app.queue, "attempted").await.is_empty());
    assert_eq!(receiver.received().len(), 1);
    let by_message = app.queue.by_message();
    assert_eq!(logged(&by_message, "attempted").await, [[Some(1), Some(0)]]);
    assert_eq!(logged(&by_message, "missed").await, [[Some(0), Some(1)]]);
}
