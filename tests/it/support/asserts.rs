//! What a ping and its history have to say of an outcome.

use serde_json::{Value, json};
use webhook_endpoints::domain::delivery::Failure;

use super::{TestApp, fields};

/// Asserts all fields of a ping that the receiver answered.
#[track_caller]
pub fn assert_answered(ping: &Value, status: u16, body: &str) {
    let success = (200..300).contains(&status);
    let expected = json!({
        "success": success,
        "statusCode": status,
        "responseBody": body,
        "error": null,
        "deliveryId": ping["deliveryId"],
        "status": if success { "DELIVERED" } else { "FAILED" },
    });
    assert_eq!(*ping, expected);
}

/// Asserts all fields of a ping that got no answer.
#[track_caller]
pub fn assert_failed(ping: &Value, failure: Failure) {
    let message = failure.to_string();
    // An address has a digit, as has an error number.
    assert!(!message.contains(|c: char| c.is_ascii_digit()), "{message}");
    let expected = json!({
        "success": false,
        "statusCode": null,
        "responseBody": null,
        "error": message,
        "deliveryId": ping["deliveryId"],
        "status": "FAILED",
    });
    assert_eq!(*ping, expected);
}

/// Asserts all fields of a ping whose outcome is not in.
#[track_caller]
pub fn assert_pending(ping: &Value) {
    let expected = json!({
        "success": false,
        "statusCode": null,
        "responseBody": null,
        "error": null,
        "deliveryId": ping["deliveryId"],
        "status": "PENDING",
    });
    assert_eq!(*ping, expected);
}

/// The fields of a delivery in the history, sorted.
pub const DELIVERY_FIELDS: [&str; 8] = [
    "attempts",
    "createdAt",
    "deliveredAt",
    "event",
    "id",
    "nextRetryAt",
    "responseStatus",
    "status",
];

/// Pings an endpoint, and asserts that the history has this one delivery and
/// tells of it what the ping told.
pub async fn ping_and_history(app: &TestApp, id: &str) -> Value {
    let ping = app.api.ping(id).await;
    let history = app.api.deliveries(id).await;
    assert_eq!(history.len(), 1, "{history:?}");
    let item = &history[0];
    assert_eq!(fields(item), DELIVERY_FIELDS);
    assert_eq!(item["id"], ping["deliveryId"]);
    assert_eq!(item["event"], "test.ping");
    assert_eq!(item["status"], ping["status"]);
    assert_eq!(item["responseStatus"], ping["statusCode"]);
    assert_eq!(item["attempts"], 1);
    assert_eq!(item["nextRetryAt"], Value::Null);
    let created = item["createdAt"].as_str().expect("read createdAt");
    if ping["success"] == true {
        let delivered = item["deliveredAt"].as_str().expect("read deliveredAt");
        // One form and one zone, so that text order is time order.
        assert!(created <= delivered, "{item}");
    } else {
        assert_eq!(item["deliveredAt"], Value::Null);
    }
    ping
}

/// Registers `url`, pings it, and holds the history against the ping.
pub async fn ping_url(app: &TestApp, url: &str) -> Value {
    let (id, _) = app.api.create_webhook(url).await;
    ping_and_history(app, &id).await
}
