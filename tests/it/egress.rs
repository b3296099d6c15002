//! Which receivers the service connects to: host names, addresses, certificates and
//! proxies.

use std::process::Command;
use std::sync::Arc;

use axum::response::IntoResponse;
use reqwest::StatusCode;
use serde_json::json;
use webhook_endpoints::delivery::egress::{EgressError, Resolve, SystemResolver};
use webhook_endpoints::domain::address::AddressPolicy;
use webhook_endpoints::domain::egress_rules::EgressRules;
use webhook_endpoints::domain::failure::Failure;

use crate::support::asserts::{assert_answered, assert_failed, ping_and_history, ping_url};
use crate::support::names::{LOOPBACK, Names, REFUSED, Silence};
use crate::support::receiver::Receiver;
use crate::support::tls::Authority;
use crate::support::{Options, TestApp};

const NAME: &str = "receiver.example.com";

#[tokio::test]
async fn names_are_resolved_and_connected_to() {
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
async fn names_with_any_refused_address_are_not_connected_to() {
    let receiver = Receiver::answering(200, "").await;
    for addresses in [
        [REFUSED].as_slice(),
        // One refused address is enough, in any position.
        &[LOOPBACK, REFUSED],
        &[REFUSED, LOOPBACK],
        // The same address, mapped to IPv6.
        &["::ffff:0.0.0.0"],
    ] {
        let app = TestApp::start_with(Options::resolving(Names::always(addresses))).await;
        let ping = ping_url(&app, &receiver.url_as(NAME)).await;
        assert_failed(&ping, Failure::RefusedAddress);
    }
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn names_that_rebind_to_a_refused_address_are_refused() {
    let names = Names::in_turn(&[&[LOOPBACK], &[REFUSED]]);
    let app = TestApp::start_with(Options::resolving(Arc::clone(&names) as _)).await;
    // Without this, the connection would be reused without resolving the name again.
    let receiver = Receiver::responding(|_| [("connection", "close")].into_response()).await;
    let (id, _) = app.api.create_webhook(&receiver.url_as(NAME)).await;
    assert_answered(&app.api.ping(&id).await, 200, "");
    assert_failed(&app.api.ping(&id).await, Failure::RefusedAddress);
    assert_eq!(names.asked(), 2);
    receiver.must_receive_one();
}

#[tokio::test]
async fn addresses_are_checked_again_at_delivery() {
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
async fn names_without_an_address_are_dns_failures() {
    let app = TestApp::start_with(Options::resolving(Names::always(&[]))).await;
    let ping = ping_url(&app, "https://nothing.example/").await;
    assert_failed(&ping, Failure::Dns);
}

#[tokio::test]
async fn names_that_cannot_be_resolved_are_dns_failures() {
    // A label has at most 63 characters (RFC 1035, 2.3.4), so this name is never queried,
    // and nothing leaves the machine.
    let name = format!("{}.invalid", "x".repeat(64));
    let found = SystemResolver.resolve(name).await;
    assert_eq!(found, Err(EgressError::NotResolved));
}

#[tokio::test]
async fn names_with_only_ipv6_addresses_are_reported_as_such() {
    let names = Names::always(&["2606:4700:4700::1111", "2606:4700:4700::1001"]);
    let mut options = Options::resolving(names);
    options.sender.policy = AddressPolicy::PublicOnly;
    let app = TestApp::start_with(options).await;
    let ping = ping_url(&app, "https://receiver.example.com/").await;
    assert_failed(&ping, Failure::Ipv6Only);
}

#[tokio::test]
async fn unanswered_dns_queries_are_timeouts() {
    let mut options = Options::impatient();
    options.sender.resolver = Arc::new(Silence);
    let app = TestApp::start_with(options).await;
    let ping = ping_url(&app, "https://receiver.example.com/").await;
    assert_failed(&ping, Failure::DnsTimeout);
}

#[tokio::test]
async fn receivers_with_a_trusted_certificate_get_signed_pings() {
    let authority = Authority::new();
    let mut options = Options::resolving(Names::always(&[LOOPBACK]));
    options.sender.extra_roots = vec![authority.root()];
    let app = TestApp::start_with(options).await;
    let receiver = Receiver::over_tls(authority.certify(NAME)).await;
    let (id, secret) = app.api.create_webhook(&receiver.url_as(NAME)).await;
    assert_answered(&ping_and_history(&app, &id).await, 200, "");
    assert!(receiver.must_receive_one().is_signed_with(&secret));
}

/// Runs another test of this binary in its own process, because environment variables apply
/// to a whole process.
#[test]
fn proxies_in_the_environment_are_ignored() {
    // Nothing listens on port 1, so a proxied ping would fail.
    let proxy = "http://127.0.0.1:1";
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "ping::pings_arrive_signed_and_are_recorded"]);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        child.env(name, proxy).env(name.to_uppercase(), proxy);
    }
    child.env_remove("no_proxy").env_remove("NO_PROXY");
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

/// Starts a service whose operator allows only port 443, blocks a public address range, and
/// allows a private one.
async fn start_with_egress_rules(names: Arc<Names>) -> TestApp {
    let rules = EgressRules::new(
        "443".parse().unwrap(),
        "1.1.1.0/24".parse().unwrap(),
        "10.1.0.0/16".parse().unwrap(),
    );
    let policy = AddressPolicy::Operated(Box::leak(Box::new(rules)));
    let mut options = Options::resolving(names);
    options.settings.address_policy = policy;
    options.sender.policy = policy;
    TestApp::start_with(options).await
}

#[tokio::test]
async fn operators_can_restrict_ports_and_addresses() {
    let app = start_with_egress_rules(Names::always(&[])).await;
    for (url, refused) in [
        ("https://1.1.2.1/", None),
        ("https://10.1.0.1/hook", None),
        ("https://1.1.1.1/", Some("private, local or reserved")),
        ("https://10.2.0.1/", Some("private, local or reserved")),
        (
            "https://169.254.169.254/",
            Some("private, local or reserved"),
        ),
        ("https://example.com:8443/", Some("one of the ports 443")),
    ] {
        let body = json!({"url": url, "events": ["*"]});
        let answer = app.api.post_json("", &body).await;
        match refused {
            None => assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}"),
            Some(reason) => {
                answer.must_fail_with(400, "VALIDATION_ERROR");
                let message = answer.body["error"]["message"].as_str().unwrap();
                assert!(message.contains(reason), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn names_with_an_address_blocked_by_the_operator_are_refused() {
    let app = start_with_egress_rules(Names::always(&["1.1.1.1"])).await;
    let ping = ping_url(&app, "https://receiver.example.com/").await;
    assert_failed(&ping, Failure::RefusedAddress);
}
