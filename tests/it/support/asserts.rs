//! Assertions about pings and the history they leave.

use serde_json::{Value, json};
use webhook_endpoints::domain::failure::Failure;

use super::{TestApp, fields};

/// Asserts every field of a ping that got this response.
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

/// Asserts every field of a ping that got a redirect to `target`.
#[track_caller]
pub fn assert_redirected(ping: &Value, status: u16, target: &str) {
    let expected = json!({
        "success": false,
        "statusCode": status,
        "responseBody": "moved",
        "error": format!("redirects are not followed: it points to {target}"),
        "deliveryId": ping["deliveryId"],
        "status": "FAILED",
    });
    assert_eq!(*ping, expected);
}

/// Asserts every field of a ping that got no response.
#[track_caller]
pub fn assert_failed(ping: &Value, failure: Failure) {
    let message = failure.to_string();
    // Messages must not reveal addresses or errno values, so they contain no digits.
    let named = message.replace("IPv4", "").replace("IPv6", "");
    assert!(!named.contains(|c: char| c.is_ascii_digit()), "{message}");
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

/// Asserts every field of a ping without an outcome yet.
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

/// Pings an endpoint, and asserts that its history holds exactly this delivery, with the
/// same outcome as the response. Returns the ping.
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
        // The format and time zone are fixed, so timestamps sort as text.
        assert!(created <= delivered, "{item}");
    } else {
        assert_eq!(item["deliveredAt"], Value::Null);
    }
    ping
}

/// Creates an endpoint with this URL, and pings it as [`ping_and_history`] does.
pub async fn ping_url(app: &TestApp, url: &str) -> Value {
    let (id, _) = app.api.create_webhook(url).await;
    ping_and_history(app, &id).await
}
