//! Which connections to receivers are kept open, and how many.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::support::asserts::assert_answered;
use crate::support::gauge::{
    Gauge, counted_receiver, forgetful_receiver, gated_counted_receiver, wordy_receiver,
};
use crate::support::hand_clock::HandClock;
use crate::support::queue::{attempt_message, message};
use crate::support::receiver::keeping_receiver;
use crate::support::{Options, TestApp, eventually};

/// How many hosts the sender keeps an idle connection to.
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

#[tokio::test]
async fn connections_are_reused_after_long_bodies() {
    let app = TestApp::start_with(Options::idle()).await;
    let gauge = Gauge::default();
    let url = wordy_receiver(&gauge, 60_000).await;
    let (id, _) = app.api.create_webhook(&url).await;
    deliver(&app).await;
    deliver(&app).await;
    assert_eq!(delivered(&app, &id).await, 2);
    assert_eq!(gauge.accepted(), 1);
}

/// Lambda freezes the function between batches, so it notices a closed connection only in
/// the next batch.
#[tokio::test]
async fn connections_closed_during_a_freeze_are_replaced() {
    let app = TestApp::start_with(Options::idle()).await;
    let (url, connections) = keeping_receiver();
    let (id, _) = app.api.create_webhook(&url).await;
    deliver(&app).await;
    let task = app.queue.first_attempt().await;
    // The runtime has only this thread, so the client cannot notice before the next
    // attempt.
    connections.close();
    app.queue.must_attempt(&task).await;
    assert_eq!(delivered(&app, &id).await, 2);
    assert_eq!(connections.accepted.load(Ordering::SeqCst), 2);
}

/// After a thaw, a connection may be dead without a FIN or RST having arrived, and timers
/// may not have counted the frozen time.
#[tokio::test]
async fn connections_from_before_a_long_freeze_are_not_reused() {
    let clock = HandClock::at_now();
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let gauge = Gauge::default();
    let url = forgetful_receiver(&gauge, 1).await;
    let (id, _) = app.api.create_webhook(&url).await;
    deliver(&app).await;
    clock.advance(Duration::from_secs(20));
    deliver(&app).await;
    assert_eq!(delivered(&app, &id).await, 2);
    assert_eq!(gauge.accepted(), 2);
}

#[tokio::test]
async fn pings_use_and_close_their_own_connections() {
    let app = TestApp::start_with(Options::default()).await;
    let gauge = Gauge::default();
    // Connections respond once, so a ping on a used connection would fail.
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
    // The event's connection stays open.
    eventually("closed connections", async || {
        (gauge.open() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn at_most_16_hosts_keep_an_idle_connection() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let gauge = Gauge::default();
    for _ in 0..2 * KEPT_HOSTS {
        let url = counted_receiver(&gauge).await;
        app.api.create_webhook(&url).await;
    }
    app.api.must_publish("invoice.paid").await;
    app.queue.settle().await;
    assert_eq!(gauge.accepted(), 2 * KEPT_HOSTS);
    // Shorter than the idle timeout, so connections that closed were not kept at all.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(gauge.open(), KEPT_HOSTS);
}

#[tokio::test]
async fn each_host_keeps_ten_idle_connections() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let gauge = Gauge::default();
    let gate = Arc::new(Semaphore::new(0));
    let url = gated_counted_receiver(&gauge, &gate).await;
    let (id, _) = app.api.create_webhook(&url).await;
    for attempts in [10, 10, 12] {
        for _ in 0..attempts {
            app.api.must_publish("invoice.paid").await;
        }
        let tasks = app.queue.fan_out().await;
        let batch = tasks
            .iter()
            .enumerate()
            .map(|(index, task)| message(Some(&index.to_string()), attempt_message(task)));
        let answer = eventually("all requests at once", async || {
            (gauge.open() == attempts).then(|| gate.add_permits(attempts))
        });
        let (back, ()) = tokio::join!(app.queue.handle(batch), answer);
        assert_eq!(back, Ok(Vec::new()));
    }
    assert_eq!(delivered(&app, &id).await, 25, "a page of the history");
    assert_eq!(gauge.accepted(), 12, "the second batch opened none");
    eventually("closed connections", async || {
        (gauge.open() == 10).then_some(())
    })
    .await;
}
