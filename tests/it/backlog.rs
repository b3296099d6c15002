//! Backlogs: deliveries that exceed an endpoint's rate limit for longer than SQS can delay
//! a message (15 minutes). The tests advance the clock themselves. They intercept sent
//! messages, and hold them until they are due.

mod full;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::domain::endpoint::{Claim, Place};
use webhook_endpoints::domain::health::{Failing, Health, Pause};
use webhook_endpoints::domain::message::{DeliveryTask, Lane, Message, Tend};

use crate::rate_limit::batch;
use crate::support::queue::message;
use crate::support::wire::{Fault, names};
use full::{Full, TAKEN};

const MINUTE: Duration = Duration::from_secs(60);

fn sorted(tasks: &[DeliveryTask]) -> Vec<DeliveryTask> {
    let mut tasks = tasks.to_vec();
    tasks.sort_by_key(|task| task.delivery_id);
    tasks
}

#[tokio::test]
async fn deliveries_without_a_turn_within_15_minutes_wait_in_the_table() {
    let mut full = Full::start(2).await;
    let tasks = full.limited.tasks(5).await;
    let calls = full.must_handle(batch(&tasks)).await;
    // One per delivery, and one for the endpoint's place in the schedule. No turn is taken,
    // because none could be used.
    let updates = calls.iter().filter(|call| *call == "UpdateItem").count();
    assert_eq!(updates, 5 + 1);
    assert_eq!(full.claim().await, Some(Claim::Backlog));
    assert_eq!(full.held_tasks(), []);
    let deliveries = full.limited.app.api.deliveries(&full.limited.id).await;
    for delivery in &deliveries {
        let shown = (&delivery["status"], &delivery["nextRetryAt"]);
        assert_eq!(shown, (&json!("PENDING"), &json!(null)));
    }
    assert_eq!(deliveries.len(), 5);

    // Once turns are free, the deliveries take the next ones, oldest first.
    full.limited.clock.advance(10 * MINUTE);
    full.held.clear();
    let tend = full.tend().await;
    full.must_handle_one(&tend).await;
    let sent = full.held_tasks();
    let delays: Vec<_> = sent.iter().map(|(delay, _)| *delay).collect();
    assert_eq!(delays, [300, 300, 301, 301, 302]);
    assert!(sent.iter().all(|(_, task)| task.has_turn));
    let ids: Vec<_> = sent.iter().map(|(_, task)| task.delivery_id).collect();
    let oldest_first = sorted(&tasks);
    assert!(
        ids.iter()
            .eq(oldest_first.iter().map(|task| &task.delivery_id))
    );
    full.come_to_rest().await;
    full.must_have_received(&tasks, 2);
}

#[tokio::test]
async fn joining_a_backlog_costs_one_write_and_no_message() {
    let mut full = Full::start(1).await;
    let first = full.limited.tasks(1).await;
    full.must_handle(batch(&first)).await;
    // An attempt that was already on the queue.
    let app = &full.limited.app;
    let mut tasks = app.aws.table().endpoints(app.app_id).await.unwrap();
    let key = tasks.remove(0).key;
    let queued = app
        .aws
        .store_event(key.endpoint_id, "invoice.paid", full.limited.clock.now());
    let queued = queued.await;
    let calls = full.must_handle(batch(std::slice::from_ref(&queued))).await;
    assert_eq!(calls, ["BatchGetItem", "UpdateItem"]);
    // A new event.
    let app = &full.limited.app;
    app.api.must_publish("invoice.paid").await;
    let event = app.queue.all_queued().await;
    let calls = full.must_handle(event).await;
    assert_eq!(calls, ["PutItem", "Query", "UpdateItem"]);
    full.come_to_rest().await;
    assert_eq!(full.limited.received(), 3);
    let deliveries = full.limited.app.api.deliveries(&full.limited.id).await;
    assert!(deliveries.iter().all(|item| item["status"] == "DELIVERED"));
}

#[tokio::test]
async fn retries_and_a_backlog_keep_the_limit_together() {
    let mut full = Full::start(3).await;
    let tasks = full.limited.tasks(20).await;
    let (waiting, others) = tasks.split_at(14);
    full.must_handle(batch(waiting)).await;
    full.limited.clock.advance(10 * MINUTE);
    full.held.clear();
    let retries: Vec<_> = others
        .iter()
        .map(|task| DeliveryTask {
            attempt: 2,
            ..task.clone()
        })
        .collect();
    full.must_handle(batch(&retries[..2])).await;
    let tend = full.tend().await;
    full.must_handle_one(&tend).await;
    full.must_handle(batch(&retries[2..])).await;
    let mut seconds: Vec<_> = full.held_tasks().iter().map(|(delay, _)| *delay).collect();
    seconds.sort_unstable();
    let expected: Vec<_> = (0..20).map(|turn| 300 + turn / 3).collect();
    assert_eq!(seconds, expected);
    full.come_to_rest().await;
    full.must_have_received(&tasks, 3);
}

#[tokio::test]
async fn long_backlogs_are_drained_in_steps_at_the_limit() {
    let mut full = Full::start(60).await;
    let tasks = full.limited.tasks(1).await;
    full.must_handle(batch(&tasks)).await;
    let (clock, app) = (&full.limited.clock, &full.limited.app);
    let key = full.endpoint().await.key;
    let apart = Duration::from_millis(1);
    let seeded = app
        .aws
        .seed_waiting(key.endpoint_id, 700, clock.now(), apart);
    let mut all = seeded.await;
    all.extend(tasks);
    full.come_to_rest().await;
    full.must_have_received(&all, 60);
    // Every turn between the first and the last was used.
    let seconds: BTreeSet<_> = full.arrivals.iter().collect();
    let (first, last) = (*seconds.first().unwrap(), *seconds.last().unwrap());
    assert_eq!(last - first, 701 / 60);
}

#[tokio::test]
async fn steps_of_a_drain_grow_with_the_limit() {
    // No fewer than without a limit, and at most five times as many.
    for (limit, step) in [(1, 10), (4, 20), (500, 50)] {
        let mut full = Full::start_with(limit, 10).await;
        let tasks = full.limited.tasks(1).await;
        full.must_handle(batch(&tasks)).await;
        let (clock, app) = (&full.limited.clock, &full.limited.app);
        let (key, now) = (full.endpoint().await.key, clock.now());
        let apart = Duration::from_millis(1);
        app.aws.seed_waiting(key.endpoint_id, 60, now, apart).await;
        clock.advance(10 * MINUTE);
        full.held.clear();
        let tend = full.tend().await;
        full.must_handle_one(&tend).await;
        let sent = full.held_tasks();
        assert_eq!(sent.len(), step, "{limit}");
        // The next step is due shortly before the last turn of this one.
        let last = sent.last().unwrap().0;
        let next = full.held_tends();
        assert_eq!(next.len(), 1);
        assert!((last - 5..=last).contains(&next[0]), "{last} {next:?}");
    }
}

#[tokio::test]
async fn drains_without_a_free_turn_try_again_after_ten_minutes() {
    let mut full = Full::start(1).await;
    let tasks = full.limited.tasks(2).await;
    full.must_handle(batch(&tasks)).await;
    full.held.clear();
    let now = Message::Tend(Tend::now(full.endpoint().await.key));
    full.must_handle_one(&now).await;
    assert_eq!(full.held_tasks(), []);
    assert_eq!(full.held_tends(), [600]);
    full.come_to_rest().await;
    full.must_have_received(&tasks, 1);
}

#[tokio::test]
async fn drains_without_deliveries_wait_for_no_turn() {
    let mut full = Full::start(1).await;
    let tasks = full.limited.tasks(1).await;
    full.must_handle(batch(&tasks)).await;
    full.held.clear();
    // The step after the only delivery.
    let Message::Tend(tend) = full.tend().await else {
        unreachable!()
    };
    let after = Some(tasks[0].delivery_id);
    let next = Message::Tend(Tend { after, ..tend });
    let calls = full.must_handle_one(&next).await;
    assert_eq!(
        calls,
        ["GetItem", "Query", "SendMessageBatch", "UpdateItem"]
    );
    let stragglers = full.limited.app.deliverer.stragglers.as_secs();
    assert_eq!(full.held_tends(), [stragglers.cast_signed()]);
}

#[tokio::test]
async fn only_retries_and_resends_take_turns_before_a_backlog() {
    let mut full = Full::start(1).await;
    let tasks = full.limited.tasks(4).await;
    full.must_handle(batch(&tasks[..1])).await;
    // From here on, turns are free.
    full.limited.clock.advance(15 * MINUTE);
    for (task, is_sent) in [
        (tasks[1].clone(), false),
        (tasks[2].next(), true),
        (
            DeliveryTask {
                resend: true,
                ..tasks[3].clone()
            },
            true,
        ),
    ] {
        full.held.clear();
        let known = full.limited.received();
        full.must_handle(batch(std::slice::from_ref(&task))).await;
        let sent = full.limited.received() - known + full.held_tasks().len();
        assert_eq!(sent, usize::from(is_sent), "{task:?}");
    }
}

#[tokio::test]
async fn drains_that_lose_their_turns_try_again_soon() {
    const CHANGED: Fault = Fault::Refused(r#"{"__type": "ConditionalCheckFailedException"}"#);
    let mut full = Full::start(1).await;
    let tasks = full.limited.tasks(3).await;
    full.must_handle(batch(&tasks)).await;
    full.limited.clock.advance(10 * MINUTE);
    full.held.clear();
    let tend = full.tend().await.to_json().unwrap();
    let lose_turns = |operation: &str, body: &[u8]| {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let takes_turns = names(&body, attribute::NEXT_TURN);
        (operation == "UpdateItem" && takes_turns).then_some(CHANGED)
    };
    let (_, back) = full
        .handle_disturbed([message(Some("m"), tend)], lose_turns)
        .await;
    assert!(!back);
    assert_eq!(full.held_tasks(), []);
    assert_eq!(full.held_tends(), [1]);
    full.come_to_rest().await;
    full.must_have_received(&tasks, 1);
}

#[tokio::test]
async fn backlogs_after_a_pause_are_drained_at_once() {
    let mut full = Full::start(1).await;
    let tasks = full.limited.tasks(2).await;
    let (endpoint, now) = (full.endpoint().await, full.limited.clock.now());
    // What waited during the pause is due in a minute.
    let due = Some(Place::at(now + MINUTE));
    let table = full.limited.app.aws.table();
    let is_set = table.set_place(endpoint.key, endpoint.place, due).await;
    assert!(is_set.unwrap());
    full.must_handle(batch(&tasks)).await;
    assert_eq!(full.claim().await, Some(Claim::Backlog));
    assert_eq!(full.held_tends(), [0]);
    full.come_to_rest().await;
    full.must_have_received(&tasks, 1);
}

#[tokio::test]
async fn changing_or_removing_the_limit_sends_the_backlog_at_once() {
    for (limit, delays) in [(json!(null), [0, 0, 0]), (json!(2), [0, 0, 1])] {
        let mut full = Full::start(1).await;
        let tasks = full.limited.tasks(3).await;
        full.must_handle(batch(&tasks)).await;
        full.held.clear();
        let path = format!("/{}", full.limited.id);
        let body = json!({"rateLimit": limit});
        full.limited.app.api.put_json(&path, &body).await.data();
        let queued = full.limited.app.queue.all_queued().await;
        full.must_handle(queued).await;
        let sent: Vec<_> = full.held_tasks().iter().map(|(delay, _)| *delay).collect();
        assert_eq!(sent, delays, "{limit}");
        assert_eq!(full.claim().await, Some(Claim::LastOfDrain));
        full.come_to_rest().await;
        full.must_have_received(&tasks, 3);
    }
}

#[tokio::test]
async fn deactivating_or_deleting_an_endpoint_ends_its_backlog() {
    for deleted in [false, true] {
        let mut full = Full::start(1).await;
        let tasks = full.limited.tasks(3).await;
        full.must_handle(batch(&tasks)).await;
        full.held.clear();
        let (app, path) = (&full.limited.app, format!("/{}", full.limited.id));
        if deleted {
            app.api.delete(&path).await;
        } else {
            let inactive = json!({"active": false});
            app.api.put_json(&path, &inactive).await.data();
        }
        let queued = app.queue.all_queued().await;
        assert!(!queued.is_empty());
        full.must_handle(queued).await;
        let items = full.limited.app.aws.items().await;
        let ended = items.iter().filter(|item| {
            let status = item
                .get(attribute::STATUS)
                .and_then(|status| status.as_s().ok());
            status.is_some_and(|status| status == "F")
        });
        assert_eq!(ended.count(), 3, "deleted: {deleted}");
    }
}

#[tokio::test]
async fn backlogs_survive_a_pause() {
    let mut full = Full::start(1).await;
    let tasks = full.limited.tasks(3).await;
    full.must_handle(batch(&tasks)).await;
    let (endpoint, now) = (full.endpoint().await, full.limited.clock.now());
    let paused = Health {
        failing: Some(Failing {
            since: now,
            last: now,
            failures: 1,
        }),
        pause: Some(Pause {
            since: now,
            probe_at: Some(now + MINUTE),
            probes: 0,
        }),
        ..Health::default()
    };
    let table = full.limited.app.aws.table();
    assert!(table.set_health(&endpoint, &paused, now).await.unwrap());
    // The drain's message arrives during the pause, and does nothing.
    full.come_to_rest().await;
    full.must_have_received(&tasks, 1);
}

#[tokio::test]
async fn concurrent_drains_of_a_backlog_send_everything_once() {
    let mut full = Full::start(1).await;
    let tasks = full.limited.tasks(4).await;
    full.must_handle(batch(&tasks)).await;
    full.limited.clock.advance(10 * MINUTE);
    full.held.clear();
    let now = Message::Tend(Tend::now(full.endpoint().await.key));
    let due = full.tend().await;
    let both = [&now, &due].map(|tend| tend.to_json().unwrap());
    let both = both.map(|text| message(Some(&text.len().to_string()), text));
    full.must_handle(both).await;
    assert_eq!(full.held_tasks().len(), 4);
    full.come_to_rest().await;
    full.must_have_received(&tasks, 1);
}

#[tokio::test]
async fn concurrent_batches_that_start_a_backlog_lose_nothing() {
    let mut full = Full::start(1).await;
    let tasks = full.limited.tasks(6).await;
    let numbered = batch(&tasks);
    let wire = &full.limited.app.aws.wire;
    wire.take();
    wire.disturb(|call| (call == "SendMessageBatch").then_some(Fault::Answered(TAKEN)));
    let batches = numbered.chunks(2).map(|batch| {
        let (queue, batch) = (&full.limited.app.queue, batch.to_vec());
        async move { queue.handle_in(Lane::Fast, batch).await }
    });
    for handled in futures_util::future::join_all(batches).await {
        assert_eq!(handled, Ok(Vec::new()));
    }
    // Only one batch sets the place. The others enqueue a message that checks it.
    full.limited.app.aws.wire.mend();
    full.come_to_rest().await;
    full.must_have_received(&tasks, 1);
}

#[tokio::test]
async fn deliveries_join_a_backlog_once_despite_any_cut_off() {
    let mut cuts = 0;
    for cut in 1.. {
        let mut full = Full::start(1).await;
        // One of the deliveries has a free turn.
        full.limited.clock.advance(Duration::from_secs(1));
        let tasks = full.limited.tasks(3).await;
        if !full.handle(batch(&tasks), cut).await.1 {
            break;
        }
        cuts += 1;
        full.must_handle(batch(&tasks)).await;
        full.come_to_rest().await;
        full.must_have_received(&tasks, 1);
    }
    // The read, the turn, two waiting deliveries, the place, and two messages.
    assert_eq!(cuts, 1 + 1 + 2 + 1 + 2);
}

#[tokio::test]
async fn cut_off_backlog_drains_send_everything_once() {
    let mut cuts = 0;
    for cut in 1.. {
        let mut full = Full::start(1).await;
        let tasks = full.limited.tasks(3).await;
        full.must_handle(batch(&tasks)).await;
        full.limited.clock.advance(10 * MINUTE);
        full.held.clear();
        let tend = full.tend().await;
        let text = tend.to_json().unwrap();
        if !full.handle([message(Some("m"), text)], cut).await.1 {
            break;
        }
        cuts += 1;
        // SQS delivers the message again.
        full.must_handle_one(&tend).await;
        full.come_to_rest().await;
        full.must_have_received(&tasks, 1);
    }
    // The endpoint, the waiting deliveries, the claim, the turns, the messages, three
    // deliveries that stop waiting, and the message for the next step.
    assert_eq!(cuts, 1 + 1 + 1 + 1 + 1 + 3 + 1);
}
