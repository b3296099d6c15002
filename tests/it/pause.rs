//! Endpoints that keep failing are paused: their deliveries wait, one probe at a time goes
//! out, and all are sent after the first success.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::aws::table::{Due, Table};
use webhook_endpoints::domain::message::{Lane, Message, Tend};

use crate::support::paused::Paused;
use crate::support::queue::endpoint_id;
use crate::support::wire::Fault;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn endpoints_that_fail_for_a_minute_are_paused() {
    let paused = Paused::start().await;
    let endpoint = paused.endpoint().await;
    assert_eq!(endpoint["active"], true);
    assert_eq!(endpoint["disabledReason"], Value::Null);
    assert_eq!(endpoint["failingSince"], "2026-01-01T00:01:00.000Z");
    let time = |name: &str| -> Timestamp { endpoint[name].as_str().unwrap().parse().unwrap() };
    let wait = time("nextProbeAt")
        .duration_since(time("pausedAt"))
        .as_secs();
    // 30 s, with up to 20 % of jitter.
    assert!((24..=36).contains(&wait), "{wait} s");
}

#[tokio::test]
async fn deliveries_to_a_paused_endpoint_wait_without_an_attempt() {
    let paused = Paused::start().await;
    paused.publish_waiting(1).await;
    assert_eq!(paused.receiver.received().len(), 2);
    let item = paused.app.api.deliveries(&paused.id).await[0].clone();
    assert_eq!(item["status"], "PENDING");
    assert_eq!(item["attempts"], 0);
    assert_eq!(item["responseStatus"], Value::Null);
    // It is tried again with the next probe.
    assert_eq!(item["nextRetryAt"], paused.endpoint().await["nextProbeAt"]);
    let pending = paused.app.api.page(&paused.id, "status=pending").await.0;
    assert!(pending.iter().any(|one| one["id"] == item["id"]));
}

#[tokio::test]
async fn waiting_costs_one_write_and_no_message() {
    let paused = Paused::start().await;
    assert_eq!(paused.app.queue.take_notices().await, ["endpoint.paused"]);
    paused.app.api.must_publish("invoice.paid").await;
    let event = paused.app.queue.all_queued().await;
    paused.app.aws.wire.take();
    assert_eq!(paused.app.queue.handle(event).await, Ok(Vec::new()));
    // `PutItem` stores the event, and `UpdateItem` its waiting delivery.
    let calls = paused.app.aws.wire.take();
    assert_eq!(calls, ["PutItem", "Query", "UpdateItem"]);
}

#[tokio::test]
async fn due_retries_to_a_paused_endpoint_wait() {
    let paused = Paused::start().await;
    paused.clock.advance(2 * DAY);
    let due = paused.app.queue.sweep_for_attempts().await;
    assert_eq!(due.len(), 2);
    for task in &due {
        paused.app.queue.must_attempt(task).await;
    }
    assert_eq!(paused.receiver.received().len(), 2);
    for item in paused.app.api.deliveries(&paused.id).await {
        assert_eq!(
            (&item["status"], &item["attempts"]),
            (&json!("PENDING"), &json!(1))
        );
    }
    assert_eq!(paused.app.queue.sweep_for_attempts().await, []);
}

#[tokio::test]
async fn failed_probes_use_no_attempt_and_double_the_wait() {
    let paused = Paused::start().await;
    let events = paused.publish_waiting(1).await;
    let mut waits = Vec::new();
    for count in 1..=3 {
        paused.probe().await;
        assert_eq!(paused.received(), vec![events[0].clone(); count]);
        let endpoint = paused.endpoint().await;
        let next: Timestamp = endpoint["nextProbeAt"].as_str().unwrap().parse().unwrap();
        waits.push(next.duration_since(paused.clock.now()).as_secs());
    }
    // 60, 120 and 240 s, each with up to 20 % of jitter.
    assert!((48..=72).contains(&waits[0]), "{waits:?}");
    assert!((96..=145).contains(&waits[1]), "{waits:?}");
    assert!((192..=289).contains(&waits[2]), "{waits:?}");
    let item = &paused.app.api.deliveries(&paused.id).await[0];
    assert_eq!(item["status"], "PENDING");
    assert_eq!(item["attempts"], 0);
}

#[tokio::test]
async fn probes_are_not_sent_before_they_are_due() {
    let paused = Paused::start().await;
    paused.publish_waiting(1).await;
    assert_eq!(paused.tend().await, []);
    assert_eq!(paused.received(), [""; 0]);
}

#[tokio::test]
async fn successful_probes_end_the_pause_and_drain_oldest_first() {
    let paused = Paused::start().await;
    let events = paused.publish_waiting(5).await;
    paused.status.store(200, Ordering::SeqCst);
    paused.probe().await;
    let endpoint = paused.endpoint().await;
    for cleared in ["failingSince", "pausedAt", "nextProbeAt"] {
        assert_eq!(endpoint[cleared], Value::Null, "{cleared}");
    }
    let made = paused.tend().await;
    assert_eq!(made.len(), 4);
    assert!(made.iter().all(|task| task.attempt == 1));
    for task in &made {
        paused.app.queue.must_attempt(task).await;
    }
    assert_eq!(paused.received(), events);
    paused.drain().await;
    assert_eq!(paused.received(), events);
    assert_eq!(paused.statuses().await[..5], ["DELIVERED"; 5]);
    // The last look finds nothing and removes the endpoint from the schedule.
    let key = paused.app.aws.endpoint_key(endpoint_id(&paused.id));
    let endpoint = paused.app.aws.table().endpoint(key).await.unwrap();
    let last = Tend {
        due_at: endpoint.unwrap().place.map(|place| place.at),
        last: true,
        ..Tend::now(key)
    };
    let last = Message::Tend(last).to_json().unwrap();
    paused.app.queue.must_handle(last).await;
    for shard in 0..Table::SCHEDULE_SHARDS {
        let due = paused.app.aws.table().due(shard, Timestamp::MAX, 10).await;
        let mut due = due.unwrap().into_iter();
        assert!(due.all(|due| matches!(due, Due::Attempt(_))));
    }
}

#[tokio::test]
async fn waiting_deliveries_are_sent_at_a_bounded_pace() {
    let paused = Paused::start_with(|options| options.settings.drain_per_second = 2).await;
    paused.publish_waiting(6).await;
    paused.status.store(200, Ordering::SeqCst);
    paused.probe().await;
    // Two at once; the others are delayed.
    assert_eq!(paused.tend().await.len(), 2);
    assert!(paused.app.queue.delayed_in(Lane::Slow).await >= 3);
    // The probe took one, and the other five take three seconds. A sweep takes over later.
    let key = paused.app.aws.endpoint_key(endpoint_id(&paused.id));
    let endpoint = paused.app.aws.table().endpoint(key).await;
    let claimed_until = endpoint.unwrap().unwrap().place.unwrap().at;
    let takes = Duration::from_secs(3) + paused.app.deliverer.stragglers;
    assert_eq!(claimed_until, paused.clock.now() + takes);
}

#[tokio::test]
async fn successful_pings_new_urls_and_activations_end_a_pause() {
    for how in ["ping", "url", "active", "resend"] {
        let paused = Paused::start().await;
        let events = paused.publish_waiting(2).await;
        paused.status.store(200, Ordering::SeqCst);
        let path = format!("/{}", paused.id);
        let api = &paused.app.api;
        match how {
            "ping" => {
                api.ping_preferring(&paused.id, "respond-async").await;
            }
            "url" => {
                let url = json!({"url": format!("{}?new", paused.receiver.url)});
                api.put_json(&path, &url).await.data();
            }
            "active" => {
                api.put_json(&path, &json!({"active": true})).await.data();
            }
            _ => {
                let first = api.deliveries(&paused.id).await.pop().unwrap();
                let first = first["id"].as_str().unwrap();
                let resend = format!("{path}/deliveries/{first}/resend");
                api.post(&resend).await.data();
            }
        }
        paused.drain().await;
        assert_eq!(paused.endpoint().await["pausedAt"], Value::Null, "{how}");
        let received = paused.received();
        for event in &events {
            let count = received.iter().filter(|id| *id == event).count();
            assert_eq!(count, 1, "{how}");
        }
    }
}

#[tokio::test]
async fn failed_pings_and_resends_do_not_change_a_pause() {
    let paused = Paused::start().await;
    let before = paused.endpoint().await;
    let delivery = paused.app.api.deliveries(&paused.id).await[0].clone();
    let delivery = delivery["id"].as_str().unwrap();
    let resend = format!("/{}/deliveries/{delivery}/resend", paused.id);
    paused.app.api.post(&resend).await.data();
    let ping = paused.app.api.ping_preferring(&paused.id, "respond-async");
    ping.await;
    paused.drain().await;
    assert_eq!(paused.receiver.received().len(), 4);
    assert_eq!(paused.endpoint().await, before);
}

#[tokio::test]
async fn other_changes_during_a_pause_enqueue_no_probe() {
    let paused = Paused::start().await;
    let delivery = paused.app.api.deliveries(&paused.id).await[0].clone();
    let delivery = delivery["id"].as_str().unwrap();
    let resend = format!("/{}/deliveries/{delivery}/resend", paused.id);
    paused.app.api.post(&resend).await.data();
    let resent = paused.app.queue.tasks_and_tends().await.0.remove(0);
    // A quick answer shows that the endpoint is not slow any more.
    let since = json!({"N": paused.clock.now().as_millisecond().to_string()});
    let slow_since = attribute::SLOW_SINCE;
    paused
        .app
        .aws
        .set_attribute(&paused.id, slow_since, &since)
        .await;
    paused.app.aws.wire.take();
    paused.app.queue.must_attempt(&resent).await;
    assert_eq!(paused.endpoint().await["slowSince"], Value::Null);
    let calls = paused.app.aws.wire.take();
    assert!(!calls.contains(&"SendMessageBatch".to_owned()), "{calls:?}");
}

#[tokio::test]
async fn waiting_deliveries_end_with_their_endpoint() {
    for how in ["deactivated", "disabled", "deleted"] {
        let paused = Paused::start().await;
        let waiting = paused.publish_waiting(3).await.len();
        let path = format!("/{}", paused.id);
        match how {
            "deactivated" => {
                let inactive = json!({"active": false});
                paused.app.api.put_json(&path, &inactive).await.data();
            }
            "disabled" => {
                paused.status.store(410, Ordering::SeqCst);
                paused.clock.set_to(&paused.endpoint().await["nextProbeAt"]);
                paused.tend().await;
                paused.tend().await;
            }
            _ => {
                paused.app.api.delete(&path).await;
            }
        }
        paused.drain().await;
        let items = paused.app.aws.items().await;
        let reason = match how {
            "deleted" => "ENDPOINT_DELETED",
            _ => "ENDPOINT_INACTIVE",
        };
        let ended = items.iter().filter(|item| {
            let text = |name| item.get(name).and_then(|value| value.as_s().ok());
            text(attribute::ABANDONED).is_some_and(|found| found == reason)
                && text(attribute::STATUS).is_some_and(|status| status == "F")
                && !item.contains_key(attribute::WAITING_SINCE)
        });
        assert_eq!(ended.count(), waiting, "{how}");
        assert_eq!(paused.app.queue.sweep_for_attempts().await, [], "{how}");
    }
}

#[tokio::test]
async fn sweeps_find_pauses_without_a_probe() {
    let paused = Paused::start().await;
    let events = paused.publish_waiting(1).await;
    // Discard the probe's message, as if the function had crashed right after the write.
    paused.app.queue.tasks_and_tends().await;
    paused.status.store(200, Ordering::SeqCst);
    paused.clock.advance(3 * MINUTE);
    paused.app.queue.must_handle(r#"{"kind":"sweep"}"#).await;
    paused.drain().await;
    assert_eq!(paused.received(), events);
}

#[tokio::test]
async fn pauses_without_waiting_deliveries_are_not_probed() {
    let paused = Paused::start().await;
    paused.clock.set_to(&paused.endpoint().await["nextProbeAt"]);
    assert_eq!(paused.tend().await, []);
    assert_eq!(paused.endpoint().await["nextProbeAt"], Value::Null);
    // The next delivery becomes the probe, but no sooner than a probe would be due.
    paused.clock.advance(DAY / 2);
    let event = paused.app.api.must_publish("invoice.paid").await;
    let published = paused.app.queue.all_queued().await;
    assert_eq!(paused.app.queue.handle(published).await, Ok(Vec::new()));
    paused.status.store(200, Ordering::SeqCst);
    paused.drain().await;
    assert_eq!(paused.received(), [event]);
}

#[tokio::test]
async fn interrupted_drains_send_everything_once() {
    for (call, first, fault) in [
        ("Query", 1, Fault::Before),
        ("UpdateItem", 1, Fault::Before),
        ("UpdateItem", 1, Fault::After),
        ("SendMessageBatch", 1, Fault::Before),
        ("UpdateItem", 3, Fault::Before),
        ("UpdateItem", 3, Fault::After),
        ("SendMessageBatch", 2, Fault::Before),
        ("SendMessageBatch", 2, Fault::After),
    ] {
        let paused = Paused::start().await;
        let events = paused.publish_waiting(4).await;
        paused.status.store(200, Ordering::SeqCst);
        paused.probe().await;
        let (_, tends) = paused.app.queue.tasks_and_tends().await;
        assert_eq!(tends, []);
        let key = paused.app.aws.endpoint_key(endpoint_id(&paused.id));
        let tend = Message::Tend(Tend::now(key)).to_json().unwrap();
        paused.app.aws.wire.break_from(call, first, fault);
        let message = crate::support::queue::message(Some("m"), &tend);
        let back = paused.app.queue.handle([message]).await.unwrap();
        assert_eq!(back, ["m"], "{call} {first} {fault:?}");
        paused.app.aws.wire.mend();
        // The message comes again. If its first receive claimed the step, the repeat skips the
        // step, and the sweep resumes it once the claim is over.
        paused.app.queue.must_handle(tend).await;
        paused.clock.advance(3 * MINUTE);
        paused.app.queue.must_handle(r#"{"kind":"sweep"}"#).await;
        paused.drain().await;
        let mut received = paused.received();
        received.sort_unstable();
        let mut expected = events;
        expected.sort_unstable();
        assert_eq!(received, expected, "{call} {first} {fault:?}");
    }
}
