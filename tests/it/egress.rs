//! Which receivers are connected to: names, addresses, certificates, proxies.

use std::process::Command;
use std::sync::Arc;

use axum::response::IntoResponse;
use webhook_endpoints::domain::address::AddressPolicy;
use webhook_endpoints::domain::delivery::Failure;

use crate::support::asserts::{assert_answered, assert_failed, ping_and_history, ping_url};
use crate::support::names::{LOOPBACK, Names, REFUSED, Silence};
use crate::support::receiver::{Receiver, silent_receiver};
use crate::support::tls::{Authority, Identity};
use crate::support::{Options, TestApp};

const NAME: &str = "receiver.example.com";

#[tokio::test]
async fn a_name_is_resolved_and_connected_to() {
    let app = TestApp::start_with(Options::resolving(Names::always(&[LOOPBACK]))).await;
    let receiver = Receiver::answering(200, "").await;
    assert_answered(&ping_url(&app, &receiver.url_as(NAME)).await, 200, "");
    let authority = receiver.url.split('/').nth(2).unwrap();
    let port = authority.rsplit(':').next().unwrap();
    assert_eq!(
        receiver.must_receive_one().header("host"),
        format!("{NAME}:{port}")
    );
}

#[tokio::test]
async fn a_name_with_a_refused_address_is_not_connected_to() {
    let receiver = Receiver::answering(200, "").await;
    for addresses in [
        [REFUSED].as_slice(),
        // One refused address is enough, wherever it stands.
        &[LOOPBACK, REFUSED],
        &[REFUSED, LOOPBACK],
        // The same address in a coat of IPv6.
        &["::ffff:0.0.0.0"],
    ] {
        let app = TestApp::start_with(Options::resolving(Names::always(addresses))).await;
        let ping = ping_url(&app, &receiver.url_as(NAME)).await;
        assert_failed(&ping, Failure::RefusedAddress);
    }
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn a_name_that_turns_to_a_refused_address_is_refused_from_then_on() {
    let names = Names::in_turn(&[&[LOOPBACK], &[REFUSED]]);
    let app = TestApp::start_with(Options::resolving(Arc::clone(&names) as _)).await;
    // A connection that is kept would need no second look at the name.
    let receiver = Receiver::responding(|_| [("connection", "close")].into_response()).await;
    let (id, _) = app.api.create_webhook(&receiver.url_as(NAME)).await;
    assert_answered(&app.api.ping(&id).await, 200, "");
    assert_failed(&app.api.ping(&id).await, Failure::RefusedAddress);
    assert_eq!(names.asked(), 2);
    receiver.must_receive_one();
}

#[tokio::test]
async fn what_was_registered_under_another_policy_is_refused_when_it_is_sent() {
    let authority = Authority::new();
    let mut options = Options::resolving(Names::always(&[LOOPBACK]));
    options.sender.policy = AddressPolicy::PublicOnly;
    options.sender.extra_roots = vec![authority.root()];
    let app = TestApp::start_with(options).await;
    let plain = Receiver::answering(200, "").await;
    let by_address = Receiver::over_tls(authority.certify(LOOPBACK)).await;
    let by_name = Receiver::over_tls(authority.certify(NAME)).await;
    let localhost = Receiver::over_tls(authority.certify("localhost")).await;
    for url in [
        &plain.url,
        &by_address.url,
        &by_name.url_as(NAME),
        &localhost.url_as("localhost"),
    ] {
        assert_failed(&ping_url(&app, url).await, Failure::RefusedAddress);
    }
    for receiver in [plain, by_address, by_name, localhost] {
        assert_eq!(receiver.received().len(), 0);
    }
}

#[tokio::test]
async fn a_name_without_address_is_a_dns_failure() {
    let app = TestApp::start_with(Options::resolving(Names::always(&[]))).await;
    let ping = ping_url(&app, "https://nothing.invalid/").await;
    assert_failed(&ping, Failure::Dns);
}

#[tokio::test]
async fn a_name_that_the_system_cannot_resolve_is_a_dns_failure() {
    let app = TestApp::start().await;
    // A label has at most 63 letters (RFC 1035, 2.3.4): there is no query for
    // this name, so that nothing leaves the machine.
    let url = format!("http://{}.invalid/", "x".repeat(64));
    assert_failed(&ping_url(&app, &url).await, Failure::Dns);
}

#[tokio::test]
async fn a_resolver_that_never_answers_is_a_timeout() {
    let mut options = Options::impatient();
    options.sender.resolver = Arc::new(Silence);
    let app = TestApp::start_with(options).await;
    let ping = ping_url(&app, "https://receiver.example.com/").await;
    assert_failed(&ping, Failure::Timeout);
}

#[tokio::test]
async fn a_receiver_with_a_trusted_certificate_gets_a_signed_ping() {
    let authority = Authority::new();
    let mut options = Options::resolving(Names::always(&[LOOPBACK]));
    options.sender.extra_roots = vec![authority.root()];
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::over_tls(authority.certify(NAME)).await;
    let (id, secret) = app.api.create_webhook(&receiver.url_as(NAME)).await;
    assert_answered(&ping_and_history(&app, &id).await, 200, "");
    assert!(receiver.must_receive_one().is_signed_with(&secret));
}

#[tokio::test]
async fn a_certificate_that_cannot_be_trusted_is_a_tls_failure() {
    let authority = Authority::new();
    let mut options = Options::resolving(Names::always(&[LOOPBACK]));
    options.sender.extra_roots = vec![authority.root()];
    let app = TestApp::start_with(options).await;
    for (identity, why) in [
        (Identity::self_signed(NAME), "self-signed"),
        (Authority::new().certify(NAME), "of an unknown authority"),
        (authority.certify("other.example.com"), "for another name"),
        (authority.certify_expired(NAME), "expired"),
    ] {
        let receiver = Receiver::over_tls(identity).await;
        let ping = ping_url(&app, &receiver.url_as(NAME)).await;
        assert_failed(&ping, Failure::Tls);
        assert_eq!(receiver.received().len(), 0, "{why}");
    }
}

#[tokio::test]
async fn a_receiver_that_speaks_no_tls_is_a_tls_failure() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "").await;
    let url = receiver.url.replace("http://", "https://");
    assert_failed(&ping_url(&app, &url).await, Failure::Tls);
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn a_tls_handshake_that_is_never_answered_is_a_timeout() {
    let app = TestApp::start_with(Options::impatient()).await;
    let url = silent_receiver().await.replace("http://", "https://");
    assert_failed(&ping_url(&app, &url).await, Failure::Timeout);
}

/// Runs another test of this binary in a process of its own, because the
/// environment belongs to a process.
#[test]
fn a_proxy_of_the_environment_is_not_used() {
    // Port 1 of the own machine: nobody listens, so a proxied ping fails.
    let proxy = "http://127.0.0.1:1";
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "ping::a_ping_arrives_signed_and_is_recorded"]);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        child.env(name, proxy).env(name.to_uppercase(), proxy);
    }
    child.env_remove("no_proxy").env_remove("NO_PROXY");
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}
