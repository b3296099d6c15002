//! Replays, which send an endpoint the events that it never got.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::domain::id::{DeliveryId, EventId};
use webhook_endpoints::domain::message::{DeliveryTask, Message};
use webhook_endpoints::domain::replay::{Replay, Types};

use crate::support::hand_clock::HandClock;
use crate::support::queue::{endpoint_id, ping_of};
use crate::support::receiver::Receiver;
use crate::support::{Answer, Options, TestApp};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A service with an endpoint that got events.
pub(crate) struct Stage {
    pub(crate) app: TestApp,
    pub(crate) clock: HandClock,
    receiver: Receiver,
    /// The endpoint that got the events.
    other: String,
    /// The time of the first event.
    pub(crate) first: Timestamp,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let clock = HandClock::at_now();
        let mut options = Options::stepwise_with(&clock);
        options.settings.chunks.recovery = 2;
        change(&mut options);
        let app = TestApp::start_with(options).await;
        let receiver = Receiver::answering(200, "").await;
        let (other, _) = app.api.create_webhook("https://example.com/other").await;
        let first = clock.now();
        clock.advance(HOUR);
        Self {
            app,
            clock,
            receiver,
            other,
            first,
        }
    }

    /// Seeds events that the other endpoint got, a millisecond apart.
    pub(crate) async fn seed(&self, types: &[&str]) -> Vec<DeliveryTask> {
        let mut seeded = Vec::new();
        for (index, event_type) in (0_u64..).zip(types) {
            let at = self.first + Duration::from_millis(index);
            let other = endpoint_id(&self.other);
            seeded.push(self.app.aws.seed_event(other, event_type, at, 200).await);
        }
        seeded
    }

    /// Creates an endpoint that works.
    pub(crate) async fn endpoint(&self, events: &[&str]) -> String {
        self.app.api.subscribe(&self.receiver.url, events).await.0
    }

    pub(crate) async fn replay(&self, id: &str, more: Value) -> Answer {
        let mut body = json!({"since": self.first.to_string()});
        if let Value::Object(more) = more {
            body.as_object_mut().unwrap().extend(more);
        }
        self.app
            .api
            .post_json(&format!("/{id}/replay"), &body)
            .await
    }

    pub(crate) async fn must_replay(&self, id: &str, more: Value, deliveries: u32) {
        let answer = self.replay(id, more).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        let data = json!({"deliveries": deliveries, "atLeast": false});
        assert_eq!(*answer.data(), data);
        self.app.queue.settle().await;
    }

    /// The events, in the order in which they arrived.
    pub(crate) fn arrived(&self) -> Vec<String> {
        let received = self.receiver.received();
        let ids = received.iter().map(|request| request.header("webhook-id"));
        ids.map(str::to_owned).collect()
    }

    fn message(&self, id: &str, remaining: u32) -> Replay {
        Replay {
            id: EventId::new(),
            endpoint: self.app.aws.endpoint_key(endpoint_id(id)),
            asked_at: self.clock.now(),
            types: Types::default(),
            others: vec![endpoint_id(&self.other)],
            from: DeliveryId::MIN,
            to: DeliveryId::MAX,
            after: None,
            remaining,
        }
    }

    async fn handle(&self, replay: Replay) {
        let message = Message::Replay(replay).to_json().unwrap();
        self.app.queue.must_handle(message).await;
    }
}

fn ids(tasks: &[DeliveryTask]) -> Vec<String> {
    let ids = tasks.iter().map(|task| task.source.event_id().to_string());
    ids.collect()
}

#[tokio::test]
async fn new_endpoints_get_earlier_events() {
    let stage = Stage::start().await;
    let seeded = stage.seed(&["a.x", "b", "a.y", "a.z", "a.x"]).await;
    let id = stage.endpoint(&["a.*"]).await;
    stage.must_replay(&id, json!({}), 4).await;
    let mut arrived = stage.arrived();
    let mut expected = ids(&seeded);
    expected.remove(1);
    arrived.sort_unstable();
    expected.sort_unstable();
    assert_eq!(arrived, expected);
    // The deliveries have the times of the events, as if the endpoint had existed then.
    let history = stage.app.api.deliveries(&id).await;
    let others = stage.app.api.deliveries(&stage.other).await;
    assert_eq!(history.len(), 4);
    for delivery in &history {
        assert_eq!(delivery["status"], "DELIVERED");
        let same = |other: &&Value| other["createdAt"] == delivery["createdAt"];
        assert_eq!(others.iter().filter(same).count(), 1);
    }
    // The endpoint has them all now.
    stage.must_replay(&id, json!({}), 0).await;
    assert_eq!(stage.arrived().len(), 4);
    assert_eq!(stage.app.api.deliveries(&stage.other).await, others);
}

#[tokio::test]
async fn widened_subscriptions_get_only_what_was_missing() {
    let stage = Stage::start().await;
    let id = stage.endpoint(&["a"]).await;
    let seeded = stage.seed(&["a", "b", "c"]).await;
    let now = stage.clock.now();
    let (endpoint, event) = (endpoint_id(&id), seeded[0].source.event_id());
    let had = DeliveryTask {
        endpoint: stage.app.aws.endpoint_key(endpoint),
        delivery_id: DeliveryId::of_event(seeded[0].created_at, event, endpoint),
        ..seeded[0].clone()
    };
    stage.app.queue.must_attempt(&had).await;
    assert_eq!(stage.arrived(), [event.to_string()]);
    assert!(had.created_at < now);
    let all = json!({"events": ["*"]});
    stage.app.api.put_json(&format!("/{id}"), &all).await;
    stage.must_replay(&id, json!({"types": ["b"]}), 1).await;
    assert_eq!(stage.arrived(), ids(&seeded[..2]));
    stage.must_replay(&id, json!({"types": ["*"]}), 1).await;
    assert_eq!(stage.arrived(), ids(&seeded));
}

#[tokio::test]
async fn events_that_several_endpoints_got_are_sent_once() {
    let stage = Stage::start().await;
    let id = stage.endpoint(&["*"]).await;
    let (second, _) = stage.app.api.create_webhook("https://example.com/").await;
    let seeded = stage.seed(&["a", "a", "a", "a", "a"]).await;
    for task in &seeded {
        let endpoint = endpoint_id(&second);
        let event = task.source.event_id();
        let other = DeliveryTask {
            endpoint: stage.app.aws.endpoint_key(endpoint),
            delivery_id: DeliveryId::of_event(task.created_at, event, endpoint),
            ..task.clone()
        };
        let table = stage.app.aws.table();
        table.record_accepted(&other).await.unwrap();
    }
    stage.must_replay(&id, json!({}), 5).await;
    assert_eq!(stage.arrived().len(), 5);
    assert_eq!(stage.app.api.deliveries(&id).await.len(), 5);
}

#[tokio::test]
async fn since_is_inclusive_and_until_exclusive() {
    let stage = Stage::start().await;
    let seeded = stage.seed(&["a", "a", "a", "a"]).await;
    let id = stage.endpoint(&["*"]).await;
    let at = |millis| (stage.first + Duration::from_millis(millis)).to_string();
    let span = json!({"since": at(1), "until": at(3)});
    stage.must_replay(&id, span, 2).await;
    assert_eq!(stage.arrived(), ids(&seeded[1..3]));
    let span = json!({"until": (stage.clock.now() + HOUR).to_string()});
    stage.must_replay(&id, span, 2).await;
    assert_eq!(stage.arrived().len(), 4);
}

#[tokio::test]
async fn pings_repeats_and_deleted_payloads_are_not_replayed() {
    let stage = Stage::start().await;
    let seeded = stage.seed(&["a", "a"]).await;
    let app = &stage.app;
    let ping = DeliveryTask {
        created_at: stage.clock.now() - Duration::from_secs(60),
        ..ping_of(app, &stage.other)
    };
    app.aws.table().record_accepted(&ping).await.unwrap();
    let repeat = DeliveryTask {
        delivery_id: DeliveryId::new(),
        ..seeded[0].clone()
    };
    app.aws.table().record_accepted(&repeat).await.unwrap();
    let (event, now) = (seeded[1].source.event_id(), stage.clock.now());
    let table = app.aws.table();
    table.delete_payload(app.app_id, event, now).await.unwrap();
    let brief = json!({"type": "a", "data": 1, "storePayload": false});
    app.api.publish(&brief).await;
    app.queue.settle().await;
    let id = stage.endpoint(&["*"]).await;
    stage.clock.advance(HOUR);
    stage.must_replay(&id, json!({}), 1).await;
    assert_eq!(stage.arrived(), ids(&seeded[..1]));
}

#[tokio::test]
async fn replays_stop_at_their_limit_with_the_oldest_events() {
    let stage = Stage::start().await;
    let seeded = stage.seed(&["a", "a", "a", "a"]).await;
    let id = stage.endpoint(&["*"]).await;
    stage.handle(stage.message(&id, 3)).await;
    stage.app.queue.settle().await;
    let mut arrived = stage.arrived();
    arrived.sort_unstable();
    let mut expected = ids(&seeded[..3]);
    expected.sort_unstable();
    assert_eq!(arrived, expected);
}

#[tokio::test]
async fn repeated_replay_messages_send_nothing_twice() {
    let stage = Stage::start().await;
    stage.seed(&["a", "a"]).await;
    let id = stage.endpoint(&["*"]).await;
    let replay = stage.message(&id, 10);
    stage.handle(replay.clone()).await;
    stage.handle(replay.clone()).await;
    stage.app.queue.settle().await;
    stage.handle(replay).await;
    stage.app.queue.settle().await;
    assert_eq!(stage.arrived().len(), 2);
}

#[tokio::test]
async fn replays_apply_channels_and_filters() {
    let stage = Stage::start().await;
    let api = &stage.app.api;
    api.delete(&format!("/{}", stage.other)).await;
    let to_all = stage.endpoint(&["*"]).await;
    let mut published = Vec::new();
    for more in [
        json!({"data": {"n": 1}}),
        json!({"data": {"n": 2}}),
        json!({"data": {"n": 2}, "channels": ["a"]}),
        json!({"data": {"n": 2}, "channels": ["b"]}),
        json!({"data": {"n": 2}, "channels": ["a"], "webhookId": to_all}),
    ] {
        let mut event = json!({"type": "invoice.paid"});
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let accepted = api.publish(&event).await;
        published.push(accepted.data()["id"].as_str().unwrap().to_owned());
        stage.app.queue.settle().await;
    }
    assert_eq!(stage.arrived(), published);

    stage.clock.advance(HOUR);
    let body = json!({
        "url": stage.receiver.url,
        "events": ["*"],
        "filter": {"n": [2]},
        "channels": ["a"],
    });
    let created = api.post_json("", &body).await;
    let id = created.data()["id"].as_str().unwrap();
    let answer = stage.replay(id, json!({})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    // The count goes by event types only, not by channels and filters.
    assert_eq!(answer.data()["deliveries"], 5);
    stage.app.queue.settle().await;
    assert_eq!(stage.arrived()[published.len()..], published[2..3]);
}
