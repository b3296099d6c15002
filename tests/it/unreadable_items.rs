//! Items that somebody edited by hand, so that they cannot be read.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use webhook_endpoints::aws::table::attribute::{
    ACTIVE, CREATED_AT, EVENT_ID, EVENTS, SECRET_VERSION,
};
use webhook_endpoints::domain::message::{Message, Tend};

use crate::support::paused::Paused;
use crate::support::queue::{attempt_message, endpoint_id, message, ping_of};
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
async fn unreadable_endpoints_do_not_block_their_apps_others() {
    log::start();
    let app = TestApp::start_with(Options::stepwise()).await;
    let (good, _) = app.api.create_webhook("https://example.com/hook").await;
    let (bad, _) = app.api.create_webhook("https://example.com/hook").await;
    let edit = format!("SET #{CREATED_AT} = #{EVENTS} REMOVE #{SECRET_VERSION}");
    app.aws.edit_endpoint(&bad, &edit).await;

    assert_eq!(app.api.listed_ids().await, [good.as_str()]);
    let read = app.api.get(&format!("/{bad}")).await;
    read.must_fail_with(500, "INTERNAL_ERROR");

    app.api.published("invoice.paid").await;
    let queue = metrics::passing(&app, |line| EMITTED.lock().unwrap().push(line.clone()));
    let tasks = queue.fan_out().await;
    let reached: Vec<_> = tasks.iter().map(|task| task.endpoint.endpoint_id).collect();
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
    // The answer's cause is logged.
    let request_id = read.headers["x-request-id"].to_str().unwrap();
    let logged = log::lines_with(request_id);
    let cause = "GetItem of an endpoint";
    assert!(logged.iter().any(|line| line.contains(cause)), "{logged:?}");
}

/// Metrics that the test below emitted.
static EMITTED_BY_DRAIN: Mutex<Vec<Value>> = Mutex::new(Vec::new());

#[tokio::test]
async fn unreadable_deliveries_do_not_block_the_others_that_wait() {
    log::start();
    let paused = Paused::start().await;
    let id = endpoint_id(&paused.id);
    let (now, apart) = (paused.clock.now(), Duration::from_secs(1));
    let tasks = paused.app.aws.seed_waiting(id, 3, now, apart).await;
    let edit = format!("SET #{CREATED_AT} = #{EVENT_ID}");
    paused.app.aws.edit_delivery(&tasks[0], &edit).await;
    paused.status.store(200, Ordering::SeqCst);
    paused.clock.set_to(&paused.endpoint().await["nextProbeAt"]);
    let queue = metrics::passing(&paused.app, |line| {
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
