//! Publishing an event: the answer, the costs, and what is rejected.

use reqwest::StatusCode;
use serde_json::{Value, json};
use webhook_endpoints::domain::id::{AppId, EventId};

use crate::support::hand_clock::HandClock;
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Answer, Options, TestApp, answer, fields};

const LARGEST_BODY: usize = 262_144;

/// A valid body of this many bytes.
fn body_of(bytes: usize) -> String {
    let frame = r#"{"type":"a","data":""}"#.len();
    format!(r#"{{"type":"a","data":"{}"}}"#, "x".repeat(bytes - frame))
}

pub(crate) async fn publish_with_key(app: &TestApp, key: &str) -> Answer {
    let body = json!({"type": "invoice.paid", "data": {"key": key}});
    let request = app.api.publishing().header("idempotency-key", key);
    answer(request.body(body.to_string())).await
}

pub(crate) fn id(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    answer.data()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn accepted_events_show_only_id_type_and_timestamp() {
    let clock = HandClock::at("2026-01-31T09:30:00.250Z");
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let accepted = app
        .api
        .publish(&json!({"type": "invoice.paid", "data": {}}))
        .await;
    let id = id(&accepted);
    assert!(EventId::parse(&id).is_ok(), "{id}");
    let expected = json!({
        "success": true,
        "data": {"id": id, "type": "invoice.paid", "timestamp": "2026-01-31T09:30:00.250Z"},
    });
    assert_eq!(accepted.body, expected);
}

#[tokio::test]
async fn publishing_costs_exactly_one_message() {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api.get("").await;
    app.aws.wire.take();
    for _ in 0..2 {
        app.api.must_publish("invoice.paid").await;
        assert_eq!(app.aws.wire.take(), ["SendMessage"]);
    }
    id(&publish_with_key(&app, "a-key").await);
    assert_eq!(app.aws.wire.take(), ["SendMessage"]);
}

#[tokio::test]
async fn timestamps_default_to_the_time_of_acceptance() {
    let clock = HandClock::at("2026-01-31T09:30:00Z");
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    for (given, shown) in [
        (None, "2026-01-31T09:30:00.000Z"),
        (
            Some("2025-12-24T18:00:00.123456Z"),
            "2025-12-24T18:00:00.123Z",
        ),
        (
            Some("2025-12-24T19:00:00+01:00"),
            "2025-12-24T18:00:00.000Z",
        ),
        (Some("0000-01-01T00:00:00Z"), "0000-01-01T00:00:00.000Z"),
    ] {
        let mut body = json!({"type": "a", "data": null});
        if let Some(given) = given {
            body["timestamp"] = json!(given);
        }
        let accepted = app.api.publish(&body).await;
        assert_eq!(accepted.data()["timestamp"], shown);
        // The timestamp says when the event happened, so it does not change on
        // the way.
        clock.advance_millis(1000 * 60);
        app.queue.settle().await;
        let request = receiver.received().pop().unwrap();
        let sent: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(sent["timestamp"], shown);
        clock.advance_millis(-1000 * 60);
    }
}

#[tokio::test]
async fn data_reaches_the_receiver_unchanged() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (endpoint, _) = app.api.create_webhook(&receiver.url).await;
    for data in [
        "null",
        "true",
        "-0.0",
        "123456789012345678901234567890.10e+400",
        r#""""#,
        r#""\/ \u00e9 é 😀 \ud83d\ude00 \ud800 \u2028""#,
        "[ ]",
        "[1 ,\t2,\r\n 3.0]",
        r#"{"b" : 1, "a": {"z":[],"y" :{}}, "b": 2}"#,
        r#"{"kind":"sweep","data":{"type":"x"},"id":1}"#,
    ] {
        let body = format!(
            r#" {{ "data" :  {data}  , "type":"invoice.paid", "timestamp":"2026-01-31T09:30:00Z"}}"#
        );
        let accepted = answer(app.api.publishing().body(body)).await;
        let id = id(&accepted);
        app.queue.settle().await;
        let request = receiver.received().pop().unwrap();
        assert_eq!(request.header("webhook-id"), id);
        let payload = format!(
            r#"{{"type":"invoice.paid","timestamp":"2026-01-31T09:30:00.000Z","data":{data}}}"#
        );
        assert_eq!(String::from_utf8_lossy(&request.body), payload);
        // The event also reaches the history.
        let newest = app.api.deliveries(&endpoint).await.remove(0);
        let path = format!("/{endpoint}/deliveries/{}", newest["id"].as_str().unwrap());
        let shown = app.api.request(reqwest::Method::GET, &path).send().await;
        let shown = shown.unwrap().text().await.unwrap();
        assert!(
            shown.contains(&format!(r#""payload":{payload},"#)),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn characters_that_sqs_refuses_arrive_unchanged() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (endpoint, _) = app.api.create_webhook(&receiver.url).await;
    let frame = r#"{"type":"a","data":""}"#.len();
    let largest = "\u{ffff}".repeat((LARGEST_BODY - frame) / 3);
    for data in [
        "{\"\u{fffe}\": [\"a\u{ffff}b\", \"\\uffff \\uFFFE \\\\\u{ffff}\"]}".to_owned(),
        format!("\"{largest}\""),
    ] {
        let body = format!(r#"{{"type":"a","data":{data}}}"#);
        id(&answer(app.api.publishing().body(body)).await);
        let queued = app.queue.all_queued().await;
        let message = queued[0].body.clone().unwrap();
        assert!(!message.contains(['\u{fffe}', '\u{ffff}']));
        app.queue.handle(queued).await.unwrap();
        app.queue.settle().await;
        let sent = receiver.received().pop().unwrap().body;
        assert!(sent.ends_with(format!(r#","data":{data}}}"#).as_bytes()));
        let newest = app.api.deliveries(&endpoint).await.remove(0);
        assert_eq!(newest["status"], "DELIVERED");
    }
}

#[tokio::test]
async fn data_is_nested_at_most_128_deep() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let publish = async |depth: usize| {
        let (open, close) = (r#"{"a":["#.repeat(depth / 2), "]}".repeat(depth / 2));
        let (open, close) = match depth % 2 {
            0 => (open, close),
            _ => (format!("[{open}"), format!("{close}]")),
        };
        let body = format!(r#"{{"type":"a","data":{open}{close}}}"#);
        answer(app.api.publishing().body(body)).await
    };
    id(&publish(128).await);
    app.queue.settle().await;
    receiver.must_receive_one();
    for depth in [129, 130, 50_000] {
        publish(depth).await.must_be_invalid(&["data"]);
    }
}

#[tokio::test]
async fn repeated_fields_are_rejected() {
    let app = TestApp::start_with(Options::stepwise()).await;
    for (body, repeated) in [
        (r#"{"type":"a","data":1,"data":2}"#, &["data"][..]),
        (r#"{"type":"a","data":1,"d\u0061ta":1}"#, &["data"]),
        (
            r#"{"type":"a","type":"b","data":1,"data":2,"data":3}"#,
            &["data", "type"],
        ),
        (r#"{"type":"a","data":1,"x":2,"x":3}"#, &["x", "x"]),
    ] {
        answer(app.api.publishing().body(body))
            .await
            .must_be_invalid(repeated);
    }
    // Repeated fields within `data` are the publisher's business.
    let body = r#"{"type":"a","data":{"x":1,"x":2}}"#;
    id(&answer(app.api.publishing().body(body)).await);
}

#[tokio::test]
async fn all_errors_are_reported_at_once() {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api.get("").await;
    app.aws.wire.take();
    for (body, invalid) in [
        (json!({}), &["data", "type"][..]),
        (json!({"type": "a"}), &["data"]),
        (json!({"data": 1}), &["type"]),
        (json!({"type": "*", "data": 1}), &["type"]),
        (json!({"type": "invoice.*", "data": 1}), &["type"]),
        (json!({"type": "a b", "data": 1}), &["type"]),
        (json!({"type": "", "data": 1}), &["type"]),
        (json!({"type": "x".repeat(129), "data": 1}), &["type"]),
        (json!({"type": 7, "data": 1}), &["type"]),
        (json!({"type": "test.ping", "data": 1}), &["type"]),
        (
            json!({"type": "a", "data": 1, "timestamp": "yesterday"}),
            &["timestamp"],
        ),
        (
            json!({"type": "a", "data": 1, "timestamp": "2026-01-31"}),
            &["timestamp"],
        ),
        // Before the year 0, which four digits can't express.
        (
            json!({"type": "a", "data": 1, "timestamp": "0000-01-01T00:00:00+01:00"}),
            &["timestamp"],
        ),
        (
            json!({"type": "a", "data": 1, "timestamp": 1}),
            &["timestamp"],
        ),
        (
            json!({"type": "a", "data": 1, "timestamp": null}),
            &["timestamp"],
        ),
        (
            json!({"type": "a", "data": 1, "id": "x", "extra": 1}),
            &["extra", "id"],
        ),
        (
            json!({"type": null, "timestamp": "x", "colour": 1}),
            &["colour", "data", "timestamp", "type"],
        ),
    ] {
        let refused = app.api.publish(&body).await;
        refused.must_be_invalid(invalid);
    }
    let request = app.api.publishing().header("idempotency-key", "");
    let refused = answer(request.body("{}")).await;
    refused.must_be_invalid(&["Idempotency-Key", "data", "type"]);
    // Nothing reached the queue.
    assert_eq!(app.aws.wire.take(), Vec::<String>::new());
}

#[tokio::test]
async fn bodies_that_are_not_json_objects_are_rejected() {
    let app = TestApp::start_with(Options::stepwise()).await;
    for body in ["", "{", "[]", "null", r#"{"type":"a","data":tru}"#] {
        let refused = answer(app.api.publishing().body(body)).await;
        refused.must_be_invalid(&["body"]);
    }
    let path = format!("/apps/{}/events", app.app_id);
    let untyped = app
        .api
        .bare(reqwest::Method::POST, &path)
        .header("x-api-key", app.key.expose())
        .body(r#"{"type":"a","data":1}"#);
    answer(untyped)
        .await
        .must_fail_with(415, "UNSUPPORTED_MEDIA_TYPE");
}

#[tokio::test]
async fn events_may_have_256_kib_and_other_bodies_64() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (endpoint, _) = app.api.create_webhook(&receiver.url).await;
    id(&answer(app.api.publishing().body(body_of(LARGEST_BODY))).await);
    app.queue.settle().await;
    let sent = receiver.must_receive_one().body;
    assert!(sent.len() > LARGEST_BODY, "{}", sent.len());
    let delivery = app.api.must_have_one_delivery(&endpoint).await;
    assert_eq!(delivery["status"], "DELIVERED");

    let refused = answer(app.api.publishing().body(body_of(LARGEST_BODY + 1))).await;
    refused.must_fail_with(413, "PAYLOAD_TOO_LARGE");
    let large = json!({"since": "x".repeat(64 * 1024)});
    for path in ["".to_owned(), format!("/{endpoint}/recover")] {
        let refused = app.api.post_json(&path, &large).await;
        refused.must_fail_with(413, "PAYLOAD_TOO_LARGE");
    }
}

#[tokio::test]
async fn events_the_queue_refuses_are_neither_accepted_nor_delivered() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    let (endpoint, _) = app.api.create_webhook(&receiver.url).await;
    app.aws.wire.break_calls(&["SendMessage"], Fault::Before);
    let refused = app.api.publish(&json!({"type": "a", "data": 1})).await;
    refused.must_fail_with(503, "UNAVAILABLE");
    assert_eq!(refused.headers["retry-after"], "1");
    app.aws.wire.mend();
    app.queue.settle().await;
    assert_eq!(receiver.received().len(), 0);
    assert_eq!(app.api.deliveries(&endpoint).await, Vec::<Value>::new());
}

#[tokio::test]
async fn only_the_app_itself_can_publish_its_events() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let body = json!({"type": "a", "data": 1});
    let (other, other_key) = app.other_app().await;
    for (app_id, key, status, code) in [
        (app.app_id, None, 401, "AUTHENTICATION_ERROR"),
        (app.app_id, Some(other_key.expose()), 404, "NOT_FOUND"),
        (other, Some(app.key.expose()), 404, "NOT_FOUND"),
        (AppId::new(), Some(app.key.expose()), 404, "NOT_FOUND"),
    ] {
        let mut request = app
            .api
            .bare(reqwest::Method::POST, &format!("/apps/{app_id}/events"))
            .json(&body);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        answer(request).await.must_fail_with(status, code);
    }
    let path = format!("/apps/{}/events", app.app_id);
    let get = app
        .api
        .bare(reqwest::Method::GET, &path)
        .header("x-api-key", app.key.expose());
    let refused = answer(get).await;
    refused.must_fail_with(405, "METHOD_NOT_ALLOWED");
    assert_eq!(refused.headers["allow"], "POST");
    assert_eq!(fields(&refused.body), ["error", "success"]);
    assert!(app.queue.all_queued().await.is_empty());
}
