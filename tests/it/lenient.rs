//! Harmless input that the API accepts: read-only fields and empty parameters.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::hand_clock::HandClock;
use crate::support::receiver::Receiver;
use crate::support::{Options, TestApp, fields};

const URL: &str = "https://example.com/hook";

/// Puts back what GET returns, with these changes. Returns the body sent.
async fn put_back(app: &TestApp, path: &str, changes: &[(&str, Value)]) -> Value {
    let mut body = app.api.get(path).await.data().clone();
    for (field, value) in changes {
        body[field] = value.clone();
    }
    let updated = app.api.put_json(path, &body).await;
    assert_eq!(updated.status, StatusCode::OK, "{body}: {updated:?}");
    body
}

#[tokio::test]
async fn get_response_can_be_changed_and_put_back() {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let mut options = Options::default();
    options.settings.clock = clock.clock();
    let app = TestApp::start_with(options).await;
    let body = json!({"url": URL, "events": ["a", "b.*"], "rateLimit": 7});
    let created = app.api.post_json("", &body).await;
    let path = format!("/{}", created.data()["id"].as_str().unwrap());
    clock.advance_millis(5);
    for changes in [
        &[][..],
        &[("events", json!(["c"]))],
        &[
            ("active", json!(false)),
            ("url", json!("https://example.com/moved")),
        ],
        &[("rateLimit", Value::Null)],
        &[
            ("description", json!("new")),
            ("metadata", json!({"plan": "pro"})),
            ("channels", json!(["a"])),
            ("filter", json!({"n": [{"numeric": [">", 1.50]}]})),
        ],
        // Read-only fields are ignored, whatever they contain.
        &[
            ("id", json!(1)),
            ("createdAt", json!("x")),
            ("pausedAt", json!({})),
        ],
    ] {
        let before = app.api.get(&path).await.data().clone();
        let sent = put_back(&app, &path, changes).await;
        let after = app.api.get(&path).await.data().clone();
        for field in fields(&after) {
            let expected = match field {
                "url" | "events" | "active" | "rateLimit" | "description" | "metadata"
                | "channels" | "filter" => &sent[field],
                "updatedAt" => &json!("2026-01-31T09:30:00.005Z"),
                "inactiveSince" if sent["active"] == false => &after["updatedAt"],
                _ => &before[field],
            };
            assert_eq!(&after[field], expected, "{field} after {changes:?}");
        }
    }
}

#[tokio::test]
async fn disabled_endpoints_can_be_changed_and_put_back() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(410, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let path = format!("/{id}");
    app.api.must_publish("invoice.paid").await;
    app.api.must_become(&id, "FAILED").await;
    let before = app.api.get(&path).await.data().clone();
    assert_eq!(before["disabledReason"], "GONE");
    put_back(&app, &path, &[("events", json!(["a"]))]).await;
    let after = app.api.get(&path).await.data().clone();
    assert_eq!(after["disabledReason"], "GONE");
    assert_eq!(after["disabledAt"], before["disabledAt"]);
    assert_eq!(after["events"], json!(["a"]));
}

#[tokio::test]
async fn endpoints_can_be_created_inactive() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    for active in [false, true] {
        let body = json!({"url": receiver.url, "events": ["*"], "active": active});
        let created = app.api.post_json("", &body).await;
        assert_eq!(created.status, StatusCode::CREATED);
        assert_eq!(created.data()["active"], active);
        let path = format!("/{}", created.data()["id"].as_str().unwrap());
        assert_eq!(app.api.get(&path).await.data()["active"], active);
    }
}

#[tokio::test]
async fn full_list_shows_the_same_fields_as_get() {
    let app = TestApp::start().await;
    assert_eq!(app.api.get("?view=full").await.data(), &json!([]));
    let mut shown = Vec::new();
    for limit in [json!(5), Value::Null] {
        let body = json!({"url": URL, "events": ["*"], "rateLimit": limit});
        let created = app.api.post_json("", &body).await;
        let id = created.data()["id"].as_str().unwrap();
        let one = app.api.get(&format!("/{id}")).await.data().clone();
        shown.insert(0, one);
    }
    let listed = app.api.get("?view=full").await;
    assert_eq!(listed.data(), &json!(shown));
    let basic = app.api.get("").await.body;
    assert_eq!(app.api.get("?view=").await.body, basic);
    for wrong in [
        "?view=Full",
        "?view=all",
        "?view=full&view=full",
        "?view=%00",
    ] {
        app.api.get(wrong).await.must_be_invalid(&["view"]);
    }
}

#[tokio::test]
async fn empty_query_parameters_count_as_absent() {
    let app = TestApp::start().await;
    let (id, _) = app.api.create_webhook(URL).await;
    let path = format!("/{id}/deliveries");
    let expected = app.api.get(&path).await;
    assert_eq!(expected.status, StatusCode::OK);
    for name in ["status", "event", "since", "until", "limit", "cursor"] {
        for query in [
            name.to_owned(),
            format!("{name}="),
            format!("{name}=&{name}="),
        ] {
            let listed = app.api.get(&format!("{path}?{query}")).await;
            assert_eq!(listed.body, expected.body, "{query}");
        }
    }
    let one = app.api.get(&format!("{path}?limit=&limit=0")).await;
    one.must_be_invalid(&["limit"]);
    app.api
        .get(&format!("{path}?limit=%20"))
        .await
        .must_be_invalid(&["limit"]);
}
