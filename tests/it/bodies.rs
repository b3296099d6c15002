//! Responses with an intact head and a broken body: the status decides.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use webhook_endpoints::domain::delivery::BodyNote;

use crate::support::asserts::{assert_answered, ping_and_history, ping_url};
use crate::support::receiver::{blunt_receiver, dripping_receiver, raw_receiver};
use crate::support::{Options, TestApp};

/// Starts a receiver that sends these bytes, then neither sends more nor closes the
/// connection.
async fn stalling_receiver(answer: &'static [u8]) -> String {
    raw_receiver(move |mut stream| async move {
        let _ = stream.write_all(answer).await;
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await
}

/// Returns a ping's only attempt.
async fn attempt(app: &TestApp, id: &str, ping: &Value) -> Value {
    let delivery = ping["deliveryId"].as_str().unwrap();
    let shown = app.api.delivery(id, delivery).await;
    shown["attemptLog"][0].clone()
}

/// Pings an endpoint with this URL. Asserts the outcome, and the history's note about the
/// body.
async fn must_note(app: &TestApp, url: &str, status: u16, body: &str, note: Option<BodyNote>) {
    let (id, _) = app.api.create_webhook(url).await;
    let ping = ping_and_history(app, &id).await;
    assert_answered(&ping, status, body);
    let attempt = attempt(app, &id, &ping).await;
    assert_eq!(attempt["responseStatus"], status);
    assert_eq!(attempt["responseBody"], body);
    assert_eq!(attempt["error"], Value::Null);
    let note = note.map(|note| json!({"code": note.code(), "message": note.to_string()}));
    assert_eq!(attempt["bodyNote"], json!(note));
}

#[tokio::test]
async fn bodies_that_break_off_change_no_outcome() {
    let app = TestApp::start().await;
    for (answer, status, body) in [
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".as_slice(),
            200,
            "half",
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", 200, ""),
        (
            b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            202,
            "half",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno chunk",
            200,
            "",
        ),
        (
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nnot",
            404,
            "not",
        ),
        (
            b"HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
            503,
            "",
        ),
    ] {
        let (url, _) = blunt_receiver(answer).await;
        must_note(&app, &url, status, body, Some(BodyNote::BrokeOff)).await;
    }
}

/// A body gets a second. So the attempts end before the pings stop waiting for them, after
/// 5 s, and long before their deadline of 15 s.
#[tokio::test]
async fn bodies_that_never_end_change_no_outcome() {
    let app = TestApp::start().await;
    for (answer, status, body) in [
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n".as_slice(),
            200,
            "begun",
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil close", 200, "until close"),
        (
            b"HTTP/1.1 500 Oops\r\ncontent-length: 100\r\n\r\nhalf",
            500,
            "half",
        ),
    ] {
        let url = stalling_receiver(answer).await;
        // A 204 has no body, so nothing is missing.
        let note = (status != 204).then_some(BodyNote::TookTooLong);
        must_note(&app, &url, status, body, note).await;
    }
}

/// The deadline of these attempts is shorter than the time allowed for a body.
#[tokio::test]
async fn bodies_that_drip_past_the_deadline_change_no_outcome() {
    let app = TestApp::start_with(Options::impatient()).await;
    let url = dripping_receiver(Duration::from_millis(10)).await;
    let (id, _) = app.api.create_webhook(&url).await;
    let ping = ping_and_history(&app, &id).await;
    let body = ping["responseBody"].as_str().unwrap();
    assert!(body.bytes().all(|byte| byte == b'.'), "{body}");
    assert_answered(&ping, 200, body);
    let note = &attempt(&app, &id, &ping).await["bodyNote"];
    assert_eq!(note["code"], BodyNote::TookTooLong.code());
}

#[tokio::test]
async fn long_bodies_are_not_waited_for() {
    let app = TestApp::start().await;
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
    let answer = [head.as_slice(), &[b'x'; 65 * 1024]].concat();
    // It stalls after what is read.
    let url = stalling_receiver(answer.leak()).await;
    must_note(&app, &url, 200, &"x".repeat(1_000), None).await;
}

#[tokio::test]
async fn complete_bodies_have_no_note() {
    let app = TestApp::start().await;
    let (url, _) = blunt_receiver(b"HTTP/1.1 200 OK\r\n\r\nuntil close").await;
    must_note(&app, &url, 200, "until close", None).await;
}

#[tokio::test]
async fn encoded_bodies_are_named_but_not_shown() {
    let app = TestApp::start().await;
    for answer in [
        b"HTTP/1.1 400 Bad\r\ncontent-encoding: gzip\r\n\r\n\x1f\x8b\x08\0\0\0".as_slice(),
        b"HTTP/1.1 400 Bad\r\n\r\n\x1f\x8b\x08\0\0\0",
    ] {
        let (url, _) = blunt_receiver(answer).await;
        let ping = ping_url(&app, &url).await;
        assert_answered(&ping, 400, "(a body in gzip, not shown)");
    }
}

/// The receiver closes the connection before it has read the whole payload, so the
/// connection is reset.
#[tokio::test]
async fn responses_sent_before_the_payload_is_read_count() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok";
    let url = raw_receiver(move |mut stream| async move {
        let _ = stream.write_all(answer).await;
    });
    let (id, _) = app.api.create_webhook(&url.await).await;
    for _ in 0..10 {
        let data = json!({"text": "x".repeat(200_000)});
        let event = json!({"type": "invoice.paid", "data": data});
        assert_eq!(app.api.publish(&event).await.status, 202);
    }
    for task in app.queue.fan_out().await {
        app.queue.must_attempt(&task).await;
        let delivery = app.api.delivery(&id, task.delivery_id).await;
        assert_eq!(
            delivery["status"], "DELIVERED",
            "{}",
            delivery["attemptLog"]
        );
    }
}

/// Makes the first attempt at a receiver with this response. Returns the delivery and the
/// endpoint.
async fn deliver_to(answer: &'static [u8]) -> (Value, Value) {
    let app = TestApp::start_with(Options::stepwise()).await;
    let (url, _) = blunt_receiver(answer).await;
    let (id, _) = app.api.create_webhook(&url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    let endpoint = app.api.get(&format!("/{id}")).await.data().clone();
    (app.api.delivery(&id, task.delivery_id).await, endpoint)
}

#[tokio::test]
async fn deliveries_with_a_2xx_head_and_a_broken_body_are_delivered_once() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let (delivery, endpoint) = deliver_to(answer).await;
    assert_eq!(delivery["status"], "DELIVERED");
    assert_eq!(delivery["attempts"], 1);
    assert_eq!(delivery["nextRetryAt"], Value::Null);
    assert_eq!(endpoint["failingSince"], Value::Null);
}

#[tokio::test]
async fn a_410_with_a_broken_body_disables_the_endpoint() {
    let answer = b"HTTP/1.1 410 Gone\r\ncontent-length: 100\r\n\r\nhalf";
    let (delivery, endpoint) = deliver_to(answer).await;
    assert_eq!(delivery["status"], "FAILED");
    assert_eq!(endpoint["disabledReason"], "GONE");
}

#[tokio::test]
async fn retry_after_is_honored_despite_a_broken_body() {
    let answer = b"HTTP/1.1 500 Busy\r\nretry-after: 99999\r\ncontent-length: 9\r\n\r\nhalf";
    let (delivery, _) = deliver_to(answer).await;
    assert_eq!(delivery["status"], "PENDING");
    let time = |shown: &Value| shown.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let attempt = &delivery["attemptLog"][0];
    let waited = time(&delivery["nextRetryAt"]).duration_since(time(&attempt["startedAt"]));
    assert!(waited.as_hours() >= 24, "{waited:?}");
}
