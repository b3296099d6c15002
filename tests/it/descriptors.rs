//! Use of file descriptors, which Lambda limits to 1,024. Each test runs an ignored test of
//! this binary in its own process, because the limit is per process.

use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use webhook_endpoints::delivery::egress::SystemResolver;
use webhook_endpoints::domain::message::Lane;

use crate::support::gauge::{Gauge, counted_receiver};
use crate::support::names::{LOOPBACK, Names};
use crate::support::queue::{attempt_message, message};
use crate::support::{Options, TestApp};

/// Runs an ignored test of this module with this limit of file descriptors.
fn run_limited(descriptors: u32, test: &str) {
    let test = format!("descriptors::{test}");
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit -n {descriptors}; exec \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", &test])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.contains("1 passed"), "{said}");
}

/// Receivers and emulators run in the same process, so each connection takes two
/// descriptors. If every host kept a connection, 160 would not be enough.
#[test]
fn deliveries_to_100_receivers_fit_into_160_descriptors() {
    run_limited(160, "hundred_receivers_limited");
}

#[tokio::test]
#[ignore = "runs with few file descriptors"]
async fn hundred_receivers_limited() {
    let mut options = Options::stepwise();
    options.sender.resolver = Names::always(&[LOOPBACK]);
    let app = TestApp::start_with(options).await;
    let gauge = Gauge::default();
    let url = counted_receiver(&gauge).await;
    let mut ids = Vec::new();
    for index in 0..100 {
        let url = url.replacen(LOOPBACK, &format!("r{index}.example.com"), 1);
        ids.push(app.api.create_webhook(&url).await.0);
    }
    for _ in 0..2 {
        app.api.must_publish("invoice.paid").await;
        let tasks = app.queue.fan_out().await;
        assert_eq!(tasks.len(), 100);
        for batch in tasks.chunks(10) {
            let batch = batch
                .iter()
                .enumerate()
                .map(|(index, task)| message(Some(&index.to_string()), attempt_message(task)));
            assert_eq!(app.queue.handle(batch).await, Ok(Vec::new()));
        }
    }
    for id in ids {
        let history = app.api.deliveries(&id).await;
        assert_eq!(history.len(), 2);
        for delivery in history {
            assert_eq!(delivery["status"], "DELIVERED", "{delivery}");
        }
    }
}

/// A batch of events makes up to 100 concurrent attempts. Both ends of each connection are
/// in this process, so they take 200 of the descriptors.
#[test]
fn batches_of_100_attempts_fit_into_512_descriptors() {
    run_limited(512, "ten_events_limited");
}

#[tokio::test]
#[ignore = "runs with few file descriptors"]
async fn ten_events_limited() {
    let mut options = Options::stepwise();
    options.sender.resolver = Names::always(&[LOOPBACK]);
    let app = TestApp::start_with(options).await;
    let gauge = Gauge::default();
    let url = counted_receiver(&gauge).await;
    let mut ids = Vec::new();
    for index in 0..10 {
        let url = url.replacen(LOOPBACK, &format!("r{index}.example.com"), 1);
        ids.push(app.api.create_webhook(&url).await.0);
    }
    for _ in 0..10 {
        app.api.must_publish("invoice.paid").await;
    }
    let events = app.queue.queued().await;
    assert_eq!(events.len(), 10);
    assert_eq!(app.queue.handle(events).await, Ok(Vec::new()));
    assert_eq!(
        app.queue.counts_in(Lane::Fast).await[0],
        0,
        "all were attempted at once"
    );
    for id in ids {
        let history = app.api.deliveries(&id).await;
        assert_eq!(history.len(), 10);
        for delivery in history {
            assert_eq!(delivery["status"], "DELIVERED", "{delivery}");
        }
    }
}

#[test]
fn messages_are_returned_if_descriptors_run_out() {
    run_limited(256, "lack_of_descriptors_limited");
}

#[tokio::test]
#[ignore = "runs with few file descriptors"]
async fn lack_of_descriptors_limited() {
    let mut options = Options::stepwise();
    options.sender.resolver = Arc::new(SystemResolver);
    let app = TestApp::start_with(options).await;
    let gauge = Gauge::default();
    let url = counted_receiver(&gauge).await;
    let by_name = url.replacen(LOOPBACK, "localhost", 1);
    for url in [url, by_name] {
        let (id, _) = app.api.create_webhook(&url).await;
        let task = app.queue.first_attempt().await;
        app.aws.wire.take();
        // Opens files until the limit is reached.
        let hoard: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        let back = app.queue.try_attempt(&task).await;
        let calls = app.aws.wire.take();
        drop(hoard);
        assert_eq!(back, ["m"], "{url}");
        // The attempt was tried, and nothing was recorded.
        assert!(calls.iter().any(|call| call == "BatchGetItem"), "{calls:?}");
        assert!(!calls.iter().any(|call| call == "UpdateItem"), "{calls:?}");
        assert_eq!(app.api.deliveries(&id).await, Vec::<Value>::new(), "{url}");

        app.queue.must_attempt(&task).await;
        let delivered = app.api.must_have_one_delivery(&id).await;
        assert_eq!(delivered["status"], "DELIVERED", "{url}");
        let deleted = app.api.delete(&format!("/{id}")).await;
        assert!(deleted.status.is_success(), "{deleted:?}");
    }
}

/// Otherwise, every delivery that a receiver accepts without reading it would hold a
/// connection and a payload for as long as the receiver likes.
#[test]
fn receivers_that_respond_without_reading_hold_no_connection() {
    run_limited(190, "receivers_that_do_not_read_limited");
}

#[tokio::test]
#[ignore = "runs with few file descriptors"]
async fn receivers_that_do_not_read_limited() {
    const EVENTS: usize = 100;
    let app = TestApp::start_with(Options::stepwise()).await;
    let url = unreading_receiver().await;
    let (id, _) = app.api.create_webhook(&url).await;
    for _ in 0..EVENTS {
        let event = json!({"type": "invoice.paid", "data": "x".repeat(240_000)});
        assert_eq!(app.api.publish(&event).await.status, 202);
        let tasks = app.queue.fan_out().await;
        app.queue.must_attempt(&tasks[0]).await;
        let delivery = app.api.delivery(&id, tasks[0].delivery_id).await;
        assert_eq!(
            delivery["status"], "DELIVERED",
            "{}",
            delivery["attemptLog"]
        );
    }
}

/// Starts a receiver that responds after a request's first bytes, then neither reads more
/// nor closes the connection. Buffers and packets are small, as on the internet: otherwise
/// the kernel would buffer a whole payload.
async fn unreading_receiver() -> String {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    socket.set_tcp_mss(1400).unwrap();
    socket.set_nonblocking(true).unwrap();
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any_port.into()).unwrap();
    socket.listen(128).unwrap();
    let listener = TcpListener::from_std(socket.into()).unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut first = [0; 512];
            let _ = stream.read(&mut first).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await;
            held.push(stream);
        }
    });
    url
}
