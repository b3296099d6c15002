//! The connections to receivers: how many there are, which are kept, and when they
//! are given up.
//!
//! A Lambda function has 1,024 file descriptors, and the calls to AWS need some of
//! them. An HTTP client limits the idle connections of each host but not of all
//! hosts together, so each recent host gets a client of its own and the least
//! recently used client goes, with its connection. Attempts under way need no limit:
//! the largest batch has 100 messages, and an attempt holds two sockets at most (IPv4
//! and IPv6, while it connects).

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lru::LruCache;
use reqwest::{Client, redirect};
use rustls::ClientConfig;
use tokio::sync::OnceCell;
use url::Url;

use super::egress::GuardedResolver;

const USER_AGENT: &str = concat!("webhook-endpoints/", env!("CARGO_PKG_VERSION"));

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
    resolver: Arc<GuardedResolver>,
    tls: ClientConfig,
    deadline: Duration,
    http2_ping: Duration,
    /// By origin.
    kept: Mutex<LruCache<String, Kept>>,
    /// A client that keeps no connection.
    fresh: OnceCell<Client>,
}

struct Kept {
    client: Client,
    used_at: Timestamp,
}

impl Connections {
    pub(super) fn new(resolver: GuardedResolver, tls: ClientConfig, deadline: Duration) -> Self {
        Self {
            resolver: Arc::new(resolver),
            tls,
            deadline,
            // So that a shorter deadline does not come first.
            http2_ping: HTTP2_PING.min(deadline / 3),
            kept: Mutex::new(LruCache::new(KEPT_HOSTS)),
            fresh: OnceCell::new(),
        }
    }

    /// The client that keeps the connection to this host.
    ///
    /// It goes by the wall clock as well as by the client's own timer: Lambda freezes
    /// the function between batches, and timers may not count that time. After a
    /// freeze a connection may be dead without our having heard of it.
    pub(super) fn kept(&self, url: &Url, at: Timestamp) -> Result<Client, reqwest::Error> {
        let origin = url.origin().ascii_serialization();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get_mut(&origin)
            && at.duration_since(known.used_at).unsigned_abs() < IDLE_CONNECTION
        {
            known.used_at = at;
            return Ok(known.client.clone());
        }
        let client = self.client(1)?;
        let new = Kept {
            client: client.clone(),
            used_at: at,
        };
        // Attempts that still use the client that this replaces hold a copy of it.
        kept.put(origin, new);
        Ok(client)
    }

    /// A client that opens a connection for each request. Most processes never need
    /// it.
    pub(super) async fn fresh(&self) -> Result<Client, reqwest::Error> {
        let fresh = self.fresh.get_or_try_init(async || self.client(0));
        fresh.await.cloned()
    }

    /// Does not follow redirects, because their targets would bypass the checks at
    /// registration. Ignores the environment's proxy, which would resolve host names
    /// without our checks.
    fn client(&self, idle_connections: usize) -> Result<Client, reqwest::Error> {
        Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .dns_resolver(Arc::clone(&self.resolver))
            .tls_backend_preconfigured(self.tls.clone())
            // If another connection becomes free first, the client goes on connecting
            // in the background. This bounds for how long.
            .connect_timeout(self.deadline)
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(idle_connections)
            .http2_keep_alive_interval(self.http2_ping)
            .http2_keep_alive_timeout(self.http2_ping)
            // A ping that is under way when the function is frozen would time out as
            // soon as it thaws, and take the first request with it. An idle connection
            // is closed before it matters.
            .http2_keep_alive_while_idle(false)
            .build()
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}
