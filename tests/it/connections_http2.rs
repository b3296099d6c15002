//! HTTP/2 receivers that limit, close or lose their connections.

use std::time::Duration;

use serde_json::{Value, json};
use webhook_endpoints::domain::failure::Failure;

use crate::support::gauge::Gauge;
use crate::support::http2::{Behaviour, http2_receiver};
use crate::support::names::LOOPBACK;
use crate::support::queue::{attempt_message, message};
use crate::support::tls::Authority;
use crate::support::{Options, TestApp};

/// A service with one endpoint and its HTTP/2 receiver.
struct Stage {
    app: TestApp,
    gauge: Gauge,
    id: String,
}

impl Stage {
    async fn start(behaviour: Behaviour) -> Self {
        Self::start_with(Options::stepwise(), behaviour).await
    }

    async fn start_with(mut options: Options, behaviour: Behaviour) -> Self {
        let authority = Authority::new();
        options.sender.extra_roots = vec![authority.root()];
        let app = TestApp::start_with(options).await;
        let gauge = Gauge::default();
        let url = http2_receiver(authority.certify(LOOPBACK), &gauge, behaviour).await;
        let (id, _) = app.api.create_webhook(&url).await;
        Self { app, gauge, id }
    }

    /// Publishes events and delivers them in one batch. Returns how many deliveries of the
    /// endpoint have succeeded so far.
    async fn deliver(&self, count: usize) -> usize {
        for _ in 0..count {
            self.app.api.must_publish("invoice.paid").await;
        }
        let tasks = self.app.queue.fan_out().await;
        assert_eq!(tasks.len(), count);
        let batch = tasks
            .iter()
            .enumerate()
            .map(|(index, task)| message(Some(&index.to_string()), attempt_message(task)));
        assert_eq!(self.app.queue.handle(batch).await, Ok(Vec::new()));
        // Some may have been moved to the slow lane.
        self.app.queue.settle().await;
        let delivered = self.app.api.page(&self.id, "status=DELIVERED").await;
        delivered.0.len()
    }
}

#[tokio::test]
async fn a_limit_of_one_stream_fails_no_attempt() {
    let stage = Stage::start(Behaviour::OneAtATime(Duration::from_millis(20))).await;
    assert_eq!(stage.deliver(10).await, 10);
    assert_eq!(stage.deliver(10).await, 20);
}

#[tokio::test]
async fn a_goaway_after_the_first_stream_fails_no_attempt() {
    for streams in [1, 100] {
        let stage = Stage::start(Behaviour::GoesAway { streams }).await;
        assert_eq!(stage.deliver(10).await, 10, "{streams} at a time");
        assert_eq!(stage.deliver(1).await, 11, "{streams} at a time");
    }
}

#[tokio::test]
async fn refused_streams_fail_no_attempt() {
    let stage = Stage::start(Behaviour::RefusesMore).await;
    assert_eq!(stage.deliver(10).await, 10);
    assert_eq!(stage.deliver(1).await, 11);
}

#[tokio::test]
async fn connections_closed_by_the_receiver_are_replaced() {
    let stage = Stage::start(Behaviour::HangsUp).await;
    assert_eq!(stage.deliver(1).await, 1);
    assert_eq!(stage.deliver(1).await, 2);
    assert_eq!(stage.gauge.accepted(), 2);
}

/// Makes the first attempt at an event with `size` bytes of data, with a deadline in
/// seconds. Returns the attempt.
async fn attempt_at(behaviour: Behaviour, size: usize, deadline: u64) -> Value {
    let mut options = Options::stepwise();
    options.sender.deadline = Duration::from_secs(deadline);
    let Stage { app, id, .. } = Stage::start_with(options, behaviour).await;
    let event = json!({"type": "invoice.paid", "data": "x".repeat(size)});
    assert_eq!(app.api.publish(&event).await.status, 202);
    let task = app.queue.fan_out().await.remove(0);
    app.queue.must_attempt(&task).await;
    let shown = app.api.delivery(&id, task.delivery_id).await;
    shown["attemptLog"][0].clone()
}

#[tokio::test]
async fn failed_streams_report_the_reason() {
    for (behaviour, size, failure) in [
        (Behaviour::Fails, 10, Failure::Closed),
        (Behaviour::TakesLittle, 200_000, Failure::SendTimeout),
        (Behaviour::AnswersNothing, 200_000, Failure::ResponseTimeout),
    ] {
        let attempt = attempt_at(behaviour, size, 2).await;
        assert_eq!(attempt["code"], failure.code(), "{behaviour:?}");
    }
}

#[tokio::test]
async fn streams_that_may_have_been_processed_are_not_repeated() {
    let stage = Stage::start(Behaviour::Fails).await;
    stage.app.api.must_publish("invoice.paid").await;
    let task = stage.app.queue.fan_out().await.remove(0);
    stage.app.queue.must_attempt(&task).await;
    assert_eq!(stage.gauge.accepted(), 1);
}

#[tokio::test]
async fn resets_after_the_head_change_no_outcome() {
    let attempt = attempt_at(Behaviour::ResetsBody, 10, 15).await;
    assert_eq!(attempt["responseStatus"], 200, "{attempt}");
    assert_eq!(attempt["error"], Value::Null);
}

#[tokio::test]
async fn up_to_1000_headers_are_accepted() {
    let attempt = attempt_at(Behaviour::Headers(1_000), 10, 15).await;
    assert_eq!(attempt["responseStatus"], 200, "{attempt}");
    // Far more than the client accepts.
    let attempt = attempt_at(Behaviour::Headers(24_000), 10, 15).await;
    assert_eq!(attempt["code"], Failure::HeadTooLarge.code(), "{attempt}");
}

/// HTTP/2 pings detect the dead connection. Without them, the second connection would not
/// be opened: a deadline ends an attempt, but not its connection.
#[tokio::test]
async fn silent_connections_are_abandoned() {
    let mut options = Options::stepwise();
    options.sender.deadline = Duration::from_secs(6);
    // No retry comes due during the test.
    options.settings.policy.schedule = "3600".parse().unwrap();
    let stage = Stage::start_with(options, Behaviour::FallsSilent).await;
    assert_eq!(stage.deliver(1).await, 1);
    // This attempt reuses the silent connection, and times out.
    assert_eq!(stage.deliver(1).await, 1);
    assert_eq!(stage.gauge.accepted(), 1);
    let pending = stage.app.api.page(&stage.id, "status=PENDING").await.0;
    let id = pending[0]["id"].as_str().unwrap();
    let detail = stage.app.api.delivery(&stage.id, id).await;
    let failed = &detail["attemptLog"][0];
    assert_eq!(
        failed["error"],
        Value::from(Failure::ResponseTimeout.to_string())
    );
    assert_eq!(stage.deliver(1).await, 2);
    assert_eq!(stage.gauge.accepted(), 2);
}

/// A receiver may hold streams open forever, and the payloads that it did not take with them.
#[tokio::test]
async fn connections_with_eight_unsent_payloads_are_closed() {
    let stage = Stage::start(Behaviour::AnswersEarly).await;
    let attempt = async |count: usize| {
        let event = json!({"type": "invoice.paid", "data": "x".repeat(200_000)});
        for _ in 0..count {
            assert_eq!(stage.app.api.publish(&event).await.status, 202);
        }
        let tasks = stage.app.queue.fan_out().await;
        let ids = (0..count).map(|index| index.to_string());
        let batch = ids.zip(&tasks);
        let batch = batch.map(|(id, task)| message(Some(&id), attempt_message(task)));
        assert_eq!(stage.app.queue.handle(batch).await, Ok(Vec::new()));
        stage.gauge.accepted()
    };
    assert_eq!(attempt(1).await, 1);
    assert_eq!(attempt(6).await, 1);
    assert_eq!(attempt(1).await, 1);
    // The connection was closed after the eighth.
    assert_eq!(attempt(1).await, 2);
}
