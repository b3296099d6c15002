//! Probes of paused endpoints: which delivery is sent, and what may happen concurrently.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::domain::delivery::DeliveryStatus;
use webhook_endpoints::domain::endpoint::Place;
use webhook_endpoints::domain::health::Health;
use webhook_endpoints::domain::message::{DeliveryTask, Lane, Message, Source, Tend};

use crate::support::eventually;
use crate::support::paused::Paused;
use crate::support::queue::{endpoint_id, message};
use crate::support::wire::Request;

const MINUTE: Duration = Duration::from_secs(60);

impl Paused {
    /// A message that does whatever is due for the endpoint now.
    fn tend_message(&self) -> String {
        let key = self.app.aws.endpoint_key(endpoint_id(&self.id));
        Message::Tend(Tend::now(key)).to_json().unwrap()
    }

    /// A paused endpoint without a probe, because nothing waited when it was due.
    async fn without_probe() -> Self {
        let soon = Duration::from_secs(1);
        let paused = Self::start_with(|options| options.settings.stragglers = soon).await;
        paused.clock.set_to(&paused.endpoint().await["nextProbeAt"]);
        assert_eq!(paused.tend().await, []);
        assert_eq!(paused.endpoint().await["nextProbeAt"], Value::Null);
        paused
    }

    /// Publishes an event whose delivery waits, and so schedules the next probe.
    async fn begin_to_wait(&self) {
        self.app.api.must_publish("invoice.paid").await;
        let event = self.app.queue.all_queued().await;
        assert_eq!(self.app.queue.handle(event).await, Ok(Vec::new()));
    }

    /// The attempt of an event that was fanned out before the endpoint was paused.
    async fn late_attempt(&self) -> DeliveryTask {
        let (id, now) = (endpoint_id(&self.id), self.clock.now());
        self.app.aws.store_event(id, "invoice.paid", now).await
    }

    async fn is_scheduled(&self) -> bool {
        let items = self.app.aws.items().await;
        items.iter().any(|item| {
            let is_endpoint = item["sk"].as_s().unwrap().starts_with("E#");
            is_endpoint && item.contains_key("gsi2sk")
        })
    }
}

#[tokio::test]
async fn probes_take_turns_among_waiting_deliveries() {
    let paused = Paused::start().await;
    let events = paused.publish_waiting(3).await;
    for _ in 0..3 {
        paused.probe().await;
    }
    assert_eq!(paused.received(), events);
}

#[tokio::test]
async fn probes_enqueue_the_next_one_for_when_it_is_due() {
    let paused = Paused::start().await;
    let tends = || {
        let requests = paused.app.aws.wire.take_requests();
        let sent = requests.iter().flat_map(Request::sent);
        let tends = sent.filter_map(|(_, message)| match message {
            Message::Tend(tend) => tend.due_at,
            _ => None,
        });
        tends.collect::<Vec<_>>()
    };
    let next = async || -> Timestamp {
        let endpoint = paused.endpoint().await;
        endpoint["nextProbeAt"].as_str().unwrap().parse().unwrap()
    };
    // The pause enqueued the first.
    assert_eq!(tends(), [next().await]);
    paused.publish_waiting(1).await;
    paused.app.aws.wire.take();
    paused.probe().await;
    assert_eq!(tends(), [next().await]);
}

#[tokio::test]
async fn endpoints_in_the_wrong_place_are_moved_to_that_of_their_probe() {
    let paused = Paused::start().await;
    paused.publish_waiting(1).await;
    let key = paused.app.aws.endpoint_key(endpoint_id(&paused.id));
    let table = paused.app.aws.table();
    let endpoint = table.endpoint(key).await.unwrap().unwrap();
    let wrong = Some(Place::at(paused.clock.now() + 60 * MINUTE));
    let is_set = table.set_place(key, endpoint.place, wrong).await;
    assert!(is_set.unwrap());
    assert_eq!(paused.tend().await, []);
    let moved = table.endpoint(key).await.unwrap().unwrap();
    assert_eq!(moved.place, endpoint.place);
}

#[tokio::test]
async fn other_pending_deliveries_never_hide_a_waiting_one() {
    let paused = Paused::start_with(|options| {
        options.settings.policy.health.pause_after = 10 * MINUTE;
    })
    .await;
    for _ in 0..9 {
        paused.clock.advance(MINUTE);
        let task = paused.app.queue.first_attempt().await;
        paused.app.queue.must_attempt(&task).await;
    }
    assert_ne!(paused.endpoint().await["pausedAt"], Value::Null);
    let failed = paused.received().len();
    let events = paused.publish_waiting(1).await;
    paused.probe().await;
    assert_eq!(paused.received()[failed..], events);
}

#[tokio::test]
async fn concurrent_probe_messages_send_one_probe() {
    let paused = Paused::start().await;
    paused.publish_waiting(2).await;
    paused.clock.set_to(&paused.endpoint().await["nextProbeAt"]);
    let batch = ["a", "b", "c"].map(|id| message(Some(id), paused.tend_message()));
    assert_eq!(paused.app.queue.handle(batch).await, Ok(Vec::new()));
    assert_eq!(paused.received().len(), 1);
}

#[tokio::test]
async fn probes_not_yet_due_are_not_enqueued_again() {
    let paused = Paused::start().await;
    paused.publish_waiting(1).await;
    let delayed = paused.app.queue.delayed().await;
    assert_eq!(paused.tend().await, []);
    assert_eq!(paused.app.queue.delayed().await, delayed);
}

#[tokio::test]
async fn ending_a_pause_after_a_stale_read_removes_its_probe() {
    let paused = Paused::without_probe().await;
    let table = paused.app.aws.table();
    let key = paused.app.aws.endpoint_key(endpoint_id(&paused.id));
    let read = table.endpoint(key).await.unwrap().unwrap();
    paused.begin_to_wait().await;
    let now = paused.clock.now();
    let ended = table.set_health(&read, &Health::default(), now).await;
    assert!(ended.unwrap());
    assert!(!paused.app.aws.any_item_has(attribute::PROBE_AT).await);
    assert!(paused.is_scheduled().await);

    // Nor can a probe be set once the pause has ended.
    let policy = &paused.app.deliverer.policy.health;
    let late = read.health.with_probe(policy, now).unwrap();
    assert!(!table.set_health(&read, &late, now).await.unwrap());
}

#[tokio::test]
async fn marking_an_endpoint_slow_keeps_its_probe() {
    let paused = Paused::without_probe().await;
    let table = paused.app.aws.table();
    let key = paused.app.aws.endpoint_key(endpoint_id(&paused.id));
    let read = table.endpoint(key).await.unwrap().unwrap();
    paused.begin_to_wait().await;
    let before = table.endpoint(key).await.unwrap().unwrap();
    let slow = Health {
        slow_since: Some(paused.clock.now()),
        ..read.health
    };
    let marked = table.set_health(&read, &slow, paused.clock.now()).await;
    assert!(marked.unwrap());
    let after = table.endpoint(key).await.unwrap().unwrap();
    assert_eq!(after.health.pause, before.health.pause);
    assert_eq!(after.place, before.place);
}

#[tokio::test]
async fn deliveries_that_begin_to_wait_as_a_pause_ends_are_sent() {
    let paused = Paused::start().await;
    paused.status.store(200, Ordering::SeqCst);
    paused
        .app
        .api
        .ping_preferring(&paused.id, "respond-async")
        .await;
    for task in paused.app.queue.tasks().await {
        paused.app.queue.must_attempt(&task).await;
    }
    assert_eq!(paused.endpoint().await["pausedAt"], Value::Null);
    // Nothing waits yet.
    assert_eq!(paused.drain().await, []);
    let late = paused.app.queue.first_attempt().await;
    let table = paused.app.aws.table();
    table
        .record_waiting(&late, paused.clock.now())
        .await
        .unwrap();

    paused.clock.advance(10 * MINUTE);
    paused.app.queue.must_handle(r#"{"kind":"sweep"}"#).await;
    let sent = paused.drain().await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].delivery_id, late.delivery_id);
}

#[tokio::test]
async fn deliveries_that_wait_again_while_sent_keep_waiting() {
    let paused = Paused::start().await;
    paused.publish_waiting(1).await;
    let table = paused.app.aws.table();
    let key = paused.app.aws.endpoint_key(endpoint_id(&paused.id));
    let now = paused.clock.now();
    let found = table.waiting(key, None, 1, now).await.unwrap().deliveries;
    paused.clock.advance(MINUTE);
    let task = DeliveryTask {
        endpoint: key,
        delivery_id: found[0].id,
        source: Source::Event(found[0].event_id),
        event: found[0].event.clone(),
        created_at: found[0].created_at,
        expires_at: found[0].expires_at,
        attempt: 1,
        resend: false,
        has_turn: false,
        if_owed: false,
        ephemeral: false,
    };
    table
        .record_waiting(&task, paused.clock.now())
        .await
        .unwrap();
    table.end_waiting(&found[0]).await.unwrap();
    let still = table.waiting(key, None, 1, paused.clock.now()).await;
    assert_eq!(still.unwrap().deliveries.len(), 1);
}

#[tokio::test]
async fn the_last_look_finds_deliveries_that_missed_a_dropped_probe() {
    let paused = Paused::start_with(|options| {
        options.settings.stragglers = Duration::from_secs(1);
    })
    .await;
    let late = paused.late_attempt().await;
    paused.clock.set_to(&paused.endpoint().await["nextProbeAt"]);
    assert_eq!(paused.tend().await, []);
    assert_eq!(paused.endpoint().await["nextProbeAt"], Value::Null);
    // The endpoint was read while the probe still existed.
    let (table, now) = (paused.app.aws.table(), paused.clock.now());
    table.record_waiting(&late, now).await.unwrap();

    paused.clock.advance(Duration::from_secs(1));
    paused.status.store(200, Ordering::SeqCst);
    let look = eventually("the last look", async || {
        let (_, tends) = paused.app.queue.tasks_and_tends().await;
        tends.into_iter().find(|tend| tend.last)
    });
    let look = Message::Tend(look.await).to_json().unwrap();
    paused.app.queue.must_handle(look).await;
    assert_eq!(paused.received(), [late.source.event_id().to_string()]);
}

#[tokio::test]
async fn probing_ends_only_after_a_last_look_without_a_probe() {
    let soon = Duration::from_secs(1);
    let paused = Paused::start_with(|options| options.settings.stragglers = soon).await;
    let last = Tend {
        last: true,
        ..Tend::now(paused.app.aws.endpoint_key(endpoint_id(&paused.id)))
    };
    let last = Message::Tend(last).to_json().unwrap();
    let queue = &paused.app.queue;
    // Drops the probe, and takes another look.
    paused.clock.set_to(&paused.endpoint().await["nextProbeAt"]);
    queue.must_handle(last.clone()).await;
    assert_eq!(paused.endpoint().await["nextProbeAt"], Value::Null);
    assert!(paused.is_scheduled().await);
    // So does a look that is not the last one.
    paused.clock.advance(2 * soon);
    queue.must_handle(paused.tend_message()).await;
    assert!(paused.is_scheduled().await);
    paused.clock.advance(2 * soon);
    queue.must_handle(last).await;
    assert!(!paused.is_scheduled().await);
}

#[tokio::test]
async fn endpoint_changes_start_no_second_probe() {
    let paused = Paused::start().await;
    let events = paused.publish_waiting(2).await;
    paused.clock.set_to(&paused.endpoint().await["nextProbeAt"]);
    // The function is cut off before it sends anything.
    let probe = [message(Some("probe"), paused.tend_message())];
    let (wire, queue) = (&paused.app.aws.wire, &paused.app.queue);
    assert!(queue.cut_off(wire, "BatchGetItem", 1, probe).await);
    let path = format!("/{}", paused.id);
    let all = json!({"events": ["*"]});
    paused.app.api.put_json(&path, &all).await.data();
    paused.drain().await;
    assert_eq!(paused.received(), [""; 0]);

    // The sweep starts another probe once the claim of the interrupted one is over.
    paused.clock.advance(3 * MINUTE);
    queue.must_handle(r#"{"kind":"sweep"}"#).await;
    paused.status.store(200, Ordering::SeqCst);
    paused.drain().await;
    assert_eq!(paused.received(), events);
}

#[tokio::test]
async fn activations_end_a_pause_even_during_a_probe() {
    let paused = Paused::start().await;
    let events = paused.publish_waiting(2).await;
    paused.clock.set_to(&paused.endpoint().await["nextProbeAt"]);
    let probe = [message(Some("probe"), paused.tend_message())];
    let (wire, queue) = (&paused.app.aws.wire, &paused.app.queue);
    assert!(queue.cut_off(wire, "BatchGetItem", 1, probe).await);
    paused.status.store(200, Ordering::SeqCst);
    let path = format!("/{}", paused.id);
    let active = json!({"active": true});
    paused.app.api.put_json(&path, &active).await.data();
    paused.drain().await;
    let mut received = paused.received();
    received.sort_unstable();
    let mut expected = events;
    expected.sort_unstable();
    assert_eq!(received, expected);
}

#[tokio::test]
async fn early_probe_messages_are_enqueued_again() {
    let paused = Paused::start().await;
    paused.publish_waiting(1).await;
    let due_at = paused.endpoint().await["nextProbeAt"].clone();
    // SQS delays a message by at most 15 minutes, so that of a later probe comes early.
    let early = Tend {
        due_at: Some(due_at.as_str().unwrap().parse().unwrap()),
        ..Tend::now(paused.app.aws.endpoint_key(endpoint_id(&paused.id)))
    };
    let early = Message::Tend(early).to_json().unwrap();
    let delayed = paused.app.queue.delayed().await;
    paused.app.queue.must_handle(early).await;
    assert_eq!(paused.app.queue.delayed().await, delayed + 1);
    assert_eq!(paused.received(), [""; 0]);
}

#[tokio::test]
async fn deletions_take_a_last_look_at_what_waits() {
    let paused = Paused::start().await;
    paused.publish_waiting(1).await;
    paused.app.api.delete(&format!("/{}", paused.id)).await;
    let delayed = paused.app.queue.delayed_in(Lane::Slow).await;
    paused.drain().await;
    assert_eq!(paused.app.queue.delayed_in(Lane::Slow).await, delayed + 1);
}

#[tokio::test]
async fn deliveries_that_begin_to_wait_during_a_deletion_end() {
    let paused = Paused::start_with(|options| {
        options.settings.stragglers = Duration::from_secs(1);
    })
    .await;
    let late = paused.late_attempt().await;
    paused.app.api.delete(&format!("/{}", paused.id)).await;
    paused.drain().await;
    let (table, now) = (paused.app.aws.table(), paused.clock.now());
    table.record_waiting(&late, now).await.unwrap();
    eventually("the end of the delivery", async || {
        paused.drain().await;
        let found = table.delivery(late.endpoint, late.delivery_id).await;
        let status = found.unwrap().unwrap().delivery.status;
        (status == DeliveryStatus::Failed).then_some(())
    })
    .await;
}
