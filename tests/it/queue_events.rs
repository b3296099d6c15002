//! Events that other services put on the queue: which are delivered, and which are refused
//! with which reason.

use std::sync::Mutex;

use serde_json::{Value, json};
use webhook_endpoints::domain::event::{MAX_PAYLOAD_BYTES, PAYLOAD_FRAME};
use webhook_endpoints::domain::id::EventId;

use crate::support::queue::message;
use crate::support::receiver::Receiver;
use crate::support::{Options, TestApp, metrics};

const NOTHING: Vec<String> = Vec::new();

/// The message of an event with this data.
fn with_data(app: &TestApp, data: &str) -> String {
    let app_id = app.app_id;
    format!(r#"{{"kind":"event","appId":"{app_id}","type":"a","data":{data}}}"#)
}

fn nested(depth: usize) -> String {
    ["[".repeat(depth), "]".repeat(depth)].concat()
}

/// Data whose payload has this many bytes.
fn data_of_payload(bytes: usize) -> String {
    let frame = PAYLOAD_FRAME + "a".len() + r#""""#.len();
    format!(r#""{}""#, "x".repeat(bytes - frame))
}

/// Handles a queued event and the messages that follow. Returns the body that arrives.
async fn delivered(app: &TestApp, receiver: &Receiver, body: &str) -> Vec<u8> {
    let id = EventId::new().to_string();
    assert_eq!(
        app.queue.handle([message(Some(&id), body)]).await,
        Ok(NOTHING)
    );
    app.queue.settle().await;
    let arrived = receiver.received().pop().expect("receive the event");
    assert_eq!(arrived.header("webhook-id"), id);
    arrived.body.to_vec()
}

#[tokio::test]
async fn odd_but_valid_events_are_delivered() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    let app_id = app.app_id;
    for body in [
        format!(r#"{{"k\u0069nd":"\u0065vent","appId":"{app_id}","type":"\u0061","data":7}}"#),
        format!(
            r#"{{"data":7,"type":"a","appId":"{app_id}","id":null,"timestamp":null,"kind":"event","more":{}}}"#,
            nested(1000)
        ),
        format!(r#"{{"kind":"event","appId":"{app_id}","type":"a","dataText":"7"}}"#),
    ] {
        let arrived = delivered(&app, &receiver, &body).await;
        assert!(arrived.ends_with(br#","data":7}"#), "{body}");
    }
    let largest = with_data(&app, &data_of_payload(MAX_PAYLOAD_BYTES));
    let arrived = delivered(&app, &receiver, &largest).await;
    assert_eq!(arrived.len(), MAX_PAYLOAD_BYTES);
    let deepest = with_data(&app, &nested(128));
    delivered(&app, &receiver, &deepest).await;
}

/// A valid event, except for this field.
fn with_field(app: &TestApp, field: &str, value: Value) -> String {
    let mut event: Value = serde_json::from_str(&with_data(app, "1")).unwrap();
    event[field] = value;
    event.to_string()
}

async fn start() -> TestApp {
    let app = TestApp::start_with(Options::stepwise()).await;
    app.api.create_webhook("https://example.com/hook").await;
    app
}

/// Asserts that each message becomes a dead letter for this reason, and that no event gets
/// through.
async fn must_be_refused(app: &TestApp, messages: &[(String, &str)]) {
    for (body, reason) in messages {
        let letter = app.queue.must_become_dead_letter(body).await;
        let expected = format!("the message cannot be read: {reason}");
        assert_eq!(letter.attribute("Reason"), expected);
    }
    assert_eq!(app.queue.tasks().await, []);
}

#[tokio::test]
async fn events_with_invalid_fields_become_dead_letters_with_the_reason() {
    let app = start().await;
    let type_form = "type must be segments of letters, digits, _ and -, separated by full stops";
    let app_id_form = "appId must be 1 to 64 letters, digits, hyphens and underscores";
    let id_form = "id must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057";
    let nil = uuid::Uuid::nil().to_string();
    let refused = [
        (
            "type",
            json!("test.ping"),
            "type test.ping is reserved for test pings",
        ),
        ("type", json!("Invoice Paid"), type_form),
        ("type", json!("invoice.*"), type_form),
        ("type", json!(7), "type must be a string"),
        ("type", Value::Null, "type is missing"),
        ("appId", json!("a b"), app_id_form),
        ("appId", Value::Null, "appId is missing"),
        ("id", json!("x"), id_form),
        ("id", json!(nil), id_form),
        (
            "dataText",
            json!("7"),
            "data and dataText exclude each other",
        ),
    ];
    let messages = refused.map(|(field, value, reason)| (with_field(&app, field, value), reason));
    must_be_refused(&app, &messages).await;
}

#[tokio::test]
async fn events_with_invalid_data_become_dead_letters_with_the_reason() {
    let app = start().await;
    let valid = with_data(&app, "1");
    let with = |field: &str| valid.replacen('{', &format!("{{{field},"), 1);
    let repeated = "a field is repeated";
    let too_deep = "data is nested more than 128 deep";
    let too_large = data_of_payload(MAX_PAYLOAD_BYTES + 1);
    let messages = [
        (
            valid.replace("\"data\":1", "\"dataText\":\"tru\""),
            "dataText must be JSON",
        ),
        (valid.replace(",\"data\":1", ""), "data is missing"),
        (with(r#""type":"a""#), repeated),
        (with(r#""d\u0061ta":{}"#), repeated),
        (with(r#""more":1,"more":1"#), repeated),
        (with_data(&app, &nested(129)), too_deep),
        (with_data(&app, &nested(100_000)), too_deep),
        (
            with_data(&app, &too_large),
            "data is too large to be stored",
        ),
    ];
    must_be_refused(&app, &messages).await;
}

#[tokio::test]
async fn messages_of_unknown_kinds_become_dead_letters_with_the_reason() {
    let app = start().await;
    let of_event_bridge = json!({"detail-type": "a", "source": "b", "detail": {}});
    let messages = [
        (
            with_data(&app, "1").replace("\"event\"", "\"Event\""),
            "unknown kind",
        ),
        (
            of_event_bridge.to_string(),
            "it has no kind; an event of EventBridge needs an input transformer",
        ),
        (json!({"appId": "a"}).to_string(), "it has no kind"),
    ];
    must_be_refused(&app, &messages).await;
}

#[tokio::test]
async fn events_with_invalid_times_become_dead_letters_with_the_reason() {
    let app = start().await;
    let no_time = "timestamp must be an ISO 8601 time";
    let out_of_range = "timestamp must be from 0000-01-01T00:00:00Z to 9999-12-30T22:00:00Z";
    for (timestamp, expected) in [
        ("-000001-01-01T00:00:00Z", out_of_range),
        ("0000-01-01T00:00:00+01:00", out_of_range),
        ("9999-12-31T23:59:59Z", out_of_range),
        ("2026-01-31", no_time),
        ("", no_time),
    ] {
        let body = with_field(&app, "timestamp", json!(timestamp));
        let letter = app.queue.must_become_dead_letter(&body).await;
        let reason = letter.attribute("Reason");
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(app.queue.tasks().await, []);
}

#[tokio::test]
async fn refused_messages_are_counted_by_reason() {
    static EMITTED: Mutex<Vec<Value>> = Mutex::new(Vec::new());
    let app = TestApp::start_with(Options::stepwise()).await;
    let metered =
        metrics::queue_with_metrics(&app, |line| EMITTED.lock().unwrap().push(line.clone()));
    for (body, flaw) in [
        (
            with_field(&app, "type", json!("Invoice Paid")),
            "EVENT_TYPE",
        ),
        (with_data(&app, &nested(129)), "NESTING"),
        (
            with_data(&app, &data_of_payload(MAX_PAYLOAD_BYTES + 1)),
            "SIZE",
        ),
        (with_data(&app, "1").replace("appId", "app"), "FIELD"),
        (r#"{"kind":"another"}"#.to_owned(), "KIND"),
        ("{".to_owned(), "NOT_JSON"),
    ] {
        EMITTED.lock().unwrap().clear();
        metered.must_handle(body).await;
        let emitted = EMITTED.lock().unwrap().clone();
        let dimensions = [("Reason", flaw.to_owned())];
        assert_eq!(emitted.len(), 1, "{emitted:?}");
        assert!(
            metrics::has(&emitted[0], "MessagesRejected", &dimensions),
            "{emitted:?}"
        );
    }
}
