//! The payload formats in which receivers can get events.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use webhook_endpoints::delivery::Deliverer;
use webhook_endpoints::domain::payload_format::PayloadFormat;

use crate::support::deliverer::copy_of;
use crate::support::receiver::{Received, Receiver};
use crate::support::{Options, TestApp, answer};

const DATA: &str = r#"{"invoice": "inv_1", "n": 12345678901234567890.10, "a" :[ 1e2 ]}"#;
const FLAT: &str =
    r#"{"event":"invoice.paid","invoice": "inv_1", "n": 12345678901234567890.10, "a" :[ 1e2 ]}"#;

fn with_format(mut options: Options, format: PayloadFormat) -> Options {
    options.settings.payload_format = format;
    options
}

fn body(request: &Received) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

/// The payload that the API shows for the endpoint's newest delivery.
async fn shown(app: &TestApp, endpoint: &str) -> Value {
    let newest = &app.api.deliveries(endpoint).await[0];
    let delivery = app.api.delivery(endpoint, newest["id"].as_str().unwrap());
    delivery.await["payload"].clone()
}

async fn publish(app: &TestApp, data: &str) -> String {
    let event = format!(r#"{{"type":"invoice.paid","data":{data}}}"#);
    let accepted = answer(app.api.publishing().body(event)).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{accepted:?}");
    accepted.data()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn events_are_signed_sent_and_shown_in_the_configured_format() {
    for (format, expected) in [(PayloadFormat::Data, DATA), (PayloadFormat::Flat, FLAT)] {
        let app = TestApp::start_with(with_format(Options::default(), format)).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, secret) = app.api.create_webhook(&receiver.url).await;
        let event = publish(&app, DATA).await;
        app.api.must_become(&id, "DELIVERED").await;
        let request = receiver.must_receive_one();
        assert_eq!(body(&request), expected);
        assert!(request.is_signed_with(&secret));
        let sent: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(shown(&app, &id).await, sent);
        // The event itself stays as it was published.
        let path = format!("/apps/{}/events/{event}", app.app_id);
        let request = app.api.bare(Method::GET, &path);
        let found = answer(request.header("x-api-key", app.key.expose())).await;
        assert_eq!(found.data()["payload"]["type"], "invoice.paid");
        assert_eq!(found.data()["payload"]["data"]["invoice"], "inv_1");
    }
}

#[tokio::test]
async fn pings_have_the_format_of_events() {
    for (format, expected) in [
        (
            PayloadFormat::Data,
            json!({"message": "This is a test ping."}),
        ),
        (
            PayloadFormat::Flat,
            json!({"event": "test.ping", "message": "This is a test ping."}),
        ),
    ] {
        let app = TestApp::start_with(with_format(Options::default(), format)).await;
        let receiver = Receiver::answering(200, "").await;
        let (id, secret) = app.api.create_webhook(&receiver.url).await;
        app.api.ping(&id).await;
        let request = receiver.must_receive_one();
        assert!(request.is_signed_with(&secret));
        let mut expected = expected;
        expected["webhookId"] = id.as_str().into();
        let sent: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(sent, expected);
        assert_eq!(shown(&app, &id).await, expected);
    }
}

#[tokio::test]
async fn data_that_cannot_be_flat_is_nested() {
    let app = TestApp::start_with(with_format(Options::stepwise(), PayloadFormat::Flat)).await;
    let receiver = Receiver::answering(200, "").await;
    app.api.create_webhook(&receiver.url).await;
    for data in ["null", r#"[1, "event"]"#, r#"{"event": "of the data"}"#] {
        publish(&app, data).await;
        app.queue.settle().await;
        let request = receiver.received().pop().unwrap();
        let expected = format!(r#"{{"event":"invoice.paid","data":{data}}}"#);
        assert_eq!(body(&request), expected);
    }
}

#[tokio::test]
async fn changed_formats_apply_to_events_published_before() {
    let app = TestApp::start_with(Options::stepwise()).await;
    let receiver = Receiver::answering(500, "").await;
    let (_, secret) = app.api.create_webhook(&receiver.url).await;
    publish(&app, DATA).await;
    let task = app.queue.fan_out().await.remove(0);
    app.queue.must_attempt(&task).await;
    let changed = app.queue.with_deliverer(Arc::new(Deliverer {
        payload_format: PayloadFormat::Flat,
        ..copy_of(&app.deliverer)
    }));
    changed.must_attempt(&task.next()).await;
    let received = receiver.received();
    let [first, second] = [0, 1].map(|n| body(&received[n]));
    assert!(
        first.starts_with(r#"{"type":"invoice.paid","timestamp":""#),
        "{first}"
    );
    assert_eq!(second, FLAT);
    assert!(
        received
            .iter()
            .all(|request| request.is_signed_with(&secret))
    );
}
