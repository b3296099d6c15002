//! The connections to receivers: how many there are, which are kept, and when they
//! are given up.
//!
//! A Lambda function has 1,024 file descriptors, and the calls to AWS need some of
//! them. An HTTP client limits the idle connections of each host but not of all
//! hosts together, so each recent host gets a client of its own and the least
//! recently used client goes, with its connection. Attempts under way need no limit:
//! the largest batch has 100 messages, and an attempt holds two sockets at most (IPv4
//! and IPv6, while it connects). What is not sent when an attempt ends is not sent any
//! more, so no connection outlives its attempt by more than it takes to close it.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use lru::LruCache;
use rustls::ClientConfig;
use url::Url;

use super::connector::Connector;
use super::egress::GuardedResolver;
use super::progress::WatchedBody;

pub(super) type Client = legacy::Client<Connector, WatchedBody>;

/// Hosts whose connection is kept. Enough for the busy endpoints of one instance;
/// any other host costs a handshake.
const KEPT_HOSTS: NonZeroUsize = NonZeroUsize::new(16).unwrap();

/// How long an idle connection is kept. Shorter than the idle timeouts of load
/// balancers, which are 60 s or more. If a server closes the connection earlier
/// (some do after 5 s), the client notices before it reuses the connection.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// HTTP/2 pings a receiver that has been silent for this long during a request, and
/// gives the connection up if the reply takes as long again. Otherwise a connection
/// whose packets get lost would fail one attempt after another, each at its deadline.
const HTTP2_PING: Duration = Duration::from_secs(5);

/// How many headers a response may have. The client reserves memory for all of them.
const MAX_HEADERS: usize = 1_000;

/// The same for HTTP/2, which counts 32 bytes for each header besides its name and
/// value. It is close to the limit that the client has for HTTP/1.
const HTTP2_MAX_HEADER_BYTES: u32 = 400 * 1024;

/// Whether an attempt may use a connection that an earlier one left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Use an open connection if there is one, and keep it open afterwards.
    Allowed,
    /// Open a connection, and close it afterwards. For requests without a second
    /// attempt: a receiver may close a kept connection while we write to it.
    Never,
}

pub(super) struct Connections {
    connector: Connector,
    http2_ping: Duration,
    /// By origin.
    kept: Mutex<LruCache<String, Kept>>,
    /// A client that keeps no connection.
    fresh: Client,
}

struct Kept {
    client: Client,
    used_at: Timestamp,
}

impl Connections {
    pub(super) fn new(resolver: GuardedResolver, tls: ClientConfig, deadline: Duration) -> Self {
        // So that a shorter deadline does not come first.
        let http2_ping = HTTP2_PING.min(deadline / 3);
        let connector = Connector::new(Arc::new(resolver), Arc::new(tls), deadline);
        Self {
            fresh: client(&connector, http2_ping, 0),
            kept: Mutex::new(LruCache::new(KEPT_HOSTS)),
            connector,
            http2_ping,
        }
    }

    /// The client that keeps the connection to this host.
    ///
    /// It goes by the wall clock as well as by the client's own timer: Lambda freezes
    /// the function between batches, and timers may not count that time. After a
    /// freeze a connection may be dead without our having heard of it.
    pub(super) fn kept(&self, url: &Url, at: Timestamp) -> Client {
        let origin = url.origin().ascii_serialization();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get_mut(&origin)
            && at.duration_since(known.used_at).unsigned_abs() < IDLE_CONNECTION
        {
            known.used_at = at;
            return known.client.clone();
        }
        let client = client(&self.connector, self.http2_ping, 1);
        let new = Kept {
            client: client.clone(),
            used_at: at,
        };
        // Attempts that still use the client that this replaces hold a copy of it.
        kept.put(origin, new);
        client
    }

    /// A client that opens a connection for each request.
    pub(super) fn fresh(&self) -> Client {
        self.fresh.clone()
    }
}

/// A client that follows no redirects, because their targets would bypass the checks
/// at registration, and knows no proxies, which would resolve host names without our
/// checks.
fn client(connector: &Connector, http2_ping: Duration, idle_connections: usize) -> Client {
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(idle_connections)
        // For receivers that compare names as text.
        .http1_title_case_headers(true)
        // Whatever tells a status is a response.
        .http1_max_headers(MAX_HEADERS)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http2_max_header_list_size(HTTP2_MAX_HEADER_BYTES)
        .http2_keep_alive_interval(http2_ping)
        .http2_keep_alive_timeout(http2_ping)
        // A ping that is under way when the function is frozen would time out as soon
        // as it thaws, and take the first request with it. An idle connection is closed
        // before it matters.
        .http2_keep_alive_while_idle(false)
        .build(connector.clone())
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}
