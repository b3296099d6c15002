//! Which connections to receivers are kept, and how many there are.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::support::asserts::assert_answered;
use crate::support::gauge::{Gauge, counted_receiver, forgetful_receiver, gated_counted_receiver};
use crate::support::hand_clock::HandClock;
use crate::support::queue::{attempt_message, message};
use crate::support::receiver::keeping_receiver;
use crate::support::{Options, TestApp, eventually};

/// Hosts whose connection the sender keeps.
const KEPT_HOSTS: usize = 16;

/// Publishes an event and makes the first attempt of its only delivery.
async fn deliver(app: &TestApp) {
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
}

async fn delivered(app: &TestApp, id: &str) -> usize {
    app.api.page(id, "status=DELIVERED").await.0.len()
}

#[tokio::test]
async fn connections_are_reused() {
    let app = TestApp::start_with(Options::idle()).await;
    let (url, connections) = keeping_receiver();
    let (id, _) = app.api.create_webhook(&url).await;
    deliver(&app).await;
    deliver(&app).await;
    assert_eq!(delivered(&app, &id).await, 2);
    assert_eq!(connections.accepted.load(Ordering::SeqCst), 1);
}

/// Lambda freezes the function between batches, so it does not notice a closed
/// connection before the next batch.
#[tokio::test]
async fn connections_closed_while_the_function_slept_are_replaced() {
    let app = TestApp::start_with(Options::idle()).await;
    let (url, connections) = keeping_receiver();
    let (id, _) = app.api.create_webhook(&url).await;
    deliver(&app).await;
    let task = app.queue.first_attempt().await;
    // Nothing else runs in the meantime: the runtime has only this thread.
    connections.close();
    app.queue.must_attempt(&task).await;
    assert_eq!(delivered(&app, &id).await, 2);
    assert_eq!(connections.accepted.load(Ordering::SeqCst), 2);
}

/// After a thaw, a connection may be dead without our having heard of it, and timers
/// may not have counted the time.
#[tokio::test]
async fn connections_from_before_a_long_sleep_are_not_used() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let gauge = Gauge::default();
    let url = forgetful_receiver(&gauge, 1).await;
    let (id, _) = app.api.create_webhook(&url).await;
    deliver(&app).await;
    clock.advance(Duration::from_secs(5 * 60));
    deliver(&app).await;
    assert_eq!(delivered(&app, &id).await, 2);
    assert_eq!(gauge.accepted(), 2);
}

#[tokio::test]
async fn pings_take_fresh_connections_and_close_them() {
    let app = TestApp::start_with(Options::default()).await;
    let gauge = Gauge::default();
    // A ping that took a used connection would fail.
    let url = forgetful_receiver(&gauge, 1).await;
    let (id, _) = app.api.create_webhook(&url).await;
    app.api.must_publish("invoice.paid").await;
    eventually("a delivery", async || {
        (delivered(&app, &id).await == 1).then_some(())
    })
    .await;
    assert_answered(&app.api.ping(&id).await, 200, "");
    assert_answered(&app.api.ping(&id).await, 200, "");
    assert_eq!(gauge.accepted(), 3);
    // That of the event stays.
    eventually("closed connections", async || {
        (gauge.open() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn few_hosts_keep_an_idle_connection() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let gauge = Gauge::default();
    for _ in 0..2 * KEPT_HOSTS {
        let url = counted_receiver(&gauge).await;
        app.api.create_webhook(&url).await;
    }
    app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    assert_eq!(gauge.accepted(), 2 * KEPT_HOSTS);
    // Less than it takes for idle connections to be closed.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(gauge.open(), KEPT_HOSTS);
}

#[tokio::test]
async fn hosts_keep_one_idle_connection() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let gauge = Gauge::default();
    let gate = Arc::new(Semaphore::new(0));
    let url = gated_counted_receiver(&gauge, &gate).await;
    let (id, _) = app.api.create_webhook(&url).await;
    for _ in 0..10 {
        app.api.must_publish("invoice.paid").await;
    }
    let tasks = app.queue.fan_out().await;
    let batch = tasks
        .iter()
        .enumerate()
        .map(|(index, task)| message(Some(&index.to_string()), attempt_message(task)));
    let open = eventually("ten connections", async || {
        (gauge.open() == 10).then(|| gate.add_permits(10))
    });
    let (back, ()) = tokio::join!(app.queue.handle(batch), open);
    assert_eq!(back, Ok(Vec::new()));
    assert_eq!(delivered(&app, &id).await, 10);
    eventually("closed connections", async || {
        (gauge.open() == 1).then_some(())
    })
    .await;
}
