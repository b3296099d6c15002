//! How each endpoint of an event gets its first attempt.

use super::endpoint::Endpoint;
use super::health::State;
use super::message::Lane;

/// The most endpoints of an event that are attempted at once: as many as one
/// `SendMessageBatch` can take. A batch has ten events, so a function makes at most a hundred
/// attempts at a time, like for a full batch of the slow lane.
pub const MOST_AT_ONCE: usize = 10;

/// How an endpoint gets the first attempt at an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// At once, by the function that handles the event.
    AtOnce,
    /// By a message on this lane.
    Message(Lane),
    /// It waits in the table behind other deliveries, because the endpoint is paused or has a
    /// backlog beyond its rate limit.
    Wait,
}

/// What decides about the routes besides the endpoints themselves.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// The lane on which the event's message arrived.
    pub lane: Lane,
    /// Whether this message stored the event, so that no attempt can be recorded yet.
    pub is_new: bool,
    /// Whether the app has so many slow endpoints that all its attempts go to the slow lane,
    /// see [`is_app_slow`](super::health::is_app_slow).
    pub is_app_slow: bool,
    /// Whether the function has enough time left for an attempt.
    pub has_time: bool,
    /// How many endpoints may be attempted at once.
    pub most_at_once: usize,
}

/// The routes to these active endpoints, in the same order.
///
/// Each endpoint's route depends only on itself and on how many are ready: a paused or slow
/// endpoint, which may stay so for days, must not send the app's other endpoints through the
/// queue.
#[must_use]
pub fn routes(endpoints: &[Endpoint], it: Circumstances) -> Vec<Route> {
    let by_message = |endpoint: &Endpoint| {
        if endpoint.health.state() == State::Paused || endpoint.has_backlog() {
            return Route::Wait;
        }
        match it.is_app_slow {
            true => Route::Message(Lane::Slow),
            false => Route::Message(endpoint.lane()),
        }
    };
    // A rate-limited endpoint is never ready, because its attempts have to take turns.
    let is_ready = |endpoint: &Endpoint| {
        by_message(endpoint) == Route::Message(Lane::Fast) && endpoint.rate_limit.is_none()
    };
    let ready = endpoints.iter().filter(|endpoint| is_ready(endpoint));
    // All or none: if there are too many, the ready ones all get messages.
    let at_once =
        it.lane == Lane::Fast && it.is_new && it.has_time && ready.count() <= it.most_at_once;
    let route = |endpoint: &Endpoint| match at_once && is_ready(endpoint) {
        true => Route::AtOnce,
        false => by_message(endpoint),
    };
    endpoints.iter().map(route).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::Route::{AtOnce, Message, Wait};
    use super::*;
    use crate::domain::address::AddressPolicy;
    use crate::domain::channel::Channels;
    use crate::domain::endpoint::{Claim, EndpointKey, NewEndpoint, Place, SecretVersion};
    use crate::domain::event_type::Subscriptions;
    use crate::domain::health::{Failing, Health, Pause};
    use crate::domain::id::{AppId, EndpointId};
    use crate::domain::labels::Labels;
    use crate::domain::rate_limit::RateLimit;
    use crate::domain::target_url::TargetUrl;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn well() -> Endpoint {
        let new = NewEndpoint {
            url: TargetUrl::parse("https://example.com/", AddressPolicy::PublicOnly).unwrap(),
            events: Subscriptions::parse("events", ["*"]).unwrap(),
            active: true,
            rate_limit: None,
            labels: Labels::default(),
            channels: Channels::default(),
            filter: None,
        };
        let key = EndpointKey {
            app_id: AppId::new(),
            endpoint_id: EndpointId::new(),
        };
        new.registered(key, SecretVersion::new("v1"), NOW)
    }

    fn limited() -> Endpoint {
        Endpoint {
            rate_limit: Some(RateLimit::new(1_000).unwrap()),
            ..well()
        }
    }

    fn behind_others() -> Endpoint {
        let place = Place {
            at: NOW,
            claim: Some(Claim::Backlog),
        };
        Endpoint {
            place: Some(place),
            ..limited()
        }
    }

    fn with(health: Health) -> Endpoint {
        Endpoint { health, ..well() }
    }

    fn slow() -> Endpoint {
        with(Health {
            slow_since: Some(NOW),
            ..Health::default()
        })
    }

    fn failing() -> Endpoint {
        let failing = Failing {
            since: NOW,
            last: NOW,
            failures: 1,
        };
        with(Health {
            failing: Some(failing),
            ..Health::default()
        })
    }

    fn paused() -> Endpoint {
        let pause = Pause {
            since: NOW,
            probe_at: None,
            probes: 0,
        };
        with(Health {
            pause: Some(pause),
            ..failing().health
        })
    }

    const BEST: Circumstances = Circumstances {
        lane: Lane::Fast,
        is_new: true,
        is_app_slow: false,
        has_time: true,
        most_at_once: 2,
    };

    #[test]
    fn endpoints_that_are_well_are_attempted_at_once() {
        const FAST: Route = Message(Lane::Fast);
        const SLOW: Route = Message(Lane::Slow);
        for (endpoints, expected) in [
            (vec![], vec![]),
            (vec![well()], vec![AtOnce]),
            (vec![well(), well()], vec![AtOnce, AtOnce]),
            (vec![well(), well(), well()], vec![FAST, FAST, FAST]),
            (vec![limited()], vec![FAST]),
            (vec![slow()], vec![SLOW]),
            (vec![failing()], vec![SLOW]),
            (vec![paused()], vec![Wait]),
            (vec![behind_others()], vec![Wait]),
            (
                vec![slow(), well(), paused(), limited(), failing(), well()],
                vec![SLOW, AtOnce, Wait, FAST, SLOW, AtOnce],
            ),
        ] {
            assert_eq!(routes(&endpoints, BEST), expected);
        }
    }

    #[test]
    fn attempts_at_once_need_every_circumstance() {
        let endpoints = [well(), slow(), paused()];
        for (it, of_well) in [
            (BEST, AtOnce),
            (
                Circumstances {
                    is_new: false,
                    ..BEST
                },
                Message(Lane::Fast),
            ),
            (
                Circumstances {
                    has_time: false,
                    ..BEST
                },
                Message(Lane::Fast),
            ),
            (
                Circumstances {
                    lane: Lane::Slow,
                    ..BEST
                },
                Message(Lane::Fast),
            ),
            (
                Circumstances {
                    most_at_once: 0,
                    ..BEST
                },
                Message(Lane::Fast),
            ),
            (
                Circumstances {
                    is_app_slow: true,
                    ..BEST
                },
                Message(Lane::Slow),
            ),
        ] {
            let expected = [of_well, Message(Lane::Slow), Wait];
            assert_eq!(routes(&endpoints, it), expected, "{it:?}");
        }
    }
}
