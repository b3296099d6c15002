//! The HTTP client that sends signed deliveries.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::dns::Resolve;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request, Response};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout};

use super::answer;
use super::connections::Connections;
pub use super::connections::Reuse;
use super::egress::{EgressError, GuardedResolver, SystemResolver, is_out_of_descriptors};
use crate::domain::address::AddressPolicy;
use crate::domain::delivery::{Failure, Verdict};
use crate::domain::target_url::TargetUrl;

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
    /// The HTTP client could not be created.
    #[error("failed to create the HTTP client")]
    Client(#[from] reqwest::Error),
    /// A signature or id is not a valid header value.
    #[error("a header of the request is invalid")]
    Header(#[from] reqwest::header::InvalidHeaderValue),
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

    /// Makes one attempt. Posts `payload` unchanged, with the headers of Standard
    /// Webhooks. `at` is the signed timestamp.
    ///
    /// # Errors
    /// If the attempt could not be made because of us. The receiver has processed
    /// nothing.
    pub async fn post(
        &self,
        target: &TargetUrl,
        webhook_id: &str,
        at: Timestamp,
        signature: &str,
        payload: String,
        reuse: Reuse,
    ) -> Result<Verdict, SendError> {
        // The client never resolves literal addresses, so check them here.
        if target.check(self.policy).is_err() {
            return Ok(Verdict::Failed(Failure::RefusedAddress));
        }
        let mut request = Request::new(Method::POST, target.url().clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("webhook-id", webhook_id.parse()?);
        headers.insert("webhook-timestamp", at.as_second().into());
        headers.insert("webhook-signature", signature.parse()?);
        *request.body_mut() = Some(payload.into());
        let client = match reuse {
            Reuse::Allowed => self.connections.kept(target.url(), at)?,
            Reuse::Never => self.connections.fresh().await?,
        };
        let begun = Instant::now();
        match timeout(self.deadline, self.response(client, request)).await {
            Ok(Ok(response)) => {
                let time_left = self.deadline.saturating_sub(begun.elapsed());
                let answer = answer::read(response, at, time_left).await;
                Ok(Verdict::Answered(answer))
            }
            Ok(Err(error)) => Ok(Verdict::Failed(classify(&error)?)),
            Err(_) => Ok(Verdict::Failed(Failure::Timeout)),
        }
    }

    /// Sends the request. If it was not processed for a reason that concerns the
    /// connection, sends it once more over one of its own, which no other request can
    /// use up.
    async fn response(&self, client: Client, request: Request) -> Result<Response, reqwest::Error> {
        // A body in memory can be cloned.
        let copy = request.try_clone();
        let error = match client.execute(request).await {
            Err(error) if is_unprocessed(&error) => error,
            result => return result,
        };
        match (self.connections.fresh().await, copy) {
            (Ok(fresh), Some(copy)) => fresh.execute(copy).await,
            _ => Err(error),
        }
    }
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

/// Whether the receiver certainly did not process the request, although we had a
/// connection to it. The client retries most such requests itself, but not after the
/// third time, and not if the connection was new.
fn is_unprocessed(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        // The connection closed before anything was written.
        cause.downcast_ref().is_some_and(hyper::Error::is_canceled)
            || cause.downcast_ref().is_some_and(is_nack)
    })
}

/// RFC 9113, 8.7: a refused stream was not processed, and neither was one that a
/// GOAWAY leaves out. The library reports a GOAWAY to no other streams.
fn is_nack(error: &h2::Error) -> bool {
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (refused || error.is_go_away())
}

/// Finds the failure in the error's chain of causes. reqwest does not expose it in
/// any other way.
fn classify(error: &reqwest::Error) -> Result<Failure, SendError> {
    for cause in causes(error) {
        if let Some(egress) = cause.downcast_ref::<EgressError>() {
            return match egress {
                EgressError::NotResolved => Ok(Failure::Dns),
                EgressError::Refused => Ok(Failure::RefusedAddress),
                EgressError::OutOfDescriptors => Err(SendError::OutOfDescriptors),
            };
        }
        if cause.is::<rustls::Error>() {
            return Ok(Failure::Tls);
        }
        if cause.downcast_ref().is_some_and(is_out_of_descriptors) {
            return Err(SendError::OutOfDescriptors);
        }
    }
    Ok(if error.is_timeout() {
        // No reply to an HTTP/2 ping, or to an attempt to connect.
        Failure::Timeout
    } else if error.is_connect() {
        Failure::Connect
    } else {
        Failure::BrokenAnswer
    })
}

/// The error and its causes, outermost first.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    std::iter::from_fn(move || {
        let cause = next?;
        // `source` of an I/O error skips the error that it wraps, so unwrap it.
        next = match cause.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => cause.source(),
        };
        Some(cause)
    })
}
