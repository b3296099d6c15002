//! What sweeps report in metrics and in the log.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use webhook_endpoints::aws::table::attribute;
use webhook_endpoints::domain::id::DeliveryId;

use crate::support::queue::message;
use crate::support::wire::Fault;
use crate::support::{log, metrics};
use crate::sweep::{CHUNK, MINUTE, SWEEP, schedule, schedule_many, start, taken};

#[tokio::test]
async fn unreadable_items_are_reported_and_delay_nothing() {
    static EMITTED: Mutex<Vec<Value>> = Mutex::new(Vec::new());
    log::start();
    let (app, clock, id) = start().await;
    let metered =
        metrics::queue_with_metrics(&app, |line| EMITTED.lock().unwrap().push(line.clone()));
    // More than a sweep takes, and due before the others of their shard.
    for number in 0..CHUNK + 5 {
        let sort = format!("D#broken-{number}");
        app.aws
            .put(&[
                ("pk", "APP#acme#E#broken"),
                ("sk", &sort),
                ("gsi2pk", "DUE#3"),
                ("gsi2sk", &format!("2025-12-31T00:00:00.000Z#{number}")),
                (attribute::EVENT, "a customer's own value"),
                (attribute::CREATED_AT, "a customer's own value"),
            ])
            .await;
    }
    let ids = schedule_many(&app, &clock, &id).await;
    let elsewhere = DeliveryId::new();
    schedule(&app, &id, clock.now(), elsewhere).await;
    metered.must_handle(SWEEP).await;
    let (taken, sweeps) = taken(&app).await;
    assert_eq!(taken.len(), ids.len() + 1);
    assert_eq!(sweeps, 1);

    // Other tests in this process log lines of their own.
    let lines = log::lines_with(r#""pk":"APP#acme#E#broken""#);
    for number in 0..CHUNK + 5 {
        let named = format!(r#""sk":"D#broken-{number}""#);
        assert!(lines.iter().any(|line| line.contains(&named)), "{named}");
    }
    for line in &lines {
        assert!(line.contains(r#""level":"ERROR""#), "{line}");
        assert!(line.contains("skipped an unreadable item"), "{line}");
    }
    assert!(!log::text().contains("own value"));
    let emitted = EMITTED.lock().unwrap().clone();
    emitted.iter().for_each(metrics::must_be_embedded);
    assert_eq!(emitted[0]["UnreadableItems"], CHUNK + 5);
}

#[tokio::test]
async fn completed_sweeps_report_overdue_attempts() {
    static EMITTED: Mutex<Vec<Value>> = Mutex::new(Vec::new());
    let (app, clock, id) = start().await;
    let metered =
        metrics::queue_with_metrics(&app, |line| EMITTED.lock().unwrap().push(line.clone()));
    let sweeps = || {
        let lines = std::mem::take(&mut *EMITTED.lock().unwrap());
        lines.iter().for_each(metrics::must_be_embedded);
        let counts = lines.iter().map(|line| line["OverdueAttempts"].as_u64());
        counts.collect::<Vec<_>>()
    };
    metered.must_handle(SWEEP).await;
    assert_eq!(sweeps(), [Some(0)]);

    for late in [Duration::ZERO, MINUTE / 2, MINUTE, 5 * MINUTE] {
        schedule(&app, &id, clock.now() - late, DeliveryId::new()).await;
    }
    metered.must_handle(SWEEP).await;
    assert_eq!(sweeps(), [Some(2)]);

    app.aws.wire.break_calls(&["Query"], Fault::Before);
    let back = metered.handle([message(Some("m"), SWEEP)]).await;
    assert_eq!(back, Ok(vec!["m".to_owned()]));
    assert_eq!(sweeps(), []);
}

#[tokio::test]
async fn sweeps_log_what_they_enqueued() {
    const ENQUEUED: &str = "due attempts enqueued";
    let (app, clock, id) = start().await;
    let lines = log::lines_of(app.queue.must_handle(SWEEP)).await;
    assert_eq!(log::saying(&lines, ENQUEUED), Vec::<&Value>::new());

    for late in [Duration::ZERO, MINUTE, 5 * MINUTE] {
        schedule(&app, &id, clock.now() - late, DeliveryId::new()).await;
    }
    let lines = log::lines_of(app.queue.must_handle(SWEEP)).await;
    let lines = log::saying(&lines, ENQUEUED);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["enqueued"], 3);
    assert_eq!(lines[0]["overdue"], 2);
    assert_eq!(lines[0]["more"], false);
}

#[tokio::test]
async fn sweeps_report_the_deletions_that_they_could_not_finish() {
    static EMITTED: Mutex<Vec<Value>> = Mutex::new(Vec::new());
    let (app, clock, stuck) = start().await;
    let metered =
        metrics::queue_with_metrics(&app, |line| EMITTED.lock().unwrap().push(line.clone()));
    let unfinished = || {
        let lines = std::mem::take(&mut *EMITTED.lock().unwrap());
        metrics::values(&lines, "DeletionsUnfinished")
    };
    let (other, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.wire.break_calls(&["DeleteSecret"], Fault::Before);
    for id in [&stuck, &other] {
        let interrupted = app.api.delete(&format!("/{id}")).await;
        interrupted.must_fail_with(503, "UNAVAILABLE");
    }
    clock.advance(5 * MINUTE);
    let refused = Fault::Refused(r#"{"__type":"AccessDeniedException"}"#);
    app.aws.wire.disturb_requests(move |operation, body| {
        let is_stuck = String::from_utf8_lossy(body).contains(&stuck);
        (operation == "DeleteSecret" && is_stuck).then_some(refused)
    });
    metered.must_handle(SWEEP).await;
    assert_eq!(unfinished(), [1]);
    app.aws.wire.mend();
    metered.must_handle(SWEEP).await;
    assert_eq!(unfinished(), Vec::<Value>::new());
    assert!(app.aws.secret_names().await.is_empty());
}
