//! Test certificates, and receivers that present them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// A certificate authority that is not trusted by default.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("generate a key pair");
        let params = authority_params();
        let root = params.self_signed(&key).expect("sign the root certificate");
        Self {
            root: root.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Returns the root certificate, for clients that are to trust it.
    pub fn root(&self) -> CertificateDer<'static> {
        self.root.clone()
    }

    /// Issues a certificate for `name`.
    pub fn certify(&self, name: &str) -> Identity {
        self.certify_params(&params(name))
    }

    /// Issues a certificate for `name` that expired long ago.
    pub fn certify_expired(&self, name: &str) -> Identity {
        let mut params = params(name);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.certify_params(&params)
    }

    /// Issues a certificate for `name` that becomes valid in the distant future.
    pub fn certify_for_later(&self, name: &str) -> Identity {
        let mut params = params(name);
        params.not_before = date_time_ymd(4001, 1, 1);
        params.not_after = date_time_ymd(4002, 1, 1);
        self.certify_params(&params)
    }

    /// Issues an intermediate authority, whose certificate no client has.
    pub fn intermediate(&self) -> Self {
        let key = KeyPair::generate().expect("generate a key pair");
        let params = authority_params();
        let certificate = params.signed_by(&key, &self.issuer);
        Self {
            root: certificate.expect("sign the certificate").der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    fn certify_params(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("generate a key pair");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("sign the certificate");
        Identity {
            certificate: certificate.der().clone(),
            key,
        }
    }
}

/// A certificate and its private key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Identity {
    /// Creates a self-signed certificate for `name`.
    pub fn self_signed(name: &str) -> Self {
        Self::self_signed_by(&params(name))
    }

    /// Creates a self-signed certificate that is marked as a CA, as `openssl req -x509`
    /// does.
    pub fn self_signed_authority(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self::self_signed_by(&params)
    }

    fn self_signed_by(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().expect("generate a key pair");
        let certificate = params.self_signed(&key).expect("sign the certificate");
        Self {
            certificate: certificate.der().clone(),
            key,
        }
    }
}

/// Parameters of an authority's certificate. Each gets a distinct name, because clients
/// find a certificate's issuer by name.
fn authority_params() -> CertificateParams {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("authority {number}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).expect("parse the name")
}

/// Accepts TLS connections, and drops those whose handshake fails.
pub struct TlsListener {
    inner: TcpListener,
    acceptor: TlsAcceptor,
}

impl TlsListener {
    pub async fn bind(identity: Identity) -> Self {
        Self::bind_with(identity, &[]).await
    }

    /// Like [`Self::bind`], but offers only HTTP/2.
    pub async fn bind_http2(identity: Identity) -> Self {
        Self::bind_with(identity, &[b"h2"]).await
    }

    /// Like [`Self::bind`], but offers these ALPN protocols.
    pub async fn bind_with(identity: Identity, alpn: &[&[u8]]) -> Self {
        let key =
            PrivateKeyDer::try_from(identity.key.serialize_der()).expect("encode the private key");
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![identity.certificate], key)
            .expect("configure TLS");
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Self {
            inner: TcpListener::bind("127.0.0.1:0").await.expect("bind a port"),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, peer)) = self.inner.accept().await else {
                continue;
            };
            // Handshakes run one at a time, so a client that stalls in one blocks the
            // others.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}
