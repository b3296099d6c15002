//! `POST …/filter-test`: testing filters with sample data.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Options, TestApp};

struct Tried {
    app: TestApp,
    path: String,
}

impl Tried {
    async fn start() -> Self {
        let app = TestApp::start_with(Options::idle()).await;
        let body = json!({
            "url": "https://example.com/hook", "events": ["invoice.*"], "channels": ["team:1"],
            "filter": {"customer": {"country": ["DE", "AT"]}, "total": [{"numeric": [">=", 10]}]},
        });
        let created = app.api.post_json("", &body).await;
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        let id = created.data()["id"].as_str().unwrap();
        Self {
            path: format!("/{id}/filter-test"),
            app,
        }
    }

    async fn must_respond(&self, body: &Value, failed_at: Value) {
        let answer = self.app.api.post_json(&self.path, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{body}: {answer:?}");
        let expected = json!({"matches": failed_at.is_null(), "failedAt": failed_at});
        assert_eq!(answer.data(), &expected, "{body}");
    }
}

#[tokio::test]
async fn data_is_tested_against_the_endpoints_filter() {
    let tried = Tried::start().await;
    for (data, failed_at) in [
        (
            json!({"customer": {"country": "DE"}, "total": 10.0}),
            Value::Null,
        ),
        (
            json!({"customer": {"country": "FR"}, "total": 10}),
            json!("filter.customer.country"),
        ),
        (
            json!({"customer": {"country": "AT"}}),
            json!("filter.total"),
        ),
        (json!(null), json!("filter.customer.country")),
    ] {
        tried.must_respond(&json!({"data": data}), failed_at).await;
    }
}

#[tokio::test]
async fn other_filters_types_and_channels_can_be_tested() {
    let tried = Tried::start().await;
    for (body, failed_at) in [
        (json!({"data": {"a": 1}, "filter": {"a": [1]}}), Value::Null),
        (
            json!({"data": {"a": 2}, "filter": {"a": [1]}}),
            json!("filter.a"),
        ),
        (json!({"data": 1, "filter": null}), Value::Null),
        (
            json!({"data": 1, "filter": null, "type": "invoice.paid"}),
            Value::Null,
        ),
        (
            json!({"data": 1, "filter": null, "type": "order.paid"}),
            json!("type"),
        ),
        (
            json!({"data": 1, "filter": null, "channels": ["x", "team:1"]}),
            Value::Null,
        ),
        (
            json!({"data": 1, "filter": null, "channels": []}),
            json!("channels"),
        ),
    ] {
        tried.must_respond(&body, failed_at).await;
    }
}

#[tokio::test]
async fn invalid_filter_tests_are_rejected() {
    let tried = Tried::start().await;
    let deep = (0..129).fold(json!(1), |inner, _| json!([inner]));
    for (body, fields) in [
        (json!({}), &["data"][..]),
        (json!({"data": deep}), &["data"]),
        (
            json!({"data": 1, "type": "a b", "channels": ["a b"], "filter": 1, "x": 1}),
            &["type", "channels[0]", "filter", "x"],
        ),
    ] {
        let answer = tried.app.api.post_json(&tried.path, &body).await;
        answer.must_be_invalid(fields);
    }
}

#[tokio::test]
async fn events_up_to_256_kib_can_be_tested() {
    let tried = Tried::start().await;
    let frame = r#"{"data":{"a":""}}"#.len();
    for (bytes, status) in [(262_144, 200), (262_145, 413)] {
        let body = format!(r#"{{"data":{{"a":"{}"}}}}"#, "x".repeat(bytes - frame));
        let request = tried.app.api.request(reqwest::Method::POST, &tried.path);
        let request = request.header("content-type", "application/json");
        let answer = crate::support::answer(request.body(body)).await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn filter_tests_send_and_change_nothing() {
    let tried = Tried::start().await;
    let before = tried.app.aws.items().await;
    tried.app.aws.wire.take();
    let data = json!({"customer": {"country": "DE"}, "total": 10});
    tried
        .must_respond(&json!({"data": data}), Value::Null)
        .await;
    assert_eq!(tried.app.aws.wire.take(), ["GetItem"]);
    assert_eq!(tried.app.aws.items().await, before);
}
