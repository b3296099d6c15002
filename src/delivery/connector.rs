//! Opens connections to receivers, and watches what passes through them.
//!
//! The client does not report how far a request got. So the connector notes the steps up
//! to a connection, and each connection the steps of its requests.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};
use tower_service::Service;

use super::egress::{EgressError, GuardedResolver, Resolve};
use super::progress::{Progress, Reached, WireTap};

/// How long a connection may be silent before TCP asks whether it is still there.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Boxed<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Opens connections, with TLS if the URL asks for it.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<TcpConnector>,
    time_limit: Duration,
}

impl Connector {
    pub(super) fn new(
        resolver: Arc<GuardedResolver>,
        tls: Arc<ClientConfig>,
        time_limit: Duration,
    ) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(resolver));
        // TLS is added on top of this connector, so it gets `https` URLs, too.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        // Keepalive probes only an idle connection. This limits how long sent data may
        // stay unacknowledged.
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(time_limit));
        // The client divides this among the addresses of a host, so that one that does
        // not answer leaves time for the others.
        tcp.set_connect_timeout(Some(time_limit));
        Self {
            https: HttpsConnector::from((TcpConnector(tcp), tls)),
            time_limit,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Watched>;
    type Error = BoxError;
    type Future = Boxed<Self::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.https.call(uri);
        let time_limit = self.time_limit;
        Box::pin(async move {
            // If another connection becomes free first, the client keeps connecting in
            // the background. This limits for how long.
            let connected = timeout(time_limit, connecting).await;
            let stream = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            Ok(TokioIo::new(Watched {
                stream: TokioIo::new(stream),
                tap: WireTap::default(),
                shutdown: None,
            }))
        })
    }
}

/// Opens TCP connections, and notes that in the attempt's progress.
#[derive(Clone)]
struct TcpConnector(HttpConnector<Resolver>);

impl Service<Uri> for TcpConnector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Boxed<Self::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // Captured now, in the attempt's task. The future may be polled in another one.
        let progress = Progress::current();
        let connecting = self.0.call(uri);
        Box::pin(async move {
            let stream = connecting.await?;
            if let Some(progress) = progress {
                progress.note(Reached::Handshaking);
            }
            Ok(stream)
        })
    }
}

/// Adapts the guarded resolver to the client's interface.
#[derive(Clone)]
struct Resolver(Arc<GuardedResolver>);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = EgressError;
    type Future = Boxed<Self::Response, EgressError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let progress = Progress::current();
        let note = move |stage| {
            if let Some(progress) = &progress {
                progress.note(stage);
            }
        };
        note(Reached::Resolving);
        let resolving = self.0.resolve(name.as_str().to_owned());
        Box::pin(async move {
            let addresses = resolving.await?.into_iter();
            note(Reached::Connecting);
            // The client replaces the port.
            let addresses: Vec<_> = addresses.map(|ip| SocketAddr::new(ip, 0)).collect();
            Ok(addresses.into_iter())
        })
    }
}

/// How long closing a connection may take. TLS sends a last message, for which there may
/// be no room if the receiver does not read.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// A connection that notes what passes through it, and fails once we have closed it. It
/// is above TLS, so it sees HTTP.
pub(super) struct Watched {
    stream: TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>,
    tap: WireTap,
    /// Set once the connection is being shut down.
    shutdown: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        if self.tap.is_closed(cx) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl Connection for Watched {
    fn connected(&self) -> Connected {
        self.stream.connected().extra(self.tap.clone())
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.tap.read(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        self.tap.writing();
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        self.tap.writing();
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.tap.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let done = Pin::new(&mut self.stream).poll_shutdown(cx);
        if done.is_ready() {
            return done;
        }
        // The first poll starts the timer, later ones continue with it.
        let limit = self
            .shutdown
            .get_or_insert_with(|| Box::pin(sleep(SHUTDOWN)));
        limit
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}
