//! The AWS calls that each API call makes.

use std::time::Duration;

use local::service;
use reqwest::StatusCode;
use serde_json::Value;
use webhook_endpoints::domain::id::AppId;
use webhook_endpoints::domain::secret::SecretStorage;

use crate::support::calls::{Call, Ids, call_named, every_call, every_call_below};
use crate::support::wire::Request;
use crate::support::{Options, STORAGES, TestApp};

/// The AWS calls of each operation, by `operationId`, if the caller's key is cached.
/// docs/performance.md lists them; see [`crate::documented_calls`].
pub const COSTS: [(&str, &[&str]); 32] = [
    // The first update marks the app. The others revoke the app's first key, and the key
    // and session that earlier calls of the test created. (The test itself revoked the
    // others.)
    (
        "deleteApp",
        &[
            "Query",
            "SendMessage",
            "UpdateItem",
            "UpdateItem",
            "UpdateItem",
            "UpdateItem",
        ],
    ),
    ("getKey", &[]),
    ("listEventTypes", &["Query"]),
    ("getEventType", &["GetItem"]),
    // For a type that exists.
    ("putEventType", &["UpdateItem"]),
    ("deleteEventType", &["TransactWriteItems"]),
    ("listApps", &["Query"]),
    ("putApp", &["UpdateItem"]),
    // Both at the same time. The query counts the app's keys.
    ("getApp", &["GetItem", "Query"]),
    ("listKeys", &["GetItem", "Query"]),
    // The reads run concurrently.
    ("createKey", &["GetItem", "Query", "TransactWriteItems"]),
    ("revokeKey", &["Query", "UpdateItem"]),
    // The transaction also checks that the app exists.
    ("createPortalSession", &["TransactWriteItems"]),
    ("revokePortalSession", &["Query", "UpdateItem"]),
    (
        "createWebhook",
        &["CreateSecret", "GetItem", "TransactWriteItems"],
    ),
    ("listWebhooks", &["Query"]),
    ("getWebhook", &["GetItem"]),
    ("updateWebhook", &["UpdateItem"]),
    (
        "deleteWebhook",
        &["DeleteSecret", "TransactWriteItems", "UpdateItem"],
    ),
    // The first update reserves the rotation, the second makes the new version current.
    (
        "rotateSecret",
        &["PutSecretValue", "UpdateItem", "UpdateItem"],
    ),
    ("deletePreviousSecret", &["UpdateItem"]),
    // The updates take the endpoint's ping slot and count the ping against the app's
    // budget. A ping that waits also polls for its outcome.
    (
        "testPing",
        &["PutItem", "SendMessage", "UpdateItem", "UpdateItem"],
    ),
    // Both at the same time.
    ("listDeliveries", &["GetItem", "Query"]),
    // The second read gets the event's payload, which pings store in the delivery itself.
    ("getDelivery", &["BatchGetItem", "GetItem"]),
    (
        "resendDelivery",
        &["BatchGetItem", "PutItem", "SendMessage"],
    ),
    // Nothing failed, so no recovery begins and no message is sent.
    ("recoverDeliveries", &["GetItem", "Query"]),
    ("testFilter", &["GetItem"]),
    // The queries read the app's endpoints, and the deliveries of the other endpoint, which
    // has none. The updates take the endpoint's recovery slot and free it.
    (
        "replayEvents",
        &["GetItem", "Query", "Query", "UpdateItem", "UpdateItem"],
    ),
    ("publishEvent", &["SendMessage"]),
    ("publishEvents", &["SendMessageBatch"]),
    // The queries read the app's endpoints and the event's resends. The second update
    // erases its only delivery.
    (
        "deleteEvent",
        &[
            "BatchGetItem",
            "Query",
            "Query",
            "SendMessageBatch",
            "UpdateItem",
            "UpdateItem",
        ],
    ),
    // The last read gets the event's deliveries.
    ("getEvent", &["BatchGetItem", "GetItem", "Query"]),
];

/// The operations that make other calls if secrets are sealed.
pub const SEALED_COSTS: [(&str, &[&str]); 3] = [
    ("createWebhook", &["TransactWriteItems"]),
    ("deleteWebhook", &["TransactWriteItems"]),
    ("rotateSecret", &["TransactWriteItems", "UpdateItem"]),
];

fn cost_of(call: &Call, storage: SecretStorage) -> &'static [&'static str] {
    let sealed = SEALED_COSTS.iter().find(|(name, _)| *name == call.name);
    if let (Some((_, cost)), SecretStorage::Sealed) = (sealed, storage) {
        return cost;
    }
    let found = COSTS.iter().find(|(name, _)| *name == call.name);
    let (_, cost) = found.unwrap_or_else(|| panic!("COSTS lacks {}", call.name));
    cost
}

/// Starts a service without pollers, so that only the API makes AWS calls.
async fn quiet_app(api_key_cache: Duration) -> TestApp {
    quiet_app_with(SecretStorage::PerEndpoint, api_key_cache).await
}

async fn quiet_app_with(storage: SecretStorage, api_key_cache: Duration) -> TestApp {
    let mut options = Options {
        polling: false,
        ..Options::default()
    };
    options.settings.api_key_cache = api_key_cache;
    TestApp::start_with(options.with_storage(storage)).await
}

/// Asserts the AWS calls of every operation, with the caller's key cached or not.
async fn assert_costs(app: &TestApp, storage: SecretStorage, known: bool) {
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let ids = Ids::with_delivery(app, &id).await;
    // Cache the platform key.
    app.api.call(&call_named("listApps", &ids)).await;
    app.aws.wire.take();
    let calls = every_call(&ids);
    assert_eq!(calls.len(), COSTS.len(), "COSTS has an unknown operation");
    for call in calls {
        let (name, cost) = (call.name, cost_of(&call, storage));
        let answer = app.api.call(&call).await;
        assert!(answer.status.is_success(), "{name}: {answer:?}");
        let key: &[&str] = if known { &[] } else { &["GetItem"] };
        let mut expected = [key, cost].concat();
        expected.sort_unstable();
        assert_eq!(app.aws.wire.take(), expected, "{name}, {storage:?}");
    }
}

#[tokio::test]
async fn calls_with_a_cached_key_make_only_their_own_aws_calls() {
    for storage in STORAGES {
        let app = quiet_app_with(storage, Duration::from_secs(300)).await;
        assert_costs(&app, storage, true).await;
    }
}

#[tokio::test]
async fn calls_with_an_uncached_key_cost_at_most_one_more_read() {
    for storage in STORAGES {
        let app = quiet_app_with(storage, Duration::ZERO).await;
        assert_costs(&app, storage, false).await;
    }
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
async fn rejected_callers_cost_at_most_one_read() {
    let app = quiet_app(Duration::from_secs(300)).await;
    let unknown = service::new_key();
    app.api.get("").await;
    app.aws.wire.take();
    let mut calls = every_call(&Ids::unknown());
    calls.retain(|call| call.needs != "any");
    for call in calls {
        let read: &[&str] = &["GetItem"];
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
async fn calls_on_missing_resources_cost_only_the_lookup() {
    for storage in STORAGES {
        let app = quiet_app_with(storage, Duration::from_secs(300)).await;
        app.api.get("").await;
        app.aws.wire.take();
        for call in every_call_below(&Ids::unknown()) {
            let cost: &[&str] = match call.name {
                "deleteWebhook" if storage == SecretStorage::Sealed => &["TransactWriteItems"],
                "updateWebhook"
                | "deleteWebhook"
                | "rotateSecret"
                | "deletePreviousSecret"
                | "testPing"
                | "deleteEvent" => &["UpdateItem"],
                "getDelivery" | "resendDelivery" => &["BatchGetItem"],
                "listDeliveries" | "getEvent" => &["GetItem", "Query"],
                _ => &["GetItem"],
            };
            app.api.call(&call).await.must_fail_with(404, "NOT_FOUND");
            assert_eq!(app.aws.wire.take(), cost, "{}", call.name);
        }
    }
}

#[tokio::test]
async fn rotating_a_deleted_secret_costs_one_or_two_more_calls() {
    let app = quiet_app(Duration::from_secs(300)).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    for (recovery_days, more) in [
        (None, &["CreateSecret"][..]),
        (Some(7), &["PutSecretValue", "RestoreSecret"]),
    ] {
        app.aws.remove_secret(&id, recovery_days).await;
        app.aws.wire.take();
        let rotated = app.api.post(&format!("/{id}/rotate-secret")).await;
        assert!(rotated.status.is_success(), "{rotated:?}");
        let mut expected = [more, &["PutSecretValue", "UpdateItem", "UpdateItem"]].concat();
        expected.sort_unstable();
        assert_eq!(app.aws.wire.take(), expected);
    }
}

#[tokio::test]
async fn rotations_that_move_a_secret_clean_up_its_former_place() {
    let app = quiet_app_with(SecretStorage::Sealed, Duration::from_secs(300)).await;
    let per_endpoint = app.another_api(SecretStorage::PerEndpoint).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    per_endpoint.get("").await;
    app.aws.wire.take();
    let sealed = [
        "DeleteSecret",
        "GetItem",
        "TransactWriteItems",
        "UpdateItem",
    ];
    let per_endpoint_calls = [
        "PutSecretValue",
        "RestoreSecret",
        "UpdateItem",
        "UpdateItem",
    ];
    for (api, more, calls) in [
        (&per_endpoint, &["CreateSecret"][..], per_endpoint_calls),
        (&app.api, &[], sealed),
        (
            &per_endpoint,
            &["PutSecretValue", "RestoreSecret"],
            per_endpoint_calls,
        ),
    ] {
        let rotated = api.post(&format!("/{id}/rotate-secret")).await;
        assert!(rotated.status.is_success(), "{rotated:?}");
        let mut expected = [more, &calls].concat();
        expected.sort_unstable();
        assert_eq!(app.aws.wire.take(), expected);
    }
}

#[tokio::test]
async fn every_history_page_costs_two_reads() {
    let app = quiet_app(Duration::from_secs(300)).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    app.aws.wire.take();
    for query in ["", "status=failed", "limit=1"] {
        app.api.page(&id, query).await;
        assert_eq!(app.aws.wire.take(), ["GetItem", "Query"]);
    }
}

#[tokio::test]
async fn adding_an_event_type_costs_an_extra_transaction() {
    let app = quiet_app(Duration::from_secs(300)).await;
    let mut put = call_named("putEventType", &Ids::unknown());
    app.api.call(&call_named("listApps", &Ids::unknown())).await;
    for name in ["a", "b.c"] {
        put.path = format!("/event-types/{name}");
        for (status, cost) in [
            (
                StatusCode::CREATED,
                &["TransactWriteItems", "UpdateItem"][..],
            ),
            (StatusCode::OK, &["UpdateItem"]),
        ] {
            app.aws.wire.take();
            assert_eq!(app.api.call(&put).await.status, status);
            assert_eq!(app.aws.wire.take(), cost);
        }
    }
    // Invalid names are rejected without a read.
    put.path = "/event-types/test.ping".to_owned();
    app.api.call(&put).await.must_be_invalid(&["name"]);
    for name in ["getEventType", "deleteEventType"] {
        let mut call = call_named(name, &Ids::unknown());
        call.path = "/event-types/a.*".to_owned();
        app.api.call(&call).await.must_fail_with(404, "NOT_FOUND");
    }
    assert_eq!(
        app.aws.wire.take(),
        ["GetItem"],
        "the lookup of the app's key"
    );
}

/// Returns the partitions of the table and its indexes that a request reads or writes,
/// except those of API keys.
fn partitions(request: &Request) -> Vec<String> {
    let mut found = Vec::new();
    collect_strings(&request.body(), &mut found);
    let is_partition = |text: &String| {
        ["APP#", "APPS#", "DUE#"]
            .iter()
            .any(|kind| text.starts_with(kind))
    };
    found.retain(is_partition);
    found
}

fn collect_strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values
            .iter()
            .for_each(|value| collect_strings(value, found)),
        Value::Object(fields) => fields
            .values()
            .for_each(|value| collect_strings(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn calls_with_foreign_ids_touch_only_the_callers_partitions() {
    let app = quiet_app(Duration::from_secs(300)).await;
    let (id, _) = app.api.create_webhook("https://example.com/hook").await;
    let victim = Ids::with_delivery(&app, &id).await;
    let (caller, key) = app.other_app().await;
    let key = Some(key.expose());
    let list = call_named("listWebhooks", &victim);
    app.api.call_as(caller, key, &list).await;
    app.aws.wire.take();
    for call in every_call_below(&victim) {
        // Under the victim's app, nothing is read at all.
        let refused = app.api.call_as(app.app_id, key, &call).await;
        refused.must_fail_with(404, "NOT_FOUND");
        assert_eq!(app.aws.wire.take_requests().len(), 0, "{}", call.name);

        // Under the caller's own app, no partition of the victim is touched.
        let refused = app.api.call_as(caller, key, &call).await;
        refused.must_fail_with(404, "NOT_FOUND");
        let requests = app.aws.wire.take_requests();
        assert!((1..=2).contains(&requests.len()), "{}", call.name);
        let own = format!("APP#{caller}");
        for partition in requests.iter().flat_map(partitions) {
            let rest = partition.strip_prefix(&own);
            let is_own = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#'));
            // The schedule's shard of deletions belongs to no app. Marking an endpoint that
            // does not exist writes nothing to it.
            let is_shard = partition == "DUE#DELETIONS";
            assert!(is_own || is_shard, "{}: {partition}", call.name);
        }
    }
}
