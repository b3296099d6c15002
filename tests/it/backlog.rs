//! Backlogs: deliveries that exceed an endpoint's rate limit for longer than SQS can delay
//! a message (15 minutes). The tests advance the clock themselves. They intercept sent
//! messages, and hold them until they are due.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use jiff::Timestamp;
use serde_json::json;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::domain::endpoint::{Claim, Endpoint};
use webhook_endpoints::domain::health::{Failing, Health, Pause};
use webhook_endpoints::domain::message::{DeliveryTask, Lane, Message, Tend};

use crate::rate_limit::{Limited, batch};
use crate::support::queue::message;
use crate::support::wire::{Fault, is_of_a_poller};

const MINUTE: Duration = Duration::from_secs(60);
const SWEEP: &str = r#"{"kind":"sweep"}"#;

/// The response of a queue that accepts every entry.
const TAKEN: &str = r#"{"Successful": [], "Failed": []}"#;

/// A rate-limited endpoint whose turns of the next 15 minutes are all taken.
struct Full {
    limited: Limited,
    /// Sent messages, by the time at which they become visible.
    held: BTreeMap<Timestamp, Vec<Message>>,
    /// The Unix second of every arrival.
    arrivals: Vec<i64>,
}

impl Full {
    async fn start(limit: u16) -> Self {
        let full = Self {
            limited: Limited::start(limit).await,
            held: BTreeMap::new(),
            arrivals: Vec::new(),
        };
        full.take_turns(15 * 60 * usize::from(limit)).await;
        full
    }

    async fn take_turns(&self, count: usize) {
        let endpoint = self.endpoint().await;
        let (limit, now) = (endpoint.rate_limit.unwrap(), self.limited.clock.now());
        let table = self.limited.app.aws.table();
        let taken = table.take_turns(&endpoint, limit, count, now).await;
        taken.unwrap();
    }

    async fn endpoint(&self) -> Endpoint {
        let endpoints = self.limited.app.aws.table();
        let endpoints = endpoints.endpoints(self.limited.app.app_id).await.unwrap();
        endpoints.into_iter().next().unwrap()
    }

    async fn claim(&self) -> Option<Claim> {
        self.endpoint().await.place.and_then(|place| place.claim)
    }

    /// Handles a batch of the slow lane in which every call fails from call number `cut`
    /// on, counted from 1. Holds the messages that were sent. Returns the calls, and
    /// whether any message was returned to the queue.
    async fn handle(
        &mut self,
        messages: impl IntoIterator<Item = SqsMessage>,
        cut: usize,
    ) -> (Vec<String>, bool) {
        let wire = &self.limited.app.aws.wire;
        wire.take();
        let mut calls = 0;
        wire.disturb(move |call| {
            calls += usize::from(!is_of_a_poller(call));
            match call {
                _ if is_of_a_poller(call) => None,
                _ if calls >= cut => Some(Fault::Before),
                "SendMessageBatch" => Some(Fault::Answered(TAKEN)),
                _ => None,
            }
        });
        let before = self.limited.received();
        let queue = &self.limited.app.queue;
        let back = queue.handle_in(Lane::Slow, messages).await.unwrap();
        wire.mend();
        let now = self.limited.clock.now();
        let arrived = self.limited.received() - before;
        self.arrivals.extend(vec![now.as_second(); arrived]);
        let requests = wire.take_requests();
        // Calls from `cut` on never reached the queue.
        for request in requests.iter().take(cut - 1) {
            if request.operation != "SendMessageBatch" {
                continue;
            }
            for entry in request.body()["Entries"].as_array().unwrap() {
                let delay = entry["DelaySeconds"].as_u64().unwrap_or_default();
                let sent = Message::from_json(entry["MessageBody"].as_str().unwrap()).unwrap();
                let visible = now + Duration::from_secs(delay);
                self.held.entry(visible).or_default().push(sent);
            }
        }
        let mut calls: Vec<_> = requests.into_iter().map(|call| call.operation).collect();
        calls.sort_unstable();
        (calls, !back.is_empty())
    }

    /// Handles messages without faults, and returns the calls.
    async fn must_handle(&mut self, messages: impl IntoIterator<Item = SqsMessage>) -> Vec<String> {
        let (calls, back) = self.handle(messages, usize::MAX).await;
        assert!(!back);
        calls
    }

    async fn must_handle_one(&mut self, one: &Message) -> Vec<String> {
        let text = one.to_json().unwrap();
        self.must_handle([message(Some("m"), text)]).await
    }

    /// Returns the attempts that are held, and the seconds until each is visible.
    fn held_tasks(&self) -> Vec<(i64, DeliveryTask)> {
        let now = self.limited.clock.now();
        let held = self.held.iter().flat_map(|(visible, messages)| {
            let seconds = visible.duration_since(now).as_secs();
            messages.iter().map(move |sent| (seconds, sent))
        });
        held.filter_map(|(seconds, sent)| match sent {
            Message::Delivery(task) => Some((seconds, task.clone())),
            _ => None,
        })
        .collect()
    }

    /// Builds the message that drains the backlog, with the time of the endpoint's place in
    /// the schedule.
    async fn tend(&self) -> Message {
        let endpoint = self.endpoint().await;
        Message::Tend(Tend {
            due_at: endpoint.place.map(|place| place.at),
            ..Tend::now(endpoint.key)
        })
    }

    fn advance_to(&self, time: Timestamp) {
        let wait = time.duration_since(self.limited.clock.now());
        let wait = Duration::try_from(wait).unwrap_or_default();
        self.limited.clock.advance(wait);
    }

    /// Handles the held messages, each at its time, and sweeps for the endpoint if none is
    /// left, until the endpoint has no place in the schedule.
    async fn come_to_rest(&mut self) {
        for _ in 0..1_000 {
            if let Some((visible, messages)) = self.held.pop_first() {
                self.advance_to(visible);
                let messages = messages.iter().enumerate();
                let messages: Vec<_> = messages
                    .map(|(index, sent)| message(Some(&index.to_string()), sent.to_json().unwrap()))
                    .collect();
                self.must_handle(messages).await;
            } else if let Some(place) = self.endpoint().await.place {
                self.advance_to(place.at + MINUTE);
                self.must_handle([message(Some("m"), SWEEP)]).await;
            } else {
                return;
            }
        }
        panic!("never comes to rest");
    }

    /// Asserts that each of these arrived once, and that no second exceeded the limit.
    fn must_have_received(&self, tasks: &[DeliveryTask], limit: usize) {
        let received = self.limited.receiver.received();
        let ids: Vec<_> = received
            .iter()
            .map(|request| request.header("webhook-id").to_owned())
            .collect();
        let expected: BTreeSet<_> = tasks
            .iter()
            .map(|task| task.source.event_id().to_string())
            .collect();
        assert_eq!(ids.len(), expected.len());
        assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);
        for second in &self.arrivals {
            let same = self.arrivals.iter().filter(|other| *other == second);
            assert!(same.count() <= limit, "{:?}", self.arrivals);
        }
    }
}

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
