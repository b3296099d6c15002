//! Notices to the operator, which are published as events of the reserved app.
//!
//! The event's id is derived from the notice, so a notice that is sent twice is the same
//! event. It contains no secrets, no payload and no part of a response. Of a URL it contains
//! only the host, because the path or the query may have a token.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::audience::Audience;
use super::delivery::{Delivery, DeliveryStatus};
use super::endpoint::{DisabledReason, Endpoint, EndpointKey};
use super::event::PublishedEvent;
use super::id::{AppId, DeliveryId, EndpointId, EventId};
use super::operational::OperationalType;
use super::time::{iso_millis, serde_millis};
use super::transition::{Transition, TransitionKind};

/// A notice to the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An endpoint's health changed.
    Endpoint {
        /// The endpoint whose health changed.
        endpoint: EndpointKey,
        /// The host of its URL.
        host: String,
        /// The change.
        transition: Transition,
    },
    /// A delivery used up its attempts.
    DeliveryFailed {
        /// The delivery after its last attempt.
        delivery: Box<Delivery>,
        /// The host of its endpoint's URL. `None` if the endpoint was deleted.
        host: Option<String>,
    },
    /// The deletion of an app is complete.
    AppDeleted {
        /// The deleted app.
        app_id: AppId,
        /// When its deletion was requested.
        requested_at: Timestamp,
    },
}

/// A notice for the operator's event bus. A pipe (`OperationalPipe` in template.yaml) builds
/// the bus's event from these fields.
#[derive(Debug, Serialize)]
pub struct BusMessage<'a> {
    r#type: &'a str,
    #[serde(with = "serde_millis")]
    time: Timestamp,
    detail: Detail<'a>,
}

/// The body of the operational webhook, and the event's id, which a webhook has in a header.
#[derive(Debug, Serialize)]
struct Detail<'a> {
    id: Option<EventId>,
    r#type: &'a str,
    #[serde(with = "serde_millis")]
    timestamp: Timestamp,
    data: &'a RawValue,
}

impl<'a> BusMessage<'a> {
    /// The message for an event. An event without a timestamp happened `now`.
    #[must_use]
    pub fn of(event: &'a PublishedEvent, now: Timestamp) -> Self {
        let (r#type, time) = (event.r#type.as_str(), event.timestamp.unwrap_or(now));
        Self {
            r#type,
            time,
            detail: Detail {
                id: event.id,
                r#type,
                timestamp: time,
                data: &event.data,
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointData<'a> {
    app_id: AppId,
    webhook_id: EndpointId,
    host: &'a str,
    /// Present only for disabled endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(with = "serde_millis::option")]
    failing_since: Option<Timestamp>,
    delivery_id: DeliveryId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryData<'a> {
    app_id: AppId,
    webhook_id: EndpointId,
    host: Option<&'a str>,
    delivery_id: DeliveryId,
    event_id: EventId,
    event_type: &'a str,
    attempts: u32,
    response_status: Option<u16>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AppData {
    app_id: AppId,
    #[serde(with = "serde_millis")]
    requested_at: Timestamp,
}

impl Notice {
    /// The notice of an endpoint's transition.
    #[must_use]
    pub fn of_transition(endpoint: &Endpoint, transition: Transition) -> Self {
        Self::Endpoint {
            endpoint: endpoint.key,
            host: host_of(endpoint),
            transition,
        }
    }

    /// The notices of those transitions in the endpoint's log that `are_meant` selects.
    pub fn of_transitions<'a>(
        endpoint: &'a Endpoint,
        are_meant: impl Fn(&Transition) -> bool + 'a,
    ) -> impl Iterator<Item = Self> + 'a {
        let meant = endpoint.transitions.iter();
        let meant = meant.filter(move |transition| are_meant(transition));
        meant.map(|transition| Self::of_transition(endpoint, *transition))
    }

    /// The notice of a delivery that used up its attempts. `None` for other deliveries. A 410
    /// is reported as a disabled endpoint instead.
    #[must_use]
    pub fn of_exhausted(delivery: &Delivery, endpoint: Option<&Endpoint>) -> Option<Self> {
        // Abandoned deliveries have failed, too, but did not use up their attempts.
        let is_exhausted = delivery.status == DeliveryStatus::Failed
            && delivery.abandoned.is_none()
            && delivery.response_status != Some(410)
            && !delivery.is_ping
            && !delivery.endpoint.app_id.is_operational();
        is_exhausted.then(|| Self::DeliveryFailed {
            delivery: Box::new(delivery.clone()),
            host: endpoint.map(host_of),
        })
    }

    /// The notice of an app's complete deletion. `None` for the reserved app.
    #[must_use]
    pub fn of_deletion(app_id: AppId, requested_at: Timestamp) -> Option<Self> {
        let notice = Self::AppDeleted {
            app_id,
            requested_at,
        };
        (!app_id.is_operational()).then_some(notice)
    }

    /// The type of the notice's event.
    #[must_use]
    pub fn operational_type(&self) -> OperationalType {
        match self {
            Self::Endpoint { transition, .. } => match transition.kind {
                TransitionKind::Failing => OperationalType::EndpointFailing,
                TransitionKind::Paused => OperationalType::EndpointPaused,
                TransitionKind::Recovered => OperationalType::EndpointRecovered,
                TransitionKind::Disabled(_) => OperationalType::EndpointDisabled,
            },
            Self::DeliveryFailed { .. } => OperationalType::DeliveryFailed,
            Self::AppDeleted { .. } => OperationalType::AppDeleted,
        }
    }

    /// The event for this notice. A transition has a time of its own; other notices happened
    /// `now`.
    ///
    /// # Errors
    /// Never in practice: every part of a notice is representable in JSON.
    pub fn event(&self, now: Timestamp) -> Result<PublishedEvent, serde_json::Error> {
        let app_id = AppId::operational();
        let kind = self.operational_type();
        // Unambiguous, because no part contains a space.
        let key = format!("{} {}", kind.as_str(), self.identity());
        let at = match self {
            Self::Endpoint { transition, .. } => transition.at,
            Self::DeliveryFailed { .. } | Self::AppDeleted { .. } => now,
        };
        Ok(PublishedEvent {
            app_id,
            id: Some(EventId::of_idempotency_key(app_id, &key)),
            r#type: kind.event_type(),
            timestamp: Some(at),
            data: self.data()?,
            audience: Audience::default(),
            store_payload: true,
        })
    }

    /// Identifies the notice among those of its type.
    fn identity(&self) -> String {
        match self {
            Self::Endpoint {
                endpoint,
                transition,
                ..
            } => {
                let EndpointKey {
                    app_id,
                    endpoint_id,
                } = endpoint;
                format!("{app_id} {endpoint_id} {}", iso_millis(transition.at))
            }
            Self::DeliveryFailed { delivery, .. } => {
                let Delivery { endpoint, id, .. } = &**delivery;
                format!("{} {} {id}", endpoint.app_id, endpoint.endpoint_id)
            }
            Self::AppDeleted {
                app_id,
                requested_at,
            } => format!("{app_id} {}", iso_millis(*requested_at)),
        }
    }

    fn data(&self) -> Result<Box<RawValue>, serde_json::Error> {
        match self {
            Self::Endpoint {
                endpoint,
                host,
                transition,
            } => to_raw_value(&EndpointData {
                app_id: endpoint.app_id,
                webhook_id: endpoint.endpoint_id,
                host,
                reason: match transition.kind {
                    TransitionKind::Disabled(reason) => Some(DisabledReason::as_str(reason)),
                    _ => None,
                },
                failing_since: transition.failing_since,
                delivery_id: transition.by,
            }),
            Self::DeliveryFailed { delivery, host } => to_raw_value(&DeliveryData {
                app_id: delivery.endpoint.app_id,
                webhook_id: delivery.endpoint.endpoint_id,
                host: host.as_deref(),
                delivery_id: delivery.id,
                event_id: delivery.event_id,
                event_type: delivery.event.as_str(),
                attempts: delivery.attempts,
                response_status: delivery.response_status,
            }),
            Self::AppDeleted {
                app_id,
                requested_at,
            } => to_raw_value(&AppData {
                app_id: *app_id,
                requested_at: *requested_at,
            }),
        }
    }
}

fn host_of(endpoint: &Endpoint) -> String {
    let host = endpoint.url.url().host_str();
    host.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::AddressPolicy;
    use crate::domain::channel::Channels;
    use crate::domain::endpoint::{NewEndpoint, SecretVersion};
    use crate::domain::event_type::{EventType, Subscriptions};
    use crate::domain::labels::Labels;
    use crate::domain::target_url::TargetUrl;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    fn endpoint() -> Endpoint {
        let url = "https://hooks.example.com:8443/t0ken?key=t0ken";
        let new = NewEndpoint {
            url: TargetUrl::parse(url, AddressPolicy::PublicOnly).unwrap(),
            events: Subscriptions::parse("events", ["*"]).unwrap(),
            active: true,
            rate_limit: None,
            labels: Labels::default(),
            channels: Channels::default(),
            filter: None,
        };
        let key = EndpointKey {
            app_id: AppId::parse("acme").unwrap(),
            endpoint_id: EndpointId::new(),
        };
        new.registered(key, SecretVersion::new("v1"), AT)
    }

    fn transition(kind: TransitionKind, millis: i64) -> Transition {
        Transition {
            kind,
            at: Timestamp::from_millisecond(millis).unwrap(),
            failing_since: Some(AT),
            by: DeliveryId::new(),
        }
    }

    fn exhausted(endpoint: &Endpoint) -> Delivery {
        let event = EventType::parse("invoice.paid").unwrap();
        let id = DeliveryId::new();
        let accepted = Delivery::accepted(id, endpoint.key, EventId::new(), event, AT, AT);
        Delivery {
            status: DeliveryStatus::Failed,
            attempts: 10,
            response_status: Some(503),
            ..accepted
        }
    }

    #[test]
    fn same_notice_is_the_same_event() {
        let endpoint = endpoint();
        let kinds = [TransitionKind::Failing, TransitionKind::Paused];
        let mut ids = Vec::new();
        for kind in kinds {
            for millis in [1, 2] {
                let notice = Notice::of_transition(&endpoint, transition(kind, millis));
                let event = notice.event(AT).unwrap();
                assert_eq!(event.id, notice.event(AT).unwrap().id);
                assert_eq!(event.timestamp, Timestamp::from_millisecond(millis).ok());
                ids.push(event.id);
            }
        }
        let failed = Notice::of_exhausted(&exhausted(&endpoint), Some(&endpoint));
        ids.push(failed.unwrap().event(AT).unwrap().id);
        let deleted = Notice::of_deletion(endpoint.key.app_id, AT);
        ids.push(deleted.unwrap().event(AT).unwrap().id);
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id), "{ids:?}");
        }
    }

    #[test]
    fn notices_contain_only_the_host_of_a_url() {
        let endpoint = endpoint();
        let reason = DisabledReason::Gone;
        let notice =
            Notice::of_transition(&endpoint, transition(TransitionKind::Disabled(reason), 1));
        let event = notice.event(AT).unwrap();
        let data: serde_json::Value = serde_json::from_str(event.data.get()).unwrap();
        assert_eq!(data["host"], "hooks.example.com");
        assert_eq!(data["reason"], "GONE");
        assert_eq!(data["failingSince"], "1970-01-01T00:00:00.000Z");
        assert!(!event.data.get().contains("t0ken"));
    }

    #[test]
    fn only_exhausted_deliveries_have_a_notice() {
        let endpoint = endpoint();
        let failed = exhausted(&endpoint);
        assert!(Notice::of_exhausted(&failed, None).is_some());
        let mut of_the_reserved_app = failed.clone();
        of_the_reserved_app.endpoint.app_id = AppId::operational();
        for other in [
            of_the_reserved_app,
            Delivery {
                status: DeliveryStatus::Pending,
                ..failed.clone()
            },
            Delivery {
                is_ping: true,
                ..failed.clone()
            },
            Delivery {
                response_status: Some(410),
                ..failed.clone()
            },
            Delivery {
                abandoned: Some(crate::domain::delivery::Abandoned::EndpointInactive),
                ..failed
            },
        ] {
            assert_eq!(Notice::of_exhausted(&other, None), None, "{other:?}");
        }
        assert_eq!(Notice::of_deletion(AppId::operational(), AT), None);
    }
}
