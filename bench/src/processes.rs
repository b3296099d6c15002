//! Benchmarks of the functions as separate processes: cold starts, memory and binary
//! size.

use std::sync::Arc;
use std::time::{Duration, Instant};

use local::emulators::Emulators;
use local::{gateway, samples, service};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::error::BoxError;
use crate::function::{Binaries, Function, size};
use crate::receiver::Receiver;
use crate::stage::{batch, new_event, sample, without_header};

const COLD_STARTS: usize = 300;
const INVOCATIONS: usize = 1_000;
/// Bytes of event data. Close to the largest that a request body can hold.
const LARGE: usize = 255 * 1024;

/// Emulators that are reachable over HTTP.
struct Aws {
    emulators: Arc<Emulators>,
    queue_url: String,
    variables: Vec<(&'static str, String)>,
}

impl Aws {
    async fn start(receiver: &Receiver) -> Result<Self, BoxError> {
        let emulators = Arc::new(Emulators::start(None, |client| client).await?);
        let resources = emulators.clients.create_resources("bench", None).await?;
        let target = format!("{}/ok", receiver.url);
        samples::seed(&emulators.clients, &resources, &target).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(axum::serve(listener, gateway::router(Arc::clone(&emulators))).into_future());
        let mut variables = service::variables(&url, &resources).to_vec();
        variables.push(("ALLOW_LOOPBACK_TARGETS", "true".to_owned()));
        Ok(Self {
            variables,
            queue_url: resources.queue_url,
            emulators,
        })
    }

    /// Publishes ten events with `bytes` of data each. Passes the events to the
    /// delivery function in one batch, and then what it enqueues for them.
    async fn deliver_ten(
        &self,
        api: &Function,
        deliver: &Function,
        bytes: usize,
    ) -> Result<(), BoxError> {
        let mut publish = new_event()?;
        let body = json!({"type": "invoice.paid", "data": "x".repeat(bytes)});
        publish["body"] = json!(body.to_string());
        let publish = publish.to_string();
        for _ in 0..10 {
            api.invoke(&publish).await?;
        }
        let mut messages = self.receive().await?;
        if messages.len() != 10 {
            return Err(format!("{} messages for 10 events", messages.len()).into());
        }
        while !messages.is_empty() {
            let answer = deliver.invoke(&batch(&messages)?).await?;
            if answer != r#"{"batchItemFailures":[]}"# {
                return Err(format!("messages failed: {answer}").into());
            }
            messages = self.receive().await?;
        }
        Ok(())
    }

    /// Receives and deletes up to ten messages from the queue.
    async fn receive(&self) -> Result<Vec<String>, BoxError> {
        let sqs = &self.emulators.clients.sqs;
        let received = sqs
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(10)
            .send()
            .await?;
        let mut bodies = Vec::new();
        for message in received.messages.unwrap_or_default() {
            sqs.delete_message()
                .queue_url(&self.queue_url)
                .set_receipt_handle(message.receipt_handle)
                .send()
                .await?;
            bodies.extend(message.body);
        }
        Ok(bodies)
    }
}

/// Cold starts of both functions, compared with a minimal function.
pub(crate) async fn cold_starts(binaries: &Binaries) -> Result<(), BoxError> {
    let receiver = Receiver::start().await?;
    let aws = Aws::start(&receiver).await?;
    let list = sample("list-webhooks")?;
    let keyless = without_header(list.clone(), "x-api-key");
    let mut root = list.clone();
    root["rawPath"] = json!("/");
    root["requestContext"]["http"]["path"] = json!("/");
    let starts = [
        ("hello", "hello", root),
        ("api", "api, no AWS call", keyless),
        ("deliver", "deliver, no AWS call", json!({"Records": []})),
        ("api", "api, list: 2 AWS calls", list),
    ];
    let mut times: [Vec<ColdStart>; 4] = Default::default();
    for _ in 0..COLD_STARTS {
        // Alternate, so that other load on the machine affects all of them equally.
        for ((function, _, event), times) in starts.iter().zip(&mut times) {
            times.push(cold_start_with_retries(binaries, function, &aws, event).await?);
        }
    }
    println!(
        "| Cold start, {COLD_STARTS} each | ready for an event | first response | ratio | minimum | ratio |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    let mut hello = None;
    for ((_, name, _), times) in starts.iter().zip(&times) {
        let init = quantile(times.iter().filter_map(|time| time.init), 0.5);
        let answers = || times.iter().map(|time| time.answer.as_secs_f64() * 1e3);
        let (median, least) = (quantile(answers(), 0.5), quantile(answers(), 0.0));
        let (hello_median, hello_least) = *hello.get_or_insert((median, least));
        println!(
            "| {name} | {init:.1} ms | {median:.1} ms | {:.2} | {least:.1} ms | {:.2} |",
            median / hello_median,
            least / hello_least,
        );
    }
    Ok(())
}

struct ColdStart {
    init: Option<f64>,
    answer: Duration,
}

/// Retries twice, because another process sometimes takes the free port before the emulator
/// can bind it.
async fn cold_start_with_retries(
    binaries: &Binaries,
    name: &str,
    aws: &Aws,
    event: &Value,
) -> Result<ColdStart, BoxError> {
    for _ in 0..2 {
        if let Ok(start) = cold_start(binaries, name, aws, event).await {
            return Ok(start);
        }
    }
    cold_start(binaries, name, aws, event).await
}

async fn cold_start(
    binaries: &Binaries,
    name: &str,
    aws: &Aws,
    event: &Value,
) -> Result<ColdStart, BoxError> {
    let function = Function::start(binaries, name, &aws.variables).await?;
    let event = event.to_string();
    let begun = Instant::now();
    function.invoke(&event).await?;
    Ok(ColdStart {
        answer: begun.elapsed(),
        init: function.init_time(),
    })
}

/// Binary size and peak memory of both functions.
pub(crate) async fn memory(binaries: &Binaries) -> Result<(), BoxError> {
    let receiver = Receiver::start().await?;
    let aws = Aws::start(&receiver).await?;
    let api = Function::start(binaries, "api", &aws.variables).await?;
    let deliver = Function::start(binaries, "deliver", &aws.variables).await?;
    let (list, get) = (sample("list-webhooks")?, sample("get-webhook")?);
    for _ in 0..INVOCATIONS / 2 {
        api.invoke(&list.to_string()).await?;
        api.invoke(&get.to_string()).await?;
    }
    let api_warm = api.peak_memory()?;
    for _ in 0..INVOCATIONS / 10 {
        aws.deliver_ten(&api, &deliver, 1_000).await?;
    }
    let deliver_warm = deliver.peak_memory()?;
    for _ in 0..10 {
        aws.deliver_ten(&api, &deliver, LARGE).await?;
    }
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!("| Function | binary | peak memory, warm | peak memory, largest events |");
    println!("|---|---:|---:|---:|");
    for (name, warm, largest) in [
        ("api", api_warm, api.peak_memory()?),
        ("deliver", deliver_warm, deliver.peak_memory()?),
    ] {
        println!(
            "| {name} | {:.2} MiB | {:.1} MiB | {:.1} MiB |",
            mebibytes(size(binaries, name)?),
            mebibytes(warm),
            mebibytes(largest)
        );
    }
    Ok(())
}

/// The `part` quantile, from 0.0 (minimum) to 1.0 (maximum). NaN without values.
fn quantile(values: impl Iterator<Item = f64>, part: f64) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = (last as f64 * part).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}
