//! An endpoint's description and metadata, which the API shows with the endpoint and
//! nothing else uses.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::receiver::Receiver;
use crate::support::{TestApp, answer};

const URL: &str = "https://example.com/hook";

async fn created(app: &TestApp, labels: &[(&str, Value)]) -> String {
    let mut body = json!({"url": URL, "events": ["*"]});
    for (name, value) in labels {
        body[name] = value.clone();
    }
    let created = app.api.post_json("", &body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    format!("/{}", created.data()["id"].as_str().unwrap())
}

#[tokio::test]
async fn latest_labels_are_shown() {
    let app = TestApp::start().await;
    let twenty: serde_json::Map<_, _> = (0..20).map(|n| (format!("n{n}"), json!("é"))).collect();
    let path = created(
        &app,
        &[
            ("description", json!("Billing\nof é")),
            ("metadata", json!({"crm.id": "42", "empty": ""})),
        ],
    )
    .await;
    for (change, description, metadata) in [
        (
            json!({"active": true}),
            json!("Billing\nof é"),
            json!({"crm.id": "42", "empty": ""}),
        ),
        (
            json!({"description": "New"}),
            json!("New"),
            json!({"crm.id": "42", "empty": ""}),
        ),
        // Metadata is replaced as a whole.
        (
            json!({"metadata": {"a": "b"}}),
            json!("New"),
            json!({"a": "b"}),
        ),
        (json!({"description": null}), json!(null), json!({"a": "b"})),
        (json!({"metadata": {}}), json!(null), json!({})),
        (json!({"metadata": twenty}), json!(null), json!(twenty)),
        (json!({"metadata": null}), json!(null), json!({})),
    ] {
        let updated = app.api.put_json(&path, &change).await;
        assert_eq!(updated.status, StatusCode::OK, "{change}: {updated:?}");
        assert_eq!(updated.data()["description"], Value::Null, "{change}");
        let shown = app.api.get(&path).await.data().clone();
        assert_eq!(shown["description"], description, "{change}");
        assert_eq!(shown["metadata"], metadata, "{change}");
        let listed = app.api.get("?view=full").await;
        assert_eq!(listed.data()[0], shown, "{change}");
    }
}

#[tokio::test]
async fn invalid_labels_are_rejected_and_change_nothing() {
    let app = TestApp::start().await;
    let path = created(&app, &[("description", json!("kept"))]).await;
    let before = app.api.get(&path).await.body;
    let many: serde_json::Map<_, _> = (0..21).map(|n| (format!("n{n}"), json!("v"))).collect();
    let large: serde_json::Map<_, _> = (0..5)
        .map(|n| (format!("n{n}"), json!("v".repeat(409))))
        .collect();
    let long_name = "n".repeat(41);
    let long_name_field = format!("metadata.{long_name}");
    for (field, wrong, wrong_fields) in [
        ("description", json!(""), &["description"][..]),
        ("description", json!(1), &["description"]),
        ("description", json!("a\u{0}"), &["description"]),
        ("description", json!("é".repeat(501)), &["description"]),
        ("metadata", json!([]), &["metadata"]),
        ("metadata", json!("a"), &["metadata"]),
        ("metadata", json!(many), &["metadata"]),
        ("metadata", json!(large), &["metadata"]),
        ("metadata", json!({"a": 1}), &["metadata.a"]),
        ("metadata", json!({"a": null}), &["metadata.a"]),
        ("metadata", json!({"": "a"}), &["metadata."]),
        ("metadata", json!({"a b": "a"}), &["metadata.a b"]),
        ("metadata", json!({long_name: "a"}), &[&long_name_field]),
        ("metadata", json!({"a": "v".repeat(501)}), &["metadata.a"]),
        (
            "metadata",
            json!({"a": 1, "b": "fine", "c": []}),
            &["metadata.a", "metadata.c"],
        ),
    ] {
        let update = app.api.put_json(&path, &json!({field: wrong})).await;
        update.must_be_invalid(wrong_fields);
        let create = json!({"url": URL, "events": ["*"], field: wrong});
        let created = app.api.post_json("", &create).await;
        created.must_be_invalid(wrong_fields);
    }
    let repeated = app.api.request(Method::PUT, &path);
    let repeated = repeated.header("content-type", "application/json");
    let repeated = repeated.body(r#"{"metadata": {"a": "1", "a": "2"}}"#);
    answer(repeated).await.must_be_invalid(&["metadata.a"]);
    assert_eq!(app.api.get(&path).await.body, before);
}

#[tokio::test]
async fn labels_are_not_sent_to_receivers() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let body = json!({
        "url": receiver.url, "events": ["*"],
        "description": "for us only", "metadata": {"plan": "for us only"},
    });
    let created = app.api.post_json("", &body).await;
    let id = created.data()["id"].as_str().unwrap();
    app.api.must_publish("invoice.paid").await;
    app.api.must_become(id, "DELIVERED").await;
    let received = receiver.must_receive_one();
    assert!(!format!("{received:?}").contains("for us only"));
}
