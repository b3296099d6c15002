//! Filtering the delivery history by event type and time, alone and with other filters.

use std::time::Duration;

use jiff::Timestamp;

use crate::support::api::item_id;
use crate::support::hand_clock::HandClock;
use crate::support::queue::endpoint_id;
use crate::support::{Options, TestApp};

const START: &str = "2026-01-31T09:30:00.000Z";
const MINUTE: Duration = Duration::from_secs(60);

struct Seeded {
    id: String,
    event: &'static str,
    status: &'static str,
    minute: u32,
}

fn time(minute: u32) -> String {
    let start: Timestamp = START.parse().unwrap();
    format!("{:.3}", start + minute * MINUTE)
}

/// Seeds one delivery per minute, oldest first.
async fn start() -> (TestApp, String, Vec<Seeded>) {
    let clock = HandClock::at(START);
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let (id, _) = app
        .api
        .create_webhook("https://receiver.example.com/")
        .await;
    let mut seeded = Vec::new();
    for minute in 0..40 {
        // 3 and 7 are coprime, so every combination of event type and status occurs.
        let event = ["invoice.paid", "invoice.sent", "a"][minute as usize % 3];
        let status = ["DELIVERED", "FAILED"][usize::from(minute % 7 < 3)];
        let answer = if status == "FAILED" { 500 } else { 200 };
        let at = time(minute).parse().unwrap();
        let task = app
            .aws
            .seed_event(endpoint_id(&id), event, at, answer)
            .await;
        seeded.push(Seeded {
            id: task.delivery_id.to_string(),
            event,
            status,
            minute,
        });
    }
    (app, id, seeded)
}

/// Asserts which deliveries a filter returns, with several page sizes.
async fn assert_shows(
    (app, id): (&TestApp, &str),
    filter: &str,
    seeded: &[Seeded],
    wanted: impl Fn(&Seeded) -> bool,
) {
    let expected: Vec<_> = seeded.iter().rev().filter(|s| wanted(s)).collect();
    let expected: Vec<_> = expected.iter().map(|s| s.id.clone()).collect();
    for limit in [1, 3, 100] {
        let query = format!("{filter}&limit={limit}");
        let pages = app.api.pages(id, &query, async || {}).await;
        let (last, full) = pages.split_last().unwrap();
        assert!(full.iter().all(|page| page.len() == limit), "{query}");
        assert_eq!(last.is_empty(), expected.is_empty(), "{query}");
        assert_eq!(pages.concat(), expected, "{query}");
    }
}

#[tokio::test]
async fn histories_are_filtered_by_event_time_and_status() {
    let (app, id, seeded) = start().await;
    let at = (&app, id.as_str());
    let (since, until) = (time(10), time(25));
    assert_shows(at, "event=invoice.paid", &seeded, |s| {
        s.event == "invoice.paid"
    })
    .await;
    // The filter takes a whole type, not a pattern or a prefix.
    assert_shows(at, "event=invoice", &seeded, |_| false).await;
    assert_shows(at, &format!("since={since}"), &seeded, |s| s.minute >= 10).await;
    assert_shows(at, &format!("until={until}"), &seeded, |s| s.minute < 25).await;
    let span = format!("since={since}&until={until}");
    let in_span = |s: &Seeded| (10..25).contains(&s.minute);
    assert_shows(at, &span, &seeded, in_span).await;
    assert_shows(at, &format!("{span}&status=failed"), &seeded, |s| {
        in_span(s) && s.status == "FAILED"
    })
    .await;
    assert_shows(at, &format!("{span}&event=a"), &seeded, |s| {
        in_span(s) && s.event == "a"
    })
    .await;
    assert_shows(at, &format!("{span}&event=a&status=FAILED"), &seeded, |s| {
        in_span(s) && s.event == "a" && s.status == "FAILED"
    })
    .await;
    // A range that ends before it begins, or when it begins, is empty.
    for (since, until) in [(25, 10), (10, 10)] {
        let span = format!("since={}&until={}", time(since), time(until));
        assert_shows(at, &span, &seeded, |_| false).await;
    }
}

#[tokio::test]
async fn times_may_have_an_offset_and_any_precision() {
    let (app, id, seeded) = start().await;
    let at = (&app, id.as_str());
    for since in [
        "2026-01-31T09:40:00Z",
        "2026-01-31T09:40:00.0000001Z",
        "2026-01-31T10:40:00%2B01:00",
        "2026-01-31T09:40Z",
    ] {
        assert_shows(at, &format!("since={since}"), &seeded, |s| s.minute >= 10).await;
    }
    assert_shows(at, "since=0001-01-01T00:00:00Z", &seeded, |_| true).await;
    assert_shows(at, "until=9999-12-30T00:00:00Z", &seeded, |_| true).await;
}

#[tokio::test]
async fn cursors_are_bound_to_event_and_time_filters() {
    let (app, id, _) = start().await;
    let (since, until) = (time(10), time(25));
    let filters = [
        String::new(),
        "event=a".to_owned(),
        "event=invoice.paid".to_owned(),
        format!("since={since}"),
        format!("until={until}"),
        format!("since={since}&until={until}"),
        "event=a&status=DELIVERED".to_owned(),
    ];
    for own in &filters {
        let (_, cursor) = app.api.page(&id, &format!("{own}&limit=1")).await;
        let cursor = cursor.unwrap();
        for other in &filters {
            let path = format!("/{id}/deliveries?{other}&cursor={cursor}");
            let page = app.api.get(&path).await;
            if own == other {
                assert!(page.status.is_success(), "{own}: {page:?}");
            } else {
                assert_eq!(page.status, 400, "{own} for {other}: {page:?}");
                page.must_be_invalid(&["cursor"]);
            }
        }
    }
}

#[tokio::test]
async fn invalid_filters_are_rejected() {
    let (app, id, _) = start().await;
    for (query, invalid) in [
        ("event=invoice.*", &["event"][..]),
        ("event=a%20b", &["event"]),
        ("since=yesterday", &["since"]),
        ("since=2026-01-31", &["since"]),
        ("until=2026-01-31T09:30:00", &["until"]),
        ("until=1767225600", &["until"]),
        ("event=a&event=a", &["event"]),
        (
            "since=x&until=y&event=*&status=z&limit=0",
            &["event", "limit", "since", "status", "until"],
        ),
    ] {
        let refused = app.api.get(&format!("/{id}/deliveries?{query}")).await;
        refused.must_be_invalid(invalid);
    }
}

#[tokio::test]
async fn filters_cost_no_extra_reads() {
    let (app, id, _) = start().await;
    app.api.page(&id, "").await;
    let span = format!("since={}&until={}", time(10), time(25));
    for query in [
        span.clone(),
        format!("{span}&status=FAILED"),
        format!("{span}&event=a"),
        "event=invoice.sent".to_owned(),
    ] {
        app.aws.wire.take();
        app.api.page(&id, &query).await;
        assert_eq!(app.aws.wire.take(), ["GetItem", "Query"], "{query}");
    }
}

#[tokio::test]
async fn expired_deliveries_cause_no_empty_pages() {
    let clock = HandClock::at(START);
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let (id, _) = app
        .api
        .create_webhook("https://receiver.example.com/")
        .await;
    let start = clock.now() - app.deliverer.retention - MINUTE;
    app.aws.seed_failures(endpoint_id(&id), 200, start).await;
    let kept = app
        .aws
        .seed_event(endpoint_id(&id), "a", clock.now(), 500)
        .await;
    for query in ["limit=1", "limit=1&status=FAILED", "limit=2"] {
        let (items, next) = app.api.page(&id, query).await;
        let ids: Vec<_> = items.iter().map(item_id).collect();
        assert_eq!(ids, [kept.delivery_id.to_string()], "{query}");
        assert_eq!(next, None, "{query}");
    }
}
