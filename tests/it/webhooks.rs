//! Creating, reading, updating and deleting endpoints.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::calls::{Ids, every_call_on};
use crate::support::hand_clock::HandClock;
use crate::support::receiver::Receiver;
use crate::support::{Options, STORAGES, TestApp, fields};

const URL: &str = "https://example.com/hook";

/// A service on this clock.
async fn app_at(clock: &HandClock) -> TestApp {
    let mut options = Options::default();
    options.settings.clock = clock.clock();
    TestApp::start_with(options).await
}

#[track_caller]
fn assert_secret(secret: &Value) {
    let text = secret.as_str().expect("read the secret");
    let encoded = text
        .strip_prefix("whsec_")
        .expect("strip the prefix of secrets");
    assert_eq!(
        STANDARD.decode(encoded).expect("decode the secret").len(),
        32
    );
}

#[tokio::test]
async fn creation_returns_the_endpoint_with_its_secret() {
    let app = app_at(&HandClock::at("2026-01-31T09:30:00.120Z")).await;
    let body = json!({
        "url": "https://Example.com:8443/hooks?name=a%20b",
        "events": ["invoice.paid", "customer.*"],
    });
    let created = app.api.post_json("", &body).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(fields(&created.body), ["data", "success"]);
    let data = created.data();
    assert_eq!(
        fields(data),
        ["active", "createdAt", "events", "id", "secret", "url"]
    );
    assert_eq!(data["url"], body["url"]);
    assert_eq!(data["events"], body["events"]);
    assert_eq!(data["active"], true);
    assert_eq!(data["createdAt"], "2026-01-31T09:30:00.120Z");
    let id = data["id"].as_str().unwrap();
    assert_eq!(Uuid::parse_str(id).unwrap().get_version_num(), 7);
    assert_eq!(id, id.to_lowercase());
    assert_secret(&data["secret"]);
}

#[tokio::test]
async fn each_endpoint_has_its_own_secret() {
    for storage in STORAGES {
        let app = TestApp::start_with(Options::default().with_storage(storage)).await;
        let (first_id, first_secret) = app.api.create_webhook(URL).await;
        let (second_id, second_secret) = app.api.create_webhook(URL).await;
        assert_ne!(first_id, second_id);
        assert_ne!(first_secret, second_secret);
    }
}

#[tokio::test]
async fn repeated_events_are_dropped_and_order_is_kept() {
    let app = TestApp::start().await;
    let given = json!({"url": URL, "events": ["b.x", "a", "b.x", "*", "B.x", "a"]});
    let kept = json!(["b.x", "a", "*", "B.x"]);
    let created = app.api.post_json("", &given).await;
    assert_eq!(created.data()["events"], kept);

    let (id, _) = app.api.create_webhook(URL).await;
    let path = format!("/{id}");
    let updated = app
        .api
        .put_json(&path, &json!({"events": given["events"]}))
        .await;
    assert_eq!(updated.data()["events"], kept);
    assert_eq!(app.api.get(&path).await.data()["events"], kept);
}

#[tokio::test]
async fn list_is_newest_first_without_secrets() {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let app = app_at(&clock).await;
    let empty = app.api.get("").await;
    assert_eq!(empty.status, StatusCode::OK);
    assert_eq!(empty.body, json!({"success": true, "data": []}));

    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, app.api.create_webhook(URL).await.0);
        clock.advance_millis(1);
    }
    // An update does not change an endpoint's place in the list.
    app.api
        .put_json(&format!("/{}", ids[2]), &json!({"active": false}))
        .await;

    let list = app.api.get("").await;
    assert_eq!(list.status, StatusCode::OK);
    assert_eq!(fields(&list.body), ["data", "success"]);
    assert_eq!(app.api.listed_ids().await, ids);
    let items = list.data().as_array().unwrap();
    for item in items {
        assert_eq!(
            fields(item),
            ["active", "createdAt", "events", "id", "updatedAt", "url"]
        );
    }
    assert_eq!(
        items[0],
        json!({
            "id": ids[0],
            "url": URL,
            "events": ["*"],
            "active": true,
            "createdAt": "2026-01-31T09:30:00.002Z",
            "updatedAt": "2026-01-31T09:30:00.002Z",
        })
    );
    assert_eq!(
        items[2],
        json!({
            "id": ids[2],
            "url": URL,
            "events": ["*"],
            "active": false,
            "createdAt": "2026-01-31T09:30:00.000Z",
            "updatedAt": "2026-01-31T09:30:00.003Z",
        })
    );
}

#[tokio::test]
async fn get_shows_more_fields_than_list() {
    let app = TestApp::start().await;
    app.api.create_webhook(URL).await;
    let (id, _) = app.api.create_webhook(URL).await;
    let shown = app.api.get(&format!("/{id}")).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert_eq!(fields(&shown.body), ["data", "success"]);
    let mut expected = app.api.get("").await.data()[0].clone();
    expected["metadata"] = json!({});
    for field in [
        "channels",
        "description",
        "disabledAt",
        "disabledReason",
        "failingSince",
        "filter",
        "inactiveSince",
        "nextProbeAt",
        "pausedAt",
        "previousSecretExpiresAt",
        "rateLimit",
        "slowSince",
    ] {
        expected[field] = Value::Null;
    }
    expected["headerNames"] = json!([]);
    assert_eq!(shown.data(), &expected);
    // Ids are UUIDs, which may be written in either letter case.
    let upper = app.api.get(&format!("/{}", id.to_uppercase())).await;
    assert_eq!(upper.body, shown.body);
}

#[tokio::test]
async fn updates_change_only_the_given_fields() {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let app = app_at(&clock).await;
    let (id, _) = app.api.create_webhook(URL).await;
    let path = format!("/{id}");
    let mut expected = app.api.get(&path).await.data().clone();
    let patches = [
        json!({"url": "https://example.com/moved"}),
        json!({"events": ["invoice.paid", "invoice.*"]}),
        json!({"active": false}),
        json!({"active": true, "url": "https://example.com/again"}),
        json!({"url": URL, "events": ["a"], "active": false}),
        // Updating to the same values counts as an update, too.
        json!({"url": URL, "events": ["a"], "active": false}),
    ];
    for (turn, patch) in patches.iter().enumerate() {
        clock.advance_millis(1);
        let updated = app.api.put_json(&path, patch).await;
        assert_eq!(updated.status, StatusCode::OK, "{patch}");
        assert_eq!(fields(&updated.body), ["data", "success"]);
        let data = updated.data();
        assert_eq!(
            fields(data),
            ["active", "events", "id", "updatedAt", "url"],
            "{patch}"
        );
        for (field, value) in patch.as_object().unwrap() {
            expected[field] = value.clone();
        }
        expected["updatedAt"] = json!(format!("2026-01-31T09:30:00.00{}Z", turn + 1));
        if expected["active"] == true {
            expected["inactiveSince"] = Value::Null;
        } else if expected["inactiveSince"].is_null() {
            expected["inactiveSince"] = expected["updatedAt"].clone();
        }
        for field in fields(data) {
            assert_eq!(data[field], expected[field], "{patch}");
        }
        assert_eq!(app.api.get(&path).await.data(), &expected, "{patch}");
    }
}

#[tokio::test]
async fn endpoints_keep_their_secret_when_the_url_changes() {
    let app = TestApp::start().await;
    let (old, new) = (
        Receiver::answering(200, "").await,
        Receiver::answering(200, "").await,
    );
    let (id, secret) = app.api.create_webhook(&old.url).await;
    app.api
        .put_json(&format!("/{id}"), &json!({"url": new.url}))
        .await;
    assert_eq!(app.api.ping(&id).await["success"], true);
    assert!(new.must_receive_one().is_signed_with(&secret));
    assert!(old.received().is_empty());
}

#[tokio::test]
async fn deletion_removes_only_the_given_endpoint() {
    for storage in STORAGES {
        let app = TestApp::start_with(Options::default().with_storage(storage)).await;
        let (kept, _) = app.api.create_webhook(URL).await;
        let (deleted, _) = app.api.create_webhook(URL).await;
        let ids = Ids::with_delivery(&app, &deleted).await;
        let answer = app.api.delete(&format!("/{deleted}")).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(answer.body, Value::Null);
        assert!(!answer.headers.contains_key("content-type"));

        for call in every_call_on(&ids) {
            app.api.call(&call).await.must_fail_with(404, "NOT_FOUND");
        }
        assert_eq!(app.api.listed_ids().await, [kept]);
    }
}

#[tokio::test]
async fn rotation_returns_only_the_new_secret() {
    for storage in STORAGES {
        let clock = HandClock::at("2026-01-31T09:30:00Z");
        let mut options = Options::default().with_storage(storage);
        options.settings.clock = clock.clock();
        let app = TestApp::start_with(options).await;
        let (id, first) = app.api.create_webhook(URL).await;
        let mut expected = app.api.get(&format!("/{id}")).await.data().clone();
        clock.advance_millis(7);
        let rotated = app.api.post(&format!("/{id}/rotate-secret")).await;
        assert_eq!(rotated.status, StatusCode::OK);
        assert_eq!(fields(&rotated.body), ["data", "success"]);
        assert_eq!(fields(rotated.data()), ["secret"]);
        let second = &rotated.data()["secret"];
        assert_secret(second);
        assert_ne!(*second, json!(first));

        // A rotation updates the endpoint.
        expected["updatedAt"] = json!("2026-01-31T09:30:00.007Z");
        assert_eq!(app.api.get(&format!("/{id}")).await.data(), &expected);
    }
}
