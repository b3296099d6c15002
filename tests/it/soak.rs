//! Publishes many events to good and bad receivers. Run separately, see the
//! README.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use futures_util::{StreamExt, stream};
use serde_json::json;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::{Options, TestApp};

/// How many events are published if `SOAK_EVENTS` is not set.
const EVENTS: usize = 1_000;

/// How many attempts a delivery has by this test's schedule.
const ATTEMPTS: usize = 4;

/// The maximum number of deliveries in flight. Beyond it publishing waits: the
/// emulated queue scans all its messages for each one that it hands out.
const ON_THE_WAY: usize = 2_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Healthy,
    Slow,
    /// Fails every other request of an event, starting with the first.
    Flapping,
    Dead,
}

/// A receiver that verifies and counts what it gets.
struct Counting {
    url: String,
    webhook: Mutex<Option<Webhook>>,
    /// How often each event arrived.
    arrived: Mutex<HashMap<String, usize>>,
    /// How often each event was answered with success.
    taken: Mutex<HashMap<String, usize>>,
    requests: AtomicUsize,
    unverified: AtomicUsize,
}

impl Counting {
    async fn start(manner: Manner) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a port");
        let url = format!(
            "http://{}/hook",
            listener.local_addr().expect("read the bound address")
        );
        let receiver = Arc::new(Self {
            url,
            webhook: Mutex::default(),
            arrived: Mutex::default(),
            taken: Mutex::default(),
            requests: AtomicUsize::default(),
            unverified: AtomicUsize::default(),
        });
        let state = Arc::clone(&receiver);
        let router = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let receiver = Arc::clone(&state);
            async move { receiver.receive(manner, &headers, &body).await }
        });
        tokio::spawn(axum::serve(listener, router).into_future());
        receiver
    }

    async fn receive(&self, manner: Manner, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let id = headers["webhook-id"]
            .to_str()
            .expect("read the webhook id")
            .to_owned();
        let verified = {
            let webhook = self.webhook.lock().unwrap();
            webhook
                .as_ref()
                .expect("verify only after the endpoint was created")
                .verify(body, headers)
        };
        if verified.is_err() {
            self.unverified.fetch_add(1, Ordering::Relaxed);
        }
        let turn = {
            let mut arrived = self.arrived.lock().unwrap();
            let count = arrived.entry(id.clone()).or_default();
            *count += 1;
            *count
        };
        match manner {
            Manner::Healthy => {}
            Manner::Slow => tokio::time::sleep(Duration::from_millis(200)).await,
            Manner::Flapping if turn % 2 == 1 => return StatusCode::SERVICE_UNAVAILABLE,
            Manner::Flapping => {}
            Manner::Dead => return StatusCode::INTERNAL_SERVER_ERROR,
        }
        *self.taken.lock().unwrap().entry(id).or_default() += 1;
        StatusCode::OK
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// How many deliveries of an endpoint have each status, and how many attempts
/// they had in total.
async fn history(app: &TestApp, id: &str) -> (HashMap<String, usize>, usize) {
    let (mut statuses, mut attempts) = (HashMap::<String, usize>::new(), 0);
    let mut query = "limit=100".to_owned();
    loop {
        let (items, next) = app.api.page(id, &query).await;
        for item in items {
            let status = item["status"].as_str().expect("read the status").to_owned();
            *statuses.entry(status).or_default() += 1;
            attempts += item["attempts"]
                .as_u64()
                .expect("read the number of attempts") as usize;
        }
        match next {
            Some(cursor) => query = format!("limit=100&cursor={cursor}"),
            None => return (statuses, attempts),
        }
    }
}

/// Publishes this many events, and returns their ids. Waits while there are too
/// many deliveries in flight, of which those to the dead receiver last longest.
async fn publish(app: &TestApp, events: usize, dead: &Counting) -> Vec<String> {
    let published = AtomicUsize::new(0);
    stream::iter(0..events)
        .map(|n| {
            let published = &published;
            async move {
                while published.load(Ordering::Relaxed) * ATTEMPTS > dead.requests() + ON_THE_WAY {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                published.fetch_add(1, Ordering::Relaxed);
                let body = json!({"type": "soak.event", "data": {"n": n}});
                let accepted = app.api.publish(&body).await;
                assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
                let id = accepted.data()["id"].as_str();
                id.expect("read the event id").to_owned()
            }
        })
        .buffer_unordered(20)
        .collect()
        .await
}

/// Prints a receiver's figures and returns them: delivered, failed, attempts,
/// duplicates, unverified. Asserts that it got every event.
async fn assert_got_all(
    app: &TestApp,
    (name, manner, id, receiver): &(&str, Manner, String, Arc<Counting>),
    ids: &[String],
) -> [usize; 5] {
    let (statuses, attempts) = history(app, id).await;
    let count = |status: &str| statuses.get(status).copied().unwrap_or_default();
    let unverified = receiver.unverified.load(Ordering::Relaxed);
    let figures = [
        count("DELIVERED"),
        count("FAILED"),
        attempts,
        // Requests beyond the recorded attempts.
        receiver.requests() - attempts,
        unverified,
    ];
    print_figures(name, figures);
    assert_eq!(unverified, 0, "{name}");
    assert_eq!(count("PENDING"), 0, "{name}");
    if *manner == Manner::Dead {
        assert_eq!(count("FAILED"), ids.len(), "{name}");
        assert_eq!(attempts, ids.len() * ATTEMPTS, "{name}");
        let arrived = receiver.arrived.lock().unwrap();
        assert!(ids.iter().all(|id| arrived.contains_key(id)), "{name}");
    } else {
        assert_eq!(count("DELIVERED"), ids.len(), "{name}");
        let taken = receiver.taken.lock().unwrap();
        assert!(ids.iter().all(|id| taken.contains_key(id)), "{name}");
    }
    figures
}

#[expect(
    clippy::print_stdout,
    reason = "prints figures for the person who runs it"
)]
fn print_figures(name: &str, [delivered, failed, attempts, duplicates, unverified]: [usize; 5]) {
    println!(
        "{name:>9}: {delivered} delivered, {failed} failed, {attempts} attempts, \
         {duplicates} duplicates, {unverified} unverified"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes minutes; the README has the command"]
#[expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "prints figures for the person who runs it, who sets how many events"
)]
async fn no_event_is_lost_or_wrongly_signed_under_load() {
    let events = std::env::var("SOAK_EVENTS").map_or(EVENTS, |count| {
        count.parse().expect("parse SOAK_EVENTS as a number")
    });
    let mut options = Options::default();
    options.settings.policy.schedule = "1,1,1".parse().unwrap();
    options.settings.api_key_cache = Duration::from_secs(300);
    // Long enough that a slow machine alone does not cause repeated messages.
    options.visibility_timeout = 600;
    let app = TestApp::start_with(options).await;
    let manners = [
        ("healthy", Manner::Healthy),
        ("verifying", Manner::Healthy),
        ("slow", Manner::Slow),
        ("flapping", Manner::Flapping),
        ("dead", Manner::Dead),
    ];
    let mut receivers = Vec::new();
    for (name, manner) in manners {
        let receiver = Counting::start(manner).await;
        let (id, secret) = app.api.create_webhook(&receiver.url).await;
        *receiver.webhook.lock().unwrap() = Some(Webhook::new(&secret).unwrap());
        receivers.push((name, manner, id, receiver));
    }

    let begun = Instant::now();
    let dead = &receivers.last().expect("create the receivers").3;
    let ids = publish(&app, events, dead).await;
    let publishing = begun.elapsed();
    wait_until_empty(&app).await;
    let took = begun.elapsed();

    println!(
        "{events} events published in {publishing:.1?}, all {} deliveries ended after {took:.1?}",
        events * receivers.len()
    );
    let mut totals = [0; 5];
    for receiver in &receivers {
        let figures = assert_got_all(&app, receiver, &ids).await;
        for (total, figure) in totals.iter_mut().zip(figures) {
            *total += figure;
        }
    }
    print_figures("all", totals);
}

/// Waits until no message is left, however long that takes.
async fn wait_until_empty(app: &TestApp) {
    loop {
        if app.queue.counts().await == [0; 3] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
