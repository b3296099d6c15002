//! Receivers for the soak test. They verify signatures and count deliveries per event.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use standardwebhooks::Webhook;
use tokio::net::{TcpListener, TcpSocket};

/// How a receiver behaves until [`Counting::revive`] makes it healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Healthy,
    /// Responds after this long.
    Slow(Duration),
    /// Fails every other request.
    Flapping,
    /// Accepts requests and never responds.
    Hanging,
    /// Refuses connections.
    Dead,
}

pub struct Counting {
    pub url: String,
    pub manner: Manner,
    webhook: Mutex<Option<Webhook>>,
    /// How often each event was acknowledged with a 200.
    taken: Mutex<HashMap<String, usize>>,
    requests: AtomicUsize,
    unverified: AtomicUsize,
    revived: AtomicBool,
    /// A socket that is bound but not listening: the port is reserved, and connections are
    /// refused until [`Self::listen`].
    refusing: Mutex<Option<TcpSocket>>,
}

impl Counting {
    pub async fn start(manner: Manner) -> Arc<Self> {
        let socket = TcpSocket::new_v4().expect("create a socket");
        let any = "127.0.0.1:0".parse().expect("parse the address");
        socket.bind(any).expect("bind a port");
        let address = socket.local_addr().expect("read the bound address");
        let receiver = Arc::new(Self {
            url: format!("http://{address}/hook"),
            manner,
            webhook: Mutex::default(),
            taken: Mutex::default(),
            requests: AtomicUsize::default(),
            unverified: AtomicUsize::default(),
            revived: AtomicBool::default(),
            refusing: Mutex::new(Some(socket)),
        });
        if manner != Manner::Dead {
            receiver.listen();
        }
        receiver
    }

    fn listen(self: &Arc<Self>) {
        // `None` if the receiver is already listening.
        let Some(socket) = self.refusing.lock().unwrap().take() else {
            return;
        };
        let listener: TcpListener = socket.listen(1024).expect("listen on the port");
        let state = Arc::clone(self);
        let router = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let receiver = Arc::clone(&state);
            async move { receiver.receive(&headers, &body).await }
        });
        tokio::spawn(axum::serve(listener, router).into_future());
    }

    /// Sets the secret that deliveries must be signed with.
    pub fn verify_with(&self, secret: &str) {
        let webhook = Webhook::new(secret).expect("parse the secret");
        *self.webhook.lock().unwrap() = Some(webhook);
    }

    /// Makes the receiver healthy.
    pub fn revive(self: &Arc<Self>) {
        self.revived.store(true, Ordering::SeqCst);
        self.listen();
    }

    async fn receive(&self, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        let earlier = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = headers["webhook-id"].to_str();
        let id = id.expect("read the webhook id").to_owned();
        let verified = {
            let webhook = self.webhook.lock().unwrap();
            let webhook = webhook.as_ref();
            let webhook = webhook.expect("call verify_with before the first delivery");
            webhook.verify(body, headers)
        };
        if verified.is_err() {
            self.unverified.fetch_add(1, Ordering::Relaxed);
        }
        match self.manner {
            // Read on each request: a receiver may be revived while earlier requests still
            // hang.
            _ if self.revived.load(Ordering::SeqCst) => {}
            Manner::Healthy | Manner::Dead => {}
            Manner::Slow(time) => tokio::time::sleep(time).await,
            Manner::Flapping if earlier.is_multiple_of(2) => {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            Manner::Flapping => {}
            Manner::Hanging => std::future::pending().await,
        }
        *self.taken.lock().unwrap().entry(id).or_default() += 1;
        StatusCode::OK
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    pub fn unverified(&self) -> usize {
        self.unverified.load(Ordering::Relaxed)
    }

    /// How often this event was acknowledged with a 200.
    pub fn taken(&self, id: &str) -> usize {
        let taken = self.taken.lock().unwrap();
        taken.get(id).copied().unwrap_or_default()
    }
}
