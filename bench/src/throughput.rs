//! Throughput of the delivery handler on one core, in batches of ten like those from
//! SQS. The baseline is a bare loop of the same HTTP client that only signs and posts.
//! The handler's AWS calls are replayed from a tape; the loop makes none.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use rand::rng;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::signing::SigningSecret;

use crate::error::BoxError;
use crate::meter::thread_time;
use crate::receiver::Receiver;
use crate::stage::{Stage, batch};

/// Deliveries per batch, like `BatchSize` in the template.
const BATCH: usize = 10;
const WARM_UP: usize = 100;

/// Deliveries per second.
struct Rate {
    a_second: f64,
    a_cpu_second: f64,
}

/// Measures both against receivers with different response times: immediate, a nearby
/// receiver that does some work, and a distant one.
pub(crate) async fn run() -> Result<(), BoxError> {
    let receiver = Receiver::start().await?;
    println!(
        "| Receiver answers | Deliveries/s: handler | bare loop | ratio | Deliveries per CPU second: handler | bare loop |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for (name, path, batches) in [
        ("immediately", "/ok", 2_000),
        ("after 20 ms", "/after/20", 200),
        ("after 100 ms", "/after/100", 50),
    ] {
        let handler = handler(&receiver, path, batches).await?;
        let bare = bare_loop(&receiver, path, batches).await?;
        println!(
            "| {name} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} |",
            handler.a_second,
            bare.a_second,
            handler.a_second / bare.a_second,
            handler.a_cpu_second,
            bare.a_cpu_second,
        );
    }
    Ok(())
}

async fn handler(receiver: &Receiver, path: &str, batches: usize) -> Result<Rate, BoxError> {
    let stage = Stage::start(receiver, path, None).await?;
    // The first delivery reads the secret and caches it.
    let first = stage.fan_out(&stage.publish().await?).await?;
    stage.attempt(&batch(&first)?).await?;
    let mut tasks = Vec::new();
    for _ in 0..BATCH {
        tasks.extend(stage.fan_out(&stage.publish().await?).await?);
    }
    let event = batch(&tasks)?;
    stage.attempt(&event).await?;
    stage.tape.play(stage.tape.take());
    timed(batches, async || stage.deliver(&event).await).await
}

async fn bare_loop(receiver: &Receiver, path: &str, batches: usize) -> Result<Rate, BoxError> {
    let client = Client::builder().no_proxy().build()?;
    let secret = SigningSecret::generate(&mut rng());
    let clock = Clock::system();
    let url = format!("{}{path}", receiver.url);
    let payload = r#"{"type":"invoice.paid","timestamp":"2026-11-24T17:35:01.363Z","data":{"invoice":"inv_1","amount":1200}}"#;
    let id = "01a20e92-eb11-75f3-8daf-ac2c38b0fc9e";
    let post = async || {
        let now = clock.now();
        let signature = secret.sign(id, now, payload.as_bytes());
        let response = client
            .post(&url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now.as_second())
            .header("webhook-signature", signature)
            .body(payload)
            .send()
            .await?;
        response.error_for_status()?.bytes().await
    };
    timed(batches, async || {
        try_join_all((0..BATCH).map(|_| post())).await?;
        Ok(())
    })
    .await
}

async fn timed(
    batches: usize,
    mut work: impl AsyncFnMut() -> Result<(), BoxError>,
) -> Result<Rate, BoxError> {
    for _ in 0..WARM_UP.min(batches / 4) {
        work().await?;
    }
    let (begun, cpu_begun) = (Instant::now(), thread_time());
    for _ in 0..batches {
        work().await?;
    }
    let (took, cpu) = (begun.elapsed(), thread_time() - cpu_begun);
    let deliveries = f64::from(u32::try_from(batches * BATCH)?);
    let rate = |time: Duration| deliveries / time.as_secs_f64();
    Ok(Rate {
        a_second: rate(took),
        a_cpu_second: rate(cpu),
    })
}
