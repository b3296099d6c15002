//! The connections to receivers: how many there are, and how long they are kept.
//!
//! A Lambda function has 1,024 file descriptors, and AWS calls need some of them. An HTTP
//! client limits the idle connections of each host, but not of all hosts together. So
//! each recent host gets a client of its own, and the least recently used client is
//! dropped with its connections. Attempts in flight need no limit: the largest batch has
//! 100 messages, and an attempt holds at most two sockets (IPv4 and IPv6, while it
//! connects). What is not sent when an attempt ends is never sent, so no connection
//! outlives its attempt by more than the time it takes to close.

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

/// Hosts whose connections are kept. This is enough for the busy endpoints of one function
/// instance; an attempt at any other host needs a handshake.
const KEPT_HOSTS: NonZeroUsize = NonZeroUsize::new(16).unwrap();

/// How many idle connections of a host are kept: as many as the events of a batch of the
/// fast lane, which are sent at the same time. Over HTTP/1, each of them needs its own, and
/// a handshake costs more than the request. HTTP/2 shares one.
const KEPT_CONNECTIONS: usize = 10;

/// How long an idle connection is kept. Shorter than the idle timeouts of load
/// balancers, which are 60 s or more. If a server closes the connection earlier
/// (some do after 5 s), the client notices before it reuses the connection.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// After this long without a frame from the receiver during a request, HTTP/2 pings it,
/// and gives up the connection if the reply takes as long again. Otherwise a connection
/// that loses packets would fail one attempt after another, each at its deadline.
const HTTP2_PING: Duration = Duration::from_secs(5);

/// How many headers a response may have. The client reserves memory for all of them.
const MAX_HEADERS: usize = 1_000;

/// The equivalent for HTTP/2, which counts the name, the value and 32 bytes for each
/// header. It is close to the limit that the client has for HTTP/1.
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
        // Silence and the wait for the reply must end before the deadline, even if that
        // is short.
        let http2_ping = HTTP2_PING.min(deadline / 3);
        let connector = Connector::new(Arc::new(resolver), Arc::new(tls), deadline);
        Self {
            fresh: client(&connector, http2_ping, 0),
            kept: Mutex::new(LruCache::new(KEPT_HOSTS)),
            connector,
            http2_ping,
        }
    }

    /// The client that keeps this host's connections, if it was used recently, or a new
    /// one.
    ///
    /// The age is checked by the wall clock as well as by the client's own timer: Lambda
    /// freezes the function between batches, and timers may not count that time. After a
    /// freeze, a connection may be dead without our knowing.
    pub(super) fn kept(&self, url: &Url, at: Timestamp) -> Client {
        let origin = url.origin().ascii_serialization();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get_mut(&origin)
            && at.duration_since(known.used_at).unsigned_abs() < IDLE_CONNECTION
        {
            known.used_at = at;
            return known.client.clone();
        }
        let client = client(&self.connector, self.http2_ping, KEPT_CONNECTIONS);
        let new = Kept {
            client: client.clone(),
            used_at: at,
        };
        // Attempts that still use the replaced client hold a clone of it.
        kept.put(origin, new);
        client
    }

    /// A client that opens a connection for each request.
    pub(super) fn fresh(&self) -> Client {
        self.fresh.clone()
    }
}

/// Creates a client. It follows no redirects, because their targets would bypass the
/// checks at registration, and uses no proxies, which would resolve host names without
/// our checks.
fn client(connector: &Connector, http2_ping: Duration, idle_connections: usize) -> Client {
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(idle_connections)
        // For receivers that compare header names case-sensitively.
        .http1_title_case_headers(true)
        // Lenient, because every response with a status counts.
        .http1_max_headers(MAX_HEADERS)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http2_max_header_list_size(HTTP2_MAX_HEADER_BYTES)
        .http2_keep_alive_interval(http2_ping)
        .http2_keep_alive_timeout(http2_ping)
        // A ping that is in flight when the function is frozen would time out as soon as
        // the function thaws, and take the next request with it. Without pings, an idle
        // connection is closed by its age instead.
        .http2_keep_alive_while_idle(false)
        .build(connector.clone())
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}
