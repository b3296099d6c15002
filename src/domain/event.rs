//! Events: as the API or another AWS service publishes them, as they are stored,
//! and the body that receivers get.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::event_type::EventType;
use super::id::{AppId, EndpointId, EventId};

/// An event, as the API or another AWS service puts it on the queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedEvent {
    /// The app that published it.
    pub app_id: AppId,
    /// Its id. Defaults to the id of the queue message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<EventId>,
    /// Its type.
    pub r#type: EventType,
    /// When it happened. Defaults to when the message was sent.
    #[serde(
        with = "super::time::serde_millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub timestamp: Option<Timestamp>,
    /// Any JSON, kept byte for byte.
    pub data: Box<RawValue>,
}

impl PublishedEvent {
    /// The body that receivers get.
    ///
    /// # Errors
    /// Never in practice: every part of an event can be written as JSON.
    pub fn payload(&self, sent_at: Timestamp) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Payload {
            r#type: self.r#type.as_str(),
            timestamp: self.timestamp.unwrap_or(sent_at),
            data: &*self.data,
        })
    }
}

/// An event as it is stored, once for all of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// When it was accepted. If it was published more than once under the same
    /// id, when it was accepted first.
    pub accepted_at: Timestamp,
    /// When it expires, together with its deliveries.
    pub expires_at: Timestamp,
    /// The body that receivers get.
    pub payload: String,
}

/// The body that a receiver gets (Standard Webhooks, "Payload structure").
#[derive(Serialize)]
struct Payload<'a, T: ?Sized> {
    r#type: &'a str,
    #[serde(with = "super::time::serde_millis")]
    timestamp: Timestamp,
    data: &'a T,
}

/// The body of a test ping.
///
/// # Errors
/// Never in practice, as for [`PublishedEvent::payload`].
pub fn ping_payload(
    endpoint_id: EndpointId,
    created_at: Timestamp,
) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Data {
        message: &'static str,
        webhook_id: EndpointId,
    }
    serde_json::to_string(&Payload {
        r#type: EventType::test_ping().as_str(),
        timestamp: created_at,
        data: &Data {
            message: "This is a test ping.",
            webhook_id: endpoint_id,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ping_payload_has_type_timestamp_and_data() {
        let endpoint_id = EndpointId::new();
        let created_at = "2026-01-01T00:00:00.000Z".parse().unwrap();
        let expected = format!(
            r#"{{"type":"test.ping","timestamp":"2026-01-01T00:00:00.000Z","data":{{"message":"This is a test ping.","webhookId":"{endpoint_id}"}}}}"#
        );
        assert_eq!(ping_payload(endpoint_id, created_at).unwrap(), expected);
    }
}
