//! How each endpoint of an event gets its first attempt. Pure, so that the policy is a
//! table of tests.

use super::endpoint::Endpoint;
use super::health::State;
use super::message::Lane;

/// Endpoints of one event that are attempted at once, at most: as many as one
/// `SendMessageBatch` would hand over. With the ten messages of a batch, one function
/// makes no more attempts than in a full batch of the slow lane.
pub const MOST_AT_ONCE: usize = 10;

/// How an endpoint gets the first attempt at an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// From the function that read the event, at once.
    AtOnce,
    /// From a message in this lane.
    Message(Lane),
    /// Behind others that wait for the endpoint: it is paused, or has more to send than its
    /// rate limit lets through.
    Wait,
}

/// What decides beside the endpoints themselves.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// The lane that the event came by.
    pub lane: Lane,
    /// Whether nobody has begun with the event before, so that no attempt is recorded.
    pub is_new: bool,
    /// Whether so many endpoints of the app are slow that all of its attempts go to the
    /// slow lane.
    pub is_app_slow: bool,
    /// Whether the function has the time for an attempt.
    pub has_time: bool,
    /// How many endpoints may be attempted at once.
    pub most_at_once: usize,
}

/// The routes to these active endpoints, in their order.
///
/// Each endpoint is judged by itself, except that there may be too many: one that is
/// paused or slow, which may last for days, must not delay the app's others by a message.
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
    // An endpoint that limits its rate has to have its turn first.
    let is_ready = |endpoint: &Endpoint| {
        by_message(endpoint) == Route::Message(Lane::Fast) && endpoint.rate_limit.is_none()
    };
    let ready = endpoints.iter().filter(|endpoint| is_ready(endpoint));
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
    fn nothing_is_attempted_at_once_unless_all_circumstances_allow_it() {
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
