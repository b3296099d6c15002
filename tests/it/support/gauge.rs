//! Receivers that count their connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Counts the connections of one or more receivers.
#[derive(Clone, Default)]
pub struct Gauge(Arc<Counts>);

#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    open: AtomicUsize,
}

impl Gauge {
    /// Counts a connection as open until the guard is dropped.
    pub fn count(&self) -> Open {
        self.0.accepted.fetch_add(1, Ordering::SeqCst);
        self.0.open.fetch_add(1, Ordering::SeqCst);
        Open(self.clone())
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> usize {
        self.0.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::SeqCst)
    }
}

/// Counts a connection as open until it is dropped.
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Starts a receiver that responds 200 and keeps connections open. Each connection responds
/// to `requests` requests and ignores the rest, as if packets were lost.
pub async fn forgetful_receiver(gauge: &Gauge, requests: usize) -> String {
    start(gauge, requests, open_gate(), 0).await
}

/// Starts a receiver that responds 200 with a body of this size and keeps connections open.
pub async fn wordy_receiver(gauge: &Gauge, body_bytes: usize) -> String {
    start(gauge, usize::MAX, open_gate(), body_bytes).await
}

fn open_gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(Semaphore::MAX_PERMITS))
}

/// Starts a receiver that responds 200 and keeps connections open.
pub async fn counted_receiver(gauge: &Gauge) -> String {
    forgetful_receiver(gauge, usize::MAX).await
}

/// Starts a receiver that responds to one request for each permit of the gate.
pub async fn gated_counted_receiver(gauge: &Gauge, gate: &Arc<Semaphore>) -> String {
    start(gauge, usize::MAX, Arc::clone(gate), 0).await
}

async fn start(gauge: &Gauge, requests: usize, gate: Arc<Semaphore>, body_bytes: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a port");
    let address = listener.local_addr().expect("read the bound address");
    let gauge = gauge.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (open, gate) = (gauge.count(), Arc::clone(&gate));
            tokio::spawn(serve(stream, open, requests, gate, body_bytes));
        }
    });
    format!("http://{address}/hook")
}

async fn serve(
    mut stream: TcpStream,
    open: Open,
    mut requests: usize,
    gate: Arc<Semaphore>,
    body_bytes: usize,
) {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {body_bytes}\r\n\r\n");
    let answer = head + &"x".repeat(body_bytes);
    let mut request = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut request).await {
        // A request may arrive in several reads. Payloads are JSON objects, so `}` at the
        // end of a read means that the request is complete.
        if requests == 0 || !request[..length].ends_with(b"}") {
            continue;
        }
        requests -= 1;
        // `forget` uses the permit up, so each one lets exactly one response through.
        gate.acquire().await.expect("pass the gate").forget();
        if stream.write_all(answer.as_bytes()).await.is_err() {
            break;
        }
    }
    drop(open);
}
