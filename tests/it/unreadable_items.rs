//! Items that the service cannot read, because somebody edited them or a newer version wrote
//! them.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute::{
    ACTIVE, CREATED_AT, DATA, EVENT_ID, EVENTS, FILTER, SECRET_VERSION, STATUS,
};
use webhook_endpoints::domain::message::{Message, Tend};
use webhook_endpoints::domain::redelivery::DEFECT_RECEIVES;

use crate::support::paused::Paused;
use crate::support::queue::{attempt_message, endpoint_id, message, ping_of, received_again};
use crate::support::receiver::Receiver;
use crate::support::{Options, TestApp, log, metrics};

#[tokio::test]
async fn unreadable_endpoints_do_not_block_the_rest_of_their_batch() {
    let app = TestApp::start_with(Options::idle()).await;
    let receiver = Receiver::answering(200, "").await;
    let (good, _) = app.api.create_webhook(&receiver.url).await;
    let (bad, _) = app.api.create_webhook(&receiver.url).await;
    app.aws
        .edit_endpoint(&bad, &format!("REMOVE #{}", ACTIVE))
        .await;
    let batch = [
        message(Some("good"), attempt_message(&ping_of(&app, &good))),
        message(Some("bad"), attempt_message(&ping_of(&app, &bad))),
    ];
    assert_eq!(app.queue.handle(batch).await, Ok(vec!["bad".to_owned()]));
    receiver.must_receive_one();
}

/// Metrics that the test below emitted.
static EMITTED: Mutex<Vec<Value>> = Mutex::new(Vec::new());

#[tokio::test]
async fn unreadable_endpoints_do_not_block_others_of_their_app() {
    log::start();
    let app = TestApp::start_with(Options::stepwise()).await;
    let (good, _) = app.api.create_webhook("https://example.com/hook").await;
    let (bad, _) = app.api.create_webhook("https://example.com/hook").await;
    let edit = format!("SET #{CREATED_AT} = #{EVENTS} REMOVE #{SECRET_VERSION}");
    app.aws.edit_endpoint(&bad, &edit).await;

    assert_eq!(app.api.listed_ids().await, [good.as_str()]);
    let read = app.api.get(&format!("/{bad}")).await;
    read.must_fail_with(500, "INTERNAL_ERROR");

    app.api.must_publish("invoice.paid").await;
    let queue =
        metrics::queue_with_metrics(&app, |line| EMITTED.lock().unwrap().push(line.clone()));
    let tasks = queue.fan_out().await;
    let reached = tasks.iter().filter(|task| !task.if_owed);
    let reached: Vec<_> = reached.map(|task| task.endpoint.endpoint_id).collect();
    assert_eq!(reached.len(), 1);
    assert_eq!(reached[0].to_string(), good);
    let emitted = EMITTED.lock().unwrap();
    assert!(emitted.iter().any(|line| line["UnreadableItems"] == 1));

    // Once for the list and once for the event.
    let mut skipped = log::lines_with("skipped an unreadable endpoint");
    skipped.retain(|line| line.contains(&bad));
    assert_eq!(skipped.len(), 2);
    let line: Value = serde_json::from_str(&skipped[0]).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["pk"], format!("APP#{}", app.app_id));
    assert_eq!(line["sk"], format!("E#{bad}"));
    assert!(!skipped[0].contains("example.com"));
    // The cause of the 500 is logged.
    let request_id = read.headers["x-request-id"].to_str().unwrap();
    let logged = log::lines_with(request_id);
    let cause = "GetItem of an endpoint";
    assert!(logged.iter().any(|line| line.contains(cause)), "{logged:?}");
}

/// Metrics that the test below emitted.
static EMITTED_BY_DRAIN: Mutex<Vec<Value>> = Mutex::new(Vec::new());

#[tokio::test]
async fn unreadable_deliveries_do_not_block_other_waiting_ones() {
    log::start();
    let paused = Paused::start().await;
    let id = endpoint_id(&paused.id);
    let (now, apart) = (paused.clock.now(), Duration::from_secs(1));
    let tasks = paused.app.aws.seed_waiting(id, 3, now, apart).await;
    let edit = format!("SET #{CREATED_AT} = #{EVENT_ID}");
    paused.app.aws.edit_delivery(&tasks[0], &edit).await;
    paused.status.store(200, Ordering::SeqCst);
    paused.clock.set_to(&paused.endpoint().await["nextProbeAt"]);
    let queue = metrics::queue_with_metrics(&paused.app, |line| {
        EMITTED_BY_DRAIN.lock().unwrap().push(line.clone());
    });
    let tend = Message::Tend(Tend::now(tasks[0].endpoint));
    queue.must_handle(tend.to_json().unwrap()).await;
    queue.settle().await;
    let readable = tasks[1..].iter().map(|task| task.source.event_id());
    let readable: Vec<_> = readable.map(|event| event.to_string()).collect();
    assert_eq!(paused.received(), readable);
    let emitted = EMITTED_BY_DRAIN.lock().unwrap();
    assert!(emitted.iter().any(|line| line["UnreadableItems"] == 1));
    let delivery_id = tasks[0].delivery_id.to_string();
    let mut skipped = log::lines_with("skipped an unreadable delivery");
    skipped.retain(|line| line.contains(&delivery_id));
    let line: Value = serde_json::from_str(&skipped[0]).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["sk"], format!("D#{delivery_id}"));
}

/// Publishes an event while an endpoint cannot be read, and handles the endpoint's message
/// until it becomes a dead letter.
async fn dead_letter_of(app: &TestApp, event: &Value) -> String {
    let accepted = app.api.publish(event).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let tasks = app.queue.fan_out().await;
    let doubtful: Vec<_> = tasks.into_iter().filter(|task| task.if_owed).collect();
    assert_eq!(doubtful.len(), 1);
    let body = attempt_message(&doubtful[0]);
    for receives in 1..=DEFECT_RECEIVES {
        let message = received_again(&message(Some("m"), &body), receives);
        let back = app.queue.handle([message]).await.unwrap();
        assert_eq!(back.is_empty(), receives == DEFECT_RECEIVES);
    }
    let letters = app.queue.take_dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].body(), body);
    body
}

#[tokio::test]
async fn events_reach_unreadable_endpoints_once_they_are_readable() {
    for ephemeral in [false, true] {
        let app = TestApp::start_with(Options::stepwise()).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, _) = app.api.subscribe(&receiver.url, &["invoice.*"]).await;
        for (attribute, broken, whole) in [
            (
                EVENTS,
                json!({"S": "newer"}),
                json!({"L": [{"S": "invoice.*"}]}),
            ),
            (
                FILTER,
                json!({"S": "{\"newer\":{}}"}),
                json!({"S": "{\"n\":[1]}"}),
            ),
        ] {
            app.aws.set_attribute(&id, attribute, &broken).await;
            let event =
                |n| json!({"type": "invoice.paid", "data": {"n": n}, "storePayload": !ephemeral});
            let letter = dead_letter_of(&app, &event(1)).await;
            let before = receiver.received().len();
            app.aws.set_attribute(&id, attribute, &whole).await;
            // The dead letter is redriven twice.
            app.queue.must_handle(&letter).await;
            app.queue.must_handle(&letter).await;
            assert_eq!(receiver.received().len(), before + 1, "{attribute}");
        }
        // An event that turns out not to match the endpoint is not sent, and leaves nothing.
        for (event, broken) in [
            (json!({"type": "user.created", "data": {"n": 1}}), EVENTS),
            (json!({"type": "invoice.paid", "data": {"n": 2}}), FILTER),
        ] {
            let known = receiver.received().len();
            let whole = app.aws.attribute_of(&id, broken).await;
            app.aws
                .set_attribute(&id, broken, &json!({"S": "newer"}))
                .await;
            let mut event = event;
            event["storePayload"] = json!(!ephemeral);
            let letter = dead_letter_of(&app, &event).await;
            app.aws.set_attribute(&id, broken, &whole).await;
            app.queue.must_handle(&letter).await;
            assert_eq!(receiver.received().len(), known);
        }
        assert_eq!(app.aws.any_item_has(DATA).await, !ephemeral);
        assert_eq!(app.api.deliveries(&id).await.len(), 2);
    }
}

#[tokio::test]
async fn events_for_one_endpoint_do_not_concern_unreadable_others() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let (good, _) = app.api.create_webhook("https://example.com/hook").await;
    let (bad, _) = app.api.create_webhook("https://example.com/hook").await;
    for (only, is_doubtful) in [(&good, false), (&bad, true)] {
        let event = json!({"type": "invoice.paid", "data": {"n": 1}, "webhookId": only});
        assert_eq!(app.api.publish(&event).await.status, 202);
        let whole = app.aws.attribute_of(&bad, EVENTS).await;
        let newer = json!({"S": "newer"});
        app.aws.set_attribute(&bad, EVENTS, &newer).await;
        let tasks = app.queue.fan_out().await;
        let reached = tasks
            .iter()
            .map(|task| (task.endpoint.endpoint_id.to_string(), task.if_owed));
        assert_eq!(reached.collect::<Vec<_>>(), [(only.clone(), is_doubtful)]);
        app.aws.set_attribute(&bad, EVENTS, &whole).await;
    }
}

#[tokio::test]
async fn unreadable_deliveries_are_sent_once_they_are_readable() {
    for probing in [false, true] {
        let paused = Paused::start().await;
        let id = endpoint_id(&paused.id);
        let (now, apart) = (paused.clock.now(), Duration::from_secs(1));
        let tasks = paused.app.aws.seed_waiting(id, 1, now, apart).await;
        let task = &tasks[0];
        let edit = async |status| paused.app.aws.set_delivery(task, STATUS, status).await;
        edit("newer").await;
        if !probing {
            paused.status.store(200, Ordering::SeqCst);
            paused
                .app
                .queue
                .must_attempt(&ping_of(&paused.app, &paused.id))
                .await;
        }
        // As long as the delivery is unreadable, the endpoint stays on the schedule.
        for _ in 0..12 {
            paused.clock.advance(Duration::from_secs(5 * 60));
            paused.app.queue.must_handle(r#"{"kind":"sweep"}"#).await;
            paused.app.queue.settle().await;
        }
        // The last look leaves it there for ten minutes.
        let place = async || {
            let endpoint = paused.app.aws.table().endpoint(task.endpoint).await;
            endpoint.unwrap().unwrap().place.unwrap().at
        };
        paused.clock.advance(Duration::from_secs(5 * 60));
        let last = Tend {
            due_at: Some(place().await),
            last: true,
            ..Tend::now(task.endpoint)
        };
        let last = Message::Tend(last).to_json().unwrap();
        paused.app.queue.must_handle(last).await;
        let wait = place().await.duration_since(paused.clock.now());
        assert_eq!(wait.as_secs(), 10 * 60, "{probing}");
        let known = paused.receiver.received().len();
        edit("P").await;
        paused.status.store(200, Ordering::SeqCst);
        for _ in 0..12 {
            paused.clock.advance(Duration::from_secs(5 * 60));
            paused.app.queue.must_handle(r#"{"kind":"sweep"}"#).await;
            paused.app.queue.settle().await;
        }
        let arrived = paused.receiver.received_after(known);
        let arrived: Vec<_> = arrived.iter().map(|it| it.header("webhook-id")).collect();
        assert_eq!(arrived, [task.source.event_id().to_string()], "{probing}");
    }
}
