//! The fast and the slow lane: which messages take which, and how soon slow endpoints are
//! kept apart.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::health::Health;
use webhook_endpoints::domain::message::Lane;

use crate::support::queue::{attempt_message, endpoint_id, message, ping_of};
use crate::support::receiver::{Receiver, raw_receiver};
use crate::support::wire::{Fault, names};
use crate::support::{Options, TestApp, eventually};

/// How many messages are visible in the fast and in the slow lane.
async fn queued(app: &TestApp) -> [usize; 2] {
    let [fast, _, _] = app.queue.counts_in(Lane::Fast).await;
    let [slow, _, _] = app.queue.counts_in(Lane::Slow).await;
    [fast, slow].map(|count| usize::try_from(count).unwrap())
}

#[tokio::test]
async fn events_and_pings_of_healthy_endpoints_take_the_fast_lane() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.api.must_publish("invoice.paid").await;
    app.api.ping_preferring(&id, "respond-async").await;
    assert_eq!(queued(&app).await, [2, 0]);
    let event = app.queue.queued_in(Lane::Fast).await;
    let queue = app.queue.by_message();
    assert_eq!(queue.handle(event).await, Ok(Vec::new()));
    assert_eq!(queued(&app).await, [1, 0]);
}

#[tokio::test]
async fn everything_for_a_failing_endpoint_takes_the_slow_lane() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    // The retry is delayed.
    assert_eq!(app.queue.delayed_in(Lane::Slow).await, 1);
    assert_eq!(app.queue.delayed_in(Lane::Fast).await, 0);
    assert_eq!(app.queue.take_notices().await, ["endpoint.failing"]);

    app.api.ping_preferring(&id, "respond-async").await;
    let delivery = app.api.deliveries(&id).await.pop().unwrap();
    let delivery = delivery["id"].as_str().unwrap().to_owned();
    let resend = format!("/{id}/deliveries/{delivery}/resend");
    app.api.post(&resend).await.data();
    assert_eq!(queued(&app).await, [0, 2]);
    // The event belongs to the app and takes the fast lane; its attempt takes the slow one.
    app.api.must_publish("invoice.paid").await;
    let event = app.queue.queued_in(Lane::Fast).await;
    assert_eq!(app.queue.handle(event).await, Ok(Vec::new()));
    assert_eq!(queued(&app).await, [0, 3]);
}

#[tokio::test]
async fn five_slow_endpoints_move_their_apps_events_to_the_slow_lane() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(app.api.create_webhook(&receiver.url).await.0);
    }
    let table = app.aws.table();
    let now = Clock::system().now();
    let mark_slow = async |id: &String| {
        let key = app.aws.endpoint_key(endpoint_id(id));
        let endpoint = table.endpoint(key).await.unwrap().unwrap();
        let slow = Health {
            slow_since: Some(now),
            ..Health::default()
        };
        assert!(table.set_health(&endpoint, &slow, now).await.unwrap());
    };
    let queue = app.queue.by_message();
    let publish = async || {
        app.api.must_publish("invoice.paid").await;
        let event = app.queue.queued_in(Lane::Fast).await;
        assert_eq!(queue.handle(event).await, Ok(Vec::new()));
    };
    // With four slow endpoints, the others of the app keep the fast lane. The fifth moves them.
    for id in &ids[..4] {
        mark_slow(id).await;
    }
    publish().await;
    assert_eq!(queued(&app).await, [2, 4]);
    mark_slow(&ids[4]).await;
    // Only the fan-out looks at the app's other endpoints. A message already in the fast
    // lane is attempted there, unless its own endpoint is slow.
    let well = app.queue.queued_in(Lane::Fast).await;
    assert_eq!(app.queue.handle(well).await, Ok(Vec::new()));
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(queued(&app).await, [0, 5]);
    publish().await;
    assert_eq!(queued(&app).await, [0, 5 + 6]);
}

#[tokio::test]
async fn fast_messages_for_a_failing_endpoint_are_moved() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let failing = Receiver::answering(500, "").await;
    let well = Receiver::answering(200, "").await;
    let (failing_id, _) = app.api.create_webhook(&failing.url).await;
    let (well_id, _) = app.api.create_webhook(&well.url).await;
    app.api.must_publish("invoice.paid").await;
    let tasks = app.queue.fan_out().await;
    let first = tasks
        .iter()
        .find(|task| task.endpoint.endpoint_id.to_string() == failing_id);
    app.queue.must_attempt(first.unwrap()).await;
    assert_eq!(failing.received().len(), 1);
    assert_eq!(app.queue.take_notices().await, ["endpoint.failing"]);

    // These were enqueued while the endpoint was healthy.
    let batch: Vec<_> = [&failing_id, &failing_id, &well_id]
        .iter()
        .zip(["a", "b", "c"])
        .map(|(id, name)| message(Some(name), attempt_message(&ping_of(&app, id))))
        .collect();
    app.aws.wire.take();
    assert_eq!(app.queue.handle_in(Lane::Fast, batch).await, Ok(Vec::new()));
    // One read, one call that moves two messages, and the third one's attempt.
    let calls = app.aws.wire.take();
    assert_eq!(
        calls,
        [
            "BatchGetItem",
            "GetSecretValue",
            "SendMessageBatch",
            "UpdateItem"
        ]
    );
    assert_eq!((failing.received().len(), well.received().len()), (1, 1));
    assert_eq!(queued(&app).await, [0, 2]);
    for task in app.queue.tasks().await {
        app.queue.must_attempt(&task).await;
    }
    assert_eq!(failing.received().len(), 3);
}

#[tokio::test]
async fn messages_that_cannot_be_moved_are_returned() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    app.aws
        .wire
        .break_calls(&["SendMessageBatch"], Fault::Before);
    let moved = message(Some("m"), attempt_message(&ping_of(&app, &id)));
    let back = app.queue.handle_in(Lane::Fast, [moved]).await;
    assert_eq!(back, Ok(vec!["m".to_owned()]));
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn messages_are_grouped_by_endpoint_or_app() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(500, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.api.ping_preferring(&id, "respond-async").await;
    // The endpoint is failing by the second event, whose attempt is therefore enqueued.
    for _ in 0..2 {
        app.api.must_publish("invoice.paid").await;
        app.queue.settle().await;
    }
    let body = json!({"since": "2026-01-01T00:00:00Z", "status": "FAILED"});
    app.api.post_json(&format!("/{id}/recover"), &body).await;
    let mut groups = Vec::new();
    for request in app.aws.wire.take_requests() {
        let body = request.body();
        match request.operation.as_str() {
            "SendMessage" => groups.push(body["MessageGroupId"].clone()),
            "SendMessageBatch" => {
                let entries = body["Entries"].as_array().unwrap().iter();
                groups.extend(entries.map(|entry| entry["MessageGroupId"].clone()));
            }
            _ => {}
        }
    }
    // Notices of all apps share one group.
    let own = [json!(id), json!(app.app_id.as_str()), json!("operational")];
    assert!(groups.len() >= 4, "{groups:?}");
    assert!(groups.iter().all(|group| own.contains(group)), "{groups:?}");
}

#[tokio::test]
async fn endpoints_are_marked_slow_while_an_attempt_runs() {
    let mut options = Options::stepwise();
    options.settings.policy.health.slow_after = Duration::from_millis(300);
    let app = TestApp::start_with(options).await;
    let answer = Arc::new(Notify::new());
    let gate = Arc::clone(&answer);
    let url = raw_receiver(move |mut stream| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await;
        }
    });
    let (id, _) = app.api.create_webhook(&url.await).await;
    let first = app.queue.first_attempt().await;
    let observe = async {
        eventually("the mark that the endpoint is slow", async || {
            let is_marked = app.aws.any_item_has(attribute::SLOW_SINCE).await;
            is_marked.then_some(())
        })
        .await;
        let shown = app.api.get(&format!("/{id}")).await;
        assert!(shown.data()["slowSince"].is_string(), "{shown:?}");
        // New messages now take the slow lane.
        app.api.must_publish("invoice.paid").await;
        let event = app.queue.queued_in(Lane::Fast).await;
        assert_eq!(app.queue.handle(event).await, Ok(Vec::new()));
        assert_eq!(queued(&app).await, [0, 1]);
        answer.notify_one();
    };
    tokio::join!(app.queue.must_attempt(&first), observe);
    assert_eq!(app.api.deliveries(&id).await[0]["status"], "DELIVERED");
    // A quick answer clears it.
    answer.notify_one();
    for task in app.queue.tasks().await {
        app.queue.must_attempt(&task).await;
    }
    assert!(!app.aws.any_item_has(attribute::SLOW_SINCE).await);
    let shown = app.api.get(&format!("/{id}")).await;
    assert_eq!(shown.data()["slowSince"], Value::Null);
}

/// A service, and an endpoint whose receiver takes long enough that the endpoint counts as slow.
async fn start_slow() -> (TestApp, String) {
    let mut options = Options::stepwise();
    options.settings.policy.health.slow_after = Duration::from_millis(100);
    let app = TestApp::start_with(options).await;
    let url = raw_receiver(move |mut stream| async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await;
    });
    let (id, _) = app.api.create_webhook(&url.await).await;
    (app, id)
}

#[tokio::test]
async fn endpoints_are_marked_slow_once() {
    let (app, _) = start_slow().await;
    let marks = || {
        let requests = app.aws.wire.take_requests().into_iter();
        let marks = requests.filter(|request| names(&request.body(), attribute::SLOW_SINCE));
        marks.count()
    };
    let tasks = [
        app.queue.first_attempt().await,
        app.queue.first_attempt().await,
    ];
    app.aws.wire.take_requests();
    let batch = ["a", "b"].into_iter().zip(&tasks);
    let batch = batch.map(|(id, task)| message(Some(id), attempt_message(task)));
    assert_eq!(app.queue.handle(batch).await, Ok(Vec::new()));
    assert_eq!(marks(), 1);
    let again = app.queue.by_message().first_attempt().await;
    app.aws.wire.take_requests();
    app.queue.must_attempt(&again).await;
    assert_eq!(marks(), 0);
}

#[tokio::test]
async fn failing_to_mark_an_endpoint_slow_loses_no_record() {
    let (app, id) = start_slow().await;
    let task = app.queue.first_attempt().await;
    app.aws.wire.disturb_requests(move |operation, body| {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let is_slow_mark = names(&body, attribute::SLOW_SINCE);
        (operation == "UpdateItem" && is_slow_mark).then_some(Fault::Before)
    });
    app.queue.must_attempt(&task).await;
    let delivery = app.api.must_have_one_delivery(&id).await;
    assert_eq!(delivery["status"], "DELIVERED");
}

#[tokio::test]
async fn pings_after_a_slow_one_take_the_slow_lane() {
    let (app, id) = start_slow().await;
    app.api.ping_preferring(&id, "respond-async").await;
    assert_eq!(queued(&app).await, [1, 0]);
    let first = app.queue.queued_in(Lane::Fast).await;
    assert_eq!(app.queue.handle(first).await, Ok(Vec::new()));
    app.api.ping_preferring(&id, "respond-async").await;
    assert_eq!(queued(&app).await, [0, 1]);
}
