//! Failed TLS handshakes, and the reasons that customers see.

use axum::serve::Listener;
use webhook_endpoints::domain::failure::Failure;

use crate::support::asserts::{assert_answered, assert_failed, ping_url};
use crate::support::names::{LOOPBACK, Names};
use crate::support::receiver::{Receiver, blunt_receiver, recording_receiver, silent_receiver};
use crate::support::tls::{Authority, Identity, TlsListener};
use crate::support::{Options, TestApp};

const NAME: &str = "receiver.example.com";

/// A service for which every name resolves to this host, and an authority that it trusts.
async fn start() -> (TestApp, Authority) {
    let authority = Authority::new();
    let mut options = Options::resolving(Names::always(&[LOOPBACK]));
    options.sender.extra_roots = vec![authority.root()];
    (TestApp::start_with(options).await, authority)
}

#[tokio::test]
async fn certificates_are_refused_with_the_reason() {
    let (app, authority) = start().await;
    for (identity, failure) in [
        (authority.certify_expired(NAME), Failure::CertificateExpired),
        (
            authority.certify_for_later(NAME),
            Failure::CertificateNotYetValid,
        ),
        (
            authority.certify("other.example.com"),
            Failure::CertificateWrongName,
        ),
        (
            Identity::self_signed(NAME),
            Failure::CertificateUnknownIssuer,
        ),
        (
            Authority::new().certify(NAME),
            Failure::CertificateUnknownIssuer,
        ),
        // The receiver does not send the intermediate certificate.
        (
            authority.intermediate().certify(NAME),
            Failure::CertificateUnknownIssuer,
        ),
        (
            Identity::self_signed_authority(NAME),
            Failure::CertificateInvalid,
        ),
    ] {
        let receiver = Receiver::over_tls(identity).await;
        let ping = ping_url(&app, &receiver.url_as(NAME)).await;
        assert_failed(&ping, failure);
        assert_eq!(receiver.received().len(), 0);
    }
}

/// A receiver that answers a TLS handshake with these bytes.
async fn shaking_hands_with(answer: &'static [u8]) -> String {
    let (url, _) = blunt_receiver(answer).await;
    url.replace("http://", "https://")
}

/// A fatal TLS alert (RFC 8446, section 6).
macro_rules! alert {
    ($description:expr) => {
        &[0x15, 3, 3, 0, 2, 2, $description]
    };
}

/// The hello of a server that chooses TLS 1.0 (RFC 2246, section 7.4.1.3).
const OLD_SERVER_HELLO: &[u8] = &{
    let mut record = [0; 47];
    let head = [0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    let mut at = 0;
    while at < head.len() {
        record[at] = head[at];
        at += 1;
    }
    // After 32 random bytes and no session: TLS_RSA_WITH_AES_128_CBC_SHA.
    record[45] = 0x2f;
    record
};

#[tokio::test]
async fn handshakes_fail_with_the_reason() {
    let app = TestApp::start().await;
    for (answer, failure) in [
        (alert!(40).as_slice(), Failure::TlsIncompatible),
        (alert!(70), Failure::TlsIncompatible),
        (alert!(71), Failure::TlsIncompatible),
        (OLD_SERVER_HELLO, Failure::TlsIncompatible),
        (alert!(80), Failure::Tls),
        (b"", Failure::Tls),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Failure::NotTls),
        (b"220 mail.example.com ESMTP\r\n", Failure::NotTls),
    ] {
        let url = shaking_hands_with(answer).await;
        assert_failed(&ping_url(&app, &url).await, failure);
    }
}

#[tokio::test]
async fn receivers_without_a_common_protocol_are_incompatible() {
    let (app, authority) = start().await;
    let mut listener = TlsListener::bind_with(authority.certify(NAME), &[b"spdy"]).await;
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { listener.accept().await });
    let ping = ping_url(&app, &format!("https://{NAME}:{port}/")).await;
    assert_failed(&ping, Failure::TlsIncompatible);
}

#[tokio::test]
async fn receivers_without_tls_are_reported_as_such() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let url = receiver.url.replace("http://", "https://");
    assert_failed(&ping_url(&app, &url).await, Failure::NotTls);
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn unanswered_tls_handshakes_time_out() {
    let app = TestApp::start_with(Options::impatient()).await;
    let url = silent_receiver().await.replace("http://", "https://");
    assert_failed(&ping_url(&app, &url).await, Failure::TlsTimeout);
}

#[tokio::test]
async fn host_headers_have_no_root_dot() {
    let (app, authority) = start().await;
    let receiver = Receiver::over_tls(authority.certify(NAME)).await;
    let ping = ping_url(&app, &receiver.url_as(&format!("{NAME}."))).await;
    assert_answered(&ping, 200, "");
    let request = receiver.must_receive_one();
    assert!(!request.header("host").contains(".com."), "{request:?}");
}

/// RFC 6066, section 3: the server name has no trailing dot.
#[tokio::test]
async fn server_names_have_no_root_dot() {
    let (app, _) = start().await;
    let (url, heard) = recording_receiver(alert!(80)).await;
    let url = url.replace("http://127.0.0.1", &format!("https://{NAME}."));
    ping_url(&app, &url).await;
    let hello = heard.lock().unwrap().remove(0);
    let holds = |text: &str| {
        hello
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(holds(NAME) && !holds(&format!("{NAME}.")), "{hello:?}");
}
