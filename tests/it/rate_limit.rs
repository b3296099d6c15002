//! The rate limit of an endpoint.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use reqwest::Method;
use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::delivery::ChunkSizes;
use webhook_endpoints::domain::message::{DeliveryTask, Lane, Message};

use crate::support::api::answer;
use crate::support::hand_clock::HandClock;
use crate::support::queue::{attempt_message, message, ping_of};
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Options, TestApp, eventually};

/// An app with one endpoint that has a rate limit.
pub(crate) struct Limited {
    pub(crate) app: TestApp,
    pub(crate) clock: HandClock,
    pub(crate) receiver: Receiver,
    pub(crate) id: String,
}

impl Limited {
    pub(crate) async fn start(limit: u16) -> Self {
        Self::start_with(limit, ChunkSizes::default().waiting).await
    }

    pub(crate) async fn start_with(limit: u16, chunk: u16) -> Self {
        let clock = HandClock::at("2026-01-01T00:00:00Z");
        let mut options = Options::stepwise_with(&clock);
        options.settings.chunks.waiting = chunk;
        let app = TestApp::start_with(options).await;
        let receiver = Receiver::answering(200, "").await;
        let body = json!({"url": receiver.url, "events": ["*"], "rateLimit": limit});
        let created = app.api.post_json("", &body).await;
        let id = created.data()["id"].as_str().unwrap().to_owned();
        Self {
            app,
            clock,
            receiver,
            id,
        }
    }

    /// Publishes this many events. Returns the first attempts of their deliveries.
    pub(crate) async fn tasks(&self, count: usize) -> Vec<DeliveryTask> {
        for _ in 0..count {
            self.app.api.must_publish("invoice.paid").await;
        }
        let mut tasks = Vec::new();
        while tasks.len() < count {
            tasks.extend(self.app.queue.fan_out().await);
        }
        tasks
    }

    /// Handles a batch of attempts. Returns those that were put back on the queue with their
    /// delays in seconds, shortest first.
    async fn attempt(&self, lane: Lane, tasks: &[DeliveryTask]) -> Vec<(u64, DeliveryTask)> {
        self.app.aws.wire.take_requests();
        let handled = self.app.queue.handle_in(lane, batch(tasks)).await;
        assert_eq!(handled, Ok(Vec::new()));
        let mut put_back = Vec::new();
        for request in self.app.aws.wire.take_requests() {
            for (delay, message) in request.sent() {
                let Message::Delivery(task) = message else {
                    panic!("not an attempt: {message:?}");
                };
                put_back.push((delay, task));
            }
        }
        put_back.sort_by_key(|(delay, _)| *delay);
        put_back
    }

    async fn endpoint(&self) -> Value {
        let endpoint = self.app.api.get(&format!("/{}", self.id)).await;
        endpoint.data().clone()
    }

    pub(crate) fn received(&self) -> usize {
        self.receiver.received().len()
    }
}

pub(crate) fn batch(tasks: &[DeliveryTask]) -> Vec<SqsMessage> {
    let messages = tasks.iter().enumerate();
    messages
        .map(|(index, task)| message(Some(&index.to_string()), attempt_message(task)))
        .collect()
}

fn delays(put_back: &[(u64, DeliveryTask)]) -> Vec<u64> {
    put_back.iter().map(|(delay, _)| *delay).collect()
}

#[tokio::test]
async fn limits_are_set_changed_and_removed() {
    let limited = Limited::start(5).await;
    assert_eq!(limited.endpoint().await["rateLimit"], 5);
    let path = format!("/{}", limited.id);
    for (given, shown) in [
        (json!({"rateLimit": 1_000}), json!(1_000)),
        (json!({"active": true}), json!(1_000)),
        (json!({"rateLimit": null}), json!(null)),
        (json!({"rateLimit": 1.0}), json!(1)),
    ] {
        limited.app.api.put_json(&path, &given).await.data();
        assert_eq!(limited.endpoint().await["rateLimit"], shown, "{given}");
    }
}

#[tokio::test]
async fn limits_must_be_whole_numbers_in_range() {
    let limited = Limited::start(5).await;
    let path = format!("/{}", limited.id);
    for bad in [
        "0", "-1", "1001", "1.5", "1e400", "\"5\"", "true", "[]", "{}",
    ] {
        let body = format!(r#"{{"rateLimit": {bad}}}"#);
        let request = limited.app.api.request(Method::PUT, &path);
        let request = request
            .header("content-type", "application/json")
            .body(body);
        let answer = answer(request).await;
        let error = answer.must_fail_with(400, "VALIDATION_ERROR");
        assert_eq!(
            error["details"],
            json!([{
                "field": "rateLimit",
                "message": "must be a whole number from 1 to 1000, or null"
            }]),
            "{bad}"
        );
    }
    assert_eq!(limited.endpoint().await["rateLimit"], 5);
}

#[tokio::test]
async fn deliveries_over_the_limit_wait_for_their_turn_and_arrive() {
    let limited = Limited::start(2).await;
    let tasks = limited.tasks(7).await;
    let put_back = limited.attempt(Lane::Fast, &tasks).await;
    assert_eq!(limited.received(), 2);
    assert_eq!(delays(&put_back), [1, 1, 2, 2, 3]);
    for (second, arrived) in [(1, 4), (2, 6), (3, 7)] {
        limited.clock.advance(Duration::from_secs(1));
        let due = put_back.iter().filter(|(delay, _)| *delay == second);
        let due: Vec<_> = due.map(|(_, task)| task.clone()).collect();
        assert_eq!(limited.attempt(Lane::Fast, &due).await, []);
        assert_eq!(limited.received(), arrived);
    }
}

#[tokio::test]
async fn batches_share_the_limit_and_idle_time_earns_no_turns() {
    let limited = Limited::start(3).await;
    let tasks = limited.tasks(10).await;
    assert_eq!(limited.attempt(Lane::Fast, &tasks[..2]).await, []);
    let put_back = limited.attempt(Lane::Fast, &tasks[2..4]).await;
    assert_eq!(delays(&put_back), [1]);
    limited.clock.advance(Duration::from_secs(60));
    let put_back = limited.attempt(Lane::Fast, &tasks[4..]).await;
    assert_eq!(delays(&put_back), [1, 1, 1]);
    assert_eq!(limited.received(), 6);
}

#[tokio::test]
async fn turns_survive_only_updates_with_the_same_limit() {
    let limited = Limited::start(2).await;
    let path = format!("/{}", limited.id);
    let update = async |limit: Value| {
        let body = json!({"rateLimit": limit, "events": ["*"]});
        limited.app.api.put_json(&path, &body).await.data();
    };
    let tasks = limited.tasks(8).await;
    let put_back = limited.attempt(Lane::Fast, &tasks[..3]).await;
    assert_eq!((limited.received(), delays(&put_back)), (2, vec![1]));
    update(json!(2)).await;
    let put_back = limited.attempt(Lane::Fast, &tasks[3..5]).await;
    assert_eq!((limited.received(), delays(&put_back)), (2, vec![1, 2]));
    // With a lower or a higher limit, turns start over in this second.
    update(json!(1)).await;
    let put_back = limited.attempt(Lane::Fast, &tasks[5..7]).await;
    assert_eq!((limited.received(), delays(&put_back)), (3, vec![1]));
    update(json!(3)).await;
    let put_back = limited.attempt(Lane::Fast, &tasks[7..]).await;
    assert_eq!((limited.received(), delays(&put_back)), (4, vec![]));
}

#[tokio::test]
async fn turns_cost_one_write_per_limited_endpoint_and_batch() {
    let limited = Limited::start(2).await;
    let tasks = limited.tasks(4).await;
    limited.app.queue.must_attempt(&tasks[0]).await;
    limited.clock.advance(Duration::from_secs(1));

    limited.app.aws.wire.take();
    let handled = limited.app.queue.handle_in(Lane::Fast, batch(&tasks[1..]));
    assert_eq!(handled.await, Ok(Vec::new()));
    // One update takes the turns and two record attempts. The third delivery is put back.
    let calls = [
        "BatchGetItem",
        "SendMessageBatch",
        "UpdateItem",
        "UpdateItem",
        "UpdateItem",
    ];
    assert_eq!(limited.app.aws.wire.take(), calls);

    let path = format!("/{}", limited.id);
    let none = json!({"rateLimit": null});
    limited.app.api.put_json(&path, &none).await.data();
    let task = limited.app.queue.first_attempt().await;
    limited.app.aws.wire.take();
    limited.app.queue.must_attempt(&task).await;
    assert_eq!(limited.app.aws.wire.take(), ["BatchGetItem", "UpdateItem"]);
}

#[tokio::test]
async fn slow_lane_functions_wait_for_turns_that_come_soon() {
    let limited = Limited::start(2).await;
    let tasks = limited.tasks(12).await;
    let put_back = limited.attempt(Lane::Slow, &tasks).await;
    // Those with a turn in this second or in the next three.
    assert_eq!(limited.received(), 8);
    assert_eq!(delays(&put_back), [4, 4, 5, 5]);
    // Their turns are over, but they come at the same time, so they are spread out.
    limited.clock.advance(Duration::from_secs(60));
    let late: Vec<_> = put_back.into_iter().map(|(_, task)| task).collect();
    let began = std::time::Instant::now();
    limited.app.aws.wire.take();
    assert_eq!(limited.attempt(Lane::Slow, &late).await, []);
    assert_eq!(limited.received(), 12);
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn concurrent_batches_never_exceed_the_limit_together() {
    let limited = Limited::start(5).await;
    let tasks = limited.tasks(20).await;
    let batches = tasks.chunks(4).map(|tasks| {
        let queue = &limited.app.queue;
        async move { queue.handle_in(Lane::Fast, batch(tasks)).await }
    });
    for handled in futures_util::future::join_all(batches).await {
        assert_eq!(handled, Ok(Vec::new()));
    }
    assert_eq!(limited.received(), 5);
}

#[tokio::test]
async fn pings_take_no_turn() {
    let limited = Limited::start(1).await;
    let tasks = limited.tasks(1).await;
    limited.app.queue.must_attempt(&tasks[0]).await;
    let ping = ping_of(&limited.app, &limited.id);
    limited.app.queue.must_attempt(&ping).await;
    assert_eq!(limited.received(), 2);
}

#[tokio::test]
async fn messages_are_returned_if_turns_cannot_be_taken() {
    let limited = Limited::start(1).await;
    let tasks = limited.tasks(2).await;
    limited
        .app
        .aws
        .wire
        .break_calls(&["UpdateItem"], Fault::Before);
    let handled = limited.app.queue.handle_in(Lane::Fast, batch(&tasks)).await;
    assert_eq!(handled, Ok(vec!["0".to_owned(), "1".to_owned()]));
    assert_eq!(limited.received(), 0);
}

#[tokio::test]
async fn slow_turn_writes_do_not_delay_other_endpoints() {
    const ENDPOINTS: usize = 6;
    let limited = Limited::start(5).await;
    let body = json!({"url": limited.receiver.url, "events": ["*"], "rateLimit": 5});
    for _ in 1..ENDPOINTS {
        limited.app.api.post_json("", &body).await.data();
    }
    let tasks = limited.tasks(1).await;
    assert_eq!(tasks.len(), ENDPOINTS);
    let stuck = limited.id.clone();
    limited
        .app
        .aws
        .wire
        .disturb_requests(move |operation, body| {
            let body = String::from_utf8_lossy(body);
            let takes_turns =
                operation == "UpdateItem" && body.contains(&format!("#{}", attribute::NEXT_TURN));
            (takes_turns && body.contains(&stuck)).then_some(Fault::Late)
        });
    let others = eventually("the others", async || {
        (limited.received() == ENDPOINTS - 1).then_some(())
    });
    tokio::select! {
        handled = limited.app.queue.handle_in(Lane::Fast, batch(&tasks)) => {
            panic!("handled without the turns: {handled:?}")
        }
        () = others => {}
    }
}
