//! The scenarios: groups of endpoints, how they behave, and how many events they get.

use std::time::Duration;

use super::receivers::Behaviour;

/// Endpoints per app, unless the whole group belongs to one app.
pub(super) const ENDPOINTS_PER_APP: usize = 5;

/// The platform's healthy endpoints.
const ENDPOINTS: usize = 500;

#[derive(Debug, Clone)]
pub(super) struct Scenario {
    /// What is wrong beside the healthy endpoints, as shown in the tables.
    pub beside: &'static str,
    pub groups: Vec<Group>,
}

/// Endpoints that behave in the same way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub behaviour: Behaviour,
    pub endpoints: usize,
    pub is_one_app: bool,
    /// Events per second, each to a random endpoint of the group.
    pub rate: f64,
    /// When publishing begins.
    pub from: Duration,
    /// Failed deliveries to the first endpoint that are recovered at the beginning.
    pub recovered: usize,
}

/// All healthy endpoints, with `rate` events per second in total.
pub(super) fn healthy(rate: f64) -> Group {
    Group {
        behaviour: Behaviour::Healthy,
        endpoints: ENDPOINTS,
        is_one_app: false,
        rate,
        from: Duration::ZERO,
        recovered: 0,
    }
}

/// Endpoints of one app, with `rate` events per second in total, starting at `from`.
fn neighbours(behaviour: Behaviour, endpoints: usize, rate: f64, from: Duration) -> Group {
    Group {
        behaviour,
        endpoints,
        is_one_app: true,
        rate,
        from,
        recovered: 0,
    }
}

/// A hundredth of the platform's endpoints, with their share of its events.
fn hundredth(behaviour: Behaviour, load: f64, from: Duration) -> Group {
    Group {
        behaviour,
        endpoints: ENDPOINTS / 100,
        rate: load / 100.0,
        from,
        ..healthy(load)
    }
}

/// At `from`, a hundredth of the endpoints begins to hang, and another to take 5 s.
pub(super) fn troubled(load: f64, from: Duration) -> [Group; 2] {
    [Behaviour::Hangs, Behaviour::Slow].map(|behaviour| hundredth(behaviour, load, from))
}

/// The scenarios of the isolation benchmark at this load, with neighbours that begin at
/// `from`, and one scenario with trouble in proportion to the load.
pub(super) fn all(load: f64, from: Duration) -> Vec<Scenario> {
    let hang = |endpoints, rate| vec![neighbours(Behaviour::Hangs, endpoints, rate, from)];
    let recovery = Group {
        recovered: 10_000,
        ..neighbours(Behaviour::Hangs, 1, 0.0, from)
    };
    let slow = neighbours(Behaviour::Slow, 1, 6.0, from);
    let neighbours = [
        ("nobody", Vec::new()),
        ("1 that hangs, 2 events/s", hang(1, 2.0)),
        ("1 that hangs, 6 events/s", hang(1, 6.0)),
        ("1 that hangs, 20 events/s", hang(1, 20.0)),
        ("20 that hang, 20 events/s", hang(20, 20.0)),
        ("100 that hang, 20 events/s", hang(100, 20.0)),
        ("1 that takes 5 s, 6 events/s", vec![slow]),
        ("1 that is dead, a recovery of 10,000", vec![recovery]),
        (
            "1 % of all that hang, 1 % that take 5 s",
            troubled(load, from).to_vec(),
        ),
    ];
    let scenarios = neighbours.into_iter().map(|(beside, groups)| Scenario {
        beside,
        groups: std::iter::once(healthy(load)).chain(groups).collect(),
    });
    scenarios.collect()
}
