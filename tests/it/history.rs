//! The delivery history: its fields, order and pages, and the queries that it rejects.

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use webhook_endpoints::aws::table::Marked;
use webhook_endpoints::clock::Clock;
use webhook_endpoints::domain::delivery::Attempt;
use webhook_endpoints::domain::event_type::EventType;
use webhook_endpoints::domain::id::EndpointId;

use crate::support::api::item_id;
use crate::support::asserts::DELIVERY_FIELDS;
use crate::support::queue::endpoint_id;
use crate::support::seeds::{Seed, answered};
use crate::support::{Options, TestApp, answer, fields};

/// No test sends anything to this URL.
const NOWHERE: &str = "https://receiver.example.com/";

async fn start() -> (TestApp, String) {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook(NOWHERE).await;
    (app, id)
}

#[tokio::test]
async fn new_endpoints_have_an_empty_history() {
    let (app, id) = start().await;
    let page = app.api.get(&format!("/{id}/deliveries")).await;
    assert_eq!(*page.data(), json!({"items": [], "nextCursor": null}));
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_with_all_fields() {
    let now: Timestamp = "2026-01-31T09:30:00.250Z".parse().unwrap();
    let mut options = Options::idle();
    options.settings.clock = Clock::from_fn(move || now);
    let app = TestApp::start_with(options).await;
    let (id, _) = app.api.create_webhook(NOWHERE).await;
    let endpoint = endpoint_id(&id);

    let delivered = app.aws.seed_at(endpoint, Seed::Delivered, now).await;
    let failed = app.aws.seed_at(endpoint, Seed::Failed, now).await;
    let pending = app.aws.seed_at(endpoint, Seed::Pending, now).await;
    // Failed twice, with a retry scheduled.
    let event = EventType::parse("invoice.paid").unwrap();
    let retried = app.aws.task_at(endpoint, event, now);
    let attempt = Attempt {
        number: 2,
        started_at: now,
        duration_ms: 1,
        verdict: answered(503),
    };
    let retry_at = "2026-01-31T10:00:00Z".parse().unwrap();
    app.aws.record(&retried, &attempt, Some(retry_at)).await;

    let page = app.api.get(&format!("/{id}/deliveries")).await;
    let created = "2026-01-31T09:30:00.250Z";
    let expected = json!({
        "nextCursor": null,
        "items": [
            {
                "id": retried.delivery_id, "event": "invoice.paid", "status": "PENDING",
                "responseStatus": 503, "attempts": 2, "createdAt": created,
                "deliveredAt": null, "nextRetryAt": "2026-01-31T10:00:00.000Z",
            },
            {
                "id": pending, "event": "test.ping", "status": "PENDING",
                "responseStatus": null, "attempts": 0, "createdAt": created,
                "deliveredAt": null, "nextRetryAt": null,
            },
            {
                "id": failed, "event": "test.ping", "status": "FAILED",
                "responseStatus": null, "attempts": 1, "createdAt": created,
                "deliveredAt": null, "nextRetryAt": null,
            },
            {
                "id": delivered, "event": "test.ping", "status": "DELIVERED",
                "responseStatus": 200, "attempts": 1, "createdAt": created,
                "deliveredAt": "2026-01-31T09:30:01.500Z", "nextRetryAt": null,
            },
        ],
    });
    assert_eq!(*page.data(), expected);
    let items = page.data()["items"].as_array().unwrap();
    assert!(items.iter().all(|item| fields(item) == DELIVERY_FIELDS));
}

#[tokio::test]
async fn success_clears_the_next_retry() {
    let (app, id) = start().await;
    let now = Clock::system().now();
    let task = app
        .aws
        .task_at(endpoint_id(&id), EventType::test_ping(), now);
    let attempt = |number, status| Attempt {
        number,
        started_at: now,
        duration_ms: 1,
        verdict: answered(status),
    };
    app.aws.record(&task, &attempt(1, 500), Some(now)).await;
    let first = app.api.deliveries(&id).await;
    app.aws.record(&task, &attempt(2, 200), None).await;

    assert!(first[0]["nextRetryAt"].is_string(), "{first:?}");
    let delivered = app.api.deliveries(&id).await;
    assert_eq!(delivered.len(), 1);
    assert_eq!(delivered[0]["nextRetryAt"], Value::Null);
    assert_eq!(delivered[0]["responseStatus"], 200);
    assert_eq!(delivered[0]["attempts"], 2);
    // It is no longer listed as pending.
    assert_eq!(app.api.page(&id, "status=pending").await, (vec![], None));
    assert_eq!(app.api.page(&id, "status=delivered").await.0, delivered);
}

#[tokio::test]
async fn status_filter_ignores_letter_case() {
    let (app, id) = start().await;
    let endpoint = endpoint_id(&id);
    for _ in 0..2 {
        for seed in [Seed::Pending, Seed::Delivered, Seed::Failed] {
            app.aws.seed(endpoint, seed).await;
        }
    }
    let all = app.api.page(&id, "limit=100").await.0;
    assert_eq!(all.len(), 6);
    for (status, spellings) in [
        ("PENDING", ["PENDING", "pending", "pEnDiNg"]),
        ("DELIVERED", ["DELIVERED", "delivered", "Delivered"]),
        ("FAILED", ["FAILED", "failed", "faileD"]),
    ] {
        let expected: Vec<_> = all
            .iter()
            .filter(|item| item["status"] == status)
            .cloned()
            .collect();
        assert_eq!(expected.len(), 2);
        for spelling in spellings {
            let (items, next) = app.api.page(&id, &format!("status={spelling}")).await;
            assert_eq!((items, next), (expected.clone(), None), "{spelling}");
        }
    }
}

#[tokio::test]
async fn pages_have_25_deliveries_by_default() {
    let (app, id) = start().await;
    for _ in 0..101 {
        app.aws.seed(endpoint_id(&id), Seed::Pending).await;
    }
    for (query, length) in [
        ("", 25),
        ("limit=1", 1),
        ("limit=26", 26),
        ("limit=100", 100),
    ] {
        let (items, next) = app.api.page(&id, query).await;
        assert_eq!(items.len(), length, "{query}");
        assert!(next.is_some(), "{query}");
    }
}

#[tokio::test]
async fn limits_outside_1_to_100_are_rejected() {
    let (app, id) = start().await;
    for limit in [
        "0",
        "101",
        "-1",
        "abc",
        "1.5",
        "1e1",
        "0x10",
        "%2010",
        "10%20",
        "null",
        "99999999999999999999999",
    ] {
        let refused = app
            .api
            .get(&format!("/{id}/deliveries?limit={limit}"))
            .await;
        refused.must_be_invalid(&["limit"]);
    }
}

#[tokio::test]
async fn unknown_statuses_are_rejected() {
    let (app, id) = start().await;
    for status in ["OPEN", "PENDING,FAILED", "PENDING%20", "%FF"] {
        let refused = app
            .api
            .get(&format!("/{id}/deliveries?status={status}"))
            .await;
        refused.must_be_invalid(&["status"]);
    }
}

#[tokio::test]
async fn repeated_parameters_are_rejected() {
    let (app, id) = start().await;
    for (query, field) in [
        ("limit=1&limit=2", "limit"),
        ("limit=1&limit=1", "limit"),
        ("status=PENDING&status=FAILED", "status"),
        ("cursor=a&cursor=b", "cursor"),
    ] {
        let refused = app.api.get(&format!("/{id}/deliveries?{query}")).await;
        refused.must_be_invalid(&[field]);
    }
}

#[tokio::test]
async fn all_errors_are_reported_at_once() {
    let (app, id) = start().await;
    let refused = app
        .api
        .get(&format!("/{id}/deliveries?limit=0&status=OPEN&cursor=x"))
        .await;
    refused.must_be_invalid(&["cursor", "limit", "status"]);
}

#[tokio::test]
async fn missing_endpoints_have_no_history() {
    let (app, id) = start().await;
    let unknown = EndpointId::new();
    let missing = app.api.get(&format!("/{unknown}/deliveries")).await;
    missing.must_fail_with(404, "NOT_FOUND");

    app.aws.seed(endpoint_id(&id), Seed::Delivered).await;
    app.api.delete(&format!("/{id}")).await;
    let deleted = app.api.get(&format!("/{id}/deliveries")).await;
    deleted.must_fail_with(404, "NOT_FOUND");
}

#[tokio::test]
async fn history_lists_only_the_endpoints_own_deliveries() {
    let (app, id) = start().await;
    let (other, _) = app.api.create_webhook(NOWHERE).await;
    let own = app.aws.seed(endpoint_id(&id), Seed::Delivered).await;
    app.aws.seed(endpoint_id(&other), Seed::Delivered).await;
    for query in ["", "status=DELIVERED"] {
        let (items, _) = app.api.page(&id, query).await;
        let ids: Vec<_> = items.iter().map(item_id).collect();
        assert_eq!(ids, [own.as_str()]);
    }
}

#[tokio::test]
async fn deleting_an_endpoint_hides_its_history_at_once() {
    let app = TestApp::start_with(Options::idle()).await;
    let (id, _) = app.api.create_webhook(NOWHERE).await;
    let history = format!("/{id}/deliveries");
    app.api.get(&history).await.data();
    // Another instance of the API deletes the endpoint.
    let key = app.aws.endpoint_key(endpoint_id(&id));
    let now = app.deliverer.clock.now();
    let marked = app.aws.table().mark_endpoint_deleted(key, now).await;
    assert_ne!(marked.unwrap(), Marked::Missing);
    for path in ["", "?status=failed", "?limit=1"] {
        let answer = app.api.get(&format!("{history}{path}")).await;
        answer.must_fail_with(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn histories_are_hidden_from_other_apps() {
    let (app, id) = start().await;
    let history = format!("/{id}/deliveries");
    app.api.get(&history).await.data();
    let (other, key) = app.other_app().await;
    for owner in [app.app_id, other] {
        let path = format!("/apps/{owner}/webhooks{history}");
        for _ in 0..2 {
            let request = app.api.bare(Method::GET, &path);
            let answer = answer(request.header("x-api-key", key.expose())).await;
            answer.must_fail_with(404, "NOT_FOUND");
        }
    }
}
