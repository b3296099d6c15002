//! Every value that takes a rare failure to come about, written by the table's own methods.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use webhook_endpoints::domain::decision::{AfterAttempt, Next};
use webhook_endpoints::domain::delivery::{
    Abandoned, Answer, Attempt, BodyNote, Delivery, DeliveryStatus, Verdict,
};
use webhook_endpoints::domain::endpoint::{Disabled, DisabledReason, Endpoint};
use webhook_endpoints::domain::failure::Failure;
use webhook_endpoints::domain::health::{Change, Health};
use webhook_endpoints::domain::id::{DeliveryId, EventId};
use webhook_endpoints::domain::message::{DeliveryTask, Lane, Message, Replay, Tend};
use webhook_endpoints::domain::replay::Types;
use webhook_endpoints::domain::secret::SecretStorage;
use webhook_endpoints::domain::transition::{Transition, TransitionKind};

use super::super::queue::endpoint_id;
use super::Scene;

pub async fn play() -> Scene {
    let mut scene = Scene::start("values", SecretStorage::PerEndpoint).await;
    let id = scene.create("/values", json!({})).await;
    let slow = scene.create("/slow", json!({"events": ["other"]})).await;
    let disabled = scene
        .create("/disabled", json!({"events": ["other"]}))
        .await;
    attempts(&scene, &id).await;
    scene.note("attempts ended in every way").await;
    ends(&scene, &id).await;
    scene.note("deliveries ended in every way").await;
    endpoints(&scene, &slow, &disabled).await;
    scene.note("endpoints are slow and disabled").await;
    tasks(&mut scene, &slow, &id).await;
    scene.note("every field of a message is there").await;
    scene
}

/// A delivery with one attempt for each way in which one ends.
async fn attempts(scene: &Scene, id: &str) {
    let failures = Failure::ALL.into_iter().map(Verdict::Failed);
    let noted = BodyNote::ALL.into_iter().map(|note| {
        Verdict::Answered(Answer {
            body: "beginning".to_owned(),
            note: Some(note),
            ..Answer::bare(500)
        })
    });
    let now = scene.play.clock.now();
    let mut task = scene.task(id, now).await;
    for verdict in failures.chain(noted) {
        let attempt = attempt(task.attempt, now, verdict);
        scene.record(&task, &attempt, None).await;
        // Each of its own: a log of all of them would hide one that is missing.
        task = scene.task(id, now).await;
    }
}

/// A delivery for each reason to end without an attempt.
async fn ends(scene: &Scene, id: &str) {
    let (table, now) = (scene.play.app.aws.table(), scene.play.clock.now());
    for reason in [
        Abandoned::EndpointDeleted,
        Abandoned::EndpointInactive,
        Abandoned::PayloadExpired,
        Abandoned::PayloadDeleted,
    ] {
        for attempts in [0, 1] {
            let mut task = scene.task(id, now).await;
            if attempts > 0 {
                let made = attempt(1, now, Verdict::Failed(Failure::Timeout));
                scene
                    .record(&task, &made, Some(now + Duration::from_secs(60)))
                    .await;
                task = task.next();
            }
            let ended = table.record_abandoned(&task, reason, now).await;
            ended.expect("end the delivery");
        }
    }
}

async fn endpoints(scene: &Scene, slow: &str, disabled: &str) {
    let (table, now) = (scene.play.app.aws.table(), scene.play.clock.now());
    let found = scene.endpoint(slow).await;
    let health = Health {
        slow_since: Some(now),
        ..Health::default()
    };
    table
        .set_health(&found, &health, now)
        .await
        .expect("note that it is slow");
    let found = scene.endpoint(disabled).await;
    let reason = DisabledReason::Failing;
    let transition = Transition {
        kind: TransitionKind::Disabled(reason),
        at: now,
        failing_since: Some(now),
        by: DeliveryId::new(),
    };
    let at = Disabled { reason, at: now };
    let disabled = table
        .disable_endpoint(&found, at, None, Some(transition))
        .await;
    assert!(disabled.expect("disable the endpoint"));
}

/// Messages with every field.
async fn tasks(scene: &mut Scene, slow: &str, other: &str) {
    let now = scene.play.clock.now();
    let task = DeliveryTask {
        resend: true,
        has_turn: true,
        if_owed: true,
        ephemeral: true,
        ..scene.task(slow, now).await
    };
    let tend = Tend {
        due_at: Some(now),
        after: Some(DeliveryId::new()),
        last: true,
        ..Tend::now(scene.key(slow))
    };
    let replay = Replay {
        id: EventId::new(),
        endpoint: scene.key(slow),
        asked_at: now,
        types: Types::default(),
        others: vec![endpoint_id(other)],
        from: DeliveryId::MIN,
        to: DeliveryId::MAX,
        after: Some(DeliveryId::MIN),
        remaining: 10,
    };
    let messages = [
        Message::Delivery(task),
        Message::Tend(tend),
        Message::Replay(replay),
    ];
    for message in messages {
        let body = message.to_json().expect("write the message");
        scene.play.enqueue(Lane::Slow, body);
    }
}

fn attempt(number: u32, started_at: Timestamp, verdict: Verdict) -> Attempt {
    Attempt {
        number,
        started_at,
        duration_ms: 250,
        verdict,
    }
}

impl Scene {
    async fn endpoint(&self, id: &str) -> Endpoint {
        let found = self.play.app.aws.table().endpoint(self.key(id)).await;
        found
            .expect("read the endpoint")
            .expect("find the endpoint")
    }

    /// The first attempt at a stored event.
    async fn task(&self, id: &str, at: Timestamp) -> DeliveryTask {
        let aws = self.play.app.aws.of_app(self.key(id).app_id);
        aws.store_event(endpoint_id(id), "invoice.paid", at).await
    }

    async fn record(&self, task: &DeliveryTask, attempt: &Attempt, retry_at: Option<Timestamp>) {
        let delivery: Delivery = task.delivery().after(attempt, retry_at);
        assert_ne!(delivery.status, DeliveryStatus::Delivered);
        let after = AfterAttempt {
            delivery,
            next: retry_at.map_or(Next::Done, Next::Schedule),
            endpoint: Change::Unchanged,
        };
        let table = self.play.app.aws.table();
        let recorded = table.record_attempt(task, attempt, &after).await;
        recorded.expect("record the attempt");
    }
}
