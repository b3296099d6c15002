//! The service under test, on emulators behind a tape.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use axum::Router;
use lambda_http::{Context, LambdaEvent, Service};
use local::emulators::{Emulators, Resources};
use local::poller;
use local::samples;
use local::service::{self, Settings};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use webhook_endpoints::api::lambda;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::delivery::batch::handle_batch;
use webhook_endpoints::delivery::metrics::Metrics;
use webhook_endpoints::delivery::sender::SenderOptions;
use webhook_endpoints::domain::message::Lane;

use crate::error::BoxError;
use crate::receiver::Receiver;
use crate::tape::Tape;

pub(crate) struct Stage {
    pub tape: Tape,
    pub emulators: Emulators,
    pub resources: Resources,
    pub deliverer: Arc<Deliverer>,
    router: Router,
}

impl Stage {
    /// Starts the service, with state in memory or in `data_dir`. The sample
    /// endpoint's URL is `path` on the receiver.
    pub(crate) async fn start(
        receiver: &Receiver,
        path: &str,
        data_dir: Option<&Path>,
    ) -> Result<Self, BoxError> {
        let tape = Tape::default();
        let emulators = Emulators::start(data_dir, |client| tape.wrap(client)).await?;
        let resources = emulators.clients.create_resources("bench", None).await?;
        let target = format!("{}{path}", receiver.url);
        samples::seed(&emulators.clients, &resources, &target).await?;
        let settings = Settings {
            api_key_cache: Duration::from_secs(60 * 60),
            budgets: service::unlimited(),
            ..Settings::default()
        };
        let sender = SenderOptions::new(settings.address_policy, Duration::from_secs(15));
        let deliverer = service::deliverer(&emulators.clients, &resources, &settings, sender)?;
        let deliverer = Arc::into_inner(deliverer).ok_or("the deliverer is shared")?;
        let stage = Self {
            router: service::api(&emulators.clients, &resources, &settings),
            deliverer: Arc::new(Deliverer {
                // Format metrics as the function does, but don't write them.
                metrics: Metrics::to(Clock::system(), |line| {
                    black_box(line.to_string());
                }),
                ..deliverer
            }),
            tape,
            emulators,
            resources,
        };
        // Cache the API key.
        stage.call(&sample("list-webhooks")?.to_string()).await?;
        Ok(stage)
    }

    /// Passes an event to the `api` function and parses the response's body.
    pub(crate) async fn call(&self, event: &str) -> Result<Value, BoxError> {
        let answer = self.call_for_text(event).await?;
        let answer: Value = serde_json::from_str(&answer)?;
        match answer["statusCode"].as_u64() {
            Some(200..300) => {
                let body = answer["body"].as_str().unwrap_or("null");
                Ok(serde_json::from_str(body).unwrap_or_default())
            }
            _ => Err(format!("{event}\nfailed with {answer}").into()),
        }
    }

    /// Passes an event to the `api` function, and returns its response as text without
    /// checking it. Includes parsing and serialization, which every invocation needs.
    pub(crate) async fn call_for_text(&self, event: &str) -> Result<String, BoxError> {
        let request =
            LambdaEvent::new(RawValue::from_string(event.to_owned())?, Context::default());
        let response = lambda::function(self.router.clone()).call(request).await?;
        Ok(serde_json::to_string(&response)?)
    }

    /// Passes an event of the slow lane to the `deliver` function. That lane also attempts
    /// deliveries to failing endpoints, and handles each attempt as its own message.
    pub(crate) async fn deliver(&self, event: &str) -> Result<(), BoxError> {
        self.deliver_in(Lane::Slow, event).await
    }

    /// Passes an event of this lane to the `deliver` function.
    pub(crate) async fn deliver_in(&self, lane: Lane, event: &str) -> Result<(), BoxError> {
        let mut event: SqsEvent = serde_json::from_str(event)?;
        for record in &mut event.records {
            record.event_source_arn = Some(poller::arn(self.resources.queue_url_of(lane)));
        }
        let response = handle_batch(&self.deliverer, event, None).await?;
        if response.batch_item_failures.is_empty() {
            Ok(())
        } else {
            Err(format!("failed: {response:?}").into())
        }
    }

    /// Publishes an event and returns the queue messages that result.
    pub(crate) async fn publish(&self) -> Result<Vec<String>, BoxError> {
        let event = new_event()?;
        self.tape.take();
        self.call(&event.to_string()).await?;
        Ok(sent(&self.tape.take()))
    }

    /// Passes deliveries to the `deliver` function. Fails unless it made and recorded
    /// an attempt for every message.
    pub(crate) async fn attempt(&self, event: &str) -> Result<(), BoxError> {
        self.tape.take();
        self.deliver(event).await?;
        let calls = self.tape.recorded();
        let log = format!(":{}", attribute::ATTEMPT_LOG);
        let attempts = calls
            .iter()
            .filter(|call| !call.request["ExpressionAttributeValues"][&log].is_null())
            .count();
        let messages = event.matches("messageId").count();
        (attempts == messages)
            .then_some(())
            .ok_or_else(|| format!("made {attempts} attempts for {messages} messages").into())
    }

    /// Fans out an event and returns the delivery messages that result.
    pub(crate) async fn fan_out(&self, published: &[String]) -> Result<Vec<String>, BoxError> {
        self.tape.take();
        self.deliver(&batch(published)?).await?;
        Ok(sent(&self.tape.recorded()))
    }
}

/// The bodies of all messages that these calls sent to the queue.
pub(crate) fn sent(calls: &[crate::tape::Call]) -> Vec<String> {
    let text = |body: &Value| body.as_str().map(str::to_owned);
    let mut messages = Vec::new();
    for call in calls {
        match call.operation.as_str() {
            "SendMessage" => messages.extend(text(&call.request["MessageBody"])),
            "SendMessageBatch" => {
                let entries = call.request["Entries"].as_array();
                let bodies = entries.into_iter().flatten();
                messages.extend(bodies.filter_map(|entry| text(&entry["MessageBody"])));
            }
            _ => {}
        }
    }
    messages
}

/// An SQS event with these message bodies, as JSON.
pub(crate) fn batch(bodies: &[String]) -> Result<String, BoxError> {
    let mut event = sample("sqs-test-ping")?;
    let like = event["Records"][0].clone();
    let now = Clock::system().now();
    let record = |(number, body): (usize, &String)| {
        let mut record = like.clone();
        record["messageId"] = json!(format!("01890000-0000-4000-8000-{number:012}"));
        record["body"] = json!(body);
        record["attributes"]["SentTimestamp"] = json!(now.as_millisecond().to_string());
        record
    };
    event["Records"] = bodies.iter().enumerate().map(record).collect();
    Ok(event.to_string())
}

/// A request to publish an event. It has no idempotency key, so that each call
/// publishes a new event.
pub(crate) fn new_event() -> Result<Value, BoxError> {
    Ok(without_header(sample("publish-event")?, "idempotency-key"))
}

pub(crate) fn without_header(mut event: Value, name: &str) -> Value {
    if let Some(headers) = event["headers"].as_object_mut() {
        headers.remove(name);
    }
    event
}

/// Reads `events/{name}.json`.
pub(crate) fn sample(name: &str) -> Result<Value, BoxError> {
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let text = std::fs::read_to_string(events.join(format!("{name}.json")))?;
    Ok(serde_json::from_str(&text)?)
}
