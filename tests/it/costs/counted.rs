//! Counts the AWS units that events consume: on the wire, in the table and in the log.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use aws_lambda_events::sqs::SqsMessage;
use aws_sdk_dynamodb::types::AttributeValue;
use local::template::access_log_format;
use serde_json::{Value, json};
use webhook_endpoints::domain::message::Lane;

use crate::support::orders::order_of;
use crate::support::receiver::Receiver;
use crate::support::wire::{Request, Units};
use crate::support::{Options, TestApp, log, metrics};

/// How events arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Published singly, and so rarely that each is handled on its own and no API key is
    /// cached.
    OneByOne,
    /// Published singly, and so often that Lambda passes ten messages at a time.
    Busy,
    /// Published a hundred per request.
    InBatches,
}

pub const TRAFFIC: [Traffic; 3] = [Traffic::OneByOne, Traffic::Busy, Traffic::InBatches];

/// Units per event.
#[derive(Debug, Default, Clone)]
pub struct Counted {
    /// API requests, in units of 512 KB.
    pub requests: f64,
    pub api_invocations: f64,
    pub deliver_invocations: f64,
    pub attempts: f64,
    /// SQS requests that carry messages, in units of 64 KB.
    pub queue_requests: f64,
    pub units: Units,
    pub log_bytes: f64,
    /// Bytes in the table and its indexes, including DynamoDB's overhead per item.
    pub stored_bytes: f64,
    /// Bytes in the table alone.
    pub backed_up_bytes: f64,
    pub bytes_out: f64,
    /// Distinct metrics that delivering such events creates.
    pub metrics: usize,
}

const CHUNK: usize = 64 * 1024;

/// The SQS requests charged for messages of this total size.
fn chunks(bytes: usize) -> f64 {
    count(bytes.div_ceil(CHUNK).max(1))
}

pub fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("a small number"))
}

/// Returns the line that API Gateway logs per request, in the template's format. (Lambda
/// logs nothing for a successful invocation.)
pub fn access_line() -> String {
    let values = [
        ("$context.identity.sourceIp", "203.0.113.101"),
        ("$context.requestId", "JKJaXmPLvHcESHA="),
        ("$context.status", "202"),
    ];
    let format = access_log_format().expect("read the template");
    let line = values
        .iter()
        .fold(format, |line, (name, value)| line.replace(name, value));
    assert!(!line.contains('$'), "{line}");
    line
}

/// Bytes per delivery for the request's head and TLS.
const DELIVERY_HEAD: f64 = 700.0;
/// Bytes per API response for its head and TLS. Bodies are counted.
const ANSWER_HEAD: f64 = 400.0;

static METRICS: Mutex<Vec<Value>> = Mutex::new(Vec::new());

/// Publishes events to this many endpoints, delivers them, and returns the units per event.
pub async fn count_events(traffic: Traffic, endpoints: usize, payload: usize) -> Counted {
    log::start();
    let mut options = Options::stepwise();
    if traffic == Traffic::OneByOne {
        options.settings.api_key_cache = std::time::Duration::ZERO;
    }
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(200, "").await;
    for _ in 0..endpoints {
        app.api.create_webhook(&receiver.url).await;
    }
    let (published, batch) = match traffic {
        Traffic::OneByOne => (4, 1),
        Traffic::Busy => (20, 10),
        Traffic::InBatches => (100, 10),
    };
    // The first event fills the secret cache, and is not counted.
    let deliver = Deliver::new(&app, &receiver, batch);
    app.api.publish(&event_of(payload)).await;
    deliver.handle(usize::MAX).await;
    app.aws.wire.meter();
    app.aws.wire.take_units();
    app.aws.wire.take();
    let before = app.aws.items().await.len();
    METRICS.lock().unwrap().clear();
    let logged = log_bytes(&app);

    let mut counted = publish(&app, traffic, published, payload).await;
    let events = count(published);
    counted.scale(1.0 / events);
    counted.log_bytes += (log_bytes(&app) - logged) / events;

    // Handling 20 of the batch's 100 events is enough, and keeps the test fast.
    let handled = published.min(20);
    let logged = log_bytes(&app);
    let mut delivered = deliver.handle(handled).await;
    delivered.log_bytes += log_bytes(&app) - logged;
    assert_eq!(delivered.attempts, count(handled * endpoints));
    delivered.bytes_out = delivered.attempts * (count(payload) + DELIVERY_HEAD);
    stored(&app, before, &mut delivered).await;
    {
        let lines = METRICS.lock().unwrap();
        let bytes: usize = lines.iter().map(|line| line.to_string().len() + 1).sum();
        delivered.log_bytes += count(bytes);
        counted.metrics = distinct(&lines);
    }
    delivered.scale(1.0 / count(handled));
    counted.add(&delivered);
    counted
}

impl Counted {
    fn fields(&mut self) -> [&mut f64; 11] {
        [
            &mut self.requests,
            &mut self.api_invocations,
            &mut self.deliver_invocations,
            &mut self.attempts,
            &mut self.queue_requests,
            &mut self.units.read,
            &mut self.units.write,
            &mut self.log_bytes,
            &mut self.stored_bytes,
            &mut self.backed_up_bytes,
            &mut self.bytes_out,
        ]
    }

    fn scale(&mut self, factor: f64) {
        self.fields().into_iter().for_each(|field| *field *= factor);
    }

    fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        let both = self.fields().into_iter().zip(other.fields());
        both.for_each(|(field, other)| *field += *other);
    }
}

/// Builds an event whose payload has this many bytes.
fn event_of(payload: usize) -> Value {
    let frame = r#"{"type":"invoice.paid","timestamp":"2026-01-31T09:30:00.000Z","data":}"#;
    json!({"type": "invoice.paid", "data": order_of(payload - frame.len())})
}

async fn publish(app: &TestApp, traffic: Traffic, events: usize, payload: usize) -> Counted {
    let mut counted = Counted::default();
    let event = event_of(payload);
    let answers = match traffic {
        Traffic::InBatches => vec![app.api.publish_batch(&vec![event.clone(); events]).await],
        _ => {
            let mut answers = Vec::new();
            for _ in 0..events {
                answers.push(app.api.publish(&event).await);
            }
            answers
        }
    };
    let body = match traffic {
        Traffic::InBatches => json!({"events": vec![event; events]}),
        _ => event,
    };
    for answer in answers {
        assert!(answer.status.is_success(), "{answer:?}");
        counted.requests += count(body.to_string().len().div_ceil(512 * 1024));
        counted.api_invocations += 1.0;
        counted.bytes_out += ANSWER_HEAD + count(answer.body.to_string().len());
        counted.log_bytes += count(access_line().len() + 1);
    }
    counted.queue_requests = sends(&app.aws.wire.take_requests());
    counted.units = app.aws.wire.take_units();
    counted
}

fn sends(requests: &[Request]) -> f64 {
    let sizes = requests.iter().filter_map(|request| {
        let body = request.body();
        let size = |value: &Value| value["MessageBody"].as_str().map(str::len);
        match request.operation.as_str() {
            "SendMessage" => size(&body),
            "SendMessageBatch" => {
                let entries = body["Entries"].as_array().expect("read the entries");
                Some(entries.iter().filter_map(size).sum())
            }
            _ => None,
        }
    });
    sizes.map(chunks).sum()
}

/// The delivery function, as Lambda calls it.
struct Deliver<'a> {
    app: &'a TestApp,
    receiver: &'a Receiver,
    queue: crate::support::queue::Queue,
    batch: usize,
}

impl<'a> Deliver<'a> {
    fn new(app: &'a TestApp, receiver: &'a Receiver, batch: usize) -> Self {
        let write = |line: &Value| METRICS.lock().unwrap().push(line.clone());
        Self {
            app,
            receiver,
            queue: metrics::queue_with_metrics(app, write),
            batch,
        }
    }

    /// Handles up to `messages` queued messages, and all that they enqueue.
    async fn handle(&self, messages: usize) -> Counted {
        let mut counted = Counted::default();
        let earlier = self.receiver.received().len();
        let mut queued = self.queue.all_queued().await;
        queued.truncate(messages);
        while !queued.is_empty() {
            for batch in queued.chunks(self.batch) {
                self.handle_batch(batch, &mut counted).await;
            }
            queued = self.queue.all_queued().await;
        }
        let slow = self.queue.counts_in(Lane::Slow).await;
        assert_eq!(
            slow, [0; 3],
            "a healthy endpoint must not use the slow lane"
        );
        counted.attempts = count(self.receiver.received().len() - earlier);
        counted.units = self.app.aws.wire.take_units();
        counted.queue_requests += sends(&self.app.aws.wire.take_requests());
        counted
    }

    async fn handle_batch(&self, batch: &[SqsMessage], counted: &mut Counted) {
        let sizes = batch.iter().filter_map(|message| message.body.as_ref());
        let bytes = sizes.map(String::len).sum();
        // A receive and a delete.
        counted.queue_requests += chunks(bytes) + 1.0;
        counted.deliver_invocations += 1.0;
        let back = self.queue.handle_in(Lane::Fast, batch.to_vec()).await;
        assert_eq!(back, Ok(Vec::new()));
    }
}

/// The bytes that the service has logged about the app.
fn log_bytes(app: &TestApp) -> f64 {
    let mut lines = log::lines_with(app.app_id.as_str());
    // Deployments log at INFO.
    lines.retain(|line| {
        !line.contains(r#""level":"DEBUG""#) && !line.contains(r#""level":"TRACE""#)
    });
    count(lines.iter().map(|line| line.len() + 1).sum())
}

/// Counts the distinct metrics in these lines. CloudWatch bills each combination of
/// dimension values as a metric.
fn distinct(lines: &[Value]) -> usize {
    let mut found = BTreeSet::new();
    for line in lines {
        let directives = &line["_aws"]["CloudWatchMetrics"];
        for directive in directives.as_array().expect("read the directives") {
            found.extend(made_by(directive, line));
        }
    }
    found.len()
}

/// The metrics that a directive creates from a line: dimension names, metric name,
/// dimension values.
fn made_by(directive: &Value, line: &Value) -> Vec<(String, String, Vec<String>)> {
    let mut made = Vec::new();
    for set in directive["Dimensions"].as_array().expect("read the sets") {
        for metric in directive["Metrics"].as_array().expect("read the metrics") {
            let names = set.as_array().expect("read the names").iter();
            let values = names.map(|name| line[name.as_str().expect("read a name")].to_string());
            made.push((
                set.to_string(),
                metric["Name"].to_string(),
                values.collect(),
            ));
        }
    }
    made
}

/// Adds the size of the events and deliveries in the table.
async fn stored(app: &TestApp, before: usize, counted: &mut Counted) {
    let items = app.aws.items().await;
    assert!(items.len() > before);
    let table = app.aws.clients.dynamodb.describe_table();
    let table = table.table_name(&app.aws.resources.table_name).send().await;
    let table = table.expect("describe the table").table.expect("a table");
    let indexes = table.global_secondary_indexes();
    let mut events = 0;
    for item in &items {
        let is_event = item["sk"].as_s().is_ok_and(|sk| sk == "V");
        let is_delivery = item["sk"].as_s().is_ok_and(|sk| sk.starts_with("D#"));
        if !is_event && !is_delivery {
            continue;
        }
        events += usize::from(is_event);
        let own = size(item, |_| true);
        counted.backed_up_bytes += own;
        counted.stored_bytes += own;
        for index in indexes {
            let keys = index.key_schema().iter().map(|key| key.attribute_name());
            let keys: Vec<_> = keys.chain(["pk", "sk"]).collect();
            if keys.iter().all(|key| item.contains_key(*key)) {
                let projected = index.projection().expect("a projection");
                let others = projected.non_key_attributes();
                let has = |name: &str| keys.contains(&name) || others.iter().any(|n| n == name);
                counted.stored_bytes += size(item, has);
            }
        }
    }
    // The first event was published before counting, and is not among the handled events
    // that scaling divides by.
    let share = count(events - 1) / count(events);
    counted.stored_bytes *= share;
    counted.backed_up_bytes *= share;
}

/// The bytes that DynamoDB adds to each item of a table or an index.
const OVERHEAD: f64 = 100.0;

fn size(item: &HashMap<String, AttributeValue>, has: impl Fn(&str) -> bool) -> f64 {
    let kept = item.iter().filter(|(name, _)| has(name));
    let bytes: usize = kept
        .map(|(name, value)| name.len() + value_size(value))
        .sum();
    count(bytes) + OVERHEAD
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::L(values) => 3 + values.iter().map(|v| 1 + value_size(v)).sum::<usize>(),
        AttributeValue::M(fields) => {
            let sizes = fields
                .iter()
                .map(|(name, v)| 1 + name.len() + value_size(v));
            3 + sizes.sum::<usize>()
        }
        _ => 1,
    }
}

/// Counts the units of a sweep with nothing to do, and the SQS requests for its message: a
/// send, a receive and a delete.
pub async fn count_sweep() -> (Units, f64) {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.aws.wire.meter();
    app.aws.wire.take_units();
    app.queue.must_handle(r#"{"kind":"sweep"}"#).await;
    (app.aws.wire.take_units(), 3.0)
}
