//! Test pings and what a receiver gets.

use serde_json::{Value, json};

use crate::support::receiver::Receiver;
use crate::support::{TestApp, fields};

#[tokio::test]
async fn a_ping_arrives_signed_and_is_recorded() {
    let app = TestApp::start().await;
    let receiver = Receiver::answering(200, "thank you").await;
    let (id, secret) = app.create_webhook(&receiver.url).await;

    let ping = app.ping(&id).await;
    assert_eq!(
        fields(&ping),
        [
            "deliveryId",
            "error",
            "responseBody",
            "status",
            "statusCode",
            "success"
        ]
    );
    assert_eq!(ping["success"], true);
    assert_eq!(ping["statusCode"], 200);
    assert_eq!(ping["responseBody"], "thank you");
    assert_eq!(ping["error"], Value::Null);
    assert_eq!(ping["status"], "DELIVERED");

    let request = receiver.only();
    assert_eq!(request.method, "POST");
    assert_eq!(request.header("content-type"), "application/json");
    assert!(
        request
            .header("user-agent")
            .starts_with("webhook-endpoints/")
    );
    assert_eq!(request.header("webhook-id"), ping["deliveryId"]);
    assert!(request.is_signed_with(&secret));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["type"], "test.ping");
    assert_eq!(body["data"]["webhookId"], json!(id));

    let deliveries = app.deliveries(&id).await;
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0]["id"], ping["deliveryId"]);
    assert_eq!(deliveries[0]["attempts"], 1);
}
