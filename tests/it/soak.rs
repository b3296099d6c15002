//! Publishes many events to good and bad receivers. Run separately, see
//! docs/development/testing.md.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::Instant;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::message::Lane;

use crate::support::counting::{Counting, Manner};
use crate::support::queue::endpoint_id;
use crate::support::{Options, TestApp, answer};

/// How many events are published if `SOAK_EVENTS` is not set.
const EVENTS: usize = 1_000;

/// How many attempts a delivery has in this test's schedule.
const ATTEMPTS: u64 = 4;

/// Publishing waits while there are more messages than this, because the emulated queue
/// scans all of them for each one that it hands out.
const MAX_MESSAGES: u32 = 2_000;

/// The limit of the rate-limited endpoint, in deliveries per second.
const RATE_LIMIT: u16 = 100;

/// An endpoint and its receiver.
struct Subscriber {
    name: &'static str,
    id: String,
    receiver: Arc<Counting>,
}

/// How the deliveries of an endpoint ended.
#[derive(Debug, Default)]
struct Ended {
    delivered: Vec<String>,
    failed: usize,
    pending: usize,
    attempts: u64,
}

impl Subscriber {
    async fn register(app: &TestApp, name: &'static str, manner: Manner, limit: Value) -> Self {
        let receiver = Counting::start(manner).await;
        let body = json!({"url": receiver.url, "events": ["*"], "rateLimit": limit});
        let created = app.api.post_json("", &body).await;
        let text = |field: &str| created.data()[field].as_str().map(str::to_owned);
        receiver.verify_with(&text("secret").expect("read the secret"));
        Self {
            name,
            id: text("id").expect("read the id"),
            receiver,
        }
    }

    /// Whether the receiver fails until it is revived.
    fn is_down(&self) -> bool {
        matches!(self.receiver.manner, Manner::Hanging | Manner::Dead)
    }

    async fn ended(&self, app: &TestApp) -> Ended {
        let mut ended = Ended::default();
        let mut query = "limit=100".to_owned();
        loop {
            let (items, next) = app.api.page(&self.id, &query).await;
            for item in items {
                let attempts = item["attempts"].as_u64();
                let attempts = attempts.expect("read the number of attempts");
                ended.attempts += attempts;
                match item["status"].as_str().expect("read the status") {
                    "DELIVERED" => {
                        let id = item["id"].as_str().expect("read the id");
                        ended.delivered.push(id.to_owned());
                    }
                    "FAILED" => {
                        ended.failed += 1;
                        // Deliveries must not fail for any other reason.
                        assert_eq!(attempts, ATTEMPTS, "{}: {item}", self.name);
                    }
                    _ => ended.pending += 1,
                }
            }
            match next {
                Some(cursor) => query = format!("limit=100&cursor={cursor}"),
                None => return ended,
            }
        }
    }

    /// How many deliveries wait for the endpoint.
    async fn waiting(&self, app: &TestApp) -> usize {
        let (table, key) = (app.aws.table(), app.aws.endpoint_key(endpoint_id(&self.id)));
        let (mut count, mut after) = (0, None);
        loop {
            let page = table.waiting(key, after, 1_000, Clock::system().now());
            let page = page.await.expect("read what waits");
            count += page.deliveries.len();
            after = page.next;
            if after.is_none() {
                return count;
            }
        }
    }

    /// Prints the endpoint's figures, and asserts that all accepted events were sent and
    /// correctly signed.
    #[expect(
        clippy::print_stdout,
        reason = "prints figures for the person who runs it"
    )]
    async fn must_have_ended(&self, app: &TestApp, ids: &[String]) {
        let ended = self.ended(app).await;
        let taken: Vec<_> = ids.iter().map(|id| self.receiver.taken(id)).collect();
        let arrived = taken.iter().filter(|count| **count > 0).count();
        let repeated: usize = taken.iter().map(|count| count.saturating_sub(1)).sum();
        println!(
            "{:>12}: {} delivered, {} failed, {} pending; {} attempts, {} requests, {} taken \
             again, {} unverified",
            self.name,
            ended.delivered.len(),
            ended.failed,
            ended.pending,
            ended.attempts,
            self.receiver.requests(),
            repeated,
            self.receiver.unverified(),
        );
        assert_eq!(self.receiver.unverified(), 0, "{}", self.name);
        assert_eq!(ended.pending, 0, "{}", self.name);
        assert_eq!(ended.delivered.len() + ended.failed, ids.len());
        // An attempt that is accepted but not recorded is made again, so more events may have
        // arrived than are recorded, but never fewer.
        assert!(arrived >= ended.delivered.len(), "{}", self.name);
        if matches!(self.receiver.manner, Manner::Healthy | Manner::Slow(_)) {
            assert_eq!((arrived, ended.failed), (ids.len(), 0), "{}", self.name);
        }
    }
}

/// Publishes an event, and returns its id. Tries again after a 503, because the emulators
/// may take longer than the SDK waits.
async fn publish_one(app: &TestApp, n: usize) -> String {
    let body = json!({"type": "soak.event", "data": {"n": n}}).to_string();
    loop {
        let request = app.api.publishing().body(body.clone());
        let accepted = answer(request.header("idempotency-key", format!("soak-{n}"))).await;
        if accepted.status == StatusCode::SERVICE_UNAVAILABLE {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        }
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
        let id = accepted.data()["id"].as_str();
        return id.expect("read the event id").to_owned();
    }
}

/// Publishes this many events, and returns their ids. Waits while there are too many
/// messages on the queues.
async fn publish(app: &TestApp, events: usize) -> Vec<String> {
    let (is_full, is_done) = (AtomicBool::new(false), AtomicBool::new(false));
    let watching = async {
        while !is_done.load(Ordering::Relaxed) {
            let messages: u32 = app.queue.counts().await.iter().sum();
            is_full.store(messages > MAX_MESSAGES, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let published = AtomicUsize::new(0);
    let publishing = async {
        let ids = stream::iter(0..events)
            .map(|n| {
                let (published, is_full) = (&published, &is_full);
                async move {
                    while is_full.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    published.fetch_add(1, Ordering::Relaxed);
                    publish_one(app, n).await
                }
            })
            .buffer_unordered(20)
            .collect()
            .await;
        is_done.store(true, Ordering::Relaxed);
        ids
    };
    tokio::join!(publishing, watching).0
}

/// Waits until every pending delivery waits for an endpoint that is down, however long that
/// takes. Returns how many wait for each.
async fn rest(app: &TestApp, subscribers: &[Subscriber]) -> HashMap<&'static str, usize> {
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let [visible, in_flight, _] = app.queue.counts().await;
        let retries = app.queue.delayed_in(Lane::Slow).await;
        // A probe is a message, too.
        if visible + in_flight > 0 || retries > 20 {
            continue;
        }
        let mut waiting = HashMap::new();
        let mut pending = 0;
        for one in subscribers {
            pending += one.ended(app).await.pending;
            if one.is_down() {
                waiting.insert(one.name, one.waiting(app).await);
            }
        }
        if pending == waiting.values().sum::<usize>() {
            return waiting;
        }
    }
}

async fn start() -> TestApp {
    let mut options = Options::default();
    options.settings.policy.schedule = "2,5,10".parse().unwrap();
    options.settings.policy.health.pause_after = Duration::from_secs(5);
    options.settings.policy.health.first_probe = Duration::from_secs(2);
    options.settings.drain_per_second = 200;
    options.settings.stragglers = Duration::from_secs(5);
    options.settings.api_key_cache = Duration::from_secs(300);
    // Long enough that a slow machine alone does not cause repeated messages.
    options.visibility_timeout = 600;
    TestApp::start_with(options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes minutes; docs/development/testing.md has the command"]
#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "prints figures for the person who runs it, who sets how many events"
)]
async fn no_event_is_lost_or_wrongly_signed_under_load() {
    let events = std::env::var("SOAK_EVENTS").map_or(EVENTS, |count| {
        count.parse().expect("parse SOAK_EVENTS as a number")
    });
    let app = start().await;
    let mut subscribers = Vec::new();
    for (name, manner, limit) in [
        ("healthy", Manner::Healthy, Value::Null),
        ("rate-limited", Manner::Healthy, json!(RATE_LIMIT)),
        ("slow", Manner::Slow(Duration::from_secs(5)), Value::Null),
        ("flapping", Manner::Flapping, Value::Null),
        ("hanging", Manner::Hanging, Value::Null),
        ("dead", Manner::Dead, Value::Null),
    ] {
        subscribers.push(Subscriber::register(&app, name, manner, limit).await);
    }

    let begun = Instant::now();
    let ids = publish(&app, events).await;
    println!("{events} events published in {:.1?}", begun.elapsed());
    let waiting = rest(&app, &subscribers).await;
    println!(
        "at rest after {:.1?}, waiting: {waiting:?}",
        begun.elapsed()
    );
    assert!(waiting.values().all(|count| *count > 0), "{waiting:?}");

    for one in subscribers.iter().filter(|one| one.is_down()) {
        one.receiver.revive();
        let path = format!("/{}", one.id);
        app.api.put_json(&path, &json!({"active": true})).await;
    }
    // All pending deliveries may also wait in the middle of a drain, so this looks again.
    while rest(&app, &subscribers)
        .await
        .values()
        .any(|count| *count > 0)
    {}
    println!(
        "all {} deliveries ended after {:.1?}",
        events * subscribers.len(),
        begun.elapsed()
    );
    for one in &subscribers {
        one.must_have_ended(&app, &ids).await;
    }
}
