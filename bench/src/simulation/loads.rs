//! From 10 to 10,000 events per second: the lowest sufficient concurrency, and the effect of
//! neighbours.

use std::ops::Range;
use std::time::Duration;

use webhook_endpoints::domain::message::Lane;

use super::model::{Concurrency, Model};
use super::receivers::Behaviour;
use super::report::{Delay, Report, Shown};
use super::scenario::{self, Scenario, healthy, troubled};
use super::world;
use crate::error::BoxError;

/// Events per second.
const LOADS: [u32; 4] = [10, 100, 1_000, 10_000];

/// The values to try. Lambda accepts 2 to 1,000.
const TRIED: [usize; 20] = [
    2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50, 70, 100, 150, 200, 300, 400, 500, 700, 1_000,
];

/// The p99 of healthy deliveries must stay below this.
const FAST_GOAL: Duration = Duration::from_secs(1);

/// The p99 of deliveries to receivers that take 5 s must stay below this.
const SLOW_GOAL: Duration = Duration::from_secs(60);

/// When the neighbours begin.
const FROM: Duration = Duration::from_secs(5);

const MINUTE: Duration = Duration::from_secs(60);

const FIRST_MINUTE: Range<Duration> = FROM..Duration::from_secs(65);

/// By then, hanging endpoints are paused.
const STEADY: Range<Duration> = Duration::from_secs(125)..Duration::from_secs(185);

/// The recommended concurrency for a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recommended {
    load: u32,
    concurrency: Concurrency,
}

/// Finds the lowest sufficient concurrency for each load up to `most`.
pub(super) fn least(model: &Model, most: u32) -> Result<Vec<Recommended>, BoxError> {
    println!(
        "| Events/s | Least fast, all well | Least fast, 1 % begin to hang and 1 % to take 5 s | Least slow | Recommended fast, slow | Longest after a standstill | Under 1 s again after |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    let mut recommended = Vec::new();
    for load in LOADS.into_iter().filter(|load| *load <= most) {
        let rate = f64::from(load);
        let well = vec![healthy(rate)];
        let trouble = troubled(rate, FROM).to_vec();
        let both = [well.clone(), trouble.clone()].concat();
        let default = model.concurrency();
        let fast = |fast| Concurrency { fast, ..ample() };
        let all_well = search(model, &well, fast, Behaviour::Healthy, FAST_GOAL)?;
        let with_trouble = search(model, &both, fast, Behaviour::Healthy, FAST_GOAL)?;
        // Healthy deliveries don't use the slow lane, so leave them out, which is faster.
        let slow = |slow| Concurrency { slow, ..ample() };
        let slow_lane = search(model, &trouble, slow, Behaviour::Slow, SLOW_GOAL)?;
        let concurrency = Concurrency {
            fast: with_trouble.unwrap_or(1_000).max(default.fast),
            slow: slow_lane.unwrap_or(1_000).max(default.slow),
        };
        let (longest, recovered) = after_standstill(&model.with(concurrency), well)?;
        println!(
            "| {load} | {} | {} | {} | {}, {} | {longest} | {recovered} s |",
            shown(all_well),
            shown(with_trouble),
            shown(slow_lane),
            concurrency.fast,
            concurrency.slow,
        );
        recommended.push(Recommended { load, concurrency });
    }
    Ok(recommended)
}

/// Enough concurrency in both lanes that neither limits the search in the other.
fn ample() -> Concurrency {
    Concurrency {
        fast: 1_000,
        slow: 200,
    }
}

fn shown(concurrency: Option<usize>) -> String {
    concurrency.map_or("over 1,000".to_owned(), |found| found.to_string())
}

/// The lowest concurrency at which deliveries to these receivers, published in the first
/// minute of trouble, keep their p99 below `goal`.
fn search(
    model: &Model,
    groups: &[scenario::Group],
    concurrency: impl Fn(usize) -> Concurrency,
    behaviour: Behaviour,
    goal: Duration,
) -> Result<Option<usize>, BoxError> {
    let scenario = Scenario {
        beside: "",
        groups: groups.to_vec(),
    };
    least_of(&TRIED, |tried| {
        let model = model.with(concurrency(tried));
        let report = world::run(&model, &scenario, FIRST_MINUTE.end)?;
        let p99 = report.delays(behaviour, &FIRST_MINUTE).percentile(99);
        Ok(p99.is_none_or(|p99| p99 < Delay::Of(goal)))
    })
}

/// The first value of `sorted` that is enough. A binary search, so it assumes that every
/// later value is enough as well.
fn least_of<E>(
    sorted: &[usize],
    mut is_enough: impl FnMut(usize) -> Result<bool, E>,
) -> Result<Option<usize>, E> {
    let (mut low, mut high) = (0, sorted.len());
    while low < high {
        let middle = (low + high) / 2;
        match is_enough(sorted[middle])? {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    Ok(sorted.get(low).copied())
}

/// The longest delay when events begin to arrive after a time without any, and after how
/// many seconds delays are at most a second again.
fn after_standstill(model: &Model, groups: Vec<scenario::Group>) -> Result<(Shown, u64), BoxError> {
    let model = Model {
        is_warm: false,
        ..model.clone()
    };
    let scenario = Scenario { beside: "", groups };
    let report = world::run(&model, &scenario, MINUTE * 2)?;
    let delays = report.delays(Behaviour::Healthy, &(Duration::ZERO..MINUTE * 2));
    let late = report.last_beyond(FAST_GOAL);
    Ok((delays.longest(), late.as_secs()))
}

/// Runs every scenario at each load.
pub(super) fn scenarios(model: &Model, loads: &[Recommended]) -> Result<(), BoxError> {
    println!(
        "| Events/s | Beside | First minute: p50 | p99 | longest | Later: p50 | p99 | Fast slots used | Slow slots used | Lambda seconds per million events |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for Recommended { load, concurrency } in loads {
        let model = model.with(*concurrency);
        for scenario in scenario::all(f64::from(*load), FROM) {
            let report = world::run(&model, &scenario, STEADY.end)?;
            let cells = cells(&report, *concurrency);
            println!("| {load} | {} | {} |", scenario.beside, cells.join(" | "));
        }
    }
    Ok(())
}

fn cells(report: &Report, concurrency: Concurrency) -> Vec<String> {
    let first = report.delays(Behaviour::Healthy, &FIRST_MINUTE);
    let steady = report.delays(Behaviour::Healthy, &STEADY);
    let [fast, slow] = [Lane::Fast, Lane::Slow].map(|lane| report.used(lane, &STEADY));
    let share = |used: f64, slots: usize| {
        let slots = f64::from(u32::try_from(slots).unwrap_or(u32::MAX));
        format!("{:.0} %", 100.0 * used / (slots * MINUTE.as_secs_f64()))
    };
    let events = u32::try_from(report.events(&STEADY)).unwrap_or(u32::MAX);
    vec![
        first.p50().to_string(),
        first.p99().to_string(),
        first.longest().to_string(),
        steady.p50().to_string(),
        steady.p99().to_string(),
        share(fast, concurrency.fast),
        share(slow, concurrency.slow),
        format!("{:.0}", 1e6 * (fast + slow) / f64::from(events)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_finds_the_least_that_is_enough() {
        for least in 0..=1_000 {
            let expected = TRIED.into_iter().find(|tried| *tried >= least);
            let found = least_of(&TRIED, |tried| Ok::<_, ()>(tried >= least));
            assert_eq!(found, Ok(expected), "{least}");
        }
        assert_eq!(least_of(&TRIED, |_| Ok::<_, ()>(false)), Ok(None));
    }

    #[test]
    fn more_slots_are_enough_where_fewer_are_not() {
        let model = Model::of_template(Duration::from_millis(50)).unwrap();
        let groups = [healthy(200.0)];
        let fast = |fast| Concurrency { fast, ..ample() };
        let goal = Duration::from_secs(1);
        let found = search(&model, &groups, fast, Behaviour::Healthy, goal).unwrap();
        // 200 events a second take at least 2 slot seconds each second in full batches.
        assert!((2..=20).contains(&found.unwrap()), "{found:?}");
    }
}
