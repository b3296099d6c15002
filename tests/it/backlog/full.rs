//! An endpoint with a backlog, and the messages of its queues.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use jiff::Timestamp;
use webhook_endpoints::delivery::ChunkSizes;
use webhook_endpoints::domain::endpoint::{Claim, Endpoint};
use webhook_endpoints::domain::message::{DeliveryTask, Lane, Message, Tend};

use super::MINUTE;
use crate::rate_limit::Limited;
use crate::support::queue::message;
use crate::support::wire::{Fault, is_of_a_poller};

const SWEEP: &str = r#"{"kind":"sweep"}"#;

/// The response of a queue that accepts every entry.
pub const TAKEN: &str = r#"{"Successful": [], "Failed": []}"#;

/// A rate-limited endpoint whose turns of the next 15 minutes are all taken.
pub struct Full {
    pub limited: Limited,
    /// Sent messages, by the time at which they become visible.
    pub held: BTreeMap<Timestamp, Vec<Message>>,
    /// The Unix second of every arrival.
    pub arrivals: Vec<i64>,
}

impl Full {
    pub async fn start(limit: u16) -> Self {
        Self::start_with(limit, ChunkSizes::default().waiting).await
    }

    /// With steps of at least `chunk` deliveries.
    pub async fn start_with(limit: u16, chunk: u16) -> Self {
        let full = Self {
            limited: Limited::start_with(limit, chunk).await,
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

    pub async fn endpoint(&self) -> Endpoint {
        let endpoints = self.limited.app.aws.table();
        let endpoints = endpoints.endpoints(self.limited.app.app_id).await.unwrap();
        endpoints.into_iter().next().unwrap()
    }

    pub async fn claim(&self) -> Option<Claim> {
        self.endpoint().await.place.and_then(|place| place.claim)
    }

    /// Handles a batch of the slow lane in which every call fails from call number `cut`
    /// on, counted from 1. Holds the messages that were sent. Returns the calls, and
    /// whether any message was returned to the queue.
    pub async fn handle(
        &mut self,
        messages: impl IntoIterator<Item = SqsMessage>,
        cut: usize,
    ) -> (Vec<String>, bool) {
        let mut calls = 0;
        let plan = move |_: &str, _: &[u8]| {
            calls += 1;
            (calls >= cut).then_some(Fault::Before)
        };
        self.handle_disturbed(messages, plan).await
    }

    /// The same, in which calls fail as `plan` says, but not the poller's.
    pub async fn handle_disturbed(
        &mut self,
        messages: impl IntoIterator<Item = SqsMessage>,
        mut plan: impl FnMut(&str, &[u8]) -> Option<Fault> + Send + 'static,
    ) -> (Vec<String>, bool) {
        let wire = &self.limited.app.aws.wire;
        wire.take();
        // Whether each call failed.
        let failed = Arc::<Mutex<Vec<bool>>>::default();
        let noted = Arc::clone(&failed);
        wire.disturb_requests(move |call, body| {
            if is_of_a_poller(call) {
                return None;
            }
            let fault = plan(call, body);
            noted.lock().unwrap().push(fault.is_some());
            fault.or((call == "SendMessageBatch").then_some(Fault::Answered(TAKEN)))
        });
        let before = self.limited.received();
        let queue = &self.limited.app.queue;
        let back = queue.handle_in(Lane::Slow, messages).await.unwrap();
        wire.mend();
        let now = self.limited.clock.now();
        let arrived = self.limited.received() - before;
        self.arrivals.extend(vec![now.as_second(); arrived]);
        let requests = wire.take_requests();
        let failed = failed.lock().unwrap().clone();
        for (request, has_failed) in requests.iter().zip(failed) {
            if has_failed {
                continue;
            }
            for (delay, sent) in request.sent() {
                let visible = now + Duration::from_secs(delay);
                self.held.entry(visible).or_default().push(sent);
            }
        }
        let mut calls: Vec<_> = requests.into_iter().map(|call| call.operation).collect();
        calls.sort_unstable();
        (calls, !back.is_empty())
    }

    /// Handles messages without faults, and returns the calls.
    pub async fn must_handle(
        &mut self,
        messages: impl IntoIterator<Item = SqsMessage>,
    ) -> Vec<String> {
        let (calls, back) = self.handle(messages, usize::MAX).await;
        assert!(!back);
        calls
    }

    pub async fn must_handle_one(&mut self, one: &Message) -> Vec<String> {
        let text = one.to_json().unwrap();
        self.must_handle([message(Some("m"), text)]).await
    }

    /// Returns the attempts that are held, and the seconds until each is visible.
    pub fn held_tasks(&self) -> Vec<(i64, DeliveryTask)> {
        let held = self.held_messages();
        held.filter_map(|(seconds, sent)| match sent {
            Message::Delivery(task) => Some((seconds, task.clone())),
            _ => None,
        })
        .collect()
    }

    /// Returns the seconds until each held message of the drain is visible.
    pub fn held_tends(&self) -> Vec<i64> {
        let held = self.held_messages();
        held.filter(|(_, sent)| matches!(sent, Message::Tend(_)))
            .map(|(seconds, _)| seconds)
            .collect()
    }

    fn held_messages(&self) -> impl Iterator<Item = (i64, &Message)> {
        let now = self.limited.clock.now();
        self.held.iter().flat_map(move |(visible, messages)| {
            let seconds = visible.duration_since(now).as_secs();
            messages.iter().map(move |sent| (seconds, sent))
        })
    }

    /// Builds the message that drains the backlog, with the time of the endpoint's place in
    /// the schedule.
    pub async fn tend(&self) -> Message {
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
    pub async fn come_to_rest(&mut self) {
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
    pub fn must_have_received(&self, tasks: &[DeliveryTask], limit: usize) {
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
