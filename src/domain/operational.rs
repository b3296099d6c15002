//! Operational webhooks: notices of the service to the operator about endpoints, deliveries
//! and apps. They are events of a reserved app, so they are delivered like all others.

use arrayvec::ArrayString;

use super::event_type::{EventPattern, EventType};
use super::id::AppId;

/// The reserved app's id.
const APP: &str = "operational";

/// The error for publishing in the reserved app.
pub const PUBLISHES_ITSELF: &str =
    "operational is reserved: only the service itself publishes there";

/// The error for making a key or a portal session in the reserved app.
pub const HAS_NO_KEYS: &str =
    "operational is reserved: it has no API keys and no portal sessions, and takes a platform key";

impl AppId {
    /// The reserved app, whose endpoints belong to the operator.
    #[must_use]
    pub fn operational() -> Self {
        // Never fails: the id is shorter than the limit.
        Self(ArrayString::from(APP).unwrap_or_default())
    }

    /// Whether this is the reserved app. Only platform keys reach it.
    #[must_use]
    pub fn is_operational(&self) -> bool {
        self.as_str() == APP
    }
}

/// The event types of the service's own events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationalType {
    /// An endpoint began to fail.
    EndpointFailing,
    /// An endpoint was paused because it kept failing.
    EndpointPaused,
    /// An endpoint that was failing or paused works again.
    EndpointRecovered,
    /// The service disabled an endpoint.
    EndpointDisabled,
    /// A delivery used up its attempts.
    DeliveryFailed,
    /// An app and all its data are deleted.
    AppDeleted,
}

impl OperationalType {
    /// All event types of the service.
    pub const ALL: [Self; 6] = [
        Self::EndpointFailing,
        Self::EndpointPaused,
        Self::EndpointRecovered,
        Self::EndpointDisabled,
        Self::DeliveryFailed,
        Self::AppDeleted,
    ];

    /// The event type as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EndpointFailing => "endpoint.failing",
            Self::EndpointPaused => "endpoint.paused",
            Self::EndpointRecovered => "endpoint.recovered",
            Self::EndpointDisabled => "endpoint.disabled",
            Self::DeliveryFailed => "delivery.failed",
            Self::AppDeleted => "app.deleted",
        }
    }

    /// As an event type, to publish or to match.
    #[must_use]
    pub fn event_type(self) -> EventType {
        EventType::named(self.as_str())
    }
}

/// Whether the pattern matches any event that the service sends.
#[must_use]
pub fn matches_any(pattern: &EventPattern) -> bool {
    let types = OperationalType::ALL.map(OperationalType::event_type);
    types.iter().any(|event_type| pattern.matches(event_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_reserved_app_is_operational() {
        let reserved = AppId::operational();
        assert_eq!(AppId::parse("operational"), Ok(reserved));
        assert!(reserved.is_operational());
        for other in ["Operational", "operational-", "operationa"] {
            assert!(!AppId::parse(other).unwrap().is_operational(), "{other}");
        }
    }

    #[test]
    fn every_type_is_an_event_type() {
        for known in OperationalType::ALL {
            assert_eq!(EventType::parse(known.as_str()), Ok(known.event_type()));
        }
    }

    #[test]
    fn patterns_match_what_the_service_sends() {
        for (pattern, matches) in [
            ("*", true),
            ("endpoint.*", true),
            ("app.deleted", true),
            ("app.created", false),
            ("invoice.*", false),
            ("endpoint.paused.*", false),
        ] {
            let parsed = EventPattern::parse(pattern).unwrap();
            assert_eq!(matches_any(&parsed), matches, "{pattern}");
        }
    }
}
