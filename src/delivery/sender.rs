//! The HTTP client that sends signed deliveries.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy;
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout};
use url::Url;

use super::answer;
use super::classify::{is_unprocessed, timeout_after, verdict_of};
pub use super::connections::Reuse;
use super::connections::{Client, Connections};
use super::egress::{GuardedResolver, Resolve, SystemResolver};
use super::progress::{Progress, WatchedBody};
use crate::domain::address::AddressPolicy;
use crate::domain::delivery::Verdict;
use crate::domain::failure::Failure;
use crate::domain::own_headers::OwnHeaders;
use crate::domain::target_url::TargetUrl;

const OUR_NAME: &str = concat!("webhook-endpoints/", env!("CARGO_PKG_VERSION"));

/// Sends deliveries. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Sender {
    connections: Arc<Connections>,
    policy: AddressPolicy,
    deadline: Duration,
}

/// Options of a [`Sender`].
pub struct SenderOptions {
    /// Which addresses the sender may connect to.
    pub policy: AddressPolicy,
    /// The time limit of an attempt, from resolving the host name to the last byte
    /// of the response that is read.
    pub deadline: Duration,
    /// Resolves host names. The sender checks the addresses against the policy.
    pub resolver: Arc<dyn Resolve>,
    /// Trusted root certificates in addition to Mozilla's.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl SenderOptions {
    /// Production options: the system's resolver and no extra roots.
    #[must_use]
    pub fn new(policy: AddressPolicy, deadline: Duration) -> Self {
        Self {
            policy,
            deadline,
            resolver: Arc::new(SystemResolver),
            extra_roots: Vec::new(),
        }
    }
}

impl fmt::Debug for SenderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderOptions")
            .field("policy", &self.policy)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Failure to create a [`Sender`]: the TLS configuration is invalid.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up TLS")]
pub struct SenderError(#[from] rustls::Error);

/// Why an attempt could not be made. The cause is on our side and says nothing about
/// the receiver.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The process, or the system, has no file descriptor left.
    #[error("out of file descriptors")]
    OutOfDescriptors,
    /// A header is not valid. The error quotes none.
    #[error("a header of the request is invalid")]
    Header(#[from] hyper::http::Error),
}

/// What one attempt sends.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// When the attempt started.
    pub at: Timestamp,
    /// The names and values of the headers that sign and identify this delivery.
    pub headers: &'a [(&'a str, String)],
    /// The body, sent unchanged.
    pub payload: String,
    /// Whether this is a test that looks like an event. It then has the header
    /// `webhook-test`.
    pub is_test: bool,
    /// The endpoint's own headers.
    pub own_headers: Option<&'a OwnHeaders>,
}

impl Outgoing<'_> {
    /// All headers of the request. Ours are set last, so they replace own ones of the
    /// same name.
    fn headers(&self) -> Result<HeaderMap, hyper::http::Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.own_headers.iter().flat_map(|own| own.iter()) {
            let mut value = HeaderValue::from_str(value.expose_secret())?;
            // HTTP/2 then keeps it out of the compression table.
            value.set_sensitive(true);
            headers.insert(HeaderName::from_bytes(name.as_bytes())?, value);
        }
        for (name, value) in self.headers {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            headers.insert(name, HeaderValue::from_str(value)?);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, HeaderValue::from_static(OUR_NAME));
        if self.is_test {
            headers.insert("webhook-test", HeaderValue::from_static("true"));
        }
        Ok(headers)
    }
}

impl Sender {
    /// Creates a sender. Connections are opened when they are needed.
    ///
    /// # Errors
    /// If TLS can't be set up, e.g. because an extra root is not a valid certificate.
    pub fn new(options: SenderOptions) -> Result<Self, SenderError> {
        let guard = GuardedResolver::new(options.resolver, options.policy);
        let tls = tls_config(options.extra_roots)?;
        Ok(Self {
            connections: Arc::new(Connections::new(guard, tls, options.deadline)),
            policy: options.policy,
            deadline: options.deadline,
        })
    }

    /// Makes one attempt.
    ///
    /// # Errors
    /// If the attempt could not be made because of a problem on our side. The receiver
    /// has not processed anything.
    pub async fn post(
        &self,
        target: &TargetUrl,
        outgoing: Outgoing<'_>,
        reuse: Reuse,
    ) -> Result<Verdict, SendError> {
        // The client never resolves literal addresses, so check them here.
        if target.check(self.policy).is_err() {
            return Ok(Verdict::Failed(Failure::RefusedAddress));
        }
        let Some(uri) = request_uri(target.url()) else {
            // DNS has no such host name.
            return Ok(Verdict::Failed(Failure::Dns));
        };
        let (at, own) = (outgoing.at, outgoing.own_headers);
        let post = Post {
            uri,
            headers: outgoing.headers()?,
            payload: outgoing.payload.into(),
        };
        let client = match reuse {
            Reuse::Allowed => self.connections.kept(target.url(), at),
            Reuse::Never => self.connections.fresh(),
        };
        let begun = Instant::now();
        let progress = Progress::default();
        let mut ending = Ending {
            progress: &progress,
            answered: false,
        };
        // Everything up to the response's head. The body gets what is left of the
        // deadline.
        let exchange = progress.track(self.response(client, &post, &progress));
        match timeout(self.deadline, exchange).await {
            Ok(Ok(response)) => {
                let time_left = self.deadline.saturating_sub(begun.elapsed());
                let answer = answer::read(response, target.url(), at, time_left, own).await;
                ending.answered = true;
                Ok(Verdict::Answered(answer))
            }
            Ok(Err(error)) => verdict_of(&error, &progress),
            Err(_) => Ok(Verdict::Failed(timeout_after(progress.reached()))),
        }
    }

    /// Sends the request. If the receiver certainly did not process it, because of the
    /// connection, sends it once more over a new connection that it does not share with
    /// other requests.
    async fn response(
        &self,
        client: Client,
        post: &Post,
        progress: &Progress,
    ) -> Result<Response<Incoming>, legacy::Error> {
        match client.request(post.request(progress)).await {
            Err(error) if is_unprocessed(&error) => {
                let fresh = self.connections.fresh();
                fresh.request(post.request(progress)).await
            }
            result => result,
        }
    }
}

/// Ends an attempt when it goes out of scope. A guard, because the attempt is also
/// dropped when the function's time runs out.
struct Ending<'a> {
    progress: &'a Progress,
    answered: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.progress.end(self.answered);
    }
}

/// A request that can be sent again.
struct Post {
    uri: Uri,
    headers: HeaderMap,
    // Shared by both requests, not copied.
    payload: Bytes,
}

impl Post {
    fn request(&self, progress: &Progress) -> Request<WatchedBody> {
        let mut request = Request::new(progress.watch(self.payload.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        progress.start(&mut request);
        request
    }
}

/// The URL without the root dot of an absolute host name (`example.com.`). DNS does not
/// need the dot here, TLS does not allow it (RFC 6066, 3), and many servers do not know a
/// host with one. `None` if the client can't parse the URL.
fn request_uri(url: &Url) -> Option<Uri> {
    let absolute = url.domain().and_then(|name| name.strip_suffix('.'));
    let Some(name) = absolute else {
        return url.as_str().parse().ok();
    };
    let mut relative = url.clone();
    relative.set_host(Some(name)).ok()?;
    relative.as_str().parse().ok()
}

/// TLS with Mozilla's root certificates, as of the build. They are compiled in;
/// loading the system's roots would take half of a cold start.
fn tls_config(extra_roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for root in extra_roots {
        roots.add(root)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
