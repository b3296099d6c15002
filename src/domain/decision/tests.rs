//! The policy as tables.

mod after;
mod before;

use super::*;
use crate::domain::address::AddressPolicy;
use crate::domain::audience::Audience;
use crate::domain::channel::Channels;
use crate::domain::endpoint::{EndpointKey, NewEndpoint, SecretVersion};
use crate::domain::event::FanOut;
use crate::domain::event_type::{EventType, Subscriptions};
use crate::domain::health::{Failing, Health, Pause};
use crate::domain::id::{AppId, DeliveryId, EndpointId, EventId};
use crate::domain::labels::Labels;
use crate::domain::target_url::TargetUrl;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn now() -> Timestamp {
    "2026-01-31T09:30:00Z".parse().unwrap()
}

fn policy() -> Policy {
    Policy {
        schedule: "60,7200".parse().unwrap(),
        health: HealthPolicy::default(),
    }
}

fn endpoint() -> Endpoint {
    let key = EndpointKey {
        app_id: AppId::new(),
        endpoint_id: EndpointId::new(),
    };
    let new = NewEndpoint {
        active: true,
        rate_limit: None,
        labels: Labels::default(),
        channels: Channels::default(),
        filter: None,
        url: TargetUrl::parse("https://example.com/", AddressPolicy::PublicOnly).unwrap(),
        events: Subscriptions::parse("events", ["*"]).unwrap(),
    };
    new.registered(key, SecretVersion::new("v1"), now())
}

fn event_task(endpoint: &Endpoint) -> DeliveryTask {
    DeliveryTask {
        endpoint: endpoint.key,
        delivery_id: DeliveryId::new(),
        source: Source::Event(EventId::new()),
        event: EventType::parse("invoice.paid").unwrap(),
        created_at: now(),
        expires_at: now() + 30 * DAY,
        attempt: 1,
        resend: false,
        has_turn: false,
        if_owed: false,
        ephemeral: false,
    }
}

fn ping_task(endpoint: &Endpoint) -> DeliveryTask {
    DeliveryTask::ping(endpoint.key, now(), 30 * DAY).unwrap()
}

fn stored(payload: &str) -> Option<StoredEvent> {
    Some(StoredEvent {
        r#type: EventType::parse("invoice.paid").unwrap(),
        accepted_at: now(),
        expires_at: now() + 30 * DAY,
        payload: StoredPayload::Kept(payload.to_owned()),
        kept_for: None,
        audience: Audience::default(),
        fan_out: FanOut {
            by: String::new(),
            since: now(),
        },
    })
}

fn answered(status: u16) -> Verdict {
    asking(status, None)
}

fn asking(status: u16, retry_after: Option<Duration>) -> Verdict {
    Verdict::Answered(Answer {
        retry_after,
        ..Answer::bare(status)
    })
}

const FAST: Occasion = Occasion::Lane(Lane::Fast);
const SLOW: Occasion = Occasion::Lane(Lane::Slow);

/// The health of an endpoint that has failed for this long, most recently just now.
fn failing_for(long: Duration) -> Health {
    Health {
        failing: Some(Failing {
            since: now() - long,
            last: now(),
            failures: 10,
        }),
        ..Health::default()
    }
}

/// The health of an endpoint that was paused just now.
fn paused() -> Health {
    Health {
        pause: Some(Pause {
            since: now(),
            probe_at: None,
            probes: 0,
        }),
        ..failing_for(DAY)
    }
}
