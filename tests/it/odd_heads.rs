//! Odd but readable response heads, and the header names of requests.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use webhook_endpoints::domain::delivery::BodyNote;
use webhook_endpoints::domain::failure::Failure;

use crate::support::asserts::{assert_answered, assert_failed, ping_and_history, ping_url};
use crate::support::receiver::{blunt_receiver, raw_receiver, recording_receiver};
use crate::support::{Options, TestApp};

/// A 200 with these header lines and the body `ok`.
fn head(lines: &str) -> &'static [u8] {
    let head = format!("HTTP/1.1 200 OK\r\n{lines}content-length: 2\r\n\r\nok");
    Vec::leak(head.into_bytes())
}

#[tokio::test]
async fn odd_headers_are_accepted() {
    let app = TestApp::start().await;
    let many: String = (0..150).map(|n| format!("x-{n}: y\r\n")).collect();
    let more: String = (0..990).map(|n| format!("x-{n}: y\r\n")).collect();
    let same = "set-cookie: a=b\r\n".repeat(500);
    let long = format!("x: {}\r\n", "y".repeat(300_000));
    for lines in [
        many.as_str(),
        &more,
        &same,
        &long,
        // Folded, with a space and with a tab.
        "x: one\r\n two\r\n\tthree\r\n",
        "x : y\r\n",
        "x\t: y\r\n",
        ": no name\r\n",
        "no colon\r\n",
        "x y: z\r\n",
        "x[1]: y\r\n",
        "x: \x01\r\n",
        "x: é\r\n",
        "é: x\r\n",
        "x:\r\n",
        "X: y\n",
    ] {
        let (url, _) = blunt_receiver(head(lines)).await;
        assert_answered(&ping_url(&app, &url).await, 200, "ok");
    }
}

#[tokio::test]
async fn odd_status_lines_are_accepted() {
    let app = TestApp::start().await;
    for (answer, status) in [
        (
            b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok".as_slice(),
            200,
        ),
        (b"HTTP/1.1 202 \r\ncontent-length: 2\r\n\r\nok", 202),
        (b"HTTP/1.0 200 OK\r\n\r\nok", 200),
        (b"HTTP/1.1 200 OK\n\nok", 200),
        (b"HTTP/1.1 418 \xfc\xff\r\ncontent-length: 2\r\n\r\nok", 418),
    ] {
        let (url, _) = blunt_receiver(answer).await;
        assert_answered(&ping_url(&app, &url).await, status, "ok");
    }
}

/// Asserts that the status line decides although the HTTP client fails on the headers.
async fn assert_status_line_decides(app: &TestApp, answer: &[u8], status: u16) {
    let (url, _) = blunt_receiver(Vec::leak(answer.to_vec())).await;
    let (id, _) = app.api.create_webhook(&url).await;
    let ping = ping_and_history(app, &id).await;
    assert_answered(&ping, status, "");
    let delivery = ping["deliveryId"].as_str().unwrap();
    let shown = app.api.delivery(&id, delivery).await;
    let attempt = &shown["attemptLog"][0];
    assert_eq!(attempt["bodyNote"]["code"], BodyNote::InvalidHeaders.code());
    assert_eq!(attempt["error"], Value::Null);
}

/// The HTTP client can't parse these heads, but their status lines are readable.
#[tokio::test]
async fn status_line_decides_despite_invalid_headers() {
    let app = TestApp::start().await;
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\nok", 200),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok",
            200,
        ),
        ("HTTP/1.1 503 Busy\r\ncontent-length: -1\r\n\r\nok", 503),
        ("HTTP/2 200 OK\r\ncontent-length: 2\r\n\r\nok", 200),
        ("HTTP/1.1  202 Accepted\r\ncontent-length: 2\r\n\r\nok", 202),
        ("\r\nHTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", 200),
    ] {
        assert_status_line_decides(&app, answer.as_bytes(), status).await;
    }
}

#[tokio::test]
async fn interim_responses_before_invalid_headers_are_skipped() {
    let app = TestApp::start().await;
    let long = format!(
        "HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n",
        "x".repeat(2_000)
    );
    for interim in [
        "HTTP/1.1 103 Early Hints\r\n\r\n",
        "HTTP/1.1 100 Continue\n\n",
        "HTTP/1.1 100 Continue\nx: y\n\n",
        &long,
        &long.repeat(3),
    ] {
        let answer = format!("{interim}HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n");
        assert_status_line_decides(&app, answer.as_bytes(), 200).await;
    }
}

#[tokio::test]
async fn status_line_decides_despite_oversized_headers() {
    let app = TestApp::start().await;
    for lines in [
        "x: y\r\n".repeat(1_500),
        format!("x: {}\r\n", "y".repeat(2_000_000)),
    ] {
        for status in [200, 503] {
            let answer = format!("HTTP/1.1 {status} Status\r\n{lines}\r\n");
            assert_status_line_decides(&app, answer.as_bytes(), status).await;
        }
    }
}

#[tokio::test]
async fn oversized_heads_without_a_final_status_fail() {
    let app = TestApp::start().await;
    for lines in [
        "x: y\r\n".repeat(2_000),
        format!("x: {}\r\n", "y".repeat(2_000_000)),
    ] {
        let answer = format!("HTTP/1.1 103 Early Hints\r\n{lines}\r\nHTTP/1.1 200 OK\r\n\r\n");
        let (url, _) = blunt_receiver(Vec::leak(answer.into_bytes())).await;
        assert_failed(&ping_url(&app, &url).await, Failure::HeadTooLarge);
    }
}

#[tokio::test]
async fn header_names_are_sent_in_title_case() {
    let app = TestApp::start_with(Options::default()).await;
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let (url, heard) = recording_receiver(answer).await;
    assert_answered(&ping_url(&app, &url).await, 200, "");
    let request = heard.lock().unwrap().remove(0);
    let request = String::from_utf8(request).unwrap();
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let mut names: Vec<_> = head
        .lines()
        .skip(1)
        .map(|line| line.split(':').next().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "Accept",
            "Content-Length",
            "Content-Type",
            "Host",
            "User-Agent",
            "Webhook-Id",
            "Webhook-Signature",
            "Webhook-Timestamp",
        ]
    );
}

#[tokio::test]
async fn each_status_line_on_a_connection_counts_for_its_own_request() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let url = raw_receiver(|mut stream| async move {
        let mut request = vec![0; 64 * 1024];
        // The client fails on the second head.
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 503 x\r\ncontent-length: many\r\n\r\n",
        ] {
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.read(&mut request).await;
        }
    });
    let (id, _) = app.api.create_webhook(&url.await).await;
    for status in [200, 503] {
        let task = app.queue.first_attempt().await;
        app.queue.must_attempt(&task).await;
        let shown = app.api.delivery(&id, task.delivery_id).await;
        assert_eq!(shown["attemptLog"][0]["responseStatus"], status);
    }
}
