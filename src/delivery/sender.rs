//! Posts one signed request and says how it went.

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

/// Bytes of an answer that are read; what comes after is cut off together with
/// the connection. Reading past what is kept lets a connection be used again.
const MOST_BODY_BYTES: usize = 64 * 1024;

/// UTF-8 has at most four bytes a character.
const KEPT_BODY_BYTES: usize = KEPT_BODY_CHARS * 4;

/// How long an unused connection is kept: less than load balancers allow (60 s
/// and more). A server that allows less, as some do with 5 s, has closed the
/// connection by then, which shows before it is used again.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// Posts deliveries through one pool of connections.
#[derive(Debug, Clone)]
pub struct Sender {
    client: Client,
    policy: AddressPolicy,
    deadline: Duration,
}

/// What a [`Sender`] is made of.
pub struct SenderOptions {
    /// Which addresses it may connect to.
    pub policy: AddressPolicy,
    /// From resolving the name to the last byte of the answer.
    pub deadline: Duration,
    /// What resolves names, behind the guard.
    pub resolver: Arc<dyn Resolve>,
    /// Certificate authorities to trust beside those that Mozilla does.
    pub extra_roots: Vec<CertificateDer<'static>>,
}

impl SenderOptions {
    /// The options of a deployment.
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

/// Why there is no sender.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// TLS could not be set up.
    #[error("TLS can't be set up")]
    Tls(#[from] rustls::Error),
    /// The client could not be made.
    #[error("the HTTP client can't be made")]
    Client(#[from] reqwest::Error),
}

impl Sender {
    /// A sender. It follows no redirects (the target would escape the checks
    /// of registration) and uses no proxy of the environment (it would resolve
    /// names past the guard).
    ///
    /// # Errors
    /// When TLS can't be set up, e.g. because a root is no certificate.
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

    /// Makes one attempt: `payload` is posted as it is, with the headers of
    /// Standard Webhooks. `at` is the time that was signed.
    pub async fn post(
        &self,
        target: &TargetUrl,
        webhook_id: &str,
        at: Timestamp,
        signature: &str,
        payload: String,
    ) -> Verdict {
        // A literal address never reaches the resolver.
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

/// TLS with the roots that Mozilla trusts, as they were when this was built: they
/// are there without being read, where the system's would be half of a cold start.
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

/// What a 429 or a 503 asks to wait: seconds, or an HTTP date (RFC 9110,
/// 10.2.3).
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

/// Reads up to [`MOST_BODY_BYTES`], keeps the first [`KEPT_BODY_BYTES`].
async fn read_capped(response: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut kept = Vec::new();
    let mut read = 0;
    while read < MOST_BODY_BYTES {
        let Some(chunk) = response.chunk().await? else {
            break;
        };
        read += chunk.len();
        let room = KEPT_BODY_BYTES - kept.len();
        kept.extend_from_slice(&chunk[..room.min(chunk.len())]);
    }
    Ok(kept)
}

/// The failure behind an error of the client, which tells it only by the chain
/// of its causes.
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
        // An I/O error hides its cause from `source` (it returns the cause of
        // its cause), so it is looked into.
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
