//! Receivers of deliveries, some of which misbehave.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use super::tls::{Identity, TlsListener};

#[derive(Debug, Clone)]
pub struct Received {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name]
            .to_str()
            .expect("read the header as text")
    }

    /// Returns whether the signature is valid for this secret. Asserts that two public
    /// libraries agree.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        use svix::webhooks::Webhook as Svix;
        let by_standard_webhooks = standard(secret).verify(&self.body, &self.headers);
        let svix = match secret.starts_with("whsec_") {
            true => Svix::new(secret),
            false => Svix::from_bytes(secret.as_bytes().to_vec()),
        };
        let svix = svix.expect("parse the secret");
        let by_svix = svix.verify(&self.body, &self.headers);
        assert_eq!(by_standard_webhooks.is_ok(), by_svix.is_ok());
        by_svix.is_ok()
    }

    /// Returns whether one of the signatures is the one that a public library makes with
    /// this secret. Unlike [`Self::is_signed_with`], accepts timestamps of any age.
    pub fn was_signed_with(&self, secret: &str) -> bool {
        let made = self.signature_with(secret);
        let mut signatures = self.header("webhook-signature").split(' ');
        signatures.any(|signature| signature == made)
    }

    /// Returns which of these secrets made each signature, in header order.
    pub fn signers<'a>(&self, secrets: &[&'a str]) -> Vec<&'a str> {
        let signatures = self.header("webhook-signature").split(' ');
        let signer = |signature: &str| {
            let mut secrets = secrets.iter();
            let signer = secrets.find(|secret| self.signature_with(secret) == signature);
            *signer.expect("find the secret that made a signature")
        };
        signatures.map(signer).collect()
    }

    fn signature_with(&self, secret: &str) -> String {
        let timestamp = self
            .header("webhook-timestamp")
            .parse()
            .expect("parse the timestamp");
        standard(secret)
            .sign(self.header("webhook-id"), timestamp, &self.body)
            .expect("sign the payload")
    }
}

/// Creates a verifier for a secret in either format.
fn standard(secret: &str) -> Webhook {
    let verifier = match secret.starts_with("whsec_") {
        true => Webhook::new(secret),
        false => Webhook::from_bytes(secret.as_bytes().to_vec()),
    };
    verifier.expect("parse the secret")
}

type Respond = Arc<dyn Fn(&Received) -> Response + Send + Sync>;

/// An HTTP receiver that records its requests.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    respond: Respond,
    /// The longest response time. Each response takes a random part of it.
    lag: Duration,
}

impl Receiver {
    /// Responds with this status and body.
    pub async fn answering(status: u16, body: &'static str) -> Self {
        let status = StatusCode::from_u16(status).expect("convert the status");
        Self::responding(move |_| (status, body).into_response()).await
    }

    /// Responds with what `respond` returns.
    pub async fn responding(
        respond: impl Fn(&Received) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a port");
        Self::start("http", listener, Arc::new(respond), Duration::ZERO)
    }

    /// Responds with what `respond` returns, after a random time of up to `lag`.
    pub async fn lagging(
        lag: Duration,
        respond: impl Fn(&Received) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a port");
        Self::start("http", listener, Arc::new(respond), lag)
    }

    /// Responds with the status in the returned value, initially 500.
    pub async fn switched() -> (Self, Arc<AtomicU16>) {
        let status = Arc::new(AtomicU16::new(500));
        let answer = Arc::clone(&status);
        let receiver = Self::responding(move |_| {
            let status = StatusCode::from_u16(answer.load(Ordering::SeqCst));
            status.expect("convert the status").into_response()
        });
        (receiver.await, status)
    }

    /// Responds 200 over TLS, with this certificate.
    pub async fn over_tls(identity: Identity) -> Self {
        let listener = TlsListener::bind(identity).await;
        let respond = |_: &Received| StatusCode::OK.into_response();
        Self::start("https", listener, Arc::new(respond), Duration::ZERO)
    }

    fn start<L: Listener<Addr = SocketAddr>>(
        scheme: &str,
        listener: L,
        respond: Respond,
        lag: Duration,
    ) -> Self
    where
        L::Addr: std::fmt::Debug,
    {
        let address = listener.local_addr().expect("read the bound address");
        let receiver = Self {
            url: format!("{scheme}://{address}/hook"),
            received: Arc::default(),
            respond,
            lag,
        };
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        receiver
    }

    /// Returns the URL with this host name instead of the address.
    pub fn url_as(&self, name: &str) -> String {
        self.url.replacen("127.0.0.1", name, 1)
    }

    /// Returns the requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Returns the requests after the first `known`.
    pub fn received_after(&self, known: usize) -> Vec<Received> {
        self.received.lock().unwrap()[known..].to_vec()
    }

    /// Asserts that exactly one request arrived, and returns it.
    #[track_caller]
    pub fn must_receive_one(&self) -> Received {
        let mut received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let received = Received {
        method,
        uri,
        headers,
        body,
    };
    let response = (receiver.respond)(&received);
    // Recorded before the lag, so that a request counts from its arrival on.
    receiver.received.lock().unwrap().push(received);
    if !receiver.lag.is_zero() {
        let part = rand::random_range(0.0..1.0);
        tokio::time::sleep(receiver.lag.mul_f64(part)).await;
    }
    response
}

/// Starts a TCP receiver. `script` gets each connection once the first bytes of a request
/// arrived.
pub async fn raw_receiver<F, Fut>(script: F) -> String
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    raw_receiver_with_request(move |stream, _| script(stream)).await
}

/// Like [`raw_receiver`], but `script` also gets those bytes.
pub async fn raw_receiver_with_request<F, Fut>(script: F) -> String
where
    F: Fn(TcpStream, Vec<u8>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a port");
    let url = format!(
        "http://{}/hook",
        listener.local_addr().expect("read the bound address")
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let length = stream.read(&mut request).await.unwrap_or_default();
            request.truncate(length);
            tokio::spawn(script(stream, request));
        }
    });
    url
}

/// Sends headers at once, then one byte of the body per `interval`, forever.
pub async fn dripping_receiver(interval: Duration) -> String {
    raw_receiver(move |mut stream| async move {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
        if stream.write_all(head).await.is_err() {
            return;
        }
        while stream.write_all(b".").await.is_ok() {
            tokio::time::sleep(interval).await;
        }
    })
    .await
}

/// Accepts requests and never responds.
pub async fn silent_receiver() -> String {
    raw_receiver(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await
}

/// Sends these bytes and closes the connection. Returns the connection count.
pub async fn blunt_receiver(answer: &'static [u8]) -> (String, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let url = raw_receiver(move |mut stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    (url, connections)
}

/// Sends these bytes and closes the connection. Returns the first bytes of every request.
pub async fn recording_receiver(answer: &'static [u8]) -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
    let heard: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let requests = Arc::clone(&heard);
    let url = raw_receiver_with_request(move |mut stream, request| {
        requests.lock().unwrap().push(request);
        async move {
            let _ = stream.write_all(answer).await;
        }
    })
    .await;
    (url, heard)
}

/// Responds 200 with an endless body. Signals when the connection is closed.
pub async fn endless_receiver() -> (String, oneshot::Receiver<()>) {
    let (closed, closing) = oneshot::channel();
    let closed = Mutex::new(Some(closed));
    let url = raw_receiver(move |mut stream| {
        let closed = closed.lock().unwrap().take();
        async move {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let chunk = [b"1000\r\n".as_slice(), &[b'x'; 0x1000], b"\r\n"].concat();
            let mut writing = stream.write_all(head).await;
            while writing.is_ok() {
                writing = stream.write_all(&chunk).await;
            }
            let _ = closed.map(|closed| closed.send(()));
        }
    })
    .await;
    (url, closing)
}

/// Responds 200 to one request each time the gate is notified.
pub async fn gated_receiver() -> (String, Arc<Notify>) {
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let url = raw_receiver(move |mut stream| {
        let opened = Arc::clone(&opened);
        async move {
            opened.notified().await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.write_all(answer).await;
        }
    })
    .await;
    (url, gate)
}

/// The connections of a [`keeping_receiver`].
pub struct Connections {
    pub accepted: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<std::net::TcpStream>>>,
}

impl Connections {
    /// Closes all connections. The FIN has been sent when this returns.
    pub fn close(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            stream
                .shutdown(Shutdown::Both)
                .expect("close the connection");
        }
    }
}

/// Responds 200 and keeps connections alive. It has threads of its own, so it works while a
/// test blocks the runtime.
pub fn keeping_receiver() -> (String, Connections) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind a port");
    let url = format!(
        "http://{}/hook",
        listener.local_addr().expect("read the bound address")
    );
    let connections = Connections {
        accepted: Arc::default(),
        open: Arc::default(),
    };
    let (accepted, open) = (
        Arc::clone(&connections.accepted),
        Arc::clone(&connections.open),
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("accept the connection");
            accepted.fetch_add(1, Ordering::SeqCst);
            let kept = stream.try_clone().expect("clone the connection");
            open.lock().unwrap().push(kept);
            std::thread::spawn(move || {
                let mut request = vec![0; 64 * 1024];
                while let Ok(length @ 1..) = stream.read(&mut request) {
                    // A request may arrive in several reads. Payloads are JSON objects, so
                    // `}` at the end of a read means that the request is complete.
                    if request[..length].ends_with(b"}") {
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                        let _ = stream.write_all(answer);
                    }
                }
            });
        }
    });
    (url, connections)
}
