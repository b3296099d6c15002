//! How many AWS calls each API call makes.

use std::time::Duration;

use local::service;
use webhook_endpoints::domain::id::{AppId, EndpointId};

use crate::support::calls::{Call, Ids, every_call, every_call_on};
use crate::support::hand_clock::HandClock;
use crate::support::{Options, TestApp};

/// The AWS calls of each API call whose caller's key is cached, by
/// `operationId`.
const COSTS: [(&str, &[&str]); 12] = [
    ("createWebhook", &["CreateSecret", "TransactWriteItems"]),
    ("listWebhooks", &["Query"]),
    ("getWebhook", &["GetItem"]),
    ("updateWebhook", &["UpdateItem"]),
    (
        "deleteWebhook",
        &["DeleteSecret", "TransactWriteItems", "UpdateItem"],
    ),
    ("rotateSecret", &["GetItem", "PutSecretValue", "UpdateItem"]),
    // A ping that waits also polls for its outcome.
    ("testPing", &["GetItem", "PutItem", "SendMessage"]),
    // The first time. After that the endpoint is cached.
    ("listDeliveries", &["GetItem", "Query"]),
    // The second read is of the event's payload, which a ping does not have.
    ("getDelivery", &["BatchGetItem", "GetItem"]),
    (
        "resendDelivery",
        &["BatchGetItem", "PutItem", "SendMessage"],
    ),
    // Nothing failed, so no message is sent.
    ("recoverDeliveries", &["GetItem", "Query"]),
    ("publishEvent", &["SendMessage"]),
];

fn cost_of(call: &Call) -> &'static [&'static str] {
    let found = COSTS.iter().find(|(name, _)| *name == call.name);
    let (_, cost) = found.unwrap_or_else(|| panic!("COSTS lacks {}", call.name));
    cost
}

/// A service without a poller, so that only the API makes AWS calls.
async fn quiet_app(api_key_cache: Duration) -> TestApp {
    let mut options = Options {
        polling: false,
        ..Options::default()
    };
    options.settings.api_key_cache = api_key_cache;
    TestApp::start_with(options).await
}

/// Asserts the AWS calls of every API call, for a caller whose key is cached or
/// not.
async fn assert_costs(app: &TestApp, known: bool) {
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let ids = Ids::with_delivery(app, &id).await;
    app.aws.wire.take();
    let calls = every_call(&ids);
    assert_eq!(calls.len(), COSTS.len(), "COSTS has an unknown operation");
    for call in calls {
        let (name, cost) = (call.name, cost_of(&call));
        let answer = app.api.call(&call).await;
        assert!(answer.status.is_success(), "{name}: {answer:?}");
        let mut expected = match (known, name) {
            (true, _) => cost.to_vec(),
            // One read gets both the key and the endpoint.
            (false, "listDeliveries") => vec!["BatchGetItem", "Query"],
            (false, _) => [&["GetItem"], cost].concat(),
        };
        expected.sort_unstable();
        assert_eq!(app.aws.wire.take(), expected, "{name}");
    }
}

#[tokio::test]
async fn calls_with_a_known_key_make_only_their_own_aws_calls() {
    let app = quiet_app(Duration::from_secs(300)).await;
    assert_costs(&app, true).await;
}

#[tokio::test]
async fn calls_with_an_uncached_key_cost_at_most_one_more_read() {
    let app = quiet_app(Duration::ZERO).await;
    assert_costs(&app, false).await;
}

#[tokio::test]
async fn keys_are_looked_up_once() {
    let app = quiet_app(Duration::from_secs(300)).await;
    for expected in [&["GetItem", "Query"][..], &["Query"], &["Query"]] {
        app.api.get("").await;
        assert_eq!(app.aws.wire.take(), expected);
    }
}

#[tokio::test]
async fn rejecting_a_caller_costs_at_most_one_read() {
    let app = quiet_app(Duration::from_secs(300)).await;
    let unknown = service::new_key();
    app.api.get("").await;
    app.aws.wire.take();
    for call in every_call(&Ids::unknown()) {
        let read: &[&str] = match call.name {
            "listDeliveries" => &["BatchGetItem"],
            _ => &["GetItem"],
        };
        for (key, app_id, cost) in [
            (None, app.app_id, &[][..]),
            (Some("no key at all"), app.app_id, &[]),
            (Some(unknown.expose()), app.app_id, read),
            (Some(app.key.expose()), AppId::new(), &[]),
        ] {
            let refused = app.api.call_as(app_id, key, &call).await;
            assert!(refused.status.is_client_error());
            assert_eq!(app.aws.wire.take(), cost, "{} with {key:?}", call.name);
        }
    }
}

#[tokio::test]
async fn calls_on_a_missing_endpoint_cost_only_the_lookup() {
    let app = quiet_app(Duration::from_secs(300)).await;
    app.api.get("").await;
    app.aws.wire.take();
    for call in every_call_on(&Ids::unknown()) {
        let cost: &[&str] = match call.name {
            "updateWebhook" | "deleteWebhook" => &["UpdateItem"],
            "getDelivery" | "resendDelivery" => &["BatchGetItem"],
            "listDeliveries" => &["GetItem", "Query"],
            _ => &["GetItem"],
        };
        app.api.call(&call).await.must_fail_with(404, "NOT_FOUND");
        assert_eq!(app.aws.wire.take(), cost, "{}", call.name);
    }
}

#[tokio::test]
async fn pages_after_the_first_cost_one_read_each() {
    let app = quiet_app(Duration::from_secs(300)).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let (other, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.wire.take();
    for (endpoint, cost) in [
        (&id, &["GetItem", "Query"][..]),
        (&id, &["Query"]),
        (&other, &["GetItem", "Query"]),
        (&id, &["Query"]),
    ] {
        app.api.page(endpoint, "").await;
        assert_eq!(app.aws.wire.take(), cost);
    }
}

#[tokio::test]
async fn first_page_of_an_uncached_caller_costs_two_reads_and_the_next_one() {
    let mut options = Options::idle();
    options.settings.api_key_cache = Duration::from_secs(10);
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    options.settings.clock = clock.clock();
    let app = TestApp::start_with(options).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    clock.advance(Duration::from_secs(10));
    app.aws.wire.take();
    app.api.page(&id, "").await;
    assert_eq!(app.aws.wire.take(), ["BatchGetItem", "Query"]);
    app.api.page(&id, "").await;
    assert_eq!(app.aws.wire.take(), ["Query"]);
    let missing = EndpointId::new();
    clock.advance(Duration::from_secs(10));
    let answer = app.api.get(&format!("/{missing}/deliveries")).await;
    answer.must_fail_with(404, "NOT_FOUND");
    assert_eq!(app.aws.wire.take(), ["BatchGetItem", "Query"]);
}
