//! How far an attempt has come, so that its failure can say so.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use hyper::Request;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, capture_connection};

use super::status_line::StatusLine;

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reached {
    /// The host name is being resolved.
    Resolving,
    /// The TCP connection is being opened, or a connection of another attempt waited
    /// for.
    Connecting,
    /// The TLS handshake is under way.
    Handshaking,
    /// There is a connection. The request is not completely sent.
    Connected,
    /// The request is sent.
    Sent,
    /// The response has begun.
    Answering,
}

/// The progress of an attempt. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// One of the stages before there is a connection.
    connecting: AtomicU8,
    /// Whether the connection has taken all of the request's body.
    body_taken: Arc<AtomicBool>,
    /// Dead once the client has done with the request's body.
    body: Mutex<Weak<()>>,
    /// The connection that the request was assigned to.
    connection: Mutex<Option<CaptureConnection>>,
}

tokio::task_local! {
    /// The attempt that a connection is opened for. The client calls the connector in
    /// the attempt's task, but passes it nothing that would identify the attempt.
    static PROGRESS: Progress;
}

const STAGES: [Reached; 3] = [
    Reached::Connecting,
    Reached::Resolving,
    Reached::Handshaking,
];

impl Progress {
    /// Runs an exchange whose progress this is.
    pub(super) async fn of<T>(&self, exchange: impl Future<Output = T>) -> T {
        PROGRESS.scope(self.clone(), exchange).await
    }

    /// The attempt that is being made in this task.
    pub(super) fn current() -> Option<Self> {
        PROGRESS.try_with(Self::clone).ok()
    }

    /// Notes how far the connection has come.
    pub(super) fn note(&self, stage: Reached) {
        let position = STAGES.iter().position(|known| *known == stage);
        let position = position.and_then(|at| u8::try_from(at).ok());
        self.0
            .connecting
            .store(position.unwrap_or_default(), Ordering::Relaxed);
    }

    /// Starts over, with this request.
    pub(super) fn start<B>(&self, request: &mut Request<B>) {
        self.note(Reached::Connecting);
        self.0.body_taken.store(false, Ordering::Relaxed);
        let connection = capture_connection(request);
        *self.connection() = Some(connection);
    }

    /// A body of the request that notes when the connection has taken it.
    pub(super) fn watch(&self, payload: Bytes) -> WatchedBody {
        let alive = Arc::new(());
        *self.body() = Arc::downgrade(&alive);
        WatchedBody {
            payload,
            taken: Arc::clone(&self.0.body_taken),
            _alive: alive,
        }
    }

    /// The attempt is over, and `answered` if the response was read. What is not sent by
    /// now is not to be sent any more: a receiver that answers without reading would
    /// otherwise keep the connection, and the payload, for as long as it likes.
    pub(super) fn end(&self, answered: bool) {
        let body = self.body().clone();
        self.with_connection(|connected, tap| {
            if connected.is_negotiated_h2() {
                tap.leave_unsent(body);
            } else if !answered || body.strong_count() > 0 || !tap.lock().flushed {
                tap.close();
            }
        });
    }

    /// How far the attempt has come.
    pub(super) fn reached(&self) -> Reached {
        let stage = usize::from(self.0.connecting.load(Ordering::Relaxed));
        let taken = self.0.body_taken.load(Ordering::Relaxed);
        self.with_wire(|connected, wire| match wire {
            _ if !taken => Reached::Connected,
            // Bytes of HTTP/2 may belong to other requests.
            _ if connected.is_negotiated_h2() => Reached::Sent,
            wire if wire.answer.begun => Reached::Answering,
            wire if wire.flushed => Reached::Sent,
            _ => Reached::Connected,
        })
        .unwrap_or_else(|| STAGES.get(stage).copied().unwrap_or(Reached::Connecting))
    }

    /// The status in the status line of the response, however odd its head is.
    pub(super) fn status(&self) -> Option<u16> {
        self.with_wire(|connected, wire| {
            (!connected.is_negotiated_h2()).then(|| wire.answer.status())
        })??
    }

    fn with_wire<T>(&self, look: impl FnOnce(&Connected, &Wire) -> T) -> Option<T> {
        self.with_connection(|connected, tap| look(connected, &tap.lock()))
    }

    fn with_connection<T>(&self, look: impl FnOnce(&Connected, &WireTap) -> T) -> Option<T> {
        let connection = self.connection();
        let metadata = connection.as_ref()?.connection_metadata();
        let connected = metadata.as_ref()?;
        let mut extensions = hyper::http::Extensions::new();
        connected.get_extras(&mut extensions);
        Some(look(connected, extensions.get::<WireTap>()?))
    }

    fn body(&self) -> std::sync::MutexGuard<'_, Weak<()>> {
        self.0.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> std::sync::MutexGuard<'_, Option<CaptureConnection>> {
        self.0
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of a body the connection is given at a time. It takes the next piece only
/// when there is room for it, so that it has taken about as much as it has sent.
const PIECE_BYTES: usize = 16 * 1024;

/// A request body.
pub(super) struct WatchedBody {
    payload: Bytes,
    taken: Arc<AtomicBool>,
    _alive: Arc<()>,
}

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.payload.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.payload.len().min(PIECE_BYTES);
        let piece = self.payload.split_to(length);
        self.taken.store(self.payload.is_empty(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.payload.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.payload.len()).unwrap_or(u64::MAX))
    }
}

/// Requests of one HTTP/2 connection whose attempts are over while their bodies are not
/// sent. The connection is closed with that many: HTTP/2 lets a receiver hold a stream
/// open for ever, with its payload, but other attempts use the same connection.
const MAX_UNSENT: usize = 8;

/// What passes through a connection. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct WireTap(Arc<Tapped>);

#[derive(Debug, Default)]
struct Tapped {
    wire: Mutex<Wire>,
    /// Bodies that are not sent although their attempts are over.
    unsent: Mutex<Vec<Weak<()>>>,
    closed: AtomicBool,
    /// The task of the connection.
    waker: AtomicWaker,
}

/// What has passed through a connection since its last request began.
#[derive(Debug, Default)]
struct Wire {
    /// Whether all that was written is on its way.
    flushed: bool,
    /// The response.
    answer: StatusLine,
}

impl WireTap {
    /// Whether the connection was closed from our side. Wakes the task when it is.
    pub(super) fn is_closed(&self, cx: &Context<'_>) -> bool {
        self.0.waker.register(cx.waker());
        self.0.closed.load(Ordering::Acquire)
    }

    fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.waker.wake();
    }

    /// Counts a body of an attempt that is over, unless it is sent.
    fn leave_unsent(&self, body: Weak<()>) {
        let mut unsent = self.0.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        unsent.push(body);
        unsent.retain(|body| body.strong_count() > 0);
        if unsent.len() >= MAX_UNSENT {
            self.close();
        }
    }

    /// Bytes are being written. They begin a request if all before them are on their
    /// way; otherwise the response is an early one, to the request that they belong to.
    pub(super) fn writing(&self) {
        let mut wire = self.lock();
        if wire.flushed {
            wire.answer = StatusLine::default();
        }
        wire.flushed = false;
    }

    /// All bytes are on their way.
    pub(super) fn flushed(&self) {
        self.lock().flushed = true;
    }

    /// Bytes were read.
    pub(super) fn read(&self, bytes: &[u8]) {
        self.lock().answer.read(bytes);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Wire> {
        let wire = self.0.wire.lock();
        wire.unwrap_or_else(PoisonError::into_inner)
    }
}
