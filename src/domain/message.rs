//! What is put on the delivery queue, as JSON. Secrets never are.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::{AppId, DeliveryId, EndpointId};

/// A message of the delivery queue. `kind` tells which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// Make the one attempt of a test ping.
    TestPing(TestPing),
}

/// A test ping that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestPing {
    /// The app that owns the endpoint.
    pub app_id: AppId,
    /// The endpoint to ping.
    pub endpoint_id: EndpointId,
    /// The delivery in whose history the attempt is recorded.
    pub delivery_id: DeliveryId,
    /// When the ping was asked for.
    #[serde(with = "super::serde_millis")]
    pub created_at: Timestamp,
    /// The body to send, byte for byte.
    pub payload: String,
}

/// The body of a test ping.
#[derive(Serialize)]
struct TestPingBody {
    r#type: &'static str,
    #[serde(with = "super::serde_millis")]
    timestamp: Timestamp,
    data: TestPingData,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TestPingData {
    message: &'static str,
    webhook_id: EndpointId,
}

impl TestPing {
    /// A ping of an endpoint, with the body that the receiver will get.
    ///
    /// # Errors
    /// Never in practice: the body has no type that JSON can't show.
    pub fn new(
        app_id: AppId,
        endpoint_id: EndpointId,
        created_at: Timestamp,
    ) -> Result<Self, serde_json::Error> {
        let body = TestPingBody {
            r#type: "test.ping",
            timestamp: created_at,
            data: TestPingData {
                message: "This is a test ping.",
                webhook_id: endpoint_id,
            },
        };
        Ok(Self {
            app_id,
            endpoint_id,
            delivery_id: DeliveryId::new(),
            created_at,
            payload: serde_json::to_string(&body)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_survives_the_queue() {
        let at = "2026-01-01T00:00:00.000Z".parse().unwrap();
        let ping = TestPing::new(AppId::new(), EndpointId::new(), at).unwrap();
        let json = serde_json::to_value(Message::TestPing(ping.clone())).unwrap();
        assert_eq!(json["kind"], "test_ping");
        assert_eq!(json["createdAt"], "2026-01-01T00:00:00.000Z");
        let read: Message = serde_json::from_value(json).unwrap();
        assert_eq!(read, Message::TestPing(ping));
    }

    #[test]
    fn the_body_has_type_timestamp_and_data() {
        let at = "2026-01-01T00:00:00.000Z".parse().unwrap();
        let endpoint_id = EndpointId::new();
        let ping = TestPing::new(AppId::new(), endpoint_id, at).unwrap();
        let expected = format!(
            r#"{{"type":"test.ping","timestamp":"2026-01-01T00:00:00.000Z","data":{{"message":"This is a test ping.","webhookId":"{endpoint_id}"}}}}"#
        );
        assert_eq!(ping.payload, expected);
    }
}
