//! Receivers of deliveries, well-behaved and not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("text")
    }

    /// Whether the public library takes the signature for this secret.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        Webhook::new(secret)
            .expect("a secret")
            .verify(&self.body, &self.headers)
            .is_ok()
    }
}

type Respond = Arc<dyn Fn(&Received) -> Response + Send + Sync>;

/// An HTTP receiver that remembers what arrived.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
    respond: Respond,
}

impl Receiver {
    /// Answers with this status and body.
    pub async fn answering(status: u16, body: &'static str) -> Self {
        let status = StatusCode::from_u16(status).expect("a status");
        Self::responding(move |_| (status, body).into_response()).await
    }

    /// Answers as `respond` says.
    pub async fn responding(
        respond: impl Fn(&Received) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let receiver = Self {
            url: format!("http://{address}/hook"),
            received: Arc::default(),
            respond: Arc::new(respond),
        };
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        receiver
    }

    /// What arrived so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The only request that arrived.
    #[track_caller]
    pub fn only(&self) -> Received {
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
    receiver.received.lock().unwrap().push(received);
    response
}

/// A receiver below HTTP: after a request came in, `script` has the connection.
pub async fn raw_receiver<F, Fut>(script: F) -> String
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request).await;
            tokio::spawn(script(stream));
        }
    });
    url
}

/// Answers at once, and then a byte of the body each `interval`, for ever.
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
