//! Test pings: plain ones, and typed ones, which look like an event of a given type.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::endpoint::EndpointKey;
use super::event::{Payload, payload_of};
use super::event_type::EventType;
use super::id::{DeliveryId, EndpointId, EventId};
use super::message::{DeliveryTask, Source};

impl DeliveryTask {
    /// The only attempt of a new plain test ping.
    ///
    /// # Errors
    /// Never in practice: every part of a payload is representable in JSON.
    pub fn ping(
        endpoint: EndpointKey,
        created_at: Timestamp,
        retention: Duration,
    ) -> Result<Self, serde_json::Error> {
        let payload = plain_payload(endpoint.endpoint_id, created_at)?;
        let event = EventType::test_ping();
        Ok(Self::ping_with(
            endpoint, event, payload, created_at, retention,
        ))
    }

    /// The only attempt of a new typed test ping. Its payload is that of an event of this type
    /// with this data.
    #[must_use]
    pub fn ping_like(
        event: EventType,
        data: &str,
        endpoint: EndpointKey,
        created_at: Timestamp,
        retention: Duration,
    ) -> Self {
        let payload = payload_of(&event, created_at, data);
        Self::ping_with(endpoint, event, payload, created_at, retention)
    }

    /// A ping has no stored event, so its event id is the delivery's id.
    fn ping_with(
        endpoint: EndpointKey,
        event: EventType,
        payload: String,
        created_at: Timestamp,
        retention: Duration,
    ) -> Self {
        let delivery_id = DeliveryId::new();
        Self {
            endpoint,
            delivery_id,
            source: Source::Ping {
                id: EventId::from_bytes(*delivery_id.as_bytes()),
                payload,
            },
            event,
            created_at,
            expires_at: created_at + retention,
            attempt: 1,
            resend: false,
            has_turn: false,
            if_owed: false,
            ephemeral: false,
        }
    }

    /// Whether this is a typed test ping. The event type does not tell receivers that it is a
    /// test, so the service marks the request.
    #[must_use]
    pub fn is_test_of_an_event(&self) -> bool {
        matches!(self.source, Source::Ping { .. }) && self.event != EventType::test_ping()
    }
}

/// The body of a plain test ping.
fn plain_payload(
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
    use crate::domain::id::AppId;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn at() -> Timestamp {
        "2026-01-01T00:00:00.000Z".parse().unwrap()
    }

    #[test]
    fn typed_pings_look_like_events_and_are_marked() {
        let endpoint = EndpointKey {
            app_id: AppId::new(),
            endpoint_id: EndpointId::new(),
        };
        let event_type = EventType::parse("invoice.paid").unwrap();
        let like = DeliveryTask::ping_like(event_type, r#"{"n": 1e2}"#, endpoint, at(), DAY);
        let plain = DeliveryTask::ping(endpoint, at(), DAY).unwrap();
        assert!(like.is_test_of_an_event() && !plain.is_test_of_an_event());
        assert!(like.delivery().is_ping && plain.delivery().is_ping);
        assert_eq!(like.delivery().event.as_str(), "invoice.paid");
        let Source::Ping { payload, .. } = like.source else {
            panic!("not a ping");
        };
        assert_eq!(
            payload,
            r#"{"type":"invoice.paid","timestamp":"2026-01-01T00:00:00.000Z","data":{"n": 1e2}}"#
        );
    }

    #[test]
    fn plain_payload_has_type_timestamp_and_data() {
        let endpoint_id = EndpointId::new();
        let created_at = "2026-01-01T00:00:00.000Z".parse().unwrap();
        let expected = format!(
            r#"{{"type":"test.ping","timestamp":"2026-01-01T00:00:00.000Z","data":{{"message":"This is a test ping.","webhookId":"{endpoint_id}"}}}}"#
        );
        assert_eq!(plain_payload(endpoint_id, created_at).unwrap(), expected);
    }
}
