//! Endpoints that recover with many deliveries waiting. The tests advance the clock
//! themselves. They intercept sent messages, and hold them until they are due.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use webhook_endpoints::domain::endpoint::EndpointKey;
use webhook_endpoints::domain::message::{Lane, Message, Tend};

use crate::support::paused::Paused;
use crate::support::queue::{endpoint_id, message};
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;

const SECOND: Duration = Duration::from_secs(1);

/// The response of a queue that accepts every entry.
const TAKEN: &str = r#"{"Successful": [], "Failed": []}"#;

/// The batch size of the slow lane.
const BATCH: usize = 100;

/// Stands in for the delivery queues, with the test's clock.
#[derive(Default)]
struct Held {
    /// The messages and their lanes, by the time at which they become visible.
    messages: BTreeMap<Timestamp, Vec<(Lane, String)>>,
}

impl Held {
    /// Intercepts batches of messages from here on.
    fn of(paused: &Paused) -> Self {
        let wire = &paused.app.aws.wire;
        wire.take();
        wire.disturb(|call| (call == "SendMessageBatch").then_some(Fault::Answered(TAKEN)));
        Self::default()
    }

    /// Collects the messages that were sent since the last call.
    fn collect(&mut self, paused: &Paused) {
        let now = paused.clock.now();
        for request in paused.app.aws.wire.take_requests() {
            if request.operation != "SendMessageBatch" {
                continue;
            }
            let body = request.body();
            let lane = match body["QueueUrl"].as_str().unwrap().ends_with("slow") {
                true => Lane::Slow,
                false => Lane::Fast,
            };
            for entry in body["Entries"].as_array().unwrap() {
                let delay = entry["DelaySeconds"].as_u64().unwrap_or_default();
                let text = entry["MessageBody"].as_str().unwrap().to_owned();
                let visible = now + Duration::from_secs(delay);
                self.messages.entry(visible).or_default().push((lane, text));
            }
        }
    }

    /// Handles the messages that are visible by now, the fast lane first, including those
    /// that they enqueue without a delay.
    async fn handle(&mut self, paused: &Paused) {
        loop {
            self.collect(paused);
            let later = self
                .messages
                // A millisecond is the clock's resolution, so this includes what is due
                // now.
                .split_off(&(paused.clock.now() + SECOND / 1000));
            let due = std::mem::replace(&mut self.messages, later);
            if due.is_empty() {
                return;
            }
            let due: Vec<_> = due.into_values().flatten().collect();
            for lane in [Lane::Fast, Lane::Slow] {
                let of_lane = due.iter().filter(|(of, _)| *of == lane);
                let texts: Vec<_> = of_lane.map(|(_, text)| text.clone()).collect();
                for batch in texts.chunks(BATCH) {
                    let numbered = batch.iter().enumerate();
                    let batch = numbered
                        .map(|(index, text)| message(Some(&index.to_string()), text.clone()));
                    let handled = paused.app.queue.handle_in(lane, batch).await;
                    assert_eq!(handled, Ok(Vec::new()));
                }
            }
        }
    }
}

/// A healthy endpoint of the same app that gets an event per second.
struct Neighbour {
    receiver: Receiver,
    published: usize,
}

impl Neighbour {
    async fn register(paused: &Paused) -> Self {
        let receiver = Receiver::answering(200, "").await;
        let api = &paused.app.api;
        api.subscribe(&receiver.url, &["neighbour"]).await;
        let path = format!("/{}", paused.id);
        let others = json!({"events": ["invoice.*"]});
        api.put_json(&path, &others).await.data();
        Self {
            receiver,
            published: 0,
        }
    }

    async fn publish(&mut self, paused: &Paused) {
        paused.app.api.must_publish("neighbour").await;
        let event = paused.app.queue.queued_in(Lane::Fast).await;
        assert_eq!(paused.app.queue.handle(event).await, Ok(Vec::new()));
        self.published += 1;
    }
}

/// Lets a paused endpoint recover with this many deliveries waiting, accepted 50 ms apart.
/// Asserts that each arrives once, in the order of acceptance, at no more than `rate` per
/// second, and that each of the neighbour's events arrives in the second in which it is
/// published.
async fn must_drain(waiting: u32, rate: u16, change: Value) {
    let paused = Paused::start_with(|options| options.settings.drain_per_second = 20).await;
    let path = format!("/{}", paused.id);
    paused.app.api.put_json(&path, &change).await.data();
    let mut neighbour = Neighbour::register(&paused).await;
    let id = endpoint_id(&paused.id);
    let first = paused.clock.now();
    let apart = Duration::from_millis(50);
    let tasks = paused.app.aws.seed_waiting(id, waiting, first, apart).await;
    // The probe is due now.
    paused.clock.advance(apart * waiting + 60 * SECOND);
    let accepted: HashMap<_, _> = tasks
        .iter()
        .map(|task| (task.source.event_id().to_string(), task.created_at))
        .collect();
    paused.app.queue.all_queued().await;

    paused.status.store(200, Ordering::SeqCst);
    let mut held = Held::of(&paused);
    paused.app.queue.must_handle(tend_of(&paused)).await;
    let mut latest = Timestamp::MIN;
    let mut arrived = 0;
    let steps = usize::try_from(waiting).unwrap() / usize::from(rate) + 10;
    for _ in 0..steps {
        neighbour.publish(&paused).await;
        held.handle(&paused).await;
        assert_eq!(neighbour.receiver.received().len(), neighbour.published);
        let now = paused.received_after(arrived);
        assert!(
            now.len() <= usize::from(rate) + 1,
            "{} in a second",
            now.len()
        );
        let times = now.iter().map(|id| accepted[id]);
        assert!(times.clone().all(|time| time > latest));
        latest = times.max().unwrap_or(latest);
        arrived += now.len();
        paused.clock.advance(SECOND);
    }
    // As many arrived as waited. Each second's deliveries were newer than all before, so
    // none arrived twice in different seconds.
    assert_eq!(arrived, tasks.len());
    let mut received = paused.received();
    received.sort_unstable();
    received.dedup();
    assert_eq!(received.len(), tasks.len());
    must_all_be_delivered(&paused, tasks[0].endpoint).await;
}

fn tend_of(paused: &Paused) -> String {
    let key = paused.app.aws.endpoint_key(endpoint_id(&paused.id));
    Message::Tend(Tend::now(key)).to_json().unwrap()
}

/// Asserts that nothing waits, and that only the two deliveries whose failures paused the
/// endpoint are pending.
async fn must_all_be_delivered(paused: &Paused, endpoint: EndpointKey) {
    let now = paused.clock.now();
    let waiting = paused.app.aws.table().waiting(endpoint, None, 1, now).await;
    assert_eq!(waiting.unwrap().deliveries, []);
    let pending = paused.app.api.page(&paused.id, "status=pending").await.0;
    assert_eq!(pending.len(), 2);
}

#[tokio::test]
async fn a_thousand_waiting_deliveries_arrive_once_and_in_order() {
    must_drain(1_000, 20, json!({"rateLimit": null})).await;
}

#[tokio::test]
#[ignore = "takes more than a minute; docs/development/testing.md has the command"]
async fn five_thousand_waiting_deliveries_arrive_once_and_in_order() {
    must_drain(5_000, 20, json!({"rateLimit": null})).await;
}

#[tokio::test]
async fn waiting_deliveries_arrive_in_order_at_the_endpoints_rate() {
    must_drain(500, 50, json!({"rateLimit": 50})).await;
}

impl Paused {
    /// Ends the pause with a successful probe. Returns the message that starts the drain.
    async fn drain_message(&self) -> String {
        self.status.store(200, Ordering::SeqCst);
        self.probe().await;
        let key = self.app.aws.endpoint_key(endpoint_id(&self.id));
        let endpoint = self.app.aws.table().endpoint(key).await.unwrap().unwrap();
        let tend = Tend {
            due_at: endpoint.place.map(|place| place.at),
            ..Tend::now(key)
        };
        Message::Tend(tend).to_json().unwrap()
    }

    /// Counts the arrivals of each of these events.
    fn arrivals(&self, events: &[String]) -> Vec<usize> {
        let received = self.received();
        let times = |event| received.iter().filter(|id| *id == event).count();
        events.iter().map(times).collect()
    }

    /// Sweeps for what was cut off, and drains it.
    async fn recover_from_a_cut(&self) {
        self.clock.advance(3 * 60 * SECOND);
        self.app.queue.must_handle(r#"{"kind":"sweep"}"#).await;
        self.drain().await;
    }
}

#[tokio::test]
async fn cut_off_drains_send_everything_once() {
    let mut cuts = 0;
    for operation in ["GetItem", "Query", "UpdateItem", "SendMessageBatch"] {
        for nth in 1.. {
            let paused = Paused::start().await;
            let events = paused.publish_waiting(13).await;
            let drain = paused.drain_message().await;
            let (wire, queue) = (&paused.app.aws.wire, &paused.app.queue);
            let batch = [message(Some("drain"), drain.as_str())];
            if !queue.cut_off(wire, operation, nth, batch).await {
                break;
            }
            cuts += 1;
            // SQS delivers the message again.
            queue.must_handle(drain).await;
            paused.drain().await;
            paused.recover_from_a_cut().await;
            assert_eq!(paused.arrivals(&events), [1; 13], "{operation} {nth}");
        }
    }
    // A read of the endpoint, one of the waiting deliveries, an update for the claim and
    // for each of twelve deliveries that stop waiting, two batches of messages, and the
    // message for the next step.
    assert_eq!(cuts, 1 + 1 + 13 + 3);
}

#[tokio::test]
async fn cut_off_attempts_of_a_drain_are_repeated_unless_recorded() {
    const WAITING: usize = 6;
    for recorded in 0..WAITING {
        let paused = Paused::start().await;
        let events = paused.publish_waiting(WAITING + 1).await;
        let drain = paused.drain_message().await;
        paused.app.queue.must_handle(drain).await;
        let batch = paused.app.queue.queued_in(Lane::Slow).await;
        assert_eq!(batch.len(), WAITING);
        let (wire, queue) = (&paused.app.aws.wire, &paused.app.queue);
        let nth = u32::try_from(recorded).unwrap() + 1;
        let cut = queue.cut_off(wire, "UpdateItem", nth, batch.clone());
        assert!(cut.await);
        assert_eq!(queue.handle(batch).await, Ok(Vec::new()));
        paused.drain().await;
        let arrivals = paused.arrivals(&events);
        assert!(arrivals.iter().all(|count| (1..=2).contains(count)));
        let twice = arrivals.iter().filter(|count| **count == 2).count();
        assert!(twice <= WAITING - recorded, "{recorded}: {arrivals:?}");
        assert_eq!(paused.statuses().await[..=WAITING], ["DELIVERED"; 7]);
    }
}

#[tokio::test]
async fn changing_an_endpoint_starts_no_second_drain() {
    let paused = Paused::start_with(|options| options.settings.chunks.waiting = 3).await;
    let events = paused.publish_waiting(7).await;
    let drain = paused.drain_message().await;
    let (wire, queue) = (&paused.app.aws.wire, &paused.app.queue);
    // As if the drain were still under way: three deliveries are on the queue, but still
    // marked as waiting.
    let batch = [message(Some("drain"), drain.as_str())];
    assert!(queue.cut_off(wire, "UpdateItem", 2, batch).await);
    let path = format!("/{}", paused.id);
    for change in [json!({"active": true}), json!({"events": ["*"]})] {
        paused.app.api.put_json(&path, &change).await.data();
    }
    let (tasks, tends) = queue.tasks_and_tends().await;
    assert_eq!((tasks.len(), tends.len()), (3, 2));
    for tend in tends {
        queue
            .must_handle(Message::Tend(tend).to_json().unwrap())
            .await;
    }
    assert_eq!(queue.tasks().await, []);
    for task in &tasks {
        queue.must_attempt(task).await;
    }
    paused.recover_from_a_cut().await;
    let table = paused.app.aws.table();
    loop {
        // Each step after the first is delayed by a second.
        let now = paused.clock.now();
        let waiting = table.waiting(tasks[0].endpoint, None, 1, now);
        if waiting.await.unwrap().deliveries.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        paused.drain().await;
    }
    paused.drain().await;
    assert_eq!(paused.arrivals(&events), [1; 7]);
}
