//! Budgets for recoveries and history searches.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;
use webhook_endpoints::domain::budget::{Budgets, RECOVERY_LEASE};
use webhook_endpoints::domain::message::{Message, Recovery};
use webhook_endpoints::domain::redelivery::{DEFECT_RECEIVES, delay_after};

use crate::support::hand_clock::HandClock;
use crate::support::queue::endpoint_id;
use crate::support::wire::Fault;
use crate::support::{Answer, Options, TestApp};

const START: &str = "2026-01-31T09:30:00.000Z";
const MINUTE: Duration = Duration::from_secs(60);

/// Starts a service with an endpoint that has 30 failed deliveries, which a recovery
/// resends in two chunks.
async fn start(search_time: Duration) -> (TestApp, HandClock, String) {
    let clock = HandClock::at(START);
    let mut options = Options::stepwise_with(&clock);
    options.settings.chunks.recovery = 25;
    options.settings.budgets = Budgets {
        search_time,
        ..Budgets::default()
    };
    let app = TestApp::start_with(options).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let endpoint = endpoint_id(&id);
    app.aws.seed_failures(endpoint, 30, clock.now()).await;
    clock.advance(MINUTE);
    app.aws.wire.take();
    (app, clock, id)
}

async fn started() -> (TestApp, HandClock, String) {
    start(Budgets::default().search_time).await
}

async fn recover(app: &TestApp, id: &str) -> Answer {
    let body = json!({"since": START, "status": "FAILED"});
    app.api.post_json(&format!("/{id}/recover"), &body).await
}

#[track_caller]
fn assert_under_way(answer: &Answer, recovery: &Recovery) {
    let error = answer.must_fail_with(409, "CONFLICT");
    let message = format!(
        "Recovery or replay {} of this endpoint, requested at {:.3}, is still under way.",
        recovery.id, recovery.asked_at
    );
    assert_eq!(error["message"], message);
}

/// Receives the queued recoveries, and discards the queued deliveries.
async fn queued(app: &TestApp) -> Vec<Recovery> {
    let messages = app.queue.all_queued().await.into_iter();
    let parsed = messages.map(|message| Message::from_json(&message.body.unwrap()).unwrap());
    let recoveries = parsed.filter_map(|message| match message {
        Message::Recover(recovery) => Some(recovery),
        _ => None,
    });
    recoveries.collect()
}

/// Begins a recovery, and receives its first chunk.
async fn begun(app: &TestApp, id: &str) -> Recovery {
    let accepted = recover(app, id).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    let mut recoveries = queued(app).await;
    assert_eq!(recoveries.len(), 1);
    recoveries.remove(0)
}

async fn handle(app: &TestApp, chunk: &Recovery) {
    let message = Message::Recover(chunk.clone()).to_json().unwrap();
    app.queue.must_handle(message).await;
}

#[tokio::test]
async fn second_recoveries_are_refused_until_the_first_ends() {
    let (app, _, id) = started().await;
    let first = begun(&app, &id).await;
    app.aws.wire.take();
    assert_under_way(&recover(&app, &id).await, &first);
    assert_eq!(app.aws.wire.take(), ["GetItem"]);

    handle(&app, &first).await;
    let mut calls = vec!["Query", "SendMessage"];
    calls.extend(["SendMessageBatch"; 3]);
    calls.push("UpdateItem");
    assert_eq!(app.aws.wire.take(), calls);
    assert_under_way(&recover(&app, &id).await, &first);

    let rest = queued(&app).await.remove(0);
    app.aws.wire.take();
    handle(&app, &rest).await;
    let calls = ["Query", "SendMessageBatch", "UpdateItem"];
    assert_eq!(app.aws.wire.take(), calls);
    begun(&app, &id).await;
}

#[tokio::test]
async fn recoveries_of_other_endpoints_are_not_refused() {
    let (app, clock, id) = started().await;
    let (other, _) = app.api.create_webhook("https://example.com/hook").await;
    let endpoint = endpoint_id(&other);
    app.aws
        .seed_failures(endpoint, 1, clock.now() - MINUTE)
        .await;
    begun(&app, &id).await;
    begun(&app, &other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_one_of_concurrent_recoveries_begins() {
    let (app, _, id) = started().await;
    for _ in 0..10 {
        let answers = join_all((0..5).map(|_| recover(&app, &id))).await;
        let (accepted, refused): (Vec<_>, Vec<_>) = answers
            .iter()
            .partition(|answer| answer.status == StatusCode::ACCEPTED);
        assert_eq!(accepted.len(), 1, "{answers:?}");
        let mut chunks = queued(&app).await;
        assert_eq!(chunks.len(), 1);
        for answer in refused {
            assert_under_way(answer, &chunks[0]);
        }
        while let Some(chunk) = chunks.pop() {
            handle(&app, &chunk).await;
            chunks = queued(&app).await;
        }
    }
}

#[tokio::test]
async fn abandoned_recoveries_end_with_their_lease() {
    let (app, clock, id) = started().await;
    let first = begun(&app, &id).await;
    clock.advance(RECOVERY_LEASE);
    clock.advance_millis(-1);
    assert_under_way(&recover(&app, &id).await, &first);
    clock.advance_millis(1);
    begun(&app, &id).await;
}

#[tokio::test]
async fn chunks_renew_the_lease() {
    let (app, clock, id) = started().await;
    let first = begun(&app, &id).await;
    clock.advance(RECOVERY_LEASE - MINUTE);
    handle(&app, &first).await;
    // The next chunk is lost.
    assert_eq!(queued(&app).await.len(), 1);
    clock.advance(RECOVERY_LEASE - MINUTE);
    assert_under_way(&recover(&app, &id).await, &first);
    clock.advance(MINUTE);
    begun(&app, &id).await;
}

#[test]
fn the_lease_outlasts_all_tries_of_a_failing_chunk() {
    // Each try may take as long as the function's timeout, a minute.
    let tries = MINUTE * DEFECT_RECEIVES;
    let delays: Duration = (1..DEFECT_RECEIVES).map(delay_after).sum();
    assert!(RECOVERY_LEASE > tries + delays);
}

#[tokio::test]
async fn late_chunks_do_not_affect_the_next_recovery() {
    let (app, clock, id) = started().await;
    let first = begun(&app, &id).await;
    handle(&app, &first).await;
    let last = queued(&app).await.remove(0);
    handle(&app, &last).await;
    let second = begun(&app, &id).await;
    clock.advance(RECOVERY_LEASE - MINUTE);
    handle(&app, &first).await;
    handle(&app, &last).await;
    assert_eq!(queued(&app).await.len(), 1);
    assert_under_way(&recover(&app, &id).await, &second);
    // Its lease was not renewed either.
    clock.advance(MINUTE);
    begun(&app, &id).await;
}

#[tokio::test]
async fn recoveries_that_cannot_be_enqueued_free_the_slot() {
    let (app, _, id) = started().await;
    app.aws.wire.break_calls(&["SendMessage"], Fault::Before);
    let failed = recover(&app, &id).await;
    failed.must_fail_with(503, "UNAVAILABLE");
    app.aws.wire.mend();
    begun(&app, &id).await;
}

#[tokio::test]
async fn sdk_retries_recognize_their_own_recovery() {
    let (app, _, id) = started().await;
    app.aws.wire.break_once("UpdateItem", Fault::After);
    begun(&app, &id).await;
}

#[tokio::test]
async fn chunks_are_not_repeated_if_their_progress_is_not_recorded() {
    let (app, clock, id) = started().await;
    let first = begun(&app, &id).await;
    app.aws.wire.break_calls(&["UpdateItem"], Fault::Before);
    handle(&app, &first).await;
    let rest = queued(&app).await.remove(0);
    handle(&app, &rest).await;
    app.aws.wire.mend();
    assert_under_way(&recover(&app, &id).await, &first);
    clock.advance(RECOVERY_LEASE);
    begun(&app, &id).await;
}

/// Makes every query return as if DynamoDB's page had ended after this delivery.
fn end_pages_after(app: &TestApp, delivery: &str, count: u32) {
    let key = json!({
        "pk": {"S": "APP#a"}, "sk": {"S": format!("D#{delivery}")},
        "gsi1pk": {"S": "APP#a"}, "gsi1sk": {"S": format!("D#{delivery}")},
    });
    let page = json!({
        "Count": count, "ScannedCount": count, "Items": [], "LastEvaluatedKey": key,
    });
    let page: &'static str = Box::leak(page.to_string().into_boxed_str());
    app.aws.wire.break_calls(&["Query"], Fault::Answered(page));
}

#[tokio::test]
async fn history_searches_stop_when_time_runs_out() {
    let (app, _, id) = start(Duration::ZERO).await;
    let all = app.api.pages(&id, "event=invoice.paid", async || {}).await;
    let all = all.concat();
    app.aws.wire.take();
    end_pages_after(&app, &all[9], 0);
    let (items, next) = app.api.page(&id, "event=invoice.paid").await;
    assert_eq!(app.aws.wire.take(), ["GetItem", "Query"]);
    assert!(items.is_empty());
    app.aws.wire.mend();
    let rest = format!("event=invoice.paid&cursor={}", next.unwrap());
    assert_eq!(
        app.api.pages(&id, &rest, async || {}).await.concat(),
        all[10..]
    );
}

#[tokio::test]
async fn searches_for_delivered_stop_when_time_runs_out() {
    let (app, clock, id) = start(Duration::ZERO).await;
    let endpoint = endpoint_id(&id);
    let old = clock.now() - 2 * MINUTE;
    let old = app.aws.seed_event(endpoint, "a", old, 200).await;
    let failed = app.api.pages(&id, "status=failed", async || {}).await;
    app.aws.wire.take();
    end_pages_after(&app, &failed.concat()[9], 0);
    let (items, next) = app.api.page(&id, "status=delivered").await;
    assert_eq!(app.aws.wire.take(), ["GetItem", "Query"]);
    assert!(items.is_empty());
    app.aws.wire.mend();
    let rest = format!("status=delivered&cursor={}", next.unwrap());
    let rest = app.api.pages(&id, &rest, async || {}).await.concat();
    assert_eq!(rest, [old.delivery_id.to_string()]);
}

#[tokio::test]
async fn history_searches_continue_while_there_is_time() {
    let (app, _, id) = started().await;
    let newest = app.api.deliveries(&id).await[0]["id"].clone();
    app.aws.wire.take();
    end_pages_after(&app, newest.as_str().unwrap(), 0);
    app.api.page(&id, "event=invoice.paid").await;
    assert!(app.aws.wire.take().len() > 2);
}

#[tokio::test]
async fn recoveries_begin_even_if_counting_runs_out_of_time() {
    for count in [3, 0] {
        let (app, _, id) = start(Duration::ZERO).await;
        let newest = app.api.deliveries(&id).await[0]["id"].clone();
        app.aws.wire.take();
        end_pages_after(&app, newest.as_str().unwrap(), count);
        let accepted = recover(&app, &id).await;
        assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
        let data = json!({"deliveries": count, "atLeast": true});
        assert_eq!(*accepted.data(), data);
        let calls = ["GetItem", "Query", "SendMessage", "UpdateItem"];
        assert_eq!(app.aws.wire.take(), calls);
        assert_eq!(queued(&app).await.len(), 1);
    }
}

#[tokio::test]
async fn recoveries_count_up_to_their_limit_while_there_is_time() {
    let (app, _, id) = start(MINUTE).await;
    let newest = app.api.deliveries(&id).await[0]["id"].clone();
    app.aws.wire.take();
    end_pages_after(&app, newest.as_str().unwrap(), 4_000);
    let accepted = recover(&app, &id).await;
    let data = json!({"deliveries": 10_000, "atLeast": false});
    assert_eq!(*accepted.data(), data);
    let mut calls = app.aws.wire.take();
    calls.retain(|call| call == "Query");
    assert_eq!(calls.len(), 3);
}
