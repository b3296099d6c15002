//! Concurrent calls and messages, on several threads and repeated many times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode as ReceiverStatus;
use axum::response::IntoResponse;
use futures_util::future::join_all;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::delivery::{DeliveryStatus, Verdict};
use webhook_endpoints::domain::id::DeliveryId;
use webhook_endpoints::domain::message::DeliveryTask;
use webhook_endpoints::domain::secret::SecretStorage;

use crate::support::hand_clock::HandClock;
use crate::support::matrix::Faults;
use crate::support::queue::{attempt_message, endpoint_id, message};
use crate::support::receiver::Receiver;
use crate::support::seeds::Seed;
use crate::support::stage::Stage;
use crate::support::{Answer, Options, STORAGES, TestApp, answer, eventually};

async fn stage() -> Stage {
    stage_with(SecretStorage::PerEndpoint).await
}

async fn stage_with(storage: SecretStorage) -> Stage {
    Stage::with_storage(storage, Faults::default(), false, "1200,1200").await
}

async fn rotate(app: &TestApp, id: &str) -> Answer {
    app.api.post(&format!("/{id}/rotate-secret")).await
}

fn secret_of(rotated: &Answer) -> String {
    rotated.data()["secret"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attempts_after_a_rotation_never_use_an_older_secret() {
    for storage in STORAGES {
        const EVENTS: usize = 150;
        let app = TestApp::start_with(Options::default().with_storage(storage)).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, first) = app.api.create_webhook(&receiver.url).await;
        // Each secret, with the time at which the caller got it.
        let mut secrets: Vec<(Timestamp, String)> = vec![(Timestamp::MIN, first)];
        let done = AtomicBool::new(false);
        let publishing = async {
            for _ in 0..EVENTS / 5 {
                join_all((0..5).map(|_| app.api.must_publish("invoice.paid"))).await;
            }
            let all = async || (receiver.received().len() >= EVENTS).then_some(());
            eventually("all events", all).await;
            done.store(true, Ordering::SeqCst);
        };
        let rotating = async {
            while !done.load(Ordering::SeqCst) {
                let secret = secret_of(&rotate(&app, &id).await);
                secrets.push((Clock::system().now(), secret));
            }
        };
        tokio::join!(publishing, rotating);

        let arrived = receiver.received();
        let mut signing = BTreeSet::new();
        for item in app.api.pages(&id, "limit=100", async || {}).await.concat() {
            let delivery = app.api.delivery(&id, item).await;
            let event = delivery["eventId"].as_str().unwrap();
            let request = arrived.iter().find(|got| got.header("webhook-id") == event);
            let request = request.unwrap();
            let signed = secrets.iter().position(|(_, s)| request.was_signed_with(s));
            let signed = signed.expect("sign with a secret that was returned");
            signing.insert(signed);
            let started_at = delivery["attemptLog"][0]["startedAt"].as_str().unwrap();
            let started_at: Timestamp = started_at.parse().unwrap();
            let returned = secrets.iter().rposition(|(at, _)| *at <= started_at);
            assert!(
                returned <= Some(signed),
                "{returned:?} was returned, {signed} signed"
            );
        }
        assert!(signing.len() > 1, "no delivery was made during a rotation");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_rotations_return_the_valid_secret() {
    for storage in STORAGES {
        rotate_concurrently(storage).await;
    }
}

async fn rotate_concurrently(storage: SecretStorage) {
    let stage = stage_with(storage).await;
    let app = &stage.app;
    let mut old = vec![stage.secret.clone()];
    let mut conflicts = 0;
    for round in 0.. {
        let both = tokio::join!(rotate(app, &stage.id), rotate(app, &stage.id));
        let mut returned = Vec::new();
        for answer in [both.0, both.1] {
            if answer.status == StatusCode::OK {
                returned.push(secret_of(&answer));
            } else {
                answer.must_fail_with(409, "CONFLICT");
                conflicts += 1;
            }
        }
        let event = stage.publish().await;
        stage.drain().await;
        let request = stage.arrived(&event).remove(0);
        let valid = returned
            .iter()
            .filter(|secret| request.was_signed_with(secret));
        assert_eq!(valid.count(), 1, "{} were returned", returned.len());
        assert!(!old.iter().any(|secret| request.was_signed_with(secret)));
        old.extend(returned);
        if round >= 20 && conflicts > 0 {
            return;
        }
        assert!(round < 200, "no two rotations overlapped");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deletion_during_other_calls_leaves_nothing() {
    for storage in STORAGES {
        let stage = Stage::with_storage(storage, Faults::default(), true, "1200,1200").await;
        let app = &stage.app;
        for _ in 0..10 {
            let (id, _) = app.api.create_webhook(&stage.receiver.url).await;
            app.api.must_publish("invoice.paid").await;
            let path = format!("/{id}");
            let deliveries = format!("/{id}/deliveries");
            let patch = json!({"events": ["invoice.*"]});
            let (one, two, ping, rotated, updated, shown, history, _) = tokio::join!(
                app.api.delete(&path),
                app.api.delete(&path),
                app.api.ping_preferring(&id, "wait=1"),
                rotate(app, &id),
                app.api.put_json(&path, &patch),
                app.api.get(&path),
                app.api.get(&deliveries),
                app.api.must_publish("invoice.paid"),
            );
            assert!([one.status, two.status].contains(&StatusCode::NO_CONTENT));
            for deletion in [&one, &two] {
                if deletion.status != StatusCode::NO_CONTENT {
                    deletion.must_fail_with(404, "NOT_FOUND");
                }
            }
            for other in [&ping, &rotated, &updated, &shown, &history] {
                if other.status != StatusCode::OK && other.status != StatusCode::ACCEPTED {
                    other.must_fail_with(404, "NOT_FOUND");
                }
            }
            app.api.get(&path).await.must_fail_with(404, "NOT_FOUND");
            assert_eq!(app.api.listed_ids().await, [stage.id.as_str()]);
            stage.must_be_consistent().await;
        }
        stage.must_come_to_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_creations_never_exceed_the_limit() {
    for storage in STORAGES {
        for _ in 0..4 {
            let stage = stage_with(storage).await;
            stage.fill(97).await;
            let creations = join_all((0..8).map(|_| stage.app.api.try_create())).await;
            let (created, refused): (Vec<_>, Vec<_>) = creations
                .into_iter()
                .partition(|answer| answer.status == StatusCode::CREATED);
            for answer in &refused {
                answer.must_fail_with(409, "CONFLICT");
            }
            assert_eq!((created.len(), refused.len()), (3, 5));
            assert_eq!(stage.app.api.listed_ids().await.len(), 4);
            stage.must_be_consistent().await;
        }
    }
}

/// The recorded status of a delivery, and the numbers of its attempts.
async fn recorded(app: &TestApp, task: &DeliveryTask) -> Option<(DeliveryStatus, Vec<u32>)> {
    let table = app.aws.table();
    let found = table.delivery(task.endpoint, task.delivery_id).await;
    let found = found.unwrap()?;
    let numbers: Vec<_> = found.attempts.iter().map(|one| one.number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert_eq!(numbers.last(), Some(&found.delivery.attempts));
    let last = found.attempts.last().map(|attempt| &attempt.verdict);
    let taken = last.is_some_and(Verdict::is_success);
    assert_eq!(taken, found.delivery.status == DeliveryStatus::Delivered);
    Some((found.delivery.status, numbers))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_in_any_order_and_number_never_revert_a_delivery() {
    for seed in 0..25 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut options = Options::stepwise_with(&HandClock::at_now());
        options.settings.policy.schedule = "1200,1200,1200".parse().unwrap();
        let app = TestApp::start_with(options).await;
        let receiver = Receiver::responding(move |_| {
            let fails = rand::rng().random_ratio(5, 6);
            let status = if fails { 500 } else { 200 };
            ReceiverStatus::from_u16(status).unwrap().into_response()
        });
        app.api.create_webhook(&receiver.await.url).await;
        let first = app.queue.first_attempt().await;
        let mut messages = Vec::new();
        for attempt in [1, 1, 1, 2, 2, 2, 3, 3, 4, 4] {
            let task = DeliveryTask {
                attempt,
                ..first.clone()
            };
            messages.push(attempt_message(&task));
        }
        messages.shuffle(&mut random);
        let done = AtomicBool::new(false);
        let handling = async {
            for batch in messages.chunks(3) {
                let batch = batch.iter().map(|body| message(Some("m"), body.clone()));
                assert_eq!(app.queue.handle(batch).await, Ok(Vec::new()), "seed {seed}");
            }
            done.store(true, Ordering::SeqCst);
        };
        let watching = async {
            let mut before: Option<(DeliveryStatus, Vec<u32>)> = None;
            while !done.load(Ordering::SeqCst) {
                let now = recorded(&app, &first).await;
                if let Some((status, numbers)) = &before {
                    let (status_now, numbers_now) = now
                        .as_ref()
                        .expect("find the delivery that was recorded before");
                    assert!(numbers_now.starts_with(numbers), "seed {seed}");
                    if *status != DeliveryStatus::Pending {
                        assert_eq!(status_now, status, "seed {seed}");
                    }
                }
                before = now;
            }
        };
        tokio::join!(handling, watching);
        let (status, numbers) = recorded(&app, &first).await.unwrap();
        // The fourth attempt is the last one, if it is reached.
        assert_ne!(status, DeliveryStatus::Pending, "seed {seed}: {numbers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pages_read_during_writes_skip_or_repeat_nothing() {
    let app = Arc::new(TestApp::start_with(Options::idle()).await);
    for _ in 0..5 {
        let (id, _) = app.api.create_webhook("https://example.com/hook").await;
        let endpoint = endpoint_id(&id);
        let mut before = Vec::new();
        for seed in [Seed::Delivered, Seed::Failed, Seed::Pending].repeat(8) {
            before.push(app.aws.seed(endpoint, seed).await);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..3)
            .map(|_| {
                let (app, stop) = (Arc::clone(&app), Arc::clone(&stop));
                tokio::spawn(async move {
                    while !stop.load(Ordering::SeqCst) {
                        app.aws.seed(endpoint, Seed::Delivered).await;
                    }
                })
            })
            .collect();
        // The existing deliveries that each list shows: every `step`-th from
        // `first` on.
        for (query, first, step) in [
            ("limit=5", 0, 1),
            ("limit=2&status=FAILED", 1, 3),
            ("limit=3&status=PENDING", 2, 3),
        ] {
            let seen = app.api.pages(&id, query, async || {}).await.concat();
            assert!(seen.is_sorted_by(|newer, older| newer > older), "{seen:?}");
            let seen: BTreeSet<_> = seen.into_iter().collect();
            let mut expected = before.iter().skip(first).step_by(step);
            assert!(expected.all(|id| seen.contains(id)), "{query}");
        }
        stop.store(true, Ordering::SeqCst);
        join_all(writers).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_sweeps_make_each_attempt_count_once() {
    for _ in 0..8 {
        let stage = stage().await;
        stage.status.store(500, Ordering::SeqCst);
        for _ in 0..4 {
            stage.publish().await;
        }
        while stage.handle_queued().await {}
        stage.clock.advance_millis(24 * 60 * 60 * 1000);
        stage.status.store(200, Ordering::SeqCst);
        let sweeps = ["one", "two", "three"].map(|id| message(Some(id), r#"{"kind":"sweep"}"#));
        assert_eq!(stage.app.queue.handle(sweeps).await, Ok(Vec::new()));
        stage.must_come_to_rest().await;
        let history = stage.app.api.deliveries(&stage.id).await;
        assert_eq!(history.len(), 4);
        for item in history {
            let id = DeliveryId::parse(item["id"].as_str().unwrap()).unwrap();
            let delivery = stage.app.aws.table().delivery(stage.key(), id).await;
            let delivery = delivery.unwrap().unwrap();
            assert_eq!(delivery.delivery.status, DeliveryStatus::Delivered);
            assert_eq!(delivery.attempts.len(), 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrently_repeated_events_are_delivered_once() {
    let mut options = Options::default();
    // Repeats that meet a fan-out in progress come back once this lease is over.
    options.settings.fan_out_lease = Duration::from_secs(5);
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(200, "").await;
    let (one, _) = app.api.create_webhook(&receiver.url).await;
    let (two, _) = app.api.create_webhook(&receiver.url).await;
    let mut events: BTreeMap<String, Value> = BTreeMap::new();
    for round in 0..8 {
        let key = format!("round-{round}");
        let body = json!({"type": "invoice.paid", "data": {"round": round}}).to_string();
        let publish = || {
            let request = app.api.publishing().header("idempotency-key", &key);
            answer(request.body(body.clone()))
        };
        let answers = join_all((0..30).map(|_| publish())).await;
        let id = answers[0].data()["id"].clone();
        for answer in &answers {
            assert_eq!(answer.status, StatusCode::ACCEPTED);
            assert_eq!(answer.data()["id"], id);
        }
        events.insert(id.as_str().unwrap().to_owned(), id);
    }
    assert_eq!(events.len(), 8);
    app.queue.must_become_empty().await;
    for id in [one, two] {
        let history = app.api.deliveries(&id).await;
        assert_eq!(history.len(), 8);
        assert!(history.iter().all(|item| item["status"] == "DELIVERED"));
        assert!(history.iter().all(|item| item["attempts"] == 1));
    }
    for id in events.keys() {
        let arrived = receiver.received();
        let of_event = arrived.iter().filter(|got| got.header("webhook-id") == id);
        assert_eq!(of_event.count(), 2, "not one for each endpoint");
    }
}
