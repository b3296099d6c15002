//! Tracks how far an attempt gets, so that its failure can say so.

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
    /// The TCP connection is being opened, or the attempt waits for another one's
    /// connection.
    Connecting,
    /// The TLS handshake is under way.
    Handshaking,
    /// There is a connection, but the request is not completely sent.
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
    /// Index in [`STAGES`]: how far the attempt got before it had a connection.
    connecting: AtomicU8,
    /// Whether the connection has taken all of the request's body.
    body_taken: Arc<AtomicBool>,
    /// Counts as dropped once the client has dropped the request's body.
    body: Mutex<Weak<()>>,
    /// The connection that the request was assigned to.
    connection: Mutex<Option<CaptureConnection>>,
}

tokio::task_local! {
    /// The attempt that a connection is opened for. The client calls the connector in the
    /// attempt's task, but passes it nothing that identifies the attempt.
    static PROGRESS: Progress;
}

/// Index 0 is where an attempt starts, and stays if it gets a connection that another
/// attempt opens.
const STAGES: [Reached; 3] = [
    Reached::Connecting,
    Reached::Resolving,
    Reached::Handshaking,
];

impl Progress {
    /// Runs an exchange and tracks its progress here.
    pub(super) async fn track<T>(&self, exchange: impl Future<Output = T>) -> T {
        PROGRESS.scope(self.clone(), exchange).await
    }

    /// The attempt that this task makes. `None` where the client opens a connection in
    /// the background.
    pub(super) fn current() -> Option<Self> {
        PROGRESS.try_with(Self::clone).ok()
    }

    /// Notes how far the connection has come.
    pub(super) fn note(&self, stage: Reached) {
        let position = STAGES.iter().position(|known| *known == stage);
        let position = position.and_then(|at| u8::try_from(at).ok());
        // Relaxed, here and below: these values only describe a failure, and no other data
        // depends on them.
        self.0
            .connecting
            .store(position.unwrap_or_default(), Ordering::Relaxed);
    }

    /// Starts over with this request.
    pub(super) fn start<B>(&self, request: &mut Request<B>) {
        self.note(Reached::Connecting);
        self.0.body_taken.store(false, Ordering::Relaxed);
        let connection = capture_connection(request);
        *self.connection() = Some(connection);
    }

    /// Wraps the request's body to note when the connection has taken it.
    pub(super) fn watch(&self, payload: Bytes) -> WatchedBody {
        let alive = Arc::new(());
        *self.body() = Arc::downgrade(&alive);
        WatchedBody {
            payload,
            taken: Arc::clone(&self.0.body_taken),
            _alive: alive,
        }
    }

    /// Ends the attempt; `answered` if the response was read. What is not sent by now
    /// must not be sent later: a receiver that answers without reading would otherwise
    /// hold the connection, and the payload, for as long as it likes.
    pub(super) fn end(&self, answered: bool) {
        let body = self.body().clone();
        self.with_connection(|connected, tap| {
            if connected.is_negotiated_h2() {
                // Other attempts share the connection, so it is not closed for this one
                // alone.
                tap.leave_unsent(body);
            } else if !answered || body.strong_count() > 0 || !tap.lock().flushed {
                // An HTTP/1 connection can't be used again in the middle of an exchange.
                tap.close();
            }
        });
    }

    /// How far the attempt has come.
    pub(super) fn reached(&self) -> Reached {
        let stage = usize::from(self.0.connecting.load(Ordering::Relaxed));
        let taken = self.0.body_taken.load(Ordering::Relaxed);
        self.with_wire(|connected, wire| match wire {
            // Flushed bytes may be those of the head alone, or of a part of the body.
            _ if !taken => Reached::Connected,
            // On HTTP/2, what passes through the connection may belong to other requests.
            _ if connected.is_negotiated_h2() => Reached::Sent,
            wire if wire.answer.begun => Reached::Answering,
            wire if wire.flushed => Reached::Sent,
            _ => Reached::Connected,
        })
        .unwrap_or_else(|| STAGES.get(stage).copied().unwrap_or(Reached::Connecting))
    }

    /// The status in the response's status line, even if the client can't parse its head.
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
        // The connector attached the tap to the connection as an extra. Extras can only
        // be copied into a map.
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

/// How much of a body the connection gets at a time. It asks for the next piece only when
/// it has room, so it has taken about as much as it has sent.
const PIECE_BYTES: usize = 16 * 1024;

/// A request body that notes when all of it has been taken.
pub(super) struct WatchedBody {
    payload: Bytes,
    taken: Arc<AtomicBool>,
    /// Dropped with the body, which [`Shared::body`] observes.
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

/// An HTTP/2 connection is closed once this many of its attempts are over without their
/// bodies being sent. HTTP/2 lets a receiver hold a stream open forever, and with it the
/// payload; but other attempts use the same connection, so one is not enough to close it.
const MAX_UNSENT: usize = 8;

/// Observes what passes through a connection, and can close it. Clones share their state.
#[derive(Debug, Clone, Default)]
pub(super) struct WireTap(Arc<Tapped>);

#[derive(Debug, Default)]
struct Tapped {
    wire: Mutex<Wire>,
    /// Bodies that were not sent when their attempts ended.
    unsent: Mutex<Vec<Weak<()>>>,
    closed: AtomicBool,
    /// Wakes the connection's task.
    waker: AtomicWaker,
}

/// What has passed through a connection since its latest request began.
#[derive(Debug, Default)]
struct Wire {
    /// Whether everything that was written has been flushed.
    flushed: bool,
    /// The response so far.
    answer: StatusLine,
}

impl WireTap {
    /// Whether we have closed the connection. If not yet, `close` wakes this task.
    pub(super) fn is_closed(&self, cx: &Context<'_>) -> bool {
        // Registered before the flag is read: a `close` in between is then seen by the
        // read, and a later one wakes the task.
        self.0.waker.register(cx.waker());
        self.0.closed.load(Ordering::Acquire)
    }

    fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.waker.wake();
    }

    /// Counts the body of an attempt that is over, unless it was sent.
    fn leave_unsent(&self, body: Weak<()>) {
        let mut unsent = self.0.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        unsent.push(body);
        unsent.retain(|body| body.strong_count() > 0);
        if unsent.len() >= MAX_UNSENT {
            self.close();
        }
    }

    /// To be called before bytes are written. If everything before them was flushed, they
    /// begin a request, and what was read so far belongs to the one before. Otherwise
    /// they continue a request, whose response may have begun early.
    pub(super) fn writing(&self) {
        let mut wire = self.lock();
        if wire.flushed {
            wire.answer = StatusLine::default();
        }
        wire.flushed = false;
    }

    /// To be called when all written bytes were flushed.
    pub(super) fn flushed(&self) {
        self.lock().flushed = true;
    }

    /// To be called with bytes that were read.
    pub(super) fn read(&self, bytes: &[u8]) {
        self.lock().answer.read(bytes);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Wire> {
        let wire = self.0.wire.lock();
        wire.unwrap_or_else(PoisonError::into_inner)
    }
}
