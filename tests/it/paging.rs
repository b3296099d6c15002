//! Paging through a delivery history.

use std::time::Duration;

use jiff::Timestamp;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::id::DeliveryId;

use crate::support::queue::endpoint_id;
use crate::support::seeds::Seed;
use crate::support::{Options, TestApp};

/// No test sends anything to this URL.
const NOWHERE: &str = "https://receiver.example.com/";

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn start() -> (TestApp, String) {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook(NOWHERE).await;
    (app, id)
}

/// Asserts that the pages show exactly these deliveries, given oldest first.
/// Every page must be full except the last, which may be empty only if there
/// are no deliveries.
#[track_caller]
fn assert_pages(pages: &[Vec<String>], oldest_first: &[String], limit: usize) {
    let expected: Vec<Vec<String>> = match oldest_first {
        [] => vec![Vec::new()],
        some => some
            .rchunks(limit)
            .map(|page| page.iter().rev().cloned().collect())
            .collect(),
    };
    assert_eq!(pages, expected);
}

async fn nothing() {}

#[tokio::test]
async fn pages_are_full_and_skip_or_repeat_nothing() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook(NOWHERE).await;
    let endpoint = endpoint_id(&id);
    let (mut all, mut delivered, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..130 {
        // The pattern is not periodic in any page size.
        let seed = if index % 7 == 3 || index % 11 == 0 {
            Seed::Failed
        } else {
            Seed::Delivered
        };
        let seeded = app.aws.seed(endpoint, seed).await;
        match seed {
            Seed::Failed => failed.push(seeded.clone()),
            _ => delivered.push(seeded.clone()),
        }
        all.push(seeded);
    }
    // 130 is a multiple of the last three limits, whose last page is full too.
    for limit in [1, 7, 100, 10, 26, 65] {
        let pages = app.api.pages(&id, &format!("limit={limit}"), nothing).await;
        assert_pages(&pages, &all, limit);
    }
    for (status, ids) in [("DELIVERED", delivered), ("FAILED", failed)] {
        assert!(ids.len() > 20, "{status}");
        for limit in [1, 7, 100, ids.len().min(100), ids.len() / 2] {
            let query = format!("status={status}&limit={limit}");
            assert_pages(&app.api.pages(&id, &query, nothing).await, &ids, limit);
        }
    }
    for limit in [1, 100] {
        let query = format!("status=PENDING&limit={limit}");
        assert_pages(&app.api.pages(&id, &query, nothing).await, &[], limit);
    }
}

#[tokio::test]
async fn pages_of_delivered_skip_long_runs_of_failures() {
    let (app, id) = start().await;
    let endpoint = endpoint_id(&id);
    let mut delivered = Vec::new();
    for (failures, successes) in [(150, 4), (1, 1), (300, 3), (200, 0)] {
        let now = Clock::system().now();
        app.aws.seed_failures(endpoint, failures, now).await;
        // Ids are in time order, so these come after the failures.
        let after = now + Duration::from_millis(failures);
        for number in 0..successes {
            let at = after + Duration::from_millis(number);
            let task = app.aws.seed_event(endpoint, "a", at, 200).await;
            delivered.push(task.delivery_id.to_string());
        }
        tokio::time::sleep(Duration::from_millis(failures + successes)).await;
    }
    for limit in [1, 2, 4, 8, 100] {
        let query = format!("status=delivered&limit={limit}");
        let pages = app.api.pages(&id, &query, nothing).await;
        assert_pages(&pages, &delivered, limit);
    }
    // Each query reads four times as much as the one before.
    app.aws.wire.take();
    app.api.page(&id, "status=delivered&limit=8").await;
    let calls = app.aws.wire.take();
    assert_eq!(calls, ["GetItem", "Query", "Query", "Query", "Query"]);
}

#[tokio::test]
async fn new_deliveries_do_not_shift_pages() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook(NOWHERE).await;
    let endpoint = endpoint_id(&id);
    for query in ["limit=3", "limit=3&status=DELIVERED"] {
        let mut seeded = Vec::new();
        for _ in 0..20 {
            seeded.insert(0, app.aws.seed(endpoint, Seed::Delivered).await);
        }
        let mut arrived = 0;
        let pages = app
            .api
            .pages(&id, query, async || {
                // Concurrently with each page's request, and more than fit on a
                // page.
                for _ in 0..4 {
                    app.aws.seed(endpoint, Seed::Delivered).await;
                    arrived += 1;
                }
            })
            .await;
        assert!(arrived > 20, "{arrived}");
        let (last, full) = pages.split_last().unwrap();
        assert!(full.iter().all(|page| page.len() == 3), "{pages:?}");
        assert!(!last.is_empty(), "{pages:?}");
        let seen = pages.concat();
        // Ids are in time order: newest first, without repeats.
        assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "{seen:?}");
        let known = seen.iter().filter(|id| seeded.contains(id)).count();
        assert_eq!(known, seeded.len(), "{seen:?}");
    }
}

#[tokio::test]
async fn expired_deliveries_are_hidden_before_they_are_removed() {
    let now: Timestamp = "2026-01-31T09:30:00Z".parse().unwrap();
    let mut options = Options::idle();
    options.settings.clock = Clock::from_fn(move || now);
    options.settings.retention = HOUR;
    let app = TestApp::start_with(options).await;
    let (id, _) = app.api.create_webhook(NOWHERE).await;
    let endpoint = endpoint_id(&id);
    let second = Duration::from_secs(1);
    let mut kept = Vec::new();
    let mut expired = Vec::new();
    // Oldest first: a run of expired ones longer than any page, a mixture, and
    // expired ones at the top as well.
    for run in [[40, 0], [3, 5], [1, 1], [20, 1], [2, 8], [5, 0]] {
        for _ in 0..run[0] {
            // It has just expired.
            expired.push(app.aws.seed_at(endpoint, Seed::Delivered, now - HOUR).await);
        }
        for _ in 0..run[1] {
            // It is about to expire.
            let at = now - HOUR + second;
            kept.push(app.aws.seed_at(endpoint, Seed::Delivered, at).await);
        }
    }
    for limit in [1, 5, 7, 15, 100] {
        for filter in ["", "&status=delivered"] {
            let query = format!("limit={limit}{filter}");
            assert_pages(&app.api.pages(&id, &query, nothing).await, &kept, limit);
        }
    }
    let table = app.aws.table();
    for id in expired {
        let id = DeliveryId::parse(&id).unwrap();
        let found = table
            .delivery(app.aws.endpoint_key(endpoint), id)
            .await
            .unwrap();
        assert!(found.is_some(), "{id}");
    }
}

#[tokio::test]
async fn fully_expired_histories_are_one_empty_page() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook(NOWHERE).await;
    let long_ago = Clock::system().now() - app.deliverer.retention - HOUR;
    for _ in 0..5 {
        app.aws
            .seed_at(endpoint_id(&id), Seed::Delivered, long_ago)
            .await;
    }
    for query in ["limit=1", "limit=2&status=DELIVERED"] {
        assert_pages(&app.api.pages(&id, query, nothing).await, &[], 2);
    }
}

#[tokio::test]
async fn pages_cost_two_reads_with_any_filter() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook(NOWHERE).await;
    for seed in [Seed::Delivered, Seed::Failed, Seed::Delivered, Seed::Failed] {
        app.aws.seed(endpoint_id(&id), seed).await;
    }
    for query in ["limit=1", "limit=1&status=FAILED", "limit=100"] {
        app.aws.wire.take();
        app.api.page(&id, query).await;
        assert_eq!(app.aws.wire.take(), ["GetItem", "Query"], "{query}");
    }
}

#[tokio::test]
async fn cursors_work_only_unchanged_and_for_their_own_list() {
    let (app, id) = start().await;
    let (other, _) = app.api.create_webhook(NOWHERE).await;
    for _ in 0..2 {
        app.aws.seed(endpoint_id(&id), Seed::Pending).await;
        app.aws.seed(endpoint_id(&other), Seed::Pending).await;
    }
    let of_all = app.api.page(&id, "limit=1").await.1.unwrap();
    let of_pending = app.api.page(&id, "limit=1&status=PENDING").await.1.unwrap();
    let of_other = app.api.page(&other, "limit=1").await.1.unwrap();

    // Cursors work for their own list. The limit and the spelling of the
    // filters may change.
    for (endpoint, query) in [
        (&id, format!("limit=100&cursor={of_all}")),
        (&id, format!("limit=100&status=pending&cursor={of_pending}")),
        (&other, format!("cursor={of_other}")),
    ] {
        let (items, next) = app.api.page(endpoint, &query).await;
        assert_eq!((items.len(), next), (1, None), "{query}");
    }

    let changed = |index: usize| {
        let mut bytes = of_all.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let middle = of_all.len() / 2;
    for (query, why) in [
        (format!("cursor={of_other}"), "of another endpoint"),
        (format!("cursor={of_pending}"), "of a filtered list"),
        (
            format!("status=PENDING&cursor={of_all}"),
            "of the unfiltered list",
        ),
        (
            format!("status=FAILED&cursor={of_pending}"),
            "of another filter",
        ),
        (format!("cursor={}", changed(0)), "changed at its beginning"),
        (
            format!("cursor={}", changed(middle)),
            "changed in its middle",
        ),
        (
            format!("cursor={}", changed(of_all.len() - 1)),
            "changed at its end",
        ),
        (format!("cursor={}", &of_all[1..]), "too short"),
        (format!("cursor={of_all}A"), "too long"),
        (format!("cursor={of_all}%3D"), "padded"),
        (
            format!("cursor={}", DeliveryId::new()),
            "the id of a delivery",
        ),
        ("cursor=%00%FF%22".to_owned(), "no text"),
    ] {
        let refused = app.api.get(&format!("/{id}/deliveries?{query}")).await;
        assert_eq!(refused.status, 400, "{why}: {refused:?}");
        refused.must_be_invalid(&["cursor"]);
    }
}

#[tokio::test]
async fn invalid_filters_are_not_reported_as_invalid_cursors() {
    let (app, id) = start().await;
    for _ in 0..2 {
        app.aws.seed(endpoint_id(&id), Seed::Pending).await;
    }
    let (_, next) = app.api.page(&id, "status=PENDING&limit=1").await;
    let cursor = next.unwrap();
    for (query, fields) in [
        ("status=OPEN", &["status"] as &[_]),
        ("status=PENDING&limit=0", &["limit"]),
        ("status=FAILED&limit=0", &["cursor", "limit"]),
        ("status=PENDING&limit=%2B5", &["limit"]),
    ] {
        let refused = app
            .api
            .get(&format!("/{id}/deliveries?{query}&cursor={cursor}"))
            .await;
        refused.must_be_invalid(fields);
    }
}
