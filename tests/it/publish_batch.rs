//! Publishing many events in one request: a row for each, the costs, and what is rejected.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::hand_clock::HandClock;
use crate::support::receiver::Receiver;
use crate::support::wire::Fault;
use crate::support::{Answer, Options, TestApp, answer};

const LARGEST_BODY: usize = 5_000_000;
const LARGEST_EVENT: usize = 262_144;
const MIB: usize = 1024 * 1024;

fn numbered(count: usize) -> Vec<Value> {
    let event = |n| json!({"type": "invoice.paid", "data": n});
    (0..count).map(event).collect()
}

/// A valid event of this many bytes.
fn event_of(bytes: usize) -> String {
    let frame = r#"{"type":"a","data":""}"#.len();
    format!(r#"{{"type":"a","data":"{}"}}"#, "x".repeat(bytes - frame))
}

#[track_caller]
fn rows(answer: &Answer, accepted: usize) -> Vec<Value> {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let data = answer.data();
    let rows = data["events"].as_array().unwrap().clone();
    let found = rows.iter().filter(|row| row["id"].is_string()).count();
    assert_eq!(found, accepted, "{rows:?}");
    assert_eq!(data["accepted"], accepted);
    assert_eq!(data["rejected"], rows.len() - accepted);
    rows
}

async fn post(app: &TestApp, body: impl Into<reqwest::Body>) -> Answer {
    answer(app.api.publishing_batch().body(body)).await
}

/// The data of the events that arrived, sorted.
fn arrived(receiver: &Receiver) -> Vec<String> {
    let mut arrived: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            body["data"].to_string()
        })
        .collect();
    arrived.sort_unstable();
    arrived
}

#[tokio::test]
async fn rows_are_in_the_order_of_the_events() {
    let clock = HandClock::at("2026-01-31T09:30:00.250Z");
    let app = TestApp::start_with(Options::stepwise_with(&clock)).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let answer = app
        .api
        .publish_batch(&[
            json!({"type": "a", "data": 1}),
            json!({"type": "b", "data": [2], "timestamp": "2025-12-24T19:00:00+01:00"}),
        ])
        .await;
    let rows = rows(&answer, 2);
    let expected = json!([
        {"id": rows[0]["id"], "type": "a", "timestamp": "2026-01-31T09:30:00.250Z"},
        {"id": rows[1]["id"], "type": "b", "timestamp": "2025-12-24T18:00:00.000Z"},
    ]);
    assert_eq!(json!(rows), expected);
    app.queue.settle().await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    for row in &rows {
        let of_row = received
            .iter()
            .find(|request| request.header("webhook-id") == row["id"].as_str().unwrap());
        let body: Value = serde_json::from_slice(&of_row.unwrap().body).unwrap();
        assert_eq!(body["type"], row["type"]);
        assert_eq!(body["timestamp"], row["timestamp"]);
    }
}

#[tokio::test]
async fn rejected_rows_have_the_error_of_a_single_request() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    let events = [
        r#"{"type":"a","data":1}"#.to_owned(),
        r#"{"type":"a"}"#.to_owned(),
        r#"{"type":"test.ping","data":1,"timestamp":"x","colour":1}"#.to_owned(),
        r#"{"type":"a","data":1,"data":2}"#.to_owned(),
        format!(r#"{{"type":"a","data":{deep}}}"#),
        event_of(LARGEST_EVENT),
        event_of(LARGEST_EVENT + 1),
        "{}".to_owned(),
    ];
    let batch = format!(r#"{{"events":[{}]}}"#, events.join(","));
    let rows = rows(&post(&app, batch).await, 2);
    assert_eq!(rows.len(), events.len());
    app.queue.settle().await;
    assert_eq!(receiver.received().len(), 2);
    for (event, row) in events.into_iter().zip(rows) {
        let alone = answer(app.api.publishing().body(event)).await;
        assert_eq!(row.get("error"), alone.body.get("error"));
        assert_eq!(row["id"].is_string(), alone.status == StatusCode::ACCEPTED);
    }
}

#[tokio::test]
async fn rows_reject_non_events_and_invalid_keys() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let long = "k".repeat(256);
    let mut events: Vec<_> = [
        json!(""),
        json!("a b"),
        json!("a,b"),
        json!("é"),
        json!(long),
    ]
    .into_iter()
    .chain([json!(1), json!(null)])
    .map(|key| json!({"type": "a", "data": 1, "idempotencyKey": key}))
    .collect();
    events.extend([json!(1), json!(null), json!([]), json!("a")]);
    let rows = rows(&app.api.publish_batch(&events).await, 0);
    for (row, event) in rows.iter().zip(&events) {
        let error = &row["error"];
        assert_eq!(error["code"], "VALIDATION_ERROR", "{event}: {row}");
        let field = if event.is_object() {
            "idempotencyKey"
        } else {
            "event"
        };
        assert_eq!(error["details"][0]["field"], field, "{event}: {row}");
    }
    assert!(app.queue.all_queued().await.is_empty());
}

#[tokio::test]
async fn a_hundred_events_cost_ten_calls_and_all_arrive() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    app.aws.wire.take();
    let answer = app.api.publish_batch(&numbered(100)).await;
    assert_eq!(app.aws.wire.take(), ["SendMessageBatch"; 10]);
    let rows = rows(&answer, 100);
    let ids: BTreeSet<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 100);
    app.queue.settle().await;
    let mut expected: Vec<_> = (0..100).map(|n: usize| n.to_string()).collect();
    expected.sort_unstable();
    assert_eq!(arrived(&receiver), expected);
}

#[tokio::test]
async fn large_events_are_sent_in_calls_of_at_most_1_mib() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let mut events = vec![event_of(LARGEST_EVENT); 19];
    events.push(r#"{"type":"a","data":1}"#.to_owned());
    let mut body = format!(r#"{{"events":[{}]}}"#, events.join(","));
    body.push_str(&" ".repeat(LARGEST_BODY - body.len()));
    app.aws.wire.take();
    rows(&post(&app, body.clone()).await, 20);
    // A message has more than a quarter of a MiB, because the event is wrapped, so a call takes
    // three of the 19.
    let requests = app.aws.wire.take_requests();
    assert_eq!(requests.len(), 7);
    for request in requests {
        assert_eq!(request.operation, "SendMessageBatch");
        let request = request.body();
        let entries = request["Entries"].as_array().unwrap();
        let bytes = |entry: &Value| entry["MessageBody"].as_str().unwrap().len();
        assert!(entries.iter().map(bytes).sum::<usize>() <= MIB);
    }
    app.queue.settle().await;
    assert_eq!(receiver.received().len(), 20);

    body.push(' ');
    let refused = post(&app, body).await;
    refused.must_fail_with(413, "PAYLOAD_TOO_LARGE");
    assert!(app.queue.all_queued().await.is_empty());
}

#[tokio::test]
async fn requests_without_a_valid_batch_are_rejected_as_a_whole() {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api.get("").await;
    app.aws.wire.take();
    for (body, field) in [
        ("[]".to_owned(), "body"),
        ("{".to_owned(), "body"),
        ("{}".to_owned(), "events"),
        (json!({"events": []}).to_string(), "events"),
        (
            json!({"events": {"type": "a", "data": 1}}).to_string(),
            "events",
        ),
        (json!({"events": null}).to_string(), "events"),
        (json!({"events": numbered(101)}).to_string(), "events"),
        (
            json!({"events": numbered(1), "type": "a"}).to_string(),
            "type",
        ),
        (r#"{"events":[1],"events":[2]}"#.to_owned(), "events"),
    ] {
        post(&app, body).await.must_be_invalid(&[field]);
    }
    let body = json!({"events": numbered(1)}).to_string();
    let request = app.api.publishing_batch().header("idempotency-key", "k");
    let refused = answer(request.body(body)).await;
    refused.must_be_invalid(&["Idempotency-Key"]);
    assert_eq!(app.aws.wire.take(), Vec::<String>::new());
}

#[tokio::test]
async fn first_valid_event_with_a_key_wins_and_others_get_its_id() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let event = |data: Value, key| json!({"type": "a", "data": data, "idempotencyKey": key});
    let mut events = vec![
        json!({"type": "a", "idempotencyKey": "one"}),
        event(json!(1), "one"),
        event(json!(2), "one"),
        event(json!(3), "two"),
        event(json!(4), "one"),
        event(json!(5), "two"),
    ];
    let first = rows(&app.api.publish_batch(&events).await, 5);
    assert!(first[0]["error"].is_object());
    for (row, same) in [(2, 1), (4, 1), (5, 3)] {
        assert_eq!(first[row]["id"], first[same]["id"]);
    }
    assert_ne!(first[1]["id"], first[3]["id"]);
    app.queue.settle().await;
    assert_eq!(arrived(&receiver), ["1", "3"]);

    // The same keys again, in another batch and alone.
    events.reverse();
    let again = rows(&app.api.publish_batch(&events).await, 5);
    assert_eq!(again[0]["id"], first[5]["id"]);
    let alone = app.api.publishing().header("idempotency-key", "one");
    let alone = answer(alone.body(r#"{"type":"a","data":9}"#)).await;
    assert_eq!(alone.data()["id"], first[1]["id"]);
    app.queue.settle().await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn refused_entries_are_retried_unless_the_sender_is_at_fault() {
    const REFUSED: Fault = Fault::Answered(
        r#"{"Successful": [], "Failed": [
            {"Id": "0", "Code": "InvalidMessageContents", "SenderFault": true},
            {"Id": "1", "Code": "InternalError", "SenderFault": false},
            {"Id": "2", "Code": "InternalError", "SenderFault": false}
        ]}"#,
    );
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    app.aws.wire.take();
    app.aws.wire.break_once("SendMessageBatch", REFUSED);
    let rows = rows(&app.api.publish_batch(&numbered(3)).await, 2);
    assert_eq!(app.aws.wire.take(), ["SendMessageBatch"; 2]);
    assert_eq!(rows[0]["error"]["code"], "INTERNAL_ERROR");
    app.queue.settle().await;
    assert_eq!(arrived(&receiver), ["1", "2"]);
}

#[tokio::test]
async fn entries_the_queue_keeps_refusing_are_unavailable() {
    const SECOND: Fault = Fault::Answered(
        r#"{"Successful": [], "Failed": [
            {"Id": "1", "Code": "InternalError", "SenderFault": false}
        ]}"#,
    );
    let app = TestApp::start_with(Options::stepwise()).await;
    app.aws.wire.break_calls(&["SendMessageBatch"], SECOND);
    let rows = rows(&app.api.publish_batch(&numbered(3)).await, 2);
    assert_eq!(rows[1]["error"]["code"], "UNAVAILABLE");
    let calls = app.aws.wire.take();
    let batches = calls.iter().filter(|call| *call == "SendMessageBatch");
    assert_eq!(batches.count(), 3);
}

#[tokio::test]
async fn failed_calls_do_not_affect_the_events_of_other_calls() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let mut events = numbered(25);
    for (n, event) in events.iter_mut().enumerate() {
        event["idempotencyKey"] = json!(n.to_string());
    }
    // Every try of the second call loses its answer.
    app.aws.wire.disturb_requests(|operation, body| {
        let is_second = String::from_utf8_lossy(body).contains(r#""Id":"10""#);
        (operation == "SendMessageBatch" && is_second).then_some(Fault::After)
    });
    // An invalid row in the first call must not affect the others.
    events[3]["type"] = json!("*");
    let first = rows(&app.api.publish_batch(&events).await, 14);
    for (n, row) in first.iter().enumerate() {
        let expected = match n {
            3 => json!("VALIDATION_ERROR"),
            // Row 3 has no message, so the second call has rows 11 to 20.
            11..=20 => json!("UNAVAILABLE"),
            _ => Value::Null,
        };
        assert_eq!(row["error"]["code"], expected, "{n}");
    }
    app.aws.wire.mend();
    // The caller publishes those again, although the queue had accepted them.
    let again: Vec<_> = events[11..=20].to_vec();
    rows(&app.api.publish_batch(&again).await, 10);
    app.queue.settle().await;
    let mut expected: Vec<_> = (0..25).filter(|n| *n != 3).map(|n| n.to_string()).collect();
    expected.sort_unstable();
    assert_eq!(arrived(&receiver), expected);
}

#[tokio::test]
async fn batches_without_a_queued_event_are_an_error() {
    const THROTTLED: Fault =
        Fault::Refused(r#"{"__type": "ThrottlingException", "message": "Rate exceeded"}"#);
    let app = TestApp::start_with(Options::stepwise()).await;
    for (fault, status, code) in [
        (Fault::Before, 503, "UNAVAILABLE"),
        (THROTTLED, 429, "RATE_LIMIT"),
    ] {
        app.aws.wire.break_calls(&["SendMessageBatch"], fault);
        let refused = app.api.publish_batch(&numbered(11)).await;
        refused.must_fail_with(status, code);
        assert_eq!(refused.headers["retry-after"], "1");
        // An error for the whole request would hide what the caller has to change.
        let mut events = numbered(2);
        events[0]["data"].take();
        events[1] = json!({"type": "a"});
        let rows = rows(&app.api.publish_batch(&events).await, 0);
        assert_eq!(rows[0]["error"]["code"], code);
        assert_eq!(rows[1]["error"]["code"], "VALIDATION_ERROR");
    }
    app.aws.wire.mend();
    assert!(app.queue.all_queued().await.is_empty());
}

#[tokio::test]
async fn error_details_are_limited_across_all_rows() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let unknown = |n: usize| {
        let mut event = json!({"type": "a b"});
        for field in 0..n {
            event[format!("x{field}")] = json!(1);
        }
        event
    };
    for (events, fields, details) in [(1, 200, 100), (3, 200, 99), (7, 2, 28), (100, 50, 100)] {
        let answer = app.api.publish_batch(&vec![unknown(fields); events]).await;
        let rows = rows(&answer, 0);
        let of_row = |row: &Value| row["error"]["details"].as_array().unwrap().len();
        assert!(rows.iter().all(|row| of_row(row) > 0));
        assert_eq!(rows.iter().map(of_row).sum::<usize>(), details);
    }
}
