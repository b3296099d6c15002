//! A world in motion: messages are handled one after the other, in the order in which they
//! are due, by a clock that a test moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsMessage, SqsMessageAttribute};
use futures_util::future::join_all;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::domain::id::EventId;
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::domain::redelivery::delay_after;
use webhook_endpoints::domain::secret::SecretStorage;

use super::super::deliverer::copy_of;
use super::super::hand_clock::HandClock;
use super::super::item_json::Item;
use super::super::queue::{Queue, message};
use super::super::receiver::Receiver;
use super::super::recording::Principal;
use super::super::{Answer, Options, TestApp, answer};
use super::Pending;

const SWEEP: &str = r#"{"kind":"sweep"}"#;

const MINUTE: Duration = Duration::from_secs(60);

/// See the module's documentation.
pub struct Play {
    pub app: TestApp,
    pub clock: HandClock,
    pub receiver: Receiver,
    pub pending: Vec<Pending>,
    /// The dead-letter queue.
    pub letters: Vec<Pending>,
    /// API keys of the world's app, the first of which may do everything, and others.
    pub keys: Vec<String>,
    /// See [`World::signing`](super::World).
    pub signing: BTreeMap<String, Vec<String>>,
    /// Who handles messages, each at the same time as the others.
    pub handlers: Vec<Queue>,
    /// Whether every message is handed out to all of them.
    pub hands_out_twice: bool,
}

impl Play {
    pub async fn start(storage: SecretStorage, now: Timestamp, receiver: Receiver) -> Self {
        let clock = HandClock::at(&now.to_string());
        let mut options = Options::stepwise_with(&clock).with_storage(storage);
        options.settings.policy.health.pause_after = MINUTE;
        options.settings.budgets.pings_per_minute = 1000;
        let app = TestApp::start_with(options).await;
        Self {
            handlers: vec![app.queue.clone()],
            hands_out_twice: false,
            app,
            clock,
            receiver,
            pending: Vec::new(),
            letters: Vec::new(),
            keys: Vec::new(),
            signing: BTreeMap::new(),
        }
    }

    /// Where the receiver is.
    pub fn base(&self) -> &str {
        self.receiver.url.trim_end_matches("/hook")
    }

    /// Makes a call with the app's key or the platform's, and takes the messages that it
    /// sends.
    pub async fn call(&mut self, method: Method, path: &str, body: Value) -> Answer {
        let request = match is_for_the_platform(path) {
            true => self.app.api.by_platform(method, path),
            false => {
                let request = self.app.api.bare(method, path);
                request.header("x-api-key", &self.keys[0])
            }
        };
        let request = request.header("prefer", "respond-async");
        let request = match body {
            Value::Null => request,
            body => request.json(&body),
        };
        let answered = answer(request).await;
        self.collect();
        answered
    }

    /// Puts a message on a queue, as another service does.
    pub fn enqueue(&mut self, lane: Lane, body: impl Into<String>) {
        self.add(lane, body.into(), Duration::ZERO, BTreeMap::new());
    }

    fn add(
        &mut self,
        lane: Lane,
        body: String,
        delay: Duration,
        attributes: BTreeMap<String, String>,
    ) {
        let now = self.clock.now();
        self.pending.push(Pending {
            id: EventId::new().to_string(),
            lane,
            body,
            sent_at: now,
            due_at: now + delay,
            receives: 0,
            attributes,
        });
    }

    /// Takes the messages that were sent.
    pub fn collect(&mut self) {
        for request in self.app.aws.wire.take_requests() {
            let body = match request.operation.as_str() {
                "SendMessage" | "SendMessageBatch" => request.body(),
                _ => continue,
            };
            let url = body["QueueUrl"]
                .as_str()
                .expect("read the queue")
                .to_owned();
            let entries = match &body["Entries"] {
                Value::Array(entries) => entries.clone(),
                _ => vec![body],
            };
            for entry in entries {
                self.take(&url, &entry);
            }
        }
    }

    fn take(&mut self, url: &str, entry: &Value) {
        let body = entry["MessageBody"].as_str().expect("read the body");
        let delay = Duration::from_secs(entry["DelaySeconds"].as_u64().unwrap_or(0));
        let resources = &self.app.aws.resources;
        if url == resources.dead_letter_queue_url {
            let attributes = entry["MessageAttributes"].as_object();
            let attributes = attributes.expect("read the attributes").iter();
            let attributes = attributes.map(|(name, value)| {
                let value = value["StringValue"].as_str().expect("read the attribute");
                (name.clone(), value.to_owned())
            });
            let attributes: BTreeMap<_, _> = attributes.collect();
            let is_slow = resources.slow_queue_url.ends_with(&attributes["Queue"]);
            let lane = if is_slow { Lane::Slow } else { Lane::Fast };
            self.add(lane, body.to_owned(), delay, attributes);
            self.letters.extend(self.pending.pop());
            return;
        }
        let lane = match url {
            url if url == resources.queue_url => Lane::Fast,
            url if url == resources.slow_queue_url => Lane::Slow,
            other => panic!("an unexpected queue: {other}"),
        };
        self.add(lane, body.to_owned(), delay, BTreeMap::new());
    }

    /// Puts the dead letters back on their queues.
    pub fn redrive(&mut self) {
        for letter in std::mem::take(&mut self.letters) {
            self.add(letter.lane, letter.body, Duration::ZERO, letter.attributes);
        }
    }

    /// Has another process handle messages beside the first one: it shares nothing with it
    /// but the table, the secrets and the queues.
    pub fn add_handler(&mut self) {
        let deliverer = Deliverer {
            stores: self.app.aws.stores_of(Principal::Deliver),
            ..copy_of(&self.app.deliverer)
        };
        let handler = self.app.queue.with_deliverer(Arc::new(deliverer));
        self.handlers.push(handler);
    }

    /// Handles the message that is due next, when it is due, and as many as there are other
    /// handlers that are due by then. `false` if there is none.
    pub async fn handle_next(&mut self) -> bool {
        let Some(first) = self.pending.iter().map(|it| it.due_at).min() else {
            return false;
        };
        if first > self.clock.now() {
            self.clock.set_to(&json!(first.to_string()));
        }
        let mut due = Vec::new();
        while due.len() < self.handlers.len() {
            let now = self.clock.now();
            let next = self.pending.iter().enumerate();
            let next = next.filter(|(_, it)| it.due_at <= now);
            let Some((index, _)) = next.min_by_key(|(index, it)| (it.due_at, *index)) else {
                break;
            };
            let next = self.pending.remove(index);
            if self.hands_out_twice {
                due = vec![next; self.handlers.len()];
            } else {
                due.push(next);
            }
        }
        self.handle(due).await;
        true
    }

    /// Handles the messages that are due now, and those that follow at once.
    pub async fn handle_due(&mut self) {
        while self.pending.iter().any(|it| it.due_at <= self.clock.now()) {
            self.handle_next().await;
        }
    }

    /// Handles messages at the same time. Those that fail come back.
    async fn handle(&mut self, due: Vec<Pending>) {
        let handling = due.iter().zip(&self.handlers).map(|(pending, queue)| {
            let received = received(pending);
            queue.handle_in(pending.lane, [received])
        });
        let failed = join_all(handling.collect::<Vec<_>>()).await;
        self.collect();
        for (pending, failed) in due.into_iter().zip(failed) {
            let is_back = self.pending.iter().any(|it| it.id == pending.id);
            if failed == Ok(Vec::new()) || is_back {
                continue;
            }
            let receives = pending.receives + 1;
            self.pending.push(Pending {
                due_at: self.clock.now() + delay_after(receives),
                receives,
                ..pending
            });
        }
    }

    /// Handles everything that is on its way or scheduled, until there is nothing more or
    /// this time is over. Returns whether there is nothing more.
    pub async fn rest_within(&mut self, time: Duration) -> bool {
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            let soon = self.clock.now() + 5 * MINUTE;
            let scheduled = self.next_scheduled().await;
            let next = self.pending.iter().map(|it| it.due_at).min();
            if next.is_some_and(|next| next <= soon || scheduled.is_none()) {
                self.handle_next().await;
                continue;
            }
            let Some(at) = scheduled else {
                return true;
            };
            let then = soon
                .max(at - 5 * MINUTE)
                .min(next.unwrap_or(Timestamp::MAX));
            self.clock.set_to(&json!(then.to_string()));
            self.enqueue(Lane::Fast, SWEEP);
            self.handle_due().await;
        }
        false
    }

    /// When the first entry of the schedule is due.
    async fn next_scheduled(&self) -> Option<Timestamp> {
        let items = self.app.aws.items().await;
        self.app.aws.wire.take();
        let sorts = items.iter().filter_map(|item| item.get("gsi2sk"));
        let times = sorts.map(|sort| {
            let sort = sort.as_s().expect("read the place");
            let time = sort.split('#').next().expect("read the time");
            time.parse().expect("parse the time")
        });
        times.min()
    }

    /// All items but the keys that every test has.
    pub async fn items(&self) -> Vec<Item> {
        let items = self.app.aws.items().await;
        self.app.aws.wire.take();
        items
    }
}

/// Whether a call needs the platform's key.
fn is_for_the_platform(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
        ["apps", app, below, ..] => {
            *app == "operational" || ["keys", "portal-sessions"].contains(below)
        }
        _ => true,
    }
}

/// A message as the function gets it.
pub fn received(pending: &Pending) -> SqsMessage {
    let mut received = message(Some(&pending.id), &pending.body);
    let count = (pending.receives + 1).to_string();
    let sent_at = pending.sent_at.as_millisecond().to_string();
    received.attributes.extend([
        ("ApproximateReceiveCount".to_owned(), count),
        ("SentTimestamp".to_owned(), sent_at),
    ]);
    for (name, value) in &pending.attributes {
        let mut attribute = SqsMessageAttribute::default();
        attribute.string_value = Some(value.clone());
        received.message_attributes.insert(name.clone(), attribute);
    }
    received
}
