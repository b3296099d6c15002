//! Which transitions are reported.

use super::TransitionKind::{Disabled, Failing, Paused, Recovered};
use super::*;
use crate::domain::address::AddressPolicy;
use crate::domain::channel::Channels;
use crate::domain::endpoint::{EndpointKey, NewEndpoint, SecretVersion};
use crate::domain::event_type::Subscriptions;
use crate::domain::health::{self, Pause};
use crate::domain::id::{AppId, EndpointId};
use crate::domain::labels::Labels;
use crate::domain::target_url::TargetUrl;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + seconds).unwrap()
}

fn endpoint_of(app_id: AppId) -> Endpoint {
    let new = NewEndpoint {
        url: TargetUrl::parse("https://example.com/", AddressPolicy::PublicOnly).unwrap(),
        events: Subscriptions::parse("events", ["*"]).unwrap(),
        active: true,
        rate_limit: None,
        labels: Labels::default(),
        channels: Channels::default(),
        filter: None,
    };
    let endpoint_id = EndpointId::new();
    let key = EndpointKey {
        app_id,
        endpoint_id,
    };
    new.registered(key, SecretVersion::new("v1"), at(0))
}

fn failing() -> Health {
    Health {
        failing: Some(health::Failing {
            since: at(-100),
            last: at(-50),
            failures: 2,
        }),
        ..Health::default()
    }
}

fn paused() -> Health {
    Health {
        pause: Some(Pause {
            since: at(-40),
            probe_at: None,
            probes: 0,
        }),
        ..failing()
    }
}

fn well() -> Health {
    Health::default()
}

fn cause(seconds: i64, succeeded: bool) -> Cause {
    Cause {
        by: DeliveryId::MIN,
        at: at(seconds),
        succeeded,
    }
}

/// A transition of this kind at this time.
fn logged(kind: TransitionKind, seconds: i64) -> Transition {
    Transition {
        kind,
        at: at(seconds),
        failing_since: None,
        by: DeliveryId::MIN,
    }
}

#[test]
fn transitions_are_reported_as_this_table_says() {
    let gone = Disabled(DisabledReason::Gone);
    for (logged_before, old, new, succeeded, expected) in [
        (None, well(), failing(), false, Some(Failing)),
        (None, failing(), paused(), false, Some(Paused)),
        (None, well(), paused(), false, Some(Paused)),
        // A recovery is reported only if the trouble was.
        (None, failing(), well(), true, None),
        (
            Some((Failing, -60)),
            failing(),
            well(),
            true,
            Some(Recovered),
        ),
        (Some((Paused, -60)), paused(), well(), true, Some(Recovered)),
        (Some((Recovered, -60)), failing(), well(), true, None),
        // A new URL or an activation cleared the failures, and now an attempt succeeds.
        (Some((Paused, -60)), well(), well(), true, Some(Recovered)),
        (Some((gone, -60)), well(), well(), true, Some(Recovered)),
        (Some((Paused, -60)), well(), well(), false, None),
        // A ping succeeds, which does not end the failures.
        (Some((Failing, -60)), failing(), failing(), true, None),
        // It alternates between success and failure.
        (Some((Recovered, -599)), well(), failing(), false, None),
        (
            Some((Recovered, -600)),
            well(),
            failing(),
            false,
            Some(Failing),
        ),
        (Some((Failing, -599)), well(), failing(), false, None),
        (
            Some((Recovered, -599)),
            failing(),
            paused(),
            false,
            Some(Paused),
        ),
        // It keeps failing.
        (Some((Failing, -900)), failing(), failing(), false, None),
        (Some((Paused, -900)), paused(), paused(), false, None),
    ] {
        let mut endpoint = endpoint_of(AppId::new());
        endpoint.health = old;
        if let Some((kind, seconds)) = logged_before {
            endpoint.transitions = endpoint.transitions.with(logged(kind, seconds));
        }
        let found = to_health(&endpoint, &new, cause(0, succeeded));
        let kind = found.map(|found| found.kind);
        assert_eq!(kind, expected, "{logged_before:?} {old:?} {new:?}");
        if let Some(found) = found {
            let since = new.failing.or(old.failing).map(|failing| failing.since);
            assert_eq!((found.at, found.failing_since), (at(0), since));
        }
    }
}

#[test]
fn inactive_endpoints_do_not_recover() {
    let mut endpoint = endpoint_of(AppId::new());
    endpoint.active = false;
    endpoint.transitions = endpoint.transitions.with(logged(Paused, -60));
    assert_eq!(to_health(&endpoint, &well(), cause(0, true)), None);
}

#[test]
fn transitions_of_the_reserved_app_are_not_reported() {
    let endpoint = endpoint_of(AppId::operational());
    for new in [failing(), paused()] {
        assert_eq!(to_health(&endpoint, &new, cause(0, false)), None);
    }
    let reason = DisabledReason::Failing;
    assert_eq!(to_disabled(&endpoint, reason, cause(0, false)), None);
}

#[test]
fn disablings_are_always_reported() {
    let mut endpoint = endpoint_of(AppId::new());
    endpoint.health = paused();
    endpoint.transitions = endpoint.transitions.with(logged(Paused, -1));
    let reason = DisabledReason::Failing;
    let found = to_disabled(&endpoint, reason, cause(0, false)).unwrap();
    assert_eq!(found.kind, Disabled(reason));
    assert_eq!(found.failing_since, Some(at(-100)));
}

#[test]
fn log_keeps_the_last_transitions() {
    let all = [(Failing, 1), (Paused, 2), (Recovered, 3), (Failing, 4)];
    let log = all.iter().fold(Transitions::default(), |log, (kind, at)| {
        log.with(logged(*kind, *at))
    });
    let times: Vec<_> = log.iter().map(|transition| transition.at).collect();
    assert_eq!(times, [at(2), at(3), at(4)]);
    assert!(log.end_in_trouble());
    assert!(!Transitions::default().end_in_trouble());
}
