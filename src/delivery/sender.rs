//! The HTTP client that sends signed deliveries.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::dns::Resolve;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::egress::{EgressError, GuardedResolver, SystemResolver};
use crate::domain::address::AddressPolicy;
use crate::domain::delivery::{Failure, KEPT_BODY_CHARS, Verdict, body_excerpt};
use crate::domain::target_url::TargetUrl;

const USER_AGENT: &str = concat!("webhook-endpoints/", env!("CARGO_PKG_VERSION"));

/// How much of a response body we read before we drop the connection. We read more
/// than we keep, because a connection can be reused only after the body has been
/// read to the end.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// UTF-8 needs at most four bytes per character.
const KEPT_BODY_BYTES: usize = KEPT_BODY_CHARS * 4;

/// How long an idle connection stays in the pool. Shorter than the idle timeouts of
/// load balancers, which are 60 s or more. If a server closes the connection
/// earlier (some do after 5 s), the client notices before it reuses the connection.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// Sends deliveries through one connection pool. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender {
    client: Client,
    policy: AddressPolicy,
    deadline: Duration,
}

/// Options of a [`Sender`].
pub struct SenderOptions {
    /// Which addresses the sender may connect to.
    pub policy: AddressPolicy,
    /// The time limit of an attempt, from resolving the host name to the last byte
    /// of the response.
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

/// Failure to create a [`Sender`].
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The TLS configuration is invalid.
    #[error("failed to set up TLS")]
    Tls(#[from] rustls::Error),
    /// The HTTP client could not be created.
    #[error("failed to create the HTTP client")]
    Client(#[from] reqwest::Error),
}

impl Sender {
    /// Creates a sender. It does not follow redirects, because their targets would
    /// bypass the checks at registration. It ignores the environment's proxy, which
    /// would resolve host names without our checks.
    ///
    /// # Errors
    /// If TLS can't be set up, e.g. because an extra root is not a valid certificate.
    pub fn new(options: SenderOptions) -> Result<Self, SenderError> {
        let guard = GuardedResolver::new(options.resolver, options.policy);
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .dns_resolver(Arc::new(guard))
            .tls_backend_preconfigured(tls_config(options.extra_roots)?)
            .pool_idle_timeout(IDLE_CONNECTION)
            .build()?;
        Ok(Self {
            client,
            policy: options.policy,
            deadline: options.deadline,
        })
    }

    /// Makes one attempt. Posts `payload` unchanged, with the headers of Standard
    /// Webhooks. `at` is the signed timestamp.
    pub async fn post(
        &self,
        target: &TargetUrl,
        webhook_id: &str,
        at: Timestamp,
        signature: &str,
        payload: String,
    ) -> Verdict {
        // The client never resolves literal addresses, so check them here.
        if target.check(self.policy).is_err() {
            return Verdict::Failed(Failure::RefusedAddress);
        }
        let request = self
            .client
            .post(target.url().clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", webhook_id)
            .header("webhook-timestamp", at.as_second())
            .header("webhook-signature", signature)
            .body(payload);
        let exchange = async {
            let mut response = request.send().await?;
            let body = read_capped(&mut response).await?;
            Ok::<_, reqwest::Error>(Verdict::Answered {
                status: response.status().as_u16(),
                body: body_excerpt(&body),
                retry_after: retry_after(&response, at),
            })
        };
        match tokio::time::timeout(self.deadline, exchange).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => Verdict::Failed(classify(&error)),
            Err(_) => Verdict::Failed(Failure::Timeout),
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

/// The `Retry-After` header of a 429 or 503: seconds or an HTTP date (RFC 9110,
/// 10.2.3). Dates in the past are ignored.
fn retry_after(response: &Response, now: Timestamp) -> Option<Duration> {
    if !matches!(
        response.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        return None;
    }
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = Timestamp::try_from(httpdate::parse_http_date(value).ok()?).ok()?;
    Duration::try_from(date.duration_since(now)).ok()
}

/// Reads about [`MAX_BODY_BYTES`] and keeps the first [`KEPT_BODY_BYTES`].
async fn read_capped(response: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut kept = Vec::new();
    let mut read = 0;
    while read < MAX_BODY_BYTES {
        let Some(chunk) = response.chunk().await? else {
            break;
        };
        read += chunk.len();
        let room = KEPT_BODY_BYTES - kept.len();
        kept.extend_from_slice(&chunk[..room.min(chunk.len())]);
    }
    Ok(kept)
}

/// Finds the failure in the error's chain of causes. reqwest does not expose it in
/// any other way.
fn classify(error: &reqwest::Error) -> Failure {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(egress) = error.downcast_ref::<EgressError>() {
            return match egress {
                EgressError::NotResolved => Failure::Dns,
                EgressError::Refused => Failure::RefusedAddress,
            };
        }
        if error.is::<rustls::Error>() {
            return Failure::Tls;
        }
        // `source` of an I/O error skips the error that it wraps, so unwrap it.
        cause = match error.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as _),
            None => error.source(),
        };
    }
    if error.is_connect() {
        Failure::Connect
    } else {
        Failure::BrokenAnswer
    }
}
