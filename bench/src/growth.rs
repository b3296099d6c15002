//! How costs grow with the length of a history (on the emulated table, in a file) and
//! with the number of endpoints.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use local::samples;
use serde_json::json;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::id::{DeliveryId, EndpointId, EventId};
use webhook_endpoints::domain::message::Lane;
use webhook_endpoints::domain::route::MOST_AT_ONCE;

use crate::error::BoxError;
use crate::meter::measure;
use crate::receiver::Receiver;
use crate::stage::{Stage, batch, sample, sent};

type Item = HashMap<String, AttributeValue>;

const SIZES: [usize; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
/// The maximum number of writes in a `BatchWriteItem`.
const WRITES_AT_ONCE: usize = 25;
const CALLS_AT_ONCE: usize = 8;
const TIMES: usize = 500;

/// A directory that is removed on drop.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // On failure, the files stay in the system's temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Measures pages of histories with up to `most` deliveries.
pub(crate) async fn histories(most: usize) -> Result<(), BoxError> {
    let receiver = Receiver::start().await?;
    let folder = Folder(std::env::temp_dir().join(format!("bench-{}", std::process::id())));
    let stage = Stage::start(&receiver, "/ok", Some(&folder.0)).await?;
    let like = delivered(&stage).await?;
    println!("| Deliveries | First page of 25 | Page in the middle | First page of one status |");
    println!("|---:|---:|---:|---:|");
    let (mut history, mut first) = (History::new(like)?, None);
    for size in SIZES.into_iter().filter(|size| *size <= most) {
        history.grow(&stage, size).await?;
        let until = format!("until={:.3}", history.time_of(size / 2));
        let mut times = Vec::new();
        for query in ["", until.as_str(), "status=delivered"] {
            times.push(page(&stage, query).await?);
        }
        let first = first.get_or_insert_with(|| times.clone());
        let cells: Vec<_> = times
            .iter()
            .zip(first.iter())
            .map(|(time, first)| {
                let ratio = time.as_secs_f64() / first.as_secs_f64();
                format!("{} µs ({ratio:.2})", time.as_micros())
            })
            .collect();
        println!("| {size} | {} |", cells.join(" | "));
    }
    Ok(())
}

/// Makes a delivery and returns its item, as a template for the history.
async fn delivered(stage: &Stage) -> Result<Item, BoxError> {
    let tasks = stage.fan_out(&stage.publish().await?).await?;
    stage.attempt(&batch(&tasks)?).await?;
    let recorded = stage.tape.take();
    let key = recorded
        .iter()
        .find(|call| call.operation == "UpdateItem")
        .map(|call| call.request["Key"].clone())
        .ok_or("no delivery")?;
    let text = |name: &str| AttributeValue::S(key[name]["S"].as_str().unwrap_or("").to_owned());
    let found = stage
        .emulators
        .clients
        .dynamodb
        .get_item()
        .table_name(&stage.resources.table_name)
        .key("pk", text("pk"))
        .key("sk", text("sk"))
        .send()
        .await?;
    Ok(found.item.ok_or("no delivery")?)
}

/// A generated history: copies of one delivery, one second apart.
struct History {
    like: Item,
    kind: String,
    begin: Timestamp,
    endpoint_id: EndpointId,
    size: usize,
}

impl History {
    fn new(like: Item) -> Result<Self, BoxError> {
        let sort = like.get("sk").and_then(|sk| sk.as_s().ok());
        let (kind, _) = sort
            .and_then(|sk| sk.split_once('#'))
            .ok_or("no sort key")?;
        Ok(Self {
            kind: kind.to_owned(),
            begin: Clock::system().now() - SignedDuration::from_hours(20 * 24),
            endpoint_id: EndpointId::parse(samples::ENDPOINT_ID)?,
            like,
            size: 0,
        })
    }

    fn time_of(&self, number: usize) -> Timestamp {
        let seconds = i64::try_from(number).unwrap_or_default();
        self.begin + SignedDuration::from_secs(seconds)
    }

    fn put(&self, number: usize) -> Result<WriteRequest, BoxError> {
        let at = self.time_of(number);
        let id = DeliveryId::of_event(at, EventId::new(), self.endpoint_id);
        let mut item = self.like.clone();
        let sort = AttributeValue::S(format!("{}#{id}", self.kind));
        item.insert(attribute::SK.to_owned(), sort);
        let put = PutRequest::builder().set_item(Some(item)).build()?;
        Ok(WriteRequest::builder().put_request(put).build())
    }

    /// Adds deliveries until there are `size`.
    async fn grow(&mut self, stage: &Stage, size: usize) -> Result<(), BoxError> {
        let client = &stage.emulators.clients.dynamodb;
        let table = &stage.resources.table_name;
        let this = &*self;
        stream::iter((self.size..size).step_by(WRITES_AT_ONCE))
            .map(|from| async move {
                let to = size.min(from + WRITES_AT_ONCE);
                let writes = (from..to)
                    .map(|number| this.put(number))
                    .collect::<Result<_, _>>()?;
                client
                    .batch_write_item()
                    .request_items(table, writes)
                    .send()
                    .await?;
                stage.tape.take();
                Ok::<_, BoxError>(())
            })
            .buffer_unordered(CALLS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        self.size = size;
        Ok(())
    }
}

/// The median response time of a page.
async fn page(stage: &Stage, query: &str) -> Result<Duration, BoxError> {
    let mut event = sample("list-deliveries")?;
    event["rawQueryString"] = json!(query);
    let event = event.to_string();
    let page = stage.call(&event).await?;
    let items = page["data"]["items"].as_array().map_or(0, Vec::len);
    if items != 25 {
        return Err(format!("a page of {items} for {query:?}").into());
    }
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begun = Instant::now();
        stage.call_for_text(&event).await?;
        times.push(begun.elapsed());
    }
    stage.tape.take();
    times.sort_unstable();
    Ok(times.get(TIMES / 2).copied().unwrap_or_default())
}

/// Measures the fan-out of an event to 1, 10 and 100 endpoints, with replayed AWS calls:
/// with a message for each, and with attempts at once if they are few enough.
pub(crate) async fn fan_outs() -> Result<(), BoxError> {
    let receiver = Receiver::start().await?;
    println!(
        "| Endpoints | Way | CPU | per endpoint | `SendMessageBatch` | Read units | Write units |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|");
    let stage = Stage::start(&receiver, "/ok", None).await?;
    let mut create = sample("create-webhook")?;
    let body = json!({"url": format!("{}/ok", receiver.url), "events": ["*"]});
    create["body"] = json!(body.to_string());
    let create = create.to_string();
    let mut endpoints = 1;
    for size in [1, 10, 100] {
        while endpoints < size {
            stage.call(&create).await?;
            endpoints += 1;
        }
        // Only the fast lane attempts events at once.
        for (lane, way) in [(Lane::Slow, "messages"), (Lane::Fast, "attempts at once")] {
            if lane == Lane::Slow || size <= MOST_AT_ONCE {
                print_way(&stage, size, lane, way).await?;
            }
        }
    }
    Ok(())
}

async fn print_way(stage: &Stage, size: usize, lane: Lane, way: &str) -> Result<(), BoxError> {
    // Fill the cache of secrets first.
    let event = batch(&stage.publish().await?)?;
    stage.deliver_in(lane, &event).await?;
    let event = batch(&stage.publish().await?)?;
    stage.tape.take();
    stage.deliver_in(lane, &event).await?;
    let calls = stage.tape.take();
    let sends = calls
        .iter()
        .filter(|call| !sent(&[(*call).clone()]).is_empty());
    let sends = sends.count();
    let units = |writes| {
        let of_kind = calls.iter().filter(move |call| call.writes() == writes);
        of_kind.map(|call| call.units).sum::<f64>()
    };
    let (reads, writes) = (units(false), units(true));
    stage.tape.play(calls);
    let cost = measure(100, async || stage.deliver_in(lane, &event).await).await?;
    stage.tape.record();
    println!(
        "| {size} | {way} | {} µs | {} µs | {sends} | {reads} | {writes} |",
        cost.cpu.as_micros(),
        (cost.cpu / u32::try_from(size)?).as_micros()
    );
    Ok(())
}
