//! The reason for two lanes, and a comparison of the simulation with the benchmark.

use std::time::Duration;

use super::model::{Isolation, Model};
use super::receivers::Behaviour;
use super::scenario::{self, Group, Scenario, healthy};
use super::world;
use crate::error::BoxError;

/// When [`one_queue`] begins each measurement of a minute, in seconds.
const AFTER: [u64; 3] = [60, 5 * 60, 20 * 60];

/// One hanging endpoint that gets an event a second, beside 50 healthy events a second:
/// with one queue, with a fair one, and with two lanes.
pub(super) fn one_queue(model: &Model) -> Result<(), BoxError> {
    println!("| Queues | p50 after 1 minute | after 5 | after 20 | p99 after 20 |");
    println!("|---|---:|---:|---:|---:|");
    let hanging = Group {
        behaviour: Behaviour::Hangs,
        endpoints: 1,
        ..healthy(1.0)
    };
    let scenario = Scenario {
        beside: "1 that hangs, 1 event/s",
        groups: vec![healthy(50.0), hanging],
    };
    let minute = |from: u64| Duration::from_secs(from)..Duration::from_secs(from + 60);
    let end = minute(AFTER[AFTER.len() - 1]).end;
    for (name, isolation) in [
        ("one", Isolation::OneQueue),
        ("one, fair", Isolation::FairQueue),
        ("two lanes", Isolation::FairLanes),
    ] {
        let model = Model {
            isolation,
            ..model.clone()
        };
        let report = world::run(&model, &scenario, end)?;
        let delays = AFTER.map(|from| report.delays(Behaviour::Healthy, &minute(from)));
        let p50 = delays.each_ref().map(|delays| delays.p50().to_string());
        let last = delays[delays.len() - 1].p99();
        println!("| {name} | {} | {last} |", p50.join(" | "));
    }
    Ok(())
}

/// The scenarios of the isolation benchmark, with queues like the emulators' and all
/// pollers running from the beginning: 20 events a second for 12 seconds.
pub(super) fn benchmark(model: &Model) -> Result<(), BoxError> {
    println!("| Beside | p50 | p99 | longest |");
    println!("|---|---:|---:|---:|");
    let model = Model {
        isolation: Isolation::PlainLanes,
        // The benchmark's receiver responds at once.
        receiver: Duration::from_millis(1),
        ..model.clone()
    };
    let span = Duration::ZERO..Duration::from_secs(12);
    for scenario in scenario::all(20.0, span.start) {
        let report = world::run(&model, &scenario, span.end)?;
        let delays = report.delays(Behaviour::Healthy, &span);
        println!(
            "| {} | {} | {} | {} |",
            scenario.beside,
            delays.p50(),
            delays.p99(),
            delays.longest()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::report::{Delay, Delays};
    use super::*;

    fn hanging(isolation: Isolation) -> Delays {
        let model = Model {
            isolation,
            ..Model::of_template(Duration::from_millis(50)).unwrap()
        };
        let hanging = Group {
            behaviour: Behaviour::Hangs,
            endpoints: 1,
            ..healthy(1.0)
        };
        let scenario = Scenario {
            beside: "1 that hangs",
            groups: vec![healthy(50.0), hanging],
        };
        let (from, end) = (Duration::from_secs(120), Duration::from_secs(150));
        let report = world::run(&model, &scenario, end).unwrap();
        report.delays(Behaviour::Healthy, &(from..end))
    }

    fn p50(delays: &Delays) -> Delay {
        delays.percentile(50).unwrap()
    }

    #[test]
    fn one_queue_falls_behind_beside_an_endpoint_that_hangs() {
        let delays = hanging(Isolation::OneQueue);
        assert!(
            p50(&delays) > Delay::Of(Duration::from_secs(10)),
            "{}",
            delays.p50()
        );
    }

    #[test]
    fn lanes_keep_healthy_deliveries_from_an_endpoint_that_hangs() {
        let delays = hanging(Isolation::FairLanes);
        let longest = delays.percentile(100).unwrap();
        assert!(
            longest < Delay::Of(Duration::from_secs(1)),
            "{}",
            delays.longest()
        );
    }

    #[test]
    fn runs_are_repeatable() {
        assert_eq!(hanging(Isolation::FairLanes), hanging(Isolation::FairLanes));
    }
}
