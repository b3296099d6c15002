//! Signatures and headers that an operator adds to deliveries.

use std::collections::BTreeSet;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sha2::Sha256;
use webhook_endpoints::config::read_webhook_headers;

use crate::support::hand_clock::HandClock;
use crate::support::receiver::{Received, Receiver};
use crate::support::{Options, TestApp, answer};

/// Stripe's scheme, and headers with the type and the attempt.
const SETTINGS: [(&str, &str); 3] = [
    (
        "SIGNATURE_HEADERS",
        r#"[{"header": "Stripe-Signature", "content": "{timestamp}.{body}", "value": "t={timestamp},{signatures}", "each": "v1={signature}"}]"#,
    ),
    (
        "EVENT_HEADERS",
        r#"{"X-Event": "{type}", "X-Attempt": "{attempt}", "X-Source": "{app}/{endpoint}"}"#,
    ),
    ("STANDARD_HEADERS", "false"),
];

fn configured(mut options: Options, settings: &[(&str, &str)]) -> Options {
    let lookup = |name: &str| {
        let (_, value) = settings.iter().find(|(key, _)| *key == name)?;
        Some((*value).to_owned())
    };
    options.settings.webhook_headers = read_webhook_headers(&lookup).unwrap();
    options
}

/// The header of Stripe's scheme with these secrets and the timestamp of the request.
fn stripe_signature(request: &Received, secrets: &[&str]) -> String {
    let value = request.header("stripe-signature");
    let (time, _) = value.split_once(',').unwrap();
    let timestamp = time.strip_prefix("t=").unwrap();
    let signatures = secrets.iter().map(|secret| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{timestamp}.").as_bytes());
        mac.update(&request.body);
        format!(",v1={}", hex::encode(mac.finalize().into_bytes()))
    });
    format!("{time}{}", signatures.collect::<String>())
}

fn names(request: &Received) -> BTreeSet<&str> {
    request.headers.keys().map(|name| name.as_str()).collect()
}

#[tokio::test]
async fn every_attempt_has_the_configured_headers_and_no_others() {
    let clock = HandClock::at_now();
    let options = configured(Options::stepwise_with(&clock), &SETTINGS);
    let app = TestApp::start_with(options).await;
    let (receiver, status) = Receiver::switched().await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    let task = app.queue.first_attempt().await;
    app.queue.must_attempt(&task).await;
    clock.advance(Duration::from_secs(10));
    status.store(200, std::sync::atomic::Ordering::SeqCst);
    app.queue.must_attempt(&task.next()).await;

    let received = receiver.received();
    assert_eq!(received.len(), 2);
    for (request, attempt) in received.iter().zip(["1", "2"]) {
        let expected = stripe_signature(request, &[&secret]);
        assert_eq!(request.header("stripe-signature"), expected);
        assert_eq!(request.header("x-event"), "invoice.paid");
        assert_eq!(request.header("x-attempt"), attempt);
        assert_eq!(request.header("x-source"), format!("{}/{id}", app.app_id));
        let names = names(request);
        assert!(
            names.iter().all(|name| !name.starts_with("webhook-")),
            "{names:?}"
        );
    }
    let [first, second] = [0, 1].map(|n| received[n].header("stripe-signature"));
    // Each attempt signs its own time.
    assert_ne!(first, second);
}

#[tokio::test]
async fn standard_headers_are_kept_and_can_have_a_second_prefix() {
    let settings = [SETTINGS[0], ("HEADER_PREFIX", "svix")];
    let app = TestApp::start_with(configured(Options::default(), &settings)).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, secret) = app.api.create_webhook(&receiver.url).await;
    app.api.ping(&id).await;
    let mut request = receiver.must_receive_one();
    assert!(request.is_signed_with(&secret));
    let expected = stripe_signature(&request, &[&secret]);
    assert_eq!(request.header("stripe-signature"), expected);
    for part in ["id", "timestamp", "signature"] {
        let standard = request.headers.remove(format!("webhook-{part}")).unwrap();
        assert_eq!(request.headers[format!("svix-{part}")], standard);
    }
    let webhook = svix::webhooks::Webhook::new(&secret).unwrap();
    webhook.verify(&request.body, &request.headers).unwrap();
}

#[tokio::test]
async fn previous_secrets_sign_as_well_during_an_overlap() {
    let app = TestApp::start_with(configured(Options::default(), &SETTINGS)).await;
    let receiver = Receiver::answering(200, "").await;
    let (id, old) = app.api.create_webhook(&receiver.url).await;
    let path = format!("/{id}/rotate-secret");
    let mut secrets = vec![old];
    for (body, signing) in [(json!({}), 1), (json!({"overlapSeconds": 600}), 2)] {
        let rotated = app.api.post_json(&path, &body).await;
        let new = rotated.data()["secret"].as_str().unwrap();
        secrets.insert(0, new.to_owned());
        app.api.ping(&id).await;
        let request = receiver.received().pop().unwrap();
        let signing: Vec<_> = secrets.iter().take(signing).map(String::as_str).collect();
        let expected = stripe_signature(&request, &signing);
        assert_eq!(request.header("stripe-signature"), expected);
    }
}

#[tokio::test]
async fn typed_pings_are_marked_even_without_standard_headers() {
    let app = TestApp::start_with(configured(Options::default(), &SETTINGS)).await;
    let put = app
        .api
        .by_platform(Method::PUT, "/event-types/invoice.paid");
    let put = answer(put.json(&json!({"description": "", "example": {"n": 1}}))).await;
    assert!(put.status.is_success(), "{put:?}");
    let receiver = Receiver::answering(200, "").await;
    let (id, _) = app.api.create_webhook(&receiver.url).await;
    let body = json!({"type": "invoice.paid"});
    let ping = app.api.post_json(&format!("/{id}/test-ping"), &body).await;
    assert_eq!(ping.status, StatusCode::OK, "{ping:?}");
    let request = receiver.must_receive_one();
    assert_eq!(request.header("webhook-test"), "true");
    assert_eq!(request.header("x-event"), "invoice.paid");
}

#[tokio::test]
async fn extra_headers_cost_no_extra_calls() {
    let mut calls = Vec::new();
    for settings in [&[][..], &SETTINGS[..]] {
        let app = TestApp::start_with(configured(Options::stepwise(), settings)).await;
        let receiver = Receiver::answering(200, "").await;
        app.api.create_webhook(&receiver.url).await;
        let task = app.queue.first_attempt().await;
        app.aws.wire.take();
        app.queue.must_attempt(&task).await;
        let mut made = app.aws.wire.take();
        made.sort_unstable();
        calls.push(made);
        receiver.must_receive_one();
    }
    assert_eq!(calls[0], calls[1]);
}
