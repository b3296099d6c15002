//! Budgets for test pings and rotations.

use std::time::Duration;

use futures_util::future::join_all;
use local::service;
use reqwest::StatusCode;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::domain::budget::Budgets;

use crate::support::hand_clock::HandClock;
use crate::support::receiver::Receiver;
use crate::support::stage::Stage;
use crate::support::wire::Fault;
use crate::support::{Answer, Options, TestApp};

const START: &str = "2026-01-31T09:30:15.500Z";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Starts a service without pollers, with these budgets.
async fn start(budgets: Budgets) -> (TestApp, HandClock, Receiver, String) {
    let clock = HandClock::at(START);
    let mut options = Options::stepwise_with(&clock);
    options.settings.budgets = budgets;
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    app.aws.wire.take();
    (app, clock, receiver, id)
}

async fn ping(app: &TestApp, id: &str) -> Answer {
    app.api.ping_preferring(id, "respond-async").await
}

async fn rotate(app: &TestApp, id: &str) -> Answer {
    app.api.post(&format!("/{id}/rotate-secret")).await
}

#[track_caller]
fn assert_over_budget(answer: &Answer, retry_after: u64) {
    answer.must_fail_with(429, "RATE_LIMIT");
    assert_eq!(answer.headers["retry-after"], retry_after.to_string());
}

/// Returns the number of successes. Asserts that the other responses are over a budget.
#[track_caller]
fn successes(answers: &[Answer]) -> usize {
    let (some, others): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.status.is_success());
    for other in others {
        other.must_fail_with(429, "RATE_LIMIT");
    }
    some.len()
}

#[tokio::test]
async fn second_pings_are_refused_until_the_first_has_an_outcome() {
    let (app, _, receiver, id) = start(Budgets::default()).await;
    assert_eq!(ping(&app, &id).await.status, StatusCode::ACCEPTED);
    app.aws.wire.take();
    for _ in 0..2 {
        assert_over_budget(&ping(&app, &id).await, 5);
        assert_eq!(app.aws.wire.take(), ["GetItem", "UpdateItem"]);
    }
    app.queue.settle().await;
    receiver.must_receive_one();

    app.aws.wire.take();
    assert_eq!(ping(&app, &id).await.status, StatusCode::ACCEPTED);
    let mut calls = vec!["GetItem", "PutItem", "SendMessage"];
    calls.extend(["UpdateItem"; 3]);
    assert_eq!(app.aws.wire.take(), calls);
    assert_over_budget(&ping(&app, &id).await, 5);
}

#[tokio::test]
async fn pings_of_other_endpoints_are_not_refused() {
    let (app, _, receiver, id) = start(Budgets::default()).await;
    let (other, _) = app.api.create_webhook(&receiver.url).await;
    for id in [&id, &other] {
        assert_eq!(ping(&app, id).await.status, StatusCode::ACCEPTED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_one_of_concurrent_pings_is_sent() {
    let (app, clock, receiver, id) = start(Budgets::default()).await;
    for round in 1..=10 {
        // From the second round on, they race for the slot of a ping that has ended.
        let pings = join_all((0..5).map(|_| ping(&app, &id))).await;
        assert_eq!(successes(&pings), 1, "{pings:?}");
        app.queue.settle().await;
        assert_eq!(receiver.received().len(), round);
        clock.advance(SECOND);
    }
}

#[tokio::test]
async fn lost_pings_free_the_slot_when_their_lease_expires() {
    let (app, clock, _, id) = start(Budgets::default()).await;
    ping(&app, &id).await;
    // The ping is received, but never handled.
    assert_eq!(app.queue.all_queued().await.len(), 1);
    clock.advance(57 * SECOND);
    assert_over_budget(&ping(&app, &id).await, 3);
    clock.advance(3 * SECOND);
    assert_eq!(ping(&app, &id).await.status, StatusCode::ACCEPTED);
    assert_over_budget(&ping(&app, &id).await, 5);
}

#[tokio::test]
async fn failed_pings_free_the_slot() {
    let (app, _, _, id) = start(Budgets::default()).await;
    app.aws.wire.break_calls(&["SendMessage"], Fault::Before);
    let failed = ping(&app, &id).await;
    failed.must_fail_with(503, "UNAVAILABLE");
    app.aws.wire.mend();
    assert_eq!(ping(&app, &id).await.status, StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn apps_send_at_most_30_pings_a_minute() {
    let (app, clock, receiver, id) = start(Budgets {
        ping_lease: Duration::ZERO,
        ..Budgets::default()
    })
    .await;
    let pings = join_all((0..40).map(|_| ping(&app, &id))).await;
    assert_eq!(successes(&pings), 30);
    let (other, _) = app.api.create_webhook(&receiver.url).await;
    for id in [&id, &other] {
        assert_over_budget(&ping(&app, id).await, 45);
    }
    // Budgets are counted per clock minute, and START is 44.5 s before the next one.
    clock.advance(45 * SECOND);
    let pings = join_all((0..40).map(|_| ping(&app, &other))).await;
    assert_eq!(successes(&pings), 30);
    // The counters expire.
    let items = app.aws.items().await.into_iter();
    let counts: Vec<_> = items
        .filter(|item| item["sk"].as_s().is_ok_and(|sk| sk.starts_with("PINGS#")))
        .map(|item| {
            item[attribute::EXPIRES_AT]
                .as_n()
                .unwrap()
                .parse::<i64>()
                .unwrap()
        })
        .collect();
    assert_eq!(counts.len(), 2);
    assert!(
        counts
            .iter()
            .all(|at| *at <= (clock.now() + MINUTE).as_second())
    );
}

#[tokio::test]
async fn pings_over_the_apps_budget_free_the_slot() {
    let (app, clock, receiver, id) = start(Budgets {
        pings_per_minute: 1,
        ..Budgets::default()
    })
    .await;
    let (other, _) = app.api.create_webhook(&receiver.url).await;
    assert_eq!(ping(&app, &id).await.status, StatusCode::ACCEPTED);
    app.aws.wire.take();
    assert_over_budget(&ping(&app, &other).await, 45);
    assert_eq!(app.aws.wire.take(), ["UpdateItem"; 3]);
    // Before the slot's lease would have expired.
    clock.advance(45 * SECOND);
    assert_eq!(ping(&app, &other).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn secrets_are_rotated_at_most_every_10_seconds() {
    let (app, clock, receiver, id) = start(Budgets::default()).await;
    let (other, _) = app.api.create_webhook(&receiver.url).await;
    assert_eq!(rotate(&app, &id).await.status, StatusCode::OK);
    app.aws.wire.take();
    // That is 0, 0.5, 9.001 and 9.999 s after the rotation. Waits are rounded up.
    for (later, retry_after) in [(0, 10), (500, 10), (8_501, 1), (998, 1)] {
        clock.advance_millis(later);
        assert_over_budget(&rotate(&app, &id).await, retry_after);
        // No secret version is created.
        assert_eq!(app.aws.wire.take(), ["UpdateItem"]);
    }
    assert_eq!(rotate(&app, &other).await.status, StatusCode::OK);
    clock.advance_millis(1);
    assert_eq!(rotate(&app, &id).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_rotations_create_one_version() {
    let (app, clock, _, id) = start(Budgets::default()).await;
    for _ in 0..10 {
        app.aws.wire.take();
        let rotations = join_all((0..5).map(|_| rotate(&app, &id))).await;
        assert_eq!(successes(&rotations), 1, "{rotations:?}");
        // Five updates try to reserve the rotation. The winner creates the version, and
        // makes it current with the sixth.
        let mut calls = vec!["PutSecretValue"];
        calls.extend(["UpdateItem"; 6]);
        assert_eq!(app.aws.wire.take(), calls);
        clock.advance(10 * SECOND);
    }
}

#[tokio::test]
async fn secrets_are_rotated_at_most_50_times_in_24_hours() {
    let (app, clock, _, id) = start(Budgets::default()).await;
    let begun = clock.now();
    for _ in 0..2 {
        for number in 1..=50 {
            assert_eq!(rotate(&app, &id).await.status, StatusCode::OK, "{number}");
            clock.advance(10 * SECOND);
        }
        // The 24 hours begin with the first of the rotations, which took 500 s.
        assert_over_budget(&rotate(&app, &id).await, (DAY - 500 * SECOND).as_secs());
        clock.advance(DAY - 501 * SECOND);
        assert_over_budget(&rotate(&app, &id).await, 1);
        clock.advance(SECOND);
    }
    assert_eq!(clock.now(), begun + 2 * DAY);
}

#[tokio::test]
async fn secrets_with_too_many_versions_are_over_budget() {
    let (app, _, _, id) = start(service::unlimited()).await;
    let limit = r#"{"__type": "LimitExceededException", "message": "Too many versions"}"#;
    app.aws
        .wire
        .break_calls(&["PutSecretValue"], Fault::Refused(limit));
    assert_over_budget(&rotate(&app, &id).await, 60 * 60);
    app.aws.wire.mend();
    assert_eq!(rotate(&app, &id).await.status, StatusCode::OK);
}

#[tokio::test]
async fn sdk_retries_recognize_their_own_slot() {
    let (app, _, _, id) = start(Budgets::default()).await;
    app.aws.wire.break_once("UpdateItem", Fault::After);
    assert_eq!(ping(&app, &id).await.status, StatusCode::ACCEPTED);
    app.aws.wire.break_once("UpdateItem", Fault::After);
    assert_eq!(rotate(&app, &id).await.status, StatusCode::OK);
}

#[tokio::test]
async fn full_apps_create_no_secrets() {
    let stage = Stage::start(Default::default(), false, "1200").await;
    stage.fill(100).await;
    stage.app.aws.wire.take();
    let refused = stage.app.api.try_create().await;
    refused.must_fail_with(409, "CONFLICT");
    // The API key, and the app's endpoint count.
    assert_eq!(stage.app.aws.wire.take(), ["GetItem", "GetItem"]);
}
