//! The cost of an endpoint that hangs.

use std::time::Duration;

use webhook_endpoints::domain::message::Lane;

use super::model::{Isolation, Model};
use super::receivers::Behaviour;
use super::scenario::{Group, Scenario, healthy};
use super::world;
use crate::error::BoxError;

/// Price of a second of the function with 256 MB, on arm64 in us-east-1, as in docs/cost.md.
const DOLLARS_PER_SECOND: f64 = 3.33e-6;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The time before any endpoint is paused.
const BEFORE_PAUSE: Duration = Duration::from_secs(60);

/// Prints the slot seconds of a hanging attempt, and of an event if the endpoint hangs for
/// an hour.
pub(super) fn of_hanging(model: &Model) -> Result<(), BoxError> {
    println!(
        "| Events/s to an endpoint that hangs | Lambda seconds of an attempt: one queue | two lanes | of an event, in an hour: one queue | two lanes | a million events: one queue | two lanes |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for rate in [0.1, 1.0, 20.0, 100.0] {
        let [one_queue, lanes] = [Isolation::OneQueue, Isolation::FairLanes].map(|isolation| {
            let mut model = Model {
                isolation,
                ..model.clone()
            };
            if isolation == Isolation::OneQueue {
                // Enough slots that no attempt has to wait for another one.
                model.fast.concurrency = 10_000;
            }
            Cost::of(&model, rate)
        });
        let (one_queue, lanes) = (one_queue?, lanes?);
        let dollars = |cost: &Cost| cost.event * 1e6 * DOLLARS_PER_SECOND;
        println!(
            "| {rate} | {:.1} | {:.1} | {:.1} | {:.2} | ${:.0} | ${:.2} |",
            one_queue.attempt,
            lanes.attempt,
            one_queue.event,
            lanes.event,
            dollars(&one_queue),
            dollars(&lanes),
        );
    }
    Ok(())
}

/// Slot seconds per attempt and per event.
#[derive(Debug)]
struct Cost {
    attempt: f64,
    event: f64,
}

impl Cost {
    fn of(model: &Model, rate: f64) -> Result<Self, BoxError> {
        let hanging = Group {
            behaviour: Behaviour::Hangs,
            endpoints: 1,
            ..healthy(rate)
        };
        let scenario = Scenario {
            beside: "",
            groups: vec![hanging],
        };
        let of = |until: Duration| {
            let report = world::run(model, &scenario, until)?;
            let all = Duration::ZERO..until + world::GRACE;
            let used = [Lane::Fast, Lane::Slow].map(|lane| report.used(lane, &all));
            let used = used.iter().sum::<f64>();
            let attempts = u32::try_from(report.hanging_attempts(&all))?;
            let events = u32::try_from(report.events(&all))?;
            Ok::<_, BoxError>((used / f64::from(attempts), used / f64::from(events)))
        };
        Ok(Self {
            attempt: of(BEFORE_PAUSE)?.0,
            event: of(HOUR)?.1,
        })
    }
}
