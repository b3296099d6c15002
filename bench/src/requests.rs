//! The cost of one warm invocation: CPU time and allocations of this process, AWS
//! calls and capacity units.

use serde_json::{Value, json};

use crate::error::BoxError;
use crate::meter::{Cost, measure};
use crate::receiver::Receiver;
use crate::stage::{Stage, batch, sample, sent};
use crate::tape::Call;

/// Before measuring, run one warm-up invocation for every ten measured ones.
const WARM_UP: u32 = 10;

struct Line {
    name: &'static str,
    calls: Vec<Call>,
    cost: Cost,
}

/// Measures every route and every kind of message, and prints a table.
pub(crate) async fn run(times: u32) -> Result<(), BoxError> {
    let receiver = Receiver::start().await?;
    let stage = Stage::start(&receiver, "/ok", None).await?;
    let mut lines = Vec::new();
    // Fill a page of the history.
    let ping = without_waiting(sample("test-ping")?).to_string();
    for _ in 0..30 {
        stage.call(&ping).await?;
    }
    let mut history = sample("list-deliveries")?;
    history["rawQueryString"] = json!("");
    // Warm up the history route.
    stage.call(&history.to_string()).await?;
    for (name, event) in [
        ("create", sample("create-webhook")?),
        ("list (2 endpoints)", sample("list-webhooks")?),
        ("get", sample("get-webhook")?),
        ("update", activating(sample("update-webhook")?)),
        ("rotate secret", sample("rotate-secret")?),
        ("test ping, no wait", without_waiting(sample("test-ping")?)),
        ("publish", sample("publish-event")?),
        ("history, page of 25", history),
        ("get delivery", sample("get-delivery")?),
        ("resend", sample("resend-delivery")?),
        ("recover, nothing failed", sample("recover")?),
    ] {
        let event = event.to_string();
        stage.tape.take();
        stage.call(&event).await?;
        lines.push(
            line(&stage, name, times, async || {
                stage.call_for_text(&event).await.map(drop)
            })
            .await?,
        );
    }
    let mut failing = sample("create-webhook")?;
    let body = json!({"url": format!("{}/fail", receiver.url), "events": ["*"]});
    failing["body"] = json!(body.to_string());
    stage.call(&failing.to_string()).await?;
    lines.extend(messages(&stage, times).await?);
    stage.tape.take();
    let delete = sample("delete-webhook")?.to_string();
    stage.call(&delete).await?;
    lines.push(
        line(&stage, "delete", times, async || {
            stage.call_for_text(&delete).await.map(drop)
        })
        .await?,
    );
    print(&lines);
    Ok(())
}

/// Measures every kind of queue message, with the signing secrets already cached.
async fn messages(stage: &Stage, times: u32) -> Result<Vec<Line>, BoxError> {
    let first = stage.fan_out(&stage.publish().await?).await?;
    stage.attempt(&batch(&first)?).await?;
    let mut lines = Vec::new();
    let published = stage.publish().await?;
    let tasks = stage.fan_out(&published).await?;
    let event = batch(&published)?;
    lines.push(
        line(stage, "fan-out to 2 endpoints", times, async || {
            stage.deliver(&event).await
        })
        .await?,
    );
    for task in &tasks {
        let event = batch(std::slice::from_ref(task))?;
        stage.attempt(&event).await?;
        let fails = !sent(&stage.tape.recorded()).is_empty();
        let name = if fails {
            "attempt, fails"
        } else {
            "attempt, succeeds"
        };
        lines.push(line(stage, name, times, async || stage.deliver(&event).await).await?);
    }
    let sweep = sample("sqs-sweep")?.to_string();
    stage.tape.take();
    stage.deliver(&sweep).await?;
    lines.push(
        line(stage, "sweep, nothing due", times, async || {
            stage.deliver(&sweep).await
        })
        .await?,
    );
    Ok(lines)
}

/// Measures an invocation whose calls have just been recorded.
async fn line(
    stage: &Stage,
    name: &'static str,
    times: u32,
    mut invoke: impl AsyncFnMut() -> Result<(), BoxError>,
) -> Result<Line, BoxError> {
    let calls = stage.tape.take();
    stage.tape.play(calls.clone());
    measure(times.div_ceil(WARM_UP), &mut invoke).await?;
    let cost = measure(times, &mut invoke).await?;
    stage.tape.record();
    Ok(Line { name, calls, cost })
}

fn without_waiting(mut event: Value) -> Value {
    event["headers"]["prefer"] = json!("respond-async");
    event
}

/// The sample deactivates its endpoint. Keep it active, because inactive endpoints get
/// no events.
fn activating(mut event: Value) -> Value {
    event["body"] = json!(r#"{"events": ["*"], "active": true}"#);
    event
}

fn print(lines: &[Line]) {
    println!(
        "| Warm invocation | CPU | Allocations | DynamoDB | Read units | Write units | Other calls |"
    );
    println!("|---|---:|---:|---|---:|---:|---|");
    for Line { name, calls, cost } in lines {
        let units = |writes: bool| {
            let units: f64 = calls
                .iter()
                .filter(|call| call.writes() == writes)
                .map(|call| call.units)
                .sum();
            if units == 0.0 {
                String::new()
            } else {
                units.to_string()
            }
        };
        println!(
            "| {name} | {} µs | {} ({} KB) | {} | {} | {} | {} |",
            cost.cpu.as_micros(),
            cost.allocations,
            cost.bytes.div_ceil(1024),
            names(calls, true),
            units(false),
            units(true),
            names(calls, false),
        );
    }
}

/// The names of the operations, with counts, as Markdown.
fn names(calls: &[Call], of_dynamodb: bool) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for call in calls {
        if of_dynamodb != is_of_dynamodb(&call.operation) {
            continue;
        }
        match counted.iter_mut().find(|(name, _)| *name == call.operation) {
            Some((_, count)) => *count += 1,
            None => counted.push((&call.operation, 1)),
        }
    }
    let text = |(name, count): (&str, usize)| match count {
        1 => format!("`{name}`"),
        _ => format!("{count} `{name}`"),
    };
    counted.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

fn is_of_dynamodb(operation: &str) -> bool {
    operation.contains("Item") || operation == "Query"
}
